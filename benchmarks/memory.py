"""Memory of a process in long work: repeated calls of `fine_tune`, or many embeddings.

python -m benchmarks.memory --calls 12        # after each training of a new classifier
python -m benchmarks.memory --embed 100000    # while that many sentences go through `bert.embed_chunks`
"""

import argparse
import gc
import itertools
import time

import numpy as np

import bertedu as be
from benchmarks import common

WORDS = "a the good bad dull bright film plot actor story moves drags".split()  # noqa: SIM905
TARGET = 100  # MB, the limit of what ten calls may add after the second


def resident():
    """Return the resident memory of this process in megabytes."""
    import psutil

    return psutil.Process().memory_info().rss / 1e6


def fine_tune(bert, calls):
    """Fine-tune MiniLM repeatedly, each time with a new classifier, and print the memory."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, rng.integers(5, 20))) for _ in range(32)]
    labels = [int("good" in text.split()) for text in texts]
    after = []
    for call in range(1, calls + 1):
        options = {"epochs": 1, "batch_size": 16, "progress": False}
        be.fine_tune(bert.classifier_for(2), bert.preprocessor, (texts, labels), (texts, labels), **options)
        gc.collect()
        after.append(resident())
        print(f"call {call}: {after[-1]:,.0f} MB", flush=True)
    if calls > 2:
        print(f"after the second call: {after[-1] - after[1]:+,.0f} MB in {calls - 2} calls (target: < {TARGET} in 10)")


def embed(bert, count):
    """Embed sentences with the lengths of reviews, and print the memory after every tenth of them."""
    sentences = common.short_texts(1000, **common.REVIEWS)
    step = count // 10
    start = time.perf_counter()

    def texts():
        for i, sentence in enumerate(itertools.islice(itertools.cycle(sentences), count)):
            if i and i % step == 0:
                seconds = time.perf_counter() - start
                print(f"{i:,} sentences read after {seconds:.0f} s: {resident():,.0f} MB", flush=True)
            yield sentence

    rows = sum(len(vectors) for vectors in bert.embed_chunks(texts(), progress=False))
    print(f"{rows:,} embedded in {time.perf_counter() - start:.0f} s: {resident():,.0f} MB")


def main():
    """Load MiniLM, do the work, and print the memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=12, help="number of trainings (default: %(default)s)")
    parser.add_argument("--embed", type=int, metavar="N", help="embed N sentences instead")
    options = parser.parse_args()
    bert = be.load("minilm")
    print(f"loaded: {resident():,.0f} MB")
    if options.embed:
        embed(bert, options.embed)
    else:
        fine_tune(bert, options.calls)


if __name__ == "__main__":
    main()

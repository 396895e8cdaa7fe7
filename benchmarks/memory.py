"""Memory of a process after repeated calls of `fine_tune`: `python -m benchmarks.memory --calls 12`."""

import argparse
import gc

import numpy as np

import bertedu as be

WORDS = "a the good bad dull bright film plot actor story moves drags".split()  # noqa: SIM905
TARGET = 100  # MB, the limit of what ten calls may add after the second


def resident():
    """Return the resident memory of this process in megabytes."""
    import psutil

    return psutil.Process().memory_info().rss / 1e6


def main():
    """Fine-tune MiniLM repeatedly, each time with a new classifier, and print the memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=12, help="number of calls (default: %(default)s)")
    calls = parser.parse_args().calls
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, rng.integers(5, 20))) for _ in range(32)]
    labels = [int("good" in text.split()) for text in texts]
    bert = be.load("minilm")
    print(f"loaded: {resident():,.0f} MB")
    after = []
    for call in range(1, calls + 1):
        options = {"epochs": 1, "batch_size": 16, "progress": False}
        be.fine_tune(bert.classifier_for(2), bert.preprocessor, (texts, labels), (texts, labels), **options)
        gc.collect()
        after.append(resident())
        print(f"call {call}: {after[-1]:,.0f} MB", flush=True)
    if calls > 2:
        print(f"after the second call: {after[-1] - after[1]:+,.0f} MB in {calls - 2} calls (target: < {TARGET} in 10)")


if __name__ == "__main__":
    main()

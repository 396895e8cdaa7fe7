"""Where the time of `bert.embed`, `bert.read` or `be.fine_tune` goes, operation by operation (TensorFlow's profiler).

    python -m benchmarks.profiling embed|read|fine_tune

Operations overlap on several cores, so the sum of their times is larger than the elapsed time; "share" is of that sum.
"""

import collections
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import common, read

ROWS = 16
FIRST, LAST = 20, 40  # steps of a training that are profiled


def operations(folder):
    """Return the seconds and the number of calls by type of operation, from a trace of TensorFlow's profiler."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space, times, calls = xplane_pb2.XSpace(), collections.Counter(), collections.Counter()
    space.ParseFromString(next(Path(folder).rglob("*.xplane.pb")).read_bytes())
    for plane in space.planes:
        for event in (event for line in plane.lines if line.name.startswith("tf_Compute") for event in line.events):
            node, _, kind = plane.event_metadata[event.metadata_id].name.partition(":")
            if kind.isidentifier():  # an operation is "node:type"
                times[kind] += event.duration_ps / 1e12
                calls[kind] += 1
    return times, calls


def profiled(work):
    """Return the operations of one call of `work`."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            work()
        return operations(folder)


def show(times, calls, count, elapsed, unit):
    """Print the operations with the most time, for each of `count` units of work."""
    whole = sum(times.values())
    print(f"{elapsed / count * 1e3:.1f} ms per {unit}, operations {whole / count * 1e3:.1f} ms.\n")
    print(f"| operation | calls per {unit} | ms | share |\n| --- | --- | --- | --- |")
    for kind, seconds in times.most_common(ROWS):
        print(f"| `{kind}` | {calls[kind] / count:.0f} | {seconds / count * 1e3:.2f} | {seconds / whole:.1%} |")
    return sum(seconds for kind, seconds in times.items() if "MatMul" in kind)


def embed():
    """Profile `bert.embed` on short review sentences."""
    import bertedu as be
    from bertedu.bert import BATCH_TOKENS
    from bertedu.text import length_sorted_batches

    bert, texts = be.load("minilm"), common.short_texts(872, **common.REVIEWS)
    bert.embed(texts, progress=False)  # traces
    start = time.perf_counter()
    rows = bert.preprocessor.encode_batch(texts, max_length=bert.embed_settings.max_length)
    tokenizing = time.perf_counter() - start
    batches = length_sorted_batches([len(row.ids) for row in rows], BATCH_TOKENS)
    whole = min(common.seconds(lambda: bert.embed(texts, progress=False)) for _ in range(3))
    show(*profiled(lambda: bert.embed(texts, progress=False)), len(batches), whole, "batch")
    padded = [len(rows[batch[0]].ids) for batch in batches for _ in batch]
    rate, peak = common.floating_point_operations(padded) / whole, common.matrix_peak("tensorflow")
    real = sum(len(row.ids) for row in rows) / sum(padded)
    print(f"\nAll of `embed` {rate / 1e9:.0f} GFLOP/s, TensorFlow's peak {peak / 1e9:.0f}.")
    print(f"Tokenizing {tokenizing / whole:.1%} of the time; {1 - real:.1%} of the tokens are padding.")


def reading():
    """Profile `bert.read` on sentences of different lengths."""
    import bertedu as be

    bert, (warm_up, texts) = be.load("minilm"), read.texts_of_every_length()
    bert.read(warm_up)

    def work():
        for text in texts:
            bert.read(text)

    work()
    elapsed = min(common.seconds(work) for _ in range(3))
    products = show(*profiled(work), len(texts), elapsed, "sentence")
    lengths = common.token_counts(texts)
    rate, peak = common.floating_point_operations(lengths) / products, common.matrix_peak("tensorflow")
    print(f"\nMatrix products of {np.mean(lengths):.0f} tokens: {rate / 1e9:.0f} GFLOP/s, the peak {peak / 1e9:.0f}.")


def fine_tune():
    """Profile some steps of a training on short texts."""
    import keras
    import tensorflow as tf

    import bertedu as be

    texts = common.short_texts(32 * (LAST + 10))
    labels = [len(text) % 4 for text in texts]
    bert = be.load("minilm")
    with tempfile.TemporaryDirectory() as folder:
        steps = []

        def after(batch, logs):
            steps.append(time.perf_counter())
            if len(steps) == FIRST:
                tf.profiler.experimental.start(folder)
            elif len(steps) == LAST:
                tf.profiler.experimental.stop()

        callback = keras.callbacks.LambdaCallback(on_train_batch_end=after)
        be.fine_tune(bert.classifier_for(4), bert.preprocessor, (texts, labels), epochs=1, precision="float32",
                     progress=False, callbacks=[callback])  # fmt: skip
        show(*operations(folder), LAST - FIRST, steps[LAST - 1] - steps[FIRST - 1], "step")


WORK = {"embed": embed, "read": reading, "fine_tune": fine_tune}


def main():
    """Print the table of one kind of work."""
    arguments = common.parser(__doc__, repeats=1)
    arguments.add_argument("work", choices=WORK)
    options = common.parsed(arguments)
    print(common.machine(), "\n")
    WORK[options.work]()


if __name__ == "__main__":
    main()

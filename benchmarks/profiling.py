"""Where the time of `bert.embed` goes: tokenizing, packing, and the operations of the graph (TensorFlow's profiler)."""

import collections
import tempfile
import time
from pathlib import Path

from benchmarks import common


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


def main(texts):
    """Print the table. The time of the graph is divided in proportion to the operations' times, which overlap."""
    import tensorflow as tf

    import bertedu as be
    from bertedu.bert import BATCH_TOKENS
    from bertedu.text import length_sorted_batches, pack

    bert = be.load("minilm")
    limit = bert.embed_settings.max_length
    bert.embed(texts, progress=False)  # traces
    start = time.perf_counter()
    rows = bert.preprocessor.encode_batch(texts, max_length=limit)
    tokenizing = time.perf_counter() - start
    batches = length_sorted_batches([len(row.ids) for row in rows], BATCH_TOKENS)
    packing = common.seconds(lambda: [pack([rows[i] for i in batch], bert.tokenizer.pad_id) for batch in batches])
    whole = min(common.seconds(lambda: bert.embed(texts, progress=False)) for _ in range(3))
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            bert.embed(texts, progress=False)
        times, calls = operations(folder)
    graph = whole - tokenizing - packing
    lines = [("tokenizing", 1, tokenizing), ("packing", len(batches), packing)]
    scale = graph / sum(times.values())
    lines += [(f"`{kind}`", calls[kind], scale * seconds) for kind, seconds in times.most_common(15)]
    print("| what | calls | ms | share |\n| --- | --- | --- | --- |")
    for what, count, seconds in lines:
        print(f"| {what} | {count} | {seconds * 1e3:.1f} | {seconds / whole:.1%} |")
    padded = [len(rows[batch[0]].ids) for batch in batches for _ in batch]
    products = scale * sum(seconds for kind, seconds in times.items() if "MatMul" in kind)
    rates = [common.floating_point_operations(padded) / seconds for seconds in (products, whole)]
    rates.append(common.matrix_peak("tensorflow"))
    real = sum(len(row.ids) for row in rows) / sum(padded)
    print(
        "\nMatrix products {:.0f} GFLOP/s, all of `embed` {:.0f}, TensorFlow's peak {:.0f}.".format(
            *(r / 1e9 for r in rates)
        )
    )
    print(f"Products are {products / whole:.0%} of the time; {1 - real:.1%} of the tokens are padding.")

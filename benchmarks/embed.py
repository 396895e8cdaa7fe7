"""`bert.embed` on 1,000 real sentences, compared with sentence-transformers and with the machine's peak performance.

    python -m benchmarks.embed [--repeats 5] [--sentences 1000]

Two processes take turns, and alternate in who starts. sentence-transformers' `encode` runs with its default batch size,
32, and with the fastest one on this machine. Both tokenize, pool and normalize. In the same turns, bertedu's process
measures the machine's peak: the fastest of ten products of square float32 matrices of 1024 and 2048, with TensorFlow
and with NumPy.
"""

import time

import numpy as np

from benchmarks import common

BATCH_SIZES = (8, 16, 32, 64, 128)


def bertedu_embedder():
    """Return a function from texts to vectors; it chooses its own batch sizes."""
    import bertedu as be

    bert = be.load("minilm")
    return lambda texts, batch_size: bert.embed(texts, progress=False)


def sentence_transformers_embedder():
    """Return a function from texts and batch size to vectors."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(common.model_directory(), device="cpu", local_files_only=True)
    return lambda texts, batch_size: model.encode(texts, batch_size=batch_size, show_progress_bar=False)


EMBEDDERS = {"bertedu": bertedu_embedder, "sentence-transformers": sentence_transformers_embedder}


def floating_point_operations(lengths):
    """Return the floating-point operations of MiniLM's matrix products on texts of these lengths, without padding.

    A product of [m, k] and [k, n] has 2 m k n. A layer of hidden size D and inner size F, on T tokens: query, key,
    value and output 4 x 2 T D D; attention logits and context 2 x 2 T T D; the feed-forward network 2 x 2 T D F.
    """
    from bertedu.files import read_json
    from bertedu.presets import offline_model_directory

    config = read_json(offline_model_directory() / "config.json")
    d, f, layers = (config[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers"))
    t = np.asarray(lengths, "float64")
    return float(np.sum(layers * (8 * t * d**2 + 4 * t**2 * d + 4 * t * d * f)))


def peak():
    """Return the peak operations per second of square float32 matrix products, with TensorFlow or NumPy."""
    import tensorflow as tf

    best = 0.0
    for size in (1024, 2048):
        a, b = np.random.default_rng(0).normal(size=(2, size, size)).astype("float32")
        x, y = tf.constant(a), tf.constant(b)
        for multiply in (lambda: a @ b, lambda: tf.matmul(x, y).numpy()):  # noqa: B023  (used within the iteration)
            fastest = min(common.seconds(multiply) for _ in range(10))
            best = max(best, 2 * size**3 / fastest)
    return best


def measure(repeats, texts):
    """Return the seconds of all repeats by contestant, the peaks, and sentence-transformers' best batch size."""
    with (
        common.Worker("benchmarks.embed", "bertedu") as bertedu,
        common.Worker("benchmarks.embed", "sentence-transformers") as peer,
    ):
        for worker in (bertedu, peer):
            worker.ask(texts=texts)  # warm up
        trials = {size: peer.ask(texts=texts, batch_size=size)["seconds"] for size in BATCH_SIZES}
        best = min(trials, key=trials.get)
        turns = {"bertedu": (bertedu, 32), "default": (peer, 32), "best": (peer, best)}
        times, peaks = {name: [] for name in turns}, []
        for turn in range(repeats):
            peaks.append(bertedu.ask(peak=True)["peak"])
            for name in list(turns)[:: -1 if turn % 2 else 1]:
                worker, batch_size = turns[name]
                times[name].append(worker.ask(texts=texts, batch_size=batch_size)["seconds"])
    return {name: np.array(values) for name, values in times.items()}, np.array(peaks), best


def rows(repeats=5, count=1000):
    """Return the benchmark's rows of the table."""
    texts = common.spread_sentences(count)
    lengths = np.minimum(common.token_counts(texts), 256)  # MiniLM's limit as sentence-transformers publishes it
    times, peaks, best = measure(repeats, texts)
    speeds = {name: f"{count / np.median(values):.0f} sentences/s" for name, values in times.items()}
    lines = [
        common.row(
            f"`embed`, {count} sentences of {min(lengths)} to {max(lengths)} tokens (median {np.median(lengths):.0f}): "
            f"speed / sentence-transformers', batch size {size}",
            speeds["bertedu"],
            speeds[name],
            times[name] / times["bertedu"],
            ">= 1.1",
            lambda x: x >= 1.1,
        )
        for name, size in (("default", 32), ("best", f"{best} (its best here)"))
    ]
    work = floating_point_operations(lengths)
    achieved, maximum = (
        f"{value / 1e9:.0f} GFLOP/s" for value in (work / np.median(times["bertedu"]), np.median(peaks))
    )
    what = "`embed`, fraction of this machine's matrix-multiply peak (peer column: the peak)"
    return [*lines, common.row(what, achieved, maximum, work / times["bertedu"] / peaks)]


def answerer(name):
    """Return the worker's function, which embeds texts or measures the peak."""
    embed = EMBEDDERS[name]()

    def answer(texts=(), batch_size=32, peak=False):
        if peak:
            return {"peak": measure_peak()}
        start = time.perf_counter()
        embed(texts, batch_size)
        return {"seconds": time.perf_counter() - start}

    return answer


measure_peak = peak


def main():
    """Run the benchmark and print its table."""
    arguments = common.parser(__doc__, repeats=5)
    arguments.add_argument("--sentences", type=int, default=1000, help="number of sentences (default: %(default)s)")
    options = common.parsed(arguments)
    if options.serve:
        common.serve(answerer(options.serve))
    else:
        print(common.machine(), "\n")
        print(common.table(rows(options.repeats, options.sentences)))


if __name__ == "__main__":
    main()

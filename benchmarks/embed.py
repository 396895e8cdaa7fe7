"""`bert.embed` on 1,000 real sentences against sentence-transformers, and how much of the machine it uses.

    python -m benchmarks.embed [--repeats 5] [--sentences 1000]

Two processes take turns; which one begins alternates. sentence-transformers' `encode` runs with its default batch size,
32, and with the one that is fastest here, found first. Both tokenise, pool and normalise. In the same turns bertedu's
process measures the machine's peak: the fastest of ten products of square float32 matrices of 1024 and 2048, with
TensorFlow and with NumPy.
"""

import time

import numpy as np

from benchmarks import common

BATCH_SIZES = (8, 16, 32, 64, 128)


def bertedu_embedder():
    """texts -> vectors; the batch size is its own affair."""
    import bertedu as be

    bert = be.load("minilm")
    return lambda texts, batch_size: bert.embed(texts, progress=False)


def sentence_transformers_embedder():
    """texts, batch size -> vectors."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(common.model_directory(), device="cpu", local_files_only=True)
    return lambda texts, batch_size: model.encode(texts, batch_size=batch_size, show_progress_bar=False)


EMBEDDERS = {"bertedu": bertedu_embedder, "sentence-transformers": sentence_transformers_embedder}


def floating_point_operations(lengths):
    """Multiplications and additions of MiniLM's matrix products on texts of these many tokens, no padding counted.

    A product of [m, k] and [k, n] has 2 m k n. A layer of width D and inner size F, on T tokens: query, key, value and
    output 4 x 2 T D D; the scores and their use 2 x 2 T T D; the feed-forward network 2 x 2 T D F.
    """
    from bertedu.files import read_json
    from bertedu.presets import offline_model_directory

    config = read_json(offline_model_directory() / "config.json")
    d, f, layers = (config[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers"))
    t = np.asarray(lengths, "float64")
    return float(np.sum(layers * (8 * t * d**2 + 4 * t**2 * d + 4 * t * d * f)))


def peak():
    """The most operations a second that square float32 matrix products reach here: TensorFlow's or NumPy's."""
    import tensorflow as tf

    best = 0.0
    for size in (1024, 2048):
        a, b = np.random.default_rng(0).normal(size=(2, size, size)).astype("float32")
        x, y = tf.constant(a), tf.constant(b)
        for multiply in (lambda: a @ b, lambda: tf.matmul(x, y).numpy()):  # noqa: B023  (used before the next turn)
            fastest = min(common.seconds(multiply) for _ in range(10))
            best = max(best, 2 * size**3 / fastest)
    return best


def measure(repeats, texts):
    """Seconds of every repeat by contestant, the peaks, and sentence-transformers' best batch size."""
    with (
        common.Worker("benchmarks.embed", "bertedu") as ours,
        common.Worker("benchmarks.embed", "sentence-transformers") as theirs,
    ):
        for worker in (ours, theirs):
            worker.ask(texts=texts)  # warm up
        trials = {size: theirs.ask(texts=texts, batch_size=size)["seconds"] for size in BATCH_SIZES}
        best = min(trials, key=trials.get)
        turns = {"bertedu": (ours, 32), "default": (theirs, 32), "best": (theirs, best)}
        times, peaks = {name: [] for name in turns}, []
        for turn in range(repeats):
            peaks.append(ours.ask(peak=True)["peak"])
            for name in list(turns)[:: -1 if turn % 2 else 1]:
                worker, batch_size = turns[name]
                times[name].append(worker.ask(texts=texts, batch_size=batch_size)["seconds"])
    return {name: np.array(values) for name, values in times.items()}, np.array(peaks), best


def rows(repeats=5, count=1000):
    """The benchmark's lines of the table."""
    texts = common.spread_sentences(count)
    lengths = np.minimum(common.token_counts(texts), 256)  # MiniLM's limit as sentence-transformers publishes it
    times, peaks, best = measure(repeats, texts)
    a_second = {name: f"{count / np.median(values):.0f} sentences/s" for name, values in times.items()}
    lines = [
        common.row(
            f"`embed`, {count} sentences of {min(lengths)} to {max(lengths)} tokens (median {np.median(lengths):.0f}): "
            f"speed / sentence-transformers', batch size {size}",
            a_second["bertedu"],
            a_second[name],
            times[name] / times["bertedu"],
            ">= 1.1",
            lambda x: x >= 1.1,
        )
        for name, size in (("default", 32), ("best", f"{best} (its best here)"))
    ]
    work = floating_point_operations(lengths)
    reached, most = (f"{value / 1e9:.0f} GFLOP/s" for value in (work / np.median(times["bertedu"]), np.median(peaks)))
    what = "`embed`, share of this machine's matrix-multiply peak (peer column: the peak)"
    return [*lines, common.row(what, reached, most, work / times["bertedu"] / peaks)]


def answerer(name):
    """The worker's function: embeds texts, or measures the peak."""
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
    """Runs the benchmark and prints its table."""
    arguments = common.parser(__doc__, repeats=5)
    arguments.add_argument("--sentences", type=int, default=1000, help="how many (default: %(default)s)")
    options = common.parsed(arguments)
    if options.serve:
        common.serve(answerer(options.serve))
    else:
        print(common.machine(), "\n")
        print(common.table(rows(options.repeats, options.sentences)))


if __name__ == "__main__":
    main()

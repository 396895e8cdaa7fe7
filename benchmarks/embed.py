"""`bert.embed` on short review sentences, compared with inference engines and with the machine's peak performance.

    python -m benchmarks.embed [--repeats 5] [--sentences 872]

Each contestant has its own process; they take turns, and alternate in who starts. All tokenize, pool and normalize.
The peers sort by length and have the fastest of several settings on this machine, found in the warm-up: batch sizes of
sentence-transformers, tokens per batch and batches at the same time of ONNX Runtime and OpenVINO. bertedu has its own
plan. In the same turns, TensorFlow and torch measure the peak (`common.matrix_peak`). The error of a vector is its
largest difference from bertedu's in float32, over all elements; and the cosine similarity of the two.
"""

import contextlib
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import common
from benchmarks.embedders import EMBEDDERS, MAX_LENGTH, SETTINGS, export

PRECISIONS = {
    "float32": ("bertedu", "sentence-transformers", "ONNX Runtime", "OpenVINO"),
    "bfloat16": ("bertedu", "sentence-transformers", "OpenVINO"),
    "int8": ("ONNX Runtime",),
}
REFERENCE = "bertedu, float32"
PEAKS = {REFERENCE: "tensorflow", "sentence-transformers, float32": "torch"}  # the libraries that measure the peak
MIN_COSINE = 0.999  # of a contestant for "best setting of each"
PAUSE = 0.1  # seconds between turns, so that the threads of one contestant are asleep when the next one starts


def contestants():
    """Return their names, "library, precision", without bfloat16 where the processor is not made for it."""
    possible = [precision for precision in PRECISIONS if precision != "bfloat16" or common.has_bfloat16()]
    return [f"{library}, {precision}" for precision in possible for library in PRECISIONS[precision]]


def error(vectors, reference):
    """Return the largest difference of an element, and the smallest cosine similarity of a vector."""
    norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(reference, axis=1)
    return float(np.abs(vectors - reference).max()), float(((vectors * reference).sum(1) / norms).min())


def tuned(worker, name, texts):
    """Return the fastest setting of a contestant: the better of two runs counts."""
    settings = SETTINGS[name.split(", ")[0]]
    if len(settings) == 1:
        return settings[0]
    times = [min(worker.ask(texts=texts, setting=setting)["seconds"] for _ in range(2)) for setting in settings]
    return settings[int(np.argmin(times))]


def measure(repeats, texts):
    """Return, by contestant, the seconds of all repeats, the settings, and the vectors; and by precision the peaks."""
    common.run_module("benchmarks.embed", "--serve", "export")
    times, settings, vectors, peaks = {}, {}, {}, {"float32": []} | ({"bfloat16": []} if common.has_bfloat16() else {})
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        workers = {name: stack.enter_context(common.Worker("benchmarks.embed", name)) for name in contestants()}
        for name, worker in workers.items():
            worker.ask(texts=texts, setting=SETTINGS[name.split(", ")[0]][0], save=str(folder / "vectors.npy"))
            vectors[name], times[name] = np.load(folder / "vectors.npy"), []
            settings[name] = tuned(worker, name, texts)
        for turn in range(repeats):
            for dtype, values in peaks.items():
                values.append(max(workers[name].ask(peak=dtype)["peak"] for name in PEAKS))
            for name in list(workers)[:: -1 if turn % 2 else 1]:
                time.sleep(PAUSE)
                times[name].append(workers[name].ask(texts=texts, setting=settings[name])["seconds"])
    return {name: np.array(values) for name, values in times.items()}, settings, vectors, peaks


def describe(setting):
    """Return a setting in words."""
    if setting is None or isinstance(setting, int):
        return f"batch size {setting}" if setting else "its own batches"
    tokens, streams = setting
    return f"{tokens} tokens per batch" + (f", {streams} batches at a time" if streams > 1 else "")


def fastest(names, times):
    """Return the name of the contestant with the smallest median time."""
    return min(names, key=lambda name: np.median(times[name]))


def compared(times, mine, peer, count, what, target):
    """Return the row with the speed of one contestant divided by another's."""
    speeds = [f"{count / np.median(times[name]):.0f} sentences/s" for name in (mine, peer)]
    return common.row(what, *speeds, times[peer] / times[mine], *([">= 1.0", lambda x: x >= 1.0] if target else []))


def speed_rows(times, settings, errors, count):
    """Return the rows that compare bertedu with each peer by precision, and at last the best setting of each."""
    lines = []
    for precision in PRECISIONS:
        names = [name for name in times if name.endswith(precision)]
        mine = next((name for name in names if name.startswith("bertedu")), REFERENCE)
        peers = [name for name in names if name != mine]
        for peer in peers:
            target = mine in names and peer == fastest(peers, times)
            what = f"`{mine}`: speed / that of `{peer}` ({describe(settings[peer])})"
            lines.append(compared(times, mine, peer, count, what, target))
    accurate = [name for name in times if errors[name][1] >= MIN_COSINE]
    mine = fastest([name for name in accurate if name.startswith("bertedu")], times)
    peer = fastest([name for name in accurate if not name.startswith("bertedu")], times)
    what = f"best setting of each with a cosine similarity >= {MIN_COSINE}: `{mine}` / `{peer}`"
    return [*lines, compared(times, mine, peer, count, what, True)]


def rows(repeats=5, count=872):
    """Return the benchmark's rows of the table."""
    texts = common.short_texts(count, **common.REVIEWS)
    lengths = np.minimum(common.token_counts(texts), MAX_LENGTH)
    times, settings, vectors, peaks = measure(repeats, texts)
    errors = {name: error(array, vectors[REFERENCE]) for name, array in vectors.items()}
    lines = speed_rows(times, settings, errors, count)
    title = f"`embed`, {count} sentences of {min(lengths)} to {max(lengths)} tokens (mean {np.mean(lengths):.0f})"
    lines.insert(0, [title, *[""] * 6])
    work = common.floating_point_operations(lengths)
    for dtype, values in peaks.items():
        seconds = times[f"bertedu, {dtype}"]
        speeds = [f"{value / 1e9:.0f} GFLOP/s" for value in (work / np.median(seconds), np.median(values))]
        target = [">= 0.85", lambda x: x >= 0.85] if dtype == "float32" else []
        what = f"`bertedu, {dtype}`: fraction of the matrix-multiply peak in {dtype} (peer column: the peak)"
        lines.append(common.row(what, *speeds, work / seconds / values, *target))
    for name, (largest, cosine) in errors.items():
        if name != REFERENCE:
            cells = ["", f"{largest:.1g}, {cosine:.6f}"][:: -1 if name.startswith("bertedu") else 1]
            lines.append([f"`{name}`: largest error of an element, smallest cosine similarity", *cells, *[""] * 4])
    return lines


def answerer(name):
    """Return the worker's function, which embeds texts or measures the peak."""
    library, dtype = name.split(", ")
    embed = EMBEDDERS[library](dtype)

    def answer(texts=(), setting=None, save=None, peak=None):
        if peak:
            return {"peak": common.matrix_peak(PEAKS[name], peak)}
        start = time.perf_counter()
        vectors = embed(texts, setting)
        result = {"seconds": time.perf_counter() - start}
        if save:
            np.save(save, vectors)
        return result

    return answer


def main():
    """Run the benchmark and print its table."""
    arguments = common.parser(__doc__, repeats=5)
    arguments.add_argument("--sentences", type=int, default=872, help="number of sentences (default: %(default)s)")
    options = common.parsed(arguments)
    if options.serve == "export":
        export()
    elif options.serve:
        common.serve(answerer(options.serve))
    else:
        print(common.machine(), "\n")
        print(f"{common.table(rows(options.repeats, options.sentences))}\n\n{common.note()}")


if __name__ == "__main__":
    main()

"""Kill processes while they overwrite a file or folder, and report the result: `python -m tools.kill_writers`.

Each row of the table is a writer of the package. A process overwrites a target repeatedly, alternating between two
contents, and is killed (SIGKILL) at a random moment while a temporary folder of its write exists. Then the target must
hold the complete old or new content, and the next write must leave no other files in its folder.
"""

import argparse
import contextlib
import dataclasses
import functools
import itertools
import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import bertedu as be
from bertedu import temporaries
from bertedu.fine_tuning import state

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "on", "mat"]
# TensorFlow hangs in a process that is forked after the first operation, so this process runs none.
FORK = multiprocessing.get_context("fork")


@functools.cache
def bert(number):
    """Return one of two tiny models, which differ in every weight."""
    encoder = be.BertEncoder(len(WORDS), 32, num_layers=1, num_attention_heads=2, max_sequence_length=16, inner_dim=64)
    rng = np.random.default_rng(number)
    encoder.set_weights([rng.normal(size=weight.shape) for weight in encoder.weights])
    return be.Bert(be.BertTokenizer(WORDS), encoder)


def write_checkpoint(path, number, format):
    """Overwrite `path` with a model."""
    be.save_checkpoint(bert(number), path, format, overwrite=True)


def write_in_two_renames(path, number):
    """Overwrite `path` with a model, as on a system that cannot exchange two folders."""
    temporaries.rename = lambda *_: False
    write_checkpoint(path, number, "bertedu")


def write_view(path, number):
    """Overwrite `path` with a view."""
    weights = np.random.default_rng(number).dirichlet(np.ones(32), (2, 2, 32)).astype("float32")
    be.head_view(weights, ["cat"] * 32).save(path)


def write_state(path, number):
    """Overwrite `path` with a training checkpoint."""
    state.save(path, {weight.path: weight for weight in bert(number).encoder.weights}, {"number": number})


def read_checkpoint(path, number):
    """Return whether `path` holds that model."""
    pairs = zip(be.load(path).encoder.get_weights(), bert(number).encoder.get_weights(), strict=True)
    return all(np.array_equal(read, expected) for read, expected in pairs)


def same_bytes(write, path, number):
    """Return whether `path` holds what `write` writes when it is not killed."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / path.name, number)
        return (Path(folder) / path.name).read_bytes() == path.read_bytes()


@dataclasses.dataclass
class Writer:
    """A writer of the package: name of the target, `write(path, number)`, and `holds(path, number)` to compare it."""

    target: str
    write: Callable
    holds: Callable = read_checkpoint


WRITERS = {
    "bertedu directory": Writer("bert", functools.partial(write_checkpoint, format="bertedu")),
    "bertedu directory, two renames": Writer("bert", write_in_two_renames),
    "Hugging Face": Writer("bert", functools.partial(write_checkpoint, format="huggingface")),
    ".keras": Writer("bert.keras", functools.partial(write_checkpoint, format="keras")),
    "SavedModel": Writer("bert", lambda path, number: be.export_saved_model(bert(number), path, overwrite=True)),
    "view .html": Writer("view.html", write_view, functools.partial(same_bytes, write_view)),
    "training checkpoint": Writer("state.safetensors", write_state, functools.partial(same_bytes, write_state)),
}


def overwrite_forever(writer, path, numbers):
    """Overwrite `path` with contents 0, 1, 0, ..., and send the number of each write before it starts."""
    for number in itertools.count():
        numbers.send(number)
        writer.write(path, number % 2)


def answer_checks(writer, path, questions):
    """For each number of a killed write, send the content of `path`, and other files after the next write."""
    for number in iter(questions.recv, None):
        content_now = "lost"
        for content, outcome in ((number, "new"), (number - 1, "old")):
            try:
                content_now = outcome if writer.holds(path, content % 2) else content_now
            except Exception as error:
                print(f"{path.name}: {error}", file=sys.stderr)
        writer.write(path, 0)
        questions.send((content_now, sorted(entry.name for entry in path.parent.iterdir() if entry != path)))


def wait_for_temporary(process, folder, exists):
    """Wait until a write has started (`exists` is True) or ended, and return the time."""
    while any(folder.glob(f"{temporaries.PREFIX}*")) != exists:
        if not process.is_alive():
            raise RuntimeError("The writer ended before it was killed; see its message above.")
        time.sleep(0.0002)
    return time.perf_counter()


def kill_one(writer, path, rng, duration=None):
    """Start a process that overwrites `path`, and kill it while it writes.

    Returns:
        the number of its last write, and the seconds that a write takes (`duration`, if passed).
    """
    numbers, sender = FORK.Pipe(duplex=False)
    process = FORK.Process(target=overwrite_forever, args=(writer, path, sender), daemon=True)
    process.start()
    sender.close()
    number = -1
    while number < 1:  # the first write is slower
        number = numbers.recv()
    started = wait_for_temporary(process, path.parent, True)
    if duration is None:
        duration = wait_for_temporary(process, path.parent, False) - started
        wait_for_temporary(process, path.parent, True)
    time.sleep(rng.uniform(0, duration))
    process.kill()
    process.join()
    with contextlib.suppress(EOFError):
        while True:
            number = numbers.recv()
    return number, duration


def row(name, kills, seed):
    """Kill a writer several times, and return a row of the table."""
    writer, rng = WRITERS[name], random.Random(f"{name} {seed}")
    counts = dict.fromkeys(("old", "new", "lost", "leftovers"), 0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / writer.target
        questions, other_end = FORK.Pipe()
        checker = FORK.Process(target=answer_checks, args=(writer, path, other_end), daemon=True)
        checker.start()
        duration = None
        for _ in range(kills):
            number, duration = kill_one(writer, path, rng, duration)
            questions.send(number)
            content, leftovers = questions.recv()
            counts[content] += 1
            counts["leftovers"] += len(leftovers)
        questions.send(None)
        checker.join()
    return [name, kills, *counts.values()]


def main(arguments=None):
    """Print the table; return 1 if a content was lost or files were left, else 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="WRITER", help=f"some of: {', '.join(WRITERS)} (default: all)")
    parser.add_argument("--kills", type=int, default=10, help="number of kills per writer (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    options = parser.parse_args(arguments)
    print("| writer | kills | whole old | whole new | lost | left after the next write |\n|---|---|---|---|---|---|")
    failures = 0
    for name in options.names or WRITERS:
        cells = row(name, options.kills, options.seed)
        failures += cells[-1] + cells[-2]
        print("|", " | ".join(map(str, cells)), "|", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

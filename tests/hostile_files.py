"""The table of hostile files, and what each does: `python tests/hostile_files.py` prints it for the running Keras.

With `--bounded` it opens the files that try to use up time or memory and prints one line of JSON for each.
"""

import contextlib
import io
import json
import os
import re
import resource
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path

import keras
import numpy as np
import tiny_adapter
from hostile_base import Trap, saved_bytes
from hostile_data import ADAPTERS, FULL
from hostile_folders import BERTEDU, FOLDERS, HF, HUB
from hostile_keras import TABLE
from hostile_sizes import BOUNDED as CHECKPOINTS

import bertedu as be
from bertedu.cli import main as command_line

GADGETS = [*TABLE, *FOLDERS, *ADAPTERS]
BOUNDED = [*CHECKPOINTS, *FULL]
REFUSALS = (ValueError, FileNotFoundError)
MEMORY_LIMIT = 3 * 2**30  # bytes that a process may add to its address space while it opens one file
SECONDS_LIMIT = 30  # of processor time, after which a process that opens a file is ended
SECONDS_ASLEEP = 600  # for one that waits without end, as a pipe would make it


def content_of(bert):
    """Return the bytes that a reader brought out of a file: vocabulary and weights."""
    arrays = [np.asarray(keras.ops.convert_to_numpy(weight)).tobytes() for weight in bert.encoder.weights]
    return " ".join(bert.tokenizer.vocabulary).encode() + b"".join(arrays)


def load(path, folder):
    """`be.load`: return the content."""
    return content_of(be.load(path))


def inspect(path, folder):
    """`be.inspect`: return the report and the content; raise the problem that it found."""
    inspection = be.inspect(path)
    if inspection.problem:
        raise ValueError(inspection.problem)
    return str(inspection).encode() + content_of(inspection.bert)


def convert(path, folder):
    """`be.convert`: return the bytes of what was written."""
    be.convert(path, folder / "converted")
    return saved_bytes(folder / "converted")


def command(path, folder):
    """`bertedu inspect`: return what was printed; raise it as the problem where the exit status is not 0."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        status = command_line(["inspect", str(path)])
    if status:
        raise ValueError(printed.getvalue())
    return printed.getvalue().encode()


def load_adapter(path, folder):
    """`be.load_adapter`: return the content, with that of a head."""
    bert = be.load_adapter(tiny_adapter.base(), path)
    heads = [head for head in (bert.classifier, bert.token_classifier) if head is not None]
    arrays = [np.asarray(keras.ops.convert_to_numpy(weight)).tobytes() for head in heads for weight in head.weights]
    return content_of(bert) + b"".join(arrays)


def load_tags(path, folder):
    """`be.load_tags`: return the words and tags."""
    return json.dumps(be.load_tags(path)).encode()


READERS = (load, inspect, convert, command)


def readers_of(case):
    """Return the functions that open a hostile file."""
    return tuple(globals()[name] for name in case.readers) or READERS


def attempt(reader, path, folder):
    """Return what `reader` brought out of `path` (bytes), and the error that it raised or None."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a file is odd may be said in a warning, too
        try:
            return reader(path, folder), None
        except Exception as error:
            return str(error).encode(errors="replace"), error


def keras_own(path):
    """Open a `.keras` file with Keras' own loader, whatever comes of it; return the bytes of its weights.

    Raises:
        TimeoutError: it did not end in time.
    """
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(SECONDS_LIMIT)
    try:
        model = keras.saving.load_model(path, compile=False)
        return b"".join(np.asarray(keras.ops.convert_to_numpy(w)).tobytes() for w in model.weights)
    except TimeoutError:
        raise
    except Exception as error:
        return str(error).encode(errors="replace")
    finally:
        signal.alarm(0)


def too_long(number, frame):
    """End a call that takes longer than `SECONDS_LIMIT`."""
    raise TimeoutError("no end")


def outcome(sprung, error):
    """Return what became of a file, in a few words."""
    if sprung:
        return f"**{sprung[0]}**"
    if error is None:
        return "opens, without it"
    return "refused" if isinstance(error, REFUSALS) else f"**{type(error).__name__}**"


def table():
    """Print one row of Markdown for each gadget."""
    print(f"| gadget | Keras {keras.__version__}: its own loader | bertedu {be.__version__} |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "trap").mkdir()
        trap = Trap(Path(folder) / "trap")
        sys.path.insert(0, str(trap.folder / "modules"))
        for i, case in enumerate(GADGETS):
            work = Path(folder) / str(i)
            work.mkdir()
            path = case.write(work, trap)
            trap.reset()
            keras_outcome = "–"
            if path.suffix == ".keras":
                try:
                    keras_outcome = (trap.sprung(keras_own(path)) or ["no effect"])[0]
                except TimeoutError:
                    keras_outcome = f"does not end in {SECONDS_LIMIT} s"
                trap.reset()
            seen, error = attempt(readers_of(case)[0], path, work)
            print(f"| {case.name} | {keras_outcome} | {outcome(trap.sprung(seen), error)} |", flush=True)
            trap.reset()


# -- time and memory ---------------------------------------------------------------------------------------------------


def peak():
    """Return the peak of this process's resident memory in bytes since `reset_peak`, on Linux."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024


def reset_peak():
    """Reset the peak of resident memory, and return its current value."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def measured(reader, path, folder):
    """Return the processor time, memory and outcome of one call, as a dict.

    Processor time, because how long a call takes depends on what else the machine does.
    """
    start, before = time.process_time(), reset_peak()
    seen, error = attempt(reader, path, folder)
    return {
        "seconds": time.process_time() - start,
        "bytes": peak() - before,
        "error": error and type(error).__name__,
        "refused": isinstance(error, REFUSALS),
        "message": seen[:2000].decode(errors="replace") if error else "",
    }


def limit_address_space():
    """Let this process add no more than `MEMORY_LIMIT` to its address space."""
    size = int(re.search(r"VmSize:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY_LIMIT, resource.RLIM_INFINITY))


def bounded(first=0):
    """Open the bounded files from number `first` on; print a line of JSON before and after each."""
    sources = (BERTEDU, HF, HUB, "v0_1/encoder/saved_model", "v0_1/encoder/model.keras")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "trap").mkdir()
        trap = Trap(Path(folder) / "trap")
        warm_up(Path(folder), sources)
        for i, case in enumerate(BOUNDED[first:], first):
            work = Path(folder) / str(i)
            work.mkdir()
            path = case.write(work, trap)
            limit_address_space()
            signal.setitimer(signal.ITIMER_PROF, SECONDS_LIMIT)
            signal.alarm(SECONDS_ASLEEP)
            print(json.dumps({"started": i}), flush=True)
            calls = {reader.__name__: measured(reader, path, work) for reader in readers_of(case)[:2]}
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
            print(json.dumps({"name": case.name, "path": str(path), "calls": calls}), flush=True)


def warm_up(folder, sources):
    """Open a valid file of every format, so that what is imported once is not measured."""
    from hostile_base import GOLDEN, directory

    for i, source in enumerate(sources):
        work = folder / f"warm{i}"
        work.mkdir()
        path = GOLDEN / source if source.endswith(".keras") else directory(work, source)
        inspect(path, work)
    load_adapter(tiny_adapter.write(folder), folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--bounded"]:
        bounded(int(sys.argv[2]))
    else:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        table()

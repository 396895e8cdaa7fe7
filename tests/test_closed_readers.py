"""Files from outside: nothing that they say is executed, no path in them is followed, no size in them is trusted.

`hostile_files` has the table. `python tests/hostile_files.py` prints what each file does under the running Keras.
"""

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import pytest
import tiny_adapter
from hostile_base import GOLDEN, SECRET, WRITTEN, Probe, Trap, saved_bytes
from hostile_files import BOUNDED, GADGETS, REFUSALS, attempt, content_of, load_adapter, readers_of
from hostile_folders import HF

import bertedu as be

SECONDS = 2  # of processor time
BYTES = 200_000_000
SPRINGS = (
    *("Lambda that calls TFSMLayer on a path", "Lambda that calls set_floatx", "TFSMLayer"),
    *("class that other code registered", "Lambda of bytecode", "module to be imported"),
)


@pytest.fixture(scope="module")
def armed(tmp_path_factory):
    trap = Trap(tmp_path_factory.mktemp("trap"))
    sys.path.insert(0, str(trap.folder / "modules"))
    yield trap
    sys.path.remove(str(trap.folder / "modules"))


@pytest.fixture
def trap(armed):
    armed.reset()
    yield armed
    armed.reset()


def named(name):
    return next(case for case in GADGETS if case.name == name)


@pytest.mark.parametrize("case", GADGETS, ids=lambda case: case.name)
def test_nothing_is_executed_or_followed(case, trap, tmp_path):
    path = case.write(tmp_path, trap)
    trap.reset()
    for reader in readers_of(case):
        seen, error = attempt(reader, path, tmp_path)
        assert trap.sprung(seen) == [], reader.__name__
        if error is None:
            assert case.opens, f"{reader.__name__} opens it"
            continue
        assert isinstance(error, REFUSALS), f"{reader.__name__}: {error!r}"
        assert str(path) in str(error)
        assert not case.mentions or any(word in str(error) for word in case.mentions), str(error)
    left = [file for file in tmp_path.iterdir() if file != path and file.name != "converted"]
    assert left == []


@pytest.mark.parametrize("name", SPRINGS)
def test_the_trap_springs_where_a_file_is_trusted(name, trap, tmp_path):
    path = named(f".keras: {name}").write(tmp_path, trap)
    trap.reset()
    with contextlib.suppress(TypeError, ValueError):  # it may fail, once the effect is there
        keras.saving.load_model(path, compile=False, safe_mode=False)
    assert trap.sprung() != []


def test_the_trap_springs_where_a_path_is_followed(trap):
    assert trap.sprung(" ".join(be.BertTokenizer(trap.canary).vocabulary).encode()) == ["leaked the canary"]
    assert SECRET in trap.bytes.read_bytes() and SECRET in saved_bytes(trap.folder)


def test_each_case_changes_a_file_that_opens(tmp_path):
    for source in (WRITTEN / "encoder" / "model.keras", WRITTEN / "classifier" / "model.keras", GOLDEN / HF):
        assert content_of(be.load(source))
    assert load_adapter(tiny_adapter.write(tmp_path), tmp_path)
    assert len({case.name for case in (*GADGETS, *BOUNDED)}) == len(GADGETS) + len(BOUNDED)


def test_classes_registered_by_others_are_untouched(trap):
    assert keras.saving.get_registered_object("other>Probe") is Probe


def test_the_links_of_the_hubs_cache_are_followed(tmp_path):
    model = tmp_path / "models--organization--name"
    snapshot = model / "snapshots" / "0123"
    (model / "blobs").mkdir(parents=True)
    for file in (GOLDEN / HF).rglob("*.*"):
        link = snapshot / file.relative_to(GOLDEN / HF)
        link.parent.mkdir(parents=True, exist_ok=True)
        blob = model / "blobs" / str(hash(file) % 10**9)
        shutil.copy(file, blob)
        up = "../" * (len(link.relative_to(model).parts) - 1)
        link.symlink_to(f"{up}blobs/{blob.name}")
    assert content_of(be.load(snapshot)) == content_of(be.load(GOLDEN / HF))


# -- sizes -------------------------------------------------------------------------------------------------------------


def open_bounded(first):
    """Return the lines of a process that opens the bounded files from number `first` on; it may die on one."""
    script = Path(__file__).with_name("hostile_files.py")
    command = [sys.executable, script, "--bounded", str(first)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=script.parent.parent)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert lines, done.stderr[-2000:]
    return lines


@pytest.fixture(scope="module")
def outcomes():
    """Return what became of each bounded file, by name; a process that dies is followed by another one."""
    outcomes, first = {}, 0
    while first < len(BOUNDED):
        lines = open_bounded(first)
        outcomes |= {line["name"]: line for line in lines if "name" in line}
        first = lines[-1].get("started", len(BOUNDED) - 1) + 1
    return outcomes


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak of memory is read from /proc")
@pytest.mark.parametrize("case", BOUNDED, ids=lambda case: case.name)
def test_sizes_are_checked_before_anything_is_allocated(case, outcomes):
    assert case.name in outcomes, "the process died, or took longer than its limit"
    for reader, call in outcomes[case.name]["calls"].items():
        assert call["seconds"] < SECONDS, reader
        assert call["bytes"] < BYTES, reader
        if call["error"] is None:
            assert case.opens, f"{reader} opens it"
            continue
        assert call["refused"], f"{reader}: {call['error']} {call['message'][:300]}"
        assert outcomes[case.name]["path"] in call["message"]
        assert any(word in call["message"] for word in case.mentions), call["message"]

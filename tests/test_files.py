"""Files and folders are written whole or not at all, also when a write fails, a writer is killed, or two compete."""

import errno
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import small_world

import bertedu as be
from bertedu import files, plots, temporaries

ROOT = Path(__file__).parent.parent
GOLDEN = Path(__file__).parent / "golden" / "v0_1"
posix = pytest.mark.skipif(os.name != "posix", reason="locks, limits and signals are POSIX'")


@pytest.fixture(params=["exchange", "two renames"])
def system(request, monkeypatch):
    """A system that exchanges two folders in one step, and one that cannot."""
    if request.param == "two renames":
        monkeypatch.setattr(temporaries, "rename", lambda *_: False)
    elif temporaries.renameat2() is None:
        pytest.skip("no renameat2 here")
    return request.param


def write(path, content):
    """Write a file (str) or a folder (dict, name -> str)."""
    if isinstance(content, str):
        path.write_text(content)
        return
    path.mkdir()
    for name, text in content.items():
        (path / name).write_text(text)


def read(path):
    if path.is_dir():
        return {entry.name: entry.read_text() for entry in path.iterdir()}
    return path.read_text() if path.exists() else None


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


# -- replacing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("new", ["file", {"a": "new", "b": "new"}, {}], ids=["file", "folder", "empty folder"])
@pytest.mark.parametrize("old", [None, "old", {"a": "old", "c": "old"}, {}], ids=str)
def test_anything_can_replace_anything(old, new, system, tmp_path):
    target = tmp_path / "folder" / "model.keras"
    if old is not None:
        target.parent.mkdir()
        write(target, old)
    with files.replacing(target, overwrite=True) as path:
        assert path.name == target.name and not path.exists() and path.is_relative_to(target.parent)
        write(path, new)
        assert read(target) == old
    assert read(target) == new and names(target.parent) == [target.name]


@pytest.mark.parametrize("old", ["old", {"a": "old"}], ids=["file", "folder"])
def test_an_existing_target_is_replaced_only_with_overwrite(old, tmp_path):
    write(tmp_path / "model", old)
    with pytest.raises(FileExistsError, match=r"model: .*overwrite=True"), files.replacing(tmp_path / "model"):
        pytest.fail("refused before anything is written")
    assert read(tmp_path / "model") == old and names(tmp_path) == ["model"]


def test_an_empty_folder_is_replaced_without_overwrite(system, tmp_path):
    (tmp_path / "model").mkdir()
    with files.replacing(tmp_path / "model") as path:
        write(path, {"a": "new"})
    assert read(tmp_path / "model") == {"a": "new"} and names(tmp_path) == ["model"]


@pytest.mark.parametrize("new", ["mine", {"a": "mine"}], ids=["file", "folder"])
@pytest.mark.parametrize("other", ["theirs", {"a": "theirs"}], ids=["file", "folder"])
def test_without_overwrite_what_appeared_meanwhile_stays(other, new, system, tmp_path):
    with pytest.raises(FileExistsError, match="overwrite=True"), files.replacing(tmp_path / "model") as path:
        write(path, new)
        write(tmp_path / "model", other)
    assert read(tmp_path / "model") == other and names(tmp_path) == ["model"]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), OSError("no errno")], ids=repr)
@pytest.mark.parametrize("old", [None, "old", {"a": "old"}], ids=["nothing", "file", "folder"])
def test_a_failure_leaves_the_target_as_it_was(old, error, tmp_path):
    if old is not None:
        write(tmp_path / "model", old)
    with pytest.raises(type(error)) as caught, files.replacing(tmp_path / "model", overwrite=True) as path:
        write(path, {"a": "half"})
        raise error
    assert caught.value is error
    assert read(tmp_path / "model") == old and names(tmp_path) == ["model"] * (old is not None)


@pytest.mark.parametrize("old", ["old", {"a": "old"}], ids=["file", "folder"])
def test_a_failure_of_the_last_step_leaves_the_target_as_it_was(old, system, tmp_path, monkeypatch):
    write(tmp_path / "model", old)

    def refuse(source, target, *arguments):
        if Path(source).parent.name == temporaries.NEW:
            raise OSError(errno.EIO, "broken", str(source))
        return rename(source, target, *arguments)

    rename = os.rename
    monkeypatch.setattr(os, "rename", refuse)
    monkeypatch.setattr(os, "replace", refuse)
    if system == "exchange":
        monkeypatch.setattr(temporaries, "rename", refuse)
    with pytest.raises(OSError, match="broken"), files.replacing(tmp_path / "model", overwrite=True) as path:
        write(path, "new" if old == "old" else {"a": "new"})
    assert read(tmp_path / "model") == old and names(tmp_path) == ["model"]


def test_a_block_that_writes_nothing_changes_nothing(system, tmp_path):
    write(tmp_path / "model", {"a": "old"})
    with pytest.raises(FileNotFoundError), files.replacing(tmp_path / "model", overwrite=True):
        pass
    assert read(tmp_path / "model") == {"a": "old"} and names(tmp_path) == ["model"]


@posix
def test_a_pipe_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileExistsError, match="pipe: expected a file or folder"):
        files.write_text(tmp_path / "pipe", "text")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode) and names(tmp_path) == ["pipe"]


@posix
@pytest.mark.parametrize("content", ["new", {"a": "new"}], ids=["file", "folder"])
def test_a_link_is_followed(content, tmp_path):
    (tmp_path / "disk").mkdir()
    write(tmp_path / "disk" / "model", {"a": "old"})
    (tmp_path / "latest").symlink_to("disk/model")
    with files.replacing(tmp_path / "latest", overwrite=True) as path:
        write(path, content)
    assert (tmp_path / "latest").is_symlink() and read(tmp_path / "disk" / "model") == content
    assert names(tmp_path) == ["disk", "latest"] and names(tmp_path / "disk") == ["model"]


def test_the_longest_name_that_the_system_has(tmp_path):
    files.write_text(tmp_path / ("n" * 255), "text")
    assert names(tmp_path) == ["n" * 255]


@posix
def test_a_new_file_has_the_permissions_that_open_gives(tmp_path):
    before = os.umask(0o027)
    try:
        files.write_bytes(tmp_path / "new", b"content")
        files.write_text(tmp_path / "private", "old")
        (tmp_path / "private").chmod(0o600)
        files.write_text(tmp_path / "private", "new")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"new": 0o640, "private": 0o600} and read(tmp_path / "private") == "new"


def test_text_is_written_as_it_is_and_a_lone_surrogate_written_out(tmp_path):
    files.write_text(tmp_path / "text", "ä\n\ud800\r\n")
    assert (tmp_path / "text").read_bytes() == b"\xc3\xa4\n\\ud800\r\n"


# -- what dead writers leave behind ------------------------------------------------------------------------------------


def abandon(parent, name="model", new="half", old=None):
    """A temporary folder as a dead writer leaves it."""
    folder, handle = temporaries.create(parent)
    os.close(handle)
    for part, content in ((temporaries.NEW, new), (temporaries.OLD, old)):
        if content is not None:
            (folder / part).mkdir()
            write(folder / part / name, content)
    return folder


@posix
def test_the_next_write_removes_what_dead_writers_left(tmp_path):
    abandon(tmp_path)
    abandon(tmp_path, "other", new={"a": "half"})
    (abandon(tmp_path, new=None) / temporaries.LOCK).unlink()  # killed before it made its lock
    assert len(names(tmp_path)) == 3
    files.write_text(tmp_path / "anything", "text")
    assert names(tmp_path) == ["anything"]


@posix
def test_what_a_living_writer_holds_stays(tmp_path):
    with files.replacing(tmp_path / "model") as path:
        write(path, {"a": "mine"})
        files.write_text(tmp_path / "other", "text")
        assert files.recover(tmp_path / "model") is False and read(path) == {"a": "mine"}
    assert read(tmp_path / "model") == {"a": "mine"} and names(tmp_path) == ["model", "other"]


@posix
def test_only_our_own_is_removed(tmp_path):
    mine = tmp_path / f"{temporaries.PREFIX}diary"
    write(mine, {"monday.txt": "mine"})
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / temporaries.NEW).mkdir(parents=True)
    write(elsewhere / temporaries.NEW / "model", "mine")
    (tmp_path / f"{temporaries.PREFIX}link").symlink_to(elsewhere)
    (tmp_path / f"{temporaries.PREFIX}file").write_text("mine")
    files.write_text(tmp_path / "anything", "text")
    assert (mine / "monday.txt").read_text() == "mine" and read(elsewhere / temporaries.NEW) == {"model": "mine"}
    assert (tmp_path / f"{temporaries.PREFIX}file").read_text() == "mine"


@posix
@pytest.mark.parametrize("by", ["a reader", "the next write"])
def test_a_target_between_two_renames_is_put_back(by, tmp_path):
    abandon(tmp_path, new={"a": "new"}, old={"a": "old"})
    if by == "a reader":
        assert files.recover(tmp_path / "model") is True
    files.write_text(tmp_path / "other", "text")
    assert read(tmp_path / "model") == {"a": "old"} and names(tmp_path) == ["model", "other"]


@posix
def test_a_target_that_was_replaced_and_then_deleted_does_not_come_back(tmp_path):
    abandon(tmp_path, new=None, old={"a": "old"})  # killed after the second rename
    assert files.recover(tmp_path / "model") is False
    files.write_text(tmp_path / "other", "text")
    assert names(tmp_path) == ["other"]


@posix
def test_a_write_without_overwrite_sees_what_it_put_back(tmp_path):
    abandon(tmp_path, new={"a": "new"}, old={"a": "old"})
    with pytest.raises(FileExistsError, match="overwrite=True"), files.replacing(tmp_path / "model"):
        pytest.fail("the model is there")
    assert read(tmp_path / "model") == {"a": "old"} and names(tmp_path) == ["model"]


@posix
def test_load_finds_a_model_whose_writer_was_killed_between_two_renames(tmp_path):
    model = GOLDEN / "encoder" / "bertedu"
    folder = abandon(tmp_path, new={}, old={})
    shutil.copytree(model, folder / temporaries.OLD / "model", dirs_exist_ok=True)
    assert be.load(tmp_path / "model").encoder.num_layers == be.load(model).encoder.num_layers
    assert (tmp_path / "model").is_dir()


def test_load_says_so_where_there_is_no_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for source in ("no/model", ".", str(tmp_path)):
        with pytest.raises(FileNotFoundError):
            be.load(source)


def test_recover_finds_nothing_where_nothing_is(tmp_path):
    assert files.recover(tmp_path) is True
    assert files.recover(tmp_path / "model") is files.recover(tmp_path / "no" / "folder") is False


# Keras takes seconds to import, and these programs need two of our modules alone.
ALONE = """
import json, os, random, sys, types
from pathlib import Path
package = types.ModuleType("bertedu")
package.__path__ = [sys.argv[1]]
sys.modules["bertedu"] = package
from bertedu import files, temporaries
target, mode = Path(sys.argv[2]), sys.argv[3]
if mode == "two renames":
    temporaries.rename = lambda *_: False

def overwrite(text):
    with files.replacing(target, overwrite=True) as path:
        path.mkdir()
        for name in "abc":
            (path / name).write_text(text)
"""


def start(program, target, system, *arguments):
    command = [sys.executable, "-c", ALONE + program, ROOT / "bertedu", target, system, *arguments]
    return subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)


def output(process):
    report, _ = process.communicate(timeout=100)
    assert process.returncode == 0
    return json.loads(report)


EVERY_STEP = """
def die(event, _):
    if event.split(".")[0] in ("open", "os", "shutil", "fcntl", "ctypes", "tempfile"):
        global left
        left -= 1
        if left < 0:
            os._exit(9)

found, step, status = [], 0, 9
while status == 9:
    overwrite("old")
    child = os.fork()
    if not child:
        left = step
        sys.addaudithook(die)
        overwrite("new")
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    missing = not target.exists()
    files.recover(target)
    texts = sorted({path.read_text() for path in target.iterdir()})
    overwrite("next")
    found.append((missing, len(list(target.iterdir())), texts, os.listdir(target.parent)))
    step += 1
print(json.dumps(found))
"""


@posix
def test_a_kill_before_any_step_leaves_one_content_whole(system, tmp_path):
    report = output(start(EVERY_STEP, tmp_path / "model", system))
    assert len(report) > 20
    contents = [texts for _, _, texts, _ in report]
    assert contents == sorted(contents, reverse=True) and contents[0] == ["old"] and contents[-1] == ["new"]
    assert all(len(texts) == 1 for texts in contents)
    assert {(files, *listing) for _, files, _, listing in report} == {(3, "model")}
    assert any(missing for missing, *_ in report) == (system == "two renames")


KILLED = """
print("[]", flush=True)
for number in range(10**9):
    overwrite(str(number))
"""


@posix
def test_kills_at_random_moments(system, tmp_path):
    target, rng = tmp_path / "model", np.random.default_rng(13)
    outcomes = []
    for _ in range(10):
        process = start(KILLED, target, system)
        process.stdout.readline()
        process.stdout.close()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(rng.uniform(0.02, 0.1))
        process.kill()
        process.wait()
        assert files.recover(target)
        outcomes.append(len(set(read(target).values())) == 1 and sorted(read(target)) == ["a", "b", "c"])
        files.write_text(tmp_path / "next", "text")
        assert names(tmp_path) == ["model", "next"]
    assert outcomes == [True] * 10


# -- several writers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", ["{}", {"a": "{}"}], ids=["file", "folder"])
def test_of_two_writers_the_later_one_wins(content, system, tmp_path):
    def filled(text):
        return text if content == "{}" else {"a": text}

    with files.replacing(tmp_path / "model", overwrite=True) as late:
        write(late, filled("late"))
        with files.replacing(tmp_path / "model", overwrite=True) as early:
            write(early, filled("early"))
        assert read(tmp_path / "model") == filled("early")
    assert read(tmp_path / "model") == filled("late") and names(tmp_path) == ["model"]


COMPETE = """
missing = 0
for number in range(150):
    overwrite(f"{sys.argv[4]} {number}")
    missing += not target.exists()
print(json.dumps(missing))
"""


@posix
def test_several_writers_at_once(system, tmp_path):
    processes = [start(COMPETE, tmp_path / "model", system, writer) for writer in range(3)]
    missing = [output(process) for process in processes]
    assert system == "two renames" or missing == [0, 0, 0]
    assert names(tmp_path) == ["model"]
    assert len(set(read(tmp_path / "model").values())) == 1 and len(read(tmp_path / "model")) == 3


# -- a full disk, a missing permission ---------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [*files.NO_ROOM, *files.READ_ONLY], ids=errno.errorcode.get)
def test_errors_of_the_system_are_explained(code, tmp_path):
    (tmp_path / "model").write_text("old")
    error = OSError(code, os.strerror(code))
    with pytest.raises(type(error)) as caught, files.replacing(tmp_path / "model", overwrite=True) as path:
        path.write_text("half")
        raise error
    words = str(caught.value)
    assert str(tmp_path / "model") in words and os.strerror(code) in words and "nothing was changed" in words
    assert caught.value.errno == code and type(caught.value) is type(error) and temporaries.PREFIX not in words
    assert ("disk space" in words) == (code in files.NO_ROOM)
    assert read(tmp_path / "model") == "old" and names(tmp_path) == ["model"]


def foreign_errors():
    from safetensors import SafetensorError

    full = os.strerror(errno.ENOSPC)
    yield SafetensorError(f"Error while serializing: I/O error: {full} (os error 28)")
    yield RuntimeError(f"Unable to flush file (errno = 28, error message = '{full}')")  # h5py, on closing a file
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        yield tf.errors.ResourceExhaustedError(None, None, f"variables.data: {full}")
    hidden = KeyError("while closing")
    hidden.__context__ = OSError(errno.ENOSPC, full)
    yield hidden


def test_a_full_disk_behind_another_library_s_error_is_found(tmp_path):
    for error in foreign_errors():
        with pytest.raises(OSError, match="disk space") as caught, files.replacing(tmp_path / "model") as path:
            path.write_text("half")
            raise error
        assert caught.value.errno == errno.ENOSPC and str(tmp_path / "model") in str(caught.value)
        assert not names(tmp_path)


def test_errors_about_something_else_stay_what_they_are(tmp_path):
    for error in (PermissionError(errno.EACCES, "denied", "/another/file"), FileNotFoundError(2, "gone"), KeyError(1)):
        with pytest.raises(type(error)) as caught, files.replacing(tmp_path / "model"):
            raise error
        assert caught.value is error


FULL_DISK = """
import contextlib, json, os, resource, sys
from pathlib import Path
from bertedu import checkpoints, cli
from tools.kill_writers import WRITERS

FORMATS = {
    "bertedu directory": "bertedu",
    "Hugging Face": "huggingface",
    ".keras": "keras",
    "SavedModel": "saved_model",
}
assert set(FORMATS.values()) == {*checkpoints.WRITERS, "saved_model"}
directory, kind, names = Path(sys.argv[1]), sys.argv[2], sys.argv[3].split(",")
source = str(directory / "bertedu_directory" / "bert")

def fill():
    if kind == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (900, resource.RLIM_INFINITY))
        return
    with contextlib.suppress(OSError), open(directory / "filler", "wb", buffering=0) as file:
        while file.write(bytes(1000)):
            pass

def empty():
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    (directory / "filler").unlink(missing_ok=True)

def attempt(write):
    fill()
    try:
        return write()
    except Exception as error:
        return type(error).__name__, str(error)
    finally:
        empty()

found = {}
for name in names:
    writer, path = WRITERS[name], directory / name.replace(" ", "_") / WRITERS[name].target
    path.parent.mkdir()
    writer.write(path, 0)
    outcome = attempt(lambda: writer.write(path, 1))
    found[name] = outcome, writer.holds(path, 0), [entry.name for entry in path.parent.iterdir()], str(path)
    writer.write(path, 1)
    assert writer.holds(path, 1)
    if name in FORMATS:
        target = str(directory / "copy.keras")
        print(f"{target}:", file=sys.stderr)
        status = attempt(lambda: cli.main(["convert", source, target, "--format", FORMATS[name]]))
        assert status == 1 and not os.path.exists(target)
print(json.dumps(found))
"""


def fill_the_disk(directory, kind, *writers):
    """Let writers write to a full disk; check what they raise and leave, and what `bertedu convert` says."""
    command = [sys.executable, "-c", FULL_DISK, str(directory), kind, ",".join(writers)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert list(report) == list(writers)
    for name, (outcome, is_old, listing, path) in report.items():
        assert outcome is not None and outcome[0] == "OSError", (name, outcome)
        assert path in outcome[1] and "disk space" in outcome[1] and len(outcome[1].splitlines()) == 1, (name, outcome)
        assert is_old and listing == [Path(path).name], name
    said = done.stderr.splitlines()
    answers = [said[i + 1] for i, line in enumerate(said) if line == f"{directory}/copy.keras:"]
    assert answers and all(line.startswith(f"bertedu: {directory}/copy.keras: cannot be written") for line in answers)
    assert "Traceback" not in done.stderr


@posix
def test_a_file_that_may_not_grow(tmp_path):
    fill_the_disk(tmp_path, "limit", "bertedu directory", ".keras", "training checkpoint")


@pytest.mark.slow
@posix
@pytest.mark.parametrize("kind", ["limit", "disk"])
def test_every_writer_on_a_full_disk(kind, tmp_path):
    if kind == "disk":
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", tmp_path], capture_output=True)
        if mounted.returncode:
            pytest.skip("mounting a small disk needs root")
    try:
        names = ("bertedu directory", "Hugging Face", ".keras", "SavedModel", "view .html", "training checkpoint")
        fill_the_disk(tmp_path, kind, *names)
    finally:
        if kind == "disk":
            subprocess.run(["umount", tmp_path], check=True)


# -- every writer of the package ---------------------------------------------------------------------------------------


def notebook(path):
    cells = [{"cell_type": "markdown", "id": "a", "metadata": {}, "source": ["text"]}]
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def student_copy(path):
    from bertedu.course import student_copy

    student_copy.write([notebook(path.parent.parent / path.name)], path.parent, force=True)


def colab(path):
    from bertedu.course import colab

    colab.write(notebook(path.parent.parent / "source.ipynb"), path, "owner/name", force=True)


def saved_plot(path):
    axes = plots.head(np.full((2, 2), 0.5), ["the", "cat"])
    try:
        plots.save(axes, path)
    finally:
        plots.close(axes)


def saved_view(path):
    be.head_view(np.full((1, 1, 2, 2), 0.5, "float32"), ["the", "cat"]).save(path)


WRITERS = {
    "tokenizer.json": lambda path: be.BertTokenizer(small_world.VOCABULARY).save(path),
    "vocab.txt": lambda path: be.BertTokenizer(small_world.VOCABULARY).save_vocabulary(path),
    "history.json": lambda path: be.History().save(path),
    "plot.png": saved_plot,
    "view.html": saved_view,
    "view.svg": saved_view,
    "student.ipynb": student_copy,
    "colab.ipynb": colab,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_writer_writes_whole_files(name, tmp_path, monkeypatch):
    path = tmp_path / "folder" / name
    path.parent.mkdir()
    path.write_text("old")
    monkeypatch.setattr(temporaries, "replace", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(OSError, match="disk space") as caught:
        WRITERS[name](path)
    assert str(path) in str(caught.value) and path.read_text() == "old" and names(path.parent) == [name]
    monkeypatch.undo()
    WRITERS[name](path)
    assert path.read_bytes() != b"old" and names(path.parent) == [name]


def test_of_several_files_none_is_replaced_before_all_are_complete(tmp_path, monkeypatch):
    from bertedu.course import student_copy

    sources = [notebook(tmp_path / name) for name in ("a.ipynb", "b.ipynb", "c.ipynb")]
    folder = tmp_path / "class"
    folder.mkdir()
    (folder / "a.ipynb").write_text("old")
    written = []

    def complete_two(notebook):
        written.append(notebook)
        return None if len(written) == 3 else "new"  # None cannot be encoded

    monkeypatch.setattr(student_copy.notebook, "to_text", complete_two)
    with pytest.raises(AttributeError):
        student_copy.write(sources, folder, force=True)
    assert len(written) == 3
    assert read(folder) == {"a.ipynb": "old"}


@pytest.mark.slow
@posix
def test_kills_of_every_writer_lose_nothing_and_leave_nothing():
    done = subprocess.run([sys.executable, "-m", "tools.kill_writers"], cwd=ROOT, capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("| 10 |") >= 7

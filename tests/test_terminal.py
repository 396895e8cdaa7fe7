"""The terminal: nothing from a foreign file steers it, and one that is not UTF-8 loses nothing."""

import io
import os
import subprocess
import sys
import unicodedata
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
from safetensors.numpy import load_file, save_file
from tiny_bert import write

from bertedu import cli
from bertedu.terminal import escape

HOSTILE = "\x1b[31m\u202e\u2028\x07\x9b\r\ud800\uffff"
WRITTEN = r"\x1b[31m\u202e\u2028\x07\x9b\r\ud800\uffff"


def harmless(text):
    """Whether `text` is without controls (but tab and newline), marks of direction and lone surrogates."""
    bidi = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    return not [
        c
        for c in text
        if c not in "\t\n"
        and (unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(c) in bidi)
    ]


def test_what_steers_a_terminal_is_written_out_and_all_else_stays():
    assert escape(HOSTILE) == WRITTEN
    every = "".join(map(chr, range(0x110000)))
    assert harmless(escape(every))
    kept = "a\tb\nÄ 猫 😀 \u0301 \\ a\u200db"
    assert escape(kept) == kept


@pytest.fixture
def printing(monkeypatch):
    """A command that prints a text, warns of it and fails with it, run by `cli.main`."""

    def run(text):
        def command(options):
            print(text, "tab\tstays")
            sys.stderr.write(warnings.formatwarning(UserWarning(text), UserWarning, "x.py", 1))
            raise cli.UsageError(text)

        monkeypatch.setattr(
            cli, "make_parser", lambda: SimpleNamespace(parse_args=lambda _: SimpleNamespace(run=command))
        )
        return cli.main([])

    return run


def test_whatever_a_command_prints_warns_of_or_fails_with_is_escaped(printing, capsys):
    before = warnings.formatwarning, sys.stdout
    assert printing(HOSTILE) == 1
    assert (warnings.formatwarning, sys.stdout) == before
    out, err = capsys.readouterr()
    assert out == f"{WRITTEN} tab\tstays\n"
    assert err == f"bertedu: warning: {WRITTEN}\nbertedu: {WRITTEN}\n"


def test_a_terminal_that_is_not_utf_8_loses_nothing(printing, monkeypatch):
    streams = {name: io.TextIOWrapper(io.BytesIO(), encoding="ascii") for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    printing("Katze, 猫")
    for stream in streams.values():
        stream.flush()
        assert rb"Katze, \u732b" in stream.buffer.getvalue()


def test_arguments_that_are_wrong_are_escaped_too(capsys):
    with pytest.raises(SystemExit):
        cli.main(["inspect", "a", f"--{HOSTILE}"])
    assert harmless(capsys.readouterr().err)


def test_names_in_a_checkpoint_are_shown_harmless(tmp_path, capsys):
    write(tmp_path)
    (path,) = tmp_path.glob("*.safetensors")
    save_file({**load_file(path), "x\x1b[31m\u202ename": load_file(path)["embeddings.LayerNorm.bias"]}, path)
    cli.main(["inspect", str(tmp_path)])
    cli.main(["inspect", str(tmp_path), "--json"])
    cli.main(["inspect", str(tmp_path / "no\x1b[31m\u202ething")])
    out, err = capsys.readouterr()
    assert r"x\x1b[31m\u202ename" in out and r"no\x1b[31m\u202ething" in err
    assert harmless(out) and harmless(err)


def test_the_installed_command_writes_to_an_ascii_terminal(tmp_path):
    root = Path(__file__).parent.parent
    command = [sys.executable, "-m", "bertedu_command", "student-copy", str(tmp_path / "né"), "--only", "03"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, cwd=root, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    assert rb"n\xe9" in done.stdout

"""Text from foreign files: it steers no terminal, is lost on none, and neither breaks nor enters a figure or page."""

import html
import io
import json
import os
import re
import subprocess
import sys
import unicodedata
import warnings
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tiny_bert import write

import bertedu as be
from bertedu import cli, plots
from bertedu.terminal import escape
from bertedu.vocabulary import SPECIAL_TOKENS

TOKENS = ["\x1b[31m", "\u202e", "\ud800", "<script>", "</script>", "&", "]]>", "--\x00>", "\uffff", "_x", "$", "a"]
T = len(TOKENS)
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
    unchanged = "a\tb\nÄ 猫 😀 \u0301 \\ a\u200db"
    assert escape(unchanged) == unchanged


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


# -- figures and pages -------------------------------------------------------------------------------------------------

ATTENTION = np.random.default_rng(0).dirichlet(np.ones(T), (2, 3, T)).astype("float32")  # [L, N, T, T]
TITLE = "".join(TOKENS)
POINTS = np.random.default_rng(0).normal(size=(T, 2))
SIMILARITY = np.eye(T)
DRAWN = {
    "head": lambda: plots.head(ATTENTION[0, 0], TOKENS, queries=TOKENS, unit=TITLE, title=TITLE),
    "layer": lambda: plots.layer(ATTENTION[0], TOKENS, title=TITLE),
    "model": lambda: plots.model(ATTENTION, TOKENS, title=TITLE),
    "thumbnails": lambda: plots.thumbnails(ATTENTION, TOKENS, values=[TOKENS[:3]] * 2, name=TITLE, title=TITLE),
    "rollout": lambda: plots.rollout(ATTENTION[0, 0], TOKENS, title=TITLE),
    "heat_map": lambda: plots.heat_map(
        ATTENTION[0, 0], TOKENS, TOKENS, xlabel=TITLE, ylabel=TITLE, unit=TITLE, title=TITLE
    ),
    "rollouts": lambda: plots.rollout(ATTENTION[0], TOKENS, names=TOKENS[:3], title=TITLE),
    "similarity": lambda: plots.similarity(SIMILARITY, TOKENS, unit=TITLE, title=TITLE),
    "similarities": lambda: plots.similarity([SIMILARITY] * 2, TOKENS, names=TOKENS[:2], unit=TITLE, title=TITLE),
    "lines": lambda: plots.lines(POINTS.T, TOKENS[:2], x=TOKENS, xlabel=TITLE, ylabel=TITLE, title=TITLE),
    "training": lambda: plots.training([(1, 0.5), (2, 0.4)], steps=3, title=TITLE),
    "vectors": lambda: plots.vectors(POINTS, TOKENS, groups=TOKENS[::-1], xlabel=TITLE, ylabel=TITLE, title=TITLE),
}
VIEWS = {
    "head": lambda: be.head_view(ATTENTION, TOKENS, title=TITLE),
    "model": lambda: be.model_view(ATTENTION, TOKENS, title=TITLE),
    "labels": lambda: be.model_view(ATTENTION, TOKENS, values=[TOKENS[:3], TOKENS[7:10]], name=TITLE, title=TITLE),
    "numbers": lambda: be.model_view(ATTENTION, TOKENS, values=np.eye(3)[:2], name=TITLE, title=TITLE),
    "neuron": lambda: be.neuron_view(ATTENTION, ATTENTION, TOKENS, title=TITLE),
}


def check_svg(path):
    """The SVG parses, runs nothing, and holds no raw character that steers."""
    content = path.read_bytes().decode("utf-8")
    assert harmless(content) and not re.search("[\ufffe\uffff]", content)
    tags = [element.tag for element in ElementTree.fromstring(content).iter()]
    assert any(tag.endswith("}path") for tag in tags) and not any(tag.endswith("script") for tag in tags)


def test_every_kind_of_plot_is_tried():
    drawing = {name for name, f in vars(plots).items() if callable(f) and "title: str" in (f.__doc__ or "")}
    assert len(drawing) > 5 and drawing <= {*DRAWN}


@pytest.mark.parametrize("kind", DRAWN)
def test_a_plot_of_hostile_texts_is_saved_and_they_do_not_reach_it_raw(kind, tmp_path):
    axes = DRAWN[kind]()
    check_svg(plots.save(axes, tmp_path / "plot.svg"))
    for suffix in (".png", ".pdf"):
        assert plots.save(axes, tmp_path / f"plot{suffix}").stat().st_size > 1000
    assert harmless(plots.describe(axes)) and "\ud800" not in plots.describe(axes)
    plots.close(axes)


def test_a_custom_description_is_escaped(tmp_path):
    axes = plots.head([[1.0]], ["a"])
    axes.figure.alt = HOSTILE
    assert axes.figure.alt == WRITTEN
    check_svg(plots.save(axes, tmp_path / "plot.svg"))
    plots.close(axes)


@pytest.mark.parametrize("kind", VIEWS)
def test_a_view_of_hostile_texts_is_a_page_whose_data_parse(kind, tmp_path):
    view = VIEWS[kind]()
    check_svg(view.save(tmp_path / "view.svg"))
    page = view.save(tmp_path / "view.html").read_bytes().decode("utf-8")
    assert harmless(page)
    (setup,) = re.findall(r'<script type="application/json" id="bertedu-setup">(.*?)</script>', page, re.DOTALL)
    tokens = json.loads(setup)["tokens"]
    assert len(tokens) == T and tokens[3:6] == ["<script>", "</script>", "&"]
    assert page.count("<script") == page.count("</script>")
    assert harmless(html.unescape(page)) and harmless(view.alt)


def test_a_vocabulary_of_hostile_tokens_is_read_drawn_and_explored(tmp_path):
    words = [*SPECIAL_TOKENS, *(token for token in TOKENS if "\ud800" not in token)]
    encoder = be.BertEncoder(len(words), hidden_size=6, num_layers=2, num_attention_heads=3, inner_dim=8)
    bert = be.Bert(be.BertTokenizer(words), encoder)
    reading = bert.read(TITLE)
    for number, view in enumerate((be.head_view(reading.attention, reading.tokens), be.explorer(bert, TITLE))):
        page = view.save(tmp_path / f"{number}.html").read_bytes().decode("utf-8")
        assert harmless(page)
        check_svg(view.save(tmp_path / f"{number}.svg"))
    check_svg(plots.save(reading.plot(0), tmp_path / "reading.svg"))
    plots.close(reading.plot(0))
    history = be.History(run={"names": TOKENS})
    assert json.loads(history.save(tmp_path / "history.json").read_bytes())["run"]["names"] == TOKENS

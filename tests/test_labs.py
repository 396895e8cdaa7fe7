"""The labs' parts: sentences with dependencies, accuracy of heads by relation, verdicts and stored results."""

import importlib.util
import json
import math
import sys
from pathlib import Path

import lab_table
import nbformat
import numpy as np
import pytest
import run_notebooks

import bertedu as be
from bertedu import analysis
from bertedu.course import labs
from bertedu.course.findings import FINDINGS
from bertedu.course.labs import MIME, Verdicts, cached
from bertedu.data import Tree, documentation_paragraphs, documentation_sentences, load_dependencies

ROOT = Path(__file__).parent.parent
TREE = Tree(
    ["the", "unwanted", "cat", "sat"], ["DET", "ADJ", "NOUN", "VERB"], [2, 2, 3, -1], ["det", "amod", "nsubj", "root"]
)


# -- sentences with dependencies ---------------------------------------------------------------------------------------


def generator():
    specification = importlib.util.spec_from_file_location("make_dependencies", ROOT / "data" / "make_dependencies.py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


def test_the_file_is_what_the_generator_writes_and_its_relations_need_more_than_a_distance():
    made = generator()
    trees = made.sentences()
    assert made.conllu(trees) == made.FILE.read_text(encoding="utf-8")
    assert len(trees) >= 2000
    for relation, (count, _, accuracy, _) in made.baselines(trees).items():
        assert accuracy <= 0.6 and count > 200, relation
    for relation in ("det", "obj", "nmod:poss", "compound:prt"):
        assert set(range(1, 9)) <= set(made.baselines(trees)[relation][3])


def test_loaded_trees_are_those_of_the_file():
    trees = load_dependencies()
    words = [line.split("\t") for line in generator().FILE.read_text().splitlines() if line[:1].isdigit()]
    assert sum(len(tree.words) for tree in trees) == len(words)
    assert [word for tree in trees for word in tree.words] == [row[1] for row in words]
    assert [head + 1 for tree in trees for head in tree.heads] == [int(row[6]) for row in words]
    baselines = {name: (one.num_words, one.offset) for name, one in analysis.offset_baselines(trees).items()}
    assert baselines == {name: row[:2] for name, row in generator().baselines(generator().sentences()).items()}


ROWS = "1\tIt\t_\tPRON\t_\t_\t2\tnsubj\t_\t_\n2\trained\t_\tVERB\t_\t_\t0\troot\t_\t_\n"


def test_comments_empty_nodes_and_split_words_are_skipped(tmp_path):
    text = "# text\n1-2\tIts\t_\t_\t_\t_\t_\t_\t_\t_\n" + ROWS + "2.1\tit\t_\t_\t_\t_\t_\t_\t_\t_\n\n\n" + ROWS
    path = tmp_path / "two.conllu"
    path.write_text(text.replace("\n", "\r\n"))
    assert load_dependencies(path) == 2 * [Tree(["It", "rained"], ["PRON", "VERB"], [1, -1], ["nsubj", "root"])]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected text"),
        ("# only a comment\n", "expected sentences, got none"),
        ("1\tIt\t2\n", r"line 1: expected 10 columns, tab-separated, got 3 in '1'"),
        (ROWS.replace("2\tnsubj", "3\tnsubj"), r"line 1: expected word 1 with a head from 0 to 2, .*head '3'"),
        (ROWS.replace("2\tnsubj", "-2\tnsubj"), "head '-2'"),
        (ROWS.replace("2\trained", "3\trained"), "line 2: expected word 2 .*got word '3'"),
        (ROWS.replace("0\troot", "1\troot"), "line 1: expected one root and no cycle"),
        (ROWS.replace("2\tnsubj", "0\tnsubj"), "line 1: expected one root and no cycle"),
    ],
)
def test_what_is_no_tree_is_named(tmp_path, text, message):
    path = tmp_path / "wrong.conllu"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        load_dependencies(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there():
    with pytest.raises(FileNotFoundError, match="^path: expected a file, got 'depend"):
        load_dependencies("depend.conllu")


def test_the_documentation_is_prose():
    paragraphs, sentences = documentation_paragraphs(), documentation_sentences()
    assert len(paragraphs) == len(set(paragraphs)) > 500 and len(sentences) == len(set(sentences)) > 1000
    assert not any("::=" in text for text in paragraphs)
    assert all(any(sentence in text for text in paragraphs) for sentence in sentences[::100])


# -- accuracy of heads -------------------------------------------------------------------------------------------------


def test_attention_between_words_by_hand():
    attention = np.array([[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1], [0.6, 0.1, 0.1, 0.2], [0.25] * 4])
    between = analysis.word_attention(attention, [None, 0, 0, 1])
    np.testing.assert_allclose(between, [[((0.3 + 0.2) + (0.1 + 0.1)) / 2, (0.1 + 0.2) / 2], [0.5, 0.25]])
    batch = analysis.word_attention(np.stack([attention, attention.T]), [None, 0, 0, 1])
    np.testing.assert_allclose(batch[0], between)


@pytest.mark.parametrize("words", [[0, 1], [0, 2, 2], [None, None, None]])
def test_words_that_do_not_fit_the_attention(words):
    with pytest.raises(ValueError, match="^words: expected"):
        analysis.word_attention(np.eye(3), words)


def test_words_of_a_reading_follow_its_spaces():
    reading = be.load("minilm").read("The unwantedness , again")
    words = analysis.words_of(reading)
    assert [words.count(i) for i in range(4)] == [1, len(reading.tokens) - 5, 1, 1]
    assert words[0] is words[-1] is None


def test_relation_accuracy_is_that_of_a_loop():
    bert, trees = be.load("minilm"), load_dependencies()[:12]
    accuracy = analysis.relation_accuracy(bert.readings([tree.text for tree in trees], progress=False), trees)
    hits = {name: [] for name in accuracy}
    for tree in trees:
        reading = bert.read(tree.text)
        groups = [[t for t, word in enumerate(analysis.words_of(reading)) if word == w] for w in range(len(tree.words))]
        for word, (head, relation) in enumerate(zip(tree.heads, tree.relations, strict=True)):
            if head < 0:
                continue
            right = np.zeros((2, 6, 12))
            for layer, n in np.ndindex(6, 12):
                for direction, (query, key) in enumerate(((word, head), (head, word))):
                    row = reading.attention[layer, n][groups[query]].mean(axis=0)
                    sums = [row[group].sum() if w != query else -1 for w, group in enumerate(groups)]
                    right[direction, layer, n] = np.argmax(sums) == key
            hits[relation].append(right)
    for name, (count, to_head, to_dependent) in accuracy.items():
        assert count == len(hits[name])
        np.testing.assert_allclose([to_head, to_dependent], np.mean(hits[name], axis=0))


def test_readings_of_other_texts_are_refused():
    bert = be.load("minilm")
    with pytest.raises(ValueError, match="^readings: expected a reading of 'the unwanted cat sat', got one of 'it"):
        analysis.relation_accuracy([bert.read("it sat")], [TREE])
    with pytest.raises(ValueError):
        analysis.relation_accuracy([bert.read(TREE.text)] * 2, [TREE])


def test_the_best_offset_by_hand():
    baselines = analysis.offset_baselines([TREE, TREE._replace(heads=[1, 2, 3, -1])])
    assert baselines["det"] == (2, 2, 0.5) and baselines["amod"] == (2, 1, 1.0)
    assert list(baselines) == ["det", "amod", "nsubj"]


# -- verdicts ----------------------------------------------------------------------------------------------------------


def test_every_finding_has_a_band_that_contains_the_published_number():
    for lab in FINDINGS.values():
        for finding in lab.values():
            assert finding.low < finding.high
            number = finding.published.split(" ")[0]
            if number.lstrip("-").replace(".", "").isdigit():
                assert finding.low <= float(number) <= finding.high, finding
            assert finding.claim and finding.source and finding.differs


VALUES = {"raw": 0.3, "rollout": 0.2, "flow": math.nan, "difference": -0.1}


def test_a_value_in_its_band_holds_and_others_do_not():
    verdicts = Verdicts("rollout_and_flow", VALUES, "minilm")
    assert [row[-1] for row in verdicts.rows()] == ["yes", "no", "not measured", "no"]
    assert [verdicts.holds(name) for name in VALUES] == [True, False, False, False]
    edges = {name: finding.low for name, finding in verdicts.findings.items()}
    assert all(Verdicts("rollout_and_flow", edges, "m").holds(name) for name in edges)
    assert "not measured" in repr(verdicts)


def test_a_notebook_shows_a_table_and_keeps_the_values():
    bundle = Verdicts("rollout_and_flow", VALUES, "minilm")._repr_mimebundle_()
    assert bundle["text/html"].count("<tr>") == 5 and "0.04 to 0.54" in bundle["text/html"]
    stored = json.loads(json.dumps(bundle[MIME], allow_nan=False))
    again = Verdicts(stored["lab"], stored["values"], stored["model"])
    assert again.rows() == Verdicts("rollout_and_flow", VALUES, "minilm").rows()


@pytest.mark.parametrize(
    ("lab", "values", "message"),
    [("rollout", VALUES, "^lab: expected"), ("rollout_and_flow", {"raw": 1}, "^values: expected raw, rollout")],
)
def test_verdicts_of_something_else(lab, values, message):
    with pytest.raises(ValueError, match=message):
        Verdicts(lab, values, "minilm")


# -- stored results ----------------------------------------------------------------------------------------------------


def test_results_are_computed_once_for_each_setting(tmp_path, monkeypatch):
    monkeypatch.setattr(labs.platformdirs, "user_cache_path", lambda name: tmp_path / name)
    calls = []

    def compute():
        calls.append(1)
        return {"count": len(calls), "matrix": np.eye(2)}

    first = cached("test", compute, model="a", sizes=[1, 2])
    assert cached("test", compute, model="a", sizes=[1, 2])["count"] == first["count"] == 1
    np.testing.assert_array_equal(first["matrix"], np.eye(2))
    assert cached("test", compute, model="b", sizes=[1, 2])["count"] == 2
    assert cached("test", compute, model="a", sizes=[1, 2], refresh=True)["count"] == 3
    assert cached("test", compute, model="a", sizes=[1, 2])["count"] == 3
    assert cached("test", lambda: {"count": 7}, model="a", sizes=[1, 2])["count"] == 7  # other code
    assert len(list((tmp_path / "bertedu" / "labs").glob("test-*.npz"))) == 3


def test_a_damaged_result_is_computed_again_and_nothing_in_it_is_executed(tmp_path, monkeypatch):
    monkeypatch.setattr(labs.platformdirs, "user_cache_path", lambda name: tmp_path / name)

    def compute():
        return {"value": 5}

    cached("test", compute)
    (path,) = tmp_path.rglob("*.npz")
    marker = tmp_path / "marker"

    class Hostile:
        def __reduce__(self):
            return (marker.touch, ())

    for content in (b"", b"not a file", path.read_bytes()[:50]):
        path.write_bytes(content)
        assert cached("test", compute) == {"value": 5}
    np.savez(path, value=np.array([Hostile()], object))
    assert cached("test", compute) == {"value": 5}
    assert not marker.exists()


def test_a_function_without_source_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(labs.platformdirs, "user_cache_path", lambda name: tmp_path / name)
    with pytest.raises(ValueError, match="^compute: expected a function defined in a file"):
        cached("test", eval("lambda: {}"))


# -- the notebooks -----------------------------------------------------------------------------------------------------

LABS = sorted((ROOT / "notebooks" / "labs").glob("*.ipynb"))
IN_EVERY_RUN = ("1_what_does_bert_look_at", "4_rogue_dimensions")
SWITCHES = 'MODEL, QUICK = "minilm", False'


def test_every_lab_has_findings_and_its_page_is_up_to_date():
    assert {path.stem.split("_", 1)[1] for path in LABS} <= FINDINGS.keys()
    assert lab_table.page() == lab_table.PAGE.read_text(encoding="utf-8")


def in_time(path):
    return pytest.param(path, id=path.stem, marks=() if path.stem in IN_EVERY_RUN else pytest.mark.slow)


@pytest.mark.parametrize("path", [in_time(path) for path in LABS])
def test_a_lab_runs_at_its_quick_size(path, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # nothing is computed yet
    notebook = nbformat.read(path, as_version=4)
    (cell,) = (cell for cell in notebook.cells if SWITCHES in cell.source)
    cell.source = cell.source.replace(SWITCHES, SWITCHES.replace("False", "True"))
    run_notebooks.run(notebook, tmp_path)
    data = [output.data for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output]
    (stored,) = (one[MIME] for one in data if MIME in one)
    assert stored["lab"] == path.stem.split("_", 1)[1]
    assert stored["values"].keys() == FINDINGS[stored["lab"]].keys()
    assert np.isfinite([value for value in stored["values"].values() if value is not None]).all()

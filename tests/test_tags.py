"""Tagged sentences: files, schemes, entities, and the data set code_words."""

import importlib.util
import json
import random
import sys
from collections import Counter
from pathlib import Path

import pytest

import bertedu as be
from bertedu.data import load_tags
from bertedu.entities import check_sequence, entity_scores, from_iob1, is_prefixed, sorted_tags, spans_of

ROOT = Path(__file__).parent.parent
CONLL = """-DOCSTART- -X- O

Ada NNP B-PER
Lovelace NNP I-PER
slept VBD O

In IN O
Turin NNP B-LOC

-DOCSTART- -X- O

Yes UH O
"""
SENTENCES = [["Ada", "Lovelace", "slept"], ["In", "Turin"], ["Yes"]]
TAGS = [["B-PER", "I-PER", "O"], ["O", "B-LOC"], ["O"]]
NAMES = ("O", "B-LOC", "B-PER", "I-PER")


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        CONLL,
        CONLL.replace("\n", "\r\n"),
        CONLL.replace(" ", "\t"),
        CONLL.replace(" ", "   ").replace("\n\n", "\n  \n\n"),
        b"\xef\xbb\xbf" + CONLL.rstrip().encode(),
    ],
    ids=["spaces", "crlf", "tabs", "several spaces", "no line end"],
)
@pytest.mark.parametrize("name", ["a.conll", "a.txt", "a.bio", "a"])
def test_conll(tmp_path, content, name):
    loaded = load_tags(written(tmp_path / name, content))
    assert loaded == (SENTENCES, TAGS, NAMES, ["1", "1", "2"])
    assert be.load_tags(str(tmp_path / name)) == loaded
    parts_of_speech = load_tags(tmp_path / name, tags=1)
    assert parts_of_speech.tags[1] == ["IN", "NNP"] and parts_of_speech.names == ("IN", "NNP", "UH", "VBD")


def test_conll_without_documents_and_with_other_white_space(tmp_path):
    loaded = load_tags(written(tmp_path / "a.conll", "New\u00a0York\tB-LOC\n\u2028x\tO\n"))
    assert loaded.words == [["New\u00a0York", "\u2028x"]] and loaded.documents is None
    assert load_tags(written(tmp_path / "b.conll", "New York\tB-LOC\nis\tO\n")).words == [["New York", "is"]]


@pytest.mark.parametrize("keys", [("words", "tags"), ("tokens", "ner_tags"), ("tokens", "labels"), ("w", "t")])
@pytest.mark.parametrize("document", [True, False])
def test_json_lines(tmp_path, keys, document):
    rows = [dict(zip(keys, pair, strict=True)) for pair in zip(SENTENCES, TAGS, strict=True)]
    rows = [row | ({"document": "d"} if document else {}) for row in rows]
    file = written(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    columns = keys if keys[0] == "w" else ()
    assert load_tags(file, *columns) == (SENTENCES, TAGS, NAMES, ["d"] * 3 if document else None)


def test_numbered_tags_need_names(tmp_path):
    numbers = [[NAMES.index(tag) for tag in tags] for tags in TAGS]
    rows = [{"tokens": words, "ner_tags": row} for words, row in zip(SENTENCES, numbers, strict=True)]
    file = written(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    assert load_tags(file, names=NAMES)[:3] == (SENTENCES, TAGS, NAMES)
    with pytest.raises(ValueError, match=r"a\.jsonl, line 1, word 1: expected a tag, got the number 2\. Pass names"):
        load_tags(file)
    with pytest.raises(ValueError, match="line 1, word 1: expected a tag from 0 to 1, got 2"):
        load_tags(file, names=NAMES[:2])


def test_iob1_is_converted(tmp_path):
    content = "Ada I-PER\nBob B-PER\nin O\nNew I-LOC\nYork I-LOC\n"
    file = written(tmp_path / "a.conll", content)
    with pytest.raises(ValueError, match=r'line 1: expected B-PER or I-PER before I-PER, got .* scheme="iob1"'):
        load_tags(file)
    assert load_tags(file, scheme="iob1").tags == [["B-PER", "B-PER", "O", "B-LOC", "I-LOC"]]


GOOD = "Ada B-PER\nsleeps O\n"
WRONG = {
    "a missing tag": (GOOD + "well\n", "line 3: expected 2 columns, as in line 1, got 1 in 'well'. Does this word"),
    "an extra column": (GOOD + "well O x\n", "line 3: expected 2 columns, as in line 1, got 3"),
    "a comment": ("Ada B-PER x\n# sent_id = 4 5\n", "line 2: expected 3 columns.*Remove lines of comments"),
    "a comment first": (
        "# id 1 2\nAda B-PER\n",
        "line 2: expected 4 columns, as in line 1, got 2.*Remove lines of com",
    ),
    "one column": ("Ada\nsleeps\n", "line 1: expected a word and its tag, separated by a tab or a space, got .*'Ada'"),
    "an empty tag": ("Ada\tB-PER\nsleeps\t\n", "line 2: expected a tag, got ''"),
    "tabs at the end": ("Ada\tB-PER\t\nsleeps\tO\t\n", "line 1: expected a tag, got ''.* pass tags=1, the position"),
    "BILOU without L-": ("A U-PER\nB O\n", "got 'U-PER'. Of BILOU, write L- as E-, and U- as S-"),
    "lower case": ("A b-per\nB o\n", "in upper case, got '(o|b-per)'"),
    "control characters": ("A I-\x1b[31m\n", r"got I-\\x1b\[31m at the start"),
    "an empty word": ("Ada\tB-PER\n\tO\n", "line 2: expected a word, got ''"),
    "nothing tagged": ("-DOCSTART- O\n\n", "expected tagged sentences, got none"),
    "an empty file": ("\n \n", "expected text, got an empty file"),
    "an entity that has not begun": (
        GOOD + "\nBob I-PER\n",
        "line 4: expected B-PER or I-PER before I-PER, got I-PER at",
    ),
    "another type": ("Ada B-PER\nin I-LOC\n", "line 2: expected B-LOC or I-LOC before I-LOC, got I-LOC after B-PER"),
    "no end": ("Ada B-PER\nB I-PER\nC O\nD S-PER\n", "line 3: expected I-PER or E-PER after I-PER, as in IOBES, got O"),
    "a last word without end": ("Bob S-PER\nAda B-PER\n", "line 2: expected I-PER or E-PER after B-PER.* got O"),
    "BILOU": ("A B-PER\nB L-PER\n", "expected B-, I-, E- or S- before every tag but O.*Write L- as E-"),
    "a prefix missing": ("A B-PER\nB PER\n", "expected B-, I-, E- or S- .*got 'PER'. Give all of them"),
    "not UTF-8": (b"Ada B-PER\n\xe9 O\n", "line 2, byte 1: not UTF-8"),
}


@pytest.mark.parametrize("case", WRONG)
def test_odd_conll_files_give_one_error_with_the_line(tmp_path, case):
    content, message = WRONG[case]
    with pytest.raises(ValueError, match=message) as caught:
        load_tags(written(tmp_path / "a.conll", content))
    assert "a.conll" in str(caught.value) and str(caught.value).count("a.conll") == 1


WRONG_ROWS = {
    "no columns": ({"text": "Ada"}, "line 1: expected the column 'words', got 'text'"),
    "a text": ({"words": "Ada", "tags": ["O"]}, "line 1, column 'words': expected a list, got 'Ada'"),
    "lengths": ({"words": ["Ada", "B"], "tags": ["O"]}, "expected a tag for each word, .*got 2 words and 1 tags"),
    "no words": ({"words": [], "tags": []}, "at least one word, got 0 words"),
    "a number": ({"words": [3], "tags": ["O"]}, "line 1, word 1: expected a word, got 3"),
    "no tag": ({"words": ["Ada"], "tags": [None]}, "line 1, word 1: expected a tag, got None"),
    "not JSON": (None, "line 1: expected JSON"),
}


@pytest.mark.parametrize("case", WRONG_ROWS)
def test_odd_rows_give_one_error_with_the_line(tmp_path, case):
    row, message = WRONG_ROWS[case]
    with pytest.raises(ValueError, match=message):
        load_tags(written(tmp_path / "a.jsonl", "{x" if row is None else json.dumps(row)))


def test_invalid_arguments(tmp_path):
    file = written(tmp_path / "a.conll", GOOD)
    for options, message in (
        ({"words": "word"}, "words: expected the position of a column"),
        ({"tags": 2}, "tags: expected a column from 0 to 1, got 2"),
        ({"names": ["O"]}, "line 1: expected one of 'O' as tag, got 'B-PER'"),
        ({"scheme": "bilou"}, "scheme: expected None or 'iob1', got 'bilou'"),
        ({"split": "train"}, "split: expected None for a file"),
    ):
        with pytest.raises(ValueError, match=message):
            load_tags(file, **options)
    with pytest.raises(ValueError, match="words: expected the name of a column"):
        load_tags(written(tmp_path / "a.jsonl", "{}"), words=0)
    with pytest.raises(FileNotFoundError, match="Did you mean the data set 'code_words'"):
        load_tags("code_word")


# -- schemes and scores ------------------------------------------------------------------------------------------------


def test_schemes():
    assert is_prefixed(["O", "B", "I"]) and is_prefixed(["S-X", "O"]) and is_prefixed(["O", "I-X"])
    assert not is_prefixed(["A", "B", "C"]) and not is_prefixed(["O"]) and not is_prefixed(["NOUN", "S"])
    assert spans_of(["NOUN", "NOUN", "O", "VERB"], False) == {("NOUN", 0, 2), ("VERB", 3, 4)}
    assert sorted_tags(["VERB", "O", "NOUN"]) == ("O", "NOUN", "VERB")
    assert from_iob1(["O", "I-X", "I-Y", "B-Y"]) == ["O", "B-X", "B-Y", "B-Y"]
    check_sequence(["B-X", "I-X", "B-X", "O"], str)
    check_sequence(["B-X", "I-X", "E-X", "S-X", "O", "B-Y", "E-Y"], str)
    check_sequence(["B", "I", "O"], str)


def random_tags(rng, prefixes, count=40):
    names = ["O"] + [f"{prefix}-{kind}" for prefix in prefixes for kind in ("PER", "LOC", "A-B")]
    return [[rng.choice(names) for _ in range(rng.randint(1, 9))] for _ in range(count)]


@pytest.mark.parametrize("prefixes", ["BI", "BIES", "I"])
@pytest.mark.filterwarnings("ignore::UserWarning")  # of seqeval, for scores without a single entity
def test_scores_equal_those_of_seqeval(prefixes):
    metrics = pytest.importorskip("seqeval.metrics")
    rng = random.Random(0)
    for _ in range(30):
        expected = random_tags(rng, prefixes)
        predicted = [[tag if rng.random() < 0.8 else "O" for tag in row] for row in expected]
        got = entity_scores(expected, predicted)
        for name in ("precision", "recall", "f1"):
            peer = getattr(metrics, f"{name}_score")(expected, predicted)
            assert got[name] == pytest.approx(float(peer), abs=1e-12), name


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_scores_without_entities_and_of_plain_tags():
    metrics = pytest.importorskip("seqeval.metrics")
    assert entity_scores([["O"]], [["O"]]) == {"precision": 0, "recall": 0, "f1": 0}
    assert entity_scores([["O"]], [["B-X"]])["f1"] == 0
    rng = random.Random(1)
    expected, predicted = ([[rng.choice("OXY") for _ in range(7)] for _ in range(30)] for _ in range(2))
    peer = [[[tag if tag == "O" else f"I-{tag}" for tag in row] for row in rows] for rows in (expected, predicted)]
    assert entity_scores(expected, predicted)["f1"] == pytest.approx(metrics.f1_score(*peer))


# -- code_words --------------------------------------------------------------------------------------------------------


def module(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "data" / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_code_words_keeps_its_rules_and_the_datasheet_gives_its_figures():
    check, generator = module("check"), module("make_code_words")
    rows = check.read_code_words()
    assert check.problems_of_code_words(rows) == []
    sheet = (ROOT / "data" / "README.md").read_text(encoding="utf-8").split("\n## code_words\n")[1].split("\n## ")[0]
    for split in check.SPLITS:
        part = [row for row in rows if row["split"] == split]
        loaded = load_tags("code_words", split=split)
        assert loaded.words == [row["words"] for row in part] and loaded.tags == [row["tags"] for row in part]
        assert loaded.documents == [row["document"] for row in part] and loaded.names == ("O", "B-CODE", "I-CODE")
        counts = Counter(tag[0] for row in part for tag in row["tags"])
        sizes = [len(set(loaded.documents)), len(part), counts.total(), counts["B"], counts["B"] + counts["I"]]
        figures = [f"{size:,}" for size in sizes] + [f"{score:.3f}" for score in generator.scores(part)]
        assert f"| {split} | {' | '.join(figures)} |" in sheet
        ours = entity_scores(loaded.tags, [generator.baseline(words) for words in loaded.words])
        assert list(ours.values()) == pytest.approx(generator.scores(part))


def test_the_checks_of_code_words_can_fail():
    check = module("check")
    rows = check.read_code_words()
    first, last = rows[0], rows[-1]
    for changed, said in (
        (rows[1:], "sentences, not"),
        ([first | {"document": last["document"]}, *rows[1:]], "documents in train and test"),
        ([*rows[:-1], last | {"words": first["words"], "tags": first["tags"]}], "a sentence twice"),
        ([first | {"tags": ["I-CODE", *first["tags"][1:]]}, *rows[1:]], "line 1: tags that are not BIO"),
        ([first | {"tags": first["tags"][1:]}, *rows[1:]], "line 1: "),
        ([first | {"words": ['"a"', *first["words"][1:]]}, *rows[1:]], "a double quote"),
    ):
        assert any(said in problem for problem in check.problems_of_code_words(changed)), said


def test_code_words_has_its_license_and_no_marks_are_left():
    text = (ROOT / "data" / "LICENSE-PSF").read_text(encoding="utf-8")
    assert "PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2" in text and "2023 Python Software Foundation" in text
    assert not any(
        '"' in word for split in ("train", "test") for row in load_tags("code_words", split=split)[0] for word in row
    )


@pytest.mark.skipif(sys.version_info[:3] != (3, 11, 7), reason="the documentation of other releases differs")
def test_the_generator_gives_the_same_files():
    from pydoc_data.topics import topics

    generator = module("make_code_words")
    for split, examples in generator.split(generator.examples(topics)).items():
        assert examples == generator.read(split)


def test_the_generator_by_hand():
    tagged = module("make_code_words").tagged
    words, tags = tagged('The "if" statement, e.g. "f(x, y)" or *that* "+" (see "None").')
    assert " ".join(words) == "The if statement , e.g. f(x , y ) or that + ( see None ) ."
    assert [word for word, tag in zip(words, tags, strict=True) if tag == "B-CODE"] == ["if", "f(x", "None"]
    assert [word for word, tag in zip(words, tags, strict=True) if tag == "I-CODE"] == [",", "y", ")"]
    assert tagged('Many "str"s are here.') is None and tagged("No stop here at all") is None

"""Reading texts with labels: every format, every error, our own sets, and public ones from a Hub on this machine."""

import doctest
import importlib.util
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from bertedu.data import Texts, files, load_texts, load_unlabelled, sets, texts

ROOT = Path(__file__).resolve().parent.parent
LARGEST_FIELD = 131_072  # csv's limit


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return write


def error(path, *arguments, kind=ValueError, **options):
    """The message of the error that a file gives, which names the file and hides no other error behind it."""
    with pytest.raises(kind) as raised:
        load_texts(path, *arguments, **options)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    assert str(path) in str(raised.value)
    return str(raised.value).removeprefix(f"{path}")


# -- formats -----------------------------------------------------------------------------------------------------------

ROWS = [("A cat sat.", "yes"), ('It was "warm", no?', "no"), ("Ça va, 猫?", "yes")]
AS_CSV = 'text,label\nA cat sat.,yes\n"It was ""warm"", no?",no\n"Ça va, 猫?",yes\n'
AS_TSV = "text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in ROWS)
AS_JSON = "".join(json.dumps({"label": label, "text": text}) + "\n" for text, label in ROWS)


@pytest.mark.parametrize(
    "name, content", [("a.csv", AS_CSV), ("a.tsv", AS_TSV), ("a.jsonl", AS_JSON), ("A.TSV", AS_TSV)]
)
@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("end", ["", "\n", "\n\n  \n"])
def test_every_format_gives_the_same(write, name, content, start, newline, end):
    content = (start + content.rstrip("\n") + end).replace("\n", newline)
    for path in (write(name, content), str(write(name, content))):
        result = load_texts(path)
        assert isinstance(result, Texts)
        assert result.texts == [text for text, _ in ROWS] and result.pairs is None
        assert result.names == ("no", "yes")
        assert result.labels.dtype == np.int32 and result.labels.tolist() == [1, 0, 1]


def test_without_a_first_line_of_names_columns_are_positions(write):
    path = write("a.csv", '1,"A cat, it sat.",x\n0,It ran.,y\n')
    result = load_texts(path, text=1, pair=2, label=0)
    assert result.texts == ["A cat, it sat.", "It ran."] and result.pairs == ["x", "y"]
    assert result.labels.tolist() == [1, 0] and result.names == ("0", "1")
    assert load_texts(write("a.tsv", "one\ntwo\n\nthree\n"), text=0, label=None).texts == ["one", "two", "three"]


def test_a_quote_in_a_tsv_is_a_quote(write):
    path = write("a.tsv", 'text\tlabel\n"He said\tx\n5" nails\ty\n')
    assert load_texts(path).texts == ['"He said', '5" nails']


def test_newlines_in_quotes_belong_to_a_csv_field_and_lines_stay_right(write):
    path = write("a.csv", 'text,label\n"one\ntwo\r\nthree",x\nfour,\n')
    assert "line 5, column 'label': expected a label, got an empty one" in error(path)
    path = write("a.csv", 'text,label\n"one\ntwo\r\nthree",x\nfour,y\n')
    assert load_texts(path).texts == ["one\ntwo\r\nthree", "four"]


def test_characters_that_only_some_call_line_ends_do_not_split(write):
    odd = "a\u2028b\u0085c\x0bd\x0ce\x1cf"
    for name, content in {
        "a.tsv": f"text\tlabel\n{odd}\tx\nb\ty\n",
        "a.csv": f"text,label\n{odd},x\nb,y\n",
        "a.jsonl": json.dumps({"text": odd, "label": "x"}, ensure_ascii=False) + '\n{"text": "b", "label": "y"}\n',
    }.items():
        assert load_texts(write(name, content)).texts == [odd, "b"]


def test_pairs_and_further_columns(write):
    path = write("a.tsv", "id\tq2\tlabel\tq1\n7\tb\tx\ta\n8\td\ty\tc\n")
    result = load_texts(path, text="q1", pair="q2")
    assert result.texts == ["a", "c"] and result.pairs == ["b", "d"] and result.labels.tolist() == [0, 1]
    assert load_texts(path, text="q1", label=None) == Texts(["a", "c"], None, None, None)


def test_labels_are_sorted_numbers_by_value(write):
    path = write("a.csv", "text,label\na,10\nb, 9 \nc,-1\nd,10\n")
    result = load_texts(path)
    assert result.names == ("-1", "9", "10") and result.labels.tolist() == [2, 1, 0, 2]
    path = write("a.jsonl", '{"text": "a", "label": 2}\n{"text": "b", "label": "b"}\n')
    assert load_texts(path).names == ("2", "b")


def test_names_fix_the_order_and_one_class_of_several_is_enough(write):
    path = write("a.csv", "text,label\na,neg\nb,neg\n")
    result = load_texts(path, names=["pos", "neutral", "neg"])
    assert result.labels.tolist() == [2, 2] and result.names == ("pos", "neutral", "neg")
    assert load_texts(write("a.csv", "text,label\na,1\nb,0\n"), names=range(2)).names == ("0", "1")


def test_numbers(write):
    path = write("a.csv", "text,label\na,0.5\nb,-3e2\nc, 4\n")
    result = load_texts(path, regression=True)
    assert result.labels.dtype == np.float32 and result.labels.tolist() == [0.5, -300, 4] and result.names is None
    path = write("a.jsonl", '{"text": "a", "label": 0.25}\n{"text": "b", "label": "1"}\n')
    assert load_texts(path, regression=True).labels.tolist() == [0.25, 1]


def test_parquet_needs_pyarrow_and_says_so(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    message = error(write("a.parquet", b"PAR1"), kind=ImportError)
    assert "pip install pyarrow" in message


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"sentence": ["a", "b"], "label": [1, 0], "idx": [7, 8]}), path)
    result = load_texts(path, text="sentence")
    assert result.texts == ["a", "b"] and result.labels.tolist() == [1, 0] and result.names == ("0", "1")
    assert "one column 'text', got 'sentence', 'label', 'idx'" in error(path)
    parquet.write_table(pyarrow.table({"text": ["a", None], "label": [1, 0]}), path)
    assert error(path) == ", line 2, column 'text': expected a text, got None."
    path.write_bytes(b"PAR1 no more")
    assert "expected a Parquet file" in error(path)


# -- labels that are numbers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels, names, numbers",
    [
        ([f"{i}.0" for i in range(12)], [str(i) for i in range(12)], list(range(12))),
        (["1", "1.0", "01", " 1 ", "1e0", "+1", "2"], ["1", "2"], [0, 0, 0, 0, 0, 0, 1]),
        (["-1", "-1.0", "10", "9.50", "9.5", ".5", "0"], ["-1", "0", "0.5", "9.5", "10"], [0, 0, 4, 3, 3, 2, 1]),
        (["123456789012345678", "123456789012345679"], ["123456789012345678", "123456789012345679"], [0, 1]),
        (["b", "10", "9", "010"], ["9", "10", "b"], [2, 1, 0, 1]),
        (["1_0", "0x1", "1,5", "1"], ["1", "0x1", "1,5", "1_0"], [3, 1, 2, 0]),
        (["none", "NONE", "x"], ["NONE", "none", "x"], [1, 0, 2]),
    ],
)
@pytest.mark.parametrize("ending", ["tsv", "jsonl"])
def test_a_number_is_one_class_however_it_is_spelled(write, labels, names, numbers, ending):
    if ending == "jsonl":
        rows = [json.dumps({"text": "a", "label": label}) + "\n" for label in labels]
    else:
        rows = ["text\tlabel\n", *(f"a\t{label}\n" for label in labels)]
    result = load_texts(write(f"a.{ending}", "".join(rows)))
    assert list(result.names) == names and result.labels.tolist() == numbers


def test_numbers_in_json_are_the_classes_that_their_spellings_are(write):
    path = write("a.jsonl", "".join(f'{{"text": "a", "label": {label}}}\n' for label in ("1", "1.0", '"01"', "2e0")))
    result = load_texts(path)
    assert result.names == ("1", "2") and result.labels.tolist() == [0, 0, 0, 1]


def test_names_that_are_numbers_take_every_spelling(write):
    path = write("a.csv", "text,label\na,1.0\nb,02\nc,3\n")
    result = load_texts(path, names=["03", "2", 1])
    assert result.labels.tolist() == [2, 1, 0] and result.names == ("03", "2", "1")
    with pytest.raises(ValueError, match="names: expected unique names"):
        load_texts(path, names=["1", "1.0", "2", "3"])


@pytest.mark.parametrize("missing", ["nan", "NaN", "<NA>", "NULL", "None", "N/A"])
@pytest.mark.parametrize("others", [("0.0", "1.0"), ("good", "bad")])
def test_a_missing_label_is_refused_with_its_line_unless_it_is_named(write, missing, others):
    path = write("a.csv", f"text,label\na,{others[0]}\nb,{missing}\nc,{others[1]}\n")
    message = error(path)
    assert message.startswith(", line 3, column 'label'") and repr(missing) in message
    assert load_texts(path, names=[*others, missing]).labels.tolist() == [0, 2, 1]


@pytest.mark.parametrize("label", ["NaN", "Infinity", "null", "1.5", "true"])
def test_a_value_that_is_no_class_in_json_is_refused_with_its_line(write, label):
    path = write("a.jsonl", f'{{"text": "a", "label": 1}}\n{{"text": "b", "label": {label}}}\n')
    assert error(path).startswith(", line 2, column 'label'")


# -- joined files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("again", ["text{0}id{0}label", "label{0}text{0}id", " Text {0}ID{0}Label", "text{0}7{0}label"])
@pytest.mark.parametrize("ending, delimiter", [("csv", ","), ("tsv", "\t")])
def test_a_header_in_the_middle_is_refused_with_its_line(write, ending, delimiter, again, mark):
    content = "text,id,label\na,1,x\nb,2,y\n".replace(",", delimiter)
    path = write(
        f"a.{ending}", mark + content + mark + again.format(delimiter) + "\n" + "c,3,x\n".replace(",", delimiter)
    )
    assert error(path).startswith(", line 4: ")
    assert error(path, label=None, pair="label").startswith(", line 4: ")


def test_a_byte_order_mark_in_the_middle_belongs_to_no_value(write):
    rows = "\ufeff1,a\n2,b\n\ufeff1,c\n"
    assert load_texts(write("a.csv", rows), text=1, label=0).labels.tolist() == [0, 1, 0]
    rows = '\ufeff{"text": "a", "label": "x"}\n\ufeff{"text": "b", "label": "y"}\n'
    assert load_texts(write("a.jsonl", rows)).texts == ["a", "b"]


def test_a_line_of_old_macs_ends_with_a_carriage_return(write):
    assert load_texts(write("a.csv", 'text,label\ra,x\r"b\rc",y\r')).texts == ["a", "b\rc"]


# -- bounds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["tsv", "csv", "jsonl"])
def test_an_endless_line_is_refused_before_it_is_read(write, ending, monkeypatch):
    first = {"tsv": "text\tlabel", "csv": "text,label", "jsonl": '{"text": "a", "label": 1}'}[ending]
    path = write(f"a.{ending}", first + "\n")
    with open(path, "r+b") as file:
        file.seek(2_000_000_000)  # sparse: takes no room on disk
        file.write(b"\n")
    assert "line 2" in error(path)
    monkeypatch.setattr(files, "LINE_LIMIT", 100)
    assert "at most 100 bytes in a line" in error(write(f"a.{ending}", "x" * 101))


def parquet_of(path, **columns):
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table(columns), path)
    return path


def test_parquet_that_unpacks_to_more_than_it_can_hold_is_refused(tmp_path, monkeypatch):
    path = parquet_of(tmp_path / "a.parquet", text=["a" * 1000] * 20_000, label=[1] * 20_000)
    assert path.stat().st_size < 20_000
    monkeypatch.setattr(files, "SMALLEST_BUDGET", 1_000_000)
    assert "unpack to more than" in error(path)
    monkeypatch.setattr(files, "EXPANSION_LIMIT", 2)
    assert "got 20,000 in" in error(path)


def test_parquet_of_other_types_and_damage_is_one_error(tmp_path):
    for text, label in (([b"a"], [1]), ([["a"]], [1]), (["a"], [1.5]), (["a"], [None]), ([{"x": 1}], [1])):
        assert ", line 1, column" in error(parquet_of(tmp_path / "a.parquet", text=text, label=label))
    path = parquet_of(tmp_path / "a.parquet", text=["a", "b"] * 99, label=[1.0, 2.0] * 99)
    assert load_texts(path).names == ("1", "2")
    content = path.read_bytes()
    for start in range(4, len(content) - 8, 7):
        path.write_bytes(content[:start] + b"\xff\x00\x80" + content[start + 3 :])
        try:
            load_texts(path)
        except ValueError as problem:
            assert str(path) in str(problem)


# -- texts without labels ----------------------------------------------------------------------------------------------


def test_texts_to_classify_are_read_from_tables_and_from_lines(write):
    for name, content in {
        "a.csv": 'text,label\n"a, b",x\nc,y\n',
        "a.tsv": "label\ttext\nx\ta, b\ny\tc\n",
        "a.jsonl": '{"text": "a, b", "label": null}\n{"text": "c"}\n',
        "a.txt": "a, b\r\n\nc",
        "lines": "\ufeffa, b\nc\n",
    }.items():
        for pairs in (False, None):
            assert load_unlabelled(write(name, content), pairs) == (["a, b", "c"], None)
    path = write("a.tsv", "q1\tpair\na\tb\n")
    assert load_unlabelled(path, True, "q1") == load_unlabelled(path, None, "q1", "pair") == (["a"], ["b"])
    assert (
        load_unlabelled(write("a.txt", "a\tb\n"), True) == (["a"], ["b"]) == load_unlabelled(write("a.txt", "a\tb\n"))
    )


@pytest.mark.parametrize(
    "name, content, pairs, said",
    [
        ("a.txt", "a\nb\tc\n", False, "line 2: expected one text"),
        ("a.txt", "a\tb\nc\n", True, "line 2: expected two texts"),
        ("a.txt", "a\tb\nc\n", None, "line 2: expected two texts"),
        ("a.txt", "text\tlabel\na\tx\n", True, "line 1: expected texts, got a header"),
        ("a.txt", "text\na\n", False, "line 1: expected texts, got a header"),
        ("a.txt", "text,label\na,x\n", False, "line 1: expected texts, got a header"),
        ("a.txt", "\n \n", False, "empty file"),
        ("a.tsv", "text\tpair\na\tb\n", False, "expected single texts"),
        ("a.tsv", "text\tlabel\na\tx\n", True, "column 'pair', got"),
        ("a.tsv", "a\tx\nb\ty\n", False, "column 'text', got"),
        ("a.csv", "text,label\na,x\ntext,label\n", False, "line 3"),
    ],
)
def test_texts_to_classify_that_do_not_fit_are_refused(write, name, content, pairs, said):
    path = write(name, content)
    with pytest.raises(ValueError, match=said) as raised:
        load_unlabelled(path, pairs)
    assert str(path) in str(raised.value)


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("a.tsv", "", ": expected text, got an empty file"),
        ("a.csv", "\ufeff\r\n \n", ": expected text, got an empty file"),
        ("a.jsonl", "", ": expected text, got an empty file"),
        ("a.csv", '""\n"\n"\n', ": expected rows, got none"),
        ("a.tsv", "text\tlabel\n\n", ": expected examples, got none"),
        (
            "a.tsv",
            "sentence\tlabel\na\tx\n",
            ", line 1: expected one column 'text', got 'sentence', 'label'. Add ",
        ),
        ("a.csv", "text,class\na,x\n", ", line 1: expected one column 'label', got 'text', 'class'"),
        ("a.csv", "text,text,label\na,b,x\n", ", line 1: expected one column 'text', got 'text', 'text'"),
        ("a.jsonl", '{"text": "a", "class": 1}\n', ", line 1: expected the column 'label', got 'text', 'class'"),
        ("a.jsonl", "{}\n", ", line 1: expected the column 'text', got none"),
        ("a.tsv", "text\tlabel\na\tx\nb\n", ", line 3: expected 2 columns, got 1."),
        ("a.tsv", "text\tlabel\na\tb\tx\n", ", line 2: expected 2 columns, got 3. Is there a tab in a text?"),
        (
            "a.csv",
            "text,label\na, b,x\n",
            ", line 2: expected 2 columns, got 3. Is there a comma outside of quotes?",
        ),
        ("a.tsv", "text\tlabel\n \tx\n", ", line 2, column 'text': expected a text, got an empty one"),
        ("a.csv", "text,label\r\na,x\r\n\r\nb,\r\n", ", line 4, column 'label': expected a label, got an empty one"),
        ("a.jsonl", '{"text": null, "label": 1}', ", line 1, column 'text': expected a text, got None."),
        ("a.jsonl", '{"text": ["a"], "label": 1}', ", line 1, column 'text': expected a text, got ['a']"),
        ("a.jsonl", '{"text": "a", "label": 1.5}', ", line 1, column 'label': expected a string or a whole number"),
        ("a.jsonl", '{"text": "a", "label": true}', ", line 1, column 'label': expected a string or a whole number"),
        ("a.jsonl", '{"text": "a", "label": null}', ", line 1, column 'label': expected a string or a whole number"),
        ("a.jsonl", '\n["a", 1]\n', ", line 2: expected a JSON object, got ['a', 1]"),
        ("a.jsonl", '{"text": "a", "label": 1}\n{"text": "b" 0}\n', ", line 2: expected JSON (column 14: "),
        ("a.jsonl", "[" * 100_000, ", line 1: "),
        ("a.jsonl", '{"text": "a", "label": ' + "9" * 5000 + "}", ", line 1: expected JSON ("),
        ("a.csv", 'text,label\n"never closed,x\nb,y\n', ", line 2: invalid CSV (unexpected end of data)"),
        ("a.csv", 'text,label\na,x\n"b" c,y\n', ", line 3: invalid CSV ("),
        ("a.csv", f"text,label\n{'a' * (LARGEST_FIELD + 1)},x\n", ", line 2: invalid CSV (field larger than"),
        ("a.tsv", "text\tlabel\na\tx\nb\tx\n", ": expected at least two classes, got only 'x'"),
        ("a.tsv", b"text\tlabel\na\tx\nna\xefve\ty\n", ", line 3, byte 3: not UTF-8 (invalid continuation byte). Save"),
        ("a.csv", b"\xef\xbb\xbf\xff", ", line 1, byte 1: not UTF-8"),
        ("a.csv", "text,label\na,x\n".encode("utf-16"), ": expected UTF-8, got UTF-16. Save it as UTF-8"),
        (
            "a.tsv",
            b"text\tlabel\na\tx\nb\0\ty\n",
            ", line 3, byte 2: expected text, got a NUL byte. Is it a text file?",
        ),
        ("a.jsonl", b'{"text": "a\0"}', ", line 1, byte 12: expected text, got a NUL byte"),
        ("a.json", "{}", ": expected one of the suffixes .tsv, .csv, .jsonl, .parquet, got '.json'"),
        ("a", "{}", ": expected one of the suffixes"),
    ],
)
def test_errors_name_line_and_column(write, name, content, said):
    assert error(write(name, content)).startswith(said)


def test_messages_stay_short_whatever_the_file_holds(write):
    for content in ("x" * 200_000 + "\n", "text\tlabel\n" + "".join(f"a\t{i * 'y'}\n" for i in (1, 5000)), "\t" * 9999):
        path = write("a.tsv", content)
        assert len(error(path, names=["n"])) < 1000
    assert len(error(write("a.jsonl", '{"text": "a", "label": "' + "z" * 9999 + '"}'), names=["n"])) < 1000


def test_labels_against_names(write):
    path = write("a.csv", "text,label\na,pos\nb,neutral\n")
    message = error(path, names=["neg", "pos"])
    assert message == ", line 3, column 'label': expected one of 'neg', 'pos' as label, got 'neutral'."
    with pytest.raises(ValueError, match="names: expected unique names"):
        load_texts(path, names=["pos", "pos", "neutral"])


@pytest.mark.parametrize("value", ["x", "", "nan", "inf", "1e39", "1,5"])
def test_labels_that_are_no_numbers(write, value):
    path = write("a.tsv", f"text\tlabel\na\t1\nb\t{value}\n")
    assert error(path, regression=True) == f", line 3, column 'label': expected a number as label, got {value!r}."
    for wrong in ("true", "null", "NaN", "[1]", "1e999"):
        path = write("a.jsonl", f'{{"text": "a", "label": {wrong}}}')
        assert "line 1, column 'label': expected a number as label" in error(path, regression=True)


def test_positions_are_checked(write):
    path = write("a.csv", "a,x\nb,y\n")
    assert error(path, text=0, label=2) == ": expected a column from 0 to 1, got 2."
    assert error(path, text=-1, label=1) == ": expected a column from 0 to 1, got -1."
    for columns in ({"text": 0}, {"text": None}, {"text": 0.0, "label": 1.0}, {"text": ["a"], "label": ["b"]}):
        with pytest.raises(ValueError, match="expected only names or only positions"):
            load_texts(path, **columns)


def test_missing_files(tmp_path):
    assert "expected a file, got a directory" in error(tmp_path, kind=FileNotFoundError)
    error(tmp_path / "none.tsv", kind=FileNotFoundError)
    with pytest.raises(FileNotFoundError, match=r"'revews'.* Did you mean the data set 'reviews'\?"):
        load_texts("revews")
    with pytest.raises(ValueError, match="split: expected None.*got 'train' for 'a.tsv'"):
        load_texts("a.tsv", split="train")


# -- our own sets ------------------------------------------------------------------------------------------------------


def checker():
    spec = importlib.util.spec_from_file_location("data_check", ROOT / "data" / "check.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["reviews", "pairs"])
def test_our_sets_keep_their_rules(name):
    check = checker()
    rows = check.read(name)
    assert check.problems(name, rows) == []
    for split, size in zip(check.SPLITS, check.SIZES[name], strict=True):
        loaded = load_texts(name, split=split)
        part = [row for row in rows if row["split"] == split]
        assert loaded.texts == [row["text"] for row in part] and len(part) == size
        assert loaded.pairs == ([row["pair"] for row in part] if name == "pairs" else None)
        assert [loaded.names[label] for label in loaded.labels] == [row["label"] for row in part]
        kinds = load_texts(name, split=split, label="kind")
        assert [kinds.names[label] for label in kinds.labels] == [row["kind"] for row in part]


def test_the_checks_of_our_sets_can_fail():
    check = checker()
    rows = check.read("reviews")
    train = next(row for row in rows if row["split"] == "train")
    copied = [row | {"text": train["text"]} if row["split"] == "test" else row for row in rows]
    flipped = [row | {"label": "positive"} if row["kind"] == "irony" else row for row in rows]
    moved = [row | {"split": "test"} if row["kind"] == "plain" else row for row in rows]
    for changed, said in ((copied, "1.00 similar"), (flipped, "irony is not balanced"), (moved, "plain is not spread")):
        assert any(said in problem for problem in check.problems("reviews", changed))


def test_the_lists_of_associations_keep_their_rules_and_the_datasheet_gives_their_sizes():
    check = checker()
    rows = check.read("associations")
    assert check.problems("associations", rows) == []
    words = load_texts("associations", split="test")
    assert words.texts == [row["text"] for row in rows] and words.pairs is None
    assert [words.names[label] for label in words.labels] == [row["label"] for row in rows]
    sheet = (ROOT / "data" / "README.md").read_text(encoding="utf-8").split("\n## associations\n")[1]
    for kind, sizes in check.LISTS.items():
        (x, y, a, b), (size,) = sizes, set(sizes.values())
        assert f"| {kind} | {x}, {y} | {a}, {b} | {size} |" in sheet
    assert f"{len(rows)} words in twelve lists" in sheet
    for changed, said in (
        (rows[1:], "WEAT 1 has the lists {'flowers': 24"),
        ([rows[30] | {"text": "rose"}, *rows], "WEAT 1 has words twice: ['rose']"),
        ([rows[0] | {"text": "two words"}, *rows[1:]], "associations/test.tsv, line 2: not one word of one test"),
        ([rows[0] | {"kind": "WEAT 2"}, *rows[1:]], "associations/test.tsv, line 2: not one word of one test"),
    ):
        assert any(said in problem for problem in check.problems("associations", changed))


def test_docs_pairs_keep_their_rules_and_the_datasheet_gives_the_figures():
    check = checker()
    rows = check.read("docs_pairs")
    assert check.problems("docs_pairs", rows) == []
    sheet = (ROOT / "data" / "README.md").read_text(encoding="utf-8").split("\n## docs_pairs\n")[1].split("\n## ")[0]
    assert f"{len(rows):,} functions" in sheet
    for split, size in zip(check.SPLITS, check.SIZES["docs_pairs"], strict=True):
        part = [row for row in rows if row["split"] == split]
        loaded = load_texts("docs_pairs", split=split)
        assert loaded.texts == [row["text"] for row in part] and loaded.pairs == [row["pair"] for row in part]
        assert loaded.labels is None and loaded.names is None and len(part) == size
        modules = load_texts("docs_pairs", split=split, label="module")
        assert [modules.names[label] for label in modules.labels] == [row["module"] for row in part]
        if split != "train":  # 1,750 x 1,750 scores take a while
            figures = " | ".join(f"{value:.3f}" for value in check.retrieval(check.bm25(loaded.texts, loaded.pairs)))
            roots = {row["module"].split(".")[0] for row in part}
            assert f"| {split} | {size} | {len(roots)} | {figures} |" in sheet


def test_the_checks_of_docs_pairs_can_fail():
    check = checker()
    rows = [row for row in check.read("docs_pairs") if row["module"] != "builtins"][:40]
    for change, said in (
        ({"split": "test"}, "is in two splits"),
        ({"text": "other.name"}, "is no name of the module"),
        ({"pair": "Three words only."}, "no paragraph of 4 to 80 words"),
        ({"pair": f"Use {rows[1]['text'].rpartition('.')[2]}() for the first of all."}, "has the name of"),
        ({"pair": rows[2]["pair"]}, "similar paragraphs"),
        ({"text": rows[2]["text"]}, "a name occurs twice"),
    ):
        changed = [rows[0], rows[1] | change, *rows[2:]]
        assert any(said in problem for problem in check.problems("docs_pairs", changed)), said


def test_bm25_ranks_by_hand():
    check = checker()
    # Query 0: document 0 has both words. Query 1: all scores are 0, so ranks 1 to 3 are tied. Query 2: only document 2.
    assert check.bm25(["copyTree", "x", "a_b"], ["copy the tree", "copy it", "b"]) == [1, 2, 1]


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="other versions have other docstrings")
def test_docs_pairs_are_the_docstrings_of_python(tmp_path):
    program = (ROOT / "data" / "make_docs_pairs.py").read_text(encoding="utf-8")
    code = "import json; print(json.dumps([row[1:] for row in pairs()]))"
    (tmp_path / "program.py").write_text(program.partition("def main")[0] + code, encoding="utf-8")
    run = subprocess.run([sys.executable, "-W", "ignore", "program.py"], cwd=tmp_path, capture_output=True, check=True)
    now = {tuple(row) for row in json.loads(run.stdout)}
    committed = {(row["text"], row["pair"]) for row in checker().read("docs_pairs")}
    assert len(committed - now) <= 0.03 * len(committed)  # other patch releases and systems change some


@pytest.mark.parametrize("name, baseline", [("reviews", "naive_bayes"), ("pairs", "shared_words")])
def test_counting_words_is_not_enough_and_the_datasheet_gives_the_figures(name, baseline):
    check = checker()
    rows = check.read(name)
    results = getattr(check, baseline)(rows)
    right = sum(ok for _, ok in results) / len(results)
    assert right < 0.7
    sheet = (ROOT / "data" / "README.md").read_text(encoding="utf-8").split(f"\n## {name}\n")[1].split("\n## ")[0]
    counts = " | ".join(str(size) for size in check.SIZES[name])
    assert f"| all | {counts} | {right:.2f} |" in sheet
    for kind in {row["kind"] for row in rows}:
        own = [ok for row, ok in results if row["kind"] == kind]
        sizes = [sum(row["kind"] == kind and row["split"] == split for row in rows) for split in check.SPLITS]
        assert f"| {kind} | {' | '.join(map(str, sizes))} | {sum(own) / len(own):.2f} |" in sheet


def test_sets_by_name_need_a_split_and_may_lie_in_the_wheel(tmp_path, monkeypatch):
    for split in (None, "dev"):
        with pytest.raises(ValueError, match="split: expected one of 'train', 'validation', 'test' for 'reviews', got"):
            load_texts("reviews", split=split)
    with pytest.raises(ValueError, match="expected one of 'train', 'validation' for 'sst2', got 'test'"):
        load_texts("sst2", split="test")
    (tmp_path / "reviews").mkdir()
    (tmp_path / "reviews" / "train.tsv").write_text("text\tlabel\na\tx\nb\ty\n")
    monkeypatch.setattr(sets, "FOLDERS", (tmp_path, *sets.FOLDERS))
    assert load_texts("reviews", split="train").texts == ["a", "b"]
    monkeypatch.setattr(sets, "FOLDERS", (tmp_path,))
    with pytest.raises(FileNotFoundError, match=r"pairs/train\.tsv: expected the file in"):
        load_texts("pairs", split="train")


def test_examples_in_docstrings_run():
    assert doctest.testmod(texts).attempted and not doctest.testmod(texts).failed
    assert doctest.testmod(files).failed == doctest.testmod(sets).failed == 0


# -- public sets -------------------------------------------------------------------------------------------------------

AG_NEWS = "".join(
    json.dumps({"text": f"Text {i}.", "label": i % 4, "label_text": "-"}) + "\n" for i in range(5)
).encode()
READER = """
import json, sys, time
import huggingface_hub
from bertedu.data import load_texts
slept, sleep = [], time.sleep
time.sleep = lambda seconds: slept.append(seconds) or sleep(seconds)  # how a client waits before it asks again
try:
    found = load_texts(sys.argv[1], split="test")
    answer = {"texts": found.texts, "labels": found.labels.tolist(), "names": found.names}
except Exception as error:
    answer = {"error": type(error).__name__, "message": str(error), "hidden": error.__suppress_context__
              or error.__context__ is None}
print(json.dumps(answer | {"slept": sum(slept)}))
"""


class Handler(BaseHTTPRequestHandler):
    """As much of the Hub as one file needs."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        public = sets.SETS["ag_news"]
        self.server.asked.append(f"{self.command} {self.path}")
        if self.path.startswith(f"/api/datasets/{public.repository}/revision/{public.revision}"):
            listing = {"id": public.repository, "sha": public.revision, "siblings": [{"rfilename": "test.jsonl"}]}
            self.answer(json.dumps(listing).encode())
        elif self.path == f"/datasets/{public.repository}/resolve/{public.revision}/test.jsonl":
            self.answer(AG_NEWS)
        else:
            self.answer(b"", 404)

    do_GET = do_HEAD

    def answer(self, content, status=200):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", '"1234"')
        self.send_header("X-Repo-Commit", sets.SETS["ag_news"].revision)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def ask(name, endpoint, home, **environment):
    """What `load_texts` says in a process of its own: the Hub's client reads its address when it is imported."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    done = subprocess.run(
        [sys.executable, "-c", READER, name],
        env=environ | settings | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_public_set_is_downloaded_once_and_then_read_offline(hub, tmp_path):
    endpoint = f"http://127.0.0.1:{hub.server_port}"
    offline = ask("ag_news", endpoint, tmp_path, HF_HUB_OFFLINE="1")
    assert offline["error"] == "ConnectionError" and hub.asked == []

    answer = ask("ag_news", endpoint, tmp_path)
    assert answer["texts"][:2] == ["Text 0.", "Text 1."] and answer["labels"] == [0, 1, 2, 3, 0], answer
    assert answer["names"] == ["World", "Sports", "Business", "Sci/Tech"]
    before = list(hub.asked)
    assert any(line.startswith("GET /datasets/SetFit/ag_news/resolve/") for line in before)

    again = ask("ag_news", endpoint, tmp_path, HF_HUB_OFFLINE="1")
    assert again["texts"] == answer["texts"] and hub.asked == before


def test_without_a_network_the_error_is_quick_and_has_instructions(tmp_path):
    answer = ask("imdb", "http://127.0.0.1:9", tmp_path)
    assert answer["error"] == "ConnectionError" and answer["hidden"] and answer["slept"] < 10
    lines = answer["message"].splitlines()
    assert lines[0] == "The data set 'imdb' is not on this machine and could not be downloaded. Tried:"
    assert str(tmp_path) in lines[1] and lines[2].startswith("  the Hub: ")
    revision = sets.SETS["imdb"].revision
    address = (
        f"https://huggingface.co/datasets/stanfordnlp/imdb/resolve/{revision}/plain_text/test-00000-of-00001.parquet"
    )
    assert lines[3].endswith(address)
    assert 'load_texts("that/file")' in lines[4] and "{0: 'negative', 1: 'positive'}" in lines[4]
    assert 'load_texts("reviews", split="train")' in lines[5] and len(lines) == 6


def test_public_sets_are_pinned():
    for name, public in sets.SETS.items():
        assert set(public.files) <= {"train", "validation", "test"}
        if public.repository:
            assert len(public.revision) == 40 and set(public.revision) <= set("0123456789abcdef"), name
            assert len(public.names) > 1

"""Texts with labels, as a classifier is trained on them. Errors name the file, line and column."""

import difflib
import re
import reprlib
from collections.abc import Iterable
from decimal import Context, Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bertedu.aliases import also_spelled
from bertedu.data import files, sets

NUMBER = re.compile(r"[+-]?([0-9]{1,18}\.?[0-9]{0,18}|\.[0-9]{1,18})([eE][+-]?[0-9]{1,2})?")
COLUMNS = {"text", "pair", "label"}  # default names of the columns of a table
EXACT = Context(prec=99)  # digits: all that `NUMBER` allows
MISSING = {"nan", "NaN", "NAN", "-nan", "-NaN", "<NA>", "NA", "N/A", "n/a", "#N/A", "#NA", "NaT", "None"}
MISSING |= {"NULL", "Null", "null", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"}
"""What table programs write for a missing value, after pandas' list; words in small letters may be classes."""


class Texts(NamedTuple):
    """Texts with labels.

    Args:
        texts: list of n strings.
        pairs: list of the n second texts; None without.
        labels: int32 array `[n]`, places in `names`; float32 for numbers; None where none were asked for.
        names: tuple of the classes' names; None where labels are numbers, or none.
    """

    texts: list[str]
    pairs: list[str] | None
    labels: np.ndarray | None
    names: tuple[str, ...] | None


@also_spelled({"numbers": "regression"}, deprecated=True)
def load_texts(
    path: str | Path,
    text: str | int = "text",
    pair: str | int | None = None,
    label: str | int | None = "label",
    names: Iterable[object] | None = None,
    *,
    regression: bool = False,
    split: str | None = None,
) -> Texts:
    """Return the texts and labels of a file, or of a data set by its name.

    The ending tells the format: `.tsv` (a quote is only a quote), `.csv` (a field in quotes may hold commas, newlines
    and doubled quotes), `.jsonl` (one object per line) or `.parquet` (needs pyarrow). Files are UTF-8, with or without
    a byte order mark; blank lines are skipped.

    Args:
        path: the file; or "reviews", "pairs" (ours), "sst2", "ag_news", "imdb" (public, through the Hugging Face Hub).
        text: its column. All columns by name, and then the first line of a TSV or CSV names them; or all by position
            from 0, and then the first line is an example like any other. Nothing is guessed.
        pair: column of the second text, or None. The sets' own columns of texts need not be named.
        label: column of the label, or None: texts without labels.
        names: the names of the classes, in the order of their numbers; another label is an error. Give a validation
            file those of the training file. Defaults to the labels that are there, sorted, numbers by value. A number
            is one class in every spelling: 1, 1.0 and 01 are "1".
        regression: True to read labels as numbers, not as classes.
        split: "train", "validation" or "test" of a set; None for a file.

    Returns: `Texts`.

    Raises:
        FileNotFoundError: no such file or set.
        ConnectionError: a public set is not in the cache and cannot be downloaded; says how to have it by hand.
        ImportError: a Parquet file, and no pyarrow.
        ValueError: what cannot be right in the arguments or in the file, with file, line and column.

    Example:
        >>> reviews = load_texts("reviews", split="test")
        >>> len(reviews.texts), reviews.names
        (160, ('negative', 'positive'))
    """
    if isinstance(path, str) and path in sets.NAMES:
        path, own = sets.find(path, split)
        text, pair = own.text if text == "text" else text, pair or own.pair
        if own.names and label == "label" and names is None and not regression:  # their files number the classes
            numbered = load_texts(path, text, pair, label, names=range(len(own.names)))
            return numbered._replace(names=own.names)
    elif split is not None:
        raise ValueError(f"split: {split!r} is for sets by name ({', '.join(sets.NAMES)}), and {str(path)!r} is none")
    path = _checked(path)
    columns = {name: i for name, i in (("text", text), ("pair", pair), ("label", label)) if i is not None}
    if text is None or {type(column) for column in columns.values()} not in ({str}, {int}):
        raise ValueError(f"text, pair, label: expected columns all by name or all by position, got {columns}")
    return _collect(path, columns, names, regression)


def _checked(path):
    path = Path(path).expanduser()
    if path.is_dir():
        raise FileNotFoundError(f"{path} is a directory; give one file in it")
    if not path.is_file():
        close = difflib.get_close_matches(str(path), sets.NAMES, n=1)
        raise FileNotFoundError(f"There is no file {str(path)!r}{f'; the set {close[0]!r}?' if close else ''}")
    if path.suffix.lower() not in files.FORMATS:
        raise ValueError(f"{path}: the ending tells the format, and must be one of {', '.join(files.FORMATS)}")
    return path


def _collect(path, columns, names, regression):
    """Return the `Texts` in the `columns` of a file."""
    readers = {"text": _text, "pair": _text, "label": _number if regression else _class}
    content, places = {name: [] for name in columns}, []
    for line, values in files.FORMATS[path.suffix.lower()](path, list(columns.values())):
        for (name, column), value in zip(columns.items(), values, strict=True):
            place = f"{path}, line {line}, column {column!r}"
            content[name].append(readers[name](value, place))
        places.append(place)  # of the label, the last
    if not places:
        raise ValueError(f"{path} holds no examples")
    labels = content.get("label")
    if labels is None:
        names = None
    elif regression:
        labels, names = np.array(labels, np.float32), None  # [n]
    else:
        names = _names(path, labels, places) if names is None else tuple(str(name) for name in names)
        labels = _places(labels, names, places)
    return Texts(content["text"], content.get("pair"), labels, names)


def _text(value, place):
    if not isinstance(value, str):
        raise ValueError(f"{place}: expected a text, got {reprlib.repr(value)}")
    if not value.strip():
        raise ValueError(f"{place}: the text is empty")
    return value


def _class(value, place):
    """Return a label as the name of a class."""
    if isinstance(value, float) and value.is_integer():  # how table programs write a column with gaps
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{place}: expected a string or a whole number as label, got {reprlib.repr(value)}")
    name = str(value).strip()
    if not name:
        raise ValueError(f"{place}: the label is empty")
    return name


def _number(value, place):
    """Return a label as a number."""
    try:
        number = np.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = np.nan
    if not abs(number) < 1e38:  # the largest that float32 holds, or not a number
        raise ValueError(f"{place}: expected a number as label, got {reprlib.repr(value)}")
    return number


def number_of(name: str) -> Decimal | None:
    """Return the number that the name of a class spells, exactly, as a `Decimal`; None if it is a word.

    Example:
        >>> number_of("01") == number_of("1.0") == 1, number_of("one")
        (True, None)
    """
    return Decimal(name) if NUMBER.fullmatch(name) else None


def canonical(name: object) -> str:
    """Return the name of a class in its canonical spelling: that of its number if it is one.

    Example:
        >>> canonical("01"), canonical(" 1.50"), canonical("one")
        ('1', '1.5', 'one')
    """
    name = str(name).strip()
    number = number_of(name)
    if number is None:
        return name
    return str(int(number)) if number == number.to_integral_value() else f"{number.normalize(EXACT):f}"


def _order(name):
    number = number_of(name)
    return (1, 0, name) if number is None else (0, number, name)


def _names(path, labels, places):
    """Return the labels that are there, sorted: numbers by value, then words."""
    for label, place in zip(labels, places, strict=True):
        if label in MISSING:
            way_out = "Remove the line, or give the names of all classes, names=[...], if it is one of them"
            raise ValueError(f"{place}: the label {label!r} stands for a missing value. {way_out}")
    names = tuple(sorted(set(map(canonical, labels)), key=_order))
    if len(names) == 1:
        only = f"there is one class only, {reprlib.repr(names[0])}, and nothing to tell apart"
        raise ValueError(f"{path}: {only}; names=[...] names classes that another file has")
    return names


def _places(labels, names, places):
    """Return the int32 array of the positions of labels in `names`."""
    numbers = {canonical(name): number for number, name in enumerate(names)}
    if len(numbers) != len(names):
        raise ValueError(f"names: expected each name once, got {names}")
    for label, place in zip(labels, places, strict=True):
        if canonical(label) not in numbers:
            raise ValueError(f"{place}: the label {reprlib.repr(label)} is none of {', '.join(map(repr, names))}")
    return np.array([numbers[canonical(label)] for label in labels], np.int32)  # [n]


def load_unlabelled(
    path: str | Path, pairs: bool | None = None, text: str | int = "text", pair: str | int | None = None
) -> tuple[list[str], list[str] | None]:
    """Return the texts of a file for a trained classifier to predict: a table as for `load_texts`, or one per line.

    Args:
        path: the file. Where its ending names no table, as `.txt`, it holds one text a line, or two with a tab between.
        pairs: bool, whether the classifier was trained on pairs; None if unknown.
        text, pair: columns of a table; the label's is not read. Where `pairs` is True, `pair` defaults to "pair".

    Returns:
        (list of texts, list of second texts or None).

    Raises:
        FileNotFoundError, ImportError, ValueError: as `load_texts`; or pairs where single texts were trained, or the
            reverse.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r}")
    if path.suffix.lower() not in files.FORMATS:
        return _texts_of_lines(path, pairs)
    if pairs is False and (pair is not None or files.has_column(path, "pair")):
        raise ValueError(f"{path}: expected single texts, as in the training, got the column {pair or 'pair'!r}")
    content = load_texts(path, text, pair or ("pair" if pairs else None), None)
    return content.texts, content.pairs


def _texts_of_lines(path, pairs):
    rows = []
    for line, content in files.read_lines(path):
        fields = content.rstrip("\r\n").split("\t")
        if not content.strip():
            continue
        if not rows and all(word.strip().casefold() in COLUMNS for word in re.split("[\t,;]", content)):
            raise ValueError(f"{path}, line {line}: it names columns. Give a table the ending .tsv or .csv")
        expected = len(rows[0]) if rows else 1 + (len(fields) > 1 if pairs is None else pairs)
        if len(fields) != expected or not all(field.strip() for field in fields):
            texts = "one text" if expected == 1 else "two texts with a tab between them"
            raise ValueError(f"{path}, line {line}: expected {texts}, got {len(fields)}: {reprlib.repr(content)}")
        rows.append(fields)
    columns = [list(values) for values in zip(*rows, strict=True)]
    return columns[0], columns[1] if len(columns) > 1 else None

"""Texts with labels to train a classifier. Errors name the file, line and column."""

import difflib
import re
import reprlib
from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bertedu.aliases import also_spelled
from bertedu.data import files, sets

NUMBER = re.compile(r"[+-]?([0-9]{1,18}\.?[0-9]{0,18}|\.[0-9]{1,18})([eE][+-]?[0-9]{1,2})?")
COLUMNS = {"text", "pair", "label"}  # default names of the columns of a table
EXACT = Context(prec=99)  # digits: all that `NUMBER` allows
MISSING = {"nan", "NaN", "NAN", "-nan", "-NaN", "<NA>", "NA", "N/A", "n/a", "#N/A", "#NA", "NaT", "None"}
MISSING |= {"NULL", "Null", "null", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"}
"""Spellings of a missing value, as in pandas; lower-case words may be names of classes."""


class Texts(NamedTuple):
    """Texts with labels.

    Args:
        texts: list of n strings.
        pairs: list of n second texts, or None.
        labels: int32 array `[n]` of indices in `names`; float32 array of numbers for a regression; float32 array
            `[n, classes]` of 0 and 1 for several labels per text; or None.
        names: tuple of the classes' names; None for a regression or without labels.
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
    label: str | int | Sequence[str | int] | None = "label",
    names: Iterable[object] | None = None,
    *,
    regression: bool = False,
    split: str | None = None,
) -> Texts:
    """Load texts and labels from a file, or from a data set by name.

    The suffix determines the format: `.tsv` (quotes are not special), `.csv` (quoted fields may contain commas,
    newlines and doubled quotes), `.jsonl` (one object per line) or `.parquet` (needs pyarrow). Files are UTF-8, with or
    without a byte order mark; blank lines are skipped.

    Args:
        path: path of the file, or a data set: "reviews", "pairs", "associations", "docs_pairs" (part of bertedu),
            "sst2", "ag_news", "imdb" (public, on the Hugging Face Hub).
        text: column of the text. Columns are either all names, from the first line of a TSV or CSV, or all positions
            from 0; then the first line is an example too. Defaults to "text".
        pair: column of the second text. Defaults to None: single texts. Not needed for a data set.
        label: column of the label, or None for texts without labels. Several labels per text are a list of columns of 0
            and 1 (or True and False), one per class, or in JSONL and Parquet files a column of lists of classes.
            Defaults to "label", and to None for "docs_pairs".
        names: list of the classes' names in the order of their indices; other labels are an error. Pass those of the
            training set for a validation file. Defaults to the sorted labels, numbers by value. All spellings of a
            number are one class: 1, 1.0 and 01 are "1".
        regression: bool, whether labels are numbers instead of classes. Defaults to False.
        split: "train", "validation" or "test" of a data set. Defaults to None: a file.

    Returns:
        `Texts`.

    Raises:
        FileNotFoundError: there is no such file or data set.
        ConnectionError: a public data set is not cached and cannot be downloaded.
        ImportError: the file is Parquet, and pyarrow is not installed.
        ValueError: an argument or the file is invalid.

    Example:
        >>> reviews = load_texts("reviews", split="test")
        >>> len(reviews.texts), reviews.names
        (160, ('negative', 'positive'))
    """
    if isinstance(path, str) and path in sets.SETS:
        path, own = sets.find(path, split)
        text, pair = own.text if text == "text" else text, pair or own.pair
        label = own.label if label == "label" else label
        if own.names and label == "label" and names is None and not regression:  # their files number the classes
            numbered = load_texts(path, text, pair, label, names=range(len(own.names)))
            return numbered._replace(names=own.names)
    elif split is not None:
        only = f"Only the data sets {', '.join(sets.SETS)} have splits."
        raise ValueError(f"split: expected None for a file, got {split!r} for {str(path)!r}. {only}")
    path = existing(path, sets.SETS)
    if path.suffix.lower() not in files.FORMATS:
        hint = "load_tags (--tags on the command line) reads CoNLL files."
        expected = f"one of the suffixes {', '.join(files.FORMATS)}"
        raise ValueError(f"{path}: expected {expected}, got {path.suffix!r}. {hint}")
    columns: dict[str, Any] = {"text": text, "pair": pair}
    if isinstance(label, list | tuple):  # a class per column
        if regression or not label or len(set(label)) < len(label):
            expected = "one column for a regression" if regression else "at least one column, and none twice"
            raise ValueError(f"label: expected {expected}, got {label!r}.")
        names = tuple(str(name) for name in (label if names is None else names))
        if len(names) != len(label):
            raise ValueError(f"names: expected {len(label)}, one per column in label, got {names}.")
        columns |= {f"label {number}": column for number, column in enumerate(label)}
    else:
        columns["label"] = label
    columns = {name: column for name, column in columns.items() if column is not None}
    if text is None or {type(column) for column in columns.values()} not in ({str}, {int}):
        raise ValueError(f"text, pair, label: expected only names or only positions, got {columns}.")
    return _collect(path, columns, names, regression)


def existing(path: str | Path, data_sets: Iterable[str] = ()) -> Path:
    """Return the path of a file. Raises FileNotFoundError, with a data set of a similar name."""
    path = Path(path).expanduser()
    if path.is_dir():
        raise FileNotFoundError(f"{path}: expected a file, got a directory. Pass one file in it.")
    if not path.is_file():
        close = difflib.get_close_matches(str(path), data_sets, n=1)
        hint = f" Did you mean the data set {close[0]!r}?" if close else ""
        raise FileNotFoundError(f"path: expected a file, got {str(path)!r}, which does not exist.{hint}")
    return path


def _collect(path, columns, names, regression):
    """Return the `Texts` in the `columns` of a file."""
    readers = {"text": _text, "pair": _text, "label": _number if regression else _class}
    content, locations = {name: [] for name in columns}, []
    for line, values in files.FORMATS[path.suffix.lower()](path, list(columns.values())):
        for (name, column), value in zip(columns.items(), values, strict=True):
            location = f"{path}, line {line}, column {column!r}"
            content[name].append(readers.get(name, _applies)(value, location))
        locations.append(location)  # of the label, the last
    if not locations:
        raise ValueError(f"{path}: expected examples, got none.")
    labels = content.get("label")
    per_class = [values for name, values in content.items() if name.startswith("label ")]
    if per_class:
        labels = np.array(per_class, np.float32).T  # [n, classes]
    elif labels is None:
        names = None
    elif regression:
        labels, names = np.array(labels, np.float32), None  # [n]
    elif any(isinstance(label, list) for label in labels):
        labels, names = _several(path, labels, locations, names)  # [n, classes]
    else:
        names = _names(path, labels, locations) if names is None else tuple(str(name) for name in names)
        labels = _class_indices(labels, names, locations)
    return Texts(content["text"], content.get("pair"), labels, names)


def _text(value, location):
    if not isinstance(value, str):
        raise ValueError(f"{location}: expected a text, got {reprlib.repr(value)}.")
    if not value.strip():
        raise ValueError(f"{location}: expected a text, got an empty one.")
    return value


def _class(value, location):
    """Return a label as the name of a class, or a list of labels as a list of names."""
    return [_name(item, location) for item in value] if isinstance(value, list) else _name(value, location)


def _name(value, location):
    """Return the name of a class as a string."""
    if isinstance(value, float) and value.is_integer():  # spreadsheets write integer columns with gaps like this
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{location}: expected a string or a whole number as label, got {reprlib.repr(value)}.")
    name = str(value).strip()
    if not name:
        raise ValueError(f"{location}: expected a label, got an empty one.")
    return name


def _number(value, location):
    """Return a label as a number."""
    try:
        number = np.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = np.nan
    if not abs(number) < 1e38:  # beyond float32, or NaN
        raise ValueError(f"{location}: expected a number as label, got {reprlib.repr(value)}.")
    return number


def _applies(value, location):
    """Return whether a class applies, 0 or 1."""
    name = canonical(value)
    name = {"True": "1", "False": "0", "TRUE": "1", "FALSE": "0"}.get(name, name)  # of pandas and spreadsheets
    if isinstance(value, list) or name not in ("0", "1"):
        raise ValueError(f"{location}: expected 0 or 1, whether this class applies, got {reprlib.repr(value)}.")
    return int(name)


def _several(path, labels, locations, names):
    """Return the array `[n, classes]` of 0 and 1, and the tuple of names, of lists of classes."""
    for label, location in zip(labels, locations, strict=True):
        if not isinstance(label, list):
            raise ValueError(f"{location}: expected a list of classes, as in other lines, got {reprlib.repr(label)}.")
    flat = [(name, location) for label, location in zip(labels, locations, strict=True) for name in label]
    each, where = zip(*flat, strict=True) if flat else ((), ())
    names = _names(path, each, where) if names is None else tuple(str(name) for name in names)
    indices = iter(_class_indices(each, names, where))
    rows = np.zeros((len(labels), len(names)), np.float32)  # [n, classes]
    for row, label in zip(rows, labels, strict=True):
        row[[next(indices) for _ in label]] = 1
    return rows, names


def number_of(name: str) -> Decimal | None:
    """Return the name of a class as an exact `Decimal`, or None if it is not a number.

    Example:
        >>> number_of("01") == number_of("1.0") == 1, number_of("one")
        (True, None)
    """
    return Decimal(name) if NUMBER.fullmatch(name) else None


def canonical(name: object) -> str:
    """Return the canonical spelling of a class's name: a number without leading or trailing zeros.

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


def _names(path, labels, locations):
    """Return the sorted names of the classes in `labels`: numbers by value, then words."""
    for label, location in zip(labels, locations, strict=True):
        if label in MISSING:
            way_out = "Remove the line, or pass names=[...] if it is the name of a class."
            raise ValueError(f"{location}: expected a label, got {label!r}, a missing value. {way_out}")
    names = tuple(sorted(set(map(canonical, labels)), key=_order))
    if len(names) == 1:
        got = f"expected at least two classes, got only {reprlib.repr(names[0])}"
        raise ValueError(f"{path}: {got}. Pass names=[...] if another file has the others.")
    return names


def _class_indices(labels, names, locations):
    """Return the int32 array of the indices of labels in `names`."""
    indices = {canonical(name): i for i, name in enumerate(names)}
    if len(indices) != len(names):
        raise ValueError(f"names: expected unique names, got {names}.")
    for label, location in zip(labels, locations, strict=True):
        if canonical(label) not in indices:
            expected = f"expected one of {', '.join(map(repr, names))} as label"
            raise ValueError(f"{location}: {expected}, got {reprlib.repr(label)}.")
    return np.array([indices[canonical(label)] for label in labels], np.int32)  # [n]


def load_unlabelled(
    path: str | Path, pairs: bool | None = None, text: str | int = "text", pair: str | int | None = None
) -> tuple[list[str], list[str] | None]:
    """Load texts for prediction, from a table as for `load_texts` or a file with one text per line.

    Args:
        path: path of the file. If its suffix is not a table's, for example `.txt`, it has one text per line, or two
            separated by a tab.
        pairs: bool, whether the classifier was trained on pairs. Defaults to None: unknown.
        text, pair: columns of a table. `pair` defaults to "pair" if `pairs` is True, else to None.

    Returns:
        tuple of the list of texts, and the list of second texts or None.

    Raises:
        FileNotFoundError, ImportError, ValueError: as `load_texts`; or the file has pairs but `pairs` is False, or the
            reverse.
    """
    path = existing(path)
    if path.suffix.lower() not in files.FORMATS:
        return _texts_of_lines(path, pairs)
    if pairs is False and (pair is not None or files.has_column(path, "pair")):
        raise ValueError(f"{path}: expected single texts, as in training, got the column {pair or 'pair'!r}.")
    content = load_texts(path, text, pair or ("pair" if pairs else None), None)
    return content.texts, content.pairs


def _texts_of_lines(path, pairs):
    rows = []
    for line, content in files.read_lines(path):
        fields = content.rstrip("\r\n").split("\t")
        if not content.strip():
            continue
        if not rows and all(word.strip().casefold() in COLUMNS for word in re.split("[\t,;]", content)):
            advice = "If it is a table, rename it to .tsv or .csv."
            raise ValueError(f"{path}, line {line}: expected texts, got a header. {advice}")
        expected = len(rows[0]) if rows else 1 + (len(fields) > 1 if pairs is None else pairs)
        if len(fields) != expected or not all(field.strip() for field in fields):
            texts = "one text" if expected == 1 else "two texts separated by a tab"
            raise ValueError(f"{path}, line {line}: expected {texts}, got {len(fields)}: {reprlib.repr(content)}.")
        rows.append(fields)
    columns = [list(values) for values in zip(*rows, strict=True)]
    return columns[0], columns[1] if len(columns) > 1 else None

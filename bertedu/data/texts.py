"""Texts with labels, as a classifier is trained on them; what is wrong with a file is said with its line and column."""

import difflib
import re
import reprlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bertedu.data import files, sets


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


def load_texts(path, text="text", pair=None, label="label", names=None, *, numbers=False, split=None):
    """The texts and labels of a file, or of a set by its name.

    The ending tells the format: `.tsv` (a quote is only a quote), `.csv` (a field in quotes may hold commas, newlines
    and doubled quotes), `.jsonl` (an object a line) or `.parquet` (needs pyarrow). Files are UTF-8, with or without a
    byte order mark; blank lines are skipped.

    Args:
        path: the file; or "reviews", "pairs" (ours), "sst2", "ag_news", "imdb" (public, through the Hugging Face Hub).
        text: its column. All columns by name, and then the first line of a TSV or CSV names them; or all by position
            from 0, and then the first line is an example like any other. Nothing is guessed.
        pair: column of the second text, or None. The sets' own columns of texts need not be named.
        label: column of the label, or None: texts without labels.
        names: the names of the classes, in the order of their numbers; another label is an error. Give a validation
            file those of the training file. None: the labels that are there, sorted (whole numbers by value).
        numbers: True for a regression: labels are read as numbers, not as classes.
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
        if own.names and label == "label" and names is None and not numbers:  # their files number the classes
            numbered = load_texts(path, text, pair, label, names=range(len(own.names)))
            return numbered._replace(names=own.names)
    elif split is not None:
        raise ValueError(f"split: {split!r} is for sets by name ({', '.join(sets.NAMES)}), and {str(path)!r} is none")
    path = _checked(path)
    wanted = {name: column for name, column in (("text", text), ("pair", pair), ("label", label)) if column is not None}
    if text is None or {type(column) for column in wanted.values()} not in ({str}, {int}):
        raise ValueError(f"text, pair, label: expected columns all by name or all by position, got {wanted}")
    return _collect(path, wanted, names, numbers)


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


def _collect(path, wanted, names, numbers):
    """`Texts` of the `wanted` columns of a file."""
    readers = {"text": _text, "pair": _text, "label": _number if numbers else _class}
    columns, places = {name: [] for name in wanted}, []
    for line, values in files.FORMATS[path.suffix.lower()](path, list(wanted.values())):
        for (name, column), value in zip(wanted.items(), values, strict=True):
            place = f"{path}, line {line}, column {column!r}"
            columns[name].append(readers[name](value, place))
        places.append(place)  # of the label, the last
    if not places:
        raise ValueError(f"{path} holds no examples")
    labels = columns.get("label")
    if labels is None:
        names = None
    elif numbers:
        labels, names = np.array(labels, np.float32), None  # [n]
    else:
        names = _names(path, labels) if names is None else tuple(str(name) for name in names)
        labels = _places(labels, names, places)
    return Texts(columns["text"], columns.get("pair"), labels, names)


def _text(value, place):
    if not isinstance(value, str):
        raise ValueError(f"{place}: expected a text, got {reprlib.repr(value)}")
    if not value.strip():
        raise ValueError(f"{place}: the text is empty")
    return value


def _class(value, place):
    """A label as the name of a class."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{place}: expected a string or a whole number as label, got {reprlib.repr(value)}")
    name = str(value).strip()
    if not name:
        raise ValueError(f"{place}: the label is empty")
    return name


def _number(value, place):
    """A label as a number."""
    try:
        number = np.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = np.nan
    if not abs(number) < 1e38:  # the largest that float32 holds, or not a number
        raise ValueError(f"{place}: expected a number as label, got {reprlib.repr(value)}")
    return number


def _names(path, labels):
    """The labels that are there, sorted."""
    found = set(labels)
    whole = all(re.fullmatch(r"-?[0-9]{1,18}", name) for name in found)
    names = tuple(sorted(found, key=int if whole else None))
    if len(names) == 1:
        raise ValueError(
            f"{path}: there is one class only, {reprlib.repr(names[0])}, and nothing to tell apart; "
            "names=[...] names classes that another file has"
        )
    return names


def _places(labels, names, places):
    """Names of classes -> int32 array of their places in `names`."""
    if len(set(names)) != len(names):
        raise ValueError(f"names: expected each name once, got {names}")
    numbers = {name: number for number, name in enumerate(names)}
    for label, place in zip(labels, places, strict=True):
        if label not in numbers:
            raise ValueError(f"{place}: the label {reprlib.repr(label)} is none of {', '.join(map(repr, names))}")
    return np.array([numbers[label] for label in labels], np.int32)  # [n]

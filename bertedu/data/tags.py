"""Sentences whose words are tagged, to train a token classifier. Errors name the file and line."""

import re
import reprlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bertedu.checks import choice
from bertedu.data import files, sets
from bertedu.data.texts import existing
from bertedu.entities import check_sequence, from_iob1, is_prefixed, sorted_tags

WORDS, TAGS = ("words", "tokens"), ("tags", "ner_tags", "labels")
"""Default names of the columns of JSONL and Parquet files."""
DOCUMENT, DOCUMENT_START = "document", "-DOCSTART-"
LISTS = (".jsonl", ".parquet")


class Tagged(NamedTuple):
    """Tagged sentences.

    Args:
        words: list of n lists of strings, the words of each sentence.
        tags: list of n lists of strings, the tag of each word.
        names: tuple of all tags, in the order of the classes.
        documents: list of n strings, the document of each sentence, or None.
    """

    words: list[list[str]]
    tags: list[list[str]]
    names: tuple[str, ...]
    documents: list[str] | None


def load_tags(
    path: str | Path,
    words: str | int | None = None,
    tags: str | int | None = None,
    names: Iterable[str] | None = None,
    *,
    scheme: str | None = None,
    split: str | None = None,
) -> Tagged:
    """Load sentences with a tag for each word from a file, or from a data set by name.

    A file that ends in `.jsonl` or `.parquet` has lists of words and tags in each row. All others are read as CoNLL: a
    word per line, with columns separated by tabs or else by spaces, and a blank line after each sentence; a line
    that begins with -DOCSTART- begins a document. Tags are plain ("NOUN"), or have prefixes: B- and I- (BIO), or B-,
    I-, E- and S- (IOBES). Files are UTF-8.

    Args:
        path: path of the file, or "code_words", a data set that is part of bertedu.
        words: column of the words, a name in JSONL and Parquet, a position in CoNLL. Defaults to "words" or "tokens",
            or to the first column.
        tags: column of the tags. Defaults to "tags", "ner_tags" or "labels", or to the last column.
        names: list of the tags in the order of the classes; other tags are an error. It is needed if the file numbers
            them. Defaults to the tags that occur: O, then by type, B- before I-.
        scheme: "iob1" for files where an entity begins with I-, and with B- only after one of the same type; the
            result is in BIO. Defaults to None, tags as they are.
        split: "train", "validation" or "test" of a data set. Defaults to None: a file.

    Returns:
        `Tagged`.

    Raises:
        FileNotFoundError: there is no such file or data set.
        ImportError: the file is Parquet, and pyarrow is not installed.
        ValueError: an argument or the file is invalid, or a tag continues an entity that has not begun.

    Example:
        >>> code = load_tags("code_words", split="test")
        >>> len(code.words), code.names
        (376, ('O', 'B-CODE', 'I-CODE'))
    """
    choice("scheme", scheme, (None, "iob1"))
    if isinstance(path, str) and path in sets.TAGGED:
        path = sets.find_tagged(path, split)
    elif split is not None:
        raise ValueError(f"split: expected None for a file, got {split!r}. Only {', '.join(sets.TAGGED)} has splits.")
    path = existing(path, sets.TAGGED)
    read = _lists if path.suffix.lower() in LISTS else _conll
    names = None if names is None else tuple(str(name) for name in names)
    sentences = [_sentence(*row, names) for row in read(path, words, tags)]
    if not sentences:
        raise ValueError(f"{path}: expected tagged sentences, got none.")
    if scheme == "iob1":
        sentences = [sentence._replace(tags=from_iob1(sentence.tags)) for sentence in sentences]
    names = names or sorted_tags(tag for sentence in sentences for tag in sentence.tags)
    try:
        prefixed = is_prefixed(names)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if prefixed:
        for sentence in sentences:
            check_sequence(sentence.tags, sentence.locations.__getitem__)
    documents = [sentence.document for sentence in sentences]
    columns = [sentence.words for sentence in sentences], [sentence.tags for sentence in sentences]
    return Tagged(*columns, names, None if None in documents else documents)


class _Sentence(NamedTuple):
    """A sentence with the document it is in, or None, and the location of each word for messages."""

    words: list[str]
    tags: list[str]
    locations: list[str]
    document: str | None


def _sentence(words, tags, locations, document, names):
    """Return the checked sentence of values from a file."""
    for word, location in zip(words, locations, strict=True):
        if not isinstance(word, str) or not word.strip():
            raise ValueError(f"{location}: expected a word, got {reprlib.repr(word)}.")
    return _Sentence(words, [_tag(*pair, names) for pair in zip(tags, locations, strict=True)], locations, document)


def _tag(tag, location, names):
    if type(tag) is int:
        if names is None:
            raise ValueError(f"{location}: expected a tag, got the number {tag}. Pass names=[...] in their order.")
        if not 0 <= tag < len(names):
            raise ValueError(f"{location}: expected a tag from 0 to {len(names) - 1}, got {tag}.")
        return names[tag]
    if not isinstance(tag, str) or not tag.strip():
        raise ValueError(f"{location}: expected a tag, got {reprlib.repr(tag)}.")
    tag = tag.strip()
    if names is not None and tag not in names:
        raise ValueError(f"{location}: expected one of {', '.join(map(repr, names))} as tag, got {reprlib.repr(tag)}.")
    return tag


Row = tuple[list[Any], list[Any], list[str], str | None]


def _lists(path: Path, words: Any, tags: Any) -> Iterator[Row]:
    """Yield words, tags, locations and document of each row of a JSONL or Parquet file."""
    columns = [_column(path, "words", words, WORDS), _column(path, "tags", tags, TAGS)]
    with_document = files.has_column(path, DOCUMENT)
    for line, values in files.FORMATS[path.suffix.lower()](path, [*columns, *[DOCUMENT] * with_document]):
        where = f"{path}, line {line}"
        for column, value in zip(columns, values, strict=False):
            if not isinstance(value, list):
                raise ValueError(f"{where}, column {column!r}: expected a list, got {reprlib.repr(value)}.")
        if len(values[0]) != len(values[1]) or not values[0]:
            got = f"got {len(values[0])} words and {len(values[1])} tags"
            raise ValueError(f"{where}: expected a tag for each word, and at least one word, {got}.")
        locations = [f"{where}, word {number}" for number in range(1, len(values[0]) + 1)]
        yield values[0], values[1], locations, str(values[2]) if with_document else None


def _column(path, argument, name, defaults):
    if name is None:
        name = next((name for name in defaults if files.has_column(path, name)), defaults[0])
    if not isinstance(name, str):
        raise ValueError(f"{argument}: expected the name of a column for {path.suffix}, got {name!r}.")
    return name


def _conll(path: Path, words: Any, tags: Any) -> Iterator[Row]:
    """Yield words, tags, locations and document of each sentence of a CoNLL file."""
    at = (0 if words is None else words, -1 if tags is None else tags)
    for name, value in zip(("words", "tags"), at, strict=True):
        if type(value) is not int:
            raise ValueError(f"{name}: expected the position of a column for a CoNLL file, got {value!r}.")
    rows: list[tuple[str, str, str]] = []
    first, document = None, 0
    for line, content in files.read_lines(path):
        fields = _fields(content)
        if fields and fields[0] != DOCUMENT_START:
            first = first or (line, fields)
            rows.append(_conll_row(f"{path}, line {line}", fields, at, first))
            continue
        if rows:
            yield *map(list, zip(*rows, strict=True)), str(document) if document else None  # type: ignore[misc]
            rows = []
        document += bool(fields)
    if rows:
        yield *map(list, zip(*rows, strict=True)), str(document) if document else None  # type: ignore[misc]


def _fields(content):
    """Return the columns of a line; [] for a blank one. Other white space than tabs and spaces is part of a word."""
    content = content.strip("\r\n")
    if not content.strip():
        return []
    if "\t" in content:
        return [field.strip(" ") for field in content.split("\t")]
    return re.split(" +", content.strip(" "))


def _conll_row(location, fields, at, first):
    """Return word, tag and location of a line. `first` has the number and the columns of the first line."""
    line, others = first
    columns = len(others)
    if columns == 1:
        got = f"got one column, {reprlib.repr(fields[0])}"
        raise ValueError(f"{location}: expected a word and its tag, separated by a tab or a space, {got}.")
    if len(fields) != columns:
        hint = " Does this word lack its tag?" if len(fields) == 1 else ""
        hint = " Remove lines of comments." if "#" in (fields[0][:1], others[0][:1]) else hint
        got = f"got {len(fields)} in {reprlib.repr(' '.join(fields))}"
        raise ValueError(f"{location}: expected {columns} columns, as in line {line}, {got}.{hint}")
    for name, i in zip(("words", "tags"), at, strict=True):
        if not -columns <= i < columns:
            raise ValueError(f"{name}: expected a column from 0 to {columns - 1}, got {i}.")
    word, tag = (fields[i] for i in at)
    if not tag and at[1] == -1 and columns > 2:
        hint = f"If all lines end with a tab, pass tags={columns - 2}, the position of the tags' column."
        raise ValueError(f"{location}: expected a tag, got {tag!r} after the last tab. {hint}")
    return word, tag, location

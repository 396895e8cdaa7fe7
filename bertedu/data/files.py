"""Tables of texts: each reader yields (line, values of the given columns), and says where a file is wrong."""

import csv
import functools
import itertools
import json
import re
import reprlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

Rows = Iterator[tuple[int, list[Any]]]
Reader = Callable[[Path, Sequence[str | int]], Rows]

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
LINE_LIMIT = 4_000_000
"""Bytes of a line; a whole novel has 1 MB."""

EXPANSION_LIMIT = 1000
"""Bytes, and rows, that one byte of a Parquet file may stand for; compressed prose has 3 to 10."""

SMALLEST_BUDGET = 64_000_000
"""Bytes that a Parquet file may hold in any case, however small it is."""


def json_lines(path: Path, columns: Sequence[str | int]) -> Rows:
    """Yield the rows of a file with one JSON object per line."""
    for line, content in read_lines(path):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except (ValueError, RecursionError) as error:
            where = f"column {error.colno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else error
            raise ValueError(f"{path}, line {line}: no JSON ({where})") from None
        if not isinstance(row, dict):
            raise ValueError(f"{path}, line {line}: expected a JSON object, got {reprlib.repr(row)}")
        for column in columns:
            if column not in row:
                raise ValueError(f"{path}, line {line}: there is no column {column!r}, only {_listed(row)}")
        yield line, [row[column] for column in columns]


def parquet(path: Path, columns: Sequence[str | int]) -> Rows:
    """Yield the rows of a Parquet file, the format of Hugging Face's data sets; they are counted from 1."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise ImportError(f"{path} is a Parquet file, and reading it needs pyarrow: pip install pyarrow") from None
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield from _parquet_rows(path, file, columns)
    except Exception as error:  # pyarrow's own types, and what its C++ raises
        if type(error) is ValueError and str(path) in str(error):
            raise
        reason = (str(error).splitlines() or [""])[0]
        raise ValueError(f"{path} is no Parquet file ({type(error).__name__}, {reprlib.repr(reason)})") from None


def _parquet_rows(path, file, columns):
    """Yield (row, values), a few rows at a time, so that a small file can't fill the memory before it is noticed."""
    size, rows = path.stat().st_size, file.metadata.num_rows
    names = file.schema_arrow.names
    columns = [names[_place(path, names, column)] for column in columns]
    if any(names.count(column) > 1 for column in columns):
        raise ValueError(f"{path}: expected one column of each name, got {_listed(names)}")
    budget = max(SMALLEST_BUDGET, EXPANSION_LIMIT * size)
    if rows > EXPANSION_LIMIT * size:
        raise ValueError(f"{path}: {rows:,} rows in {size:,} bytes are more than a table of texts has")
    row = itertools.count(1)
    for batch in file.iter_batches(batch_size=64, columns=list(dict.fromkeys(columns))):
        budget -= batch.nbytes
        if budget < 0:
            raise ValueError(f"{path}: {size:,} bytes unpack to more than {EXPANSION_LIMIT} times as many")
        values = [batch.column(batch.schema.names.index(column)).to_pylist() for column in columns]
        yield from ((next(row), list(fields)) for fields in zip(*values, strict=True))


def has_column(path: Path, column: str) -> bool:
    """Return whether a table can be read that has a column of this name."""
    try:
        next(iter(FORMATS[path.suffix.lower()](path, [column])), None)
    except ValueError:
        return False
    return True


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (number, content) of each line of a text file: UTF-8 without NUL, a byte order mark removed.

    A mark is removed at the start of any line, because files that have one are joined.

    Raises:
        ValueError: something else, a line of more than `LINE_LIMIT` bytes, or nothing but blanks.
    """
    blank = True
    with open(path, "rb") as file:
        for number in itertools.count(1):
            raw = file.readline(LINE_LIMIT + 1)
            if number == 1 and raw.startswith(UTF_16):
                raise ValueError(f"{path} is UTF-16; save it as UTF-8")
            if not raw:
                break
            content = _decoded(path, number, raw)
            blank = blank and not content.strip()
            yield number, content
    if blank:
        raise ValueError(f"{path} is empty")


def _decoded(path, number, raw):
    line = f"{path}, line {number}"
    if len(raw) > LINE_LIMIT:
        raise ValueError(f"{line}: more than {LINE_LIMIT:,} bytes in one line; is it really text?")
    raw = raw.removeprefix(BYTE_ORDER_MARK)
    if b"\0" in raw:
        raise ValueError(f"{line}, byte {raw.index(0) + 1}: a NUL byte; is it really text?")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{line}, byte {error.start + 1}: not UTF-8 ({error.reason}); save it as UTF-8") from None


def _table(path, columns, **dialect):
    rows = _rows(path, csv.reader(_table_lines(path), strict=True, **dialect))
    line, first = next(rows, (1, None))
    if first is None:  # nothing but quotes
        raise ValueError(f"{path} is empty")
    header = [field.strip() for field in first]
    places = [_place(path, header, column) for column in columns]
    names = sorted(name.casefold() for name in header) if isinstance(columns[0], str) else None
    if names is None:
        yield line, [first[place] for place in places]
    for line, fields in rows:
        if len(fields) != len(first):
            stray = {"\t": "a tab in a text", ",": "a comma outside of quotes"}[dialect["delimiter"]]
            hint = f"; is there {stray}?" if len(fields) > len(first) else ""
            raise ValueError(f"{path}, line {line}: {len(fields)} columns, the first line has {len(first)}{hint}")
        if names and _is_header(fields, names, places, header):
            raise ValueError(f"{path}, line {line}: the names of the columns once more, {_listed(fields)}; remove it")
        yield line, [fields[place] for place in places]


tsv = functools.partial(_table, delimiter="\t", quoting=csv.QUOTE_NONE)  # nothing is quoted or escaped
comma_separated = functools.partial(_table, delimiter=",")  # as RFC 4180 has it
FORMATS: dict[str, Reader] = {".tsv": tsv, ".csv": comma_separated, ".jsonl": json_lines, ".parquet": parquet}


def _is_header(fields, names, places, header):
    """Return whether a row names the columns: all of them, in any order, or those that are read, each in its place."""
    if sorted(field.strip().casefold() for field in fields) == names:
        return True
    return len(places) > 1 and all(fields[p].strip().casefold() == header[p].casefold() for p in places)


def _table_lines(path):
    """Yield lines for `csv.reader`, which takes a lone carriage return for the end of one, as old Macs wrote it."""
    for _, content in read_lines(path):
        yield from re.split(r"(?<=\r)(?!\n|$)", content)


def _rows(path, reader):
    """Yield (line on which it starts, fields) of every row that is not blank."""
    line = 1
    try:
        for fields in reader:
            if len(fields) > 1 or "".join(fields).strip():
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{path}, line {line}: cannot be read ({error}); are its quotes doubled and closed?") from None


def _place(path, header, column):
    """Return the position of a column, by its name or position."""
    if isinstance(column, int):
        if not 0 <= column < len(header):
            raise ValueError(f"{path}: there is no column {column}: it has {len(header)}, counted from 0")
        return column
    if header.count(column) != 1:
        there = f"{'more than one' if column in header else 'no'} column {column!r}, only {_listed(header)}"
        hint = "Where the first line names no columns, give positions, such as text=0, label=1"
        raise ValueError(f"{path}, line 1: there is {there}. {hint}")
    return header.index(column)


def _listed(names):
    return ", ".join(reprlib.repr(name) for name in list(names)[:20]) or "none at all"

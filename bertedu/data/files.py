"""Readers of tables: each yields (line number, values of the requested columns), and reports errors by line."""

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
"""Maximum bytes of a line. A novel is 1 MB in size."""

EXPANSION_LIMIT = 1000
"""Maximum bytes, and rows, per byte of a Parquet file. Compressed prose has 3 to 10 bytes."""

SMALLEST_BUDGET = 64_000_000
"""Bytes that any Parquet file may unpack to."""


def json_lines(path: Path, columns: Sequence[str | int]) -> Rows:
    """Yield the rows of a file with one JSON object per line."""
    for line, content in read_lines(path):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except (ValueError, RecursionError) as error:
            reason = f"column {error.colno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else error
            raise ValueError(f"{path}, line {line}: expected JSON ({reason}).") from None
        if not isinstance(row, dict):
            raise ValueError(f"{path}, line {line}: expected a JSON object, got {reprlib.repr(row)}.")
        for column in columns:
            if column not in row:
                raise ValueError(f"{path}, line {line}: expected the column {column!r}, got {_listed(row)}.")
        yield line, [row[column] for column in columns]


def parquet(path: Path, columns: Sequence[str | int]) -> Rows:
    """Yield the rows of a Parquet file, the format of Hugging Face's data sets. Rows are numbered from 1."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise ImportError(f"{path}: reading a Parquet file needs pyarrow. Run: pip install pyarrow") from None
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield from _parquet_rows(path, file, columns)
    except Exception as error:  # pyarrow's own types, and those of its C++ code
        if type(error) is ValueError and str(path) in str(error):
            raise
        reason = (str(error).splitlines() or [""])[0]
        raise ValueError(f"{path}: expected a Parquet file ({type(error).__name__}, {reprlib.repr(reason)}).") from None


def _parquet_rows(path, file, columns):
    """Yield (row, values) in small batches, to stop before a compressed file fills the memory."""
    size, rows = path.stat().st_size, file.metadata.num_rows
    names = file.schema_arrow.names
    columns = [names[_column_index(path, names, column)] for column in columns]
    if any(names.count(column) > 1 for column in columns):
        raise ValueError(f"{path}: expected unique column names, got {_listed(names)}.")
    budget = max(SMALLEST_BUDGET, EXPANSION_LIMIT * size)
    if rows > EXPANSION_LIMIT * size:
        raise ValueError(f"{path}: expected at most {EXPANSION_LIMIT} rows per byte, got {rows:,} in {size:,} bytes.")
    row = itertools.count(1)
    for batch in file.iter_batches(batch_size=64, columns=list(dict.fromkeys(columns))):
        budget -= batch.nbytes
        if budget < 0:
            raise ValueError(f"{path}: expected to unpack to at most {EXPANSION_LIMIT} times {size:,} bytes, got more.")
        values = [batch.column(batch.schema.names.index(column)).to_pylist() for column in columns]
        yield from ((next(row), list(fields)) for fields in zip(*values, strict=True))


def has_column(path: Path, column: str) -> bool:
    """Return whether a file is a readable table with a column of this name."""
    try:
        next(iter(FORMATS[path.suffix.lower()](path, [column])), None)
    except ValueError:
        return False
    return True


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (number, content) of each line of a UTF-8 file, without byte order marks.

    Byte order marks are removed at the start of any line, because concatenated files have them there.

    Raises:
        ValueError: the file is not UTF-8, is blank, or has a NUL or a line of more than `LINE_LIMIT` bytes.
    """
    blank = True
    with open(path, "rb") as file:
        for number in itertools.count(1):
            raw = file.readline(LINE_LIMIT + 1)
            if number == 1 and raw.startswith(UTF_16):
                raise ValueError(f"{path}: expected UTF-8, got UTF-16. Save it as UTF-8.")
            if not raw:
                break
            content = _decode(path, number, raw)
            blank = blank and not content.strip()
            yield number, content
    if blank:
        raise ValueError(f"{path}: expected text, got an empty file.")


def _decode(path, number, raw):
    line = f"{path}, line {number}"
    if len(raw) > LINE_LIMIT:
        raise ValueError(f"{line}: expected at most {LINE_LIMIT:,} bytes in a line, got more. Is it a text file?")
    raw = raw.removeprefix(BYTE_ORDER_MARK)
    if b"\0" in raw:
        raise ValueError(f"{line}, byte {raw.index(0) + 1}: expected text, got a NUL byte. Is it a text file?")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{line}, byte {error.start + 1}: not UTF-8 ({error.reason}). Save it as UTF-8.") from None


def _table(path, columns, **dialect):
    rows = _rows(path, csv.reader(_table_lines(path), strict=True, **dialect))
    line, first = next(rows, (1, None))
    if first is None:  # only quotes
        raise ValueError(f"{path}: expected rows, got none.")
    header = [field.strip() for field in first]
    indices = [_column_index(path, header, column) for column in columns]
    names = sorted(name.casefold() for name in header) if isinstance(columns[0], str) else None
    if names is None:
        yield line, [first[i] for i in indices]
    for line, fields in rows:
        if len(fields) != len(first):
            separator = {"\t": "a tab in a text", ",": "a comma outside of quotes"}[dialect["delimiter"]]
            hint = f" Is there {separator}?" if len(fields) > len(first) else ""
            raise ValueError(f"{path}, line {line}: expected {len(first)} columns, got {len(fields)}.{hint}")
        if names and _is_header(fields, names, indices, header):
            raise ValueError(f"{path}, line {line}: expected texts, got a second header, {_listed(fields)}. Remove it.")
        yield line, [fields[i] for i in indices]


tsv = functools.partial(_table, delimiter="\t", quoting=csv.QUOTE_NONE)  # nothing is quoted or escaped
comma_separated = functools.partial(_table, delimiter=",")  # as in RFC 4180
FORMATS: dict[str, Reader] = {".tsv": tsv, ".csv": comma_separated, ".jsonl": json_lines, ".parquet": parquet}


def _is_header(fields, names, indices, header):
    """Return whether a row has the columns' names: all of them, in any order, or at least those at `indices`."""
    if sorted(field.strip().casefold() for field in fields) == names:
        return True
    return len(indices) > 1 and all(fields[i].strip().casefold() == header[i].casefold() for i in indices)


def _table_lines(path):
    """Yield lines for `csv.reader`, split at single carriage returns too (line ends of old Macs)."""
    for _, content in read_lines(path):
        yield from re.split(r"(?<=\r)(?!\n|$)", content)


def _rows(path, reader):
    """Yield (number of its first line, fields) of every row that is not blank."""
    line = 1
    try:
        for fields in reader:
            if len(fields) > 1 or "".join(fields).strip():
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{path}, line {line}: invalid CSV ({error}). Are quotes doubled and closed?") from None


def _column_index(path, header, column):
    """Return the index of a column from its name or index."""
    if isinstance(column, int):
        if not 0 <= column < len(header):
            raise ValueError(f"{path}: expected a column from 0 to {len(header) - 1}, got {column}.")
        return column
    if header.count(column) != 1:
        hint = "Add a first line that names the columns, or, in Python, pass positions, such as text=0, label=1."
        if len(header) == 1 and re.search("[;,\t|]", header[0]):
            hint = "Separate columns by commas in .csv, and by tabs in .tsv."
        raise ValueError(f"{path}, line 1: expected one column {column!r}, got {_listed(header)}. {hint}")
    return header.index(column)


def _listed(names):
    return ", ".join(reprlib.repr(name) for name in list(names)[:20]) or "none"

"""Tables of texts: each reader yields (line, values of the wanted columns), and says where a file is wrong."""

import csv
import io
import json
import reprlib

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def tsv(path, wanted):
    """Tabs between the fields; nothing is quoted or escaped."""
    return _table(path, wanted, delimiter="\t", quoting=csv.QUOTE_NONE)


def comma_separated(path, wanted):
    """CSV as RFC 4180 has it."""
    return _table(path, wanted, delimiter=",")


def json_lines(path, wanted):
    """A JSON object a line."""
    for line, content in enumerate(_read(path).split("\n"), start=1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except (ValueError, RecursionError) as error:
            where = f"column {error.colno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else error
            raise ValueError(f"{path}, line {line}: no JSON ({where})") from None
        if not isinstance(row, dict):
            raise ValueError(f"{path}, line {line}: expected a JSON object, got {reprlib.repr(row)}")
        for column in wanted:
            if column not in row:
                raise ValueError(f"{path}, line {line}: there is no column {column!r}, only {_listed(row)}")
        yield line, [row[column] for column in wanted]


def parquet(path, wanted):
    """Parquet, which Hugging Face keeps its sets in; rows are counted from 1."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise ImportError(f"{path} is a Parquet file, and reading it needs pyarrow: pip install pyarrow") from None
    try:
        table = pyarrow.parquet.ParquetFile(path).read()
    except Exception as error:  # its own types, and what its C++ raises
        reason = (str(error).splitlines() or [""])[0]
        raise ValueError(f"{path} is no Parquet file ({type(error).__name__}, {reason})") from None
    columns = [table.column(_place(path, table.column_names, column)).to_pylist() for column in wanted]
    yield from enumerate(zip(*columns, strict=True), start=1)


FORMATS = {".tsv": tsv, ".csv": comma_separated, ".jsonl": json_lines, ".parquet": parquet}


def _read(path):
    """What a text file holds: UTF-8 without NUL."""
    data = path.read_bytes().removeprefix(BYTE_ORDER_MARK)

    def place(byte):
        line, column = data.count(b"\n", 0, byte) + 1, byte - data.rfind(b"\n", 0, byte)
        return f"{path}, line {line}, byte {column}"

    if data.startswith(UTF_16):
        raise ValueError(f"{path} is UTF-16; save it as UTF-8")
    if b"\0" in data:
        raise ValueError(f"{place(data.index(0))}: a NUL byte; is it really text?")
    try:
        content = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{place(error.start)}: not UTF-8 ({error.reason}); save the file as UTF-8") from None
    if not content.strip():
        raise ValueError(f"{path} is empty")
    return content


def _table(path, wanted, **dialect):
    rows = _rows(path, csv.reader(io.StringIO(_read(path), newline=""), strict=True, **dialect))
    line, first = next(rows, (1, None))
    if first is None:  # nothing but quotes
        raise ValueError(f"{path} is empty")
    places = [_place(path, [field.strip() for field in first], column) for column in wanted]
    if not isinstance(wanted[0], str):
        yield line, [first[place] for place in places]
    for line, fields in rows:
        if len(fields) != len(first):
            stray = {"\t": "a tab in a text", ",": "a comma outside of quotes"}[dialect["delimiter"]]
            hint = f"; is there {stray}?" if len(fields) > len(first) else ""
            raise ValueError(f"{path}, line {line}: {len(fields)} columns, the first line has {len(first)}{hint}")
        yield line, [fields[place] for place in places]


def _rows(path, reader):
    """Yields (line on which it starts, fields) of every row that is not blank."""
    line = 1
    try:
        for fields in reader:
            if len(fields) > 1 or "".join(fields).strip():
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{path}, line {line}: cannot be read ({error}); are its quotes doubled and closed?") from None


def _place(path, header, column):
    """Where a column is, by its name or its position."""
    if isinstance(column, int):
        if not 0 <= column < len(header):
            raise ValueError(f"{path}: there is no column {column}: it has {len(header)}, counted from 0")
        return column
    if header.count(column) != 1:
        there = "no column" if column not in header else "more than one column"
        raise ValueError(
            f"{path}, line 1: there is {there} {column!r}, only {_listed(header)}. "
            "Where the first line names no columns, give positions, such as text=0, label=1"
        )
    return header.index(column)


def _listed(names):
    return ", ".join(reprlib.repr(name) for name in list(names)[:20]) or "none at all"

"""Files: read within bounds, written whole or not at all.

Every JSON file that comes from outside is parsed here.
"""

import json
from pathlib import Path

from bertedu.terminal import escape

JSON_LIMIT = 8_000_000
"""Bytes of a configuration; the index of a model with thousands of shards has 1 MB."""

VOCABULARY_LIMIT = 64_000_000
"""Bytes of a tokenizer.json or vocab.txt; the largest published vocabularies (500,000 tokens) have 17 MB."""


def read_bytes(path, limit=JSON_LIMIT):
    """Return the content of a file of at most `limit` bytes.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is larger than `limit`.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path.parent} holds no {path.name}: is it the directory of a whole model?")
    with open(path, "rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"{path}: expected at most {limit:,} bytes, got more. Is it the right file?")
    return content


def read_json(path, kind=dict, limit=JSON_LIMIT):
    """Return what a JSON file holds.

    Args:
        path: the file.
        kind: `dict` or `list`, what its top level must be.
        limit: int, the largest size in bytes that is read.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is too large, not JSON, nested too deeply, or of another kind; the message names the file.
    """
    return parse_json(read_bytes(path, limit), path, kind)


def parse_json(content, source, kind=dict):
    """Return what `content` (bytes or str) holds as JSON; `source` names it in messages. Raises as `read_json`."""
    try:
        parsed = json.loads(content)
    except RecursionError:
        raise ValueError(f"{source}: expected JSON, got values nested too deeply. Download it again.") from None
    except ValueError as error:
        raise ValueError(f"{source}: expected JSON ({escape(error)}). Download it again.") from None
    if not isinstance(parsed, kind):
        expected = "object" if kind is dict else "list"
        raise ValueError(f"{source}: expected a JSON {expected}, got {type(parsed).__name__}.")
    return parsed


def write_json(path, content):
    """Write `content` as indented JSON in UTF-8."""
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    Path(path).write_bytes(text.encode("utf-8", "backslashreplace"))

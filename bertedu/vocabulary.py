"""Vocabularies: checked lists of tokens in the order of their ids, from a vocab.txt, a list or a dict.

    line i of vocab.txt = row i of the word embedding table; id of a token = its last line

Whitespace and repeated tokens are treated as in Hugging Face's `BertTokenizer`. Chapter 1 (01_text_to_tokens).
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count, product
from numbers import Integral
from pathlib import Path
from typing import Any

from bertedu.checks import strings
from bertedu.fields import shown
from bertedu.files import VOCABULARY_LIMIT, escape, read_bytes

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LONE_SURROGATES = re.compile("[\ud800-\udfff]")
ROW_LIMIT = 1_000_000  # the largest published vocabularies have 500,000 tokens
TOKEN_LIMIT = 1_000  # characters per token; words of more than 100 become [UNK]
ADDED_LIMIT = 200_000  # characters of all added tokens, which determine the size of the search automaton
BLANKS = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
"""Unicode's White_Space, which Hugging Face strips from the ends of lines. Python's rstrip() strips four more."""


@contextmanager
def located(source: Any) -> Iterator[None]:
    """Put the name of a file or configuration before the message of a TypeError or ValueError, as a ValueError."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise ValueError(f"{source}: {escape(error)}") from None


# -- vocabularies ------------------------------------------------------------------------------------------------------


def check_vocabulary(vocab: str | os.PathLike[str] | Iterable[str] | Mapping[str, int]) -> list[str]:
    """Return the list of tokens in the order of their ids.

    Args:
        vocab: path of a vocab.txt, list of tokens, or dict token -> id.

    Raises:
        FileNotFoundError: there is no vocab.txt at the path.
        TypeError, ValueError: it is not the vocabulary of a BERT.
    """
    if isinstance(vocab, str | os.PathLike):
        tokens = read_vocabulary(vocab)
        with located(vocab):
            return _check_tokens(tokens)
    if isinstance(vocab, Mapping):
        tokens = tokens_by_id(vocab, "vocab")
        if len(tokens) != len(vocab):
            raise ValueError(f"vocab: expected ids from 0 to {len(vocab) - 1}, each once, got {len(tokens) - 1}.")
    elif isinstance(vocab, Iterable):
        tokens = list(vocab)
    else:
        expected = "the path of a vocab.txt, a list of tokens or a dict token -> id"
        raise TypeError(f"vocab: expected {expected}, got {shown(vocab)}.")
    return _check_tokens(tokens)


def _check_tokens(tokens):
    if not 0 < len(tokens) <= ROW_LIMIT:
        raise ValueError(f"vocab: expected 1 to {ROW_LIMIT:,} tokens, got {len(tokens):,}. Is it BERT's vocab.txt?")
    for i, token in enumerate(tokens):
        if not isinstance(token, str):
            raise ValueError(f"vocab: expected strings, got {shown(token)} at id {i}.")
        if len(token) > TOKEN_LIMIT:
            raise ValueError(f"vocab: expected at most {TOKEN_LIMIT:,} characters, got {len(token):,} at id {i}.")
    ids = {token: i for i, token in enumerate(tokens)}
    if match := LONE_SURROGATES.search("".join(ids)):
        raise ValueError(f"vocab: expected Unicode text, got the lone surrogate {shown(match[0])} in a token.")
    if missing := [token for token in SPECIAL_TOKENS if token not in ids]:
        raise ValueError(f"vocab: expected BERT's special tokens, got a vocabulary without {', '.join(missing)}.")
    if len(tokens) > 2 * len(ids) + 1_000:  # each row is an entry of the Rust model
        raise ValueError(f"vocab: expected unique tokens, got only {len(ids):,} in {len(tokens):,} rows.")
    # `model_ids` appends spaces and tabs to repeated tokens, which a tokenizer.json keeps. They are removed here.
    return [
        plain if token != (plain := token.rstrip(BLANKS)) and ids.get(plain, -1) > i else token
        for i, token in enumerate(tokens)
    ]


def model_ids(tokens: Sequence[str], added_tokens: Sequence[str] = ()) -> dict[str, int]:
    """Return the dict token -> id for the WordPiece model, with one entry per row.

    A repeated token has the id of its last row. In earlier rows spaces or tabs, which no word contains, are appended;
    so the model has as many entries as rows, and added tokens get the ids after them.
    """
    ids = {token: i for i, token in enumerate(tokens)}
    if len(ids) == len(tokens):
        return ids
    names: dict[str, Iterator[str]] = {}  # for earlier rows, by token
    for i, token in enumerate(tokens):
        if ids[token] != i:
            unused = names.setdefault(token, (token + "".join(s) for n in count(1) for s in product(" \t", repeat=n)))
            ids[next(name for name in unused if name not in ids and name not in added_tokens)] = i
    return ids


def tokens_by_id(ids: Any, source: str) -> list[str]:
    """Return the list of tokens of a dict token -> id, with "" for ids without a token."""
    if not isinstance(ids, Mapping):
        raise ValueError(f"{source}: expected an object token -> id, got {shown(ids)}. Is it a BERT tokenizer.json?")
    for token, i in ids.items():
        if not isinstance(i, Integral) or isinstance(i, bool) or not 0 <= int(i) < ROW_LIMIT:
            raise ValueError(f"{source}: expected ids from 0 to {ROW_LIMIT - 1:,}, got {shown(i)} for {shown(token)}.")
    tokens: list[str | None] = [None] * (max(ids.values(), default=-1) + 1)
    for token, i in ids.items():
        if tokens[i] is not None:
            raise ValueError(f"{source}: expected unique ids, got {i} for both {shown(tokens[i])} and {shown(token)}.")
        tokens[i] = token
    return ["" if token is None else token for token in tokens]


def check_added_tokens(tokens: Any) -> list[str]:
    """Return the added tokens as a list without duplicates."""
    tokens = strings("added_tokens", tokens)
    for token in tokens:
        if not 0 < len(token) <= TOKEN_LIMIT or LONE_SURROGATES.search(token):
            raise ValueError(f"added_tokens: expected strings of 1 to {TOKEN_LIMIT:,} characters, got {shown(token)}.")
    if sum(map(len, tokens)) > ADDED_LIMIT:
        raise ValueError(f"added_tokens: expected at most {ADDED_LIMIT:,} characters in all, got more.")
    return list(dict.fromkeys(tokens))


# -- files -------------------------------------------------------------------------------------------------------------


def read_vocabulary(path: str | os.PathLike[str]) -> list[str]:
    """Return the lines of a vocab.txt, without trailing whitespace and trailing empty lines.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is too large, not UTF-8, or contains a NUL character.
    """
    missing = "vocab: expected a vocab.txt, a list or a dict, got {!r}, which is not a file."
    content = file_content(path, f"{missing} For a published model, use be.load(...).tokenizer.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected UTF-8, got invalid bytes ({error.reason}). Is it a vocab.txt?") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ValueError(f"{path}: expected text, got a NUL character in line {line}. Is it a vocab.txt?")
    if text.count("\n") > ROW_LIMIT:
        raise ValueError(f"{path}: expected at most {ROW_LIMIT:,} lines, got more. Is it a vocab.txt?")
    # Not splitlines(): it also splits at characters such as U+2028, which can be tokens.
    lines = text.split("\n")
    while lines and lines[-1] in ("", "\r"):
        lines.pop()
    return [line.rstrip(BLANKS) for line in lines]


def vocabulary_text(tokens: Sequence[str]) -> str:
    """Return the content of a vocab.txt for tokens in the order of their ids.

    Repeated tokens get trailing spaces, because TensorFlow's tables refuse duplicate lines. Readers strip them.

    Raises:
        ValueError: a token cannot be a line of a text file.
    """
    tokens = [token if token.strip(BLANKS) else "" for token in tokens]
    for i, token in enumerate(tokens):
        if token != token.rstrip(BLANKS) or "\n" in token or "\0" in token or (i == 0 and token[:1] == "\ufeff"):
            expected = "expected tokens without line breaks, NUL or trailing spaces for a vocab.txt"
            raise ValueError(f"vocab: {expected}, got {shown(token)} at id {i}. Use BertTokenizer.save instead.")
    lines = {i: line for line, i in model_ids(tokens).items()}
    return "".join(f"{lines[i] or chr(0x3000)}\n" for i in range(len(tokens)))  # a reader skips an empty last line


def file_content(path: str | os.PathLike[str], message: str) -> bytes:
    """Return the bytes of a file. `message` is that of the FileNotFoundError, with {!r} for the path."""
    if not Path(path).is_file():
        raise FileNotFoundError(message.format(str(path)))
    return read_bytes(Path(path), VOCABULARY_LIMIT)

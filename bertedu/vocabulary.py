"""Vocabularies: the tokens of a vocab.txt, a list or a dict in the order of their ids, checked.

    token of row i of the word table = line i of vocab.txt; id of a token = its last line

Lines, blanks and repeated tokens are read as by Hugging Face's `BertTokenizer`. Chapter 1 (01_text_to_tokens).
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
TOKEN_LIMIT = 1_000  # characters; words of more than 100 are [UNK] anyway
ADDED_LIMIT = 200_000  # characters of all added tokens; the automaton that finds them grows with these
BLANKS = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
"""Unicode's White_Space, which Hugging Face strips from the end of a line; Python's rstrip() takes four more."""


@contextmanager
def named(source: Any) -> Iterator[None]:
    """Errors about values, raised with the name of the file or configuration that holds them."""
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
        FileNotFoundError, TypeError, ValueError: it is not BERT's vocabulary; the message names the file, or `vocab`.
    """
    if isinstance(vocab, str | os.PathLike):
        words = read_vocabulary(vocab)
        with named(vocab):
            return _check_words(words)
    if isinstance(vocab, Mapping):
        words = rows_of(vocab, "vocab")
        if len(words) != len(vocab):
            raise ValueError(f"vocab: the ids of {len(vocab)} tokens must be 0 to {len(vocab) - 1}, each of them once.")
    elif isinstance(vocab, Iterable):
        words = list(vocab)
    else:
        expected = "the path of a vocab.txt, a list of tokens or a dict token -> id"
        raise TypeError(f"vocab: expected {expected}, got {shown(vocab)}.")
    return _check_words(words)


def _check_words(words):
    if not 0 < len(words) <= ROW_LIMIT:
        raise ValueError(f"vocab: expected 1 to {ROW_LIMIT:,} tokens, got {len(words):,}. Is it BERT's vocab.txt?")
    for i, word in enumerate(words):
        if not isinstance(word, str):
            raise ValueError(f"vocab: expected strings, got {shown(word)} at id {i}.")
        if len(word) > TOKEN_LIMIT:
            raise ValueError(f"vocab: expected at most {TOKEN_LIMIT:,} characters, got {len(word):,} at id {i}.")
    ids = {word: i for i, word in enumerate(words)}
    if found := LONE_SURROGATES.search("".join(ids)):
        raise ValueError(f"vocab: expected Unicode text, got the lone surrogate {shown(found[0])} in a token.")
    if missing := [token for token in SPECIAL_TOKENS if token not in ids]:
        raise ValueError(f"vocab: lacks the special tokens {', '.join(missing)}; is it really BERT's vocabulary?")
    if len(words) > 2 * len(ids) + 1_000:  # each repeated row costs an entry of the model
        raise ValueError(f"vocab: expected different tokens, got only {len(ids):,} in {len(words):,} rows.")
    # `model_ids` hides repeated tokens behind blanks, which tokenizer.json keeps: here they come back.
    return [
        plain if word != (plain := word.rstrip(BLANKS)) and ids.get(plain, -1) > i else word
        for i, word in enumerate(words)
    ]


def model_ids(words: Sequence[str], added_tokens: Sequence[str] = ()) -> dict[str, int]:
    """Return the dict token -> id for the WordPiece model, with an entry for each row.

    The last row of a repeated token has its id. The rows before get blanks appended, which no text can contain inside a
    word, so that added tokens still follow the last row.
    """
    ids = {word: i for i, word in enumerate(words)}
    if len(ids) == len(words):
        return ids
    names: dict[str, Iterator[str]] = {}  # of the rows that no text leads to, by token
    for i, word in enumerate(words):
        if ids[word] != i:
            hidden = names.setdefault(word, (word + "".join(s) for n in count(1) for s in product(" \t", repeat=n)))
            ids[next(name for name in hidden if name not in ids and name not in added_tokens)] = i
    return ids


def rows_of(ids: Any, source: str) -> list[str]:
    """Return the list of tokens by id, "" where there is none, of a dict token -> id."""
    if not isinstance(ids, Mapping):
        raise ValueError(f"{source}: expected an object token -> id, got {shown(ids)}. Is it a BERT tokenizer.json?")
    for token, i in ids.items():
        if not isinstance(i, Integral) or isinstance(i, bool) or not 0 <= int(i) < ROW_LIMIT:
            raise ValueError(f"{source}: expected ids from 0 to {ROW_LIMIT - 1:,}, got {shown(i)} for {shown(token)}.")
    words: list[str | None] = [None] * (max(ids.values(), default=-1) + 1)
    for token, i in ids.items():
        if words[i] is not None:
            raise ValueError(f"{source}: id {i} belongs to two tokens, {shown(words[i])} and {shown(token)}.")
        words[i] = token
    return ["" if word is None else word for word in words]


def check_added_tokens(tokens: Any) -> list[str]:
    """Return added tokens as a list without repetitions."""
    tokens = strings("added_tokens", tokens)
    for token in tokens:
        if not 0 < len(token) <= TOKEN_LIMIT or LONE_SURROGATES.search(token):
            raise ValueError(f"added_tokens: expected strings of 1 to {TOKEN_LIMIT:,} characters, got {shown(token)}.")
    if sum(map(len, tokens)) > ADDED_LIMIT:
        raise ValueError(f"added_tokens: expected at most {ADDED_LIMIT:,} characters in all, got more.")
    return list(dict.fromkeys(tokens))


# -- files -------------------------------------------------------------------------------------------------------------


def read_vocabulary(path: str | os.PathLike[str]) -> list[str]:
    """Return the lines of a vocab.txt without blanks at their ends, and without empty lines at the end of the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is too large, not UTF-8, or holds NUL bytes; the message names the file.
    """
    content = file_content(path, "vocab: there is no file {!r}; expected a vocab.txt, a list or a dict")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected UTF-8, got other bytes ({error.reason}). Is it a vocab.txt?") from None
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


def vocabulary_text(words: Sequence[str]) -> str:
    """Return the content of a vocab.txt for tokens in the order of their ids.

    All lines differ, because TensorFlow's tables accept each once: repeated tokens get blanks, which readers strip.

    Raises:
        ValueError: a token cannot be a line of it.
    """
    words = [word if word.strip(BLANKS) else "" for word in words]
    for i, word in enumerate(words):
        if word != word.rstrip(BLANKS) or "\n" in word or "\0" in word or (i == 0 and word[:1] == "\ufeff"):
            token = f"token {shown(word)} of id {i} cannot be a line, because of its blanks or control characters"
            raise ValueError(f"vocab.txt: {token}. Write a tokenizer.json, with BertTokenizer.save.")
    lines = {i: line for line, i in model_ids(words).items()}
    return "".join(f"{lines[i] or chr(0x3000)}\n" for i in range(len(words)))  # an empty last line would be left out


def file_content(path: str | os.PathLike[str], message: str) -> bytes:
    """Return the bytes of a tokenizer's file; `message` is FileNotFoundError's, with a place for the path."""
    if not Path(path).is_file():
        raise FileNotFoundError(message.format(str(path)))
    return read_bytes(Path(path), VOCABULARY_LIMIT)

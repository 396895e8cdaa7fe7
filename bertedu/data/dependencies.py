"""Sentences with their dependencies: a head and a relation for every word, read from CoNLL-U.

Format: https://universaldependencies.org/format.html. Lab: notebooks/labs/1_what_does_bert_look_at.ipynb.
"""

import reprlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bertedu.data import files, sets
from bertedu.data.texts import existing

OWN = "dependencies"
COLUMNS = 10  # number, word, lemma, tag, two more, head, relation, two more


class Tree(NamedTuple):
    """A sentence of W words and its dependency tree.

    Args:
        words: list of W strings.
        tags: list of W parts of speech.
        heads: list of W indices of words, the head of each; -1 for the root.
        relations: list of W names of relations to the head, "root" for the root.
    """

    words: list[str]
    tags: list[str]
    heads: list[int]
    relations: list[str]

    @property
    def text(self) -> str:
        """The words, separated by spaces."""
        return " ".join(self.words)


def load_dependencies(path: str | Path = OWN) -> list[Tree]:
    """Load sentences with dependencies from a CoNLL-U file.

    Args:
        path: path of a file; or "dependencies", bertedu's own sentences: `data/make_dependencies.py` generates them
            with their trees. Words that are split in two (numbers as 3-4) and omitted words (3.1) are skipped.

    Returns:
        List of `Tree`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not CoNLL-U, or a tree does not have one root. The message names file and line.

    Example:
        >>> tree = load_dependencies()[0]
        >>> tree.words[:4], tree.relations[:4]
        (['The', 'hammer', 'was', 'suddenly'], ['det', 'nsubj:pass', 'aux:pass', 'advmod'])
    """
    path = sets.own_file(f"{OWN}/test.conllu") if path == OWN else existing(path)
    trees = list(_trees(path))
    if not trees:
        raise ValueError(f"{path}: expected sentences, got none.")
    return trees


def _trees(path: Path) -> Iterator[Tree]:
    rows: list[tuple[int, list[str]]] = []
    for line, content in files.read_lines(path):
        content = content.rstrip("\r\n")
        if content.startswith("#"):
            continue
        if content.strip():
            rows.append((line, content.split("\t")))
        elif rows:
            yield _tree(path, rows)
            rows = []
    if rows:
        yield _tree(path, rows)


def _tree(path, rows):
    """Return the tree of a sentence's lines, `(line number, columns)`."""
    for line, columns in rows:
        if len(columns) != COLUMNS:
            got = f"{len(columns)} in {reprlib.repr(columns[0])}"
            raise ValueError(f"{path}, line {line}: expected {COLUMNS} columns, tab-separated, got {got}.")
    rows = [(line, columns) for line, columns in rows if not set("-.") & set(columns[0])]
    heads = []
    for number, (line, columns) in enumerate(rows, start=1):
        head = columns[6]
        if columns[0] != str(number) or not head.isascii() or not head.isdigit() or int(head) > len(rows):
            expected = f"word {number} with a head from 0 to {len(rows)}"
            raise ValueError(f"{path}, line {line}: expected {expected}, got word {columns[0]!r}, head {head!r}.")
        heads.append(int(head) - 1)
    if not _is_tree(heads):
        raise ValueError(
            f"{path}, line {rows[0][0] if rows else 1}: expected one root and no cycle, got heads {heads}."
        )
    words, tags, relations = ([columns[i] for _, columns in rows] for i in (1, 3, 7))
    return Tree(words, tags, heads, relations)


def _is_tree(heads):
    """Return whether every word leads to the one root."""
    rooted = {-1}
    for _ in heads:  # a tree is at most as deep as it has words
        deeper = {i for i, head in enumerate(heads) if head in rooted} - rooted
        if not deeper:
            break
        rooted |= deeper
    return heads.count(-1) == 1 and len(rooted) == len(heads) + 1

"""Entities: from a label per token or word to labeled spans of a text, and their precision, recall and F1.

    tags     B-PER   I-PER   O        B-LOC        (BIO; IOBES has E- for the last word and S- for the only one)
    words    Ada     Lovelace  visited  Turin
    entities (PER, 0, 2), (LOC, 3, 4)

Tags without prefixes are allowed too: an entity is then a run of equal tags. "O" is no entity. Ramshaw and Marcus 1995
(https://arxiv.org/abs/cmp-lg/9505040). Chapter: notebooks/10_fine_tuning.ipynb.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from bertedu.terminal import escape

OUTSIDE = "O"
LONGEST = 60  # characters of a tag in a message
AGGREGATIONS = ("none", "simple", "first", "average", "max")
PREFIXED = re.compile(r"[BIES](-.+)?")
HYPHENATED = re.compile(r"[BIES]-.+")
OTHER_SCHEMES = re.compile(r"[BIESLU]-.+|[bieslu]-.+|o")  # BILOU, and lower case
IOB1 = 'If they are in IOB1, where an entity begins with I-, convert them: be.load_tags(path, scheme="iob1")'


class Entity(NamedTuple):
    """A labeled span of a text, as returned by `Bert.tag`.

    Args:
        text: str, the span.
        label: str, its label, without "B-" and "I-" unless `aggregation` is "none".
        start, end: int, its characters in the given text, end exclusive.
        probability: float, the mean over its tokens or words.
    """

    text: str
    label: str
    start: int
    end: int
    probability: float


class Piece(NamedTuple):
    """A token or a word of a text with the probabilities of its classes.

    Args:
        probabilities: float array `[classes]`.
        start, end: int, its characters in the text, end exclusive.
        continues: bool, whether it continues the word of the piece before.
    """

    probabilities: np.ndarray
    start: int
    end: int
    continues: bool = False


def find_entities(text: str, pieces: Iterable[Piece], labels: Sequence[str], aggregation: str) -> list[Entity]:
    """Return the entities of a text, as transformers' `TokenClassificationPipeline` defines them.

    Args:
        text: str.
        pieces: iterable of `Piece`, the tokens of the text.
        labels: list of the labels of all classes.
        aggregation: one of `AGGREGATIONS`; see `Bert.tag`.

    Example:
        >>> pieces = [Piece(np.array([0.1, 0.9]), 0, 3), Piece(np.array([0.8, 0.2]), 3, 5, True)]
        >>> find_entities("AdaLo", pieces, ["O", "PER"], "first")
        [Entity(text='AdaLo', label='PER', start=0, end=5, probability=0.9)]
    """
    pieces = list(pieces)
    if aggregation in ("first", "average", "max"):
        pieces = [_word(group, aggregation) for group in _words(pieces)]
    spans = [(labels[best], piece) for piece in pieces for best in [int(piece.probabilities.argmax())]]
    groups = [[span] for span in spans] if aggregation == "none" else _grouped(spans)
    entities = []
    for group in groups:
        label, first = group[0]
        label = label if aggregation == "none" else label.split("-", 1)[-1]
        start, end = first.start, group[-1][1].end
        if label != OUTSIDE:
            probability = float(np.mean([piece.probabilities.max() for _, piece in group]))
            entities.append(Entity(text[start:end], label, start, end, probability))
    return entities


def _words(pieces):
    """Return lists of the pieces of each word."""
    groups: list[list[Piece]] = []
    for piece in pieces:
        if piece.continues and groups:
            groups[-1].append(piece)
        else:
            groups.append([piece])
    return groups


def _word(group, aggregation):
    """Return one piece for the pieces of a word."""
    if aggregation == "average":
        probabilities = np.mean([piece.probabilities for piece in group], axis=0)  # [classes]
    else:
        chosen = group[0] if aggregation == "first" else max(group, key=lambda piece: piece.probabilities.max())
        probabilities = chosen.probabilities
    return Piece(probabilities, group[0].start, group[-1].end)


def _grouped(spans):
    """Return lists of neighboring (label, piece) of one entity: the same type, and no "B-" after the first."""
    groups: list[list[Any]] = []
    previous = None
    for label, piece in spans:
        begins = label.startswith("B-")
        kind = label[2:] if begins or label.startswith("I-") else label
        if groups and kind == previous and not begins:
            groups[-1].append((label, piece))
        else:
            groups.append([(label, piece)])
        previous = kind
    return groups


def is_prefixed(names: Iterable[str]) -> bool:
    """Return whether tags have prefixes, as "B-PER", with BIO or IOBES.

    Raises:
        ValueError: some have and some have not, or the prefixes are those of BILOU.

    Example:
        >>> is_prefixed(["O", "B-PER", "I-PER"]), is_prefixed(["NOUN", "VERB"])
        (True, False)
    """
    others = [name for name in names if name != OUTSIDE]
    with_prefix = [name for name in others if HYPHENATED.fullmatch(name)]
    wrong = next((name for name in others if not PREFIXED.fullmatch(name)), None)
    if wrong is None:
        return bool(with_prefix) or "B" in others
    if not with_prefix and all(OTHER_SCHEMES.fullmatch(name) for name in others):
        expected = "tags with the prefixes B-, I-, E- and S-, and O, in upper case"
        raise ValueError(f"tags: expected {expected}, got {_shown(wrong)!r}. Of BILOU, write L- as E-, and U- as S-.")
    if with_prefix:
        hint = "Write L- as E-, and U- as S-." if wrong[:2] in ("L-", "U-") else "Give all of them a prefix, or none."
        expected = f"B-, I-, E- or S- before every tag but O, as in {_shown(with_prefix[0])!r}"
        raise ValueError(f"tags: expected {expected}, got {_shown(wrong)!r}. {hint}")
    return False


def spans_of(tags: Sequence[str], prefixed: bool) -> set[tuple[str, int, int]]:
    """Return the entities of a tagged sentence as a set of (type, first word, last word + 1).

    A broken sequence, as a model may predict it, is read as seqeval and the CoNLL-2000 script read it: a word of
    another type, or one after O, begins an entity whatever its prefix.

    Args:
        tags: list of the tags of all words.
        prefixed: bool, whether tags have prefixes; otherwise an entity is a run of equal tags.

    Example:
        >>> sorted(spans_of(["B-PER", "I-PER", "O", "I-LOC"], prefixed=True))
        [('LOC', 3, 4), ('PER', 0, 2)]
    """
    spans, start = set(), 0
    before = (OUTSIDE, "")
    for i, tag in enumerate([*tags, OUTSIDE]):
        prefix, kind = _parts(tag) if prefixed else (tag if tag == OUTSIDE else "I", tag)
        goes_on = before[0] in ("B", "I") and prefix in ("I", "E") and kind == before[1]
        if not goes_on:
            if before[0] != OUTSIDE:
                spans.add((before[1], start, i))
            start = i
        before = prefix, kind
    return spans


def _parts(tag):
    """Return prefix and type of a tag."""
    prefix, _, kind = tag.partition("-")
    return prefix, kind


def entity_scores(expected: Iterable[Sequence[str]], predicted: Iterable[Sequence[str]]) -> dict[str, float]:
    """Return precision, recall and F1 over the entities of all sentences, as seqeval does (micro average).

    An entity is right if its type and both ends are. Without entities, a score is 0.

    Args:
        expected, predicted: lists of the tags of all words, one list per sentence.

    Returns:
        dict of floats: "precision", "recall", "f1".

    Example:
        >>> scores = entity_scores([["B-PER", "I-PER", "O"]], [["B-PER", "O", "O"]])
        >>> scores["f1"]
        0.0
    """
    expected, predicted = list(expected), list(predicted)
    prefixed = is_prefixed({tag for tags in (*expected, *predicted) for tag in tags})
    rows = zip(expected, predicted, strict=True)
    spans = [(spans_of(true, prefixed), spans_of(other, prefixed)) for true, other in rows]
    right = sum(len(true & other) for true, other in spans)
    actual, total = (sum(map(len, column)) for column in zip(*spans, strict=True)) if spans else (0, 0)
    return {
        "precision": right / max(total, 1),
        "recall": right / max(actual, 1),
        "f1": 2 * right / max(total + actual, 1),
    }


def check_sequence(tags: Sequence[str], location: Callable[[int], str]) -> None:
    """Check that a tagged sentence follows BIO, or IOBES if it has E- or S-; the tags must have prefixes.

    Args:
        tags: list of the tags of all words.
        location: function of the index of a word that returns the start of the message.

    Raises:
        ValueError: a word continues an entity that the word before does not belong to, or an entity has no last word.
    """
    has_ends = any(tag[:1] in ("E", "S") for tag in tags)
    for i, (before, tag) in enumerate(_pairs(tags)):
        is_open = before[:1] in ("B", "I")
        continues = tag[:1] in ("I", "E") and tag != OUTSIDE
        if continues and not (is_open and before[1:] == tag[1:]):
            tag, before = _shown(tag), _shown(before)
            got = f"got {tag} after {before}" if i else f"got {tag} at the start"
            raise ValueError(f"{location(i)}: expected B{tag[1:]} or I{tag[1:]} before {tag}, {got}. {IOB1}.")
        if has_ends and is_open and not continues:
            tag, before = _shown(tag), _shown(before)
            expected = f"expected I{before[1:]} or E{before[1:]} after {before}, as in IOBES, got {tag}"
            raise ValueError(f"{location(min(i, len(tags) - 1))}: {expected}. Mark the only word of an entity by S-.")


def _shown(tag: str) -> str:
    """Return a tag from a file for a message: shortened, with control characters escaped."""
    return escape(tag)[:LONGEST]


def _pairs(tags: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield (tag before, tag), with O at both ends."""
    yield from zip([OUTSIDE, *tags], [*tags, OUTSIDE], strict=True)


def from_iob1(tags: Sequence[str]) -> list[str]:
    """Return the tags of a sentence in BIO, from IOB1, where B- is only between two entities of the same type.

    Example:
        >>> from_iob1(["I-PER", "I-PER", "B-PER", "O", "I-LOC"])
        ['B-PER', 'I-PER', 'B-PER', 'O', 'B-LOC']
    """
    return [
        f"B{tag[1:]}" if tag[:1] == "I" and (before == OUTSIDE or before[1:] != tag[1:]) else tag
        for before, tag in zip([OUTSIDE, *tags], tags, strict=False)
    ]


def sorted_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Return all different tags in the order of classes: O, then by type, B- before I-.

    Example:
        >>> sorted_tags(["I-PER", "O", "B-PER", "B-LOC"])
        ('O', 'B-LOC', 'B-PER', 'I-PER')
    """
    return tuple(sorted(set(tags), key=lambda tag: (tag != OUTSIDE, *reversed(_parts(tag)))))

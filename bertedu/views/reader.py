"""Reader: what the explorer asks of a model. `types.js` declares the same for the page.

The explorer knows no model. It asks a reader, and every answer is one JSON message, of a text besides with arrays:
`be.explorer` makes a reader of a `Bert`, and a page without a kernel can have one of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypedDict

import numpy as np


class Description(TypedDict):
    """A model: its name and sizes, and whether (and with what reservation) it can fill in a masked word."""

    name: str
    num_layers: int
    num_heads: int
    hidden_size: int
    can_fill_mask: bool
    fill_mask_note: str
    measures: list[list[str]]  # of head statistics: key, words, unit


class Statistics(TypedDict, total=False):
    """Head statistics: for each measure a row a layer, with a label for each head; or a note why there are none."""

    values: dict[str, list[list[float]]]
    labels: list[list[str]]
    note: str


class ReadingMessage(TypedDict):
    """A text, or two, as a model has read it: one entry a token, [CLS] and [SEP] included."""

    texts: list[str]  # the second is "" if there is only one
    tokens: list[str]
    special: list[int]  # 1 for tokens of the tokenizer's own, as [CLS]
    segments: list[int]  # 0 and 1 for the two texts, -1 for neither
    ids: list[int]
    type_ids: list[int]
    offsets: list[list[int] | None]  # start and end in characters of the token's text
    signed: bool  # whether attention can be negative
    notes: list[str]
    milliseconds: float
    statistics: Statistics


class Projection(TypedDict):
    """The tokens in two dimensions, from the embeddings (place 0) or the output of layer place - 1."""

    place: int
    points: list[list[float]] | None  # None for fewer than three tokens
    variance: list[float]  # the share of each dimension


class Similarity(TypedDict):
    """The cosine similarity of two texts' embeddings, and their pooling."""

    cosine: float
    pooling: str


class Prediction(TypedDict):
    """What the model predicts in place of a token's whole word."""

    token: int
    word: str
    masked_text: str
    answers: list[list[Any]]  # word and probability, the most probable first


class ReadText(Protocol):
    """A text that a reader has read.

    Attributes:
        message: `ReadingMessage`.
        attention: `[L, N, T, T]`, finite.
        nbytes: int, memory that it holds.
        reading: the reader's own record of it.
    """

    message: ReadingMessage
    attention: np.ndarray
    nbytes: int
    reading: Any

    def projection(self, place: int) -> Projection:
        """Return the tokens in two dimensions."""

    def similarity(self) -> Similarity | None:
        """Return how similar the two texts are, or None if there is only one."""


class Reader(Protocol):
    """A model that reads texts for the explorer."""

    def describe(self) -> Description:
        """Return what the page says about the model."""

    def read(self, text: str, pair: str, edits: Mapping[str, Any]) -> ReadText:
        """Read a text, or two; `edits` change the model's computation on the way, and are empty for now."""

    def fill_mask(self, read_text: ReadText, token: int) -> Prediction:
        """Predict the word of a token from all others. Raises ValueError if it stands for no word."""

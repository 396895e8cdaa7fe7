"""Reader: what the explorer asks of a model.

The explorer knows no model. It asks a reader; every answer is one JSON message, of a text with arrays besides.
`types.js` declares the same for the page, and the fields of each message. `be.explorer` makes a reader of a `Bert`; a
page without a kernel can have one of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

Message = dict[str, Any]  # what JSON takes
Edits = Mapping[str, Any]  # changes to the model's computation; empty for now


class Reader(Protocol):
    """A model that reads texts for the explorer."""

    def describe(self) -> Message:
        """Return a `Description`: the model's name and sizes, whether it can fill masks, its head statistics."""

    def read(self, text: str, pair: str, edits: Edits) -> ReadText:
        """Read a text, or two; an empty `pair` is no second text."""

    def fill_mask(self, read_text: Any, token: int) -> Message:
        """Return a `Prediction` of a token's whole word in a `ReadText`. Raises ValueError if there is no word."""


class ReadText(Protocol):
    """A text that a reader has read.

    Attributes:
        message: a `ReadingMessage`: tokens, ids, segments, notes, statistics, ...
        attention: `[L, N, T, T]`, finite.
        nbytes: int, memory that it holds.
        reading: the reader's own record of it.
    """

    message: Message
    attention: np.ndarray
    nbytes: int
    reading: Any

    def projection(self, place: int) -> Message:
        """Return a `Projection` of the tokens to two dimensions: of embeddings (0) or the output of layer place - 1."""

    def similarity(self) -> Message | None:
        """Return the `Similarity` of the two texts, or None if there is only one."""

"""Reader: the explorer's interface to a model.

The explorer has no access to a model. It sends requests to a reader, whose answers are JSON messages, plus arrays for a
text. `types.js` declares the same interface for the page, and the fields of the messages. `be.explorer` uses a reader
for a `Bert`; a page without a kernel can have its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

Message = dict[str, Any]  # JSON-serializable
Edits = Mapping[str, Any]
"""What is switched off, for JSON: {"heads": [[layer, head], ...], "attention": [layer, ...], "layers": [layer, ...]}.

All three are optional. A head that is off contributes nothing, attention that is off is all heads of a layer, and a
layer that is off returns its input.
"""


class Reader(Protocol):
    """Interface of a model that reads texts for the explorer."""

    def describe(self) -> Message:
        """Return a `Description`: the model's name and sizes, whether it can fill masks, and the head statistics."""

    def read(self, text: str, pair: str, edits: Edits) -> ReadText:
        """Read a text or a pair of texts, with `edits`; an empty `pair` means a single text."""

    def fill_mask(self, read_text: Any, token: int) -> Message:
        """Return a `Prediction` for a token's whole word in a `ReadText`; raise ValueError for a special token."""


class ReadText(Protocol):
    """A text that a reader has read.

    Attributes:
        message: a `ReadingMessage`: tokens, ids, segments, notes, statistics, ...
        attention: `[L, N, T, T]`, finite.
        original: `[L, N, T, T]`, the attention of the same text without edits; None if there are none.
        nbytes: int, memory use.
        reading: the reader's own object for the text.
    """

    message: Message
    attention: np.ndarray
    original: np.ndarray | None
    nbytes: int
    reading: Any

    def projection(self, hidden_state: int) -> Message:
        """Return a `Projection` of a hidden state to two dimensions: embeddings (0), or layer hidden_state - 1."""

    def similarity(self) -> Message | None:
        """Return the `Similarity` of the two texts, or None if there is only one."""

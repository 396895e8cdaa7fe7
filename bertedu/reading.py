"""Reading: the outputs of a BERT for one text, as NumPy arrays.

Chapter: notebooks/00_start_here.ipynb.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bertedu.aliases import renamed_attribute
from bertedu.checks import choice, position

if TYPE_CHECKING:
    from bertedu.text import Encoded
    from bertedu.views.view import View


@dataclasses.dataclass(frozen=True, repr=False)
class Reading:
    """What a BERT computed for a text of T tokens, [CLS] and [SEP] included. All arrays are float32 NumPy arrays.

    Attributes:
        text, pair: the texts.
        tokens: list of T strings.
        ids, type_ids: lists of T integers.
        offsets: list of T: (start, end) of the token's characters in its text, end exclusive; None for [CLS], [SEP].
        segments: list of T: 0 for tokens of `text`, 1 for those of `pair`, None for [CLS] and [SEP].
        attention: `[L, N, T, T]`, the attention weights of each layer and head: queries on the third axis, keys on the
            fourth.
        encoder_outputs: `[L, T, D]`, each layer's output.
        embedding_output: `[T, D]`, the input of the first layer.
        pooled_output: `[D]`, or None where the model was published without a pooler.
        model: the name of the model.
        queries, keys, values: `[L, N, T, H]` each; None without `return_qkv`.
    """

    text: str
    pair: str | None
    tokens: list[str]
    ids: list[int]
    type_ids: list[int]
    offsets: list[tuple[int, int] | None]
    segments: list[int | None]
    attention: np.ndarray
    encoder_outputs: np.ndarray
    embedding_output: np.ndarray
    pooled_output: np.ndarray | None
    model: str
    queries: np.ndarray | None = None
    keys: np.ndarray | None = None
    values: np.ndarray | None = None

    @classmethod
    def of(cls, text: str, pair: str | None, encoded: Encoded, outputs: Mapping[str, Any], model: str) -> Reading:
        """Return the reading of an encoded text from the encoder's outputs for a batch of one.

        Every output that has the name of an attribute becomes that attribute; `attention_scores` becomes `attention`.
        """
        arrays = {name: _of_only_text(output) for name, output in outputs.items()}
        arrays["attention"] = arrays.pop("attention_scores")
        known = {**encoded._asdict(), **arrays}
        names = {field.name for field in dataclasses.fields(cls)}
        return cls(text=text, pair=pair, model=model, **{name: known[name] for name in known.keys() & names})

    @property
    def sequence_output(self) -> np.ndarray:
        """`[T, D]`, the last layer's output."""
        return self.encoder_outputs[-1]

    def __repr__(self) -> str:
        layers, heads = self.attention.shape[:2]
        return f"Reading({' '.join(self.tokens)!r}: {len(self.tokens)} tokens, {layers} layers of {heads} heads)"

    def plot(self, layer: int | None = None, head: int | None = None) -> Any:
        """Return a matplotlib figure of the attention: every head, one layer's heads, or (with both) one head.

        Returns:
            Axes, or an array of Axes.

        Raises:
            ValueError: a layer or head that is not there, or a head without its layer.
        """
        from bertedu import plots

        self._check_choice(layer, head)
        if layer is None:
            return plots.model(self.attention, self.tokens, title=f"Every head of {self.model}")
        if head is None:
            return plots.layer(self.attention[layer], self.tokens, title=f"{self.model}, layer {layer}")
        return plots.head(self.attention[layer, head], self.tokens, title=f"{self.model}, layer {layer}, head {head}")

    picture = renamed_attribute("picture", "plot")

    def _check_choice(self, layer, head):
        if head is not None and layer is None:
            raise ValueError(f"head={head} needs its layer as well.")
        for name, chosen, count in zip(("layer", "head"), (layer, head), self.attention.shape, strict=False):
            if chosen is not None:
                position(name, chosen, count)

    def view(self, kind: str = "model", **options: Any) -> View:
        """Return a view of the attention for the browser: to show, to close, and to `save` as one interactive .html.

        Args:
            kind: "model" (every head, one of them large), "head" (lines from token to token, by head), or "neuron"
                (queries, keys and their products; for a reading with `return_qkv=True`).
            options: further arguments of `be.model_view`, `be.head_view` or `be.neuron_view`: `layer`, `head`, ...

        Returns:
            a `bertedu.views.View`.

        Raises:
            ValueError: another kind, a layer or head that is not there, or "neuron" without queries and keys.
        """
        from bertedu import views

        choice("kind", kind, ("model", "head", "neuron"))
        options = {"title": f"Every head of {self.model}" if kind == "model" else self.model} | options
        if kind == "model":
            return views.model_view(self.attention, self.tokens, **options)
        if kind == "head":
            options.setdefault("segments", self.segments)
            return views.head_view(self.attention, self.tokens, **options)
        if self.queries is None:
            raise ValueError("The neuron view needs queries and keys: read the text with return_qkv=True.")
        options.setdefault("attention", self.attention)
        return views.neuron_view(self.queries, self.keys, self.tokens, **options)

    def show(self, view: str = "model", **options: Any) -> None:
        """Show a view: in a notebook live, above it a static figure for where nothing live can run.

        Args:
            view: "model", "head" or "neuron", as `kind` of `view`.
            options: as there.
        """
        self.view(view, **options).show()

    def save(self, path: str | Path, layer: int | None = None, head: int | None = None) -> Path:
        """Save `plot(layer, head)` as .png, .svg or .pdf, by the ending of `path`, and return the path.

        Raises:
            ValueError: another ending. FileNotFoundError: no such folder.
        """
        from bertedu import plots

        axes = self.plot(layer, head)
        try:
            return plots.save(axes, path)
        finally:
            plots.close(axes)


def _of_only_text(output):
    """Return an output for a batch of one without that axis, layers stacked, in float32: plots know no bfloat16."""
    if isinstance(output, list):
        return np.stack([_of_only_text(tensor) for tensor in output])
    return None if output is None else np.asarray(output[0], "float32")

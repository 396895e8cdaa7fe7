"""Reading: the outputs of a BERT for one text, as NumPy arrays.

Chapter: notebooks/00_start_here.ipynb.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
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
    """The outputs of a BERT for a text of T tokens, [CLS] and [SEP] included. All arrays are float32 NumPy arrays.

    Attributes:
        text, pair: the texts; `pair` is None for a single text.
        tokens: list of T strings.
        ids, type_ids: lists of T integers.
        offsets: list of T (start, end), the characters of each token in its text, end exclusive. None for [CLS], [SEP].
        segments: list of T integers, 0 for tokens of `text` and 1 for those of `pair`. None for [CLS] and [SEP].
        attention: `[L, N, T, T]`, attention weights of all layers and heads, with queries on the third axis and keys on
            the last.
        encoder_outputs: `[L, T, D]`, outputs of all layers.
        embedding_output: `[T, D]`, input of the first layer.
        pooled_output: `[D]`, or None if the model was published without a pooler.
        model: str, name of the model.
        queries, keys, values: `[L, N, T, H]`, or None without `return_qkv`.
        sites: dict, name of a site -> its array without the batch axis, for those in `return_sites`; for
            "pooled_output" None, if the model was published without a pooler.

    Pruned heads (see `be.prune`) are included, so that the others keep their numbers; their arrays are 0.
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
    sites: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(
        cls,
        text: str,
        pair: str | None,
        encoded: Encoded,
        outputs: Mapping[str, Any],
        model: str,
        return_sites: Iterable[str] = (),
    ) -> Reading:
        """Return the reading of an encoded text from the outputs of a `BertEncoder` for a batch of one.

        `attention_scores` becomes `attention`, and the outputs named in `return_sites` become `sites`. The other
        outputs become the attributes of the same name; those without one are left out.
        """
        arrays = {name: _unbatched(output) for name, output in outputs.items()}
        arrays["attention"] = arrays.pop("attention_scores")
        sites = {name: arrays[name] for name in return_sites}
        values = {**encoded._asdict(), **arrays, "sites": sites}
        names = {field.name for field in dataclasses.fields(cls)}
        return cls(text=text, pair=pair, model=model, **{name: values[name] for name in values.keys() & names})

    @property
    def sequence_output(self) -> np.ndarray:
        """`[T, D]`, the last layer's output."""
        return self.encoder_outputs[-1]

    def __repr__(self) -> str:
        layers, heads = self.attention.shape[:2]
        return f"Reading({' '.join(self.tokens)!r}: {len(self.tokens)} tokens, {layers} layers of {heads} heads)"

    def plot(self, layer: int | None = None, head: int | None = None) -> Any:
        """Plot the attention weights with matplotlib: of all heads, of one layer's heads, or of one head.

        Args:
            layer: int, index of a layer. Defaults to None, all layers.
            head: int, index of a head in `layer`. Defaults to None, all heads.

        Returns:
            matplotlib Axes, or an array of them.

        Raises:
            ValueError: `layer` or `head` is out of range, or `head` is passed without `layer`.
        """
        from bertedu import plots

        self._check_indices(layer, head)
        if layer is None:
            return plots.model(self.attention, self.tokens, title=f"Every head of {self.model}")
        if head is None:
            return plots.layer(self.attention[layer], self.tokens, title=f"{self.model}, layer {layer}")
        return plots.head(self.attention[layer, head], self.tokens, title=f"{self.model}, layer {layer}, head {head}")

    picture = renamed_attribute("picture", "plot")

    def _check_indices(self, layer, head):
        if head is not None and layer is None:
            raise ValueError(f"layer: expected the layer of head {head}, got None.")
        for name, index, count in zip(("layer", "head"), (layer, head), self.attention.shape, strict=False):
            if index is not None:
                position(name, index, count)

    def view(self, kind: str = "model", **options: Any) -> View:
        """Return an interactive view of the attention weights for the browser, with a `save` method for .html files.

        Args:
            kind: "model" (all heads as thumbnails, one enlarged), "head" (lines between tokens for the heads of a
                layer), or "neuron" (elements of queries and keys; for a reading with `return_qkv=True`).
            options: other arguments of `be.model_view`, `be.head_view` or `be.neuron_view`, such as `layer` and `head`.

        Returns:
            A `bertedu.views.View`.

        Raises:
            ValueError: `kind` is unknown, a layer or head is out of range, or "neuron" without queries and keys.
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
            expected = 'kind: expected "model" or "head" for a reading without queries and keys, got "neuron"'
            raise ValueError(f"{expected}. Read the text with return_qkv=True.")
        options.setdefault("attention", self.attention)
        return views.neuron_view(self.queries, self.keys, self.tokens, **options)

    def show(self, view: str = "model", **options: Any) -> None:
        """Show an interactive view in a notebook, with a static figure for viewers that run no JavaScript.

        Args:
            view: "model", "head" or "neuron", the `kind` of `view`.
            options: see `view`.
        """
        self.view(view, **options).show()

    def save(self, path: str | Path, layer: int | None = None, head: int | None = None) -> Path:
        """Save `plot(layer, head)` as .png, .svg or .pdf and return the path.

        Raises:
            ValueError: the suffix of `path` is unknown.
            FileNotFoundError: the folder does not exist.
        """
        from bertedu import plots

        axes = self.plot(layer, head)
        try:
            return plots.save(axes, path)
        finally:
            plots.close(axes)


def _unbatched(output):
    """Return an output for a batch of one without the batch axis and in float32, lists stacked."""
    if isinstance(output, list):
        return np.stack([_unbatched(tensor) for tensor in output])
    return None if output is None else np.asarray(output[0], "float32")

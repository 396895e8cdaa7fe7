"""Reading: what a BERT did with a text, every number of it.

Chapter: notebooks/00_start_here.ipynb.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, repr=False)
class Reading:
    """What a BERT did with a text. T tokens, [CLS] and [SEP] included.

    Attributes:
        text, pair: what was read.
        tokens: list of T strings.
        ids, type_ids: lists of T integers.
        offsets: list of T: (start, end) of the token's characters in its text, end exclusive; None for [CLS], [SEP].
        segments: list of T: 0 for tokens of `text`, 1 for those of `pair`, None for [CLS] and [SEP].
        attention: `[L, N, T, T]`: how much token t (third axis) looks at token s (fourth), by layer and head.
        encoder_outputs: `[L, T, D]`, each layer's output.
        embedding_output: `[T, D]`, what enters the first layer.
        pooled_output: `[D]`, or None where the model was published without a pooler.
        model: the name of the model.
        queries, keys, values: `[L, N, T, H]` each, or None where they were not asked for (`return_qkv`).
    """

    text: str
    pair: str | None
    tokens: list
    ids: list
    type_ids: list
    offsets: list
    segments: list
    attention: np.ndarray
    encoder_outputs: np.ndarray
    embedding_output: np.ndarray
    pooled_output: np.ndarray | None
    model: str
    queries: np.ndarray | None = None
    keys: np.ndarray | None = None
    values: np.ndarray | None = None

    @property
    def sequence_output(self):
        """`[T, D]`, the last layer's output."""
        return self.encoder_outputs[-1]

    def __repr__(self):
        layers, heads = self.attention.shape[:2]
        return f"Reading({' '.join(self.tokens)!r}: {len(self.tokens)} tokens, {layers} layers of {heads} heads)"

    def picture(self, layer=None, head=None):
        """A matplotlib picture of the attention: every head, one layer's heads, or (with both) one head.

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

    def _check_choice(self, layer, head):
        if head is not None and layer is None:
            raise ValueError(f"head={head} needs its layer as well.")
        for name, chosen, count in zip(("layer", "head"), (layer, head), self.attention.shape, strict=False):
            if chosen is not None and not 0 <= chosen < count:
                raise ValueError(f"{name}={chosen} is not there: {self.model} has {name}s 0 to {count - 1}.")

    def view(self, kind="model", **options):
        """A view of the attention for the browser: to show, to close, and to `save` as one interactive .html.

        Args:
            kind: "model" (every head, one of them large), "head" (lines from token to token, by head), or "neuron"
                (queries, keys and what comes of them; for a reading with `return_qkv=True`).
            options: further arguments of `be.model_view`, `be.head_view` or `be.neuron_view`: `layer`, `head`, ...

        Returns:
            a `bertedu.views.View`.

        Raises:
            ValueError: another kind, a layer or head that is not there, or "neuron" without queries and keys.
        """
        from bertedu import views

        options = {"title": f"Every head of {self.model}" if kind == "model" else self.model} | options
        if kind == "model":
            return views.model_view(self.attention, self.tokens, **options)
        if kind == "head":
            return views.head_view(self.attention, self.tokens, **{"segments": self.segments} | options)
        if kind != "neuron":
            raise ValueError(f'kind must be "model", "head" or "neuron", got {kind!r}.')
        if self.queries is None:
            raise ValueError("The neuron view needs queries and keys: read the text with return_qkv=True.")
        return views.neuron_view(self.queries, self.keys, self.tokens, **{"attention": self.attention} | options)

    def show(self, view="model", **options):
        """Shows a view: in a notebook live, above it a picture that stays where nothing live can run.

        Args:
            view: "model", "head" or "neuron", as `kind` of `view`.
            options: as there.
        """
        self.view(view, **options).show()

    def save(self, path, layer=None, head=None):
        """Saves `picture(layer, head)` as .png, .svg or .pdf, by the ending of `path`, and returns the path.

        Raises:
            ValueError: another ending. FileNotFoundError: no such folder.
        """
        from bertedu import plots

        axes = self.picture(layer, head)
        try:
            return plots.save(axes, path)
        finally:
            plots.close(axes)

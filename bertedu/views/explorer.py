"""Explorer: a page that reads text as you type and shows its tokens, attention, head statistics, and token vectors.

Each edit is read in the kernel by a `Reader` and gets a number, so a page that still shows an older text gets the
attention of that text. The lines are those of the head view. With heads, attention or layers switched off, the page
shows the results of the unedited model too, the original. Chapter: 12.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from bertedu.checks import position, positions
from bertedu.views import arrays
from bertedu.views.head import HeadView
from bertedu.views.reader import Edits, Reader, ReadText
from bertedu.views.view import Answer, View

MAX_CACHED, MAX_CACHED_NBYTES = 4, 200_000_000  # latest texts that a page can ask about; at least one
MAX_PREDICTED = 64  # tokens whose prediction a saved page contains: each takes a forward pass


class CachedText(NamedTuple):
    """A text that was read, the head view of its attention, and that of its attention without edits."""

    text: ReadText
    view: HeadView
    original: HeadView | None


class Explorer(View):
    """An interactive page over a model, as `be.explorer` returns it.

    Attributes:
        reader: the `Reader`.
        alt: str, the alt text, of the first text; `nbytes` and `saved_nbytes` as in `View`.
    """

    kind = "explorer"
    styles = ("head", "explorer")

    def __init__(self, reader: Reader, text: str, pair: str = "") -> None:
        self.reader, self.description = reader, reader.describe()
        self._cached: dict[int, CachedText] = {}
        self._count = 0
        self._page_state = {"layer": 0, "heads": None, "hidden_state": self.description["num_layers"], "token": None}
        view, name = self._read(text, pair, {}).view, self.description["name"]
        super().__init__(view.tokens, f"Explorer: {name}", view.attention.shape[:2], view.layer_nbytes)

    @property
    def reading(self) -> Any:
        """The reading of the page's current text; for `be.explorer` a `Reading`."""
        return self._latest.text.reading

    @property
    def layer(self) -> int:
        """int, the layer that the page shows."""
        return self._page_state["layer"]

    @property
    def _latest(self) -> CachedText:
        return self._cached[self._count]

    def __repr__(self) -> str:
        text = arrays.label(arrays.visible(self._latest.text.message["texts"][0]))
        return f"explorer of {self.description['name']}, at {text!r}"

    # ---- requests of the page ----------------------------------------------------------------------------------------

    def setup(self) -> dict[str, Any]:
        """Return the page's initial state."""
        return {
            **self._page_state,
            "title": self.title,
            "notes": [],
            "description": self.description,
            "reading": self._message(self._count),
        }

    def first_part(self) -> str:
        """Return the name of the part with the selected layer of the latest text."""
        return f"{self._count}/layer/{self.layer}"

    def part_names(self, layers: Iterable[int]) -> list[str]:
        """Return the names of the parts with the latest text's layers."""
        runs = ("",) if self._latest.original is None else ("", "original/")
        return [f"{self._count}/{run}layer/{layer}" for run in runs for layer in layers]

    def part(self, name: str) -> bytes:
        """Return a layer's weights, `[N, T, T]`, of the text with the number before the first slash."""
        number, rest = name.split("/", 1)
        return self._view(int(number), rest.startswith("original/")).part(rest.removeprefix("original/"))

    def exact(self, *, reading: int, original: bool = False, **question: Any) -> bytes:
        """Return the head view's exact weights, of the text with that number."""
        return self._view(reading, original).exact(**question)

    def questions(self) -> dict[str, Any]:
        """Return a function for each request of the page: those of a `Reader`, and "choose"."""
        return super().questions() | {
            "read": self._answer_read,
            "projection": lambda reading, hidden_state: (self._text(reading).text.projection(hidden_state), b""),
            "similarity": lambda reading: ({"similarity": self._text(reading).text.similarity()}, b""),
            "fill_mask": lambda reading, token: (self.reader.fill_mask(self._text(reading).text, token), b""),
            "choose": self._choose,
        }

    def _answer_read(self, *, text: str, pair: str, edits: Edits, layer: int, hidden_state: int) -> Answer:
        layer = position("layer", layer, self.layers)
        hidden_state = position("hidden_state", hidden_state, self.layers + 1)
        cached = self._read(text, pair, edits)
        self._page_state |= {"layer": layer, "hidden_state": hidden_state, "token": None}
        return {"reading": self._message(self._count)}, cached.view.part(f"layer/{layer}")

    def _choose(self, *, layer: int, heads: list[int], hidden_state: int, token: int | None) -> Answer:
        """Store what the page shows, for `save`."""
        layer = position("layer", layer, self.layers)
        chosen = positions("heads", heads, self.head_count) if heads else None
        self._page_state = {"layer": layer, "heads": chosen, "hidden_state": hidden_state, "token": token}
        return {}, b""

    def _message(self, number: int) -> dict[str, Any]:
        """Return the message about a text: its number, the reader's message, and the current projection."""
        text = self._text(number).text
        return {"number": number, **text.message, "projection": text.projection(self._page_state["hidden_state"])}

    # ---- texts -------------------------------------------------------------------------------------------------------

    def _read(self, text: str, pair: str, edits: Edits) -> CachedText:
        """Read a text or a pair of texts, and cache the result under the next number."""
        read = self.reader.read(text, pair, edits)
        tokens, segments, signed = (read.message[key] for key in ("tokens", "segments", "signed"))
        options = {"segments": segments, "signed": signed}
        view = HeadView(read.attention, tokens, **options)
        original = None if read.original is None else HeadView(read.original, tokens, **options)
        self._count += 1
        self._cached[self._count] = CachedText(read, view, original)
        self.tokens, self.labels = view.tokens, view.labels
        self.layer_nbytes = view.layer_nbytes * (1 if original is None else 2)
        newest = sorted(self._cached, reverse=True)
        sizes = np.cumsum([self._cached[number].text.nbytes for number in newest])
        for rank, number in enumerate(newest):
            if rank >= MAX_CACHED or (rank and sizes[rank] > MAX_CACHED_NBYTES):
                del self._cached[number]
        return self._latest

    def _text(self, number: int) -> CachedText:
        if number not in self._cached:
            raise KeyError(f"reading {number} is no longer cached")
        return self._cached[number]

    def _view(self, number: int, original: bool) -> HeadView:
        """Return the head view of a text's attention, or of that without edits."""
        cached = self._text(number)
        view = cached.original if original else cached.view
        if view is None:
            raise KeyError(f"reading {number} has no edits")
        return view

    # ---- figure and file ---------------------------------------------------------------------------------------------

    def axes(self) -> Any:
        """Plot the heads of the selected layer, for the latest text."""
        from bertedu import plots

        text = arrays.visible(" / ".join(filter(None, self._latest.text.message["texts"])))
        text = text if len(text) <= 60 else text[:59] + "…"
        edits = self._latest.text.message["edits"]
        off = sum(len(indices) for indices in edits.values())
        name = f"{self.description['name']}, layer {self.layer}{f' ({off} switched off)' if off else ''}: {text}"
        return plots.layer(self._latest.text.attention[self.layer], self.labels, title=name)

    def _saved_figure(self) -> dict[str, Any]:
        return self._rendered(self.axes())[0]  # of the latest text; the figure in a notebook is of the first

    @property
    def saved_nbytes(self) -> int:
        """int, size in bytes of a saved .html with every layer, which is created to measure it."""
        return len(self._page(list(range(self.layers))).encode())

    def saved_setup(self, layers: list[int]) -> dict[str, Any]:
        """Return the latest text with all projections, and the predictions for its first tokens."""
        text = self._latest.text
        tokens = [token for token, offset in enumerate(text.message["offsets"]) if offset is not None]
        tokens = tokens[:MAX_PREDICTED] if self.description["can_fill_mask"] else []
        return super().saved_setup(layers) | {
            "projections": [text.projection(state) for state in range(self.layers + 1)],
            "predictions": {str(token): self.reader.fill_mask(text, token) for token in tokens},
            "similarity": text.similarity(),
        }

"""Explorer: a page that reads what is typed: its tokens, its heads as lines and in numbers, its vectors.

Each edit goes to the kernel, is read there by a `Reader`, and comes back with a number of its own: a page that shows an
older text still gets that text's attention, and never another's. Lines are the head view's. Chapter: 12.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from bertedu.checks import position, positions
from bertedu.views import arrays
from bertedu.views.head import HeadView
from bertedu.views.reader import Edits, Reader, ReadText
from bertedu.views.view import Answer, View

MAX_KEPT, MAX_KEPT_NBYTES = 4, 200_000_000  # texts that a page may still ask about; the latest always
MAX_PREDICTED = 64  # words whose prediction a saved page holds: each takes a forward pass


class Kept(NamedTuple):
    """A text that was read, and the view of its heads."""

    text: ReadText
    view: HeadView


class Explorer(View):
    """What `be.explorer` returns.

    Attributes:
        reader: the `Reader` that reads.
        alt: str, a description of the first text; and `nbytes` and `saved_nbytes`, as of every view.
    """

    kind = "explorer"
    styles = ("head", "explorer")

    def __init__(self, reader: Reader, text: str, pair: str = "") -> None:
        self.reader, self.description = reader, reader.describe()
        self._kept: dict[int, Kept] = {}
        self._count = 0
        self._chosen_in_page = {"layer": 0, "heads": None, "place": self.description["num_layers"], "token": None}
        view = self._read(text, pair, {}).view
        super().__init__(
            view.tokens, f"Explorer: {self.description['name']}", view.attention.shape[:2], view.layer_nbytes
        )

    @property
    def reading(self) -> Any:
        """The latest reading, of the text in the page: for `be.explorer` a `Reading`."""
        return self._latest.text.reading

    @property
    def layer(self) -> int:
        """The layer that the page shows."""
        return self._chosen_in_page["layer"]

    @property
    def _latest(self) -> Kept:
        return self._kept[self._count]

    def __repr__(self) -> str:
        text = arrays.label(arrays.visible(self._latest.text.message["texts"][0]))
        return f"explorer of {self.description['name']}, at {text!r}"

    # ---- what the page asks for --------------------------------------------------------------------------------------

    def setup(self) -> dict[str, Any]:
        """Return what the page must know first."""
        return {
            **self._chosen_in_page,
            "title": self.title,
            "notes": [],
            "description": self.description,
            "reading": self._message(self._count),
        }

    def first_part(self) -> str:
        """Return the name of the chosen layer of the latest text."""
        return f"{self._count}/layer/{self.layer}"

    def part_names(self, layers: Iterable[int]) -> list[str]:
        """Return the names of the latest text's layers."""
        return [f"{self._count}/layer/{layer}" for layer in layers]

    def part(self, name: str) -> bytes:
        """Return a layer's weights, `[N, T, T]`, of the text whose number stands before the first slash."""
        number, rest = name.split("/", 1)
        return self._of(int(number)).view.part(rest)

    def exact(self, *, reading: int, **question: Any) -> bytes:
        """Return what the head view returns, for the text with that number."""
        return self._of(reading).view.exact(**question)

    def questions(self) -> dict[str, Any]:
        """Return what the page may ask, by name: all that a `Reader` answers, and "choose"."""
        return super().questions() | {
            "read": self._answer_read,
            "projection": lambda reading, place: (self._of(reading).text.projection(place), b""),
            "similarity": lambda reading: ({"similarity": self._of(reading).text.similarity()}, b""),
            "fill_mask": lambda reading, token: (self.reader.fill_mask(self._of(reading).text, token), b""),
            "choose": self._choose,
        }

    def _answer_read(self, *, text: str, pair: str, edits: Edits, layer: int, place: int) -> Answer:
        layer = position("layer", layer, self.layers)
        place = position("place", place, self.layers + 1)
        kept = self._read(text, pair, edits)
        self._chosen_in_page |= {"layer": layer, "place": place, "token": None}
        return {"reading": self._message(self._count)}, kept.view.part(f"layer/{layer}")

    def _choose(self, *, layer: int, heads: list[int], place: int, token: int | None) -> Answer:
        """Keep what the page shows, so that a saved one shows it too."""
        layer = position("layer", layer, self.layers)
        chosen = positions("heads", heads, self.head_count) if heads else None
        self._chosen_in_page = {"layer": layer, "heads": chosen, "place": place, "token": token}
        return {}, b""

    def _message(self, number: int) -> dict[str, Any]:
        """Return what the page gets of a text: its number, the reader's message, and the projection in sight."""
        text = self._of(number).text
        return {"number": number, **text.message, "projection": text.projection(self._chosen_in_page["place"])}

    # ---- texts -------------------------------------------------------------------------------------------------------

    def _read(self, text: str, pair: str, edits: Edits) -> Kept:
        """Read a text, or two, and keep the result under the next number."""
        read = self.reader.read(text, pair, edits)
        tokens, segments, signed = (read.message[key] for key in ("tokens", "segments", "signed"))
        view = HeadView(read.attention, tokens, segments=segments, signed=signed)
        self._count += 1
        self._kept[self._count] = Kept(read, view)
        self.tokens, self.labels, self.layer_nbytes = view.tokens, view.labels, view.layer_nbytes
        newest = sorted(self._kept, reverse=True)
        sizes = np.cumsum([self._kept[number].text.nbytes for number in newest])
        for rank, number in enumerate(newest):
            if rank >= MAX_KEPT or (rank and sizes[rank] > MAX_KEPT_NBYTES):
                del self._kept[number]
        return self._latest

    def _of(self, number: int) -> Kept:
        if number not in self._kept:
            raise KeyError(f"reading {number} is no longer kept")
        return self._kept[number]

    # ---- figure and file ---------------------------------------------------------------------------------------------

    def axes(self) -> Any:
        """Return the heads of the chosen layer, for the latest text."""
        from bertedu import plots

        text = arrays.visible(" / ".join(filter(None, self._latest.text.message["texts"])))
        name = f"{self.description['name']}, layer {self.layer}: {text if len(text) <= 60 else text[:59] + '…'}"
        return plots.layer(self._latest.text.attention[self.layer], self.labels, title=name)

    def _saved_picture(self) -> dict[str, Any]:
        return self._rendered(self.axes())[0]  # of the latest text, while the notebook's stays the first

    @property
    def saved_nbytes(self) -> int:
        """Bytes of a saved .html with every layer, which is written for it."""
        return len(self._page(list(range(self.layers))).encode())

    def saved_setup(self, layers: list[int]) -> dict[str, Any]:
        """Return the latest text with all projections, and the predictions for its first words."""
        text = self._latest.text
        words = [token for token, offset in enumerate(text.message["offsets"]) if offset is not None]
        words = words[:MAX_PREDICTED] if self.description["can_fill_mask"] else []
        return super().saved_setup(layers) | {
            "projections": [text.projection(place) for place in range(self.layers + 1)],
            "predictions": {str(token): self.reader.fill_mask(text, token) for token in words},
            "similarity": text.similarity(),
        }

"""Explore: a page over a `Bert` that reads what is typed: its tokens, its heads as lines and in numbers, its vectors.

Each edit goes to the kernel with a sequence number, is read there by `bert.read`, and comes back as a *reading* with a
number of its own: a page that shows an older one still gets that one's weights, and never those of another text.
What the page shows it computes nowhere else: statistics and planes are `analysis`', guesses `bert.fill_mask`'s, the
likeness of two texts `bert.embed`'s, and lines are the head view's. Chapter: 12.
"""

import functools
import re
import time
import warnings
from pathlib import Path

import numpy as np

from bertedu import analysis, views
from bertedu.bert import Bert
from bertedu.views import arrays, common
from bertedu.vocabulary import LONE_SURROGATES

HERE = Path(__file__).parent
TEXT = "The cat sat on the mat."
KEPT, KEPT_NBYTES = 4, 200_000_000  # readings that a page may still ask about; the latest always
MOST_CHARACTERS = 20_000  # of a text; no BERT reads as many, and a book pasted by mistake should not take a minute
MOST_NUMBERS = 40_000_000  # of attention, for statistics: 12 layers of 12 heads at 512 tokens take a third of a second
ANSWERS = 5
MOST_GUESSED = 64  # words that a saved page knows the guesses for: each takes a reading
GUESSER = "This model was published without a head for it; the one that answers knows Python's documentation only."
MEASURES = {  # attributes of `analysis.HeadStatistics`, their words, and in what they are counted
    "entropy": ("entropy", "bits"),
    "distance": ("distance", "tokens"),
    "previous": ("share on the previous token", ""),
    "next": ("share on the next token", ""),
    "itself": ("share on the token itself", ""),
    "same_word": ("share on the same word elsewhere", ""),
    "cls": ("share on [CLS]", ""),
    "sep": ("share on [SEP]", ""),
    "punctuation": ("share on punctuation", ""),
}


def explorer(bert, text=TEXT, pair=None):
    """A live page over a model: type a text, or two, and see what the model does with it.

    Args:
        bert: a `Bert`, as `be.load` returns it.
        text: str, what is read first.
        pair: str or None, the second text; an empty one counts as none.

    Returns:
        An `Explorer`: a notebook shows it as the last value of a cell; `save("page.html")` writes it as it stands.

    Raises:
        TypeError: `bert` is no `Bert`, or a text is no string. ValueError: the model's weights are not finite.

    Example:
        >>> import bertedu as be
        >>> words = "[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat on mat dog ran it was warm un ##want ##ed . ,".split()
        >>> encoder = be.BertEncoder(20, hidden_size=6, num_layers=2, num_attention_heads=3, inner_dim=8)
        >>> page = explorer(be.Bert(be.BertTokenizer(words), encoder), "The unwanted cat")
        >>> page.reading.tokens
        ['[CLS]', 'the', 'un', '##want', '##ed', 'cat', '[SEP]']
    """
    if not isinstance(bert, Bert):
        raise TypeError(f"bert must be a Bert, as be.load returns it, got {type(bert).__name__}.")
    return Explorer(bert, _string("text", text), None if pair is None else _string("pair", pair))


class Explorer(views.View):
    """What `explorer` returns.

    Attributes:
        bert: the `Bert` that reads.
        alt: str, the first reading in words; and `nbytes` and `saved_nbytes`, as of every view.
    """

    kind = "explorer"

    def __init__(self, bert, text, pair):
        self.bert = bert
        self._moments, self._count = {}, 0
        self._chosen_in_page = {"layer": 0, "heads": None, "place": bert.encoder.num_layers, "token": None}
        self._read(text, pair)  # compiles what the page will use; its time would say nothing about the next
        moment = self._read(text, pair)
        shape = moment.view.attention.shape[:2]
        super().__init__(moment.view.tokens, f"Explorer: {arrays.visible(bert.name)}", shape, moment.view.layer_nbytes)

    @property
    def reading(self):
        """The latest `Reading`, of what stands in the page."""
        return self._now.reading

    @property
    def layer(self):
        """The layer that the page shows."""
        return self._chosen_in_page["layer"]

    @property
    def _now(self):
        return self._moments[self._count]

    # ---- what the page asks for ----

    def setup(self):
        """What the page must know first."""
        encoder = self.bert.encoder
        return {
            "title": self.title,
            "model": f"{encoder.num_layers} layers of {encoder.num_attention_heads} heads, {encoder.hidden_size} wide",
            "notes": [],
            "texts": [self.reading.text, self.reading.pair or ""],
            **self._chosen_in_page,
            "heads": self.head_count,
            "depth": encoder.num_layers,
            "chosen": self._chosen_in_page["heads"] or list(range(self.head_count)),
            "masked": self.bert.can_fill_mask,
            "guesser": "" if self.bert.masked_lm else GUESSER,
            "measures": [[name, *words] for name, words in MEASURES.items()],
            "reading": self._now.summary(self._chosen_in_page["place"]),
        }

    def first_part(self):
        """The chosen layer of the latest reading."""
        return f"{self._count}/layer/{self.layer}"

    def part_names(self, layers):
        """A part a layer, of the latest reading."""
        return [f"{self._count}/layer/{layer}" for layer in layers]

    def part(self, name):
        """A layer's weights, `[N, T, T]`, of the reading whose number stands before the first slash."""
        number, rest = name.split("/", 1)
        return self._moment(int(number)).view.part(rest)

    def exact(self, *, reading, **wanted):
        """As the head view's, of the reading with that number."""
        return self._moment(reading).view.exact(**wanted)

    def answer(self, question):
        """The answer to a page's question: a dict for JSON, and bytes.

        Raises:
            KeyError, TypeError, ValueError: an unknown question, or one about a reading that is no longer kept.
        """
        wanted = {key: value for key, value in question.items() if key not in ("ask", "number")}
        if question["ask"] == "read":
            return self._answer_read(**wanted)
        if question["ask"] == "plane":
            return {"plane": self._moment(wanted["reading"]).plane(wanted["place"])}, b""
        if question["ask"] == "likeness":
            return {"likeness": self._moment(wanted["reading"]).likeness}, b""
        if question["ask"] == "guess":
            return {"guess": self._moment(wanted["reading"]).guess(wanted["token"])}, b""
        if question["ask"] == "choose":
            return self._choose(**wanted), b""
        return super().answer(question)

    def _answer_read(self, *, sequence, text, pair, layer, place):
        layer = arrays.choice("layer", layer, self.bert.encoder.num_layers)
        moment = self._read(_string("text", text), _string("pair", pair))
        self._chosen_in_page |= {"layer": layer, "place": place, "token": None}
        self.tokens, self.labels, self.layer_nbytes = moment.view.tokens, moment.view.labels, moment.view.layer_nbytes
        return {"sequence": sequence, "reading": moment.summary(place)}, moment.view.part(f"layer/{layer}")

    def _choose(self, *, layer, heads, place, token):
        """Keeps what the page shows, so that a saved one shows it too."""
        layer = arrays.choice("layer", layer, self.layers)
        heads = [arrays.choice("heads", head, self.head_count) for head in heads]
        self._chosen_in_page = {"layer": layer, "heads": heads or None, "place": place, "token": token}
        return {}

    # ---- readings ----

    def _read(self, text, pair):
        """Reads what came, and keeps it under the next number. Returns the `Moment`."""
        texts = [text, pair or None]
        notes = []
        for i, name in enumerate(("The text", "The second text")):
            if texts[i] and len(texts[i]) > MOST_CHARACTERS:
                notes.append(
                    f"{name} has {len(texts[i]):,} characters, and the page reads {MOST_CHARACTERS:,} of them."
                )
                texts[i] = texts[i][:MOST_CHARACTERS]
        longest = None if self.bert.max_length <= arrays.MOST_TOKENS else arrays.MOST_TOKENS
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            start = time.perf_counter()
            reading = self.bert.read(*texts, max_length=longest)
            seconds = time.perf_counter() - start
        notes += [str(warning.message) for warning in said if warning.category is UserWarning]
        moment = Moment(self.bert, reading, self._count + 1, seconds, notes)
        self._count += 1
        self._moments[self._count] = moment
        self._forget()
        return moment

    def _forget(self):
        """Lets go of the oldest readings, beyond `KEPT` of them or `KEPT_NBYTES`."""
        newest = sorted(self._moments, reverse=True)
        sizes = np.cumsum([self._moments[number].nbytes for number in newest])
        for rank, number in enumerate(newest):
            if rank >= KEPT or (rank and sizes[rank] > KEPT_NBYTES):
                del self._moments[number]

    def _moment(self, number):
        if number not in self._moments:
            raise KeyError(f"reading {number} is no longer kept")
        return self._moments[number]

    # ---- picture, live page, file ----

    def axes(self):
        """The chosen layer's heads of the latest reading."""
        from bertedu import plots

        text = arrays.visible(" / ".join(filter(None, (self.reading.text, self.reading.pair))))
        name = f"{self.bert.name}, layer {self.layer}: {text if len(text) <= 60 else text[:59] + '…'}"
        return plots.layer(self.reading.attention[self.layer], self.labels, title=name)

    @property
    def saved_nbytes(self):
        """Bytes of a saved .html with every layer, which is written for it."""
        return len(self._page(list(range(self.layers))).encode())

    def __repr__(self):
        return f"explorer of {self.bert!r}, at {arrays.label(arrays.visible(self.reading.text))!r}"

    def saved_picture(self):
        """Of the latest reading, while what a notebook shows stays the first."""
        from bertedu import plots

        axes = self.axes()
        try:
            return plots.describe(axes), common.smaller(plots.png(axes, dpi=plots.SCREEN_DPI))
        finally:
            plots.close(axes)

    def program(self):
        """The head view's, and its own."""
        return _program()

    def saved_setup(self, layers):
        """The latest reading, with every plane and the guesses for its first words."""
        planes = [self._now.plane(place) for place in range(self.layers + 1)]
        found = {"planes": planes, "guesses": self._now.guesses(), "likeness": self._now.likeness}
        return super().saved_setup(layers) | found


class Moment:
    """One reading, and what the page shows of it."""

    def __init__(self, bert, reading, number, seconds, notes):
        self.bert, self.reading, self.number, self.seconds, self.notes = bert, reading, number, seconds, notes
        self.view = views.head_view(reading.attention, reading.tokens, segments=reading.segments)
        self.nbytes = sum(getattr(reading, name).nbytes for name in ("attention", "encoder_outputs"))

    def summary(self, place):
        """All but the weights, as JSON takes it; `place` is that of the plane, see `plane`."""
        reading = self.reading
        return {
            "number": self.number,
            "milliseconds": round(1000 * self.seconds, 1),
            "notes": self.notes,
            "head": self.view.setup(),
            "ids": [int(i) for i in reading.ids],
            "types": [int(i) for i in reading.type_ids],
            "offsets": [list(place) if place else None for place in reading.offsets],
            "statistics": self.statistics,
            "plane": self.plane(place),
            "pair": self.reading.pair is not None,
        }

    @functools.cached_property
    def statistics(self):
        """The numbers of `MEASURES` and the labels, a row a layer; or a note where there are none."""
        if self.reading.attention.size > MOST_NUMBERS:
            return {"note": "So long a text has its statistics by be.analysis.head_statistics only: they take a while."}
        try:
            found = analysis.head_statistics(self.reading.attention, self.reading.tokens)
        except ValueError as error:  # talking heads
            return {"note": str(error)}
        values = {name: np.round(getattr(found, name), 6).tolist() for name in MEASURES}
        return {"values": values, "labels": found.labels.tolist(), "words": found.words}

    def plane(self, place):
        """The tokens in two dimensions, from the vectors before the first layer (place 0) or after layer place - 1."""
        place = arrays.choice("place", place, len(self.reading.encoder_outputs) + 1)
        vectors = self.reading.encoder_outputs[place - 1] if place else self.reading.embedding_output
        if len(vectors) < 3 or vectors.shape[1] < 2:
            return {"place": place, "points": None}
        points, shares = analysis.principal_components(vectors)
        return {"place": place, "points": np.round(points, 5).tolist(), "shares": np.round(shares, 5).tolist()}

    @functools.cached_property
    def likeness(self):
        """The cosine similarity of the two texts' vectors and how those are made, or None where there is one text."""
        if self.reading.pair is None:
            return None
        vectors = self.bert.embed([self.reading.text, self.reading.pair], progress=False)
        return {"cosine": float(analysis.similarity(vectors)[0, 1]), "pooling": self.bert.embed_settings.pooling}

    def guess(self, token):
        """What the model would write in place of a token's whole word: the text that it is asked, and its answers.

        Raises:
            ValueError: the model has no masked-LM head, or there is no word, as at [CLS].
        """
        texts, ordinal, word = self._with_mask(arrays.choice("token", token, len(self.reading.tokens)))
        answers = self.bert.fill_mask(*texts, top_k=ANSWERS)[ordinal]
        segment = self.reading.segments[token]
        return {
            "token": token,
            "word": arrays.visible(word),
            "asked": texts[segment],
            "answers": [[arrays.visible(answer), chance] for answer, chance in answers],
        }

    def guesses(self):
        """`guess` for each of the first words, by the number of a token as a string; for a saved page."""
        places = [i for i, place in enumerate(self.reading.offsets) if place] if self.bert.can_fill_mask else []
        return {str(i): self.guess(i) for i in places[:MOST_GUESSED]}

    def _with_mask(self, token):
        """The texts with [MASK] in place of a token's word, how many [MASK] stand before it, and the word."""
        reading, tokenizer = self.reading, self.bert.tokenizer
        if reading.offsets[token] is None:
            raise ValueError(f"{reading.tokens[token]} stands for no word of the text: there is nothing to guess.")
        first = last = token
        while reading.tokens[first].startswith("##") and reading.offsets[first - 1]:
            first -= 1
        while reading.tokens[last + 1].startswith("##"):  # a [SEP] ends every text
            last += 1
        start, end = reading.offsets[first][0], reading.offsets[last][1]
        texts = [reading.text, reading.pair]
        if self.notes:  # it was cut, and what was cut off must not come back
            texts = [text and text[: self._end(segment)] for segment, text in enumerate(texts)]
        text = texts[reading.segments[token]]
        texts[reading.segments[token]] = f"{text[:start]}{tokenizer.mask_token}{text[end:]}"
        return texts, reading.ids[:first].count(tokenizer.mask_id), text[start:end]

    def _end(self, segment):
        """Where the last token of a text ends, in characters."""
        places = zip(self.reading.segments, self.reading.offsets, strict=True)
        return max((offsets[1] for of, offsets in places if of == segment), default=0)


@functools.cache
def _program():
    code, css = common.program("head")
    code = code.replace("async function showView(", "async function showHeadView(")  # the page has a `showView` too
    own = re.sub(r"^import\b[^;]*;\n", "", (HERE / "explore.js").read_text(encoding="utf-8"), flags=re.MULTILINE)
    own = re.sub(r"^export ", "", own, flags=re.MULTILINE)
    return f"{code}\n{own}", f"{css}\n{(HERE / 'explore.css').read_text(encoding='utf-8')}"


def _string(name, text):
    """`text` as the page's boxes hold it too: lines end in a line feed, and every character can be written."""
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a string, got {text!r:.80}.")
    return LONE_SURROGATES.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))

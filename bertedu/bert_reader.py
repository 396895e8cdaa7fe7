"""The explorer over a `Bert`: `BertReader` answers what the page asks.

It computes nothing of its own: statistics and projections are `analysis`', predictions `bert.fill_mask`'s, the
similarity of two texts `bert.embed`'s. Chapter: 12.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np

from bertedu import analysis
from bertedu.bert import Bert
from bertedu.checks import instance, position
from bertedu.fields import shown
from bertedu.reading import Reading
from bertedu.views import arrays
from bertedu.views.explorer import Explorer
from bertedu.views.head import HeadView
from bertedu.views.reader import Edits, Message
from bertedu.vocabulary import LONE_SURROGATES

TEXT = "The cat sat on the mat."
MAX_CHARACTERS = 20_000  # of a text; no BERT reads as many, and a book pasted by mistake should not take a minute
MAX_NUMBERS = 40_000_000  # of attention, for statistics: 12 layers of 12 heads at 512 tokens take a third of a second
TOP_K = 5
OF_HEAD_VIEW = {"tokens", "special", "segments", "signed"}  # what its page and the explorer's are told alike
OTHER_HEAD = "This model was published without a head for it; the one that answers knows Python's documentation only."
MEASURES = {  # attributes of `analysis.HeadStatistics`, their words, and their unit
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


def explorer(bert: Bert, text: str = TEXT, pair: str | None = None) -> Explorer:
    """A live page over a model: type a text, or two, and see what the model does with it.

    Args:
        bert: a `Bert`, as `be.load` returns it.
        text: str, the first text.
        pair: str, the second text. Defaults to none; an empty one counts as none.

    Returns:
        An `Explorer`: a notebook shows it as the last value of a cell; `save("page.html")` writes it as it stands.

    Raises:
        TypeError: `bert` is not a `Bert`, or a text is not a string. ValueError: the model's weights are not finite.

    Example:
        >>> import bertedu as be
        >>> words = "[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat on mat dog ran it was warm un ##want ##ed . ,".split()
        >>> encoder = be.BertEncoder(20, hidden_size=6, num_layers=2, num_attention_heads=3, inner_dim=8)
        >>> page = explorer(be.Bert(be.BertTokenizer(words), encoder), "The unwanted cat")
        >>> page.reading.tokens
        ['[CLS]', 'the', 'un', '##want', '##ed', 'cat', '[SEP]']
    """
    instance("bert", bert, Bert, "as be.load returns it")
    text, pair = _string("text", text), _string("pair", "" if pair is None else pair)
    reader = BertReader(bert)
    reader.read(text, pair, {})  # compiles the model, so that the page shows the time of a reading only
    return Explorer(reader, text, pair)


class BertReader:
    """A `bertedu.views.Reader` over a `Bert`."""

    def __init__(self, bert: Bert) -> None:
        self.bert = bert

    def describe(self) -> Message:
        """Return what the page says about the model."""
        encoder = self.bert.encoder
        return {
            "name": arrays.visible(self.bert.name),
            "num_layers": encoder.num_layers,
            "num_heads": encoder.num_attention_heads,
            "hidden_size": encoder.hidden_size,
            "can_fill_mask": self.bert.can_fill_mask,
            "fill_mask_note": "" if self.bert.masked_lm else OTHER_HEAD,
            "measures": [[name, *words] for name, words in MEASURES.items()],
        }

    def read(self, text: str, pair: str = "", edits: Edits | None = None) -> BertReadText:
        """Read a text, or two.

        Raises:
            TypeError: a text is not a string. ValueError: `edits` is not empty, or the attention is not finite.
        """
        if edits:
            raise ValueError(f"edits: expected none, got {shown(edits)}. This version has no interventions.")
        texts, notes = [], []
        for name, value in (("text", text), ("pair", pair)):
            texts.append(_string(name, value)[:MAX_CHARACTERS])
            if len(value) > MAX_CHARACTERS:
                which = "The text" if name == "text" else "The second text"
                notes.append(f"{which} has {len(value):,} characters, and the page reads {MAX_CHARACTERS:,} of them.")
        limit = None if self.bert.max_length <= arrays.MAX_TOKENS else arrays.MAX_TOKENS
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            start = time.perf_counter()
            reading = self.bert.read(texts[0], texts[1] or None, max_length=limit)
            seconds = time.perf_counter() - start
        notes += [str(warning.message) for warning in caught if warning.category is UserWarning]
        return BertReadText(self.bert, reading, notes, seconds)

    def fill_mask(self, read_text: BertReadText, token: int) -> Message:
        """Predict the word of a token from all others.

        Raises:
            ValueError: the model has no masked-LM head, or the token stands for no word, as [CLS].
        """
        texts, masks_before, word = read_text.with_mask(token)
        pair = texts[1] if len(texts) > 1 else None
        answers = self.bert.fill_mask(texts[0], pair, top_k=TOP_K)[masks_before]
        return {
            "token": token,
            "word": arrays.visible(word),
            "masked_text": texts[read_text.reading.segments[token] or 0],
            "answers": [[arrays.visible(answer), probability] for answer, probability in answers],
        }


class BertReadText:
    """A text that a `BertReader` has read. Attributes as of `bertedu.views.reader.ReadText`."""

    def __init__(self, bert: Bert, reading: Reading, notes: list[str], seconds: float) -> None:
        self.bert, self.reading, self.is_cut = bert, reading, bool(notes)
        view = HeadView(reading.attention, reading.tokens, segments=reading.segments)
        self.attention = view.attention
        self.nbytes = reading.attention.nbytes + reading.encoder_outputs.nbytes
        self.message = {
            **{name: value for name, value in view.setup().items() if name in OF_HEAD_VIEW},
            "texts": [reading.text, reading.pair or ""],
            "ids": [int(i) for i in reading.ids],
            "type_ids": [int(i) for i in reading.type_ids],
            "offsets": [list(offset) if offset else None for offset in reading.offsets],
            "notes": [*notes, *view.notes],
            "milliseconds": round(1000 * seconds, 1),
            "statistics": self._statistics(),
        }

    def _statistics(self) -> Message:
        if self.attention.size > MAX_NUMBERS:
            return {"note": "So long a text has its statistics by be.analysis.head_statistics only: they take a while."}
        try:
            statistics = analysis.head_statistics(self.attention, self.reading.tokens)
        except ValueError as error:  # talking heads
            return {"note": str(error)}
        values = {name: np.round(getattr(statistics, name), 6).tolist() for name in MEASURES}
        return {"values": values, "labels": statistics.labels.tolist()}

    def projection(self, place: int) -> Message:
        """Return the tokens in two dimensions, from the embeddings (place 0) or the output of layer place - 1."""
        outputs = self.reading.encoder_outputs
        place = position("place", place, len(outputs) + 1)
        vectors = outputs[place - 1] if place else self.reading.embedding_output
        if len(vectors) < 3 or vectors.shape[1] < 2:
            return {"place": place, "points": None, "variance": []}
        points, variance = analysis.principal_components(vectors)
        return {"place": place, "points": np.round(points, 5).tolist(), "variance": np.round(variance, 5).tolist()}

    def similarity(self) -> Message | None:
        """Return the cosine similarity of the two texts, or None if there is only one."""
        if self.reading.pair is None:
            return None
        vectors = self.bert.embed([self.reading.text, self.reading.pair], progress=False)
        return {"cosine": float(analysis.similarity(vectors)[0, 1]), "pooling": self.bert.embed_settings.pooling}

    def with_mask(self, token: int) -> tuple[list[str], int, str]:
        """Return the texts with [MASK] in place of a token's word, how many [MASK] stand before it, and the word.

        Raises:
            ValueError: there is no such token, or it stands for no word.
        """
        reading, tokenizer = self.reading, self.bert.tokenizer
        first = last = position("token", token, len(reading.tokens))
        segment = reading.segments[token]
        if segment is None:
            raise ValueError(f"{reading.tokens[token]} stands for no word of the text: there is nothing to predict.")
        while reading.tokens[first].startswith("##") and reading.offsets[first - 1]:
            first -= 1
        while reading.tokens[last + 1].startswith("##"):  # a [SEP] ends every text
            last += 1
        spans = [offset or (0, 0) for offset in reading.offsets]
        texts = [reading.text] if reading.pair is None else [reading.text, reading.pair]
        if self.is_cut:  # what was cut off must not come back
            ends = [[end for of, (_, end) in zip(reading.segments, spans, strict=True) if of == n] for n in (0, 1)]
            texts = [text[: max(ends[n], default=0)] for n, text in enumerate(texts)]
        start, end = spans[first][0], spans[last][1]
        word = texts[segment][start:end]
        texts[segment] = f"{texts[segment][:start]}{tokenizer.mask_token}{texts[segment][end:]}"
        return texts, reading.ids[:first].count(tokenizer.mask_id), word


def _string(name: str, text: Any) -> str:
    """Return `text` as the page's boxes hold it too: lines end in a line feed, and every character can be written."""
    instance(name, text, str)
    return LONE_SURROGATES.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))

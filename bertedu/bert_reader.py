"""The explorer's `Reader` for a `Bert`.

Statistics and projections come from `analysis`, predictions from `bert.fill_mask`, and the similarity of two texts from
`bert.embed`. Chapter: 12.
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
MAX_CHARACTERS = 20_000  # of a text; more than any BERT reads, so that a book pasted by mistake does not take a minute
MAX_STATISTICS_SIZE = 40_000_000  # attention weights; 12 layers of 12 heads at 512 tokens take a third of a second
TOP_K = 5
HEAD_VIEW_FIELDS = {"tokens", "special", "segments", "signed"}  # of HeadView.setup, in the explorer's messages too
OTHER_HEAD = "The model was published without a masked-LM head. This one was trained on Python's documentation only."
MEASURES = {  # attribute of `analysis.HeadStatistics` -> label and unit
    "entropy": ("entropy", "bits"),
    "distance": ("distance", "tokens"),
    "previous": ("weight on the previous token", ""),
    "next": ("weight on the next token", ""),
    "itself": ("weight on the token itself", ""),
    "same_word": ("weight on the same word elsewhere", ""),
    "cls": ("weight on [CLS]", ""),
    "sep": ("weight on [SEP]", ""),
    "punctuation": ("weight on punctuation", ""),
}


def explorer(bert: Bert, text: str = TEXT, pair: str | None = None) -> Explorer:
    """Create an interactive page that reads one or two texts as you type.

    Args:
        bert: a `Bert`, as `be.load` returns it.
        text: str, the first text.
        pair: str, the second text. Defaults to None, like an empty string: a single text.

    Returns:
        An `Explorer`. A notebook shows it as the last value of a cell; `save("page.html")` saves its current state.

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
    instance("bert", bert, Bert, 'such as be.load("minilm")')
    text, pair = _string("text", text), _string("pair", "" if pair is None else pair)
    reader = BertReader(bert)
    reader.read(text, pair, {})  # compiles the model, so that the time on the page is that of reading alone
    return Explorer(reader, text, pair)


class BertReader:
    """A `bertedu.views.Reader` for a `Bert`."""

    def __init__(self, bert: Bert) -> None:
        self.bert = bert

    def describe(self) -> Message:
        """Return the `Description` of the model."""
        encoder = self.bert.encoder
        return {
            "name": arrays.visible(self.bert.name),
            "num_layers": encoder.num_layers,
            "num_heads": encoder.num_attention_heads,
            "hidden_size": encoder.hidden_size,
            "can_fill_mask": self.bert.can_fill_mask,
            "fill_mask_note": "" if self.bert.masked_lm else OTHER_HEAD,
            "measures": [[name, *label_and_unit] for name, label_and_unit in MEASURES.items()],
        }

    def read(self, text: str, pair: str = "", edits: Edits | None = None) -> BertReadText:
        """Read a text or a pair of texts.

        Raises:
            TypeError: a text is not a string. ValueError: `edits` is not empty, or the attention is not finite.
        """
        if edits:
            raise ValueError(f"edits: expected none, got {shown(edits)}. Edits are not implemented in this version.")
        texts, notes = [], []
        for name, which, value in (("text", "The text", text), ("pair", "The second text", pair)):
            texts.append(_string(name, value)[:MAX_CHARACTERS])
            if len(value) > MAX_CHARACTERS:
                notes.append(f"{which} has {len(value):,} characters; the page reads the first {MAX_CHARACTERS:,}.")
        limit = None if self.bert.max_length <= arrays.MAX_TOKENS else arrays.MAX_TOKENS
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            start = time.perf_counter()
            reading = self.bert.read(texts[0], texts[1] or None, max_length=limit)
            seconds = time.perf_counter() - start
        notes += [str(warning.message) for warning in caught if warning.category is UserWarning]
        return BertReadText(self.bert, reading, notes, seconds)

    def fill_mask(self, read_text: BertReadText, token: int) -> Message:
        """Predict a token's word from all other tokens.

        Raises:
            ValueError: the model has no masked-LM head, or the token is a special token.
        """
        texts, masks_before, word = read_text.with_mask(token)
        pair = texts[1] if len(texts) > 1 else None
        predictions = self.bert.fill_mask(texts[0], pair, top_k=TOP_K)[masks_before]
        return {
            "token": token,
            "word": arrays.visible(word),
            "masked_text": texts[read_text.reading.segments[token] or 0],
            "top_predictions": [[arrays.visible(text), probability] for text, probability in predictions],
        }


class BertReadText:
    """A text that a `BertReader` has read. Attributes: see `bertedu.views.reader.ReadText`."""

    def __init__(self, bert: Bert, reading: Reading, notes: list[str], seconds: float) -> None:
        self.bert, self.reading, self.is_truncated = bert, reading, bool(notes)
        view = HeadView(reading.attention, reading.tokens, segments=reading.segments)
        self.attention = view.attention
        self.nbytes = reading.attention.nbytes + reading.encoder_outputs.nbytes
        self.message = {
            **{name: value for name, value in view.setup().items() if name in HEAD_VIEW_FIELDS},
            "texts": [reading.text, reading.pair or ""],
            "ids": [int(i) for i in reading.ids],
            "type_ids": [int(i) for i in reading.type_ids],
            "offsets": [list(offset) if offset else None for offset in reading.offsets],
            "notes": [*notes, *view.notes],
            "milliseconds": round(1000 * seconds, 1),
            "statistics": self._statistics(),
        }

    def _statistics(self) -> Message:
        if self.attention.size > MAX_STATISTICS_SIZE:
            return {"note": "The text is too long for head statistics here. Use be.analysis.head_statistics."}
        try:
            statistics = analysis.head_statistics(self.attention, self.reading.tokens)
        except ValueError as error:  # talking heads
            return {"note": str(error)}
        values = {name: np.round(getattr(statistics, name), 6).tolist() for name in MEASURES}
        return {"values": values, "labels": statistics.labels.tolist()}

    def projection(self, hidden_state: int) -> Message:
        """Return the first two principal components of a hidden state: the embeddings (0) or layer hidden_state - 1."""
        outputs = self.reading.encoder_outputs
        hidden_state = position("hidden_state", hidden_state, len(outputs) + 1)
        vectors = outputs[hidden_state - 1] if hidden_state else self.reading.embedding_output
        if len(vectors) < 3 or vectors.shape[1] < 2:
            return {"hidden_state": hidden_state, "points": None, "variance": []}
        points, ratio = analysis.principal_components(vectors)
        rounded = {"points": np.round(points, 5).tolist(), "variance": np.round(ratio, 5).tolist()}
        return {"hidden_state": hidden_state, **rounded}

    def similarity(self) -> Message | None:
        """Return the cosine similarity of the two texts, or None if there is only one."""
        if self.reading.pair is None:
            return None
        vectors = self.bert.embed([self.reading.text, self.reading.pair], progress=False)
        return {"cosine": float(analysis.similarity(vectors)[0, 1]), "pooling": self.bert.embed_settings.pooling}

    def with_mask(self, token: int) -> tuple[list[str], int, str]:
        """Return the texts with a token's word replaced by [MASK], the number of [MASK] before it, and the word.

        Raises:
            ValueError: no such token, or a special token.
        """
        reading, tokenizer = self.reading, self.bert.tokenizer
        first = last = position("token", token, len(reading.tokens))
        segment = reading.segments[token]
        if segment is None:
            got = f"got {token}, the special token {reading.tokens[token]}"
            raise ValueError(f"token: expected the position of a word, {got}. Choose a word.")
        while reading.tokens[first].startswith("##") and reading.offsets[first - 1]:
            first -= 1
        while reading.tokens[last + 1].startswith("##"):  # [SEP] ends every text
            last += 1
        spans = [offset or (0, 0) for offset in reading.offsets]
        texts = [reading.text] if reading.pair is None else [reading.text, reading.pair]
        if self.is_truncated:  # do not restore the truncated part
            ends = [[end for of, (_, end) in zip(reading.segments, spans, strict=True) if of == n] for n in (0, 1)]
            texts = [text[: max(ends[n], default=0)] for n, text in enumerate(texts)]
        start, end = spans[first][0], spans[last][1]
        word = texts[segment][start:end]
        texts[segment] = f"{texts[segment][:start]}{tokenizer.mask_token}{texts[segment][end:]}"
        return texts, reading.ids[:first].count(tokenizer.mask_id), word


def _string(name: str, text: Any) -> str:
    """Return `text` as the page's text boxes have it: lines end in a line feed, lone surrogates are replaced."""
    instance(name, text, str)
    return LONE_SURROGATES.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))

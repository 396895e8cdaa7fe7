"""The explorer's `Reader` for a `Bert`.

Statistics and projections come from `analysis`, predictions from `bert.fill_mask`, and the similarity of two texts from
`bert.embed`. What the page switches off becomes edits of the forward pass (`switched_off`); then each answer also has
the same numbers of the unedited model. Chapter: 12.
"""

from __future__ import annotations

import time
import warnings
from typing import Any, NamedTuple

import keras
import numpy as np

from bertedu import analysis
from bertedu.bert import Bert
from bertedu.checks import instance, position
from bertedu.encoder import BertEncoder
from bertedu.fields import shown
from bertedu.interventions import switched_off
from bertedu.pooling import pool
from bertedu.reading import Reading
from bertedu.sites import Edit
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


class Off(NamedTuple):
    """What is switched off: the arguments of `switched_off`, as lists."""

    heads: list[list[int]]
    attention: list[int]
    layers: list[int]

    @classmethod
    def of(cls, edits: Edits | None, encoder: BertEncoder) -> Off:
        """Return the contents of the page's `Edits`, checked.

        Raises:
            ValueError: `edits` has unknown fields or values.
        """
        edits = {} if edits is None else edits
        try:
            off = cls(**{name: list(edits.get(name, ())) for name in cls._fields})
            unknown = set(edits) - set(cls._fields)
            pairs = all(len(pair) == 2 for pair in off.heads)
        except (AttributeError, TypeError):
            unknown, pairs = {""}, False
        if unknown or not pairs:
            expected = "edits: expected lists of [layer, head] in heads, and of layers in attention and layers"
            raise ValueError(f"{expected}, got {shown(edits)}.")
        switched_off(encoder, *off)
        return off


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

        Args:
            text, pair: str; an empty `pair` means a single text.
            edits: dict of lists, what is switched off: "heads" as pairs [layer, head], "attention" and "layers" as
                indices. Defaults to nothing.

        Raises:
            TypeError: a text is not a string. ValueError: `edits` is not as above, or the attention is not finite.
        """
        off = Off.of(edits, self.bert.encoder)
        texts, notes = [], []
        for name, which, value in (("text", "The text", text), ("pair", "The second text", pair)):
            texts.append(_string(name, value)[:MAX_CHARACTERS])
            if len(value) > MAX_CHARACTERS:
                notes.append(f"{which} has {len(value):,} characters; the page reads the first {MAX_CHARACTERS:,}.")
        limit = None if self.bert.max_length <= arrays.MAX_TOKENS else arrays.MAX_TOKENS
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            start = time.perf_counter()
            reading = self.bert.read(texts[0], texts[1] or None, max_length=limit, edit=_edit(self.bert, off))
            seconds = time.perf_counter() - start
        notes += [str(warning.message) for warning in caught if warning.category is UserWarning]
        original = None
        if any(off):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the same as above
                original = self.bert.read(texts[0], texts[1] or None, max_length=limit)
        return BertReadText(self.bert, reading, notes, seconds, off, original)

    def fill_mask(self, read_text: BertReadText, token: int) -> Message:
        """Predict a token's word from all other tokens.

        With something switched off, the words are the most probable ones of both runs, and the message also has their
        probabilities in the unedited model.

        Raises:
            ValueError: the model has no masked-LM head, or the token is a special token.
        """
        texts, masks_before, word = read_text.with_mask(token)
        pair = texts[1] if len(texts) > 1 else None
        message = {
            "token": token,
            "word": arrays.visible(word),
            "masked_text": texts[read_text.reading.segments[token] or 0],
        }
        if not any(read_text.off):
            predictions = self.bert.fill_mask(texts[0], pair, top_k=TOP_K)[masks_before]
            return message | {"top_predictions": [[arrays.visible(text), value] for text, value in predictions]}
        model = self.bert.masked_lm_bert or self.bert  # without a head, `fill_mask` raises an error
        after, before = (
            dict(model.fill_mask(texts[0], pair, top_k=model.tokenizer.vocab_size, edit=edit)[masks_before])
            for edit in (_edit(model, read_text.off), None)
        )
        best = {*list(after)[:TOP_K], *list(before)[:TOP_K]}
        words = [text for text in after if text in best]
        return message | {
            "top_predictions": [[arrays.visible(text), after[text]] for text in words],
            "original_probabilities": [before[text] for text in words],
        }


class BertReadText:
    """A text that a `BertReader` has read. Attributes: see `bertedu.views.reader.ReadText`."""

    def __init__(
        self, bert: Bert, reading: Reading, notes: list[str], seconds: float, off: Off, original_reading: Reading | None
    ) -> None:
        self.bert, self.reading, self.is_truncated = bert, reading, bool(notes)
        self.off, self.original_reading = off, original_reading
        readings = [reading] if original_reading is None else [reading, original_reading]
        view = HeadView(reading.attention, reading.tokens, segments=reading.segments)
        self.attention = view.attention
        self.original = None if original_reading is None else original_reading.attention
        self.nbytes = sum(one.attention.nbytes + one.encoder_outputs.nbytes for one in readings)
        self.message = {
            **{name: value for name, value in view.setup().items() if name in HEAD_VIEW_FIELDS},
            "edits": off._asdict(),
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
        """Return the first two principal components of a hidden state: the embeddings (0) or layer hidden_state - 1.

        With something switched off, they are the components of the vectors of both runs.
        """
        hidden_state = position("hidden_state", hidden_state, len(self.reading.encoder_outputs) + 1)
        readings = (self.reading, self.original_reading)
        vectors = [_vectors(reading, hidden_state) for reading in readings if reading is not None]
        count, size = vectors[0].shape
        if count < 3 or size < 2:
            return {"hidden_state": hidden_state, "points": None, "variance": []}
        points, ratio = analysis.principal_components(np.concatenate(vectors))
        points = np.round(points, 5).tolist()
        message = {"hidden_state": hidden_state, "points": points[:count], "variance": np.round(ratio, 5).tolist()}
        return message | ({"original_points": points[count:]} if len(vectors) > 1 else {})

    def similarity(self) -> Message | None:
        """Return the cosine similarity of the two texts, or None if there is only one."""
        if self.reading.pair is None:
            return None
        texts = [self.reading.text, self.reading.pair]
        cosine = _cosine(self.bert.embed(texts, progress=False))
        message = {"cosine": cosine, "pooling": self.bert.embed_settings.pooling}
        if not any(self.off):
            return message
        edited = np.stack([_edited_vector(self.bert, text, self.off) for text in texts])
        return message | {"cosine": _cosine(edited), "original_cosine": cosine}

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


def _edit(bert: Bert, off: Off) -> dict[str, Edit] | None:
    """Return the edits of one forward pass; None if nothing is off, so that the compiled model runs."""
    return switched_off(bert.encoder, *off) if any(off) else None


def _vectors(reading: Reading, hidden_state: int) -> np.ndarray:
    return reading.encoder_outputs[hidden_state - 1] if hidden_state else reading.embedding_output


def _cosine(vectors: np.ndarray) -> float:
    return float(analysis.similarity(vectors)[0, 1])


def _edited_vector(bert: Bert, text: str, off: Off) -> np.ndarray:
    """Return a text's vector as `bert.embed` computes it, but for the scale, from an edited forward pass."""
    settings = bert.embed_settings
    limit = min(settings.max_length or bert.max_length, bert.max_length)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `embed` truncates without a warning, too
        reading = bert.read(settings.prompt + text, max_length=limit, edit=_edit(bert, off))
    arrays_of_text = {"sequence_output": reading.sequence_output, "pooled_output": reading.pooled_output}
    outputs = {name: np.asarray(array)[None] for name, array in arrays_of_text.items()}
    mask = np.ones((1, len(reading.tokens)), "int32")
    return np.asarray(keras.ops.convert_to_numpy(pool(outputs, mask, settings.pooling)))[0]

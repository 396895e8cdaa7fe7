"""Text to numbers: texts become the three arrays that BERT reads, with special tokens, padding and truncation.

    tokens   [CLS]  a_1 ... a_n  [SEP]  b_1 ... b_m  [SEP]  [PAD] ...
    types      0     0  ...  0     0     1  ...  1     1      0
    mask       1     1  ...  1     1     1  ...  1     1      0

Devlin et al. 2018 (arXiv:1810.04805), section 3 and figure 2. Chapter 1 (01_text_to_tokens).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from bertedu import checks
from bertedu.backend import devices
from bertedu.defaults import PRECISIONS
from bertedu.fields import ANYTHING, FLAG, Rule, only, read_fields
from bertedu.inputs import INPUTS, checked_texts
from bertedu.serialization import ConfigFromSignature
from bertedu.tokenizer import BertTokenizer
from bertedu.vocabulary import named

LENGTH_LIMIT = 1_000_000  # tokens; BERT's own limit is 512
TRUNCATIONS = ("round_robin", "longest_first")
FIELDS = {
    "name": Rule(
        "null or a printable string of at most 200 characters",
        lambda name: name is None or (isinstance(name, str) and len(name) <= 200 and name.isprintable()),
    ),
    "trainable": FLAG,
    **dict.fromkeys(("dtype", "tokenizer", "seq_length", "truncation"), ANYTHING),
}
RECORD = {
    "class_name": only("BertTokenizer"),
    "registered_name": only("bertedu>BertTokenizer"),
    **dict.fromkeys(("module", "config", "shared_object_id"), ANYTHING),
}


class Encoded(NamedTuple):
    """One text or pair as BERT reads it, not padded: five lists of length T, and a count.

    `segments` says which text a token is from (0 or 1) and `offsets` where it stands there, (start, end) in characters,
    end exclusive; both are None at the [CLS] and [SEP] put around the texts. `truncated` tokens did not fit.
    """

    tokens: list[str]
    ids: list[int]
    type_ids: list[int]
    offsets: list[tuple[int, int] | None]
    segments: list[int | None]
    truncated: int


def pack(rows: Sequence[Encoded], pad_id: int, length: int | None = None) -> dict[str, np.ndarray]:
    """Return the dict of three int32 NumPy arrays `[B, T]` of B `Encoded`.

    Args:
        rows: list of B `Encoded`.
        pad_id: the id of [PAD].
        length: int, T, the length to pad to. Defaults to None, the longest row's.
    """
    length = max(len(row.ids) for row in rows) if length is None else length
    word_ids = np.full((len(rows), length), pad_id, np.int32)  # [B, T]
    mask, types = np.zeros_like(word_ids), np.zeros_like(word_ids)  # [B, T] each
    for i, row in enumerate(rows):
        n = len(row.ids)
        word_ids[i, :n], mask[i, :n], types[i, :n] = row.ids, 1, row.type_ids
    return dict(zip(INPUTS, (word_ids, mask, types), strict=True))


def length_sorted_batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Return indices of `lengths` in batches of similar length, each at most `batch_tokens` when padded, longest first.

    Example:
        >>> length_sorted_batches([3, 9, 4], batch_tokens=9)
        [[1], [2, 0]]
    """
    batches: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= batch_tokens:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches


@keras.saving.register_keras_serializable(package="bertedu")
class BertPreprocessor(ConfigFromSignature, keras.layers.Layer):
    """Turns texts, or pairs of texts, into the three arrays that BERT reads.

    Args:
        tokenizer: a `BertTokenizer`.
        seq_length: T, the length to pad and to truncate to; None pads to the longest text of the call and truncates
            nothing.
        truncation: which tokens of a pair are kept. "round_robin" (the TF Hub preprocessors'): one of each text in
            turn, starting with the first text. "longest_first" (Hugging Face's): the longer text loses tokens until
            both are equal; an odd position goes to the longer one, and to the second if they are equally long.

    Call arguments:
        text: a string; a flat list or array of B strings (a list is always a batch); a TensorFlow string tensor of
            shape [] or [B], also within `tf.data.Dataset.map`; or `keras.Input(shape=(), dtype="string")`, with the
            TensorFlow backend. Bytes are read as UTF-8; what is not valid UTF-8 becomes U+FFFD.
        pair: None, or the second texts, in the same form and number.

    Returns:
        A dict of int32 `input_word_ids`, `input_mask`, `input_type_ids`: NumPy arrays [B, T], B = 1 for one string; for
        tensors, tensors [B, T], or [T] for a scalar. An empty list gives [0, T] where `seq_length` is set.

    Raises:
        TypeError: an item is not a string. ValueError: unequal numbers of texts and pairs; no room for [CLS] and
        [SEP]; `keras.Input` on another backend.

    Example:
        >>> words = "[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat on mat dog ran it was warm un ##want ##ed . ,".split()
        >>> preprocessor = BertPreprocessor(BertTokenizer(words), seq_length=10)
        >>> preprocessor("the cat sat", "it ran")["input_word_ids"]
        array([[ 2,  5,  6,  7,  3, 12, 11,  3,  0,  0]], dtype=int32)

    Source: Devlin et al. 2018, section 3; tf-models `BertPackInputs`.
    """

    def __init__(
        self,
        tokenizer: BertTokenizer,
        seq_length: int | None = 128,
        truncation: str = "round_robin",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(tokenizer, BertTokenizer):
            raise TypeError(f"tokenizer: expected a BertTokenizer, got {tokenizer!r}")
        self.tokenizer = tokenizer
        self.seq_length = _checked_length(seq_length, 1)
        self.truncation = checks.choice("truncation", truncation, TRUNCATIONS)
        self.supports_jit = False  # XLA knows no strings

    def __call__(self, text: Any, pair: Any = None, training: bool | None = None) -> dict[str, Any]:
        # Keras makes tensors of all arguments, but JAX and torch have none for strings. (It also passes `training`.)
        if isinstance(text, keras.KerasTensor) or isinstance(pair, keras.KerasTensor):
            return super().__call__(text, pair)
        return self.call(text, pair)

    def call(self, text: Any, pair: Any = None) -> dict[str, Any]:
        """Return the three arrays; see the class."""
        tf = sys.modules.get("tensorflow")  # there is no tensor of TensorFlow where it has not been imported
        if tf and (tf.is_tensor(text) or tf.is_tensor(pair)):
            return self._pack_tensors(text, pair)
        return self._pack(text, pair)

    def _pack(self, text, pair):
        rows = self.encode_batch(text, pair, max_length=self.seq_length)
        if not rows and self.seq_length is None:
            raise ValueError("text: an empty list has no longest text to pad to; set seq_length, or do not call")
        return pack(rows, self.tokenizer.pad_id, self.seq_length)

    def _pack_tensors(self, text, pair):
        import tensorflow as tf

        inputs = [v if tf.is_tensor(v) else tf.convert_to_tensor(v) for v in (text, pair) if v is not None]
        _check_tensors([(value.dtype.name, value.shape.rank) for value in inputs])

        def pack(text, pair=None):
            arrays = self._pack(text, pair).values()
            return [array if np.ndim(text) else array[0] for array in arrays]

        tensors = tf.numpy_function(pack, inputs, [tf.int32] * len(INPUTS), stateful=False)
        for tensor in tensors:
            tensor.set_shape(inputs[0].shape.concatenate([self.seq_length]))  # [T] or [B, T]
        # Whatever writes a layer into a SavedModel first traces those of its functions that have a signature.
        self.refuse_to_be_saved = tf.function(_refuse_to_be_saved, input_signature=[], autograph=False)
        return dict(zip(INPUTS, tensors, strict=True))

    def compute_output_spec(self, text: Any, pair: Any = None) -> dict[str, Any]:
        """Return the symbolic outputs for `keras.Input`s of strings."""
        if devices.backend() != "tensorflow":
            backend = devices.backend()
            raise ValueError(f"text: string inputs in graphs are TensorFlow's, but Keras runs on {backend!r}.")
        _check_tensors([(value.dtype, len(value.shape)) for value in (text, pair) if value is not None])
        return {name: keras.KerasTensor((*text.shape, self.seq_length), dtype="int32") for name in INPUTS}  # [B, T]

    def encode(self, text: str | bytes, pair: str | bytes | None = None, max_length: int | None = None) -> Encoded:
        """Return one text or pair as `Encoded`. Without `max_length` every token is kept, whatever `seq_length` is."""
        for name, value in {"text": text, "pair": "" if pair is None else pair}.items():
            if not isinstance(value, str | bytes):
                raise TypeError(f"{name}: expected one string, got {value!r}; encode_batch takes lists")
        return self.encode_batch(text, pair, max_length)[0]

    def encode_batch(self, texts: Any, pairs: Any = None, max_length: int | None = None) -> list[Encoded]:
        """Return a list of B `Encoded`, of B texts or pairs; `max_length` as in `encode`."""
        segments = [checked_texts(texts, "text")]
        if pairs is not None:
            segments.append(checked_texts(pairs, "pair"))
            if _form(texts) != _form(pairs):
                raise ValueError(f"pair: expected one for each text, got {_form(pairs)} for {_form(texts)}")
        _checked_length(max_length, len(segments))
        encodings = map(self.tokenizer.encode_batch, segments)
        return [self._join(pieces, max_length) for pieces in zip(*encodings, strict=True)]

    def _join(self, pieces, max_length):
        sizes = [len(piece) for piece in pieces]
        kept = sizes if max_length is None else _places(sizes, max_length - len(sizes) - 1, self.truncation)
        names = self.tokenizer
        tokens, ids, types, offsets, segments = [names.cls_token], [names.cls_id], [0], [None], [None]
        for segment, (piece, n) in enumerate(zip(pieces, kept, strict=True)):
            tokens += [*piece.tokens[:n], names.sep_token]
            ids += [*piece.ids[:n], names.sep_id]
            types += [segment] * (n + 1)
            offsets += [*piece.offsets[:n], None]
            segments += [segment] * n + [None]
        return Encoded(tokens, ids, types, offsets, segments, sum(sizes) - sum(kept))

    @classmethod
    def from_config(cls, config: dict[str, Any], source: str = "config") -> BertPreprocessor:
        """Return the preprocessor of a `get_config` dict, with a `BertTokenizer` and without looking up any class.

        Raises:
            ValueError: an unknown field, or a value that the constructor refuses; names `source` and the field.
        """
        arguments = read_fields(config, FIELDS, source, required=("tokenizer",))
        place = f"{source}: tokenizer"
        record = read_fields(arguments["tokenizer"], RECORD, place, ("class_name", "registered_name", "config"))
        tokenizer = BertTokenizer.from_config(record["config"], place)
        with named(source):
            dtype = arguments.get("dtype") and _dtype_name(arguments["dtype"])
            return cls(**arguments | {"tokenizer": tokenizer, "dtype": dtype})


def _places(sizes, budget, truncation):
    """Return how many tokens of each text are kept, of `budget` in all."""
    if sum(sizes) <= budget or len(sizes) == 1:
        return [min(size, budget) for size in sizes]
    first, second = sizes
    first_gets_odd = truncation == "round_robin" or first > second  # else HF: the longer, of equals the second
    half = (budget + first_gets_odd) // 2
    kept = min(first, max(half, budget - second))
    return [kept, budget - kept]


def _form(texts):
    single = isinstance(texts, str | bytes) or getattr(texts, "ndim", 1) == 0
    return "a string" if single else f"a list of {len(texts)}"


def _checked_length(length, segments):
    """Return a length in tokens that has room for [CLS] and a [SEP] after each segment, or None."""
    if length is None:
        return None
    return checks.whole_number("seq_length (max_length)", length, segments + 1, LENGTH_LIMIT)


def _dtype_name(dtype):
    """Return the name of a dtype, or of a serialized `keras.DTypePolicy`."""
    if isinstance(dtype, dict) and dtype.get("class_name") == "DTypePolicy" and isinstance(dtype.get("config"), dict):
        dtype = dtype["config"].get("name")
    return checks.choice("dtype", dtype, PRECISIONS)


def _refuse_to_be_saved():
    advice = "Write two: be.export_preprocessor(preprocessor, path) and be.export_saved_model(bert, path)."
    raise ValueError(f"A model with a BertPreprocessor in it cannot become a SavedModel: {advice}")


def _check_tensors(kinds):
    for dtype, rank in kinds:
        if dtype != "string" or rank not in (0, 1, None):
            raise ValueError(f"text, pair: expected string tensors of shape [] or [B], got {dtype} with {rank} axes")

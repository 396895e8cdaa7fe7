"""Preprocessing: from texts to the three input arrays of BERT, with special tokens, truncation and padding.

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
from bertedu.vocabulary import located

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
    """One tokenized text or pair with [CLS] and [SEP], not padded: five lists of length T, and a count.

    Args:
        tokens, ids: the tokens and their ids.
        type_ids: 0 for the first segment, 1 for the second, [SEP] included.
        offsets: (start, end), the characters of each token in its text, end exclusive. None for [CLS] and [SEP].
        segments: index of each token's text, 0 or 1 (transformers: `sequence_ids`). None for [CLS] and [SEP].
        truncated: int, the number of tokens that were cut off.
    """

    tokens: list[str]
    ids: list[int]
    type_ids: list[int]
    offsets: list[tuple[int, int] | None]
    segments: list[int | None]
    truncated: int


def pack(rows: Sequence[Encoded], pad_id: int, length: int | None = None) -> dict[str, np.ndarray]:
    """Return the three input arrays of B `Encoded` as a dict of int32 NumPy arrays `[B, T]`.

    Args:
        rows: list of B `Encoded`.
        pad_id: int, id of [PAD].
        length: int, the padded length T. Defaults to the longest of `rows`.
    """
    length = max(len(row.ids) for row in rows) if length is None else length
    word_ids = np.full((len(rows), length), pad_id, np.int32)  # [B, T]
    mask, types = np.zeros_like(word_ids), np.zeros_like(word_ids)  # [B, T] each
    for i, row in enumerate(rows):
        n = len(row.ids)
        word_ids[i, :n], mask[i, :n], types[i, :n] = row.ids, 1, row.type_ids
    return dict(zip(INPUTS, (word_ids, mask, types), strict=True))


def length_sorted_batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Group indices of `lengths` into batches of similar length, at most `batch_tokens` with padding, longest first.

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
    """Converts texts, or pairs of texts, to the three input arrays of BERT.

    Args:
        tokenizer: `BertTokenizer`.
        seq_length: int, length T to which texts are truncated and padded. With None, texts are padded to the longest in
            the call and not truncated.
        truncation: how pairs are truncated. "round_robin", as in TF Hub's preprocessors: keep tokens of the two texts
            alternately, starting with the first. "longest_first", as in Hugging Face: remove tokens of the longer text
            until both have the same length; if the number of tokens left is odd, the extra one goes to the longer text,
            or to the second if both are equally long.

    Call arguments:
        text: string, or list or array of B strings; TensorFlow string tensor of shape `[]` or `[B]`, also in
            `tf.data.Dataset.map`; or, with the TensorFlow backend, `keras.Input(shape=(), dtype="string")`. Bytes are
            decoded as UTF-8, with U+FFFD in place of invalid bytes.
        pair: the second texts, of the same type and number. Defaults to None, single texts.

    Returns:
        dict of int32 `input_word_ids`, `input_mask` and `input_type_ids`: NumPy arrays `[B, T]` (B = 1 for a string),
        or for tensors, tensors `[B, T]` or `[T]`.

    Raises:
        TypeError: an item is not a string.
        ValueError: the numbers of texts and pairs differ, `seq_length` is too small for [CLS] and [SEP] or, for an
            empty list, None, or `keras.Input` is used with another backend.

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
            raise TypeError(f"tokenizer: expected a BertTokenizer, got {tokenizer!r}.")
        self.tokenizer = tokenizer
        self.seq_length = _checked_length("seq_length", seq_length, 1)
        self.truncation = checks.choice("truncation", truncation, TRUNCATIONS)
        self.supports_jit = False  # XLA does not support strings

    def __call__(self, text: Any, pair: Any = None, training: bool | None = None) -> dict[str, Any]:
        # Keras would convert the arguments to tensors, and JAX and torch have no string tensors. It passes `training`.
        if isinstance(text, keras.KerasTensor) or isinstance(pair, keras.KerasTensor):
            return super().__call__(text, pair)
        return self.call(text, pair)

    def call(self, text: Any, pair: Any = None) -> dict[str, Any]:
        """Return the three input arrays as a dict."""
        tf = sys.modules.get("tensorflow")  # if it is not imported, nothing is its tensor
        if tf and (tf.is_tensor(text) or tf.is_tensor(pair)):
            return self._pack_tensors(text, pair)
        return self._pack(text, pair)

    def _pack(self, text, pair):
        _checked_length("seq_length", self.seq_length, 1 if pair is None else 2)
        rows = self.encode_batch(text, pair, max_length=self.seq_length)
        if not rows and self.seq_length is None:
            raise ValueError("text: expected at least one text, got an empty list. Set seq_length to allow it.")
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
        # Writing a SavedModel traces the functions of a layer that have a signature, and so raises this error.
        self.refuse_to_be_saved = tf.function(_refuse_to_be_saved, input_signature=[], autograph=False)
        return dict(zip(INPUTS, tensors, strict=True))

    def compute_output_spec(self, text: Any, pair: Any = None) -> dict[str, Any]:
        """Return the symbolic outputs for a `keras.Input` of strings."""
        if (backend := devices.backend()) != "tensorflow":
            got = "a keras.Input, which only the TensorFlow backend supports. Call the preprocessor outside the model."
            raise ValueError(f"text: expected strings with the {backend!r} backend, got {got}")
        _check_tensors([(value.dtype, len(value.shape)) for value in (text, pair) if value is not None])
        return {name: keras.KerasTensor((*text.shape, self.seq_length), dtype="int32") for name in INPUTS}  # [B, T]

    def encode(self, text: str | bytes, pair: str | bytes | None = None, max_length: int | None = None) -> Encoded:
        """Return one text or pair as `Encoded`, truncated to `max_length` tokens. `seq_length` is not used."""
        for name, value in {"text": text, "pair": "" if pair is None else pair}.items():
            if not isinstance(value, str | bytes):
                raise TypeError(f"{name}: expected one string, got {value!r}. Use encode_batch for lists.")
        return self.encode_batch(text, pair, max_length)[0]

    def encode_batch(self, texts: Any, pairs: Any = None, max_length: int | None = None) -> list[Encoded]:
        """Return B texts or pairs as a list of B `Encoded`; see `encode`."""
        segments = [checked_texts(texts, "text")]
        if pairs is not None:
            segments.append(checked_texts(pairs, "pair"))
            if _form(texts) != _form(pairs):
                raise ValueError(f"pair: expected {_form(texts)} as for text, got {_form(pairs)}.")
        _checked_length("max_length", max_length, len(segments))
        encodings = map(self.tokenizer.encode_batch, segments)
        return [self._join(segments, max_length) for segments in zip(*encodings, strict=True)]

    def _join(self, encodings, max_length):
        sizes = [len(encoding) for encoding in encodings]
        limits = sizes if max_length is None else _truncated(sizes, max_length - len(sizes) - 1, self.truncation)
        tokenizer = self.tokenizer
        tokens, ids, types, offsets, segments = [tokenizer.cls_token], [tokenizer.cls_id], [0], [None], [None]
        for segment, (encoding, n) in enumerate(zip(encodings, limits, strict=True)):
            tokens += [*encoding.tokens[:n], tokenizer.sep_token]
            ids += [*encoding.ids[:n], tokenizer.sep_id]
            types += [segment] * (n + 1)
            offsets += [*encoding.offsets[:n], None]
            segments += [segment] * n + [None]
        return Encoded(tokens, ids, types, offsets, segments, sum(sizes) - sum(limits))

    @classmethod
    def from_config(cls, config: dict[str, Any], source: str = "config") -> BertPreprocessor:
        """Return the preprocessor of a `get_config` dict. No class is looked up by name.

        Args:
            config: dict from `get_config`, or from a file.
            source: str, name of the file for error messages.

        Raises:
            ValueError: a field is unknown, or the constructor refuses its value.
        """
        arguments = read_fields(config, FIELDS, source, required=("tokenizer",))
        location = f"{source}: tokenizer"
        record = read_fields(arguments["tokenizer"], RECORD, location, ("class_name", "registered_name", "config"))
        tokenizer = BertTokenizer.from_config(record["config"], location)
        with located(source):
            dtype = arguments.get("dtype") and _dtype_name(arguments["dtype"])
            return cls(**arguments | {"tokenizer": tokenizer, "dtype": dtype})


def _truncated(sizes, budget, truncation):
    """Return the sizes to which texts of `sizes` tokens are truncated, `budget` tokens together."""
    if sum(sizes) <= budget or len(sizes) == 1:
        return [min(size, budget) for size in sizes]
    first, second = sizes
    first_gets_odd = truncation == "round_robin" or first > second  # longest_first: the longer text, else the second
    half = (budget + first_gets_odd) // 2
    first = min(first, max(half, budget - second))
    return [first, budget - first]


def _form(texts):
    single = isinstance(texts, str | bytes) or getattr(texts, "ndim", 1) == 0
    return "a string" if single else f"a list of {len(texts)}"


def _checked_length(name, length, segments):
    """Return `length`, the argument `name`, which must be None or large enough for [CLS] and a [SEP] per segment."""
    return None if length is None else checks.whole_number(name, length, segments + 1, LENGTH_LIMIT)


def _dtype_name(dtype):
    """Return the name of a dtype, or of a serialized `keras.DTypePolicy`."""
    if isinstance(dtype, dict) and dtype.get("class_name") == "DTypePolicy" and isinstance(dtype.get("config"), dict):
        dtype = dtype["config"].get("name")
    return checks.choice("dtype", dtype, PRECISIONS)


def _refuse_to_be_saved():
    advice = "Use be.export_preprocessor(bert.preprocessor, path) and be.export_saved_model(bert, another_path)."
    raise ValueError(f"model: expected no BertPreprocessor in it, got one, which SavedModels cannot contain. {advice}")


def _check_tensors(kinds):
    for dtype, rank in kinds:
        if dtype != "string" or rank not in (0, 1, None):
            raise ValueError(f"text, pair: expected string tensors of shape [] or [B], got {dtype} with {rank} axes.")

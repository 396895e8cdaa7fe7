"""Text to numbers: a string becomes word pieces, ids, segment types and a mask, with offsets back to its characters.

    tokens   [CLS]  a_1 ... a_n  [SEP]  b_1 ... b_m  [SEP]  [PAD] ...
    types      0     0  ...  0     0     1  ...  1     1      0
    mask       1     1  ...  1     1     1  ...  1     1      0

WordPiece: Wu et al. 2016 (arXiv:1609.08144), section 4.1. BERT's input: Devlin et al. 2018 (arXiv:1810.04805),
section 3 and figure 2. Chapter 1 (01_text_to_tokens).
"""

import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from bertedu import files
from bertedu.fields import ANYTHING, read_fields, shown
from bertedu.tokenizer_json import read_tokenizer
from bertedu.vocabulary import (
    LONE_SURROGATES,
    SPECIAL_TOKENS,
    check_added_tokens,
    check_vocabulary,
    model_ids,
    named,
    vocabulary_text,
)

KEYS = ("input_word_ids", "input_mask", "input_type_ids")  # tf-models' names, in tf-models' order
LENGTH_LIMIT = 1_000_000  # tokens; BERT's own limit is 512
DTYPES = ("float16", "bfloat16", "float32", "float64", "mixed_float16", "mixed_bfloat16")
TOKENIZER_FIELDS, PREPROCESSOR_FIELDS, RECORD_FIELDS = (
    dict.fromkeys(names, ANYTHING)
    for names in (
        ("vocab", "lowercase", "strip_accents", "tokenize_chinese_chars", "added_tokens"),
        ("name", "trainable", "dtype", "tokenizer", "seq_length", "truncation"),
        ("module", "class_name", "config", "registered_name", "shared_object_id"),
    )
)
PARALLEL_FROM = 256  # fewer texts are done before Rust's threads have woken up
PARALLELISM = "TOKENIZERS_PARALLELISM"  # the environment variable that the Rust library obeys

if hasattr(os, "register_at_fork"):
    # Rust's threads do not survive a fork and a child that waits for them hangs: it starts with parallelism off, unless
    # the user has set the variable. ("off" means "false" to Rust and is nobody's habit, so it tells us that we set it.)
    os.register_at_fork(
        before=lambda: os.environ.setdefault(PARALLELISM, "off"),
        after_in_parent=lambda: os.environ.get(PARALLELISM) == "off" and os.environ.pop(PARALLELISM),
    )


@keras.saving.register_keras_serializable(package="bertedu")
class BertTokenizer:
    """Splits text into WordPieces, exactly as Hugging Face's `BertTokenizerFast` (both run the same Rust library).

    Args:
        vocab: a vocab.txt (path; one token a line), a list of tokens in id order, or a dict token -> id. Must hold
            [PAD], [UNK], [CLS], [SEP] and [MASK]. A token that is listed twice has the id of its last line.
        lowercase: True for the "uncased" models.
        strip_accents: None strips accents when `lowercase` is set, as the original BERT does.
        tokenize_chinese_chars: make every CJK character a word of its own.
        added_tokens: further strings that, like [MASK], are found whole in the raw text; those that `vocab` lacks get
            the ids after it.

    Raises:
        FileNotFoundError, TypeError, ValueError: `vocab` is missing, too large, empty, not UTF-8 or without the special
            tokens; another argument has the wrong type.

    Example:
        >>> words = "[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat on mat dog ran it was warm un ##want ##ed . ,".split()
        >>> BertTokenizer(words).tokenize("The unwanted cat")
        ['the', 'un', '##want', '##ed', 'cat']

    Source: google-research/bert `tokenization.py`; Hugging Face `BertTokenizerFast` where the two differ.
    """

    pad_token, unk_token, cls_token, sep_token, mask_token = SPECIAL_TOKENS

    def __init__(self, vocab, lowercase=True, strip_accents=None, tokenize_chinese_chars=True, added_tokens=()):
        words, added_tokens = check_vocabulary(vocab), check_added_tokens(added_tokens)
        _check_choice("lowercase", lowercase, (True, False))
        _check_choice("strip_accents", strip_accents, (True, False, None))
        _check_choice("tokenize_chinese_chars", tokenize_chinese_chars, (True, False))
        self._config = {
            "vocab": words,
            "lowercase": lowercase,
            "strip_accents": strip_accents,
            "tokenize_chinese_chars": tokenize_chinese_chars,
            "added_tokens": added_tokens,
        }
        ids = model_ids(words, added_tokens)
        self._rust = Tokenizer(models.WordPiece(ids, unk_token=self.unk_token, max_input_chars_per_word=100))
        self._rust.normalizer = normalizers.BertNormalizer(
            handle_chinese_chars=tokenize_chinese_chars, strip_accents=strip_accents, lowercase=lowercase
        )
        self._rust.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        self._rust.decoder = decoders.WordPiece(prefix="##")
        self._rust.add_special_tokens([AddedToken(t, normalized=False) for t in (*SPECIAL_TOKENS, *added_tokens)])
        self.lowercase = lowercase
        self.vocabulary = [*words, *(t for t in added_tokens if t not in ids)]  # in id order
        self.vocab_size = len(self.vocabulary)
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = (ids[t] for t in SPECIAL_TOKENS)

    @classmethod
    def from_file(cls, path, **settings):
        """Read a Hugging Face `tokenizer.json`: vocabulary, lower case, accents and added tokens.

        Args:
            path: the file.
            settings: `lowercase`, `strip_accents` or `tokenize_chinese_chars`, in place of the file's.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is not a `tokenizer.json`, or computes something else than BERT's; names file and field.
        """
        arguments = read_tokenizer(path)
        with named(path):
            return cls(**{**arguments, **settings})

    def encode(self, text):
        """str -> `tokenizers.Encoding` with the lists `tokens`, `ids` and `offsets`, without special tokens.

        Offsets are (start, end) in characters of `text`, end exclusive.
        """
        return self.encode_batch([text])[0]

    def encode_batch(self, texts):
        """A list of B strings -> a list of B `tokenizers.Encoding`, see `encode`."""
        texts, _ = _as_texts(texts, "texts")
        if len(texts) < PARALLEL_FROM:
            return [self._rust.encode(text, add_special_tokens=False) for text in texts]
        return self._rust.encode_batch(texts, add_special_tokens=False)

    def tokenize(self, text):
        """str -> list of tokens, without special tokens."""
        return self.encode(text).tokens

    def ids_to_tokens(self, ids):
        """Ids -> list of tokens. Raises ValueError for an id outside of the vocabulary."""
        for i in ids:
            if not 0 <= i < self.vocab_size:
                raise ValueError(f"ids: {i} is not in the vocabulary, whose ids run from 0 to {self.vocab_size - 1}")
        return [self.vocabulary[i] for i in ids]

    def tokens_to_ids(self, tokens):
        """Tokens -> list of ids; a token that is not in the vocabulary becomes `unk_id`, as in Hugging Face."""
        ids = [self._rust.token_to_id(_as_text(token, "tokens")) for token in tokens]
        return [self.unk_id if i is None else i for i in ids]

    def decode(self, ids, skip_special_tokens=False):
        """Ids -> text, pieces joined and spaces before punctuation removed; case and accents do not come back."""
        ids = self.tokens_to_ids(self.ids_to_tokens(ids))  # rows of the same token share its id
        return self._rust.decode(ids, skip_special_tokens=skip_special_tokens)

    def special_tokens_dict(self):
        """Sizes and ids under tf-models' names, as its `BertPackInputs` takes them."""
        return {
            "vocab_size": self.vocab_size,
            "start_of_sequence_id": self.cls_id,
            "end_of_segment_id": self.sep_id,
            "padding_id": self.pad_id,
            "mask_id": self.mask_id,
        }

    def save_vocabulary(self, path):
        """Writes `vocabulary` as a vocab.txt, one token a line."""
        files.write_text(path, vocabulary_text(self.vocabulary))

    def save(self, path):
        """Writes a Hugging Face `tokenizer.json`, the reverse of `from_file`; used there, it adds [CLS] and [SEP]."""
        whole = Tokenizer.from_str(self._rust.to_str())
        whole.post_processor = processors.BertProcessing((self.sep_token, self.sep_id), (self.cls_token, self.cls_id))
        files.write_text(path, whole.to_str(pretty=True))

    def get_config(self):
        return {**self._config, "vocab": list(self._config["vocab"])}

    @classmethod
    def from_config(cls, config, source="config"):
        """Return the tokenizer of a `get_config` dict, whose vocabulary is a list or a dict, never a path.

        Raises: ValueError for an unknown field, or a value that the constructor refuses; names `source` and the field.
        """
        read_fields(config, TOKENIZER_FIELDS, source)
        if not isinstance(config.get("vocab"), list | tuple | dict):
            raise ValueError(f"{source}: expected the tokens as vocab, got {shown(config.get('vocab'))}.")
        with named(source):
            return cls(**config)

    def __repr__(self):
        return f"BertTokenizer(vocab_size={self.vocab_size}, lowercase={self._config['lowercase']})"


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


def pack(rows, pad_id, length=None):
    """B `Encoded` -> the dict of three int32 arrays `[B, T]`, padded to `length` (None: to the longest row)."""
    length = max(len(row.ids) for row in rows) if length is None else length
    word_ids = np.full((len(rows), length), pad_id, np.int32)  # [B, T]
    mask, types = np.zeros_like(word_ids), np.zeros_like(word_ids)  # [B, T] each
    for i, row in enumerate(rows):
        n = len(row.ids)
        word_ids[i, :n], mask[i, :n], types[i, :n] = row.ids, 1, row.type_ids
    return dict(zip(KEYS, (word_ids, mask, types), strict=True))


@keras.saving.register_keras_serializable(package="bertedu")
class BertPreprocessor(keras.layers.Layer):
    """Turns texts, or pairs of texts, into the three arrays that BERT reads.

    Args:
        tokenizer: a `BertTokenizer`.
        seq_length: T, the length to pad and to truncate to; None pads to the longest text of the call and truncates
            nothing.
        truncation: how a pair shares too few places. "round_robin" (the TF Hub preprocessors'): in turn, one each,
            starting with the first text. "longest_first" (Hugging Face's): the longer text loses tokens until both
            are equal; an odd place goes to the longer one, and to the second if they are equally long.

    Call arguments:
        text: a string; a flat list or array of B strings (a list is always a batch); a TensorFlow string tensor of
            shape [] or [B], also within `tf.data.Dataset.map`; or `keras.Input(shape=(), dtype="string")`, with the
            TensorFlow backend. Bytes are read as UTF-8, and what is none becomes U+FFFD.
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

    def __init__(self, tokenizer, seq_length=128, truncation="round_robin", **kwargs):
        super().__init__(**kwargs)
        if not isinstance(tokenizer, BertTokenizer):
            raise TypeError(f"tokenizer: expected a BertTokenizer, got {tokenizer!r}")
        if truncation not in ("round_robin", "longest_first"):
            raise ValueError(f"truncation: expected 'round_robin' or 'longest_first', got {truncation!r}")
        _check_length(seq_length, 1)
        self.tokenizer = tokenizer
        self.seq_length = None if seq_length is None else int(seq_length)
        self.truncation = truncation
        self.supports_jit = False  # XLA knows no strings

    def __call__(self, text, pair=None, training=None):
        # Keras makes tensors of all arguments, but JAX and torch have none for strings. (It also passes `training`.)
        if isinstance(text, keras.KerasTensor) or isinstance(pair, keras.KerasTensor):
            return super().__call__(text, pair)
        return self.call(text, pair)

    def call(self, text, pair=None):
        tf = sys.modules.get("tensorflow")  # whoever holds one of its tensors has imported it
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

        tensors = tf.numpy_function(pack, inputs, [tf.int32] * len(KEYS), stateful=False)
        for tensor in tensors:
            tensor.set_shape(inputs[0].shape.concatenate([self.seq_length]))  # [T] or [B, T]
        # Whatever writes a layer into a SavedModel first traces those of its functions that have a signature.
        self.refuse_to_be_saved = tf.function(_refuse_to_be_saved, input_signature=[], autograph=False)
        return dict(zip(KEYS, tensors, strict=True))

    def compute_output_spec(self, text, pair=None):
        backend = keras.config.backend()
        if backend != "tensorflow":
            raise ValueError(
                f"text: string inputs in graphs are TensorFlow's, but Keras runs on {backend!r}; "
                "call the preprocessor on the texts themselves, outside of the model"
            )
        _check_tensors([(value.dtype, len(value.shape)) for value in (text, pair) if value is not None])
        return {key: keras.KerasTensor((*text.shape, self.seq_length), dtype="int32") for key in KEYS}  # [B, T]

    def encode(self, text, pair=None, max_length=None):
        """One text or pair -> `Encoded`. `max_length` None keeps every token, whatever `seq_length` is."""
        for name, value in {"text": text, "pair": "" if pair is None else pair}.items():
            if not isinstance(value, str | bytes):
                raise TypeError(f"{name}: expected one string, got {value!r}; encode_batch takes lists")
        return self.encode_batch(text, pair, max_length)[0]

    def encode_batch(self, texts, pairs=None, max_length=None):
        """B texts or pairs -> a list of B `Encoded`; `max_length` as in `encode`."""
        texts, form = _as_texts(texts, "text")
        segments = [self.tokenizer.encode_batch(texts)]
        if pairs is not None:
            pairs, pair_form = _as_texts(pairs, "pair")
            if pair_form != form:
                raise ValueError(f"pair: expected one for each text, got {pair_form} for {form}")
            segments.append(self.tokenizer.encode_batch(pairs))
        _check_length(max_length, len(segments))
        return [self._join(pieces, max_length) for pieces in zip(*segments, strict=True)]

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

    def get_config(self):
        tokenizer = keras.saving.serialize_keras_object(self.tokenizer)
        own = {"tokenizer": tokenizer, "seq_length": self.seq_length, "truncation": self.truncation}
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config, source="config"):
        """Return the preprocessor of a `get_config` dict, with a `BertTokenizer` and without looking up any class.

        Raises: ValueError for an unknown field, or a value that the constructor refuses; names `source` and the field.
        """
        read_fields(config, PREPROCESSOR_FIELDS, source)
        tokenizer, name = config.get("tokenizer"), config.get("name")
        read_fields(tokenizer, RECORD_FIELDS, f"{source}: tokenizer")
        if (tokenizer.get("class_name"), tokenizer.get("registered_name")) != (
            "BertTokenizer",
            "bertedu>BertTokenizer",
        ):
            raise ValueError(f"{source}: expected a BertTokenizer as tokenizer, got {shown(tokenizer)}.")
        if name is not None and not (isinstance(name, str) and len(name) <= 200 and name.isprintable()):
            raise ValueError(f"{source}: expected a name of at most 200 characters, got {shown(name)}.")
        arguments = {**config, "tokenizer": BertTokenizer.from_config(tokenizer.get("config"), f"{source}: tokenizer")}
        with named(source):
            _check_choice("trainable", config.get("trainable", True), (True, False))
            if config.get("dtype") is not None:
                arguments["dtype"] = _dtype_name(config["dtype"])
            return cls(**arguments)


def _places(sizes, budget, truncation):
    """How many tokens of each text are kept, of `budget` in all."""
    if sum(sizes) <= budget or len(sizes) == 1:
        return [min(size, budget) for size in sizes]
    first, second = sizes
    first_gets_odd = truncation == "round_robin" or first > second  # else HF: the longer, of equals the second
    half = (budget + first_gets_odd) // 2
    kept = min(first, max(half, budget - second))
    return [kept, budget - kept]


def _as_texts(value, name):
    """Anything that holds strings -> (list of strings that Rust accepts, its form in words)."""
    value = value.tolist() if hasattr(value, "tolist") else value  # NumPy, pandas
    if isinstance(value, str | bytes):
        return [_as_text(value, name)], "a string"
    if not isinstance(value, Sequence):
        raise TypeError(f"{name}: expected a string or a list of strings, got {value!r}")
    return [_as_text(item, name) for item in value], f"a list of {len(value)}"


def _as_text(item, name):
    if isinstance(item, bytes):
        return item.decode("utf-8", errors="replace")
    if not isinstance(item, str):
        hint = "; a second text goes into `pair`" if isinstance(item, list | tuple) else ""
        raise TypeError(f"{name}: expected a flat list of strings, got {item!r} in it{hint}")
    return LONE_SURROGATES.sub("\ufffd", item)  # Rust refuses them; one character for one keeps the offsets right


def _check_length(length, segments):
    least = segments + 1  # [CLS], and a [SEP] after each
    if length is not None and (not isinstance(length, int | np.integer) or not least <= length <= LENGTH_LIMIT):
        raise ValueError(
            f"seq_length (max_length): expected None or a whole number from {least} to {LENGTH_LIMIT:,}, "
            f"got {shown(length)}."
        )


def _check_choice(name, value, allowed):
    if not any(value is one for one in allowed):
        raise TypeError(f"{name}: expected {' or '.join(map(str, allowed))}, got {shown(value)}.")


def _dtype_name(dtype):
    """Return the name of a dtype, or of a serialized `keras.DTypePolicy`."""
    if isinstance(dtype, dict) and dtype.get("class_name") == "DTypePolicy" and isinstance(dtype.get("config"), dict):
        dtype = dtype["config"].get("name")
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ValueError(f"dtype: expected one of {', '.join(DTYPES)}, got {shown(dtype)}.")
    return dtype


def _refuse_to_be_saved():
    raise ValueError(
        "A model with a BertPreprocessor in it cannot become a SavedModel: the tokenizer is a Rust library, which no "
        "SavedModel can hold. Write its two halves: be.export_preprocessor(preprocessor, path), whose tokenizer is "
        "TensorFlow's, and be.export_saved_model(bert, path); or call export() on a model without the preprocessor."
    )


def _check_tensors(kinds):
    for dtype, rank in kinds:
        if dtype != "string" or rank not in (0, 1, None):
            raise ValueError(f"text, pair: expected string tensors of shape [] or [B], got {dtype} with {rank} axes")

"""The tokenizer: a text becomes WordPieces and their ids, with offsets back to its characters.

    "The unwanted cat"  ->  the  un  ##want  ##ed  cat

WordPiece: Wu et al. 2016 (arXiv:1609.08144), section 4.1. Chapter 1 (01_text_to_tokens).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
from tokenizers import AddedToken, Encoding, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from bertedu import checks, files
from bertedu.fields import ANYTHING, read_fields, shown
from bertedu.inputs import checked_text, checked_texts
from bertedu.tokenizer_json import read_tokenizer
from bertedu.vocabulary import (
    SPECIAL_TOKENS,
    check_added_tokens,
    check_vocabulary,
    model_ids,
    named,
    vocabulary_text,
)

FIELDS = dict.fromkeys(("vocab", "lowercase", "strip_accents", "tokenize_chinese_chars", "added_tokens"), ANYTHING)
PARALLEL_FROM = 256  # fewer texts are done before Rust's threads have woken up
PARALLELISM = "TOKENIZERS_PARALLELISM"  # the environment variable that the Rust library obeys

if hasattr(os, "register_at_fork"):
    # Rust's threads do not survive a fork, and a child that waits for them hangs: it starts with parallelism off,
    # unless the user has set the variable. ("off" means "false" to Rust and is rarely written: it marks it as ours.)
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
        added_tokens: further strings that, like [MASK], are kept whole wherever they stand in the raw text; those that
            `vocab` lacks get the ids after it.

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

    def __init__(
        self,
        vocab: str | os.PathLike[str] | Iterable[str] | Mapping[str, int],
        lowercase: bool = True,
        strip_accents: bool | None = None,
        tokenize_chinese_chars: bool = True,
        added_tokens: Sequence[str] = (),
    ) -> None:
        words, added_tokens = check_vocabulary(vocab), check_added_tokens(added_tokens)
        self._config = {
            "vocab": words,
            "lowercase": checks.flag("lowercase", lowercase),
            "strip_accents": checks.choice("strip_accents", strip_accents, (True, False, None), TypeError),
            "tokenize_chinese_chars": checks.flag("tokenize_chinese_chars", tokenize_chinese_chars),
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
    def from_file(cls, path: str | os.PathLike[str], **settings: Any) -> BertTokenizer:
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

    def encode(self, text: str | bytes) -> Encoding:
        """Return the `tokenizers.Encoding` of a text: lists `tokens`, `ids` and `offsets`, without special tokens.

        Offsets are (start, end) in characters of `text`, end exclusive.
        """
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Any) -> list[Encoding]:
        """Return a list of B `tokenizers.Encoding`, see `encode`, of a list of B strings."""
        texts = checked_texts(texts, "texts")
        if len(texts) < PARALLEL_FROM:
            return [self._rust.encode(text, add_special_tokens=False) for text in texts]
        return self._rust.encode_batch(texts, add_special_tokens=False)

    def tokenize(self, text: str | bytes) -> list[str]:
        """Return the tokens of a text, without special tokens."""
        return self.encode(text).tokens

    def ids_to_tokens(self, ids: Iterable[int]) -> list[str]:
        """Return the tokens of ids. Raises ValueError for an id outside of the vocabulary."""
        for i in ids:
            if not 0 <= i < self.vocab_size:
                raise ValueError(f"ids: {i} is not in the vocabulary, whose ids run from 0 to {self.vocab_size - 1}")
        return [self.vocabulary[i] for i in ids]

    def tokens_to_ids(self, tokens: Iterable[str]) -> list[int]:
        """Return the ids of tokens; a token that is not in the vocabulary becomes `unk_id`, as in Hugging Face."""
        ids = [self._rust.token_to_id(checked_text(token, "tokens")) for token in tokens]
        return [self.unk_id if i is None else i for i in ids]

    def decode(self, ids: Iterable[int], skip_special_tokens: bool = False) -> str:
        """Return the text of ids: pieces joined, spaces before punctuation removed; case and accents do not return."""
        ids = self.tokens_to_ids(self.ids_to_tokens(ids))  # rows of the same token share its id
        return self._rust.decode(ids, skip_special_tokens=skip_special_tokens)

    def special_tokens_dict(self) -> dict[str, int]:
        """Return sizes and ids under tf-models' names, as its `BertPackInputs` takes them."""
        return {
            "vocab_size": self.vocab_size,
            "start_of_sequence_id": self.cls_id,
            "end_of_segment_id": self.sep_id,
            "padding_id": self.pad_id,
            "mask_id": self.mask_id,
        }

    def save_vocabulary(self, path: str | Path) -> None:
        """Write `vocabulary` as a vocab.txt, one token a line."""
        files.write_text(path, vocabulary_text(self.vocabulary))

    def save(self, path: str | Path) -> None:
        """Write a Hugging Face `tokenizer.json`, the reverse of `from_file`; used there, it adds [CLS] and [SEP]."""
        whole = Tokenizer.from_str(self._rust.to_str())
        whole.post_processor = processors.BertProcessing((self.sep_token, self.sep_id), (self.cls_token, self.cls_id))
        files.write_text(path, whole.to_str(pretty=True))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, the vocabulary as a list."""
        return {**self._config, "vocab": list(self._config["vocab"])}

    @classmethod
    def from_config(cls, config: dict[str, Any], source: str = "config") -> BertTokenizer:
        """Return the tokenizer of a `get_config` dict, whose vocabulary is a list or a dict, never a path.

        Raises:
            ValueError: an unknown field, or a value that the constructor refuses; names `source` and the field.
        """
        read_fields(config, FIELDS, source)
        if not isinstance(config.get("vocab"), list | tuple | dict):
            raise ValueError(f"{source}: expected the tokens as vocab, got {shown(config.get('vocab'))}.")
        with named(source):
            return cls(**config)

    def __repr__(self) -> str:
        return f"BertTokenizer(vocab_size={self.vocab_size}, lowercase={self.lowercase})"

"""The tokenizer: splits texts into WordPieces and their ids, with offsets in the text.

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
    located,
    model_ids,
    vocabulary_text,
)

FIELDS = dict.fromkeys(("vocab", "lowercase", "strip_accents", "tokenize_chinese_chars", "added_tokens"), ANYTHING)
PARALLEL_FROM = 256  # with fewer texts, starting the threads of the Rust library takes longer than the work


@keras.saving.register_keras_serializable(package="bertedu")
class BertTokenizer:
    """Splits texts into WordPieces, exactly as Hugging Face's `BertTokenizerFast`, with the same Rust library.

    Args:
        vocab: path of a vocab.txt with one token per line, list of tokens in the order of their ids, or dict token ->
            id. Must contain [PAD], [UNK], [CLS], [SEP] and [MASK]. A repeated token has the id of its last line.
        lowercase: bool, True for "uncased" models.
        strip_accents: bool. Defaults to the value of `lowercase`, as in the original BERT.
        tokenize_chinese_chars: bool, make every CJK character a word of its own.
        added_tokens: list of strings that are never split, like [MASK]. Those that `vocab` lacks get the ids after it.

    Raises:
        FileNotFoundError: there is no vocab.txt at the path.
        TypeError: an argument has the wrong type.
        ValueError: `vocab` is empty, too large, not UTF-8, or lacks a special token.

    Example:
        >>> tokens = "[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat on mat dog ran it was warm un ##want ##ed . ,".split()
        >>> BertTokenizer(tokens).tokenize("The unwanted cat")
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
        tokens, added_tokens = check_vocabulary(vocab), check_added_tokens(added_tokens)
        self._config = {
            "vocab": tokens,
            "lowercase": checks.flag("lowercase", lowercase),
            "strip_accents": checks.choice("strip_accents", strip_accents, (True, False, None), TypeError),
            "tokenize_chinese_chars": checks.flag("tokenize_chinese_chars", tokenize_chinese_chars),
            "added_tokens": added_tokens,
        }
        ids = model_ids(tokens, added_tokens)
        self._rust = Tokenizer(models.WordPiece(ids, unk_token=self.unk_token, max_input_chars_per_word=100))
        self._rust.normalizer = normalizers.BertNormalizer(
            handle_chinese_chars=tokenize_chinese_chars, strip_accents=strip_accents, lowercase=lowercase
        )
        self._rust.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        self._rust.decoder = decoders.WordPiece(prefix="##")
        self._rust.add_special_tokens([AddedToken(t, normalized=False) for t in (*SPECIAL_TOKENS, *added_tokens)])
        self.lowercase = lowercase
        self.vocabulary = [*tokens, *(t for t in added_tokens if t not in ids)]  # in id order
        self.vocab_size = len(self.vocabulary)
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = (ids[t] for t in SPECIAL_TOKENS)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], **settings: Any) -> BertTokenizer:
        """Return the tokenizer of a Hugging Face tokenizer.json.

        Args:
            path: path of the file.
            settings: arguments of `BertTokenizer` that replace those of the file.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is not the tokenizer.json of a BERT.
        """
        arguments = read_tokenizer(path)
        with located(path):
            return cls(**{**arguments, **settings})

    def encode(self, text: str | bytes) -> Encoding:
        """Return the `tokenizers.Encoding` of a text, with the lists `tokens`, `ids` and `offsets`.

        [CLS] and [SEP] are not added. Offsets are (start, end) in characters of `text`, end exclusive.
        """
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Any) -> list[Encoding]:
        """Return a list of B `tokenizers.Encoding` for a list of B strings; see `encode`."""
        texts = checked_texts(texts, "texts")
        if len(texts) < PARALLEL_FROM:
            return [self._rust.encode(text, add_special_tokens=False) for text in texts]
        return self._rust.encode_batch(texts, add_special_tokens=False)

    def tokenize(self, text: str | bytes) -> list[str]:
        """Return the tokens of a text, without [CLS] and [SEP]."""
        return self.encode(text).tokens

    def ids_to_tokens(self, ids: Iterable[int]) -> list[str]:
        """Return the tokens of `ids`. Raises a ValueError for an id that is not in the vocabulary."""
        for i in ids:
            if not 0 <= i < self.vocab_size:
                raise ValueError(f"ids: expected whole numbers from 0 to {self.vocab_size - 1}, got {i}.")
        return [self.vocabulary[i] for i in ids]

    def tokens_to_ids(self, tokens: Iterable[str]) -> list[int]:
        """Return the ids of `tokens`, `unk_id` for a token that is not in the vocabulary."""
        ids = [self._rust.token_to_id(checked_text(token, "tokens")) for token in tokens]
        return [self.unk_id if i is None else i for i in ids]

    def decode(self, ids: Iterable[int], skip_special_tokens: bool = False) -> str:
        """Return the text of `ids`: pieces joined, without spaces before punctuation. Case and accents are lost."""
        ids = self.tokens_to_ids(self.ids_to_tokens(ids))  # repeated tokens have several ids
        return self._rust.decode(ids, skip_special_tokens=skip_special_tokens)

    def special_tokens_dict(self) -> dict[str, int]:
        """Return the vocabulary size and special ids under the names of tf-models' `BertPackInputs`."""
        return {
            "vocab_size": self.vocab_size,
            "start_of_sequence_id": self.cls_id,
            "end_of_segment_id": self.sep_id,
            "padding_id": self.pad_id,
            "mask_id": self.mask_id,
        }

    def save_vocabulary(self, path: str | Path) -> None:
        """Write the vocabulary to a vocab.txt, one token per line."""
        files.write_text(path, vocabulary_text(self.vocabulary))

    def save(self, path: str | Path) -> None:
        """Write a Hugging Face tokenizer.json, which `from_file` reads. In Hugging Face it adds [CLS] and [SEP]."""
        whole = Tokenizer.from_str(self._rust.to_str())
        whole.post_processor = processors.BertProcessing((self.sep_token, self.sep_id), (self.cls_token, self.cls_id))
        files.write_text(path, whole.to_str(pretty=True))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, with the vocabulary as a list."""
        return {**self._config, "vocab": list(self._config["vocab"])}

    @classmethod
    def from_config(cls, config: dict[str, Any], source: str = "config") -> BertTokenizer:
        """Return the tokenizer of a `get_config` dict. Its vocabulary must be a list or a dict: no file is opened.

        Args:
            config: dict from `get_config`, or from a file.
            source: str, name of the file for error messages.

        Raises:
            ValueError: a field is unknown, or the constructor refuses its value.
        """
        read_fields(config, FIELDS, source)
        if not isinstance(config.get("vocab"), list | tuple | dict):
            raise ValueError(f"{source}: vocab: expected a list or dict of tokens, got {shown(config.get('vocab'))}.")
        with located(source):
            return cls(**config)

    def __repr__(self) -> str:
        return f"BertTokenizer(vocab_size={self.vocab_size}, lowercase={self.lowercase})"

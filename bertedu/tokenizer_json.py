"""Hugging Face's tokenizer.json. Fields other than the settings of `BertTokenizer` must have BERT's values.

Only data is read: a path or class in a field is never opened or looked up. Chapter 1 (01_text_to_tokens).
"""

import os
from typing import Any

from bertedu.fields import ANYTHING, for_all, read_fields, shown
from bertedu.files import parse_json
from bertedu.terminal import warn
from bertedu.vocabulary import SPECIAL_TOKENS, file_content, tokens_by_id

ANY = ()  # values of a field that does not change the ids
BERT = {
    "truncation": {"direction": ("Right", None), "max_length": ANY, "strategy": ANY, "stride": ANY},
    "padding": {  # the id of [PAD] is compared in `_check_special_ids`
        "direction": ("Right", None),
        "pad_token": ("[PAD]",),
        "pad_type_id": (0,),
        **for_all("pad_id strategy pad_to_multiple_of", ANY),
    },
    "normalizer": {
        "type": ("BertNormalizer",),
        "clean_text": (True,),
        "strip_accents": (True, False, None),
        **for_all("handle_chinese_chars lowercase", (True, False)),
    },
    "pre_tokenizer": {"type": ("BertPreTokenizer",)},
    "decoder": {"type": ("WordPiece",), "prefix": ("##",), "cleanup": (True,)},
    "model": {
        "type": ("WordPiece", None),  # absent in files of 2020, such as bert-base-uncased's
        "unk_token": ("[UNK]",),
        "continuing_subword_prefix": ("##",),
        "max_input_chars_per_word": (100,),
        "vocab": ANY,  # read by `tokens_by_id`
    },
}
"""Parts of a tokenizer.json -> their fields -> the values that a BERT may have."""
FIELDS = dict.fromkeys(("version", *BERT, "post_processor", "added_tokens"), ANYTHING)
OPTIONAL_PARTS = ("truncation", "padding", "decoder")
ADDED_TOKEN = {
    **for_all("id content", ANY),  # read by `_added_tokens`
    **for_all("single_word lstrip rstrip normalized", (False, None)),
    "special": (True,),
}
SINGLE = (("SpecialToken", "[CLS]", 0), ("Sequence", "A", 0), ("SpecialToken", "[SEP]", 0))
TEMPLATE = {"single": SINGLE, "pair": (*SINGLE, ("Sequence", "B", 1), ("SpecialToken", "[SEP]", 1))}


def read_tokenizer(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the arguments of `BertTokenizer` for a Hugging Face tokenizer.json.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not the tokenizer.json of a BERT.
    """
    state = parse_json(file_content(path, "path: expected a tokenizer.json, got {!r}, which is not a file."), path)
    read_fields(state, FIELDS, path)  # the Rust library refuses others too
    unknown = _check_part({"version": state.get("version")}, {"version": ("1.0", None)}, path, "")
    for part, fields in BERT.items():
        if state.get(part) is not None or part not in OPTIONAL_PARTS:
            unknown += _check_part(state.get(part), fields, path, f"{part}.")
    vocabulary = tokens_by_id(state["model"].get("vocab"), f"{path}: model.vocab")
    ids = {word: i for i, word in enumerate(vocabulary)}
    added = state.get("added_tokens")
    added_tokens = _added_tokens([] if added is None else added, ids, len(vocabulary), path, unknown)
    _check_special_ids(state, ids, path)
    if unknown:
        warn(f"{path}: the unknown fields {shown(unknown)} are ignored.")
    normalizer = state["normalizer"]
    return {
        "vocab": vocabulary,
        "lowercase": normalizer["lowercase"],
        "strip_accents": normalizer.get("strip_accents"),
        "tokenize_chinese_chars": normalizer["handle_chinese_chars"],
        "added_tokens": added_tokens,
    }


def _check_part(part, fields, path, name):
    """Raise ValueError if a field does not have one of its allowed values; return the unknown fields."""
    if not isinstance(part, dict):
        raise ValueError(f"{path}: expected an object as {name[:-1]}, got {shown(part)}. Is it a BERT tokenizer.json?")
    for field, allowed in fields.items():
        value = part.get(field)
        if allowed and not any(type(value) is type(item) and value == item for item in allowed):
            expected = " or ".join(map(repr, allowed))
            raise ValueError(f"{path}: expected {name}{field} {expected}, as in BERT's tokenizer, got {shown(value)}.")
    return [f"{name}{field}" for field in part if field not in fields]


def _added_tokens(tokens, ids, rows, path, unknown):
    """Return the added tokens in the order of their ids, without BERT's special tokens."""
    if not isinstance(tokens, list):
        raise ValueError(f"{path}: expected a list as added_tokens, got {shown(tokens)}.")
    for n, token in enumerate(tokens):
        unknown += _check_part(token, ADDED_TOKEN, path, f"added_tokens[{n}].")
        if type(token.get("id")) is not int or type(token.get("content")) is not str:
            raise ValueError(f"{path}: expected an id and a content in added_tokens[{n}], got {shown(token)}.")
    added = []
    for token in sorted(tokens, key=lambda token: token["id"]):
        content, i = token["content"], token["id"]
        if ids.setdefault(content, rows) != i:
            expected = f"id {ids[content]} for {shown(content)} (its id in the vocabulary, or else the next free id)"
            raise ValueError(f"{path}: added_tokens: expected {expected}, got {shown(i)}.")
        rows += i == rows
        if content not in SPECIAL_TOKENS:
            added.append(content)
    return added


def _check_special_ids(state, ids, path):
    """Raise ValueError if the file adds [CLS], [SEP] or [PAD] differently from BERT, or with the wrong ids."""
    post_processor, padding = state.get("post_processor"), state.get("padding")
    cls, sep, pad = (ids.get(token) for token in ("[CLS]", "[SEP]", "[PAD]"))
    special = {token: {"id": token, "ids": [i], "tokens": [token]} for token, i in (("[CLS]", cls), ("[SEP]", sep))}
    sides = {
        side: [{kind: {"id": name, "type_id": type_id}} for kind, name, type_id in pieces]
        for side, pieces in TEMPLATE.items()
    }
    allowed = (
        None,
        {"type": "BertProcessing", "sep": ["[SEP]", sep], "cls": ["[CLS]", cls]},
        {"type": "TemplateProcessing", **sides, "special_tokens": special},
    )
    if post_processor not in allowed:
        expected = f"BERT's post_processor ([CLS] A [SEP] B [SEP], ids {cls} and {sep})"
        raise ValueError(f"{path}: expected {expected}, got {shown(post_processor)}.")
    if padding is not None and padding.get("pad_id") != pad:
        raise ValueError(f"{path}: expected padding.pad_id {pad}, the id of [PAD], got {shown(padding.get('pad_id'))}.")

"""Read the tokenizer of a Hugging Face directory, as transformers does.

    vocabulary, added tokens            tokenizer.json, else vocab.txt
    do_lower_case, strip_accents,       tokenizer_config.json, else their defaults; from tokenizer.json
    tokenize_chinese_chars              only for a class without these arguments

Chapter: notebooks/11_checkpoints.ipynb.
"""

from pathlib import Path
from typing import Any, NoReturn

from bertedu.checkpoints.huggingface.embedding import read_optional
from bertedu.checkpoints.huggingface.settings import SPECIALS, TOKENIZER, is_token
from bertedu.fields import shown
from bertedu.files import read_json
from bertedu.text import BertTokenizer
from bertedu.vocabulary import SPECIAL_TOKENS

JSON, VOCABULARY, CONFIG = "tokenizer.json", "vocab.txt", "tokenizer_config.json"
SPECIAL_TOKENS_MAP, ADDED_TOKENS = "special_tokens_map.json", "added_tokens.json"

MODELS = "Bert Electra MobileBert SqueezeBert RetriBert LayoutLM Lxmert"
SAME_AS_BERT = tuple(f"{name}Tokenizer{fast}" for name in MODELS.split() for fast in ("", "Fast"))
"""Classes of transformers that are identical to its BertTokenizer."""
FROM_JSON = ("PreTrainedTokenizerFast", "TokenizersBackend")
"""Classes that follow tokenizer.json. The second returns token types only if `model_input_names` has them."""


def read_tokenizer(directory: Path) -> BertTokenizer:
    """Return the `BertTokenizer` of a Hugging Face directory.

    Raises:
        FileNotFoundError: neither tokenizer.json nor vocab.txt exists.
        ValueError: a file is damaged, or has a setting that differs from BERT's tokenizer.
    """
    config = read_optional(directory / CONFIG, TOKENIZER)
    special = read_optional(directory / SPECIAL_TOKENS_MAP, SPECIALS)
    settings = {
        "lowercase": config.get("do_lower_case", True),
        "strip_accents": config.get("strip_accents"),
        "tokenize_chinese_chars": config.get("tokenize_chinese_chars", True),
    }
    if tokenizer_class(directory, config) in FROM_JSON:
        settings = {}
    if (directory / JSON).is_file():
        tokenizer = BertTokenizer.from_file(directory / JSON, **settings)
    elif not (directory / VOCABULARY).is_file():
        raise FileNotFoundError(f"{directory}: expected {JSON} or {VOCABULARY}, got neither. Download it again.")
    else:
        tokenizer = BertTokenizer(directory / VOCABULARY, **settings)
    return with_added_tokens(tokenizer, directory, config, special)


def tokenizer_class(directory: Path, config: dict[str, Any]) -> str:
    """Return the checked name of the tokenizer's class in transformers."""
    name, file = config.get("tokenizer_class"), directory / CONFIG
    if name is None:
        file = directory / "config.json"
        name = read_json(file).get("tokenizer_class") or "BertTokenizer"
    without_types = name == "TokenizersBackend" and "model_input_names" not in config
    if name not in (*SAME_AS_BERT, *FROM_JSON) or without_types:
        got = f"{shown(name)}{' without token_type_ids in model_input_names' if without_types else ''}"
        raise ValueError(f"{file}: tokenizer_class: expected BertTokenizer or an equivalent class, got {got}.")
    if name in FROM_JSON and not (directory / JSON).is_file():
        raise FileNotFoundError(f"{directory}: expected {JSON} for a {name}, got no such file. Download it again.")
    return name


def with_added_tokens(
    tokenizer: BertTokenizer, directory: Path, config: dict[str, Any], special: dict[str, Any]
) -> BertTokenizer:
    """Return the tokenizer with the added tokens of the other files."""
    names: list[str] = []
    ids: dict[Any, int] = {}
    options = tokenizer.get_config()
    for source, fields in ((CONFIG, config), (SPECIAL_TOKENS_MAP, special)):
        for field in ("additional_special_tokens", "extra_special_tokens"):
            names += special_tokens(fields.get(field), f"{directory / source}: {field}")
    known = (*SPECIAL_TOKENS, *options["added_tokens"])
    for i, token in (config.get("added_tokens_decoder") or {}).items():
        content = token.get("content") if isinstance(token, dict) else None
        is_special = isinstance(content, str) and is_token(token, content) and token.get("special") is True
        if not is_special or not i.isdecimal() or len(i) > 9:
            refuse(f"{directory / CONFIG}: added_tokens_decoder", token)
        ids[content] = int(i)
    file = directory / ADDED_TOKENS
    for content, i in (read_json(file) if file.is_file() and "added_tokens_decoder" not in config else {}).items():
        if type(i) is not int or content not in (*known, *names):
            refuse(file, content)
        ids[content] = i
    new = [name for name in dict.fromkeys((*sorted(ids, key=ids.__getitem__), *names)) if name not in known]
    if new:
        tokenizer = BertTokenizer(**options | {"added_tokens": [*options["added_tokens"], *new]})
    wrong = [name for name, i in ids.items() if tokenizer.tokens_to_ids([name]) != [i]]
    if wrong:
        expected = f"id {tokenizer.tokens_to_ids(wrong)[0]} for {shown(wrong[0])}"
        why = "(its id in the vocabulary, or else the next free id)"
        raise ValueError(f"{directory}: added tokens: expected {expected} {why}, got {shown(ids[wrong[0]])}.")
    return tokenizer


def special_tokens(tokens: Any, source: str) -> list[str]:
    """Return the names in a list or dict of additional special tokens."""
    tokens = list(tokens.values()) if isinstance(tokens, dict) else [] if tokens is None else tokens
    if not isinstance(tokens, list):
        refuse(source, tokens)
    names: list[Any] = [token.get("content") if isinstance(token, dict) else token for token in tokens]
    for name, token in zip(names, tokens, strict=True):
        if not isinstance(name, str) or not is_token(token, name):
            refuse(source, token)
    return names


def refuse(source: Path | str, token: Any) -> NoReturn:
    """Raise ValueError for an added token that is not matched as BERT's special tokens are."""
    raise ValueError(f"{source}: expected special tokens without flags (lstrip, normalized, ...), got {shown(token)}.")

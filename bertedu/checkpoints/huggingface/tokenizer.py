"""The tokenizer of a Hugging Face directory, as transformers reads it.

    vocabulary, added tokens:                             tokenizer.json, else vocab.txt
    do_lower_case, strip_accents, tokenize_chinese_chars: tokenizer_config.json, else their defaults; tokenizer.json's
                                                          own count only for a class that has no such arguments

Chapter: notebooks/10_checkpoints.ipynb.
"""

from bertedu.checkpoints.huggingface.settings import SPECIALS, TOKENIZER, is_token
from bertedu.fields import read_fields, shown
from bertedu.files import read_json
from bertedu.text import BertTokenizer
from bertedu.vocabulary import SPECIAL_TOKENS

JSON, VOCABULARY, CONFIG = "tokenizer.json", "vocab.txt", "tokenizer_config.json"
SPECIAL_TOKENS_MAP, ADDED_TOKENS = "special_tokens_map.json", "added_tokens.json"

SAME_AS_BERT = tuple(
    f"{name}Tokenizer{fast}"
    for name in ("Bert", "Electra", "MobileBert", "SqueezeBert", "RetriBert", "LayoutLM", "Lxmert")
    for fast in ("", "Fast")
)
"""Classes of transformers that are its BertTokenizer under another name."""
FROM_JSON = ("PreTrainedTokenizerFast", "TokenizersBackend")
"""Classes that do what tokenizer.json says. The second makes no token types unless `model_input_names` has them."""


def read_tokenizer(directory):
    """Return the `BertTokenizer` of a Hugging Face directory.

    Raises:
        FileNotFoundError: it holds neither tokenizer.json nor vocab.txt.
        ValueError: a file is damaged, or says something that BERT's tokenizer does not do; names file and field.
    """
    config = read_settings(directory, CONFIG, TOKENIZER)
    special = read_settings(directory, SPECIAL_TOKENS_MAP, SPECIALS)
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
        raise FileNotFoundError(f"{directory} holds neither {JSON} nor {VOCABULARY}.")
    else:
        tokenizer = BertTokenizer(directory / VOCABULARY, **settings)
    return with_added_tokens(tokenizer, directory, config, special)


def read_settings(directory, name, table):
    """Return the checked fields of a JSON file of the tokenizer; none where there is no such file."""
    file = directory / name
    return read_fields(read_json(file), table, file, unknown="warn") if file.is_file() else {}


def tokenizer_class(directory, config):
    """Return the name of the tokenizer's class in transformers, checked."""
    name, file = config.get("tokenizer_class"), directory / CONFIG
    if name is None:
        file = directory / "config.json"
        name = read_json(file).get("tokenizer_class") or "BertTokenizer"
    without_types = name == "TokenizersBackend" and "model_input_names" not in config
    if name not in (*SAME_AS_BERT, *FROM_JSON) or without_types:
        raise ValueError(
            f"{file}: tokenizer_class must be BertTokenizer or one that computes the same, got {shown(name)}"
            f"{' without token_type_ids in model_input_names' if without_types else ''}."
        )
    if name in FROM_JSON and not (directory / JSON).is_file():
        raise FileNotFoundError(f"{directory} holds no {JSON}, which {name} reads.")
    return name


def with_added_tokens(tokenizer, directory, config, special):
    """Return the tokenizer with the added tokens that the files beside tokenizer.json name."""
    names, ids = [], {}
    for file, fields in ((CONFIG, config), (SPECIAL_TOKENS_MAP, special)):
        for field in ("additional_special_tokens", "extra_special_tokens"):
            names += special_tokens(fields.get(field), f"{directory / file}: {field}")
    for i, token in as_object(config.get("added_tokens_decoder"), directory / CONFIG).items():
        content = token.get("content") if isinstance(token, dict) else None
        special_one = isinstance(content, str) and is_token(token, content) and token.get("special") is True
        if not special_one or not i.isdecimal() or len(i) > 9:
            refuse(f"{directory / CONFIG}: added_tokens_decoder", token)
        ids[content] = int(i)
    file = directory / ADDED_TOKENS
    for content, i in (read_json(file) if file.is_file() and "added_tokens_decoder" not in config else {}).items():
        if type(i) is not int or content not in (*SPECIAL_TOKENS, *names, *tokenizer.get_config()["added_tokens"]):
            refuse(file, content)
        ids[content] = i
    known = (*SPECIAL_TOKENS, *tokenizer.get_config()["added_tokens"])
    new = [name for name in dict.fromkeys((*sorted(ids, key=ids.get), *names)) if name not in known]
    if new:
        config = tokenizer.get_config()
        tokenizer = BertTokenizer(**config | {"added_tokens": [*config["added_tokens"], *new]})
    wrong = [name for name, i in ids.items() if tokenizer.tokens_to_ids([name]) != [i]]
    if wrong:
        raise ValueError(
            f"{directory}: the added token {shown(wrong[0])} must have the id {tokenizer.tokens_to_ids(wrong)[0]}, "
            f"which it has in the vocabulary or follows on it; got {shown(ids[wrong[0]])}."
        )
    return tokenizer


def as_object(value, source):
    """Return `value`, an object or null, as a dict."""
    if value is not None and not isinstance(value, dict):
        raise ValueError(f"{source}: added_tokens_decoder must be an object, got {shown(value)}.")
    return value or {}


def special_tokens(tokens, source):
    """Return the names in a list, or an object, of further special tokens."""
    tokens = list(tokens.values()) if isinstance(tokens, dict) else tokens
    if tokens is not None and not isinstance(tokens, list):
        raise ValueError(f"{source} must be a list of tokens, got {shown(tokens)}.")
    names = []
    for token in tokens or ():
        name = token.get("content") if isinstance(token, dict) else token
        if not isinstance(name, str) or not is_token(token, name):
            refuse(source, token)
        names.append(name)
    return names


def refuse(source, token):
    """Raise ValueError for an added token that is not found as BERT's special tokens are."""
    raise ValueError(
        f"{source} adds {shown(token)}; only special tokens, which are found as they stand in a text, are supported."
    )

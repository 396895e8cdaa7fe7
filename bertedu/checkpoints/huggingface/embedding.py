"""Read the files of sentence-transformers: modules.json and the settings of `embed`.

Chapter: notebooks/11_checkpoints.ipynb.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bertedu.checkpoints.common import shortened
from bertedu.checkpoints.huggingface.names import POOLING_FLAGS
from bertedu.checkpoints.huggingface.settings import POOLING, SENTENCE_TRANSFORMERS, TOKENIZER, TRANSFORMER
from bertedu.fields import read_fields, shown
from bertedu.files import read_json
from bertedu.pooling import POOLINGS, EmbedSettings
from bertedu.terminal import warn
from bertedu.text import BertTokenizer

MODULES, SETTINGS = "modules.json", "config_sentence_transformers.json"
KINDS = "bert roberta distilbert camembert albert xlm-roberta xlnet"
LIMITS = tuple(f"sentence_{kind}_config.json" for kind in KINDS.split())
"""Names of the file with `max_seq_length`, in the order in which sentence-transformers looks for them."""
NO_EFFECT = "Dropout"  # a module without effect after training


def is_inside(path: str) -> bool:
    """Return whether `path`, a string from a file, is relative and stays within its directory."""
    return not re.match(r"[A-Za-z]:|[/\\]", path) and ".." not in re.split(r"[/\\]", path) and "\0" not in path


def read_optional(file: Path, table: dict, unknown: str = "warn") -> dict[str, Any]:
    """Return the checked fields of a JSON file, or {} if it does not exist."""
    return read_fields(read_json(file), table, file, unknown=unknown) if file.is_file() else {}


def read_modules(path: Path) -> list[tuple[str, Path]]:
    """Return a list of (class name, directory) of the modules in modules.json, or [] if it does not exist.

    Raises:
        ValueError: the file is damaged, a path leaves the directory, or the first module is not a Transformer.
    """
    file, modules = path / MODULES, []
    if not file.is_file():
        return []
    for module in read_json(file, list):
        kind, folder = (module.get(field) if isinstance(module, dict) else None for field in ("type", "path"))
        if not isinstance(kind, str) or not isinstance(folder, str) or not is_inside(folder):
            raise ValueError(f"{file}: expected a 'type' and a 'path' within the directory, got {shown(module)}.")
        package, _, name = kind.rpartition(".")
        modules.append((name if package.partition(".")[0] == "sentence_transformers" else kind, path / folder))
    if (names := [name for name, _ in modules])[:1] != ["Transformer"]:
        raise ValueError(f"{file}: expected a Transformer first, got {shown(names)}. Only BERTs can be loaded.")
    return modules


def model_directory(path: Path) -> Path:
    """Return the directory of the Transformer module, which has config.json, the weights and the tokenizer."""
    modules = read_modules(path)
    return modules[0][1] if modules else path


def transformer_settings(path: Path) -> dict[str, Any]:
    """Return the checked fields of sentence_bert_config.json, or {} for a directory without modules.json."""
    if not read_modules(path):
        return {}
    files = (model_directory(path) / name for name in LIMITS)
    return next((read_optional(file, TRANSFORMER) for file in files if file.is_file()), {})


def lowercased(tokenizer: BertTokenizer, path: Path) -> BertTokenizer:
    """Return the tokenizer with sentence-transformers' `do_lower_case`, which does not strip accents."""
    if tokenizer.lowercase or not transformer_settings(path).get("do_lower_case"):
        return tokenizer
    config = tokenizer.get_config()
    return BertTokenizer(**config | {"lowercase": True, "strip_accents": bool(config["strip_accents"])})


def read_embed_settings(path: Path) -> EmbedSettings:
    """Return the `EmbedSettings` that sentence-transformers would use for a directory.

    If `embed` does not support its pooling, `pooling` is a description that `embed` refuses, and a warning is issued.
    """
    max_length = transformer_settings(path).get("max_seq_length") or tokenizer_length(model_directory(path))
    modules = read_modules(path)
    if not modules:
        return EmbedSettings(max_length=max_length)
    config = read_optional(path / SETTINGS, SENTENCE_TRANSFORMERS)
    prompt = default_prompt(config, path / SETTINGS)
    pooling, normalize = describe_modules(modules[1:], prompt)
    pooling += f", truncate_dim {config['truncate_dim']}" if config.get("truncate_dim") is not None else ""
    if pooling not in POOLINGS:
        got = f'got {pooling}. Pass a pooling yourself: bert.embed(texts, pooling="mean")'
        warn(f"{path / MODULES}: expected pooling by {', '.join(POOLINGS)}, {got}.")
    return EmbedSettings(pooling, normalize, max_length, prompt)


def tokenizer_length(directory: Path) -> int | None:
    """Return the maximum length in the tokenizer's settings, or None if it is not below the number of positions."""
    settings = read_optional(directory / "tokenizer_config.json", TOKENIZER, unknown="ignore")
    length = settings.get("model_max_length") or settings.get("max_len")
    positions = read_json(directory / "config.json")["max_position_embeddings"]
    return int(length) if length is not None and length < positions else None


def default_prompt(config: dict[str, Any], file: Path) -> str:
    """Return the prompt that sentence-transformers prepends to every text."""
    name, prompts = config.get("default_prompt_name"), config.get("prompts") or {}
    if name is None:
        return ""
    if not isinstance(prompts.get(name), str) or len(prompts[name]) > 100_000:
        raise ValueError(f"{file}: default_prompt_name: expected a name among prompts, got {shown(name)}.")
    return prompts[name]


def describe_modules(modules: Sequence[tuple[str, Path]], prompt: str) -> tuple[str, bool]:
    """Return the pooling, or a description of an unsupported one, and whether embeddings are normalized."""
    modules = [module for module in modules if module[0] != NO_EFFECT]
    names = [name for name, _ in modules]
    if names[:1] != ["Pooling"] or set(names[1:]) - {"Normalize"}:
        return shortened(names, limit=10) if names else "no pooling", False
    pooling, with_prompt = read_pooling(modules[0][1])
    return pooling if with_prompt or not prompt else f"{pooling}, include_prompt false", len(names) > 1


def read_pooling(directory: Path) -> tuple[str, bool]:
    """Return the mode of a Pooling module, several joined by commas, and whether it includes the prompt."""
    file = directory / "config.json"
    config = read_fields(read_json(file), POOLING, file, unknown="warn")
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [mode for flag, mode in POOLING_FLAGS.items() if config.get(flag)] or "mean"
    modes = [modes] if isinstance(modes, str) else modes
    if not isinstance(modes, list) or not modes or not all(isinstance(mode, str) for mode in modes):
        raise ValueError(f"{file}: pooling_mode: expected one of {', '.join(POOLINGS)}, got {shown(modes)}.")
    return shortened(modes, limit=10), config.get("include_prompt") is not False


def left_behind(path: Path) -> list[str]:
    """Return descriptions of the settings of sentence-transformers that a `Bert` does not store."""
    if not read_modules(path):
        return []
    config = read_optional(path / SETTINGS, SENTENCE_TRANSFORMERS, unknown="ignore")
    prompts = {name: text for name, text in (config.get("prompts") or {}).items() if text}
    prompts.pop(config.get("default_prompt_name"), None)
    settings = [f"prompts other than the default ({shortened(list(prompts))})"] if prompts else []
    if config.get("similarity_fn_name") not in (None, "cosine"):
        settings.append(f"similarity_fn_name {shown(config['similarity_fn_name'])}")
    return settings

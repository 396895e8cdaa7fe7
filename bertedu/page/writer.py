"""Writes the folder of a page."""

from __future__ import annotations

import hashlib
import html
import json
import zlib
from importlib import metadata
from pathlib import Path
from typing import Any

from safetensors.numpy import load

from bertedu import checks, files, presets
from bertedu.bert import Bert
from bertedu.checkpoints import loading
from bertedu.fields import shown
from bertedu.page.weights import model_files
from bertedu.views import arrays, bundle
from bertedu.vocabulary import vocabulary_text

HERE = Path(__file__).parent
FORMAT = "bertedu page"
WEIGHTS = ("float16", "float32")
LOADED = ("kernels.wasm", "vocabulary.txt", "weights.safetensors")  # whose size and checksum the page checks
STYLES = ("common", "head", "explorer")
STARTS = {"explorer.js": ("page.js", "start().catch(showError);"), "worker.js": ("worker.js", "serve(self);")}
ROUNDING = {
    "float16": "The weights are stored as float16, to load in half the time, and all arithmetic is float32.",
    "float32": "The weights are those of the published model, in float32, and so is all arithmetic.",
}
MEASURED = {  # for MiniLM, by benchmarks.page
    "float16": "Attention weights differ from those of the float32 model by less than 0.003, as measured on 50 texts.",
    "float32": "Attention weights differ from those of bert.read by less than 0.00001, as measured on 50 texts.",
}
DECIMALS = "Tables show three decimals."


def build(path: str | Path, model: str = "minilm", weights: str = "float16") -> Path:
    """Write a static page that runs a model in the browser. Two builds of the same model are equal to the byte.

    Args:
        path: path of the folder. It must not exist, be empty, or hold an earlier page, which is replaced.
        model: str, a model as for `be.load`, with the architecture of BERT or MiniLM: exact GELU, at most 1,024
            positions, uncased or cased WordPiece.
        weights: "float16" or "float32", the dtype of the stored weights. The page computes in float32.

    Returns:
        `path`.

    Raises:
        FileExistsError: `path` exists and is not an earlier page.
        ValueError: `weights` is unknown, the page cannot run the model, or one of its weights is too large for float16.
        FileNotFoundError, ConnectionError: as `be.load`.

    Example:
        be.page.build("page")
        # then: python3 -m http.server -d page
    """
    checks.choice("weights", weights, WEIGHTS)
    path = Path(path).expanduser()
    is_replaced = _is_page(path)
    if not is_replaced and (path.is_file() or (path.is_dir() and any(path.iterdir()))):
        raise FileExistsError(
            f"{path}: expected a new folder, or an earlier page, got other files. Choose another path."
        )
    bert = loading.load(model)
    _check(bert)
    preset = presets.PRESETS.get(model)
    contents = _contents(bert, preset, weights)
    with files.replacing(path, overwrite=is_replaced) as folder:
        folder.mkdir()
        for name, content in contents.items():
            (folder / name).write_bytes(content)
    return path


def _check(bert: Bert) -> None:
    """Raise a ValueError for settings of a model that the page ignores; `model_files` checks the encoder's own."""
    embed, types = bert.embed_settings, bert.encoder.type_vocab_size
    settings = {
        "pooling": (embed.pooling, "mean"),
        "prompt": (embed.prompt, ""),
        "type_vocab_size": (types, max(2, types)),
        "max_sequence_length": (bert.max_length, min(bert.max_length, arrays.MAX_TOKENS)),
        "vocab_size": (bert.tokenizer.vocab_size, bert.encoder.vocab_size),
    }
    for name, (value, expected) in settings.items():
        if value != expected:
            raise ValueError(f"{bert.name}: expected {name} {shown(expected)} for a page, got {shown(value)}.")


def sizes(path: str | Path) -> dict[str, int]:
    """Return the size in bytes of each part of a page: its files, and the groups of tensors in its weights.

    Args:
        path: path of a folder that `build` wrote.

    Returns:
        dict, name of the part -> bytes, which add up to the size of the folder.
    """
    path = Path(path).expanduser()
    nbytes = {file.name: file.stat().st_size for file in sorted(path.iterdir())}
    total = nbytes.pop("weights.safetensors")
    groups = {"word embeddings": 0, "other weights of the encoder": 0, "masked-LM head and its changes": 0}
    for name, tensor in load((path / "weights.safetensors").read_bytes()).items():
        group = 2 if name.startswith("masked_lm/") else 0 if name == "embeddings/word" else 1
        groups[list(groups)[group]] += tensor.nbytes
    header = total - sum(groups.values())
    return {**nbytes, **{f"weights.safetensors: {name}": size for name, size in groups.items()}, "its header": header}


def _is_page(path):
    """Return whether `path` is a folder that `build` wrote."""
    config = path / "model.json"
    if not config.is_file():
        return False
    try:
        return files.read_json(config).get("format") == FORMAT
    except ValueError:
        return False


def _contents(bert: Bert, preset: presets.Preset | None, weights: str) -> dict[str, bytes]:
    """Return the content of each file of a page."""
    changes = _masked_lm_changes(bert, preset)
    model = model_files(bert, weights, changes)
    texts = {
        "vocabulary.txt": vocabulary_text(model.vocabulary),
        "explorer.css": bundle.styles(*STYLES) + (HERE / "page.css").read_text(encoding="utf-8"),
        "LICENSE": _license(),
        "NOTICE": _notice(bert, preset, weights, changes is not None),
        **{
            name: f'"use strict";\n{bundle.script(module, folder=HERE)}\n{start}\n'
            for name, (module, start) in STARTS.items()
        },
    }
    contents = {name: text.encode() for name, text in texts.items()}
    contents["kernels.wasm"] = (HERE / "kernels.wasm").read_bytes()
    contents["weights.safetensors"] = model.weights
    config = _config(bert, model.config, changes is not None, {name: _record(contents[name]) for name in LOADED})
    page = (HERE / "index.html").read_text(encoding="utf-8")
    digest = hashlib.sha256(page.encode() + json.dumps(config).encode())
    for name in sorted(contents):
        digest.update(contents[name])
    build = digest.hexdigest()[:12]
    contents["model.json"] = (json.dumps(config | {"build": build}, indent=1) + "\n").encode()
    fields = {
        "build": build,
        "name": html.escape(_short_name(bert, preset)),
        "full_name": html.escape(_full_name(bert, preset)),
        "num_layers": bert.encoder.num_layers,
        "hidden_size": bert.encoder.hidden_size,
        "num_heads": bert.encoder.num_attention_heads,
        "rounding": f"{ROUNDING[weights]} {MEASURED[weights] if preset is presets.MINILM else ''} {DECIMALS}",
    }
    contents["index.html"] = page.format(**fields).encode()
    return contents


def _config(bert: Bert, model: dict[str, Any], has_other_head: bool, records: dict[str, Any]) -> dict[str, Any]:
    """Return the content of model.json, without the build."""
    return {
        "format": FORMAT,
        "name": bert.name,
        "model": model,
        "embed_max_length": min(bert.embed_settings.max_length or bert.max_length, bert.max_length),
        "can_fill_mask": has_other_head or bert.masked_lm is not None,
        "other_head": has_other_head,
        "files": records,
    }


def _record(content: bytes) -> dict[str, int]:
    return {"nbytes": len(content), "crc32": zlib.crc32(content)}


def _masked_lm_changes(bert: Bert, preset: presets.Preset | None) -> Path | None:
    """Return the file of the masked-LM helper of a preset, if the package has one and the model has no own head."""
    if preset is None or preset.masked_lm is None or bert.masked_lm is not None:
        return None
    path = loading.ASSETS / preset.masked_lm
    return path if path.is_file() else None


def _short_name(bert, preset):
    return "MiniLM" if preset is presets.MINILM else arrays.visible(bert.name)


def _full_name(bert, preset):
    if preset is None or preset.hub is None:
        return arrays.visible(bert.name)
    return f"{preset.hub} ({bert.encoder.count_params() / 1e6:.1f} million parameters, Apache License 2.0)"


def _notice(bert: Bert, preset: presets.Preset | None, weights: str, has_other_head: bool) -> str:
    """Return who made which file, under which license, and what was changed."""
    source = (
        f"{_full_name(bert, preset)}, revision {preset.revision}"
        if preset
        else f"{arrays.visible(bert.name)}, under its own license"
    )
    lines = [
        "A page of bertedu, written by: bertedu page",
        "",
        "index.html, explorer.js, explorer.css, worker.js, kernels.wasm: bertedu, Apache License 2.0 (see LICENSE)",
        f"vocabulary.txt, weights.safetensors: {source}",
        f"    Changed: the weights are stored as {weights} under other names, and without the pooler.",
    ]
    if has_other_head:
        lines.append(
            "    The tensors masked_lm/... are of bertedu, trained on Python's documentation, Apache License 2.0."
        )
    return "\n".join(lines) + "\n"


def _license() -> str:
    """Return the text of the Apache License 2.0, from the checkout or from the installed package."""
    checkout = HERE.parents[1] / "LICENSE"
    if checkout.is_file():
        return checkout.read_text(encoding="utf-8")
    installed = metadata.distribution("bertedu").read_text("licenses/LICENSE")
    if installed is None:
        raise FileNotFoundError(
            "LICENSE: expected it in the installed package bertedu, got no such file. Install it again."
        )
    return installed

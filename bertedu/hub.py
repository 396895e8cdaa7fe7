"""The Hugging Face Hub: the one client for models and data sets.

A file is taken from an installed Python package, else from the cache, else from the Hub at a pinned revision. Where all
of them fail, the error lists what was tried and how to download the files by hand.
Chapter: notebooks/11_checkpoints.ipynb.
"""

import fnmatch
import hashlib
import importlib.metadata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bertedu.terminal import warn

TIMEOUT = 10  # seconds for the request before a download; the Hub's client has no default

DOWNLOADS = {
    "bertedu": (("bertedu.json",), ("model.safetensors", "tokenizer.json", "vocab.txt")),
    "huggingface": (
        ("model.safetensors", "model.safetensors.index.json"),
        ("config.json", "vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
        + ("added_tokens.json", "*.safetensors", "modules.json", "sentence_bert_config.json")
        + ("config_sentence_transformers.json", "[0-9]_*/*.json", "0_*/vocab.txt", "0_*/*.safetensors"),
    ),
    "saved_model": (("saved_model.pb",), ("variables/*", "assets/*")),
    "keras_hub": (("model.weights.h5", "model.weights.json"), ("*.json", "*.weights.h5", "assets/*")),
    "tensorflow": (("*.index",), ("checkpoint", "*.data-*-of-*", "bert_config.json", "vocab.txt")),
}
"""Format -> patterns of the files at a repository's root that identify it, and of others. The first one is used."""

PICKLES = "pytorch_model*.bin"

_ARCHIVE = "unpack into a directory with the archive's name; load the one that holds bert_model.ckpt.index"
_SAVED_MODEL = "unpack saved_model.pb, variables/ and assets/ into one directory"
BY_HAND = {
    "Hugging Face": "put model.safetensors, vocab.txt, config.json and the other .json files into one directory, "
    "keeping the subfolders",
    "SavedModel": "put saved_model.pb, variables/ and assets/ into one directory",
    "TensorFlow Hub": f"leads to Kaggle Models; download, and {_SAVED_MODEL}",
    "Kaggle Models": f"download, and {_SAVED_MODEL}",
    "TensorFlow 1": _ARCHIVE,
    "TensorFlow 2": _ARCHIVE,
    "KerasHub": "download, and unpack config.json, model.weights.h5, tokenizer.json and assets/ into one directory",
}
"""Kind of source -> instructions. The archives' names tell "cased" from "uncased", so directories should keep them."""


def page(repository: str, revision: str | None = None) -> str:
    """Return the URL of a model's files on the Hub."""
    return f"https://huggingface.co/{repository}/tree/{revision or 'main'}"


def by_hand(sources: dict[str, str], distribution: str | None = None) -> str:
    """Return instructions for a manual download, one line per source.

    Args:
        sources: dict, kind of source (a key of `BY_HAND`) -> URL.
        distribution: name of a Python distribution with the files. Defaults to None.
    """
    lines = [f"  {kind}: {address} ({BY_HAND[kind]})" for kind, address in sources.items()]
    if distribution:
        lines.insert(0, f"  Python package: pip install {distribution}, then be.load the preset by name")
    return "\n".join(['Download it by hand from one of these, then be.load("that/directory"):', *lines])


def installed_directory(distribution: str | None) -> Path | None:
    """Return the directory of a model in a Python distribution, or None. The distribution is not imported."""
    try:
        files = importlib.metadata.files(distribution) if distribution else None
    except importlib.metadata.PackageNotFoundError:
        return None
    weights = [file.locate() for file in files or () if file.name == "model.safetensors"]
    return Path(weights[0]).parent if weights and Path(weights[0]).is_file() else None


def download_model(
    repository: str,
    revision: str | None = None,
    sources: dict[str, str] | None = None,
    distribution: str | None = None,
) -> Path:
    """Return the local directory of a model repository, from the cache or downloaded in one format.

    Args:
        repository: "organization/name".
        revision: commit, tag or branch. Defaults to the cached "main", else to the newest commit.
        sources: dict, kind -> URL, all public sources of the model, for errors. Defaults to its page on the Hub.
        distribution: name of a Python distribution with the model that is not installed, for errors. Defaults to None.

    Raises:
        ConnectionError: the model is not cached, and the Hub cannot be reached or does not have it.
        FileNotFoundError: the repository has only pickles.
    """
    import huggingface_hub  # half a second to import, and only needed here

    cached = _cached(repository, revision, complete=True)
    if cached is not None:
        return cached
    instructions = by_hand(sources or {"Hugging Face": page(repository, revision)}, distribution)
    try:
        # Request the list of files first: a download alone retries six times, for half a minute.
        info = huggingface_hub.HfApi().model_info(repository, revision=revision, timeout=TIMEOUT)
        patterns = download_patterns([file.rfilename for file in info.siblings or ()])
        if patterns:
            return Path(huggingface_hub.snapshot_download(repository, revision=revision, allow_patterns=patterns))
    except Exception as error:  # the Hub's client raises about twenty types
        reason = _first_line(error)
    else:
        raise FileNotFoundError(
            f"{page(repository, revision)}: expected safetensors, got {PICKLES}, which can execute arbitrary code "
            "when loaded. Convert it (transformers: AutoModel.from_pretrained(...).save_pretrained(...)), or use "
            f"another source.\n{instructions}"
        )
    cached = _cached(repository, revision, complete=False)
    if cached is None:
        packages = [f"the Python package {distribution}: not installed, or incomplete"] if distribution else []
        otherwise = f'{instructions}\nbe.load("minilm") works offline after `pip install -e ".[course]"`.'
        raise _unavailable(f"The model {repository!r}", packages, "no complete copy", reason, otherwise)
    offline = f"The Hub cannot be reached ({reason}), so {repository!r} is loaded from the cache, {cached}."
    warn(f"{offline} The cached copy may be incomplete.")
    return cached


def download_data(repository: str, filename: str, revision: str, *, name: str, otherwise: str) -> Path:
    """Return the local copy of one file of a data set, from the cache, else from the Hub.

    Args:
        repository: "organization/name".
        filename: path of the file in the repository.
        revision: commit.
        name: string, the data set's name, for errors.
        otherwise: string, instructions for a manual download, for errors.

    Raises:
        ConnectionError: the file is not cached, and the Hub cannot be reached or does not have it.
    """
    import huggingface_hub

    source: dict[str, Any] = {"repo_id": repository, "filename": filename, "repo_type": "dataset", "revision": revision}
    cached = huggingface_hub.try_to_load_from_cache(**source)
    if isinstance(cached, str):
        return Path(cached)
    try:
        huggingface_hub.HfApi().dataset_info(repository, revision=revision, timeout=TIMEOUT)  # see download_model
        return Path(huggingface_hub.hf_hub_download(**source))
    except Exception as error:
        reason = _first_line(error)
    raise _unavailable(f"The data set {name!r}", [], "not cached", reason, otherwise)


def download_patterns(files: Iterable[str]) -> list[str]:
    """Return the patterns of the files to download from a repository, for one format; [] if it has only pickles."""
    root = [file for file in files if "/" not in file]
    for identifying, others in DOWNLOADS.values():
        if any(fnmatch.filter(root, pattern) for pattern in identifying):
            return [*identifying, *others]
    identifying, others = DOWNLOADS["huggingface"]  # its reader has the best error for missing files
    return [] if fnmatch.filter(root, PICKLES) else [*identifying, *others]


def check_sha256(path: Path, expected: str) -> None:
    """Raise ValueError unless the file at `path` has the `expected` SHA-256."""
    if not path.is_file():
        raise ValueError(f"{path}: expected a file, got none. Install or download the model again.")
    with open(path, "rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != expected:
        mismatch = f"{path.resolve()}: expected the SHA-256 {expected}, got {actual}"
        raise ValueError(f"{mismatch}. Delete the file, and install or download the model again.")


def _cached(repository, revision, complete):
    """Return the cached directory, or None; also None if `complete` and it lacks files, as other tools may leave it."""
    import huggingface_hub

    files = []
    try:
        files = [file.path for file in huggingface_hub.get_cached_repo_tree(repository, revision=revision)]
    except Exception:  # no list of files in the cache, or a client before 2.0, which has none
        if complete:
            return None
    patterns = download_patterns(files)
    try:
        options = {"revision": revision, "allow_patterns": patterns, "local_files_only": True}
        return Path(huggingface_hub.snapshot_download(repository, **options)) if patterns else None
    except Exception:
        return None


def _first_line(error):
    reason = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}{f', {reason}' if reason else ''}"


def _unavailable(name, tried, cached, reason, otherwise):
    import huggingface_hub

    tried += [f"the cache {huggingface_hub.constants.HF_HUB_CACHE}: {cached}", f"the Hub: {reason}"]
    absent = "\n  ".join([f"{name} is not on this machine and could not be downloaded. Tried:", *tried])
    return ConnectionError(f"{absent}\nTry again with a network connection. {otherwise}")

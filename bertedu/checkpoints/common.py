"""What all formats share: what a checkpoint holds and how damage is reported.

Chapter: notebooks/10_checkpoints.ipynb.
"""

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from safetensors.numpy import save_file

from bertedu.text import BertPreprocessor

PREPROCESSOR_LENGTH = 128  # what a model's own preprocessor pads to, as the Hub's do
FLOATS = ("float32", "float16", "bfloat16", "float64")
"""What weights are read from; others are quantised, and numbers beside them say how."""


class EmbedSettings(NamedTuple):
    """How a model was meant to embed texts: pooling, unit length or not, and how many tokens it reads."""

    pooling: str = "mean"
    normalize: bool = False
    max_length: int | None = None


class Contents(NamedTuple):
    """What a checkpoint holds, as objects of ours.

    Args:
        encoder: its `BertEncoder`.
        has_pooler: whether it holds the pooler's weights; where not, the encoder's are noise.
        preprocessor: its `BertPreprocessor`, None where it comes without a vocabulary.
        spares: names of its tensors that were left aside.
        masked_lm: its `BertPretrainer` on `encoder`, or None.
        classifier: its `BertClassifier` on `encoder`, or None.
        embed_settings: its `EmbedSettings`.
    """

    encoder: Any
    has_pooler: bool
    preprocessor: Any
    spares: list
    masked_lm: Any = None
    classifier: Any = None
    embed_settings: EmbedSettings = EmbedSettings()


class TensorInfo(NamedTuple):
    """A tensor in a checkpoint, not read yet.

    Args:
        name: what it is called there.
        shape: tuple.
        dtype: as NumPy says it, "float32".
        ours: path of our weight that it fills, as "layer_0/feedforward/output/kernel", "masked_lm/output_bias" or
            "classifier/kernel"; None where it fills none.
        known: whether it is at least known to belong to a BERT.
    """

    name: str
    shape: tuple
    dtype: str
    ours: str | None
    known: bool


def weights(encoder, masked_lm=None, classifier=None):
    """Every weight of a model by its path in the words of our layers; what name tables translate to.

    Args:
        encoder: a `BertEncoder`.
        masked_lm: a `BertPretrainer` on it, or None.
        classifier: a `BertClassifier` on it, or None.

    Returns:
        dict, path -> variable. The paths of the heads begin with "masked_lm/" and "classifier/".
    """
    parts = {
        "": encoder,
        "masked_lm/": masked_lm and masked_lm.masked_lm,
        "classifier/": classifier and classifier.classifier,
    }
    return {
        prefix + variable.path.partition(f"{part.name}/")[2]: variable
        for prefix, part in parts.items()
        if part is not None
        for variable in part.weights
        if f"{part.name}/" in variable.path  # the word table is among the weights of two parts
    }


def weights_of(bert):
    """The weights of a `Bert` that are worth keeping, as `weights`: all but a pooler that was never trained."""
    if bert.masked_lm is not None and bert.masked_lm.classification_heads:
        raise ValueError('masked_lm has classification_heads, which only format="keras" can hold.')
    with_pooler = bert.has_pooler or bert.classifier is not None
    found = weights(bert.encoder, bert.masked_lm, bert.classifier)
    return {ours: found[ours] for ours in found if with_pooler or not ours.startswith("pooler_transform/")}


def preprocessor_for(tokenizer, encoder, truncation):
    """The `BertPreprocessor` of a checkpoint that does not say how long its texts are; None without a tokenizer."""
    if tokenizer is None:
        return None
    return BertPreprocessor(tokenizer, min(PREPROCESSOR_LENGTH, encoder.max_sequence_length), truncation)


def common_dtype(dtypes):
    """The dtype that all of `dtypes` (names) are, or float32 where they differ, as in half-converted files."""
    dtypes = set(dtypes)
    return dtypes.pop() if len(dtypes) == 1 and dtypes <= set(FLOATS) else "float32"


def read_json(path, kind=dict):
    """What a JSON file holds, a `kind`; errors name the file."""
    if not path.is_file():
        raise FileNotFoundError(f"{path.parent} holds no {path.name}: is it the directory of a whole model?")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}): download it again.") from None
    if not isinstance(content, kind):
        raise ValueError(f"{path} must hold a JSON {'object' if kind is dict else 'list'}, it holds {content!r:.50}.")
    return content


def write_json(path, content):
    """Writes `content` as JSON for people: indented, and in the letters of its language."""
    Path(path).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_tensors(path, tensors, **metadata):
    """Writes arrays, a dict by name, as a safetensors file; readable to whom the JSON files beside it are."""
    save_file(tensors, path, metadata=metadata or None)
    shutil.copymode(next(Path(path).parent.glob("*.json")), path)  # the library lets nobody but the owner read it


def shortened(items, most=4):
    """The first few of a list of names, in words."""
    return (", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")) or "nothing"

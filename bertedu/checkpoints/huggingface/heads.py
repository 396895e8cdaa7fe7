"""Heads of a Hugging Face checkpoint: which are read, and what config.json says of them.

What a checkpoint says it is decides (`architectures`, `problem_type`), not what its tensors are called: a classifier of
tokens is called "classifier" too. Chapter: notebooks/10_checkpoints.ipynb.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bertedu import defaults
from bertedu.checkpoints import strict
from bertedu.checkpoints.common import TensorInfo, shortened
from bertedu.checkpoints.huggingface.names import DECODER_BIAS, DECODER_WEIGHT, HEADS, canonical
from bertedu.encoder import BertEncoder
from bertedu.fields import shown
from bertedu.terminal import escape

EXPECTED_HEAD = {
    None: None,
    "BertModel": None,
    "BertForMaskedLM": "masked_lm",
    "BertForPreTraining": "masked_lm",
    "BertForSequenceClassification": "classifier",
}
"""The first of config.json's `architectures` -> the head that it must have. A masked-LM head is read in all of them."""


def architecture(config: dict[str, Any]) -> str | None:
    """Return the name of the class that config.json says the model has, or None."""
    names = config.get("architectures")
    return escape(names[0])[:100] if isinstance(names, list) and names and isinstance(names[0], str) else None


def num_labels(config: dict[str, Any]) -> Any:
    """Return how many classes a classifier has, found as transformers finds it."""
    names = config.get("id2label")
    if isinstance(names, dict):
        return len(names)
    count = config.get("num_labels", config.get("_num_labels"))
    return 2 if count is None else count


def not_a_classifier(config: dict[str, Any]) -> str:
    """Return why a `BertForSequenceClassification` computes something else than a `BertClassifier`; "" if it does not.

    A cross-encoder's field says which function sentence-transformers applies to the logits.
    """
    own = config.get("sentence_transformers")
    function = own.get("activation_fn") if isinstance(own, dict) else None
    function = config.get("sbert_ce_default_activation_function") or function
    if function is not None and not str(function).endswith("Identity"):
        return f"its activation function {shown(function)}"
    kind, labels = config.get("problem_type"), num_labels(config)
    if kind == "regression" and labels != 1:
        return f"problem_type 'regression' with {shown(labels)} outputs"
    if kind == "single_label_classification" and labels == 1:
        return "problem_type 'single_label_classification' with one label"
    known = (None, "regression", "single_label_classification", "multi_label_classification")
    return "" if kind in known else f"problem_type {shown(kind)}"


def readable_heads(config: dict[str, Any]) -> list[str]:
    """Return the heads that are read from a checkpoint with this config.json: what it says it is decides."""
    if architecture(config) not in EXPECTED_HEAD:
        return []
    classifier = EXPECTED_HEAD[architecture(config)] == "classifier" and not not_a_classifier(config)
    return ["masked_lm", "classifier"] if classifier else ["masked_lm"]


def classifier_arguments(config: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the arguments of a `BertClassifier` that the fields of config.json say, checked."""
    count, dropout, names = num_labels(config), config.get("classifier_dropout"), config.get("id2label")
    if type(count) is not int or not 1 <= count <= 1_000_000:
        raise ValueError(f"{path}: num_labels must be a whole number from 1 to 1,000,000, got {shown(count)}.")
    if names is not None:
        expected = [str(i) for i in range(count)]
        if not isinstance(names, dict) or any(type(names.get(i)) not in (str, int, float) for i in expected):
            raise ValueError(f"{path}: id2label must name each class from 0 on, got {shown(names)}.")
        names = [str(names[i]) for i in expected]
        names = None if names == [f"LABEL_{i}" for i in expected] else names
    return {
        "num_classes": count,
        "dropout_rate": config.get("hidden_dropout_prob", defaults.DROPOUT) if dropout is None else dropout,
        "class_names": names,
        "multi_label": config.get("problem_type") == "multi_label_classification",
    }


def check_heads(tensors: Sequence[TensorInfo], config: dict[str, Any], path: Path) -> None:
    """Warn of a head that is not read, and refuse one that a model of ours cannot compute as transformers does.

    Args:
        tensors: all that the checkpoint holds.
        config: the fields of its config.json.
        path: that file, for messages.
    """
    kind, read = architecture(config), {tensor.ours.partition("/")[0] for tensor in tensors if tensor.ours}
    if "masked_lm" in read and config.get("tie_word_embeddings") is False:
        way_out = "Delete the tensors of the masked-LM head (cls.predictions...) to load the encoder."
        raise ValueError(f"{path}: tie_word_embeddings must be true, got false. {way_out}")
    if "classifier" in read and not strict.has_pooler(tensors):
        raise ValueError(f"{path.parent} holds a classifier, but not its pooler. Missing: pooler.dense.weight.")
    expected = EXPECTED_HEAD.get(kind)
    tied = (DECODER_WEIGHT, DECODER_BIAS, *(("cls.seq_relationship.",) if kind in EXPECTED_HEAD else ()))
    unused = [tensor.name for tensor in tensors if tensor.ours is None and canonical(tensor.name).startswith(HEADS)]
    unused = [name for name in unused if not canonical(name).startswith(tied)]
    if kind not in EXPECTED_HEAD or unused or (expected and expected not in read):
        why = not_a_classifier(config) if expected == "classifier" else ""
        model = f"{kind or 'a model without architectures'}{f', with {why},' if why else ''}"
        unread = f"without its head ({shortened(unused)})"
        warnings.warn(f"{path}: {model} is read as an encoder alone, {unread}.", stacklevel=2)


def check_tied(encoder: BertEncoder, masked_lm: Any, stored: strict.Stored) -> None:
    """Raise ValueError where a masked-LM head has an output matrix or bias besides the one that is read."""
    second = {canonical(tensor.name): tensor for tensor in stored.tensors if masked_lm and tensor.ours is None}
    for name in sorted({DECODER_WEIGHT, DECODER_BIAS} & second.keys()):
        first = encoder.get_embedding_table() if name == DECODER_WEIGHT else masked_lm.masked_lm.bias
        first, array = keras.ops.convert_to_numpy(first), stored.read(second[name])
        if array.shape != first.shape or not np.array_equal(array.astype(first.dtype), first):
            raise ValueError(f"{stored.source}: the tensor {name!r} must equal the one it is tied to: delete one.")

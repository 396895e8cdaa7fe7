"""Heads of a Hugging Face checkpoint: which are loaded, and their arguments from config.json.

config.json decides (`architectures`, `problem_type`), not the names of the tensors: the head of a token classifier is
named "classifier" too. Chapter: notebooks/11_checkpoints.ipynb.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bertedu import defaults
from bertedu.checkpoints import strict
from bertedu.checkpoints.common import FLOATS, TensorInfo, shortened
from bertedu.checkpoints.huggingface.names import DECODER_BIAS, DECODER_WEIGHT, HEADS, canonical
from bertedu.encoder import BertEncoder
from bertedu.fields import shown
from bertedu.terminal import escape, warn

EXPECTED_HEAD = {
    None: None,
    "BertModel": None,
    "BertForMaskedLM": "masked_lm",
    "BertForPreTraining": "masked_lm",
    "BertForSequenceClassification": "classifier",
    "BertForTokenClassification": "token_classifier",
}
"""The first of config.json's `architectures` -> the head that it requires. A masked-LM head is loaded in all."""


def architecture(config: dict[str, Any]) -> str | None:
    """Return the first of config.json's `architectures`, or None."""
    names = config.get("architectures")
    return escape(names[0])[:100] if isinstance(names, list) and names and isinstance(names[0], str) else None


def num_labels(config: dict[str, Any]) -> Any:
    """Return the number of a classifier's classes, determined as in transformers."""
    names = config.get("id2label")
    if isinstance(names, dict):
        return len(names)
    count = config.get("num_labels", config.get("_num_labels"))
    return 2 if count is None else count


def not_a_classifier(config: dict[str, Any]) -> str:
    """Return why a `BertClassifier` cannot represent a `BertForSequenceClassification`, or "" if it can.

    The fields of cross-encoders name the function that sentence-transformers applies to the logits.
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
    """Return the list of heads that are loaded from a checkpoint with this config.json."""
    if architecture(config) not in EXPECTED_HEAD:
        return []
    head = EXPECTED_HEAD[architecture(config)]
    loaded = head == "token_classifier" or (head == "classifier" and not not_a_classifier(config))
    return ["masked_lm", str(head)] if loaded else ["masked_lm"]


def classifier_arguments(config: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the checked arguments of a `BertClassifier` from the fields of config.json.

    Those of a `BertTokenClassifier` have no "multi_label": transformers ignores its `problem_type`.
    """
    count, dropout, names = num_labels(config), config.get("classifier_dropout"), config.get("id2label")
    if type(count) is not int or not 1 <= count <= 1_000_000:
        raise ValueError(f"{path}: num_labels: expected a whole number from 1 to 1,000,000, got {shown(count)}.")
    if names is not None:
        expected = [str(i) for i in range(count)]
        if not isinstance(names, dict) or any(type(names.get(i)) not in (str, int, float) for i in expected):
            raise ValueError(f"{path}: id2label: expected a name for each class from 0 on, got {shown(names)}.")
        names = [str(names[i]) for i in expected]
        names = None if names == [f"LABEL_{i}" for i in expected] else names
    arguments = {
        "num_classes": count,
        "dropout_rate": config.get("hidden_dropout_prob", defaults.DROPOUT) if dropout is None else dropout,
        "class_names": names,
    }
    if EXPECTED_HEAD[architecture(config)] == "classifier":
        arguments["multi_label"] = config.get("problem_type") == "multi_label_classification"
    return arguments


def check_heads(tensors: Sequence[TensorInfo], config: dict[str, Any], path: Path) -> None:
    """Warn of a head that is not loaded, and refuse one that bertedu would compute differently from transformers.

    Args:
        tensors: list of the `TensorInfo` of all tensors in the checkpoint.
        config: dict, the fields of its config.json.
        path: path of config.json, for messages.
    """
    kind, read = architecture(config), {(tensor.weight_path or "").partition("/")[0] for tensor in tensors}
    if "masked_lm" in read and config.get("tie_word_embeddings") is False:
        way_out = "Delete the tensors of the masked-LM head (cls.predictions...) to load the encoder."
        raise ValueError(f"{path}: tie_word_embeddings: expected true, got false. {way_out}")
    if "classifier" in read and not strict.has_pooler(tensors):
        raise ValueError(f"{path}: expected pooler.dense.weight for the classifier, got none. Download it again.")
    expected = EXPECTED_HEAD.get(kind)
    tied = (DECODER_WEIGHT, DECODER_BIAS, *(("cls.seq_relationship.",) if kind in EXPECTED_HEAD else ()))
    unused = [tensor.name for tensor in tensors if tensor.weight_path is None]
    unused = [name for name in unused if canonical(name).startswith(HEADS) and not canonical(name).startswith(tied)]
    if kind not in EXPECTED_HEAD or unused or (expected and expected not in read):
        why = not_a_classifier(config) if expected == "classifier" else ""
        model = f"{kind or 'a model without architectures'}{f', with {why},' if why else ''}"
        left_out = f" ({shortened(unused)})" if unused else ""
        warn(f"{path}: {model} is loaded as an encoder only, without its head{left_out}.")


def check_tied(encoder: BertEncoder, masked_lm: Any, stored: strict.Stored) -> None:
    """Raise ValueError if a masked-LM head has an output matrix or bias that is not tied."""
    second = {canonical(tensor.name): tensor for tensor in stored.tensors if masked_lm and tensor.weight_path is None}
    for name in sorted({DECODER_WEIGHT, DECODER_BIAS} & second.keys()):
        first = encoder.get_embedding_table() if name == DECODER_WEIGHT else masked_lm.masked_lm.bias
        first, comparable = keras.ops.convert_to_numpy(first), second[name].dtype in FLOATS
        comparable &= second[name].shape == first.shape
        if not comparable or not np.array_equal(stored.read(second[name]).astype(first.dtype), first):
            raise ValueError(f"{stored.source}: {name!r}: expected tied weights, got different values. Save it again.")

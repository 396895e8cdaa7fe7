"""bert_config.json beside a TensorFlow checkpoint: its fields, and the encoder that they describe.

Chapter: notebooks/11_checkpoints.ipynb.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertedu.attention import MultiHeadAttention, TalkingHeadsAttention
from bertedu.checkpoints import assembly
from bertedu.checkpoints import configuration as conf
from bertedu.checkpoints.common import common_dtype, shapes_by_path
from bertedu.checkpoints.configuration import COUNT, ENCODER, GOOGLE_FIELDS, GOOGLE_POOLER, RATE
from bertedu.feedforward import Feedforward, GatedFeedforward
from bertedu.fields import FLAG, for_all, number, one_of, only, read_fields
from bertedu.files import read_json

if TYPE_CHECKING:
    from bertedu.checkpoints.tensorflow.files import Checkpoint

CONFIG = "bert_config.json"
SIZES = GOOGLE_FIELDS | {"embedding_width": "embedding_size"}
"""Argument -> its field in bert_config.json."""

SAME_NAME = ("relu", "silu", "tanh", "linear")
ACTIVATIONS = {"gelu": "bertedu>gelu_tanh", "gelu_exact": "gelu", **{name: name for name in SAME_NAME}}
"""hidden_act -> the name in `objects.ACTIVATIONS`. "gelu" is the tanh approximation, as in google-research/bert."""

ACTIVATION, EPSILON, LOWERCASE = "hidden_act", "layer_norm_eps", "do_lower_case"
MLM_ACTIVATION, MLM_EPSILON = "mlm_hidden_act", "mlm_layer_norm_eps"  # written if the head's differ from the encoder's

FIELDS = {
    **{field: ENCODER[argument] for argument, field in SIZES.items()},
    **for_all(f"{ACTIVATION} {MLM_ACTIVATION}", one_of(ACTIVATIONS)),
    **for_all(f"hidden_dropout_prob attention_probs_dropout_prob {EPSILON} {MLM_EPSILON}", RATE),
    LOWERCASE: FLAG,
    # google-research/bert and tf-models ignore the following fields of published files.
    "initializer_range": number(0, 100)._replace(followed=False),
    "backward_compatible": FLAG._replace(followed=False),
    "directionality": only("bidi"),
    "pooler_type": only("first_token_transform"),
    **for_all(GOOGLE_POOLER, COUNT._replace(followed=False)),
}


def read_config(directory: Path) -> dict[str, Any]:
    """Return the checked fields of the bert_config.json in a directory, or {} if it does not exist."""
    path = directory / CONFIG
    return read_fields(read_json(path), FIELDS, path, unknown="warn") if path.is_file() else {}


def encoder_arguments(checkpoint: Checkpoint, dtype: str | None = None) -> dict[str, Any]:
    """Return the arguments of the `BertEncoder` in a checkpoint: sizes from shapes, the rest from bert_config.json.

    Args:
        checkpoint: a `files.Checkpoint`.
        dtype: name of the weights' dtype. Defaults to the checkpoint's.

    Raises:
        ValueError: the number of attention heads is unknown.
    """
    config, shapes = checkpoint.config, shapes_by_path(checkpoint.tensors)
    kinds, activation = {path.partition("/")[2] for path in shapes}, ACTIVATIONS[config.get(ACTIVATION, "gelu")]
    return {
        **conf.sizes_from_shapes(shapes),
        **({"num_attention_heads": heads_of_tf1(checkpoint)} if checkpoint.form == "TF1" else {}),
        **conf.published_arguments(config, activation, dtype or common_dtype(checkpoint.tensors)),
        "attention_cls": TalkingHeadsAttention if "self_attention/pre_softmax_weight" in kinds else MultiHeadAttention,
        "feedforward_cls": GatedFeedforward if "feedforward/gate/kernel" in kinds else Feedforward,
    }


def heads_of_tf1(checkpoint: Checkpoint) -> int:
    """Return the number of attention heads of a TF1 checkpoint, which only bert_config.json contains."""
    heads = checkpoint.config.get("num_attention_heads")
    if heads is None:
        way_out = "Add it, because a TF1 checkpoint does not contain the number of heads"
        raise ValueError(f"{checkpoint.prefix.parent / CONFIG}: expected num_attention_heads, got none. {way_out}.")
    return heads


def check_sizes(checkpoint: Checkpoint, arguments: dict[str, Any]) -> None:
    """Raise ValueError if a size in bert_config.json differs from the shapes in the checkpoint."""
    for argument, field in SIZES.items():
        configured, actual = checkpoint.config.get(field), arguments[argument]
        if configured not in (None, actual):
            expected = f"expected {actual}, as in the tensors of {checkpoint.prefix}, got {configured}"
            raise ValueError(f"{checkpoint.prefix.parent / CONFIG}: {field}: {expected}.")


def heads(checkpoint: Checkpoint, arguments: dict[str, Any]) -> assembly.Heads:
    """Return the `assembly.Heads` of a checkpoint: a masked-LM head, by default with the encoder's activation."""
    config = checkpoint.config
    if not any((tensor.weight_path or "").startswith("masked_lm/") for tensor in checkpoint.tensors):
        return assembly.Heads()
    activation = ACTIVATIONS[config.get(MLM_ACTIVATION, config.get(ACTIVATION, "gelu"))]
    epsilon = config.get(MLM_EPSILON, arguments["layer_norm_epsilon"])
    return assembly.Heads(masked_lm=assembly.masked_lm_config(activation, epsilon, arguments["dtype"]))

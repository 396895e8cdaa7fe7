"""bert_config.json, which stands beside a TensorFlow checkpoint: its fields, and the encoder that they describe.

Chapter: notebooks/10_checkpoints.ipynb.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertedu.attention import MultiHeadAttention, TalkingHeadsAttention
from bertedu.checkpoints import assembly
from bertedu.checkpoints import configuration as conf
from bertedu.checkpoints.common import common_dtype
from bertedu.checkpoints.configuration import COUNT, ENCODER, GOOGLE_FIELDS, GOOGLE_POOLER, RATE
from bertedu.feedforward import Feedforward, GatedFeedforward
from bertedu.fields import FLAG, for_all, number, one_of, only, read_fields
from bertedu.files import read_json

if TYPE_CHECKING:
    from bertedu.checkpoints.tensorflow.files import Checkpoint

CONFIG = "bert_config.json"
SIZES = GOOGLE_FIELDS | {"embedding_width": "embedding_size"}
"""Our argument -> its field in bert_config.json."""

ACTIVATIONS = {
    "gelu": "bertedu>gelu_tanh",
    "gelu_exact": "gelu",
    "relu": "relu",
    "silu": "silu",
    "tanh": "tanh",
    "linear": "linear",
}
"""hidden_act -> the name in `objects.ACTIVATIONS`. The release's "gelu" is the tanh form; two names are ours."""

ACTIVATION, DROPOUT, ATTENTION_DROPOUT = "hidden_act", "hidden_dropout_prob", "attention_probs_dropout_prob"
EPSILON, LOWERCASE = "layer_norm_eps", "do_lower_case"
MLM_ACTIVATION, MLM_EPSILON = "mlm_hidden_act", "mlm_layer_norm_eps"  # written where the head's are others

FIELDS = {
    **{field: ENCODER[argument] for argument, field in SIZES.items()},
    **dict.fromkeys((ACTIVATION, MLM_ACTIVATION), one_of(ACTIVATIONS)),
    **dict.fromkeys((DROPOUT, ATTENTION_DROPOUT, EPSILON, MLM_EPSILON), RATE),
    LOWERCASE: FLAG,
    # What follows is in published files, and google-research/bert and tf-models compute the same whatever it says.
    "initializer_range": number(0, 100)._replace(followed=False),
    "backward_compatible": FLAG._replace(followed=False),
    "directionality": only("bidi"),
    "pooler_type": only("first_token_transform"),
    **for_all(GOOGLE_POOLER, COUNT._replace(followed=False)),
}


def read_config(directory: Path) -> dict[str, Any]:
    """Return the checked fields of the bert_config.json in a directory; {} where there is none."""
    path = directory / CONFIG
    return read_fields(read_json(path), FIELDS, path, unknown="warn") if path.is_file() else {}


def encoder_arguments(checkpoint: Checkpoint, dtype: str | None = None) -> dict[str, Any]:
    """Return the arguments of the `BertEncoder` in a checkpoint: sizes from shapes, the rest from bert_config.json.

    Args:
        checkpoint: a `files.Checkpoint`.
        dtype: name of the type of the weights. Defaults to the one they have there.

    Raises:
        ValueError: nothing says how many heads there are, or a number that cannot be.
    """
    config, shapes = checkpoint.config, {tensor.ours: tensor.shape for tensor in checkpoint.tensors if tensor.ours}
    kinds, activation = {path.partition("/")[2] for path in shapes}, ACTIVATIONS[config.get(ACTIVATION, "gelu")]
    return {
        **conf.sizes_from_shapes(shapes),
        **({"num_attention_heads": heads_of_tf1(checkpoint)} if checkpoint.form == "TF1" else {}),
        **conf.published_arguments(config, activation, dtype or common_dtype(checkpoint.tensors)),
        "attention_cls": TalkingHeadsAttention if "self_attention/pre_softmax_weight" in kinds else MultiHeadAttention,
        "feedforward_cls": GatedFeedforward if "feedforward/gate/kernel" in kinds else Feedforward,
    }


def heads_of_tf1(checkpoint: Checkpoint) -> int:
    """Return the number of attention heads of a TF1 checkpoint, which only bert_config.json says."""
    heads = checkpoint.config.get("num_attention_heads")
    if heads is None:
        place = f"num_attention_heads in {checkpoint.prefix.parent / CONFIG}"
        raise ValueError(f"{checkpoint.prefix}: a TF1 checkpoint does not say how many heads it has: set {place}.")
    return heads


def check_sizes(checkpoint: Checkpoint, arguments: dict[str, Any]) -> None:
    """Raise ValueError where bert_config.json says other sizes than the shapes of a checkpoint do."""
    for argument, field in SIZES.items():
        said, actual = checkpoint.config.get(field), arguments[argument]
        if said not in (None, actual):
            path = checkpoint.prefix.parent / CONFIG
            raise ValueError(f"{path} says {field} {said}, but the tensors of {checkpoint.prefix} say {actual}.")


def heads(checkpoint: Checkpoint, arguments: dict[str, Any]) -> assembly.Heads:
    """Return the `assembly.Heads` of a checkpoint: a masked-LM head, with the encoder's activation by default."""
    config = checkpoint.config
    if not any((tensor.ours or "").startswith("masked_lm/") for tensor in checkpoint.tensors):
        return assembly.Heads()
    activation = ACTIVATIONS[config.get(MLM_ACTIVATION, config.get(ACTIVATION, "gelu"))]
    epsilon = config.get(MLM_EPSILON, arguments["layer_norm_epsilon"])
    return assembly.Heads(masked_lm=assembly.masked_lm_config(activation, epsilon, arguments["dtype"]))

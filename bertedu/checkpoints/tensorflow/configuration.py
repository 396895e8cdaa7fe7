"""bert_config.json, which stands beside a TensorFlow checkpoint: its fields, and the encoder that they describe.

Chapter: notebooks/10_checkpoints.ipynb.
"""

from bertedu import defaults
from bertedu.attention import MultiHeadAttention, TalkingHeadsAttention
from bertedu.checkpoints import assembly
from bertedu.checkpoints.common import common_dtype
from bertedu.checkpoints.configuration import ACTIVATIONS as KNOWN_ACTIVATIONS
from bertedu.checkpoints.configuration import ENCODER, RATE
from bertedu.feedforward import Feedforward, GatedFeedforward
from bertedu.fields import FLAG, number, one_of, only, read_fields
from bertedu.files import read_json
from bertedu.serialization import serialize

CONFIG = "bert_config.json"
SIZES = {
    "vocab_size": ("embeddings/word_embeddings/embeddings", "vocab_size"),
    "max_sequence_length": ("embeddings/position_embedding/embeddings", "max_position_embeddings"),
    "type_vocab_size": ("embeddings/type_embeddings/embeddings", "type_vocab_size"),
    "embedding_width": ("embeddings/layer_norm/gamma", "embedding_size"),
    "hidden_size": ("layer_0/output_layer_norm/gamma", "hidden_size"),
    "inner_dim": ("layer_0/feedforward/intermediate/bias", "intermediate_size"),
    "num_attention_heads": ("layer_0/self_attention/query/bias", "num_attention_heads"),
}
"""Our argument -> the weight whose first axis it is, and its field in bert_config.json."""

ACTIVATIONS = {
    "gelu": "bertedu>gelu_tanh",
    "gelu_exact": "gelu",
    "relu": "relu",
    "silu": "silu",
    "tanh": "tanh",
    "linear": "linear",
}
"""hidden_act -> the name in `configuration.ACTIVATIONS`. The release's "gelu" is the tanh form; two names are ours."""

ACTIVATION, DROPOUT, ATTENTION_DROPOUT = "hidden_act", "hidden_dropout_prob", "attention_probs_dropout_prob"
EPSILON, LOWERCASE = "layer_norm_eps", "do_lower_case"
MLM_ACTIVATION, MLM_EPSILON = "mlm_hidden_act", "mlm_layer_norm_eps"  # written where the head's are others
POOLER = ("pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head")

FIELDS = {
    **{field: ENCODER[argument] for argument, (_, field) in SIZES.items()},
    "num_hidden_layers": ENCODER["num_layers"],
    ACTIVATION: one_of(ACTIVATIONS),
    DROPOUT: RATE,
    ATTENTION_DROPOUT: RATE,
    EPSILON: number(0, 1),
    LOWERCASE: FLAG,
    MLM_ACTIVATION: one_of(ACTIVATIONS),
    MLM_EPSILON: number(0, 1),
    # What follows is in published files, and google-research/bert and tf-models compute the same whatever it says.
    "initializer_range": number(0, 100)._replace(followed=False),
    "backward_compatible": FLAG._replace(followed=False),
    "directionality": only("bidi"),
    "pooler_type": only("first_token_transform"),
    **{field: ENCODER["inner_dim"]._replace(followed=False) for field in POOLER},
}


def read_config(directory):
    """Return the checked fields of the bert_config.json in a directory; {} where there is none."""
    path = directory / CONFIG
    return read_fields(read_json(path), FIELDS, path, unknown="warn") if path.is_file() else {}


def encoder_arguments(checkpoint, dtype=None):
    """Return the arguments of the `BertEncoder` in a checkpoint: sizes from shapes, the rest from bert_config.json.

    A size whose tensor is missing is 1: comparing all tensors, which follows, names it.

    Args:
        checkpoint: a `files.Checkpoint`.
        dtype: name of the type that the weights shall have (None: the one they have there).

    Raises:
        ValueError: nothing says how many heads there are, or a number that cannot be.
    """
    config, shapes = checkpoint.config, {tensor.ours: tensor.shape for tensor in checkpoint.tensors if tensor.ours}
    kinds = {path.partition("/")[2] for path in shapes}
    return {
        **read_sizes(checkpoint, shapes),
        "inner_activation": KNOWN_ACTIVATIONS[ACTIVATIONS[config.get(ACTIVATION, "gelu")]],
        "output_dropout": config.get(DROPOUT, defaults.DROPOUT),
        "attention_dropout": config.get(ATTENTION_DROPOUT, defaults.DROPOUT),
        "layer_norm_epsilon": config.get(EPSILON, defaults.LAYER_NORM_EPSILON),
        "initializer": defaults.initializer(),
        "attention_cls": TalkingHeadsAttention if "self_attention/pre_softmax_weight" in kinds else MultiHeadAttention,
        "feedforward_cls": GatedFeedforward if "feedforward/gate/kernel" in kinds else Feedforward,
        "dtype": dtype or common_dtype(tensor.dtype for tensor in checkpoint.tensors if tensor.ours),
        "name": "bert",
    }


def read_sizes(checkpoint, shapes):
    """Return the sizes of an encoder by our argument, from the shapes of its weights; heads in TF1 by bert_config.json.

    Args:
        checkpoint: a `files.Checkpoint`.
        shapes: dict, the path of a weight -> its shape.
    """
    path = checkpoint.prefix.parent / CONFIG
    sizes = {argument: (*shapes.get(ours, ()), 1)[0] or 1 for argument, (ours, _) in SIZES.items()}
    layers = {path.partition("/")[0] for path in shapes if path.startswith("layer_")}
    sizes["num_layers"] = len(layers) or 1
    if checkpoint.form == "TF2":
        return sizes
    if "num_attention_heads" not in checkpoint.config:
        raise ValueError(
            f"{checkpoint.prefix}: a TF1 checkpoint does not say how many heads it has; {path} must hold "
            '"num_attention_heads", as it does beside each that Google published.'
        )
    sizes["num_attention_heads"] = heads = checkpoint.config["num_attention_heads"]
    if SIZES["hidden_size"][0] in shapes and sizes["hidden_size"] % heads:
        raise ValueError(f"{path}: num_attention_heads={heads} must divide hidden_size={sizes['hidden_size']}.")
    return sizes


def check_sizes(checkpoint, arguments):
    """Raise ValueError where bert_config.json says other sizes than the shapes of a checkpoint do."""
    fields = {"num_layers": "num_hidden_layers"} | {argument: field for argument, (_, field) in SIZES.items()}
    for argument, field in fields.items():
        said, found = checkpoint.config.get(field), arguments[argument]
        if said not in (None, found):
            path = checkpoint.prefix.parent / CONFIG
            raise ValueError(f"{path} says {field} {said}, but the tensors of {checkpoint.prefix} say {found}.")


def heads(checkpoint, arguments):
    """Return the `assembly.Heads` of a checkpoint: a masked-LM head, with the encoder's activation by default."""
    config = checkpoint.config
    if not any((tensor.ours or "").startswith("masked_lm/") for tensor in checkpoint.tensors):
        return assembly.Heads()
    return assembly.Heads(
        masked_lm={
            "name": "cls_predictions",
            "activation": ACTIVATIONS[config.get(MLM_ACTIVATION, config.get(ACTIVATION, "gelu"))],
            "initializer": serialize(defaults.initializer()),
            "layer_norm_epsilon": config.get(MLM_EPSILON, arguments["layer_norm_epsilon"]),
            "dtype": arguments["dtype"],
        }
    )

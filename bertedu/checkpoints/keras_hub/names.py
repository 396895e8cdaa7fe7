"""KerasHub's names of weights: the paths of the Python objects that held them.

Chapter: notebooks/10_checkpoints.ipynb.
"""

from __future__ import annotations

import re

from bertedu.checkpoints.names import reversed_table, weight_names

WEIGHTS = {"kernel": "vars/0", "bias": "vars/1", "gamma": "vars/0", "beta": "vars/1", "embeddings": "vars/0"}
OUTSIDE = weight_names(
    {
        "embeddings/word_embeddings": "layers/reversible_embedding",
        "embeddings/position_embedding": "layers/position_embedding",
        "embeddings/type_embeddings": "layers/embedding",
        "embeddings/layer_norm": "layers/layer_normalization",
        "pooler_transform": "layers/dense",
    },
    WEIGHTS,
)
"""Our paths -> paths in a backbone's file, without the underscores that private attributes begin with."""

LAYER = weight_names(
    {
        "self_attention/query": "self_attention_layer/query_dense",
        "self_attention/key": "self_attention_layer/key_dense",
        "self_attention/value": "self_attention_layer/value_dense",
        "self_attention/attention_output": "self_attention_layer/output_dense",
        "self_attention_layer_norm": "self_attention_layer_norm",
        "feedforward/intermediate": "feedforward_intermediate_dense",
        "feedforward/output": "feedforward_output_dense",
        "output_layer_norm": "feedforward_layer_norm",
    },
    WEIGHTS,
)
"""The same within layers/transformer_encoder_i."""

HEADS = weight_names(
    {
        "masked_lm/transform": "layers/masked_lm_head/intermediate_dense",
        "masked_lm/layer_norm": "layers/masked_lm_head/intermediate_layer_norm",
        "classifier/logits": "layers/dense",
    },
    WEIGHTS,
) | {"masked_lm/output_bias": "layers/masked_lm_head/vars/0"}
"""Our paths -> paths in a task's file, beside its backbone."""

OURS_OUTSIDE, OURS_IN_LAYER, OURS_OF_HEADS = map(reversed_table, (OUTSIDE, LAYER, HEADS))
LAYERS = re.compile(r"layers/transformer_encoder(?:_([1-9]\d*))?/(.+)")
INSIDE = "layers/bert_backbone/"  # where a task's file keeps its backbone


def our_path(key: str, of_task: bool = False) -> str | None:
    """Return our path of the weight that a tensor is, by its path in a file of a backbone or of a task, or None."""
    path = canonical(key)
    if of_task and not path.startswith(INSIDE):
        return OURS_OF_HEADS.get(path)
    path = path.removeprefix(INSIDE) if of_task else path
    layer = LAYERS.fullmatch(path)
    if layer is None:
        return OURS_OUTSIDE.get(path)
    return f"layer_{layer[1] or 0}/{OURS_IN_LAYER[layer[2]]}" if layer[2] in OURS_IN_LAYER else None


def canonical(key: str) -> str:
    """Return a path as in our tables: without leading underscores, and Keras 2's container of layers as Keras 3's."""
    return re.sub("(^|/)_+", r"\1", key).replace("layer_checkpoint_dependencies/", "layers/")


def hub_name(ours: str, inside: str = "") -> str:
    """Return the (canonical) path in KerasHub's files of a weight of ours; `inside` stands before an encoder's."""
    if ours in HEADS:
        return HEADS[ours]
    layer, _, rest = ours.partition("/")
    if not layer.startswith("layer_"):
        return inside + OUTSIDE[ours]
    number = layer.removeprefix("layer")
    return f"{inside}layers/transformer_encoder{'' if number == '_0' else number}/{LAYER[rest]}"

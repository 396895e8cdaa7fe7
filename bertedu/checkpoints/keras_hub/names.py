"""KerasHub's names of weights: the paths of the Python objects that held them.

Chapter: notebooks/10_checkpoints.ipynb.
"""

import re

from bertedu.checkpoints.names import Names, weight_names

LEAVES = {"kernel": "/vars/0", "bias": "/vars/1", "gamma": "/vars/0", "beta": "/vars/1", "embeddings": "/vars/0"}
BACKBONE = {
    "embeddings/word_embeddings": "layers/reversible_embedding",
    "embeddings/position_embedding": "layers/position_embedding",
    "embeddings/type_embeddings": "layers/embedding",
    "embeddings/layer_norm": "layers/layer_normalization",
    "pooler_transform": "layers/dense",
}
LAYER = {
    "self_attention/query": "self_attention_layer/query_dense",
    "self_attention/key": "self_attention_layer/key_dense",
    "self_attention/value": "self_attention_layer/value_dense",
    "self_attention/attention_output": "self_attention_layer/output_dense",
    "self_attention_layer_norm": "self_attention_layer_norm",
    "feedforward/intermediate": "feedforward_intermediate_dense",
    "feedforward/output": "feedforward_output_dense",
    "output_layer_norm": "feedforward_layer_norm",
}
HEADS = {
    "masked_lm/transform": "layers/masked_lm_head/intermediate_dense",
    "masked_lm/layer_norm": "layers/masked_lm_head/intermediate_layer_norm",
    "classifier/logits": "layers/dense",
}
"""Our layers -> KerasHub's, without the underscores that private attributes begin with."""

OF_BACKBONE = Names(
    weight_names(BACKBONE, LEAVES),
    weight_names(LAYER, LEAVES),
    lambda i: f"layers/transformer_encoder{f'_{i}' if i else ''}/",
    r"layers/transformer_encoder(?:_([1-9]\d{0,8}))?/(.+)",
)
OF_HEADS = weight_names(HEADS, LEAVES) | {"masked_lm/output_bias": "layers/masked_lm_head/vars/0"}
PATHS_OF_HEADS = {name: path for path, name in OF_HEADS.items()}
INSIDE = "layers/bert_backbone/"  # where a task's file keeps its backbone


def our_path(key: str, of_task: bool = False) -> str | None:
    """Return our path of the weight that a tensor is, by its path in a file of a backbone or of a task, or None."""
    path = canonical(key)
    if of_task and not path.startswith(INSIDE):
        return PATHS_OF_HEADS.get(path)
    return OF_BACKBONE.path(path.removeprefix(INSIDE) if of_task else path)


def canonical(key: str) -> str:
    """Return a path as in our tables: without leading underscores, and Keras 2's container of layers as Keras 3's."""
    return re.sub("(^|/)_+", r"\1", key).replace("layer_checkpoint_dependencies/", "layers/")


def hub_name(ours: str, inside: str = "") -> str:
    """Return the (canonical) path in KerasHub's files of a weight of ours; `inside` stands before an encoder's."""
    return OF_HEADS.get(ours) or inside + OF_BACKBONE.name(ours)

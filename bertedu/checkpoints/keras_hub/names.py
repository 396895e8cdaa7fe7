"""KerasHub's names of weights: the paths of the Python objects that hold them.

Chapter: notebooks/11_checkpoints.ipynb.
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
"""Layer -> its name in KerasHub, without the leading underscores of private attributes."""

BACKBONE_NAMES = Names(
    weight_names(BACKBONE, LEAVES),
    weight_names(LAYER, LEAVES),
    lambda i: f"layers/transformer_encoder{f'_{i}' if i else ''}/",
    r"layers/transformer_encoder(?:_([1-9]\d{0,8}))?/(.+)",
)
HEAD_NAMES = weight_names(HEADS, LEAVES) | {"masked_lm/output_bias": "layers/masked_lm_head/vars/0"}
HEAD_PATHS = {name: path for path, name in HEAD_NAMES.items()}
BACKBONE_PREFIX = "layers/bert_backbone/"  # of the backbone in a task's file


def our_path(key: str, in_task_file: bool = False) -> str | None:
    """Return the path of the weight that a tensor fills, or None.

    Args:
        key: string, path of the tensor in its file.
        in_task_file: bool, whether the file holds a task. Defaults to False: a backbone.
    """
    path = canonical(key)
    if in_task_file and not path.startswith(BACKBONE_PREFIX):
        return HEAD_PATHS.get(path)
    return BACKBONE_NAMES.path(path.removeprefix(BACKBONE_PREFIX) if in_task_file else path)


def canonical(key: str) -> str:
    """Return a path without leading underscores, and with Keras 3's name of the list of layers instead of Keras 2's."""
    return re.sub("(^|/)_+", r"\1", key).replace("layer_checkpoint_dependencies/", "layers/")


def hub_name(path: str, prefix: str = "") -> str:
    """Return the canonical path of a weight in KerasHub's files; `prefix` is that of the encoder's tensors."""
    return HEAD_NAMES.get(path) or prefix + BACKBONE_NAMES.name(path)

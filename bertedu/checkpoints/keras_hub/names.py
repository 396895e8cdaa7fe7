"""What weights are called in KerasHub's files, and our paths for them; what its configurations call our arguments.

Chapter: notebooks/10_checkpoints.ipynb.
"""

import re

OUTSIDE = {
    "layers/reversible_embedding/vars/0": "embeddings/word_embeddings/embeddings",
    "layers/position_embedding/vars/0": "embeddings/position_embedding/embeddings",
    "layers/embedding/vars/0": "embeddings/type_embeddings/embeddings",
    "layers/layer_normalization/vars/0": "embeddings/layer_norm/gamma",
    "layers/layer_normalization/vars/1": "embeddings/layer_norm/beta",
    "layers/dense/vars/0": "pooler_transform/kernel",
    "layers/dense/vars/1": "pooler_transform/bias",
}
"""Paths in a backbone's file, without the underscores that private attributes begin with -> our paths."""

LAYER = {
    "self_attention_layer/query_dense/vars/0": "self_attention/query/kernel",
    "self_attention_layer/query_dense/vars/1": "self_attention/query/bias",
    "self_attention_layer/key_dense/vars/0": "self_attention/key/kernel",
    "self_attention_layer/key_dense/vars/1": "self_attention/key/bias",
    "self_attention_layer/value_dense/vars/0": "self_attention/value/kernel",
    "self_attention_layer/value_dense/vars/1": "self_attention/value/bias",
    "self_attention_layer/output_dense/vars/0": "self_attention/attention_output/kernel",
    "self_attention_layer/output_dense/vars/1": "self_attention/attention_output/bias",
    "self_attention_layer_norm/vars/0": "self_attention_layer_norm/gamma",
    "self_attention_layer_norm/vars/1": "self_attention_layer_norm/beta",
    "feedforward_intermediate_dense/vars/0": "feedforward/intermediate/kernel",
    "feedforward_intermediate_dense/vars/1": "feedforward/intermediate/bias",
    "feedforward_output_dense/vars/0": "feedforward/output/kernel",
    "feedforward_output_dense/vars/1": "feedforward/output/bias",
    "feedforward_layer_norm/vars/0": "output_layer_norm/gamma",
    "feedforward_layer_norm/vars/1": "output_layer_norm/beta",
}
"""The same within layers/transformer_encoder_i."""

HEADS = {
    "layers/masked_lm_head/intermediate_dense/vars/0": "masked_lm/transform/kernel",
    "layers/masked_lm_head/intermediate_dense/vars/1": "masked_lm/transform/bias",
    "layers/masked_lm_head/intermediate_layer_norm/vars/0": "masked_lm/layer_norm/gamma",
    "layers/masked_lm_head/intermediate_layer_norm/vars/1": "masked_lm/layer_norm/beta",
    "layers/masked_lm_head/vars/0": "masked_lm/output_bias",
    "layers/dense/vars/0": "classifier/logits/kernel",
    "layers/dense/vars/1": "classifier/logits/bias",
}
"""Paths in a task's file, beside its backbone."""

LAYERS = re.compile(r"layers/transformer_encoder(?:_([1-9]\d*))?/(.+)")
INSIDE = "layers/bert_backbone/"  # where a task's file keeps its backbone
FIRST_AXES = {
    "vocab_size": "embeddings/word_embeddings/embeddings",
    "hidden_size": "embeddings/layer_norm/gamma",
    "num_attention_heads": "layer_0/self_attention/query/bias",
    "max_sequence_length": "embeddings/position_embedding/embeddings",
    "type_vocab_size": "embeddings/type_embeddings/embeddings",
    "inner_dim": "layer_0/feedforward/intermediate/bias",
}
"""Our argument -> the weight whose first axis it is."""


def our_path(key, of_task=False):
    """Return our path of the weight that a tensor is, by its path in a file of a backbone or of a task, or None."""
    path = canonical(key)
    if of_task:
        if not path.startswith(INSIDE):
            return HEADS.get(path)
        path = path.removeprefix(INSIDE)
    layer = LAYERS.fullmatch(path)
    if layer is None:
        return OUTSIDE.get(path)
    return f"layer_{layer[1] or 0}/{LAYER[layer[2]]}" if layer[2] in LAYER else None


def canonical(key):
    """Return a path as in our tables: without leading underscores, and Keras 2's container of layers as Keras 3's."""
    return re.sub("(^|/)_+", r"\1", key).replace("layer_checkpoint_dependencies/", "layers/")


def their_name(ours, inside=""):
    """Return the (canonical) path in their files of one of our weights; `inside` stands before an encoder's."""
    for table, before in ((OUTSIDE, inside), (HEADS, "")):
        for theirs, path in table.items():
            if path == ours:
                return before + theirs
    layer, _, rest = ours.partition("/")
    number = layer.removeprefix("layer_")
    count = "" if number == "0" else f"_{number}"
    return f"{inside}layers/transformer_encoder{count}/{next(k for k, path in LAYER.items() if path == rest)}"

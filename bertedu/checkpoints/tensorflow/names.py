"""Names of weights in TensorFlow's checkpoints: google-research/bert's (TF1) and tf-models' (TF2).

tf-models' encoders of both generations, its pretrainer, classifiers and scaffold, and the Hub's SavedModels all share
the names in `TF2` and `TF2_LAYER`. Chapter: notebooks/10_checkpoints.ipynb.
"""

from __future__ import annotations

import re

from bertedu.checkpoints.names import reversed_table

TF1 = {
    "bert/embeddings/word_embeddings": "embeddings/word_embeddings/embeddings",
    "bert/embeddings/position_embeddings": "embeddings/position_embedding/embeddings",
    "bert/embeddings/token_type_embeddings": "embeddings/type_embeddings/embeddings",
    "bert/embeddings/LayerNorm": "embeddings/layer_norm",
    "bert/pooler/dense": "pooler_transform",
    "cls/predictions/transform/dense": "masked_lm/transform",
    "cls/predictions/transform/LayerNorm": "masked_lm/layer_norm",
    "cls/predictions/output_bias": "masked_lm/output_bias",
}
"""Names in google-research/bert -> our paths; the last part (kernel, bias, gamma, beta) is the same in both."""

TF1_LAYER = {
    "attention/self/query": "self_attention/query",
    "attention/self/key": "self_attention/key",
    "attention/self/value": "self_attention/value",
    "attention/output/dense": "self_attention/attention_output",
    "attention/output/LayerNorm": "self_attention_layer_norm",
    "intermediate/dense": "feedforward/intermediate",
    "output/dense": "feedforward/output",
    "output/LayerNorm": "output_layer_norm",
}
"""The same within bert/encoder/layer_i."""

TF2 = {
    "word_embeddings": "embeddings/word_embeddings",
    "position_embedding": "embeddings/position_embedding",
    "type_embeddings": "embeddings/type_embeddings",
    "embeddings/layer_norm": "embeddings/layer_norm",
    "embedding_projection": "embeddings/embedding_projection",
    "pooler_transform": "pooler_transform",
    "cls_transform": "pooler_transform",  # the scaffold's
    "cls/predictions/transform/dense": "masked_lm/transform",
    "cls/predictions/transform/LayerNorm": "masked_lm/layer_norm",
    "cls/predictions/output_bias/bias": "masked_lm/output_bias",
}
"""Names in tf-models -> our paths; the name of a model may stand before them."""

TF2_LAYER = {
    "self_attention": "self_attention",  # talking heads have two weights of their own in it
    "self_attention/query": "self_attention/query",
    "self_attention/key": "self_attention/key",
    "self_attention/value": "self_attention/value",
    "self_attention/attention_output": "self_attention/attention_output",
    "self_attention_layer_norm": "self_attention_layer_norm",
    "intermediate": "feedforward/intermediate",
    "output": "feedforward/output",
    "output_layer_norm": "output_layer_norm",
    "feedforward/intermediate_0": "feedforward/intermediate",  # from here on the scaffold's
    "feedforward/gate_0": "feedforward/gate",
    "feedforward/output_0": "feedforward/output",
    "feedforward/output_layer_norm_0": "output_layer_norm",
}
"""The same within transformer/layer_i or transformer_scaffold_i."""

LEAVES = ("kernel", "bias", "gamma", "beta", "embeddings", "pre_softmax_weight", "post_softmax_weight")
LAYERS = {
    "TF1": re.compile(r"(?:.*/)?bert/encoder/layer_(\d{1,9})/(.+)"),
    "TF2": re.compile(r"(?:.*/)?(?:transformer/layer|transformer_scaffold)(?:_(\d{1,9}))?/(.+)"),
}
TABLES = {"TF1": (TF1, TF1_LAYER), "TF2": (TF2, TF2_LAYER)}
REVERSED = {form: tuple(map(reversed_table, tables)) for form, tables in TABLES.items()}
"""Our paths -> names."""

KEYS = (
    (r"^.*\b_transformer_layers/(\d+)/", r"transformer/layer_\1/"),
    (r"^.*\blayer_with_weights-(\d+)/(?=_)", r"transformer_scaffold_\1/"),  # counted from the first one there is
    (r"\b_attention_layer/_(query|key|value)_dense\b", r"self_attention/\1"),
    (r"\b_attention_layer/_output_dense\b", "self_attention/attention_output"),
    (r"\b_attention_layer\b", "self_attention"),
    (r"\b_attention_layer_norm\b", "self_attention_layer_norm"),
    (r"\b_feedforward_block/_(\w+)/0/", r"_\1/"),
    (r"\b_(intermediate|output)_dense\b", r"\1"),
    (r"\b_gate_dense\b", "feedforward/gate_0"),
    (r"\b_output_layer_norm\b", "output_layer_norm"),
    (r"^.*(\b_embedding_layer|\blayer_with_weights-0)/embeddings$", "word_embeddings/embeddings"),
    (r"^.*\bmasked_lm/embedding_table$", "word_embeddings/embeddings"),
    (r"^.*(\b_position_embedding_layer|\blayer_with_weights-1)/embeddings$", "position_embedding/embeddings"),
    (r"^.*(\b_type_embedding_layer|\blayer_with_weights-2)/embeddings$", "type_embeddings/embeddings"),
    (r"^.*(\b_embedding_norm_layer|\blayer_with_weights-3)/(gamma|beta)$", r"embeddings/layer_norm/\2"),
    (r"^.*(\b_embedding_projection|\blayer_with_weights-4)/(kernel|bias)$", r"embedding_projection/\2"),
    (r"^.*(\b_pooler_layer|\blayer_with_weights-\d+)/(kernel|bias)$", r"pooler_transform/\2"),
    (r"^.*\bmasked_lm/dense/", "cls/predictions/transform/dense/"),
    (r"^.*\bmasked_lm/layer_norm/", "cls/predictions/transform/LayerNorm/"),
    (r"^.*\bmasked_lm/output_bias\.Sbias$", "cls/predictions/output_bias/bias"),
)
"""Patterns in the keys of tf-models' own objects, and the names of variables that were saved without one."""

OPTIMIZER = re.compile(
    r"(^|/)(optimizer|\.OPTIMIZER_SLOT)/|/_(iterations|learning_rate)($|/\.)|^(\w*Adam\w*|[mv])/"  # Keras
    r"|/(adam|lamb)_[mv]$|/Adam(_1)?$|^beta[12]_power$"  # google-research/bert, and TF1's own
)
"""State of an optimizer; much of it is named after a weight."""

UNUSED = re.compile(
    r"(^|/)(save_counter|global_step|do_lower_case)($|/\.)"
    r"|/\.ATTRIBUTES/OBJECT_CONFIG_JSON$"
    r"|(^|/)cls/(seq_relationship|squad)/|^output_(weights|bias)$"  # heads of google-research/bert
    r"|(^|[/.])(pooler_dense|logits|out_proj)/(kernel|bias)$"  # heads of tf-models
)
"""What belongs to a BERT's training or to its other heads."""

FINE_TUNED = re.compile(r"(^|/)cls/squad/|^output_(weights|bias)$|(^|[/.])(logits|out_proj)/(kernel|bias)$")
"""The heads among them that a fine-tuned model answers with, which are not read."""

FOREIGN = {
    r"group_\d+/|transformer/self_attention/": "ALBERT",
    r"electra/|discriminator|generator": "ELECTRA",
    r"bottleneck|mobile_?bert": "MobileBERT",
    r"rel_attn|relative_attention|/r_w_bias": "XLNet",
    r"roberta": "RoBERTa",
}


def our_path(name: str, form: str, first_layer: int = 0) -> str | None:
    """Return our path of the weight that is called `name` in a checkpoint, or None.

    Example:
        >>> our_path("bert/encoder/layer_3/output/dense/kernel", "TF1")
        'layer_3/feedforward/output/kernel'
        >>> our_path("bert_encoder_v2/word_embeddings/embeddings", "TF2")
        'embeddings/word_embeddings/embeddings'
    """
    outside, inside = TABLES[form]
    layer = LAYERS[form].fullmatch(name)
    if layer:
        stem, _, leaf = layer[2].rpartition("/")
        number = int(layer[1] or 0) - (first_layer if "transformer_scaffold" in name else 0)
        return f"layer_{number}/{inside[stem]}/{leaf}" if stem in inside and leaf in LEAVES else None
    parts = name.split("/")
    for start in range(len(parts)):  # a model's name may stand before
        whole, stem = "/".join(parts[start:]), "/".join(parts[start:-1])
        if whole in outside:
            return outside[whole]
        if stem in outside and parts[-1] in LEAVES:
            return f"{outside[stem]}/{parts[-1]}"
    return None


def tf_name(ours: str, form: str) -> str:
    """Return the name that a weight of ours has in a checkpoint of that form; the reverse of `our_path`."""
    outside, inside = REVERSED[form]
    stem, _, leaf = ours.rpartition("/")
    layer, _, part = stem.partition("/")
    if layer.startswith("layer_"):
        return f"{'bert/encoder' if form == 'TF1' else 'transformer'}/{layer}/{inside.get(part, part)}/{leaf}"
    return outside.get(ours) or f"{outside.get(stem, stem)}/{leaf}"


def name_from_key(key: str) -> str:
    """Return tf-models' name of the variable that it saves under `key` of an object graph, if it is one of `KEYS`.

    Example:
        >>> name_from_key("encoder/_transformer_layers/3/_attention_layer/_key_dense/bias")
        'transformer/layer_3/self_attention/key/bias'
    """
    for pattern, replacement in KEYS:
        key = re.sub(pattern, replacement, key)
    return key

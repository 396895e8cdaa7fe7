"""Names of weights in TensorFlow's checkpoints: google-research/bert's (TF1) and tf-models' (TF2).

tf-models' encoders of both generations, its pretrainer, classifiers and scaffold, and the Hub's SavedModels all share
the names in `TF2` and `TF2_LAYER`. Chapter: notebooks/11_checkpoints.ipynb.
"""

import re

from bertedu.checkpoints.names import GOOGLE, GOOGLE_LAYER, GOOGLE_MASKED_LM, Names, weight_names

LEAVES = {leaf: f"/{leaf}" for leaf in ("kernel", "bias", "gamma", "beta", "embeddings")}
TF2 = GOOGLE_MASKED_LM | {
    "embeddings/word_embeddings": "word_embeddings",
    "embeddings/position_embedding": "position_embedding",
    "embeddings/type_embeddings": "type_embeddings",
    "embeddings/layer_norm": "embeddings/layer_norm",
    "embeddings/embedding_projection": "embedding_projection",
    "pooler_transform": "pooler_transform",
}
TF2_LAYER = {path: path for path in GOOGLE_LAYER} | {
    "feedforward/intermediate": "intermediate",
    "feedforward/output": "output",
    "feedforward/gate": "feedforward/gate_0",
}
"""Layer -> its name in tf-models; the name of a model may precede it."""

SCAFFOLD = {"pooler_transform": "cls_transform"}
GATED_LAYER = {
    "feedforward/intermediate": "feedforward/intermediate_0",
    "feedforward/output": "feedforward/output_0",
    "output_layer_norm": "feedforward/output_layer_norm_0",
}
"""Names that differ in tf-models' scaffold, which has the talking heads and the gated layers."""

TALKING = {path: path for path in ("self_attention/pre_softmax_weight", "self_attention/post_softmax_weight")}


def tf2_names(scaffold: bool = False, gated: bool = False) -> Names:
    """Return tf-models' names. Those of its BERT and of its scaffold are both read; one of them is written.

    Args:
        scaffold: bool, whether to write the names of the scaffold. Defaults to False.
        gated: bool, whether the feed-forward layers are gated. Defaults to False.
    """
    prefix = "transformer_scaffold" if scaffold else "transformer/layer"
    layer_names = TF2_LAYER | (GATED_LAYER if gated else {})
    return Names(
        weight_names(TF2 | (SCAFFOLD if scaffold else {}), LEAVES)
        | {"masked_lm/output_bias": "cls/predictions/output_bias/bias"},
        weight_names(layer_names, LEAVES) | TALKING,
        lambda i: f"{prefix}/" if scaffold and not i else f"{prefix}_{i}/",
        r"(?:^|/)(?:transformer/layer|transformer_scaffold)(?:_(\d{1,9}))?/(.+)",
        other_globals=weight_names(SCAFFOLD, LEAVES),
        other_layers=weight_names(GATED_LAYER, LEAVES),
    )


NAMES = {
    "TF1": Names(
        {path: f"bert/{name}" for path, name in weight_names(GOOGLE, LEAVES | {"embeddings": ""}).items()}
        | weight_names(GOOGLE_MASKED_LM, LEAVES)
        | {"masked_lm/output_bias": "cls/predictions/output_bias"},
        weight_names(GOOGLE_LAYER, LEAVES),
        "bert/encoder/layer_{}/".format,
        r"(?:^|/)bert/encoder/layer_(\d{1,9})/(.+)",
    ),
    "TF2": tf2_names(),
}

KEYS = (
    (r"^.*\b_transformer_layers/(\d+)/", r"transformer/layer_\1/"),
    (r"^.*\blayer_with_weights-(\d+)/(?=_)", r"transformer_scaffold_\1/"),  # not numbered from 0
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
"""Patterns in the keys of tf-models' objects, and the names of their variables."""

OPTIMIZER = re.compile(
    r"(^|/)(optimizer|\.OPTIMIZER_SLOT)/|/_(iterations|learning_rate)($|/\.)|^(\w*Adam\w*|[mv])/"  # Keras
    r"|/(adam|lamb)_[mv]$|/Adam(_1)?$|^beta[12]_power$"  # google-research/bert, and TF1's own
)
"""State of an optimizer, which may be named after a weight."""

UNUSED = re.compile(
    r"(^|/)(save_counter|global_step|do_lower_case)($|/\.)"
    r"|/\.ATTRIBUTES/OBJECT_CONFIG_JSON$"
    r"|(^|/)cls/(seq_relationship|squad)/|^output_(weights|bias)$"  # heads of google-research/bert
    r"|(^|[/.])(pooler_dense|logits|out_proj)/(kernel|bias)$"  # heads of tf-models
)
"""Training state, and heads that are not loaded."""

FINE_TUNED = re.compile(r"(^|/)cls/squad/|^output_(weights|bias)$|(^|[/.])(logits|out_proj)/(kernel|bias)$")
"""The heads of fine-tuned models among them."""

FOREIGN = {
    r"group_\d+/|transformer/self_attention/": "ALBERT",
    r"electra/|discriminator|generator": "ELECTRA",
    r"bottleneck|mobile_?bert": "MobileBERT",
    r"rel_attn|relative_attention|/r_w_bias": "XLNet",
    r"roberta": "RoBERTa",
}


def our_path(name: str, form: str, first_layer: int = 0) -> str | None:
    """Return the path of the weight called `name` in a checkpoint, or None.

    Args:
        name: string; in a TF2 checkpoint the name of a model may precede the weight's.
        form: "TF1" or "TF2".
        first_layer: int, the number of the scaffold's first layer. Defaults to 0.

    Example:
        >>> our_path("bert/encoder/layer_3/output/dense/kernel", "TF1")
        'layer_3/feedforward/output/kernel'
        >>> our_path("bert_encoder_v2/word_embeddings/embeddings", "TF2")
        'embeddings/word_embeddings/embeddings'
    """
    names, parts = NAMES[form], name.split("/")
    layer = names.layer_pattern.search(name)
    if layer:
        return names.path(layer[0].removeprefix("/"), first_layer if "transformer_scaffold" in name else 0)
    paths = (names.path("/".join(parts[start:])) for start in range(len(parts)))
    return next((path for path in paths if path), None)


def name_from_key(key: str) -> str:
    """Return tf-models' name of the variable with the `key` in an object graph, or `key` if no pattern matches.

    Example:
        >>> name_from_key("encoder/_transformer_layers/3/_attention_layer/_key_dense/bias")
        'transformer/layer_3/self_attention/key/bias'
    """
    for pattern, replacement in KEYS:
        key = re.sub(pattern, replacement, key)
    return key

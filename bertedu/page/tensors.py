"""The weights of a page: which models it can run, and their tensors under the names that transformer.js reads.

    embeddings/word [V, D]    layer_0/query/kernel [D, D]    masked_lm/layer_0/query/down [D, rank]    ...

Kernels are matrices `[in, out]`, biases vectors. The masked-LM helper of "minilm" is stored as changes to the encoder,
low-rank where the weight is a matrix, so that the encoder is in the file once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from bertedu.bert import Bert
from bertedu.checkpoints.common import shortened, weights
from bertedu.fields import shown
from bertedu.views import arrays

NAMES = {  # the part of a path that is replaced -> its name in the file
    "embeddings/word_embeddings/embeddings": "embeddings/word",
    "embeddings/position_embedding/embeddings": "embeddings/position",
    "embeddings/type_embeddings/embeddings": "embeddings/type",
    "self_attention_layer_norm": "attention_layer_norm",
    "self_attention/": "",
    "feedforward/": "",
    "kernel/down": "down",
    "kernel/up": "up",
}
ENCODER = {  # argument of `BertEncoder` -> its value in the models that transformer.js runs
    "attention_cls": "bertedu>MultiHeadAttention",
    "feedforward_cls": "bertedu>Feedforward",
    "inner_activation": "gelu",
    "embedding_layer": None,
    "output_range": None,
    "pruned_heads": None,
    "norm_first": False,
    "with_dense_inputs": False,
}
TOKENIZER = {"tokenize_chinese_chars": True, "added_tokens": []}


def check_model(bert: Bert) -> None:
    """Raise a ValueError that names the setting if the page cannot run a model."""
    encoder, tokenizer, embed = bert.encoder, bert.tokenizer, bert.embed_settings
    types = encoder.get_config()["type_vocab_size"]
    found: dict[str, tuple[Any, Any]] = {
        **{name: (encoder.get_config()[name], value) for name, value in ENCODER.items()},
        **{name: (tokenizer.get_config()[name], value) for name, value in TOKENIZER.items()},
        "embedding_width": (encoder.get_config()["embedding_width"], encoder.hidden_size),
        "type_vocab_size": (types, max(2, types)),
        "max_sequence_length": (bert.max_length, min(bert.max_length, arrays.MAX_TOKENS)),
        "vocab_size": (tokenizer.vocab_size, encoder.vocab_size),
        "strip_accents": (tokenizer.get_config()["strip_accents"] in (None, tokenizer.lowercase), True),
        "truncation": (bert.preprocessor.truncation, "longest_first"),
        "pooling": (embed.pooling, "mean"),
        "prompt": (embed.prompt, ""),
    }
    if bert.masked_lm is not None:
        head = bert.masked_lm.masked_lm
        found["masked_lm, activation"] = (head.activation, encoder.inner_activation)
        epsilon = encoder.get_config()["layer_norm_epsilon"]
        found["masked_lm, layer_norm_epsilon"] = (head.get_config()["layer_norm_epsilon"], epsilon)
    for name, (value, expected) in found.items():
        if value != expected:
            models = "The page runs models with the architecture of BERT and MiniLM only."
            raise ValueError(f"{bert.name}: expected {name} {shown(expected)}, got {shown(value)}. {models}")


def model_tensors(bert: Bert, changes: Mapping[str, np.ndarray] | None, dtype: str) -> dict[str, np.ndarray]:
    """Return the tensors of a page.

    Args:
        bert: a `Bert` that `check_model` accepts; its masked-LM head is included.
        changes: tensors of a masked-LM helper as in bertedu/assets: "masked_lm/..." for the head, and changes to the
            encoder under the paths of its weights. None for a model without one.
        dtype: "float16" or "float32".

    Returns:
        dict, name -> array of that dtype.

    Raises:
        ValueError: a weight is not finite in that dtype.
    """
    values = {path: variable for path, variable in weights(bert.encoder, bert.masked_lm).items() if _is_used(path)}
    values |= {path if path.startswith("masked_lm/") else f"masked_lm/{path}": v for path, v in (changes or {}).items()}
    tensors = {}
    for path, value in values.items():
        array = np.asarray(keras.ops.convert_to_numpy(value), "float32")
        with np.errstate(over="ignore"):
            tensors[_name(path)] = _as_matrix(path, array).astype(dtype)
    not_finite = [name for name, tensor in tensors.items() if not np.isfinite(tensor).all()]
    if not_finite:
        raise ValueError(f"{bert.name}: expected weights that are finite in {dtype}, got {shortened(not_finite)}.")
    return tensors


def _is_used(path):
    return not path.startswith("pooler_transform/")


def _name(path):
    """Return the name in the file of the weight `path`."""
    for part, name in NAMES.items():
        path = path.replace(part, name)
    return path


def _as_matrix(path, array):
    """Return a kernel as a matrix `[in, out]` and a bias as a vector: attention has an axis for heads."""
    if path.endswith("/bias"):
        return array.reshape(-1)
    if re.search(r"/(query|key|value)/kernel$", path):
        return array.reshape(array.shape[0], -1)  # [D, N, H] to [D, N H]
    return array.reshape(-1, array.shape[-1]) if array.ndim == 3 else array  # [N, H, D] to [N H, D]

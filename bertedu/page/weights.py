"""The model as files of the page: sizes, weights in the names that `transformer.js` reads, and the vocabulary.

    embeddings/word [V, D]                    layer_0/query/kernel [D, D]        masked_lm/transform/kernel [D, D]
    embeddings/position [positions, D]        layer_0/query/bias [D]             masked_lm/layer_0/query/down [D, rank]
    embeddings/layer_norm/gamma [D]           layer_0/output/kernel [F, D]       masked_lm/layer_0/query/up [rank, D]

Kernels of queries, keys and values have the heads' dimensions side by side, `[D, N H]`. Page: docs/page.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops
from safetensors.numpy import load_file, save

from bertedu import checks
from bertedu.attention import MultiHeadAttention
from bertedu.bert import Bert
from bertedu.checkpoints.common import special_parts, weights
from bertedu.feedforward import Feedforward
from bertedu.masked_lm import MaskedLM

DTYPES = ("float16", "float32")
EMBEDDINGS = {
    "embeddings/word_embeddings/embeddings": "embeddings/word",
    "embeddings/position_embedding/embeddings": "embeddings/position",
    "embeddings/type_embeddings/embeddings": "embeddings/type",
}
POOLER = "pooler_transform/"  # no view shows the pooled output


class ModelFiles(NamedTuple):
    """What the page reads a model from.

    Args:
        config: dict for model.json, the sizes and the settings of the tokenizer.
        weights: bytes of weights.safetensors.
        vocabulary: list of tokens in the order of their ids.
    """

    config: dict[str, Any]
    weights: bytes
    vocabulary: list[str]


def model_files(bert: Bert, dtype: str = "float16", masked_lm_changes: str | Path | None = None) -> ModelFiles:
    """Return the files of a model for the page. The same model gives the same bytes.

    Args:
        bert: `Bert` with BERT's own architecture. If it has a masked-LM head, that is included.
        dtype: "float16" or "float32", of the weights. The page computes in float32 with both.
        masked_lm_changes: path of a safetensors file with a masked-LM head and changes to the encoder, as for
            `bertedu.checkpoints.loading.with_masked_lm`; it keeps its own dtype. Defaults to None, only the model's
            own head.

    Returns:
        `ModelFiles`.

    Raises:
        ValueError: `dtype` is unknown, the page cannot run the model, or a weight is not finite in `dtype`.

    Example:
        >>> import bertedu as be
        >>> words = "[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat on mat".split()
        >>> encoder = be.BertEncoder(10, 8, num_layers=1, num_attention_heads=2, inner_dim=12, inner_activation="gelu")
        >>> files = model_files(be.Bert(be.BertTokenizer(words), encoder))
        >>> files.config["hidden_size"], files.vocabulary[5]
        (8, 'the')
    """
    checks.choice("dtype", dtype, DTYPES)
    if reasons := unsupported(bert):
        raise ValueError(f"model: expected one that the page can run, got {', '.join(reasons)}.")
    encoder = bert.encoder
    tensors = {
        _page_name(path): np.asarray(ops.convert_to_numpy(variable), "float32")
        for path, variable in weights(encoder, bert.masked_lm).items()
        if not path.startswith(POOLER)
    }
    with np.errstate(over="ignore"):  # infinity is an error below
        tensors = {name: _flat(name, tensor, encoder.hidden_size).astype(dtype) for name, tensor in tensors.items()}
    if bert.masked_lm is None and masked_lm_changes is not None:
        changes = load_file(masked_lm_changes)
        changes = {_change_name(path): tensor for path, tensor in sorted(changes.items())}
        tensors |= {name: _flat(name, tensor, encoder.hidden_size) for name, tensor in changes.items()}
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise ValueError(f'{name}: expected values that are finite as {dtype}. Use "float32".')
    return ModelFiles(_config(bert), save(tensors), list(bert.tokenizer.vocabulary))


def unsupported(bert: Bert) -> list[str]:
    """Return descriptions of what the page cannot run in a model; an empty list if it can."""
    encoder, settings = bert.encoder, bert.tokenizer.get_config()
    head = bert.masked_lm and bert.masked_lm.masked_lm
    sizes = {"hidden_size": encoder.hidden_size, "inner_dim": encoder.inner_dim}
    parts = {
        "an activation other than the exact GELU": not _is_exact_gelu(encoder.inner_activation),
        "embeddings narrower than the hidden size": encoder.embedding_width != encoder.hidden_size,
        "with_dense_inputs": encoder.with_dense_inputs,
        "a single type embedding, none for the second text": encoder.type_vocab_size < 2,
        "its own strip_accents": settings["strip_accents"] not in (None, settings["lowercase"]),
        "tokenize_chinese_chars=False": not settings["tokenize_chinese_chars"],
        "added_tokens": bool(settings["added_tokens"]),
        "a masked-LM head of another class": head is not None and type(head) is not MaskedLM,
        "a masked-LM head with another activation": type(head) is MaskedLM and not _is_exact_gelu(head.activation),
        "a masked-LM head with another epsilon": type(head) is MaskedLM
        and head.layer_norm_epsilon != encoder.layer_norm_epsilon,
    }
    odd = [f"{name}={size}, not a multiple of 4" for name, size in sizes.items() if np.any(np.array(size) % 4)]
    special = special_parts(encoder, (MultiHeadAttention,), (Feedforward,))
    return special + odd + [description for description, present in parts.items() if present]


def _is_exact_gelu(activation: Any) -> bool:
    values = np.linspace(-4, 4, 33, dtype="float32")
    exact = ops.convert_to_numpy(keras.activations.gelu(values, approximate=False))
    return bool(np.array_equal(ops.convert_to_numpy(keras.activations.get(activation)(values)), exact))


def _config(bert: Bert) -> dict[str, Any]:
    """Return the fields of `Config` in transformer.js and of the options of `WordPiece`."""
    encoder = bert.encoder
    return {
        "num_layers": encoder.num_layers,
        "num_heads": encoder.num_attention_heads,
        "hidden_size": encoder.hidden_size,
        "inner_dim": encoder.inner_dim,
        "vocab_size": encoder.vocab_size,
        "max_length": encoder.max_sequence_length,
        "type_vocab_size": encoder.type_vocab_size,
        "layer_norm_epsilon": encoder.layer_norm_epsilon,
        "lowercase": bert.tokenizer.lowercase,
        "truncation": bert.preprocessor.truncation,
    }


def _page_name(path: str) -> str:
    """Return the page's name of a weight: the path without the names of the two blocks."""
    name = EMBEDDINGS.get(path, path)
    for block in ("self_attention/", "feedforward/"):
        name = name.replace(f"/{block}", "/")
    return name.replace("/self_attention_layer_norm/", "/attention_layer_norm/")


def _change_name(path: str) -> str:
    """Return the page's name of a tensor of a masked-LM file: `path/kernel/down` becomes `masked_lm/.../down`."""
    name = _page_name(path).replace("/kernel/", "/")
    return name if name.startswith("masked_lm/") else f"masked_lm/{name}"


def _flat(name: str, tensor: np.ndarray, hidden_size: int) -> np.ndarray:
    """Return a tensor with the heads' axes joined: `[D, N, H]`, `[N, H, D]` and `[N, H]` as `[D, D]` and `[D]`."""
    if name.endswith(("/query/bias", "/key/bias", "/value/bias")):
        return tensor.reshape(-1)
    if name.endswith("/kernel") and tensor.ndim == 3:
        return tensor.reshape(hidden_size, hidden_size)
    return tensor

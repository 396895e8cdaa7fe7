"""A tiny BERT in Hugging Face's format, written with NumPy alone: names and shapes as in transformers' `BertModel`.

The numbers of rows, columns and layers are all different, so that no two axes can be taken for each other.
"""

import json

import numpy as np
from safetensors.numpy import save_file
from small_world import VOCABULARY

V, D, L, N, F, POSITIONS, TYPES = 23, 22, 3, 2, 31, 29, 2
WORDS = [*VOCABULARY, "[unused0]", "[unused1]", "[unused2]"]  # a token for each of V rows, as Google's have
CONFIG = {
    "model_type": "bert",
    "vocab_size": V,
    "hidden_size": D,
    "num_hidden_layers": L,
    "num_attention_heads": N,
    "intermediate_size": F,
    "hidden_act": "gelu",
    "max_position_embeddings": POSITIONS,
    "type_vocab_size": TYPES,
    "layer_norm_eps": 1e-12,
}


def shapes(pooler=True):
    """Every tensor's name and shape; matrices are [out, in], as torch's are."""
    shapes = {
        "embeddings.word_embeddings.weight": (V, D),
        "embeddings.position_embeddings.weight": (POSITIONS, D),
        "embeddings.token_type_embeddings.weight": (TYPES, D),
        "embeddings.LayerNorm.weight": (D,),
        "embeddings.LayerNorm.bias": (D,),
    }
    dense = {f"attention.self.{name}": (D, D) for name in ("query", "key", "value")}
    dense |= {"attention.output.dense": (D, D), "intermediate.dense": (F, D), "output.dense": (D, F)}
    for layer in (f"encoder.layer.{i}" for i in range(L)):
        for name, shape in dense.items():
            shapes |= {f"{layer}.{name}.weight": shape, f"{layer}.{name}.bias": shape[:1]}
        for name in ("attention.output", "output"):
            shapes |= {f"{layer}.{name}.LayerNorm.weight": (D,), f"{layer}.{name}.LayerNorm.bias": (D,)}
    return shapes | ({"pooler.dense.weight": (D, D), "pooler.dense.bias": (D,)} if pooler else {})


def tensors(seed=7, pooler=True):
    """Random weights, large enough that every one of them shows in the outputs, and tokens stay apart."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal(name.endswith("LayerNorm.weight"), 0.3, shape).astype("float32")
        for name, shape in shapes(pooler).items()
    }


def write(directory, weights=None, config=None, words=WORDS):
    """A whole model directory: config.json, model.safetensors, vocab.txt. Returns the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(CONFIG | (config or {})), encoding="utf-8")
    save_file(tensors() if weights is None else weights, directory / "model.safetensors")
    write_vocabulary(directory, words)
    return directory


def write_vocabulary(directory, words=WORDS):
    (directory / "vocab.txt").write_text("".join(f"{word}\n" for word in words), encoding="utf-8")

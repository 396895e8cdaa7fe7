"""A tiny adapter in peft's format, written with NumPy alone, and the model that it fits: sizes as in `tiny_bert`."""

import functools
import json

import numpy as np
import tiny_bert
from safetensors.numpy import save

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
RANK, CLASSES = 5, 3
FIELDS = {
    "auto_mapping": None,
    "base_model_name_or_path": "organization/name",
    "bias": "none",
    "fan_in_fan_out": False,
    "inference_mode": True,
    "init_lora_weights": True,
    "lora_alpha": 10,
    "lora_dropout": 0.1,
    "modules_to_save": ["classifier", "pooler"],
    "peft_type": "LORA",
    "r": RANK,
    "rank_pattern": {},
    "target_modules": ["query", "output.dense"],
    "task_type": "SEQ_CLS",
    "use_dora": False,
    "use_rslora": False,
}


@functools.cache
def base():
    """Return the `Bert` to merge adapters into; it reads no file."""
    import bertedu as be

    sizes = {"max_sequence_length": tiny_bert.POSITIONS, "type_vocab_size": tiny_bert.TYPES}
    encoder = be.BertEncoder(tiny_bert.V, tiny_bert.D, tiny_bert.L, tiny_bert.N, inner_dim=tiny_bert.F, **sizes)
    tokenizer = be.BertTokenizer(tiny_bert.WORDS)
    return be.Bert(tokenizer, encoder, be.BertPreprocessor(tokenizer, tiny_bert.POSITIONS))


def tensors(head=True):
    """Return the tensors of an adapter, with or without a head and a pooler."""
    shapes = {}
    for layer in range(tiny_bert.L):
        for module, inputs in (("attention.self.query", tiny_bert.D), ("output.dense", tiny_bert.F)):
            name = f"base_model.model.bert.encoder.layer.{layer}.{module}"
            shapes |= {f"{name}.lora_A.weight": (RANK, inputs), f"{name}.lora_B.weight": (tiny_bert.D, RANK)}
    if head:
        for name, units in (("classifier", CLASSES), ("bert.pooler.dense", tiny_bert.D)):
            name = f"base_model.model.{name}"
            shapes |= {f"{name}.weight": (units, tiny_bert.D), f"{name}.bias": (units,)}
    rng = np.random.default_rng(3)
    return {name: rng.normal(0, 0.3, shape).astype("float32") for name, shape in shapes.items()}


def files(fields=(), head=True):
    """Return the files of an adapter: dict, name -> bytes. `fields` replace those of its configuration."""
    config = json.dumps(FIELDS | dict(fields), indent=2).encode()
    return {CONFIG: config, WEIGHTS: save(tensors(head), metadata={"format": "pt"})}


def write(folder, changed=(), **options):
    """Write an adapter into a new folder, with the bytes of some files replaced; return its path."""
    path = folder / "adapter"
    path.mkdir()
    for name, content in (files(**options) | dict(changed)).items():
        (path / name).write_bytes(content)
    return path

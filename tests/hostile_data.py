"""Hostile adapters and files of tagged sentences."""

import json
import pickle
import struct

import tiny_adapter
from hostile_base import Hostile, canary_array
from hostile_folders import Pickled, relative
from tiny_adapter import CONFIG, WEIGHTS

ADAPTER, TAGS = ("load_adapter",), ("load_tags",)
MANY = 10**9
NESTED = b"[" * 100_000
LONG = "x" * 10_000_000


def field(name, value):
    """Return a writer of an adapter with a field of its configuration set to a value, or to `value(trap)`."""
    return lambda folder, trap: tiny_adapter.write(folder, fields={name: value(trap) if callable(value) else value})


def replaced(file, content):
    """Return a writer of an adapter with the bytes of one file replaced."""
    return lambda folder, trap: tiny_adapter.write(folder, {file: content})


def header(content):
    """Return a writer of an adapter with this header in its safetensors file."""
    content = content if isinstance(content, bytes) else json.dumps(content).encode()
    return replaced(WEIGHTS, struct.pack("<Q", len(content)) + content)


def tensor(name, shape, begin=0, end=0):
    """Return the header of a safetensors file with one tensor."""
    return {f"base_model.model.{name}": {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}}


def pickled(folder, trap):
    """Write an adapter with pickled weights only."""
    path = tiny_adapter.write(folder, {"adapter_model.bin": pickle.dumps(Pickled(trap.marker))})
    (path / WEIGHTS).unlink()
    return path


def linked(folder, trap):
    """Write an adapter whose weights are a link outside."""
    from safetensors.numpy import save_file

    path = tiny_adapter.write(folder)
    tensors = tiny_adapter.tensors()
    tensors |= {name: canary_array(value.shape) for name, value in tensors.items() if name.endswith("classifier.bias")}
    save_file(tensors, trap.folder / WEIGHTS)
    (path / WEIGHTS).unlink()
    (path / WEIGHTS).symlink_to(relative(path, trap.folder / WEIGHTS))
    return path


def written(name, content):
    """Return a writer of one file."""

    def write(folder, trap):
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


MODULE = {"base_model_class": "Evil", "parent_library": "trap_module"}
ADAPTERS = [
    case._replace(readers=ADAPTER)
    for case in (
        Hostile("adapter: auto_mapping of a module", field("auto_mapping", MODULE), opens=True),
        Hostile("adapter: megatron_core of a module", field("megatron_core", "trap_module"), opens=True),
        Hostile(
            "adapter: base_model_name_or_path is a path",
            field("base_model_name_or_path", lambda trap: str(trap.canary)),
            opens=True,
        ),
        Hostile("adapter: target_modules is a slow pattern", field("target_modules", "(a+)+$" * 50), opens=True),
        Hostile(
            "adapter: rank_pattern is a slow pattern", field("rank_pattern", {"(a+)+$" * 50: 2}), ("rank_pattern",)
        ),
        Hostile("adapter: peft_type of another kind", field("peft_type", "XLORA"), ("peft_type",)),
        Hostile("adapter: eva_config of an object", field("eva_config", MODULE), opens=True),
        Hostile("adapter: loftq_config of an object", field("loftq_config", MODULE), opens=True),
        Hostile("adapter: runtime_config of a module", field("runtime_config", MODULE), opens=True),
        Hostile("adapter: pickled weights", pickled, (WEIGHTS,)),
        Hostile("adapter: weights are a link outside", linked, (WEIGHTS,)),
    )
]
"""Adapters that try to have code run or a path followed."""

FULL = [
    case._replace(readers=ADAPTER, memory=True)
    for case in (
        Hostile("adapter: rank 10**12", field("r", 10**12), (CONFIG,)),
        Hostile("adapter: rank 1,000,000", field("r", 10**6), (WEIGHTS,)),
        Hostile("adapter: lora_alpha 10**30", field("lora_alpha", 10**30), ("lora_alpha",)),
        Hostile(f"adapter: nested {CONFIG}", replaced(CONFIG, NESTED), (CONFIG,)),
        Hostile(f"adapter: {CONFIG} of 10 MB", replaced(CONFIG, b'{"r": "' + LONG.encode() + b'"}'), (CONFIG,)),
        Hostile("adapter: nested safetensors header", header(NESTED), (WEIGHTS,)),
        Hostile(
            "adapter: header longer than the file", replaced(WEIGHTS, struct.pack("<Q", 2**62) + b"{}"), (WEIGHTS,)
        ),
        Hostile("adapter: head of a billion classes", header(tensor("classifier.weight", [MANY, 22])), (WEIGHTS,)),
        Hostile(
            "adapter: head of a billion classes that ends behind the file",
            header(tensor("classifier.weight", [MANY, 22], 0, MANY * 88)),
            (WEIGHTS,),
        ),
        Hostile("adapter: head without classes", header(tensor("classifier.weight", [0, 22])), (WEIGHTS,)),
        Hostile(
            "adapter: layer 999,999,999",
            header(tensor("encoder.layer.999999999.output.dense.lora_A.weight", [5, 0])),
            (WEIGHTS,),
        ),
    )
]
FULL += [
    case._replace(readers=TAGS, memory=True)
    for case in (
        Hostile("tags: CoNLL line of 10 MB", written("a.conll", f"{LONG}\tO\n"), ("line 1",)),
        Hostile(
            "tags: CoNLL line of a million columns", written("a.conll", "a O\n\n" + "a " * 10**6 + "O\n"), ("line 3",)
        ),
        Hostile("tags: nested JSON", written("a.jsonl", NESTED), ("line 1",)),
        Hostile("tags: nested list of words", written("a.jsonl", b'{"tags": ["O"], "words": ' + NESTED), ("line 1",)),
        Hostile(
            "tags: words of lists",
            written("a.jsonl", json.dumps({"words": [[["a"] * 10**5]], "tags": ["O"]})),
            ("line 1",),
        ),
        Hostile(
            "tags: number 10**400", written("a.jsonl", '{"words": ["a"], "tags": [1' + "0" * 400 + "]}"), ("line 1",)
        ),
        Hostile(
            "tags: prefix that a slow pattern would match",
            written("a.conll", "a B-" + "a" * 10**6 + "\nb I-" + "a" * 10**6 + "b\n"),
            ("line 2",),
        ),
    )
]
"""Adapters and tagged sentences that would use up time or memory."""

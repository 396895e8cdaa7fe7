"""Hostile directories: paths that lead out of them, classes and functions that they name, pickles."""

import json
import pickle
import shutil

from hostile_base import GOLDEN, WEIGHTS, Hostile, Trap, canary_array, directory, edited_h5, first_vector, set_at
from hostile_keras import HDF5, function, saved_model_layer
from safetensors.numpy import load_file, save_file

HF, BERTEDU = "v0_1/encoder/huggingface", "v0_1/encoder/bertedu"
HUB, SHARDS = "checkpoints/keras_hub_classifier.zip", "checkpoints/keras_hub_masked_lm.zip"
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
TOKENIZER, VOCABULARY = "tokenizer.json", "vocab.txt"


def vocab_path(source, file=TOKENIZER, text="canary"):
    """Return a writer of a directory whose tokenizer.json has a path as its vocabulary."""
    return lambda folder, trap: directory(folder, source, {file: set_at("model", "vocab", str(getattr(trap, text)))})


def vocab_member(folder, trap):
    """Write a `.keras` file whose tokenizer.json has a path as its vocabulary."""
    from hostile_base import WRITTEN, keras_file

    state = json.loads((WRITTEN / "encoder" / "bertedu" / TOKENIZER).read_bytes())
    state["model"]["vocab"] = str(trap.canary)
    return keras_file(folder, members={TOKENIZER: json.dumps(state).encode()})


def edited(source, file, *keys, make):
    """Return a writer of a directory with an odd value at `keys` of a JSON file; `make` is a function of the trap."""
    return lambda folder, trap: directory(folder, source, {file: set_at(*keys, make(trap))})


def sharded(name):
    """Return a writer of a Hugging Face directory whose index names a file outside by `name(directory, file)`."""

    def write(folder, trap):
        path = directory(folder, HF)
        tensors = load_file(path / SINGLE)
        (path / SINGLE).unlink()
        vector = next(key for key, value in tensors.items() if value.ndim == 1)
        tensors[vector] = canary_array(tensors[vector].shape)
        outside = trap.folder / "outside.safetensors"
        save_file(tensors, outside)
        shard = name(path, outside)
        (path / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": dict.fromkeys(tensors, shard)}))
        return path

    return write


def relative(path, outside):
    """Return the path of `outside` as seen from the directory `path`."""
    return f"{'../' * len(path.parts[1:])}{outside.relative_to('/')}"


def symbolic(path, outside):
    """Make a symbolic link to `outside` in the directory `path` and return its name."""
    (path / "shard.safetensors").symlink_to(outside)
    return "shard.safetensors"


def linked(source, name):
    """Return a writer of a directory in which one text file is a link to the canary."""

    def write(folder, trap):
        path = directory(folder, source)
        if source != HUB:  # whose tokenizer.json is another thing
            (path / TOKENIZER).unlink(missing_ok=True)
            (path / "variables" / TOKENIZER).unlink(missing_ok=True)
        (path / name).unlink()
        (path / name).symlink_to(trap.canary)
        return path

    return write


def pooling_outside(make):
    """Return a writer of a sentence-transformers directory whose pooling lies outside."""

    def write(folder, trap):
        path = directory(folder, HF)
        (trap.folder / "pooling").mkdir(exist_ok=True)
        shutil.copy(path / "1_Pooling" / "config.json", trap.folder / "pooling")
        change = set_at(1, "path", make(path, trap.folder / "pooling"))
        modules = json.loads((path / "modules.json").read_bytes())
        change(modules)
        (path / "modules.json").write_text(json.dumps(modules))
        return path

    return write


class Pickled:
    """What creates the marker when it is unpickled."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return open, (self.marker, "w")


def pickled(folder, trap):
    """Write a Hugging Face directory with pickled weights only."""
    path = directory(folder, HF)
    (path / SINGLE).unlink()
    (path / "pytorch_model.bin").write_bytes(pickle.dumps(Pickled(trap.marker)))
    return path


def hub_weights(source, file, edit):
    """Return a writer of a KerasHub preset with edited weights."""

    def write(folder, trap):
        path = directory(folder, source)
        content = (path / file).read_bytes()
        (path / file).write_bytes(edited_h5(folder, content, lambda opened: edit(opened, first_vector(opened), trap)))
        return path

    return write


def hub_shards(make):
    """Return a writer of a KerasHub preset whose index names a shard outside."""

    def write(folder, trap):
        path = directory(folder, SHARDS)
        outside = trap.folder / "model_00001.weights.h5"
        shutil.move(path / outside.name, outside)
        index = path / "model.weights.json"
        state = json.loads(index.read_bytes())
        named = make(path, outside)
        state["weight_map"] = {
            key: [
                named if shard == outside.name else shard for shard in ([shards] if isinstance(shards, str) else shards)
            ]
            for key, shards in state["weight_map"].items()
        }
        index.write_text(json.dumps(state))
        return path

    return write


def checkpoint_outside(folder, trap):
    """Write a TensorFlow directory whose `checkpoint` file names a checkpoint elsewhere."""
    path = folder / "hostile"
    path.mkdir()
    for file in (GOLDEN / "checkpoints" / "tf2_encoder").glob("bert_model*"):
        shutil.copy(file, trap.folder)
    (path / "checkpoint").write_text(f'model_checkpoint_path: "{trap.folder / "bert_model.ckpt-1"}"\n')
    shutil.copy(trap.canary, path / VOCABULARY)
    return path


def assets_outside(folder, trap):
    """Write a SavedModel whose program names the canary as its vocabulary, and whose own is missing."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    path = directory(folder, "v0_1/encoder/saved_model")
    (path / "variables" / TOKENIZER).unlink()
    (path / "assets" / VOCABULARY).unlink()
    model = SavedModel.FromString((path / "saved_model.pb").read_bytes())
    for graph in model.meta_graphs:
        asset = graph.asset_file_def.add()
        asset.filename = relative(path / "assets", trap.canary)
        asset.tensor_info.name = "Const:0"
    (path / "saved_model.pb").write_bytes(model.SerializeToString())
    return path


def program(folder, trap):
    """Write a SavedModel of a BERT whose program is that of the trap."""
    path = directory(folder, "v0_1/encoder/saved_model")
    shutil.copy(trap.program / "saved_model.pb", path)
    return path


def trapped(trap: Trap):
    """Return a configuration that names a class of the trap's module, as KerasHub writes one."""
    return {"module": "trap_module", "class_name": "Evil", "config": {}, "registered_name": "Evil"}


def absolute(path, outside):
    """Return the absolute path of `outside`."""
    return str(outside)


REMOTE_CODE = {"AutoModel": "trap_module.Evil", "AutoConfig": "trap_module.Evil"}
FOLDERS = [
    Hostile("bertedu: vocab is a path", vocab_path(BERTEDU), ("vocab",)),
    Hostile("Hugging Face: vocab is a path", vocab_path(HF), ("vocab",)),
    Hostile("Hugging Face: vocab is a path to another text", vocab_path(HF, text="repeated"), ("vocab",)),
    Hostile(
        "SavedModel: vocab is a path", vocab_path("v0_1/encoder/saved_model", f"variables/{TOKENIZER}"), ("vocab",)
    ),
    Hostile(".keras: vocab of its tokenizer.json is a path", vocab_member, ("vocab",)),
    Hostile("Hugging Face: vocab.txt is a link outside", linked(HF, VOCABULARY), (VOCABULARY,)),
    Hostile(
        "SavedModel: vocab.txt is a link outside", linked("v0_1/encoder/saved_model", "assets/vocab.txt"), (VOCABULARY,)
    ),
    Hostile(
        "KerasHub: vocabulary.txt is a link outside",
        linked(HUB, "assets/tokenizer/vocabulary.txt"),
        ("vocabulary.txt",),
    ),
    Hostile("Hugging Face: shard at ../", sharded(relative), ("weight_map", "outside.safetensors")),
    Hostile("Hugging Face: shard at an absolute path", sharded(absolute), ("weight_map", "outside.safetensors")),
    Hostile("Hugging Face: shard is a link outside", sharded(symbolic), ("shard.safetensors",)),
    Hostile("Hugging Face: pooling at ../", pooling_outside(relative), ("modules.json",)),
    Hostile("Hugging Face: pooling at an absolute path", pooling_outside(absolute), ("modules.json",)),
    Hostile("Hugging Face: pickled weights", pickled, ("pytorch_model.bin",)),
    Hostile("Hugging Face: auto_map", edited(HF, "config.json", "auto_map", make=lambda _: REMOTE_CODE), opens=True),
    Hostile(
        "Hugging Face: custom pipelines",
        edited(HF, "config.json", "custom_pipelines", make=lambda _: {"x": {"impl": "trap_module.Evil"}}),
        opens=True,
    ),
    Hostile(
        "Hugging Face: tokenizer_class of a module",
        edited(HF, "tokenizer_config.json", "tokenizer_class", make=lambda _: "trap_module.Evil"),
        ("tokenizer_class",),
        opens=True,
    ),
    Hostile(
        "Hugging Face: module type",
        edited(HF, "modules.json", 2, "type", make=lambda _: "trap_module.Evil"),
        ("modules.json",),
        opens=True,
    ),
    Hostile(
        "Hugging Face: hidden_act is a function",
        edited(HF, "config.json", "hidden_act", make=lambda _: function("os", "system")),
        ("hidden_act",),
    ),
    Hostile(
        "Hugging Face: hidden_act names a function",
        edited(HF, "config.json", "hidden_act", make=lambda _: "other>probe"),
        ("hidden_act",),
    ),
    Hostile(
        "KerasHub: config.json names a class",
        edited(HUB, "config.json", "class_name", make=lambda _: "Evil"),
        ("class_name", "Evil", "BertBackbone"),
    ),
    Hostile(
        "KerasHub: config.json names a module",
        edited(HUB, "config.json", "module", make=lambda _: "trap_module"),
        ("module",),
        opens=True,
    ),
    Hostile(
        "KerasHub: registered_name of other code",
        edited(HUB, "config.json", "registered_name", make=lambda _: "other>Probe"),
        ("registered_name",),
        opens=True,
    ),
    Hostile(
        "KerasHub: dtype is an object",
        edited(HUB, "config.json", "config", "dtype", make=saved_model_layer),
        ("dtype",),
        opens=True,
    ),
    Hostile(
        "KerasHub: task.json names a class",
        edited(HUB, "task.json", "config", "preprocessor", make=trapped),
        ("task.json",),
        opens=True,
    ),
    Hostile(
        "KerasHub: activation is a function",
        edited(HUB, "task.json", "config", "activation", make=lambda _: function("os", "system")),
        ("activation",),
        opens=True,
    ),
    Hostile(
        "KerasHub: preprocessor.json names a class",
        edited(HUB, "preprocessor.json", "config", "tokenizer", make=trapped),
        ("preprocessor.json",),
        opens=True,
    ),
    Hostile(
        "KerasHub: config_file of the preprocessor",
        edited(HUB, "preprocessor.json", "config", "config_file", make=lambda trap: str(trap.canary)),
        ("config_file",),
        opens=True,
    ),
    Hostile(
        "KerasHub: tokenizer.json names a class", edited(HUB, TOKENIZER, "class_name", make=lambda _: "Evil"), ("Evil",)
    ),
    Hostile(
        "KerasHub: vocabulary is a path",
        edited(HUB, TOKENIZER, "config", "vocabulary", make=lambda trap: str(trap.canary)),
        ("vocabulary",),
        opens=True,
    ),
    Hostile("KerasHub: shard at ../", hub_shards(relative), ("model_00001.weights.h5",)),
    Hostile("KerasHub: shard at an absolute path", hub_shards(absolute), ("model_00001.weights.h5",)),
    *(
        Hostile(f"KerasHub: weights: {name}", hub_weights(HUB, WEIGHTS, edit), (WEIGHTS, "vars/"))
        for name, edit in HDF5.items()
    ),
    *(
        Hostile(
            f"KerasHub: task weights: {name}", hub_weights(HUB, "task.weights.h5", edit), ("task.weights.h5", "vars/")
        )
        for name, edit in HDF5.items()
    ),
    Hostile("TensorFlow: checkpoint names one outside", checkpoint_outside, ("checkpoint",)),
    Hostile("SavedModel: assets name the canary", assets_outside, (VOCABULARY, "asset")),
    Hostile("SavedModel: program of its own", program, opens=True),
]

"""The shape of the package itself: who imports whom, how long things are, and that every configuration is complete."""

import ast
import doctest
import importlib
import inspect
import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

import bertedu
from bertedu.serialization import constructor_arguments

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "bertedu"
OUTSIDE = {"__init__", "__main__", "cli", "exercise"}  # the door, its hinges and an old name: not in the reading order


def module_name(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or "__init__"


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def reading_order():
    """The modules in the order of the table in docs/modules.md (a folder stands for all in it)."""
    table = (ROOT / "docs" / "modules.md").read_text(encoding="utf-8")
    names = re.findall(r"^\| \[?`([\w/]+)`", table, flags=re.MULTILINE)
    return [name.rstrip("/") for name in names]


def index_of(module, order):
    return order.index(module.split(".")[0]) if module.split(".")[0] in order else None


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "bertedu":
            rest = node.module.split(".")[1:]
            yield from [".".join(rest)] if rest else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from (a.name.removeprefix("bertedu.") for a in node.names if a.name.startswith("bertedu."))


def test_the_table_lists_every_module():
    listed = set(reading_order())
    top = {name.split(".")[0] for name in MODULES} - OUTSIDE
    assert listed == top


@pytest.mark.parametrize("module", [name for name in MODULES if name.split(".")[0] not in OUTSIDE])
def test_a_module_imports_only_what_stands_above_it(module):
    order = reading_order()
    own = index_of(module, order)
    for imported in imports(MODULES[module]):
        if imported == "__version__" or imported.split(".")[0] == module.split(".")[0]:
            continue
        assert index_of(imported, order) is not None and index_of(imported, order) < own, f"{module} imports {imported}"


def test_the_package_imports_in_reading_order():
    order = reading_order()
    indices = [index_of(name, order) for name in imports(PACKAGE / "__init__.py") if name not in {*OUTSIDE, "backend"}]
    assert indices == sorted(indices)


@pytest.mark.parametrize("forbidden", ["torch", "transformers", "tf_keras", "tensorflow_hub", "sentence_transformers"])
def test_the_core_never_imports(forbidden):
    allowed = {("torch", f"backend.{name}") for name in ("compiled", "devices", "gradients")}
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [a.name for a in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", None) or ""]
            )
            if isinstance(node, ast.Import | ast.ImportFrom) and (forbidden, module) not in allowed:
                assert forbidden not in [name.split(".")[0] for name in names], f"{module} imports {forbidden}"


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"cli.checks"}))  # it asks in a process of its own
def test_only_the_backend_package_asks_which_backend_runs(module):
    source = MODULES[module].read_text(encoding="utf-8")
    assert module.startswith("backend") or not re.search(r"keras\.(backend|config)\.backend\(", source)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_function_is_longer_than_a_screen(module):
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            start = body[0].lineno if body else node.lineno
            assert node.end_lineno - start < 40, f"{module}.{node.name}"


DOCUMENTED = [name for name in sorted(MODULES) if name not in OUTSIDE and not name.startswith("course.exercises")]


@pytest.mark.parametrize("module", DOCUMENTED)
def test_the_examples_in_docstrings_run(module):
    name = f"bertedu.{module}"
    result = doctest.testmod(importlib.import_module(name), verbose=False)
    assert result.failed == 0


IDS = np.array([[2, 5, 6, 3]], "int32")
X = np.random.default_rng(0).normal(size=(1, 4, 6)).astype("float32")
INPUTS = {"input_word_ids": IDS, "input_mask": IDS > 3, "input_type_ids": IDS * 0}
CASES = {  # arguments that are none of the defaults, and something to call it on
    "MultiHeadAttention": (
        {"num_heads": 3, "key_dim": 5, "value_dim": 7, "dropout": 0.3, "use_bias": False}
        | {"kernel_initializer": "he_normal", "bias_initializer": "ones"},
        (X,),
    ),
    "Feedforward": (
        {"inner_dim": 7, "inner_activation": "relu", "kernel_initializer": "he_normal", "bias_initializer": "ones"},
        (X,),
    ),
    "BertEmbeddings": (
        {"vocab_size": 9, "hidden_size": 6, "max_sequence_length": 5, "type_vocab_size": 3, "embedding_width": 4}
        | {"dropout": 0.3, "layer_norm_epsilon": 1e-3, "initializer": "he_normal"}
        | {"embedding_layer": keras.layers.Embedding(9, 4)},
        (IDS, IDS * 0),
    ),
    "TransformerEncoder": (
        {"intermediate_dim": 7, "num_heads": 2, "dropout": 0.3, "activation": "gelu", "layer_norm_epsilon": 1e-3}
        | {"kernel_initializer": "he_normal", "bias_initializer": "ones", "normalize_first": True}
        | {
            "attention_dropout": 0.2,
            "attention_cls": bertedu.MultiHeadAttention,
            "feedforward_cls": bertedu.Feedforward,
            "key_dim": 5,
        },
        (X,),
    ),
    "BertEncoder": (
        {"vocab_size": 9, "hidden_size": 6, "num_layers": 2, "num_attention_heads": 3, "max_sequence_length": 5}
        | {
            "type_vocab_size": 3,
            "inner_dim": [7, 4],
            "pruned_heads": {1: [0, 2]},
            "inner_activation": "relu",
            "output_dropout": 0.3,
        }
        | {"attention_dropout": 0.2, "initializer": "he_normal", "output_range": 2, "embedding_width": 4}
        | {"embedding_layer": keras.layers.Embedding(9, 4), "norm_first": True, "with_dense_inputs": True}
        | {"return_attention_scores": True, "layer_norm_epsilon": 1e-3}
        | {"attention_cls": bertedu.MultiHeadAttention, "feedforward_cls": bertedu.Feedforward},
        (INPUTS,),
    ),
}


def encoder():
    return bertedu.BertEncoder(9, 6, 1, 2, 5, inner_dim=7)


POSITIONS = {"masked_lm_positions": np.array([[1, 2]])}
CASES |= {
    "TalkingHeadsAttention": CASES["MultiHeadAttention"],
    "GatedFeedforward": CASES["Feedforward"],
    "MaskedLM": (
        {"embedding_table": keras.layers.Embedding(9, 6), "activation": "relu", "initializer": "he_normal"}
        | {"output": "predictions", "layer_norm_epsilon": 1e-3},
        (X, POSITIONS["masked_lm_positions"]),
    ),
    "ClassificationHead": (
        {"inner_dim": 5, "num_classes": 3, "cls_token_idx": 1, "activation": "relu", "dropout_rate": 0.3}
        | {"initializer": "he_normal"},
        (X,),
    ),
    "BertPretrainer": (
        {"encoder_network": encoder(), "mlm_activation": "relu", "mlm_initializer": "he_normal", "name": "other"}
        | {"classification_heads": [bertedu.ClassificationHead(5, 2, name="next_sentence")]}
        | {"customized_masked_lm": None},
        (INPUTS | POSITIONS,),
    ),
    "BertClassifier": (
        {"network": encoder(), "num_classes": 3, "initializer": "he_normal", "dropout_rate": 0.3}
        | {
            "use_encoder_pooler": False,
            "head_name": "other",
            "cls_head": bertedu.ClassificationHead(5, 2, name="head"),
            "class_names": ["no", "maybe", "yes"],
            "multi_label": True,
            "thresholds": [0.1, 0.2, 0.3],
        },
        (INPUTS,),
    ),
}
CASES["BertTokenClassifier"] = (
    {"network": encoder(), "num_classes": 3, "initializer": "he_normal", "output": "predictions", "dropout_rate": 0.3}
    | {"output_encoder_outputs": True, "class_names": ["O", "B-X", "I-X"]},
    (INPUTS,),
)
LAYERS = [
    name
    for name in bertedu.__all__
    if inspect.isclass(getattr(bertedu, name)) and issubclass(getattr(bertedu, name), keras.layers.Layer)
]


@pytest.mark.parametrize("name", sorted(set(LAYERS) - {"BertPreprocessor"}))  # it has its own tests, without weights
def test_a_config_is_complete_and_gives_the_same_outputs(name):
    cls = getattr(bertedu, name)
    arguments, call = CASES[name]
    parameters = set(constructor_arguments(cls))
    assert set(arguments) == parameters, "the case above must set every argument"
    layer = cls(**arguments)
    layer(*call)
    config = layer.get_config()
    assert parameters <= set(config)
    again = cls.from_config(json.loads(json.dumps(config)))
    again(*call)
    assert json.dumps(again.get_config()) == json.dumps(config)
    again.set_weights(layer.get_weights())
    for a, b in zip(keras.tree.flatten(layer(*call)), keras.tree.flatten(again(*call)), strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(a), ops.convert_to_numpy(b))


def test_the_defaults_survive_a_config():
    layer = bertedu.BertEncoder(9, 6, 1, 2, 5, inner_dim=7)
    again = bertedu.BertEncoder.from_config(json.loads(json.dumps(layer.get_config())))
    again.set_weights(layer.get_weights())
    assert again.inner_activation is bertedu.defaults.gelu_tanh
    np.testing.assert_array_equal(layer(INPUTS)["pooled_output"], again(INPUTS)["pooled_output"])

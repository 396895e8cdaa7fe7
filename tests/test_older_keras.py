"""Files that are written on a newer Keras open on the lowest one that is supported: no field in them is newer.

The fields that Keras 3.10.0 knows were recorded under it: `golden/make_keras_fields.py`.
"""

import inspect
import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from small_world import VOCABULARY
from test_architecture import CASES, INPUTS

import bertedu as be
from bertedu.serialization import serialize

KNOWN = json.loads((Path(__file__).parent / "golden" / "keras_3_10_fields.json").read_text())
BASE = set(KNOWN["Layer"])
IDS = np.array([[2, 5, 3]])


def own_fields(name):
    """Return the fields of one of our classes: those of its constructors, and those of Keras' base class."""
    bases = [
        base for base in getattr(be, name).__mro__ if base.__module__.startswith("bertedu") and "__init__" in vars(base)
    ]
    return {
        parameter for base in bases for parameter in inspect.signature(base).parameters if parameter != "kwargs"
    } | BASE


def newer_fields(state, location="model"):
    """Yield each field of Keras' records in `state`, a parsed JSON, that Keras 3.10.0 does not know."""
    if isinstance(state, list):
        for item in state:
            yield from newer_fields(item, location)
    if not isinstance(state, dict):
        return
    kind, config = state.get("class_name"), state.get("config")
    if isinstance(kind, str) and isinstance(config, dict) and not kind.startswith("__"):  # "__keras_tensor__"
        known = KNOWN[kind] if kind in KNOWN else own_fields(kind)
        yield from (f"{location}: {kind} record {field}" for field in state.keys() - set(KNOWN["record"]))
        yield from (f"{location}: {kind} {field}" for field in config.keys() - set(known))
    for field, value in state.items():
        if field not in ("build_config", "compile_config"):  # which are not handed to a constructor
            yield from newer_fields(value, f"{location}/{field}")


def written(model, folder):
    """Return the configuration in the `.keras` file of a model."""
    model.save(folder / "model.keras")
    with zipfile.ZipFile(folder / "model.keras") as archive:
        return json.loads(archive.read("config.json"))


def test_the_record_is_of_the_lower_bound():
    text = (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
    assert KNOWN["keras"] == "3.10.0" and "keras>=3.10" in text.replace(" ", "")


def test_a_newer_field_is_noticed():
    record = serialize(keras.layers.Dense(2))
    record["config"]["invented"] = None
    assert list(newer_fields(record)) == ["model: Dense invented"]
    noticed = list(newer_fields({"layers": [record | {"new": 1}]}))
    assert noticed == ["model/layers: Dense record new", "model/layers: Dense invented"]


@pytest.mark.parametrize("name", sorted(CASES))
def test_every_class_writes_fields_that_keras_3_10_knows(name):
    arguments, call = CASES[name]
    layer = getattr(be, name)(**arguments)
    layer(*call)
    state = {"class_name": name, "config": json.loads(json.dumps(layer.get_config()))}
    assert list(newer_fields(state)) == []


HEADS = {
    "encoder": lambda encoder: encoder,
    "pretrainer": lambda encoder: be.BertPretrainer(encoder, "gelu", classification_heads=[keras.layers.Dense(2)]),
    "classifier": lambda encoder: be.BertClassifier(encoder, 3),
    "classifier with a Dense head": lambda encoder: be.BertClassifier(encoder, 3, cls_head=keras.layers.Dense(3)),
    "token classifier": lambda encoder: be.BertTokenClassifier(encoder, 3),
    "classifier with a head": lambda encoder: be.BertClassifier(encoder, 3, cls_head=be.ClassificationHead(0, 3)),
}


@pytest.mark.parametrize("functional", [False, True])
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_every_keras_file_has_fields_that_keras_3_10_knows(head, functional, dtype, tmp_path):
    table = keras.layers.Embedding(9, 6, dtype=dtype)
    encoder = be.BertEncoder(9, 6, 1, 2, 5, inner_dim=7, initializer="he_normal", embedding_layer=table, dtype=dtype)
    model = HEADS[head](encoder)
    model({name: value[:, :3] for name, value in INPUTS.items()})
    if functional or isinstance(model, keras.layers.Layer) and not isinstance(model, keras.Model):
        model = keras.Model(encoder.inputs, model(encoder.inputs))
    assert list(newer_fields(written(model, tmp_path))) == []


@pytest.mark.parametrize("format", ["bertedu", "keras"])
@pytest.mark.parametrize("head", ["encoder", "masked_lm", "classifier", "token_classifier"])
def test_every_checkpoint_has_fields_that_keras_3_10_knows(format, head, tmp_path):
    encoder = be.BertEncoder(len(VOCABULARY), 6, 1, 2, 5, inner_dim=7)
    heads = {
        "encoder": {},
        "masked_lm": {"masked_lm": be.BertPretrainer(encoder)},
        "classifier": {"classifier": be.BertClassifier(encoder, 2)},
        "token_classifier": {"token_classifier": be.BertTokenClassifier(encoder, 2)},
    }
    bert = be.Bert(be.BertTokenizer(VOCABULARY), encoder, **heads[head])
    path = tmp_path / ("model.keras" if format == "keras" else "model")
    be.save_checkpoint(bert, path, format)
    if format == "keras":
        with zipfile.ZipFile(path) as archive:
            state = json.loads(archive.read("config.json"))
    else:
        parts = json.loads((path / "bertedu.json").read_text())
        names = {"encoder": "BertEncoder", "masked_lm": "MaskedLM", "classifier": "BertClassifier"}
        names["token_classifier"] = "BertTokenClassifier"
        state = [{"class_name": names[part], "config": parts[part]} for part in names if parts.get(part)]
    assert list(newer_fields(state)) == []

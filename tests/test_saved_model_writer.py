"""SavedModels that we write: the Hub's interface, called as its users do, and read back bit for bit.

What the Hub's look like is known from those that tf-models' exporter wrote (`golden/make_checkpoints.py`).
"""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from small_world import SENTENCE, VOCABULARY

import bertedu as be
from bertedu.checkpoints.common import weights
from bertedu.checkpoints.tensorflow import files, saved_model, saved_model_writer
from bertedu.checkpoints.tensorflow.saved_model_writer import export_saved_model

tf = pytest.importorskip("tensorflow")
if keras.backend.backend() != "tensorflow":
    pytest.skip("SavedModels are TensorFlow's", allow_module_level=True)

GOLDEN = Path(__file__).parent / "golden"
CHECKPOINTS = GOLDEN / "checkpoints"
INPUTS = dict(np.load(CHECKPOINTS / "inputs.npz"))
TEXT = {name: value for name, value in INPUTS.items() if name != "masked_lm_positions"}
WITHIN = 5e-6  # of what the encoder computes step by step: a graph has one kernel for product, bias and GELU
HUB = ("hub_encoder", "hub_mlm", "hub_talking_heads")
SIZES = {"vocab_size": 23, "hidden_size": 10, "num_layers": 1, "num_attention_heads": 2, "inner_dim": 17}
SIZES |= {"max_sequence_length": 29, "type_vocab_size": 2}


def a_bert(masked_lm=False, has_pooler=True, mlm_activation=be.defaults.gelu_tanh, tokenizer=None, **options):
    """A small BERT whose every weight shows."""
    encoder = be.BertEncoder(**{**SIZES, **options})
    pretrainer = be.BertPretrainer(encoder, mlm_activation) if masked_lm else None
    draw = np.random.default_rng(3)
    for variable in (pretrainer or encoder).weights:
        variable.assign(draw.normal(variable.path.endswith("gamma"), 0.3, variable.shape))
    tokenizer = tokenizer or be.BertTokenizer([*VOCABULARY, "Cat", "##s", "!"])
    return SimpleNamespace(encoder=encoder, masked_lm=pretrainer, tokenizer=tokenizer, has_pooler=has_pooler)


def tensors_of(inputs):
    return {name: tf.constant(value) for name, value in inputs.items()}


def numpy(value):
    return np.stack([numpy(x) for x in value]) if isinstance(value, list) else np.array(value)


def assert_outputs(outputs, expected, atol=WITHIN):
    for name, peer_output in expected.items():
        output = numpy(outputs[name])
        assert np.ptp(output) > 0.1, name
        np.testing.assert_allclose(output, numpy(peer_output), rtol=0, atol=atol, err_msg=name)


@pytest.fixture(scope="module", params=HUB)
def exported(request, tmp_path_factory):
    """A BERT of the Hub, written again by us: (folder, bert, path, loaded)."""
    bert = saved_model.read(CHECKPOINTS / request.param)
    path = export_saved_model(bert, tmp_path_factory.mktemp("out") / request.param)
    return request.param, bert, path, tf.saved_model.load(str(path))


# -- as the Hub's ------------------------------------------------------------------------------------------------------


def stored(directory):
    """Name -> array of every tensor in a SavedModel; scaffolds renumbered from 0."""
    prefix = saved_model.find_variables(directory)
    reader = files.open_reader(prefix)
    names = files.variable_names(files.read_index(prefix), prefix)
    pattern = re.compile(r"^transformer_scaffold(?:_(\d+))?/")
    counts = sorted({int(match[1] or 0) for match in map(pattern.match, names.values()) if match})

    def from_zero(match):
        return f"transformer_scaffold_{counts.index(int(match[1] or 0))}/".replace("_0/", "/")

    return {pattern.sub(from_zero, name): reader.get_tensor(key) for key, name in names.items()}


def test_names_and_values_are_those_that_the_hub_s_exporter_writes(exported):
    folder, _, path, _ = exported
    written, published = stored(path), stored(CHECKPOINTS / folder)
    assert written.keys() == published.keys() and len(written) >= 40
    for name, value in published.items():
        np.testing.assert_array_equal(written[name], value, err_msg=name)


def test_the_outputs_are_those_of_tf_models(exported):
    folder, _, _, loaded = exported
    expected = dict(np.load(CHECKPOINTS / folder / "expected.npz"))
    of_mlm = {name: expected.pop(name) for name in ("mlm_logits",) if name in expected}
    assert_outputs(loaded(tensors_of(TEXT)), {k: v for k, v in expected.items() if k != "embedding_output"}, 1e-5)
    if of_mlm:
        assert_outputs(loaded.mlm(tensors_of(INPUTS)), of_mlm, 1e-5)


def test_the_attributes(exported):
    folder, bert, path, loaded = exported
    count = len(bert.encoder.weights)
    names = [variable.name for variable in loaded.variables]
    assert len(loaded.trainable_variables) == count and len(names) == len(set(names)) == count + 1
    assert all(variable.trainable for variable in loaded.trainable_variables)
    assert not loaded.do_lower_case.trainable and loaded.do_lower_case.dtype == tf.bool
    assert bool(loaded.do_lower_case) == (folder != "hub_mlm") and "do_lower_case:0" in names
    assert list(loaded.regularization_losses) == []
    vocabulary = Path(loaded.vocab_file.asset_path.numpy().decode())
    assert vocabulary == path / "assets" / "vocab.txt"
    assert vocabulary.read_text(encoding="utf-8").split() == bert.tokenizer.vocabulary
    assert not any(name.startswith("bert/") for name in names)
    assert hasattr(loaded, "mlm") == (folder == "hub_mlm")
    if folder == "hub_mlm":
        of_head = {v.name for v in loaded.mlm.variables} - set(names)
        assert len(of_head) == 5 and all(name.startswith("bert/cls/predictions/") for name in of_head)
        assert len(loaded.mlm.trainable_variables) == count + 5
    else:
        assert "word_embeddings/embeddings:0" in names


def test_the_call(exported):
    _, bert, _, loaded = exported
    outputs = loaded(tensors_of(TEXT))
    assert set(outputs) == {"sequence_output", "pooled_output", "encoder_outputs", "default"}
    assert isinstance(outputs["encoder_outputs"], list) and len(outputs["encoder_outputs"]) == bert.encoder.num_layers
    np.testing.assert_array_equal(outputs["default"], outputs["pooled_output"])
    np.testing.assert_array_equal(outputs["encoder_outputs"][-1], outputs["sequence_output"])
    assert_outputs(outputs, bert.encoder(TEXT))
    again = loaded(tensors_of(TEXT), training=False, mask=None)
    np.testing.assert_array_equal(again["sequence_output"], outputs["sequence_output"])
    too_few = {name: TEXT[name] for name in ("input_word_ids", "input_mask")}
    for wrong in ({name: value.astype("int64") for name, value in TEXT.items()}, list(TEXT.values()), too_few):
        with pytest.raises(ValueError, match="Could not find matching concrete function"):
            loaded(tf.nest.map_structure(tf.constant, wrong))


def test_the_signature_has_names(exported):
    _, bert, _, loaded = exported
    outputs = loaded.signatures["serving_default"](**tensors_of(TEXT))
    layers = [f"encoder_output_{i}" for i in range(bert.encoder.num_layers)]
    assert set(outputs) == {"sequence_output", "pooled_output", *layers}
    expected = bert.encoder(TEXT)
    assert_outputs(outputs, {name: expected[name] for name in ("sequence_output", "pooled_output")})
    assert_outputs(outputs, dict(zip(layers, expected["encoder_outputs"], strict=True)))


def test_in_a_session_as_tensorflow_s_servers_run_it(exported):
    _, bert, path, _ = exported
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        signature = tf.compat.v1.saved_model.load(session, ["serve"], str(path)).signature_def["serving_default"]
        inputs = {signature.inputs[name].name: value for name, value in TEXT.items()}
        output = session.run(signature.outputs["pooled_output"].name, inputs)
    np.testing.assert_allclose(output, numpy(bert.encoder(TEXT)["pooled_output"]), rtol=0, atol=WITHIN)


# -- used as people use them -------------------------------------------------------------------------------------------


def test_dropout_is_fresh_at_every_call_and_only_in_training(exported):
    _, _, _, loaded = exported
    inputs = tensors_of(TEXT)
    still, *trained = (loaded(inputs, training=training)["sequence_output"] for training in (False, True, True))
    assert np.abs(trained[0] - trained[1]).max() > 0.1 and np.abs(trained[0] - still).max() > 0.1
    np.testing.assert_array_equal(still, loaded(inputs)["sequence_output"])
    if hasattr(loaded, "mlm"):
        trained = [loaded.mlm(tensors_of(INPUTS), training=True)["mlm_logits"] for _ in range(2)]
        assert np.abs(trained[0] - trained[1]).max() > 0.1


def test_no_dropout_of_rate_0():
    bert = a_bert(output_dropout=0.0, attention_dropout=0.0)
    model = saved_model_writer.encoder_object(bert.encoder, None, copies_of(bert))
    outputs = [model.__call__(tensors_of(TEXT), training=training)["sequence_output"] for training in (True, False)]
    np.testing.assert_array_equal(*outputs)


def copies_of(bert):
    return {path: tf.Variable(variable.value) for path, variable in weights(bert.encoder, bert.masked_lm).items()}


def test_gradients_reach_every_weight(exported):
    _, _, _, loaded = exported
    with tf.GradientTape(persistent=True) as tape:
        outputs = loaded(tensors_of(TEXT), training=True)
        loss = tf.reduce_sum(outputs["pooled_output"]) + tf.reduce_sum(outputs["sequence_output"] ** 2)
        of_mlm = tf.reduce_sum(loaded.mlm(tensors_of(INPUTS))["mlm_logits"] ** 2) if hasattr(loaded, "mlm") else None
    gradients = tape.gradient(loss, loaded.trainable_variables)
    assert [g for g in gradients if g is None] == []
    assert max(float(tf.reduce_max(tf.abs(tf.convert_to_tensor(g)))) for g in gradients) > 0
    if of_mlm is not None:
        assert [g for g in tape.gradient(of_mlm, loaded.mlm.trainable_variables) if g is None] == []


def test_in_a_model_of_keras_3(exported):
    _, bert, path, _ = exported
    symbols = {name: keras.Input((None,), dtype="int32", name=name) for name in TEXT}
    layer = keras.layers.TFSMLayer(str(path), call_endpoint="__call__", trainable=True)
    outputs = layer(symbols)
    model = keras.Model(symbols, {name: outputs[name] for name in ("pooled_output", "sequence_output")})
    assert len(model.trainable_variables) == len(bert.encoder.weights)
    expected = bert.encoder(TEXT)
    assert_outputs(model(TEXT), {name: expected[name] for name in ("pooled_output", "sequence_output")})
    model = keras.Model(symbols, keras.layers.Dense(2)(outputs["pooled_output"]))
    before = [np.array(variable) for variable in model.trainable_variables]
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(TEXT, np.ones((len(TEXT["input_word_ids"]), 2)), verbose=0)
    changed = [np.ptp(np.array(new) - old) > 0 for new, old in zip(model.trainable_variables, before, strict=True)]
    assert sum(changed) >= len(changed) - 2 * bert.encoder.num_layers  # a key's bias moves all logits of a row equally


def test_002_masked_language_model_of_the_hub_s_document(exported):
    folder, bert, _, encoder = exported
    if folder != "hub_mlm":
        assert not hasattr(encoder, "mlm")
        return
    mlm_outputs = encoder.mlm(tensors_of(INPUTS))
    mlm_logits = mlm_outputs["mlm_logits"]  # [batch_size, num_predict, vocab_size]
    assert mlm_logits.shape == (*INPUTS["masked_lm_positions"].shape, bert.tokenizer.vocab_size)
    assert set(mlm_outputs) == {"pooled_output", "sequence_output", "encoder_outputs", "mlm_logits"}
    assert_outputs(mlm_outputs, bert.masked_lm(INPUTS))


def test_the_weights_are_copies(tmp_path):
    bert = a_bert()
    loaded = tf.saved_model.load(str(export_saved_model(bert, tmp_path / "saved")))
    loaded.trainable_variables[0].assign_add(tf.ones_like(loaded.trainable_variables[0]))
    assert np.abs(np.array(bert.encoder.get_embedding_table()) - loaded.trainable_variables[0]).min() > 0.9


def test_a_frozen_encoder_is_trainable_again(tmp_path):
    bert = a_bert()
    bert.encoder.trainable = False
    loaded = tf.saved_model.load(str(export_saved_model(bert, tmp_path / "saved")))
    assert len(loaded.trainable_variables) == len(bert.encoder.weights)


# -- read back ---------------------------------------------------------------------------------------------------------


def exact(x):
    return keras.activations.gelu(x, approximate=False)


KINDS = {
    "plain": {"num_layers": 2},
    "exact GELU": {"inner_activation": "gelu", "masked_lm": True, "mlm_activation": "gelu"},
    "relu": {"inner_activation": "relu"},
    "a head with an activation of its own": {"masked_lm": True, "mlm_activation": None},
    "no pooler": {"has_pooler": False, "masked_lm": True},
    "talking heads": {"attention_cls": be.TalkingHeadsAttention, "feedforward_cls": be.GatedFeedforward},
    "talking heads alone": {"attention_cls": be.TalkingHeadsAttention, "masked_lm": True},
    "gates alone": {"num_layers": 2, "feedforward_cls": be.GatedFeedforward},
    "narrow tables": {"embedding_width": 7, "masked_lm": True},
    "epsilon": {"layer_norm_epsilon": 1e-3, "masked_lm": True},
    "dropout": {"output_dropout": 0.3, "attention_dropout": 0.0},
    "bfloat16": {"dtype": "bfloat16", "masked_lm": True},
}


@pytest.fixture(scope="module", params=KINDS)
def written(request, tmp_path_factory):
    """Each of `KINDS`, and where it was written."""
    bert = a_bert(**KINDS[request.param])
    return bert, export_saved_model(bert, tmp_path_factory.mktemp("kinds") / "saved")


def test_what_was_written_is_read_bit_for_bit(written):
    bert, path = written
    contents = saved_model.read(path)
    expected_weights, loaded_weights = (
        weights(bert.encoder, bert.masked_lm),
        weights(contents.encoder, contents.masked_lm),
    )
    assert expected_weights.keys() == loaded_weights.keys() and contents.has_pooler == bert.has_pooler
    for name, variable in expected_weights.items():
        if bert.has_pooler or not name.startswith("pooler_transform/"):
            np.testing.assert_array_equal(numpy(loaded_weights[name]), numpy(variable), err_msg=name)
            assert loaded_weights[name].dtype == variable.dtype
    assert contents.encoder.get_config() == bert.encoder.get_config() | {"name": "bert"}
    inputs = INPUTS if bert.masked_lm else TEXT
    model, again = (bert.masked_lm, contents.masked_lm) if bert.masked_lm else (bert.encoder, contents.encoder)
    expected, actual = model(inputs), again(inputs)
    for name in ("sequence_output", "mlm_logits") if bert.masked_lm else ("sequence_output", "pooled_output"):
        np.testing.assert_array_equal(numpy(actual[name]), numpy(expected[name]), err_msg=name)
    assert [tensor.name for tensor in saved_model.tensors(path) if tensor.weight_path is None] == ["do_lower_case"]
    assert contents.tokenizer.get_config() == bert.tokenizer.get_config()


def test_the_graph_computes_what_the_encoder_does(written):
    bert, path = written
    loaded = tf.saved_model.load(str(path))
    expected, outputs = bert.encoder(TEXT), loaded(tensors_of(TEXT))
    within = WITHIN if expected["sequence_output"].dtype == tf.float32 else 0.1  # bfloat16 has 8 bits
    assert_outputs(outputs, {name: expected[name] for name in ("sequence_output", "encoder_outputs")}, within)
    assert bert.has_pooler == ("pooled_output" in outputs) == ("default" in outputs)
    assert bert.has_pooler == any("pooler" in v.name or "cls_transform" in v.name for v in loaded.variables)
    if bert.masked_lm:
        logits = {"mlm_logits": bert.masked_lm(INPUTS)["mlm_logits"]}
        assert_outputs(loaded.mlm(tensors_of(INPUTS)), logits, within)


def test_the_tokenizer_is_read_with_everything_it_has(tmp_path):
    tokenizer = be.BertTokenizer(VOCABULARY, lowercase=True, strip_accents=False, added_tokens=["[ENT]"])
    path = export_saved_model(a_bert(tokenizer=tokenizer), tmp_path / "saved")
    again = saved_model.read_tokenizer(path)
    for text in ("The cat [ENT] sat, unwanted.", "thé cat"):
        assert again.tokenize(text) == tokenizer.tokenize(text)
    assert again.vocabulary == tokenizer.vocabulary


def test_tensors_are_listed_unread(tmp_path):
    bert = a_bert(masked_lm=True)
    listed = saved_model.tensors(export_saved_model(bert, tmp_path / "saved"))
    shapes = {
        weight_path: tuple(variable.shape) for weight_path, variable in weights(bert.encoder, bert.masked_lm).items()
    }
    assert {tensor.weight_path: tensor.shape for tensor in listed if tensor.weight_path} == shapes
    assert [tensor.name for tensor in listed if not tensor.weight_path] == ["do_lower_case"]
    assert all(tensor.known for tensor in listed)


def test_what_the_graph_does_not_say_lies_beside_the_weights(tmp_path):
    path = export_saved_model(a_bert(inner_activation="gelu"), tmp_path / "saved")
    config = json.loads((path / "variables" / "bert_config.json").read_text(encoding="utf-8"))
    assert config["hidden_act"] == "gelu_exact" and config["hidden_size"] == 10 and config["num_hidden_layers"] == 1
    assert not any(key.startswith("mlm") for key in config)
    assert (path / "variables" / "bert_config.json").read_text(encoding="utf-8").count(str(tmp_path)) == 0
    assert str(tmp_path).encode() not in (path / "saved_model.pb").read_bytes()


def test_an_unknown_activation_of_a_head_is_refused(tmp_path):
    path = export_saved_model(a_bert(masked_lm=True, mlm_activation=None), tmp_path / "saved")
    config = path / "variables" / "bert_config.json"
    config.write_text(config.read_text(encoding="utf-8").replace('"linear"', '"swoosh"'), encoding="utf-8")
    with pytest.raises(ValueError, match="mlm_hidden_act: expected one of 'gelu', .*, got 'swoosh'"):
        saved_model.read(path)


# -- what can go wrong -------------------------------------------------------------------------------------------------


def test_what_is_there_stays(tmp_path):
    bert, path = a_bert(), tmp_path / "saved"
    path.mkdir()
    (path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        export_saved_model(bert, path)
    assert [file.name for file in tmp_path.rglob("*")] == ["saved", "mine.txt"]
    assert export_saved_model(bert, str(path), overwrite=True) == path
    assert not (path / "mine.txt").exists() and saved_model.recognizes(path)
    assert [file.name for file in tmp_path.iterdir()] == ["saved"]


@pytest.mark.parametrize("step", ["hub_model", "serving", "config"])
def test_a_failure_in_the_middle_leaves_nothing(step, tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError("no space left")

    monkeypatch.setattr(saved_model_writer, step, fail)
    with pytest.raises(OSError, match="no space left"):
        export_saved_model(a_bert(), tmp_path / "saved")
    assert list(tmp_path.iterdir()) == []


class Foreign(be.MultiHeadAttention):
    pass


REFUSED = {
    "norm_first=True": {"norm_first": True},
    "output_range=3": {"output_range": 3},
    "attention_cls=Foreign": {"attention_cls": Foreign},
    "a custom embedding_layer": {"embedding_layer": keras.layers.Embedding(23, 10)},
    "the activation <function exact": {"inner_activation": exact},
    "the activation <function exact .*": {"masked_lm": True, "mlm_activation": exact},
}
UNREADABLE = {"layer_norm_eps": {"layer_norm_epsilon": 3.0}, "mlm_layer_norm_eps": {"masked_lm": True}}


@pytest.mark.parametrize("why", REFUSED)
def test_what_no_reader_would_find_is_refused(why, tmp_path):
    with pytest.raises(ValueError, match=f"got {why}") as caught:
        export_saved_model(a_bert(**REFUSED[why]), tmp_path / "saved")
    assert caught.value.__cause__ is None and "keras.Model.export" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("field", UNREADABLE)
def test_what_the_reader_would_refuse_is_not_written(field, tmp_path):
    bert = a_bert(**UNREADABLE[field])
    if bert.masked_lm:
        bert.masked_lm.masked_lm.layer_norm.epsilon = float("nan")
    with pytest.raises(ValueError, match=f"bert_config.json of this model: {field}: expected a number"):
        export_saved_model(bert, tmp_path / "saved")
    assert list(tmp_path.iterdir()) == []


def test_what_a_masked_lm_head_has_besides_is_refused(tmp_path):
    bert = a_bert(masked_lm=True)
    table, *others = bert.encoder.get_embedding_layer(), be.BertEncoder(**SIZES).get_embedding_layer()
    heads = {
        "classification_heads": {"classification_heads": [be.ClassificationHead(0, 2)]},
        "output='predictions'": {"customized_masked_lm": be.MaskedLM(table, output="predictions")},
        "embedding_table": {"customized_masked_lm": be.MaskedLM(others[0])},
    }
    for why, options in heads.items():
        bert.masked_lm = be.BertPretrainer(bert.encoder, **options)
        with pytest.raises(ValueError, match=why):
            export_saved_model(bert, tmp_path / "saved")


def test_a_head_of_another_class_is_refused(tmp_path):
    bert = a_bert()
    bert.masked_lm = SimpleNamespace(masked_lm=keras.layers.Dense(2))
    with pytest.raises(ValueError, match="a masked-LM head of the class Dense"):
        export_saved_model(bert, tmp_path / "saved")


def test_other_backends_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="backend: expected 'tensorflow', got 'jax'.*KERAS_BACKEND=tensorflow"):
        export_saved_model(None, tmp_path / "saved")


@pytest.mark.parametrize("write", [keras.Model.export, tf.saved_model.save], ids=["export", "save"])
def test_a_model_with_our_preprocessor_is_refused(write, tmp_path):
    preprocessor = be.BertPreprocessor(be.BertTokenizer(VOCABULARY), seq_length=11)
    bert = a_bert()
    texts = keras.Input((), dtype="string")
    model = keras.Model(texts, bert.encoder(preprocessor(texts))["pooled_output"])
    before = model(tf.constant([SENTENCE]))
    with pytest.raises(ValueError, match="BertPreprocessor.*be.export_preprocessor.*be.export_saved_model"):
        write(model, str(tmp_path / "saved"))
    assert list(tmp_path.iterdir()) == []
    np.testing.assert_array_equal(model(tf.constant([SENTENCE])), before)
    model.save(tmp_path / "model.keras")  # only SavedModels cannot hold it
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(tf.constant([SENTENCE])), before)
    tf.train.Checkpoint(model=model).write(str(tmp_path / "checkpoint"))
    symbols = bert.encoder.inputs
    keras.Model(symbols, bert.encoder(symbols)["pooled_output"]).export(tmp_path / "half", verbose=False)


# -- the peers ---------------------------------------------------------------------------------------------------------


@pytest.mark.peers
@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("official", "tensorflow_hub", "tf_keras"))),
    reason="tf-models and tensorflow_hub are not installed; see golden/open_saved_model.py",
)
def test_the_peers_open_it(exported):
    folder, bert, path, _ = exported
    outputs = {name: numpy(value) for name, value in bert.encoder(TEXT).items()}
    if bert.masked_lm:
        outputs |= {f"mlm_{name}": numpy(value) for name, value in bert.masked_lm(INPUTS).items()}
    np.savez(f"{path}.npz", **INPUTS, **outputs)
    script = GOLDEN / "open_saved_model.py"
    done = subprocess.run([sys.executable, script, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    differences = json.loads(done.stdout.splitlines()[-1])
    assert {"hub.KerasLayer", "weights copied by name"} <= set(differences) and max(differences.values()) <= 1e-5
    assert (folder == "hub_mlm") == ("pretrainer copied by name" in differences)

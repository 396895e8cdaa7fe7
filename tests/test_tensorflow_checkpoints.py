"""TensorFlow's checkpoints and SavedModels: small ones that tf-models' own tools wrote, and what can be wrong with one.

The files, and what tf-models computes from them, come from `golden/make_checkpoints.py`.
"""

import json
import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from small_world import VOCABULARY

import bertedu as be
from bertedu.checkpoints import saved_model, tensorflow, tensorflow_names

tf = pytest.importorskip("tensorflow")
from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph  # noqa: E402

CHECKPOINTS = Path(__file__).parent / "golden" / "checkpoints"
INPUTS = dict(np.load(CHECKPOINTS / "inputs.npz"))
TEXT = {name: value for name, value in INPUTS.items() if name != "masked_lm_positions"}
WITHIN = 1e-5

TF1 = "uncased_L-2_H-21_A-3"
ADAM = [
    f"bert/{name}/kernel/adam_{m}" for name in ("encoder/layer_0/attention/self/query", "pooler/dense") for m in "mv"
]
NSP = ["cls/seq_relationship/output_bias", "cls/seq_relationship/output_weights"]
MLM_TF1 = ["cls/predictions/output_bias", "cls/predictions/transform/LayerNorm/beta"]
MLM_TF1 += ["cls/predictions/transform/LayerNorm/gamma"]
MLM_TF1 += [f"cls/predictions/transform/dense/{leaf}" for leaf in ("bias", "kernel")]
MLM = ["bert/cls/predictions/output_bias/bias", *(f"bert/{name}" for name in MLM_TF1[1:])]
LOGITS = ["sentence_prediction/logits/bias", "sentence_prediction/logits/kernel"]
POOLER_DENSE = ["bert/next_sentence/pooler_dense/bias", "bert/next_sentence/pooler_dense/kernel"]
FORMS = {  # folder: what is left aside, but for optimizers
    TF1: [*ADAM, *MLM_TF1, *NSP, "global_step"],
    "tf2_encoder": ["save_counter"],
    "tf2_pretrainer": [*MLM, "save_counter"],
    "v2_encoder": ["save_counter"],
    "v2_narrow": ["save_counter"],
    "v2_pretrainer": [*MLM, *POOLER_DENSE, "save_counter"],
    "v1_classifier": ["global_step", "save_counter", *LOGITS],
    "v2_classifier": ["global_step", "save_counter", *LOGITS],
    "talking_heads": ["save_counter"],
    "hub_encoder": ["do_lower_case"],
    "hub_mlm": [*MLM, "do_lower_case"],
    "hub_talking_heads": ["do_lower_case"],
}
WITH_MLM = {TF1, "tf2_pretrainer", "v2_pretrainer", "hub_mlm"}


def reader_of(directory):
    return saved_model if saved_model.recognises(directory) else tensorflow


def prefix_of(directory):
    return (
        saved_model.find_variables(directory)
        if saved_model.recognises(directory)
        else tensorflow.find_prefix(directory)
    )


def numpy(value):
    return np.stack([numpy(x) for x in value]) if isinstance(value, list) else keras.ops.convert_to_numpy(value)


def assert_peer_s_outputs(encoder, pretrainer, expected):
    """Everything that the peer computed from the file, within 1e-5."""
    outputs = dict(encoder(TEXT, return_embedding_output=True))
    if "mlm_logits" in expected:
        outputs["mlm_logits"] = pretrainer(INPUTS)["mlm_logits"]
    assert {"sequence_output", "pooled_output", "encoder_outputs"} <= set(expected)
    for name, theirs in expected.items():
        ours = numpy(outputs[name])
        assert np.isfinite(ours).all() and np.ptp(theirs) > 0.1, name
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=WITHIN, err_msg=name)


def expected_of(folder):
    return dict(np.load(CHECKPOINTS / folder / "expected.npz"))


def rewritten(source, target, change):
    """A copy of a checkpoint whose dict of tensors `change` has changed; returns the new prefix."""
    target.mkdir(parents=True, exist_ok=True)
    reader = tf.train.load_checkpoint(str(prefix_of(CHECKPOINTS / source)))
    tensors = {key: reader.get_tensor(key) for key in reader.get_variable_to_shape_map()}
    change(tensors)
    for name in ("bert_config.json", "vocab.txt"):
        if (CHECKPOINTS / source / name).is_file():
            shutil.copy(CHECKPOINTS / source / name, target)
    prefix = target / "bert_model.ckpt"
    keys = sorted(tensors)
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=keys,
        shape_and_slices=[""] * len(keys),
        tensors=[tf.constant(tensors[key]) for key in keys],
    )
    single = Path(f"{prefix}.data-00000-of-00001")
    assert single.is_file()
    return prefix


def copied(folder, tmp_path):
    return Path(shutil.copytree(CHECKPOINTS / folder, tmp_path / folder))


# -- what the peers wrote ----------------------------------------------------------------------------------------------


def test_every_folder_is_tested():
    folders = {path.name for path in CHECKPOINTS.iterdir() if path.is_dir()}
    assert folders == FORMS.keys() | {"hub_preprocessor_lower", "hub_preprocessor_as_is"}


@pytest.mark.parametrize("folder", FORMS)
def test_the_outputs_are_those_of_tf_models(folder):
    reader, directory = reader_of(CHECKPOINTS / folder), CHECKPOINTS / folder
    encoder, with_pooler, spares = reader.read_encoder(directory)
    pretrainer = reader.read_masked_lm(directory, encoder)
    assert with_pooler
    assert sorted(name for name in spares if not name.startswith(("Adam/", "optimizer/"))) == sorted(FORMS[folder])
    assert (pretrainer is not None) == (folder in WITH_MLM)
    assert_peer_s_outputs(encoder, pretrainer, expected_of(folder))


def test_slots_of_optimizers_are_spares():
    spares = {folder: tensorflow.read_encoder(CHECKPOINTS / folder)[2] for folder in ("v1_classifier", "v2_classifier")}
    assert {"Adam/word_embeddings/embeddings/m", "Adam/word_embeddings/embeddings/v"} <= set(spares["v1_classifier"])
    assert "optimizer/_learning_rate" in spares["v2_classifier"]
    assert sum(name.startswith("Adam/") for name in spares["v2_classifier"]) == 8  # two slots of four weights


@pytest.mark.parametrize("folder", ["v2_encoder", "v2_narrow", TF1, "hub_talking_heads"])
def test_sizes(folder):
    encoder = reader_of(CHECKPOINTS / folder).read_encoder(CHECKPOINTS / folder)[0]
    sizes = {"vocab_size": 23, "hidden_size": 21, "num_layers": 2, "num_attention_heads": 3, "inner_dim": 31}
    sizes |= {"max_sequence_length": 29, "type_vocab_size": 2, "embedding_width": 13 if folder == "v2_narrow" else 21}
    assert {name: getattr(encoder, name) for name in sizes} == sizes
    talking = folder == "hub_talking_heads"
    assert encoder.attention_cls is (be.TalkingHeadsAttention if talking else be.MultiHeadAttention)
    assert encoder.feedforward_cls is (be.GatedFeedforward if talking else be.Feedforward)
    assert encoder.layer_norm_epsilon == 1e-12
    assert encoder.inner_activation is be.defaults.gelu_tanh


def test_an_encoder_of_a_checkpoint_is_an_ordinary_one():
    encoder = tensorflow.read_encoder(CHECKPOINTS / "v2_encoder")[0]
    fresh = be.BertEncoder.from_config(encoder.get_config())
    assert np.ptp(numpy(fresh.get_embedding_table())) > 0  # zeros are for reading only


def test_the_head_shares_the_encoder_s_table():
    encoder = saved_model.read_encoder(CHECKPOINTS / "hub_mlm")[0]
    pretrainer = saved_model.read_masked_lm(CHECKPOINTS / "hub_mlm", encoder)
    assert pretrainer.encoder_network is encoder
    assert pretrainer.masked_lm.embedding_table is encoder.get_embedding_layer()
    assert pretrainer.masked_lm.activation is be.defaults.gelu_tanh


@pytest.mark.parametrize("form", ["TF1", "TF2"])
def test_names_lead_there_and_back(form):
    encoder = tensorflow.read_encoder(CHECKPOINTS / TF1)[0]
    paths = [variable.path.split("/", 1)[1] for variable in encoder.weights]
    names = [tensorflow_names.their_name(path, form) for path in paths]
    assert [tensorflow_names.our_path(name, form) for name in names] == paths
    assert len(set(names)) == len(paths) == 39
    keys = tf.train.load_checkpoint(str(prefix_of(CHECKPOINTS / TF1))).get_variable_to_shape_map()
    assert form == "TF2" or set(names) <= set(keys)


@pytest.mark.parametrize("folder", ["v2_pretrainer", "v2_narrow", "tf2_encoder", "v1_classifier", "talking_heads"])
def test_variables_saved_without_a_name_are_known_by_their_keys(folder, tmp_path):
    def forget(tensors):
        graph = TrackableObjectGraph.FromString(tensors[tensorflow.OBJECT_GRAPH])
        for node in graph.nodes:
            for attribute in node.attributes:
                attribute.full_name = ""
        tensors[tensorflow.OBJECT_GRAPH] = graph.SerializeToString()

    prefix = rewritten(folder, tmp_path, forget)
    encoder, with_pooler, _ = tensorflow.read_encoder(prefix)
    assert with_pooler
    assert_peer_s_outputs(encoder, tensorflow.read_masked_lm(prefix, encoder), expected_of(folder))


def test_an_optimizer_may_have_been_saved_under_any_name(tmp_path):
    def change(tensors):
        for key in [key for key in tensors if key.startswith("optimizer/")]:
            tensors[key.replace("optimizer/", "opt/")] = tensors.pop(key)
        graph = TrackableObjectGraph.FromString(tensors[tensorflow.OBJECT_GRAPH])
        for attribute in (attribute for node in graph.nodes for attribute in node.attributes):
            attribute.checkpoint_key = attribute.checkpoint_key.replace("optimizer/", "opt/")
        tensors[tensorflow.OBJECT_GRAPH] = graph.SerializeToString()

    spares = tensorflow.read_encoder(rewritten("v2_classifier", tmp_path, change))[2]
    assert "opt/_learning_rate" in spares
    assert sum(name.startswith("Adam/") for name in spares) == 8


def test_without_a_pooler(tmp_path):
    def change(tensors):
        for leaf in ("kernel", "bias"):
            del tensors[f"bert/pooler/dense/{leaf}"]

    encoder, with_pooler, _ = tensorflow.read_encoder(rewritten(TF1, tmp_path, change))
    assert not with_pooler
    outputs = encoder(TEXT)
    np.testing.assert_allclose(
        numpy(outputs["sequence_output"]), expected_of(TF1)["sequence_output"], rtol=0, atol=WITHIN
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_floats(dtype, tmp_path):
    def change(tensors):
        for key, value in tensors.items():
            if value.dtype == "float32":
                tensors[key] = tf.cast(value, dtype)

    encoder = tensorflow.read_encoder(rewritten(TF1, tmp_path, change))[0]
    table = tf.train.load_checkpoint(str(prefix_of(CHECKPOINTS / TF1))).get_tensor("bert/embeddings/word_embeddings")
    np.testing.assert_array_equal(
        numpy(encoder.get_embedding_table()), tf.cast(tf.cast(table, dtype), "float32").numpy()
    )


# -- where a checkpoint is ---------------------------------------------------------------------------------------------


def test_recognises(tmp_path):
    for folder in FORMS:
        directory = CHECKPOINTS / folder
        assert saved_model.recognises(directory) == folder.startswith("hub_")
        assert tensorflow.recognises(directory) != saved_model.recognises(directory)
    assert tensorflow.recognises(CHECKPOINTS / TF1 / "bert_model.ckpt")
    assert tensorflow.recognises(str(CHECKPOINTS / TF1 / "bert_model.ckpt.index"))
    assert not tensorflow.recognises(CHECKPOINTS / TF1 / "bert_model")
    assert not saved_model.recognises(CHECKPOINTS / TF1 / "bert_model.ckpt")
    for name in ("config.json", "model.safetensors", "model.safetensors.index.json", "vocab.txt"):
        (tmp_path / name).touch()
    assert not tensorflow.recognises(tmp_path) and not saved_model.recognises(tmp_path)
    assert not tensorflow.recognises(tmp_path / "nowhere") and not saved_model.recognises(tmp_path / "nowhere")


@pytest.mark.parametrize("ending", ["", "/bert_model.ckpt", "/bert_model.ckpt.index"])
def test_a_directory_a_prefix_and_an_index_are_all_accepted(ending):
    assert tensorflow.find_prefix(f"{CHECKPOINTS / TF1}{ending}") == CHECKPOINTS / TF1 / "bert_model.ckpt"
    assert len(tensorflow.read_tokenizer(f"{CHECKPOINTS / TF1}{ending}").vocabulary) == 23


def test_of_several_checkpoints_the_newest_is_named_by_tensorflow(tmp_path):
    directory = copied("v2_encoder", tmp_path)
    for ending in ("index", "data-00000-of-00001"):
        shutil.copy(directory / f"ckpt-1.{ending}", directory / f"ckpt-2.{ending}")
    assert tensorflow.find_prefix(directory).name == "ckpt-1"
    (directory / "checkpoint").write_text('model_checkpoint_path: "/elsewhere/ckpt-2"\n', encoding="utf-8")
    assert tensorflow.find_prefix(directory).name == "ckpt-2"
    (directory / "checkpoint").unlink()
    with pytest.raises(ValueError, match="several checkpoints: name one of ckpt-1, ckpt-2") as caught:
        tensorflow.read_encoder(directory)
    assert_one_error(caught.value)


# -- vocabulary and case -----------------------------------------------------------------------------------------------


CASES = {"hub_encoder": True, "hub_mlm": False, "hub_preprocessor_lower": True, "hub_preprocessor_as_is": False}


@pytest.mark.parametrize("folder", CASES)
def test_a_saved_model_says_its_case(folder):
    tokenizer = saved_model.read_tokenizer(CHECKPOINTS / folder)
    assert tokenizer.vocabulary == [*VOCABULARY, "Cat", "##s", "!"]
    assert tokenizer.tokenize("The Cats!") == (
        ["the", "cat", "##s", "!"] if CASES[folder] else ["[UNK]", "Cat", "##s", "!"]
    )
    assert saved_model.read_tokenizer(CHECKPOINTS / folder, lowercase=not CASES[folder]).tokenize("Cat") == (
        ["Cat"] if CASES[folder] else ["cat"]
    )


def test_a_checkpoint_s_case_is_asked_for_in_order(tmp_path):
    directory = tmp_path / "chinese" / "google" / "three"  # the test's own folder is above them
    shutil.copytree(CHECKPOINTS / TF1, directory)
    with pytest.raises(ValueError, match="Nothing says whether .*vocab.txt") as caught:
        tensorflow.read_tokenizer(directory)
    assert '"do_lower_case": true' in str(caught.value) and "bert_config.json" in str(caught.value)
    assert_one_error(caught.value)
    assert tensorflow.read_tokenizer(directory, lowercase=False).tokenize("Cat") == ["Cat"]

    named = directory.rename(tmp_path / "multi_cased_L-12")
    assert tensorflow.read_tokenizer(named).tokenize("Cat") == ["Cat"]
    versioned = named.rename(Path(shutil.copytree(named, tmp_path / "Uncased" / "x" / "v")).parent / "4")
    assert tensorflow.read_tokenizer(versioned).tokenize("Cat") == ["cat"]
    config = json.loads((versioned / "bert_config.json").read_text(encoding="utf-8"))
    (versioned / "bert_config.json").write_text(json.dumps(config | {"do_lower_case": False}), encoding="utf-8")
    assert tensorflow.read_tokenizer(versioned).tokenize("Cat") == ["Cat"]


def test_no_vocabulary_no_tokenizer(tmp_path):
    assert tensorflow.read_tokenizer(CHECKPOINTS / "v2_encoder") is None
    directory = copied("hub_encoder", tmp_path)
    (directory / "assets" / "vocab.txt").unlink()
    assert saved_model.read_tokenizer(directory) is None


def test_the_program_in_a_saved_model_is_not_needed(tmp_path):
    directory = copied("hub_mlm", tmp_path)
    (directory / "saved_model.pb").write_bytes(b"not a program")
    encoder = saved_model.read_encoder(directory)[0]
    assert_peer_s_outputs(encoder, saved_model.read_masked_lm(directory, encoder), expected_of("hub_mlm"))
    assert saved_model.read_tokenizer(directory).tokenize("Cat") == ["Cat"]


# -- what can be wrong -------------------------------------------------------------------------------------------------


def assert_one_error(error):
    """Nothing of a dependency's own traceback stands above it."""
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__
    assert len(str(error)) < 700


def shorten(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def change_byte(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 255
    path.write_bytes(content)


FILES = {  # what is done to a copy of a folder: the folder, a function, the error's kind and words in it
    "index without data": (
        *("v2_encoder", lambda d: (d / "ckpt-1.data-00000-of-00001").unlink()),
        *(FileNotFoundError, "ckpt-1.index has no data: ckpt-1.data-00000-of-00001 is missing"),
    ),
    "one shard of two": (
        "v2_encoder",
        lambda d: (d / "ckpt-1.data-00000-of-00001").rename(d / "ckpt-1.data-00001-of-00002"),
        *(FileNotFoundError, "ckpt-1.data-00000-of-00002 is missing"),
    ),
    "data without index": (
        *("v2_encoder", lambda d: (d / "ckpt-1.index").unlink()),
        *(FileNotFoundError, "v2_encoder holds no checkpoint: a file that ends in .index is needed"),
    ),
    "truncated data": (
        *("v2_encoder", lambda d: shorten(d / "ckpt-1.data-00000-of-00001", 0.5)),
        *(ValueError, "is damaged or cut off"),
    ),
    "truncated data of TF1": (
        *(TF1, lambda d: shorten(d / "bert_model.ckpt.data-00000-of-00001", 0.5)),
        *(ValueError, "bert_model.ckpt.data-*, read for"),
    ),
    "a byte changed": (
        *("v2_encoder", lambda d: change_byte(d / "ckpt-1.data-00000-of-00001", 5000)),
        *(ValueError, "is damaged or cut off"),
    ),
    "truncated index": (
        *("v2_encoder", lambda d: shorten(d / "ckpt-1.index", 0.5)),
        *(ValueError, "ckpt-1.index is damaged or cut off"),
    ),
    "no index at all": (
        *("v2_encoder", lambda d: (d / "ckpt-1.index").write_bytes(b"nothing")),
        *(ValueError, "ckpt-1.index is damaged or cut off"),
    ),
    "SavedModel without variables": (
        *("hub_encoder", lambda d: shutil.rmtree(d / "variables")),
        *(FileNotFoundError, "hub_encoder is a SavedModel without its weights: "),
    ),
    "SavedModel without data": (
        *("hub_encoder", lambda d: (d / "variables" / "variables.data-00000-of-00001").unlink()),
        *(FileNotFoundError, "variables.data-00000-of-00001 is missing"),
    ),
    "a preprocessor": (
        *("hub_preprocessor_lower", lambda d: None),
        *(ValueError, "no weights in it at all, as in the SavedModel of a preprocessor"),
    ),
    "TF1 without bert_config.json": (
        *(TF1, lambda d: (d / "bert_config.json").unlink()),
        *(ValueError, 'bert_config.json must hold "num_attention_heads"'),
    ),
    "bert_config.json that is none": (
        *(TF1, lambda d: (d / "bert_config.json").write_text("{")),
        *(ValueError, "bert_config.json is not JSON"),
    ),
}


@pytest.mark.parametrize("spoil", FILES)
def test_spoiled_files(spoil, tmp_path):
    folder, change, kind, words = FILES[spoil]
    directory = copied(folder, tmp_path)
    reader = reader_of(directory)
    change(directory)
    with pytest.raises(kind) as caught:
        reader.read_encoder(directory)
    assert type(caught.value) is kind
    assert words in str(caught.value) and str(directory) in str(caught.value)
    assert_one_error(caught.value)


def transpose(key):
    return lambda tensors: tensors.update({key: tensors[key].T})


def delete(key):
    return lambda tensors: tensors.pop(key)


def put(key, value):
    return lambda tensors: tensors.update({key: value})


V2_LAYER = "encoder/_transformer_layers/1/"
VALUE = tensorflow.VALUE
TENSORS = {  # what is done to the tensors of a checkpoint: the checkpoint, a function, words of the error
    "missing in TF1": (
        *(TF1, delete("bert/encoder/layer_1/output/dense/bias")),
        "Missing: bert/encoder/layer_1/output/dense/bias. Unknown: nothing.",
    ),
    "missing in TF2": (
        *("v2_encoder", delete(f"{V2_LAYER}_attention_layer/_key_dense/kernel{VALUE}")),
        "Missing: transformer/layer_1/self_attention/key/kernel. Unknown: nothing.",
    ),
    "no word table": (
        *(TF1, delete("bert/embeddings/word_embeddings")),
        "Missing: bert/embeddings/word_embeddings. Unknown: nothing.",
    ),
    "half a pooler": (*(TF1, delete("bert/pooler/dense/bias")), "Missing: bert/pooler/dense/bias."),
    "missing in talking heads": (
        *("talking_heads", delete(f"encoder/layer_with_weights-5/_feedforward_block/_gate_dense/0/bias{VALUE}")),
        "Missing: transformer/layer_1/feedforward/gate_0/bias.",
    ),
    "unknown": (
        *(TF1, put("bert/encoder/layer_0/adapter/kernel", np.zeros((3, 5), "float32"))),
        "Missing: nothing. Unknown: bert/encoder/layer_0/adapter/kernel.",
    ),
    "unknown in TF2": (
        *("v2_encoder", put(f"encoder/extra/kernel{VALUE}", np.zeros((3, 5), "float32"))),
        "Unknown: encoder/extra/kernel.",
    ),
    "transposed in TF1": (
        *(TF1, transpose("bert/encoder/layer_0/intermediate/dense/kernel")),
        "'bert/encoder/layer_0/intermediate/dense/kernel' has shape (31, 21), but the model's sizes make it (21, 31)",
    ),
    "transposed in TF2": (
        *("v2_encoder", transpose(f"{V2_LAYER}_output_dense/kernel{VALUE}")),
        "transformer/layer_1/output/kernel' has shape (21, 31), but the model's sizes make it (31, 21)",
    ),
    "heads in another place": (
        *("v2_encoder", transpose(f"{V2_LAYER}_attention_layer/_query_dense/kernel{VALUE}")),
        "has shape (7, 3, 21), but the model's sizes make it (21, 3, 7)",
    ),
    "transposed word table": (
        *(TF1, transpose("bert/embeddings/word_embeddings")),
        "bert_config.json says vocab_size 23, but the tensors of",
    ),
    "whole numbers": (
        *(TF1, put("bert/encoder/layer_0/output/dense/bias", np.zeros(21, "int8"))),
        "'bert/encoder/layer_0/output/dense/bias' holds int8; weights are read from float32",
    ),
    "two of them": (
        *(TF1, put("student/bert/pooler/dense/bias", np.zeros(21, "float32"))),
        "holds more than one BERT",
    ),
}


@pytest.mark.parametrize("spoil", TENSORS)
def test_spoiled_tensors(spoil, tmp_path):
    folder, change, words = TENSORS[spoil]
    prefix = rewritten(folder, tmp_path, change)
    with pytest.raises(ValueError) as caught:
        tensorflow.read_encoder(prefix)
    assert words in str(caught.value) and str(prefix) in str(caught.value)
    assert_one_error(caught.value)


FOREIGN = {  # an architecture: names of tensors in its published checkpoints
    "ALBERT": [
        "bert/encoder/transformer/group_0/inner_group_0/attention_1/self/query/kernel",
        "bert/embeddings/word_embeddings",
        "bert/encoder/embedding_hidden_mapping_in/kernel",
    ],
    "ELECTRA": [
        "electra/encoder/layer_0/attention/self/query/kernel",
        "electra/embeddings/word_embeddings",
        "discriminator_predictions/dense/kernel",
    ],
    "MobileBERT": [
        "bert/encoder/layer_0/bottleneck/input/dense/kernel",
        "bert/encoder/layer_0/attention/self/query/kernel",
    ],
    "XLNet": ["model/transformer/layer_0/rel_attn/q/kernel", "model/transformer/r_w_bias"],
    "RoBERTa": ["roberta/encoder/layer_0/attention/self/query/kernel"],
}


@pytest.mark.parametrize("architecture", FOREIGN)
def test_another_architecture_is_named(architecture, tmp_path):
    def change(tensors):
        tensors.clear()
        tensors.update({name: np.zeros((3, 5), "float32") for name in FOREIGN[architecture]})

    with pytest.raises(ValueError, match=f"looks like a checkpoint of {architecture}, which is another") as caught:
        tensorflow.read_encoder(rewritten(TF1, tmp_path, change))
    assert_one_error(caught.value)


def test_a_head_that_is_not_whole(tmp_path):
    prefix = rewritten(TF1, tmp_path, delete("cls/predictions/transform/dense/bias"))
    encoder = tensorflow.read_encoder(prefix)[0]
    with pytest.raises(ValueError, match="Missing: cls/predictions/transform/dense/bias") as caught:
        tensorflow.read_masked_lm(prefix, encoder)
    assert_one_error(caught.value)


CONFIGS = {
    "heads": ({"num_attention_heads": 4}, "hidden_size=21 must be a multiple of num_attention_heads=4"),
    "layers": ({"num_hidden_layers": 3}, "says num_hidden_layers 3, but the tensors of"),
    "width": ({"hidden_size": 22}, "says hidden_size 22, but the tensors of"),
    "activation": (
        {"hidden_act": "swishy"},
        "hidden_act is 'swishy'; known are gelu, gelu_exact, relu, silu, tanh, linear",
    ),
}


@pytest.mark.parametrize("field", CONFIGS)
def test_a_config_that_does_not_fit(field, tmp_path):
    changes, words = CONFIGS[field]
    directory = copied(TF1, tmp_path)
    config = json.loads((directory / "bert_config.json").read_text(encoding="utf-8"))
    (directory / "bert_config.json").write_text(json.dumps(config | changes), encoding="utf-8")
    with pytest.raises(ValueError) as caught:
        tensorflow.read_encoder(directory)
    assert words in str(caught.value) and str(directory) in str(caught.value)
    assert_one_error(caught.value)


def test_what_a_config_says_is_done(tmp_path):
    directory = copied(TF1, tmp_path)
    config = json.loads((directory / "bert_config.json").read_text(encoding="utf-8"))
    config |= {"hidden_act": "relu", "hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.2}
    config |= {"embedding_size": None}  # as tf-models' own BertConfig writes it
    (directory / "bert_config.json").write_text(json.dumps(config), encoding="utf-8")
    encoder = tensorflow.read_encoder(directory)[0]
    assert encoder.inner_activation is keras.activations.relu
    assert (encoder.output_dropout, encoder.attention_dropout) == (0.3, 0.2)
    assert tensorflow.read_masked_lm(directory, encoder).masked_lm.activation is keras.activations.relu


def test_a_damaged_vocabulary_is_named(tmp_path):
    for folder, file in {TF1: "vocab.txt", "hub_encoder": "assets/vocab.txt"}.items():
        directory = copied(folder, tmp_path)
        (directory / file).write_text("the\ncat\n", encoding="utf-8")
        with pytest.raises(ValueError, match=r"vocab\.txt: ") as caught:
            reader_of(directory).read_tokenizer(directory)
        assert_one_error(caught.value)


def test_a_damaged_preprocessor_is_named(tmp_path):
    directory = copied("hub_preprocessor_lower", tmp_path)
    shorten(directory / "saved_model.pb", 0.5)
    with pytest.raises(ValueError, match=r"saved_model\.pb is damaged or cut off") as caught:
        saved_model.read_tokenizer(directory)
    assert_one_error(caught.value)


def test_what_is_not_there_is_said(tmp_path):
    for reader in (tensorflow, saved_model):
        for path in (tmp_path, tmp_path / "nowhere"):
            with pytest.raises(FileNotFoundError) as caught:
                reader.read_encoder(path)
            assert str(path) in str(caught.value)
            assert_one_error(caught.value)


def test_without_tensorflow_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    for folder in (TF1, "hub_encoder"):
        with pytest.raises(ImportError, match="TensorFlow has to be installed: pip install tensorflow") as caught:
            reader_of(CHECKPOINTS / folder).read_encoder(CHECKPOINTS / folder)
        assert_one_error(caught.value)


def test_a_directory_is_left_as_it_was(tmp_path):
    directory = copied("hub_mlm", tmp_path)
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    encoder = saved_model.read_encoder(directory)[0]
    saved_model.read_masked_lm(directory, encoder)
    saved_model.read_tokenizer(directory)
    assert {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()} == before

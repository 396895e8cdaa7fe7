"""TensorFlow's checkpoints and SavedModels: small ones that tf-models' own tools wrote, and what can be wrong with one.

The files, and what tf-models computes from them, come from `golden/make_checkpoints.py`.
"""

import json
import shutil
import struct
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from small_world import VOCABULARY

import bertedu as be
from bertedu.checkpoints import tensorflow
from bertedu.checkpoints.common import weights
from bertedu.checkpoints.tensorflow import files, names, reader, saved_model

tf = pytest.importorskip("tensorflow")
from tensorflow.core.protobuf import tensor_bundle_pb2  # noqa: E402
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
LOGITS = ["sentence_prediction/logits/bias", "sentence_prediction/logits/kernel"]
POOLER_DENSE = ["bert/next_sentence/pooler_dense/bias", "bert/next_sentence/pooler_dense/kernel"]
FORMS = {  # folder: what is left aside, but for optimizers
    TF1: [*ADAM, *NSP, "global_step"],
    "tf2_encoder": ["save_counter"],
    "tf2_pretrainer": ["save_counter"],
    "v2_encoder": ["save_counter"],
    "v2_narrow": ["save_counter"],
    "v2_pretrainer": [*POOLER_DENSE, "save_counter"],
    "v1_classifier": ["global_step", "save_counter", *LOGITS],
    "v2_classifier": ["global_step", "save_counter", *LOGITS],
    "talking_heads": ["save_counter"],
    "hub_encoder": ["do_lower_case"],
    "hub_mlm": ["do_lower_case"],
    "hub_talking_heads": ["do_lower_case"],
}
WITH_MLM = {TF1, "tf2_pretrainer", "v2_pretrainer", "hub_mlm"}


def reader_of(directory):
    return saved_model if saved_model.recognizes(directory) else tensorflow


def prefix_of(directory):
    return saved_model.find_variables(directory) if saved_model.recognizes(directory) else files.find_prefix(directory)


def with_vocabulary(directory):
    """Put a vocabulary beside a checkpoint that has none, and say that it is lower case."""
    if not saved_model.recognizes(directory) and not (directory / "vocab.txt").is_file():
        shutil.copy(CHECKPOINTS / TF1 / "vocab.txt", directory)
    config = directory / "bert_config.json"
    fields = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    config.write_text(json.dumps({"do_lower_case": True} | fields), encoding="utf-8")
    return directory


@pytest.fixture
def of(tmp_path):
    """A function of a folder's name that returns a copy of it, with a vocabulary."""

    def copy(folder):
        directory = Path(shutil.copytree(CHECKPOINTS / folder, tmp_path / folder))
        return directory if saved_model.recognizes(directory) else with_vocabulary(directory)

    return copy


def read(path):
    """Read a checkpoint; a fine-tuned head is left aside, and said."""
    if "classifier" not in str(path):
        return reader_of(path).read(path)
    with pytest.warns(UserWarning, match=r"fine-tuned model\. Its head \(sentence_prediction/logits"):
        return reader_of(path).read(path)


def numpy(value):
    return np.stack([numpy(x) for x in value]) if isinstance(value, list) else keras.ops.convert_to_numpy(value)


def assert_peer_s_outputs(bert, expected):
    """Everything that the peer computed from the file, within 1e-5."""
    outputs = dict(bert.encoder(TEXT, return_embedding_output=True))
    if "mlm_logits" in expected:
        outputs["mlm_logits"] = bert.masked_lm(INPUTS)["mlm_logits"]
    assert {"sequence_output", "pooled_output", "encoder_outputs"} <= set(expected)
    for name, peer_output in expected.items():
        output = numpy(outputs[name])
        assert np.isfinite(output).all() and np.ptp(peer_output) > 0.1, name
        np.testing.assert_allclose(output, peer_output, rtol=0, atol=WITHIN, err_msg=name)


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
    with_vocabulary(target)
    return prefix


# -- what the peers wrote ----------------------------------------------------------------------------------------------


def test_every_folder_is_tested():
    folders = {path.name for path in CHECKPOINTS.iterdir() if path.is_dir()}
    assert folders == FORMS.keys() | {"hub_preprocessor_lower", "hub_preprocessor_as_is"}


@pytest.mark.parametrize("folder", FORMS)
def test_the_outputs_are_those_of_tf_models(folder, of):
    bert = read(of(folder))
    assert bert.has_pooler and bert.classifier is None
    assert (bert.masked_lm is not None) == (folder in WITH_MLM)
    assert_peer_s_outputs(bert, expected_of(folder))


@pytest.mark.parametrize("folder", FORMS)
def test_every_tensor_is_a_weight_or_left_aside(folder, of):
    directory = of(folder)
    listed, bert = reader_of(directory).tensors(directory), read(directory)
    assert {t.weight_path for t in listed} - {None} == set(weights(bert.encoder, bert.masked_lm)) and all(
        t.known for t in listed
    )
    aside = [t.name for t in listed if t.weight_path is None and not t.name.startswith(("Adam/", "optimizer/"))]
    assert sorted(aside) == sorted(FORMS[folder])


def test_slots_of_optimizers_are_left_aside():
    aside = {
        folder: {t.name for t in tensorflow.tensors(CHECKPOINTS / folder) if t.weight_path is None}
        for folder in ("v1_classifier", "v2_classifier")
    }
    assert {"Adam/word_embeddings/embeddings/m", "Adam/word_embeddings/embeddings/v"} <= aside["v1_classifier"]
    assert "optimizer/_learning_rate" in aside["v2_classifier"]
    assert sum(name.startswith("Adam/") for name in aside["v2_classifier"]) == 8  # two slots of four weights


@pytest.mark.parametrize("folder", ["v2_encoder", "v2_narrow", TF1, "hub_talking_heads"])
def test_sizes(folder, of):
    encoder = read(of(folder)).encoder
    sizes = {"vocab_size": 23, "hidden_size": 21, "num_layers": 2, "num_attention_heads": 3, "inner_dim": 31}
    sizes |= {"max_sequence_length": 29, "type_vocab_size": 2, "embedding_width": 13 if folder == "v2_narrow" else 21}
    assert {name: getattr(encoder, name) for name in sizes} == sizes
    talking = folder == "hub_talking_heads"
    assert encoder.attention_cls is (be.TalkingHeadsAttention if talking else be.MultiHeadAttention)
    assert encoder.feedforward_cls is (be.GatedFeedforward if talking else be.Feedforward)
    assert encoder.layer_norm_epsilon == 1e-12
    assert encoder.inner_activation is be.defaults.gelu_tanh


def test_a_loaded_encoder_is_an_ordinary_encoder(of):
    encoder = read(of("v2_encoder")).encoder
    fresh = be.BertEncoder.from_config(encoder.get_config())
    assert np.ptp(numpy(fresh.get_embedding_table())) > 0  # zeros are for reading only


def test_the_head_uses_the_encoder_s_table():
    bert = read(CHECKPOINTS / "hub_mlm")
    assert bert.masked_lm.encoder_network is bert.encoder
    assert bert.masked_lm.masked_lm.embedding_table is bert.encoder.get_embedding_layer()
    assert bert.masked_lm.masked_lm.activation is be.defaults.gelu_tanh


@pytest.mark.parametrize("form", ["TF1", "TF2"])
def test_names_lead_there_and_back(form):
    paths = list(weights(read(CHECKPOINTS / TF1).encoder))
    tf_names = [names.NAMES[form].name(path) for path in paths]
    assert [names.our_path(name, form) for name in tf_names] == paths
    assert len(set(tf_names)) == len(paths) == 39
    keys = tf.train.load_checkpoint(str(prefix_of(CHECKPOINTS / TF1))).get_variable_to_shape_map()
    assert form == "TF2" or set(tf_names) <= set(keys)


@pytest.mark.parametrize("folder", ["v2_pretrainer", "v2_narrow", "tf2_encoder", "v1_classifier", "talking_heads"])
def test_variables_saved_without_a_name_are_known_by_their_keys(folder, tmp_path):
    def forget(tensors):
        graph = TrackableObjectGraph.FromString(tensors[files.OBJECT_GRAPH])
        for node in graph.nodes:
            for attribute in node.attributes:
                attribute.full_name = ""
        tensors[files.OBJECT_GRAPH] = graph.SerializeToString()

    prefix = rewritten(folder, tmp_path, forget)
    if "classifier" in folder:
        with pytest.warns(UserWarning, match="got a fine-tuned model"):
            bert = tensorflow.read(prefix)
    else:
        bert = tensorflow.read(prefix)
    assert bert.has_pooler
    assert_peer_s_outputs(bert, expected_of(folder))


def test_an_optimizer_may_have_been_saved_under_any_name(tmp_path):
    def change(tensors):
        for key in [key for key in tensors if key.startswith("optimizer/")]:
            tensors[key.replace("optimizer/", "opt/")] = tensors.pop(key)
        graph = TrackableObjectGraph.FromString(tensors[files.OBJECT_GRAPH])
        for attribute in (attribute for node in graph.nodes for attribute in node.attributes):
            attribute.checkpoint_key = attribute.checkpoint_key.replace("optimizer/", "opt/")
        tensors[files.OBJECT_GRAPH] = graph.SerializeToString()

    listed = tensorflow.tensors(rewritten("v2_classifier", tmp_path, change))
    aside = [t.name for t in listed if t.weight_path is None and t.known]
    assert "opt/_learning_rate" in aside and all(t.known for t in listed)
    assert sum(name.startswith("Adam/") for name in aside) == 8


def test_without_a_pooler(tmp_path):
    def change(tensors):
        for leaf in ("kernel", "bias"):
            del tensors[f"bert/pooler/dense/{leaf}"]

    bert = tensorflow.read(rewritten(TF1, tmp_path, change))
    assert not bert.has_pooler
    np.testing.assert_allclose(
        numpy(bert.encoder(TEXT)["sequence_output"]), expected_of(TF1)["sequence_output"], rtol=0, atol=WITHIN
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_floats(dtype, tmp_path):
    def change(tensors):
        for key, value in tensors.items():
            if value.dtype == "float32":
                tensors[key] = tf.cast(value, dtype)

    encoder = tensorflow.read(rewritten(TF1, tmp_path, change)).encoder
    table = tf.train.load_checkpoint(str(prefix_of(CHECKPOINTS / TF1))).get_tensor("bert/embeddings/word_embeddings")
    np.testing.assert_array_equal(
        numpy(encoder.get_embedding_table()), tf.cast(tf.cast(table, dtype), "float32").numpy()
    )


# -- where a checkpoint is ---------------------------------------------------------------------------------------------


def test_recognizes(tmp_path):
    for folder in FORMS:
        directory = CHECKPOINTS / folder
        assert saved_model.recognizes(directory) == folder.startswith("hub_")
        assert tensorflow.recognizes(directory) != saved_model.recognizes(directory)
    assert tensorflow.recognizes(CHECKPOINTS / TF1 / "bert_model.ckpt")
    assert tensorflow.recognizes(CHECKPOINTS / TF1 / "bert_model.ckpt.index")
    assert not tensorflow.recognizes(CHECKPOINTS / TF1 / "bert_model")
    assert not saved_model.recognizes(CHECKPOINTS / TF1 / "bert_model.ckpt")
    for name in ("config.json", "model.safetensors", "model.safetensors.index.json", "vocab.txt"):
        (tmp_path / name).touch()
    assert not tensorflow.recognizes(tmp_path) and not saved_model.recognizes(tmp_path)
    assert not tensorflow.recognizes(tmp_path / "nowhere") and not saved_model.recognizes(tmp_path / "nowhere")


@pytest.mark.parametrize("folder, lowercase", [("hub_preprocessor_lower", True), ("hub_preprocessor_as_is", False)])
def test_a_preprocessor_is_recognized_and_the_suggestion_works(folder, lowercase):
    with pytest.raises(ValueError) as caught:
        be.load(CHECKPOINTS / folder)
    message = str(caught.value)
    assert str(CHECKPOINTS / folder) in message and "preprocessor" in message and "be.load" in message
    problem = be.inspect(CHECKPOINTS / folder).problem
    assert problem == message
    preprocessor = eval(message[message.index("be.BertPreprocessor(") :].rstrip("."))  # what it says to write
    assert preprocessor.tokenizer.get_config() == saved_model.read_tokenizer(CHECKPOINTS / folder).get_config()
    assert preprocessor.tokenizer.lowercase is lowercase and preprocessor(["The cat"])["input_word_ids"].shape[0] == 1


@pytest.mark.parametrize("ending", ["", "/bert_model.ckpt", "/bert_model.ckpt.index"])
def test_a_directory_a_prefix_and_an_index_are_all_accepted(ending):
    assert files.find_prefix(Path(f"{CHECKPOINTS / TF1}{ending}")) == CHECKPOINTS / TF1 / "bert_model.ckpt"
    assert len(be.load(f"{CHECKPOINTS / TF1}{ending}").tokenizer.vocabulary) == 23


def test_of_several_checkpoints_the_newest_is_named_by_tensorflow(of):
    directory = of("v2_encoder")
    for ending in ("index", "data-00000-of-00001"):
        shutil.copy(directory / f"ckpt-1.{ending}", directory / f"ckpt-2.{ending}")
    assert files.find_prefix(directory).name == "ckpt-1"
    (directory / "checkpoint").write_text('model_checkpoint_path: "/elsewhere/ckpt-2"\n', encoding="utf-8")
    assert files.find_prefix(directory).name == "ckpt-2"
    (directory / "checkpoint").write_text('model_checkpoint_path: "../v2/ckpt-2"\n', encoding="utf-8")
    with pytest.raises(ValueError, match="checkpoint: expected a name in its own directory, got '../v2/ckpt-2'"):
        tensorflow.read(directory)
    (directory / "checkpoint").unlink()
    with pytest.raises(ValueError, match="expected one checkpoint, got ckpt-1, ckpt-2") as caught:
        tensorflow.read(directory)
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


@pytest.mark.parametrize("folder", [".", "variables"])
def test_two_files_that_disagree_about_case_are_refused(folder, of):
    directory = of("hub_mlm")
    (directory / folder / "bert_config.json").write_text('{"do_lower_case": true}', encoding="utf-8")
    with pytest.raises(ValueError, match="the variable do_lower_case.*bert_config.json") as caught:
        saved_model.read(directory)
    assert_one_error(caught.value)


def test_a_checkpoint_s_case_is_asked_for_in_order(tmp_path):
    directory = tmp_path / "chinese" / "google" / "three"  # the test's own folder is above them
    shutil.copytree(CHECKPOINTS / TF1, directory)
    with pytest.raises(ValueError, match="vocab.txt: expected .uncased. or .cased. in the name") as caught:
        tensorflow.read(directory)
    assert '"do_lower_case": true' in str(caught.value) and "bert_config.json" in str(caught.value)
    assert_one_error(caught.value)
    assert reader.read_tokenizer(directory / "vocab.txt", lowercase=False).tokenize("Cat") == ["Cat"]

    named = directory.rename(tmp_path / "multi_cased_L-12")
    assert tensorflow.read(named).tokenizer.tokenize("Cat") == ["Cat"]
    versioned = named.rename(Path(shutil.copytree(named, tmp_path / "Uncased" / "x" / "v")).parent / "4")
    assert tensorflow.read(versioned).tokenizer.tokenize("Cat") == ["cat"]
    change_config(versioned, do_lower_case=False)
    assert tensorflow.read(versioned).tokenizer.tokenize("Cat") == ["Cat"]


@pytest.mark.parametrize(("folder", "vocabulary"), [("v2_encoder", "vocab.txt"), ("hub_encoder", "assets/vocab.txt")])
def test_a_checkpoint_without_its_vocabulary(folder, vocabulary, of):
    directory = of(folder)
    (directory / vocabulary).unlink()
    with pytest.raises(FileNotFoundError, match="vocab.txt: expected the vocabulary") as caught:
        reader_of(directory).read(directory)
    assert str(directory) in str(caught.value)


def test_the_program_in_a_saved_model_is_not_needed(of):
    directory = of("hub_mlm")
    (directory / "saved_model.pb").write_bytes(b"not a program")
    bert = saved_model.read(directory)
    assert_peer_s_outputs(bert, expected_of("hub_mlm"))
    assert bert.tokenizer.tokenize("Cat") == ["Cat"]


# -- what can be wrong -------------------------------------------------------------------------------------------------


def assert_one_error(error):
    """Nothing of a dependency's own traceback stands above it."""
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__
    assert len(str(error)) < 700


def change_config(directory, **fields):
    path = directory / "bert_config.json"
    config = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    path.write_text(json.dumps(config | fields), encoding="utf-8")


def shorten(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def change_byte(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 255
    path.write_bytes(content)


FILES = {  # what is done to a copy of a folder: the folder, a function, the error's kind and words in it
    "index without data": (
        *("v2_encoder", lambda d: (d / "ckpt-1.data-00000-of-00001").unlink()),
        *(FileNotFoundError, "ckpt-1.index: expected ckpt-1.data-00000-of-00001"),
    ),
    "one shard of two": (
        "v2_encoder",
        lambda d: (d / "ckpt-1.data-00000-of-00001").rename(d / "ckpt-1.data-00001-of-00002"),
        *(FileNotFoundError, "expected ckpt-1.data-00000-of-00001"),
    ),
    "data without index": (
        *("v2_encoder", lambda d: (d / "ckpt-1.index").unlink()),
        *(FileNotFoundError, "v2_encoder: expected a checkpoint"),
    ),
    "truncated data": (
        *("v2_encoder", lambda d: shorten(d / "ckpt-1.data-00000-of-00001", 0.5)),
        *(ValueError, "is damaged or truncated"),
    ),
    "truncated data of TF1": (
        *(TF1, lambda d: shorten(d / "bert_model.ckpt.data-00000-of-00001", 0.5)),
        *(ValueError, "does not fit its data"),
    ),
    "a byte changed": (
        *("v2_encoder", lambda d: change_byte(d / "ckpt-1.data-00000-of-00001", 5000)),
        *(ValueError, "is damaged or truncated"),
    ),
    "truncated index": (
        *("v2_encoder", lambda d: shorten(d / "ckpt-1.index", 0.5)),
        *(ValueError, "ckpt-1.index is damaged or truncated"),
    ),
    "no index at all": (
        *("v2_encoder", lambda d: (d / "ckpt-1.index").write_bytes(b"nothing")),
        *(ValueError, "ckpt-1.index is damaged or truncated"),
    ),
    "SavedModel without variables": (
        *("hub_encoder", lambda d: shutil.rmtree(d / "variables")),
        *(FileNotFoundError, "hub_encoder: expected "),
    ),
    "SavedModel without data": (
        *("hub_encoder", lambda d: (d / "variables" / "variables.data-00000-of-00001").unlink()),
        *(FileNotFoundError, "expected variables.data-00000-of-00001"),
    ),
    "a preprocessor": (
        *("hub_preprocessor_lower", lambda d: None),
        *(ValueError, "expected the SavedModel of a BERT, got that of a preprocessor"),
    ),
    "TF1 without bert_config.json": (
        *(TF1, lambda d: (d / "bert_config.json").unlink()),
        *(ValueError, "bert_config.json: expected num_attention_heads"),
    ),
    "an invalid bert_config.json": (
        *(TF1, lambda d: (d / "bert_config.json").write_text("{")),
        *(ValueError, "bert_config.json: expected JSON"),
    ),
    "bert_config.json nested too deeply": (
        *("v2_encoder", lambda d: (d / "bert_config.json").write_text("[" * 100_000)),
        *(ValueError, "bert_config.json: expected JSON, got values nested too deeply"),
    ),
    "a list of checkpoints that is too large": (
        *("v2_encoder", lambda d: (d / "checkpoint").write_bytes(b" " * 9_000_000)),
        *(ValueError, "checkpoint: expected at most"),
    ),
}


@pytest.mark.parametrize("damage", FILES)
def test_damaged_files(damage, of):
    folder, change, kind, words = FILES[damage]
    directory = of(folder)
    module = reader_of(directory)
    change(directory)
    with pytest.raises(kind) as caught:
        module.read(directory)
    assert type(caught.value) is kind
    assert words in str(caught.value) and str(directory) in str(caught.value)
    assert_one_error(caught.value)


def transpose(key):
    return lambda tensors: tensors.update({key: tensors[key].T})


def delete(key):
    return lambda tensors: tensors.pop(key)


def put(key, value):
    return lambda tensors: tensors.update({key: value})


WORDS = f"encoder/_embedding_layer/embeddings{files.VALUE}"
V2_LAYER = "encoder/_transformer_layers/1/"
VALUE = files.VALUE
TENSORS = {  # what is done to the tensors of a checkpoint: the checkpoint, a function, words of the error
    "missing in TF1": (
        *(TF1, delete("bert/encoder/layer_1/output/dense/bias")),
        "missing: bert/encoder/layer_1/output/dense/bias; unexpected: none.",
    ),
    "missing in TF2": (
        *("v2_encoder", delete(f"{V2_LAYER}_attention_layer/_key_dense/kernel{VALUE}")),
        "missing: transformer/layer_1/self_attention/key/kernel; unexpected: none.",
    ),
    "no word table": (
        *(TF1, delete("bert/embeddings/word_embeddings")),
        "missing: bert/embeddings/word_embeddings; unexpected: none.",
    ),
    "half a pooler": (*(TF1, delete("bert/pooler/dense/bias")), "missing: bert/pooler/dense/bias"),
    "missing in talking heads": (
        *("talking_heads", delete(f"encoder/layer_with_weights-5/_feedforward_block/_gate_dense/0/bias{VALUE}")),
        "missing: transformer/layer_1/feedforward/gate_0/bias",
    ),
    "unknown": (
        *(TF1, put("bert/encoder/layer_0/adapter/kernel", np.zeros((3, 5), "float32"))),
        "missing: none; unexpected: bert/encoder/layer_0/adapter/kernel.",
    ),
    "unknown in TF2": (
        *("v2_encoder", put(f"encoder/extra/kernel{VALUE}", np.zeros((3, 5), "float32"))),
        "unexpected: encoder/extra/kernel.",
    ),
    "transposed in TF1": (
        *(TF1, transpose("bert/encoder/layer_0/intermediate/dense/kernel")),
        "intermediate/dense/kernel': expected shape (21, 31) from the other tensors' shapes, got (31, 21)",
    ),
    "transposed in TF2": (
        *("v2_encoder", transpose(f"{V2_LAYER}_output_dense/kernel{VALUE}")),
        "transformer/layer_1/output/kernel': expected shape (31, 21) from the other tensors' shapes, got (21, 31)",
    ),
    "heads on another axis": (
        *("v2_encoder", transpose(f"{V2_LAYER}_attention_layer/_query_dense/kernel{VALUE}")),
        "expected shape (21, 3, 7) from the other tensors' shapes, got (7, 3, 21)",
    ),
    "transposed word table": (
        *(TF1, transpose("bert/embeddings/word_embeddings")),
        "'bert/embeddings/word_embeddings': expected shape (21, 21) from the other tensors' shapes, got (21, 23)",
    ),
    "whole numbers": (
        *(TF1, put("bert/encoder/layer_0/output/dense/bias", np.zeros(21, "int8"))),
        "output/dense/bias': expected one of float32, float16, bfloat16, float64, got int8",
    ),
    "two of them": (
        *(TF1, put("student/bert/pooler/dense/bias", np.zeros(21, "float32"))),
        "missing: none; unexpected: student/bert/pooler/dense/bias.",
    ),
    "half a masked-LM head": (
        *(TF1, delete("cls/predictions/transform/dense/bias")),
        "missing: cls/predictions/transform/dense/bias; unexpected: none.",
    ),
    "a scalar for a size": (*("v2_encoder", put(WORDS, np.float32(1))), "from the other tensors' shapes, got ()"),
    "no layer": (
        *("v2_encoder", lambda t: [t.pop(key) for key in list(t) if "_transformer_layers" in key]),
        "transformer/layer_0/self_attention/",
    ),
    "a layer far away": (
        *(TF1, put("bert/encoder/layer_999999999/output/dense/bias", np.zeros(21, "float32"))),
        "missing: bert/encoder/layer_2/",
    ),
}


@pytest.mark.parametrize("damage", TENSORS)
def test_damaged_tensors(damage, tmp_path):
    folder, change, words = TENSORS[damage]
    prefix = rewritten(folder, tmp_path, change)
    with pytest.raises(ValueError) as caught:
        tensorflow.read(prefix)
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
        tensorflow.read(rewritten(TF1, tmp_path, change))
    assert_one_error(caught.value)


CONFIGS = {
    "heads": ({"num_attention_heads": 4}, "hidden_size: expected a multiple of num_attention_heads=4, got 21"),
    "layers": ({"num_hidden_layers": 3}, "num_hidden_layers: expected 2, as in the tensors of"),
    "width": ({"hidden_size": 22}, "hidden_size: expected 21, as in the tensors of"),
    "activation": (
        {"hidden_act": "swishy"},
        "hidden_act: expected one of 'gelu', 'gelu_exact', 'relu', 'silu', 'tanh', 'linear', got 'swishy'",
    ),
    "embedding": ({"embedding_size": 20}, "embedding_size: expected "),
    "direction": ({"directionality": "left"}, "directionality: expected 'bidi'"),
}
NUMBERS = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
NUMBERS += ("max_position_embeddings", "type_vocab_size", "hidden_dropout_prob", "attention_probs_dropout_prob")
NUMBERS += ("initializer_range", "layer_norm_eps", "mlm_layer_norm_eps", "pooler_fc_size")


@pytest.mark.parametrize("value", ["2", float("nan"), float("inf"), None, -1, 10**9, [2], {"a": 2}, True])
def test_each_number_of_a_config_is_checked(value, of):
    directory = of(TF1)
    before = (directory / "bert_config.json").read_bytes()
    for field in NUMBERS:
        change_config(directory, **{field: value})
        with pytest.raises(ValueError, match=rf"bert_config.json: {field}: expected a (whole )?number") as caught:
            tensorflow.read(directory)
        assert_one_error(caught.value)
        (directory / "bert_config.json").write_bytes(before)


def test_one_warning_lists_the_fields_that_are_unknown(of):
    directory = of(TF1)
    change_config(directory, one=1, two=2, initializer_range=0.02, pooler_type="first_token_transform")
    with pytest.warns(UserWarning) as caught:
        bert = tensorflow.read(directory)
    assert [str(w.message).count("'one', 'two'") for w in caught] == [1]
    assert_peer_s_outputs(bert, expected_of(TF1))


@pytest.mark.parametrize("field", CONFIGS)
def test_a_config_that_does_not_fit(field, of):
    changes, words = CONFIGS[field]
    directory = of(TF1)
    change_config(directory, **changes)
    with pytest.raises(ValueError) as caught:
        tensorflow.read(directory)
    assert words in str(caught.value) and str(directory) in str(caught.value)
    assert_one_error(caught.value)


def test_what_a_config_says_is_done(of):
    directory = of(TF1)
    dropout = {"hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.2}
    change_config(directory, hidden_act="relu", **dropout, embedding_size=None)  # as tf-models' BertConfig writes it
    bert = tensorflow.read(directory)
    assert bert.encoder.inner_activation is keras.activations.relu
    assert (bert.encoder.output_dropout, bert.encoder.attention_dropout) == (0.3, 0.2)
    head = bert.masked_lm.masked_lm
    assert head.activation is keras.activations.relu and head.layer_norm.epsilon == 1e-12
    change_config(directory, mlm_hidden_act="tanh", layer_norm_eps=1e-5, mlm_layer_norm_eps=1e-3)
    bert = tensorflow.read(directory)
    head = bert.masked_lm.masked_lm
    assert head.activation is keras.activations.tanh and head.layer_norm.epsilon == 1e-3
    assert bert.encoder.layer_norm_epsilon == 1e-5


def test_a_damaged_vocabulary_is_named(of):
    for folder, file in {TF1: "vocab.txt", "hub_encoder": "assets/vocab.txt"}.items():
        directory = of(folder)
        (directory / file).write_text("the\ncat\n", encoding="utf-8")
        with pytest.raises(ValueError, match=r"vocab\.txt: ") as caught:
            reader_of(directory).read(directory)
        assert_one_error(caught.value)


def test_a_damaged_preprocessor_is_named(of):
    directory = of("hub_preprocessor_lower")
    shorten(directory / "saved_model.pb", 0.5)
    with pytest.raises(ValueError, match=r"saved_model\.pb is damaged or truncated") as caught:
        saved_model.read_tokenizer(directory)
    assert_one_error(caught.value)


def test_a_program_that_is_too_large_is_not_parsed(of, monkeypatch):
    monkeypatch.setattr(saved_model, "MAX_GRAPH", 1000)
    with pytest.raises(ValueError, match=r"saved_model\.pb: expected at most 1,000 bytes"):
        saved_model.read_tokenizer(of("hub_preprocessor_lower"))


def test_missing_files_are_reported(tmp_path):
    for module in (tensorflow, saved_model):
        for path in (tmp_path, tmp_path / "nowhere"):
            with pytest.raises(FileNotFoundError) as caught:
                module.read(path)
            assert str(path) in str(caught.value)
            assert_one_error(caught.value)


def test_tensorflow_is_required(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    for folder in (TF1, "hub_encoder"):
        with pytest.raises(ImportError, match="pip install tensorflow") as caught:
            reader_of(CHECKPOINTS / folder).read(CHECKPOINTS / folder)
        assert_one_error(caught.value)


def test_a_directory_is_left_as_it_was(of):
    directory = of("hub_mlm")
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    saved_model.read(directory)
    assert {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()} == before


def test_weights_that_are_not_finite_are_reported(tmp_path):
    prefix = rewritten(TF1, tmp_path, put("bert/encoder/layer_0/output/dense/bias", np.full(21, np.nan, "float32")))
    with pytest.warns(UserWarning, match="NaN or infinity in bert/encoder/layer_0/output/dense/bias"):
        loaded = tensorflow.read(prefix)
    arrays = [keras.ops.convert_to_numpy(variable).astype("float32") for variable in loaded.encoder.weights]
    assert sum(not np.isfinite(array).any() for array in arrays) == 1  # they are loaded as they are


# -- an index that claims what is not so -------------------------------------------------------------------------------


def crc32c(data):
    """The masked checksum of TensorFlow's tables, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def number(value):
    """A number of variable length."""
    head = b""
    while value > 127:
        head += bytes([value & 127 | 128])
        value >>= 7
    return head + bytes([value])


def block(entries, restarts=None):
    """A block of a table, with its checksum; every entry stores its whole key."""
    content, starts = b"", []
    for key, value in entries:
        starts.append(len(content))
        content += number(0) + number(len(key)) + number(len(value)) + key + value
    starts = restarts or starts or [0]
    content += struct.pack(f"<{len(starts) + 1}I", *starts, len(starts)) + b"\0"
    return content + struct.pack("<I", crc32c(content))


def write_index(prefix, entries, restarts=None):
    """An index that TensorFlow opens, whatever it says: `entries` are pairs of a key and a `BundleEntryProto`."""
    header = tensor_bundle_pb2.BundleHeaderProto(num_shards=1)
    header.version.producer = 1
    data = block(
        [(b"", header.SerializeToString())] + [(k.encode(), v.SerializeToString()) for k, v in entries], restarts
    )
    others = block([])
    index = block([(b"\xff", number(0) + number(len(data) - 5))])
    handles = (len(data), len(others) - 5, len(data) + len(others), len(index) - 5)
    footer = b"".join(map(number, handles)).ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)
    Path(f"{prefix}.index").write_bytes(data + others + index + footer)


def entry(shape=(2, 2), dtype=1, size=16, **fields):
    made = tensor_bundle_pb2.BundleEntryProto(dtype=dtype, size=size, **fields)
    for axis in shape:
        made.shape.dim.add(size=axis)
    return made


def unranked():
    made = entry()
    made.shape.unknown_rank = True
    return made


def sliced():
    made = entry()
    made.slices.add()
    return made


HOSTILE = {  # TensorFlow's reader ends the process at some, and allocates for others; words of our error
    "negative": ([("a", entry((-1, 2)))], "'a': expected a valid shape, got (-1, 2)"),
    "two negatives": ([("a", entry((-2, -2)))], "'a': expected a valid shape, got (-2, -2)"),
    "overflow": ([("a", entry((2**40, 2**40)))], "'a': expected a valid shape, got (1099511627776, 1099511627776)"),
    "too many axes": ([("a", entry((1,) * 300, size=4))], "'a': expected a valid shape, got (1, 1, 1"),
    "no rank": ([("a", unranked())], "'a': expected a valid shape, got (2, 2)"),
    "larger than its bytes": ([("a", entry((2**40,)))], "'a' is damaged or truncated: its shape (1099511627776,)"),
    "larger than the file": ([("a", entry((2**33,), size=2**35))], "'a' is damaged or truncated"),
    "behind the file": ([("a", entry(offset=1))], "'a' is damaged or truncated"),
    "before the file": ([("a", entry(offset=-16))], "'a' is damaged or truncated"),
    "another file": ([("a", entry(shard_id=1))], "'a' is damaged or truncated"),
    "a file before the first": ([("a", entry(shard_id=-1))], "'a' is damaged or truncated"),
    "the same bytes twice": ([("a", entry()), ("b", entry())], "its tensors together are larger than its data"),
    "an unknown type": ([("a", entry(dtype=77))], "'a': expected a TensorFlow dtype, got 77"),
    "slices": ([("a", sliced())], "'a': expected a whole tensor, got slices"),
    "not sorted": ([("b", entry()), ("a", entry())], "index is damaged or truncated"),
    "a name twice": ([("a", entry()), ("a", entry())], "index is damaged or truncated"),
    "a long name": ([("a" * 2000, entry())], "index is damaged or truncated"),
    "a graph that is no string": ([(files.OBJECT_GRAPH, entry())], "its object graph: expected one string"),
    "a graph that is longer than it is": ([(files.OBJECT_GRAPH, entry((), 7))], "its object graph is damaged"),
}


@pytest.mark.parametrize("claim", HOSTILE)
def test_an_index_is_checked_before_tensorflow_opens_it(claim, tmp_path, monkeypatch):
    entries, words = HOSTILE[claim]
    monkeypatch.setattr(tf.train, "load_checkpoint", None)
    write_index(tmp_path / "a", entries)
    (tmp_path / "a.data-00000-of-00001").write_bytes(number(2**60) + bytes(7))
    for function in (tensorflow.tensors, tensorflow.read):
        with pytest.raises(ValueError) as caught:
            function(tmp_path)
        assert words in str(caught.value) and str(tmp_path) in str(caught.value)
        assert_one_error(caught.value)


def test_an_index_whose_entries_can_be_read_in_two_ways_is_refused(tmp_path):
    write_index(tmp_path / "a", [("a", entry())], restarts=[0, 3])
    (tmp_path / "a.data-00000-of-00001").write_bytes(bytes(16))
    with pytest.raises(ValueError, match="index is damaged or truncated"):
        tensorflow.tensors(tmp_path)


def test_what_is_written_by_hand_here_is_what_tensorflow_reads(tmp_path):
    write_index(tmp_path / "a", [("a", entry())])
    (tmp_path / "a.data-00000-of-00001").write_bytes(bytes(16))
    assert tf.train.load_checkpoint(str(tmp_path / "a")).get_variable_to_shape_map() == {"a": [2, 2]}
    assert [(t.name, t.shape, t.dtype) for t in tensorflow.tensors(tmp_path)] == [("a", (2, 2), "float32")]


@pytest.mark.parametrize("folder", ["v2_encoder", TF1])
def test_changed_bytes_of_an_index_are_refused_or_harmless(folder, of):
    """Damage within an index is an error of ours, or of no consequence: at a hundred positions."""
    directory = of(folder)
    file = next(directory.glob("*.index"))
    content, refused = file.read_bytes(), 0
    for position in np.random.default_rng(5).integers(0, len(content), 100):
        file.write_bytes(content[:position] + bytes([content[position] ^ 255]) + content[position + 1 :])
        try:
            tensorflow.tensors(directory)
        except ValueError as error:
            assert str(directory) in str(error)
            refused += 1
    assert refused > 50

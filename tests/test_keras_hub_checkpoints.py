"""KerasHub's presets and bare weights: small ones that KerasHub itself wrote, and what can be wrong with one.

The files, and what KerasHub computes from them, come from `golden/make_keras_hub.py`.
"""

import json
import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tiny_bert
from small_world import VOCABULARY

import bertedu as be
from bertedu.checkpoints import common, huggingface, keras_hub
from bertedu.checkpoints.common import weights
from bertedu.checkpoints.keras_hub import configuration
from bertedu.inputs import DIALECTS
from bertedu.pooling import EmbedSettings, pool

h5py = pytest.importorskip("h5py")

CHECKPOINTS = Path(__file__).parent / "golden" / "checkpoints"
WITHIN = 1e-5
MLM, CLASSIFIER, EMBEDDER, HALF = (f"keras_hub_{name}" for name in ("masked_lm", "classifier", "embedder", "half"))
BARE = "keras_hub_weights_uncased"
FOLDERS = (MLM, CLASSIFIER, EMBEDDER, HALF, BARE)
CLASSIFIES = {"class_name": "BertTextClassifier", "registered_name": "keras_hub>BertTextClassifier"}
JSON = ("config.json", "task.json", "preprocessor.json", "tokenizer.json")
SHARD = "model_00001.weights.h5"
QUERY = "layers/transformer_encoder_1/_self_attention_layer/query_dense/vars/0"
INNER = "layers/transformer_encoder/_feedforward_intermediate_dense/vars/0"
HEAD = [f"layers/masked_lm_head/_intermediate_{part}/vars/{i}" for part in ("dense", "layer_norm") for i in (0, 1)]
HEAD += ["layers/masked_lm_head/vars/0"]


def unpacked(folder, tmp_path):
    shutil.unpack_archive(CHECKPOINTS / f"{folder}.zip", tmp_path)
    return tmp_path / folder


def with_vocabulary(directory, lowercase=True):
    """Put a vocabulary beside weights that have none, and say its case."""
    (directory / "vocab.txt").write_text("".join(f"{word}\n" for word in VOCABULARY), encoding="utf-8")
    (directory / "bert_config.json").write_text(json.dumps({"do_lower_case": lowercase}), encoding="utf-8")
    return directory


@pytest.fixture
def of(tmp_path):
    """A function of a folder's name that unpacks it; the one without a vocabulary gets one."""
    return lambda folder: with_vocabulary(unpacked(folder, tmp_path)) if folder == HALF else unpacked(folder, tmp_path)


def expected_of(directory):
    return dict(np.load(directory / "expected.npz"))


def numpy(value):
    return keras.ops.convert_to_numpy(keras.ops.cast(value, "float32"))


def inputs_of(expected):
    return {name: expected[name] for name in DIALECTS["KerasHub"]}


def assert_outputs(contents, expected, within=WITHIN, prefix=""):
    inputs = inputs_of(expected)
    outputs = dict(contents.encoder(inputs))
    if contents.masked_lm is not None:
        outputs |= contents.masked_lm(inputs | {"masked_lm_positions": expected["mask_positions"]})
    if contents.classifier is not None:
        outputs["logits"] = contents.classifier(inputs)
    names = {"sequence_output", "pooled_output", "mlm_logits", "logits"} & {
        name.removeprefix(prefix) for name in expected
    }
    assert {"sequence_output", "pooled_output"} <= names
    for name in names:
        peer_output = expected[prefix + name]
        assert np.isfinite(peer_output).all() and np.ptp(peer_output) > 0.1, name
        np.testing.assert_allclose(numpy(outputs[name]), peer_output, rtol=0, atol=within, err_msg=name)
    return names


# -- what KerasHub wrote -----------------------------------------------------------------------------------------------


def test_every_fixture_is_tested():
    assert {path.stem for path in CHECKPOINTS.glob("keras_hub_*")} == set(FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_outputs_are_those_of_keras_hub(folder, of):
    contents = keras_hub.read(of(folder), dtype="float32")
    names = assert_outputs(contents, expected_of(of(folder)))
    assert contents.has_pooler
    assert (contents.masked_lm is not None) == ("mlm_logits" in names) == (folder in (MLM, BARE))
    assert (contents.classifier is not None) == ("logits" in names) == (folder == CLASSIFIER)


@pytest.mark.parametrize(("folder", "dtype"), [(EMBEDDER, "bfloat16"), (HALF, "float16")])
def test_halves_stay_halves(folder, dtype, of):
    contents = keras_hub.read(of(folder))
    assert {variable.dtype for variable in contents.encoder.weights} == {dtype}
    assert_outputs(contents, expected_of(of(folder)), within=0.1, prefix="native_")
    kernel = keras_hub.read(of(folder), "float32").encoder.weights[0]
    np.testing.assert_array_equal(numpy(contents.encoder.weights[0]), numpy(kernel))


def test_heads_have_the_type_of_their_encoder(of):
    assert {v.dtype for v in keras_hub.read(of(MLM), "bfloat16").masked_lm.weights} == {"bfloat16"}
    assert {v.dtype for v in keras_hub.read(of(CLASSIFIER)).classifier.weights} == {"float32"}


def test_sizes_and_dropout(of):
    for folder, dropout in {CLASSIFIER: 0.2, BARE: 0.1}.items():
        encoder = keras_hub.read(of(folder)).encoder
        sizes = {name: getattr(encoder, name) for name in configuration.SIZES}
        assert sizes == {
            "vocab_size": 20,
            "hidden_size": 21,
            "num_layers": 2,
            "num_attention_heads": 3,
            "max_sequence_length": 17,
            "type_vocab_size": 2,
            "inner_dim": 13,
        }
        assert (encoder.output_dropout, encoder.attention_dropout) == (dropout, dropout)
        assert encoder.inner_activation is be.defaults.gelu_tanh
    classifier = keras_hub.read(of(CLASSIFIER)).classifier
    assert (classifier.num_classes, classifier.dropout_rate, classifier.use_encoder_pooler) == (3, 0.4, True)


def test_the_masked_lm_head_is_keras_hub_s_own(of):
    pretrainer = keras_hub.read(of(MLM)).masked_lm
    head = pretrainer.masked_lm
    assert head.activation is keras.activations.gelu and head.layer_norm.epsilon == 1e-5
    assert head.embedding_table is pretrainer.encoder_network.get_embedding_layer()


def test_what_is_left_aside(of):
    slots = [f"task.weights.h5/optimizer/vars/{i}" for i in range(84)]
    steps = ["optimizer/vars/0", "optimizer/vars/1"]  # KerasHub compiles its tasks: a counter and a learning rate
    expected = {CLASSIFIER: slots, MLM: [f"task.weights.h5/{key}" for key in steps], BARE: steps, HALF: []}
    for folder, names in expected.items():
        listed, bert = keras_hub.tensors(of(folder)), keras_hub.read(of(folder))
        assert sorted(t.name for t in listed if t.weight_path is None) == sorted(names)
        assert {t.weight_path for t in listed} - {None} == set(weights(bert.encoder, bert.masked_lm, bert.classifier))


@pytest.mark.parametrize("folder", [MLM, CLASSIFIER, EMBEDDER])
def test_the_preprocessor_is_keras_hub_s(folder, of):
    preprocessor = keras_hub.read(of(folder)).preprocessor
    expected = expected_of(of(folder))
    assert (preprocessor.seq_length, preprocessor.truncation) == (11, "round_robin")
    texts, (first, second) = expected["texts"].tolist(), expected["pairs"].T.tolist()
    for kind, inputs in {"texts": preprocessor(texts), "pairs": preprocessor(first, second)}.items():
        for our, their in zip(DIALECTS["tf-models"], DIALECTS["KerasHub"], strict=True):
            np.testing.assert_array_equal(inputs[our], expected[f"{kind}_{their}"], err_msg=f"{kind} {their}")


def test_case_and_accents(of):
    masked_lm, classifier = (keras_hub.read(of(folder)).tokenizer for folder in (MLM, CLASSIFIER))
    assert masked_lm.tokenize("The cät") == ["the", "[UNK]"]  # not "cat": accents stay
    assert classifier.tokenize("The cat") == ["[UNK]", "cat"]
    assert masked_lm.vocabulary == VOCABULARY


def test_accents_are_stripped_as_the_preset_configures(of):
    directory = of(MLM)
    change_everywhere(directory, "BertTokenizer", strip_accents=True)
    assert keras_hub.read(directory).tokenizer.tokenize("The cät") == ["the", "cat"]


def test_embedding(of):
    contents = keras_hub.read(of(EMBEDDER), "float32")
    expected = expected_of(of(EMBEDDER))
    assert contents.embed_settings == EmbedSettings("max", True, 11)
    inputs = inputs_of(expected)
    pooled = numpy(pool(contents.encoder(inputs), inputs["padding_mask"], contents.embed_settings.pooling))
    np.testing.assert_allclose(
        pooled / np.linalg.norm(pooled, axis=-1, keepdims=True), expected["embedding"], rtol=0, atol=WITHIN
    )
    assert keras_hub.read(of(MLM)).embed_settings == EmbedSettings()


# -- which files -------------------------------------------------------------------------------------------------------


def test_what_is_recognized(of, tmp_path):
    for folder in FOLDERS:
        assert keras_hub.recognizes(of(folder)), folder
    assert keras_hub.recognizes(of(BARE) / "bert.weights.h5")
    hf_directory = tiny_bert.write(tmp_path / "hf")
    assert not keras_hub.recognizes(hf_directory) and huggingface.recognizes(hf_directory)
    shutil.copy(of(BARE) / "bert.weights.h5", hf_directory)
    assert not keras_hub.recognizes(hf_directory)
    assert not keras_hub.recognizes(tmp_path) and not keras_hub.recognizes(tmp_path / "nowhere")
    (of(HALF) / "config.json").write_text("{")
    assert keras_hub.recognizes(tmp_path / HALF)


def test_a_bare_backbone_reads_as_its_preset(of):
    directory = with_vocabulary(of(CLASSIFIER))
    whole, expected = keras_hub.read(directory), expected_of(directory)
    bare = keras_hub.read(directory / "model.weights.h5")  # what backbone.save_weights writes, to the byte
    assert (bare.classifier, bare.masked_lm) == (None, None)
    np.testing.assert_array_equal(*(numpy(b.encoder(inputs_of(expected))["sequence_output"]) for b in (whole, bare)))


def test_bare_shards(of):
    directory = with_vocabulary(of(MLM))
    expected = expected_of(directory)
    for name in ("config.json", "task.json", "task.weights.h5"):
        (directory / name).unlink()
    for path in (directory, directory / "model.weights.json"):
        assert keras_hub.recognizes(path)
        output = keras_hub.read(path).encoder(inputs_of(expected))["sequence_output"]
        np.testing.assert_allclose(numpy(output), expected["sequence_output"], rtol=0, atol=WITHIN)


def test_a_bare_file_s_vocabulary(of):
    directory = of(BARE)
    for path in (directory, directory / "bert.weights.h5"):
        preprocessor = keras_hub.read(path).preprocessor
        assert preprocessor.tokenizer.vocabulary == VOCABULARY and preprocessor.seq_length == 17
        assert preprocessor.tokenizer.tokenize("The cät") == ["the", "cat"]
    (directory / "vocab.txt").rename(directory / "vocabulary.txt")
    (directory / "bert_config.json").write_text('{"do_lower_case": false}')
    assert keras_hub.read(directory).tokenizer.tokenize("The cat") == ["[UNK]", "cat"]


@pytest.mark.parametrize("folder", [BARE, HALF])
def test_weights_without_a_vocabulary(folder, of):
    directory = of(folder)
    (directory / "vocab.txt").unlink()
    with pytest.raises(FileNotFoundError, match="expected the vocabulary, got no such file"):
        keras_hub.read(directory)


def test_the_case_of_a_bare_file_is_asked_for(tmp_path):
    directory = tmp_path / "a" / "b" / "c"
    shutil.copytree(unpacked(BARE, tmp_path), directory)
    with pytest.raises(ValueError, match="vocab.txt: expected .uncased. or .cased. in the name") as caught:
        keras_hub.read(directory)
    assert_one_error(caught.value)


def test_paths_of_older_keras(of):
    """Keras 2.13 kept layers in another container, private attributes had underscores, and dropout had seeds."""
    directory = of(BARE)

    def old(name):
        name = name.replace("layers/", "_layer_checkpoint_dependencies/")
        return name.replace("/query_dense", "/_query_dense").replace("masked_lm_head/_", "masked_lm_head/")

    def rename(tensors):
        old_tensors = {old(name): value for name, value in tensors.items()}
        old_tensors["_layer_checkpoint_dependencies/dropout/seed_generator/vars/0"] = np.zeros(2, "uint32")
        tensors.clear()
        tensors.update(old_tensors)

    rewrite(directory / "bert.weights.h5", rename)
    contents = keras_hub.read(directory)
    assert_outputs(contents, expected_of(directory))
    seeds = [t for t in keras_hub.tensors(directory) if "seed_generator" in t.name]
    assert len(seeds) == 1 and seeds[0].known and seeds[0].weight_path is None


def test_tensors_without_a_model(of):
    infos = {info.name: info for info in keras_hub.tensors(of(CLASSIFIER))}
    assert len(infos) == 39 + 2 + 84
    query = infos[QUERY]
    assert query[1:5] == ((21, 3, 7), "float32", "layer_1/self_attention/query/kernel", True)
    assert infos["layers/dense/vars/0"].weight_path == "pooler_transform/kernel"
    assert infos["task.weights.h5/layers/dense/vars/0"].weight_path == "classifier/logits/kernel"
    slot = infos["task.weights.h5/optimizer/vars/2"]
    assert slot.weight_path is None and slot.known
    assert {info.dtype for info in keras_hub.tensors(of(EMBEDDER))} == {"bfloat16"}
    bare = {info.weight_path for info in keras_hub.tensors(of(BARE))} - {None}
    assert len(bare) == 39 + 5 and {"masked_lm/output_bias", "embeddings/type_embeddings/embeddings"} <= bare


def test_tensors_of_another_architecture(of):
    directory = of(HALF)
    change_top(directory / "config.json", class_name="RobertaBackbone")
    assert keras_hub.recognizes(directory)
    infos = keras_hub.tensors(directory)
    assert len(infos) == 39 and not any(info.known or info.weight_path for info in infos)


# -- what can be wrong -------------------------------------------------------------------------------------------------


def assert_one_error(error):
    """Nothing of a dependency's own traceback stands above it."""
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__
    assert len(str(error)) < 700


def change(path, **fields):
    """Changes arguments in a serialized object; None removes one."""
    state = json.loads(path.read_text(encoding="utf-8"))
    state["config"] = {k: v for k, v in (state["config"] | fields).items() if v is not None}
    path.write_text(json.dumps(state), encoding="utf-8")


def change_top(path, **fields):
    state = json.loads(path.read_text(encoding="utf-8")) | fields
    path.write_text(json.dumps({k: v for k, v in state.items() if v is not None}), encoding="utf-8")


def change_everywhere(directory, class_name, **fields):
    """Changes arguments in every copy of an object that a preset holds."""

    def visit(state):
        if isinstance(state, dict):
            if state.get("class_name") == class_name:
                state["config"] |= fields
            for value in state.values():
                visit(value)

    for path in (directory / name for name in JSON if (directory / name).is_file()):
        state = json.loads(path.read_text(encoding="utf-8"))
        visit(state)
        path.write_text(json.dumps(state), encoding="utf-8")


def shorten(path, share=0.5):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def rewrite(path, edit):
    """Rewrite an HDF5 file after `edit` has changed the dict of its tensors."""
    tensors = {}
    with h5py.File(path) as file:
        file.visititems(lambda n, item: tensors.update({n: item[()]}) if isinstance(item, h5py.Dataset) else None)
    edit(tensors)
    with h5py.File(path, "w") as file:
        for name, value in tensors.items():
            file[name] = value


FILES = {  # what is done to a copy of a folder: the folder, a function, the error's kind and words in it
    "no weights": (
        *(HALF, lambda d: (d / "model.weights.h5").unlink(), FileNotFoundError),
        "expected model.weights.h5 or model.weights.json",
    ),
    "a shard missing": (
        *(MLM, lambda d: (d / SHARD).unlink(), FileNotFoundError),
        f"model.weights.json: expected {SHARD} beside it",
    ),
    "an index without a map": (
        *(MLM, lambda d: (d / "model.weights.json").write_text("{}"), ValueError),
        "model.weights.json: weight_map: expected 1 to 1,000 files, got 0",
    ),
    "an invalid index": (
        *(MLM, lambda d: (d / "model.weights.json").write_text('{"weight_map": {"a": 3}}'), ValueError),
        "model.weights.json: weight_map: expected files beside it, got '3'",
    ),
    "cut off": (
        *(HALF, lambda d: shorten(d / "model.weights.h5"), ValueError),
        "model.weights.h5 is damaged or truncated",
    ),
    "a shard cut off": (*(MLM, lambda d: shorten(d / SHARD), ValueError), f"{SHARD} is damaged or truncated"),
    "a head cut off": (
        *(MLM, lambda d: shorten(d / "task.weights.h5"), ValueError),
        "task.weights.h5 is damaged or truncated",
    ),
    "a bare file cut off": (
        *(BARE, lambda d: shorten(d / "bert.weights.h5"), ValueError),
        "bert.weights.h5 is damaged or truncated",
    ),
    "not HDF5": (
        *(BARE, lambda d: (d / "bert.weights.h5").write_bytes(b"nothing"), ValueError),
        "bert.weights.h5 is damaged or truncated",
    ),
    "empty": (
        *(HALF, lambda d: (d / "model.weights.h5").write_bytes(b""), ValueError),
        "model.weights.h5 is damaged or truncated",
    ),
    "no bare file": (
        *(BARE, lambda d: (d / "bert.weights.h5").unlink(), FileNotFoundError),
        "expected config.json or a file NAME.weights.h5",
    ),
    "two bare files": (
        *(BARE, lambda d: shutil.copy(d / "bert.weights.h5", d / "other.weights.h5"), ValueError),
        "expected one weights file, got bert.weights.h5, other.weights.h5",
    ),
    "an invalid config": (
        *(HALF, lambda d: (d / "config.json").write_text("{"), ValueError),
        "config.json: expected JSON",
    ),
    "a config without arguments": (
        *(HALF, lambda d: change_top(d / "config.json", config=None), ValueError),
        "config.json: expected the field 'config'",
    ),
    "a config without a field": (
        *(HALF, lambda d: change(d / "config.json", num_heads=None), ValueError),
        "config.json: expected the field 'num_heads'",
    ),
    "a field that is no number": (
        *(HALF, lambda d: change(d / "config.json", num_layers="two"), ValueError),
        "config.json: num_layers: expected a whole number from 1 to 1,000, got 'two'",
    ),
    "heads that do not divide": (
        *(HALF, lambda d: change(d / "config.json", num_heads=4), ValueError),
        "config.json: hidden_size: expected a multiple of num_attention_heads=4, got 21",
    ),
    "another number of heads": (
        *(HALF, lambda d: change(d / "config.json", num_heads=7), ValueError),
        "expected shape (21, 7, 3) from config.json, got (21, 3, 7)",
    ),
    "more layers than there are": (
        *(HALF, lambda d: change(d / "config.json", num_layers=3), ValueError),
        "missing: layers/transformer_encoder_2/",
    ),
    "fewer layers than there are": (
        *(HALF, lambda d: change(d / "config.json", num_layers=1), ValueError),
        "missing: none; unexpected: layers/transformer_encoder_1/",
    ),
    "no head": (
        *(MLM, lambda d: (d / "task.weights.h5").unlink(), FileNotFoundError),
        "task.json: expected task.weights.h5 for the head of a BertMaskedLM",
    ),
    "another head": (
        *(MLM, lambda d: change_top(d / "task.json", **CLASSIFIES), ValueError),
        "missing: layers/dense/vars/0, layers/dense/vars/1; unexpected: task.weights.h5/layers/masked_lm_head/",
    ),
    "more classes than there are": (
        *(CLASSIFIER, lambda d: change(d / "task.json", num_classes=4), ValueError),
        "'task.weights.h5/layers/dense/vars/0': expected shape (21, 4) from config.json with task.json, got (21, 3)",
    ),
    "classes that are no number": (
        *(CLASSIFIER, lambda d: change(d / "task.json", num_classes="many"), ValueError),
        "task.json: num_classes: expected a whole number",
    ),
    "no vocabulary": (
        *(MLM, lambda d: (d / "assets" / "tokenizer" / "vocabulary.txt").unlink(), FileNotFoundError),
        "vocabulary.txt with tokenizer.json",
    ),
    "a damaged vocabulary": (
        *(MLM, lambda d: (d / "assets" / "tokenizer" / "vocabulary.txt").write_text("the\ncat\n"), ValueError),
        "vocabulary.txt: ",
    ),
    "a vocabulary alone": (
        *(MLM, lambda d: [(d / name).unlink() for name in JSON[1:]], FileNotFoundError),
        "expected tokenizer.json",
    ),
    "another tokenizer": (
        *(MLM, lambda d: change_top(d / "tokenizer.json", class_name="RobertaTokenizer"), ValueError),
        "tokenizer.json: expected KerasHub's BertTokenizer, got class_name 'RobertaTokenizer'",
    ),
    "another tokenizer's argument": (
        *(MLM, lambda d: change(d / "tokenizer.json", suffix_indicator="@@"), ValueError),
        "tokenizer.json: suffix_indicator: expected '##' and nothing else, got '@@'",
    ),
    "no length": (
        *(MLM, lambda d: change(d / "preprocessor.json", sequence_length=None), ValueError),
        "preprocessor.json: expected the field 'sequence_length'",
    ),
    "another pooling": (
        *(EMBEDDER, lambda d: change(d / "task.json", pooling_mode="sum"), ValueError),
        "task.json: pooling_mode: expected one of 'mean', 'cls', 'max', got 'sum'",
    ),
}


@pytest.mark.parametrize("damage", FILES)
def test_damaged_files(damage, of):
    folder, edit, kind, words = FILES[damage]
    directory = of(folder)
    edit(directory)
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        keras_hub.read(directory)
    assert type(caught.value) is kind
    assert words in str(caught.value) and str(directory) in str(caught.value)
    assert_one_error(caught.value)


@pytest.mark.parametrize(
    "architecture", ["RobertaBackbone", "DistilBertBackbone", "AlbertBackbone", "ElectraBackbone", "Functional"]
)
def test_another_architecture_is_named(architecture, of):
    directory = of(HALF)
    change_top(directory / "config.json", class_name=architecture, registered_name=f"keras_hub>{architecture}")
    with pytest.raises(ValueError, match=f"expected .*BertBackbone.*, got class_name '{architecture}'") as caught:
        keras_hub.read(directory)
    assert_one_error(caught.value)


def put(key, value):
    return lambda tensors: tensors.update({key: value})


def transpose(key):
    return lambda tensors: tensors.update({key: tensors[key].T})


TASK = "layers/bert_backbone/"
TENSORS = {  # what is done to the tensors of a file: folder, file, a function, words of the error
    "missing": (
        *(HALF, "model.weights.h5", lambda t: t.pop(QUERY)),
        "missing: layers/transformer_encoder_1/self_attention_layer/query_dense/vars/0; unexpected: none.",
    ),
    "missing in a shard": (
        *(MLM, "model_00000.weights.h5", lambda t: t.pop("layers/embedding/vars/0")),
        "missing: layers/embedding/vars/0; unexpected: none.",
    ),
    "missing in a bare file": (
        *(BARE, "bert.weights.h5", lambda t: t.pop(f"{TASK}layers/reversible_embedding/vars/0")),
        "missing: layers/bert_backbone/layers/reversible_embedding/vars/0; unexpected: none.",
    ),
    "half a pooler": (
        *(HALF, "model.weights.h5", lambda t: t.pop("layers/dense/vars/1")),
        "missing: layers/dense/vars/1; unexpected: none.",
    ),
    "half a head": (
        *(MLM, "task.weights.h5", lambda t: t.pop("layers/masked_lm_head/vars/0")),
        "missing: layers/masked_lm_head/vars/0; unexpected: none.",
    ),
    "half a classifier": (
        *(CLASSIFIER, "task.weights.h5", lambda t: t.pop("layers/dense/vars/1")),
        "missing: layers/dense/vars/1; unexpected: none.",
    ),
    "unknown": (
        *(HALF, "model.weights.h5", put("layers/adapter/vars/0", np.zeros((3, 5), "float32"))),
        "missing: none; unexpected: layers/adapter/vars/0.",
    ),
    "unknown in a layer": (
        *(BARE, "bert.weights.h5", put(f"{TASK}{QUERY[:-1]}2", np.zeros((3, 5), "float32"))),
        f"missing: none; unexpected: {TASK}{QUERY[:-1]}2.",
    ),
    "unknown in a task": (
        *(CLASSIFIER, "task.weights.h5", put("layers/dense_1/vars/0", np.zeros((3, 5), "float32"))),
        "missing: none; unexpected: task.weights.h5/layers/dense_1/vars/0.",
    ),
    "there twice": (
        *(HALF, "model.weights.h5", put(QUERY.replace("query", "_query"), np.zeros((21, 3, 7), "float16"))),
        "missing: none; unexpected: layers/transformer_encoder_1/",
    ),
    "transposed": (
        *(HALF, "model.weights.h5", transpose(QUERY)),
        f"the tensor '{QUERY}': expected shape (21, 3, 7) from config.json, got (7, 3, 21)",
    ),
    "transposed in a bare file": (
        *(BARE, "bert.weights.h5", transpose(f"{TASK}{INNER}")),
        f"the tensor '{TASK}{INNER}': expected shape (21, 13) from the other tensors' shapes, got (13, 21)",
    ),
    "a scalar": (
        *(BARE, "bert.weights.h5", put(f"{TASK}layers/layer_normalization/vars/0", np.float32(3))),
        "expected shape (21,) from the other tensors' shapes",
    ),
    "whole numbers": (
        *(HALF, "model.weights.h5", put(QUERY, np.zeros((21, 3, 7), "int8"))),
        f"the tensor '{QUERY}': expected one of float32, float16, bfloat16, float64, got int8",
    ),
    "two bytes of nothing": (
        *(HALF, "model.weights.h5", put(QUERY, np.zeros((21, 3, 7), "V2"))),
        f"the tensor '{QUERY}': expected one of float32, float16, bfloat16, float64, got |V2",
    ),
    "words": (
        *(HALF, "model.weights.h5", put(QUERY, "cat")),
        f"the tensor '{QUERY}': expected one of float32, float16, bfloat16, float64, got object",
    ),
}


@pytest.mark.parametrize("damage", TENSORS)
def test_damaged_tensors(damage, of):
    folder, file, edit, words = TENSORS[damage]
    directory = of(folder)
    rewrite(directory / file, edit)
    with pytest.raises(ValueError) as caught:
        keras_hub.read(directory)
    assert words in str(caught.value) and str(directory) in str(caught.value)
    assert_one_error(caught.value)


def test_nothing_outside_of_a_file_is_read(of, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(21 * 21 * 2))
    for what in ("tensor", "link", "soft link"):
        directory = of(HALF)
        with h5py.File(directory / "model.weights.h5", "a") as file:
            del file["layers/dense/vars/0"]
            if what == "tensor":
                outside = [(str(tmp_path / "secret"), 0, h5py.h5f.UNLIMITED)]
                file.create_dataset("layers/dense/vars/0", (21, 21), "float16", external=outside)
            elif what == "link":
                file["layers/dense/vars/0"] = h5py.ExternalLink(str(tmp_path / "secret"), "x")
            else:
                file["layers/dense/vars/0"] = h5py.SoftLink("/layers/dense/vars/1")
        words = {"tensor": "expected an array in this file"}
        with pytest.raises(
            ValueError, match=words.get(what, "'layers/dense/vars/0': expected an array or group, got a soft")
        ) as caught:
            keras_hub.read(directory)
        assert_one_error(caught.value)


def test_nothing_in_a_preset_is_built(of, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("Keras was asked to build what a file names")

    directory = of(CLASSIFIER)
    monkeypatch.setattr(keras.saving, "deserialize_keras_object", refuse)
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    assert keras_hub.read(directory).classifier is not None


def test_changed_bytes_never_end_in_a_dependency_s_error(of):
    """Damage within a file is an error of ours, or changes only numbers: at a hundred positions."""
    file = of(HALF) / "model.weights.h5"
    content = file.read_bytes()
    damaged = 0
    for position in np.random.default_rng(5).integers(0, len(content), 100):
        file.write_bytes(content[:position] + bytes([content[position] ^ 255]) + content[position + 1 :])
        try:
            keras_hub.tensors(file)
        except ValueError as error:
            assert str(file) in str(error)
            damaged += 1
    assert damaged > 5


# -- what is done, and said --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "multi_label"), [("linear", False), ("softmax", False), ("sigmoid", True), (None, False)]
)
def test_an_activation_says_what_the_probabilities_are(activation, multi_label, of):
    """KerasHub applies it to the logits; here the classifier gives logits, and `predict` applies the same."""
    directory = of(CLASSIFIER)
    change_everywhere(directory, "BertTextClassifier", activation=activation)
    bert = keras_hub.read(directory)
    assert bert.classifier.multi_label is multi_label
    assert_outputs(bert, expected_of(directory))


def test_precision_and_freezing_are_followed(of):
    directory = of(CLASSIFIER)
    policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "mixed_bfloat16"}}
    change_everywhere(directory, "BertBackbone", dtype=policy, trainable=False)
    bert = keras_hub.read(directory)
    assert bert.encoder.dtype_policy.name == bert.classifier.dtype_policy.name == "mixed_bfloat16"
    assert not bert.encoder.trainable and {v.dtype for v in bert.encoder.weights} == {"float32"}
    change_everywhere(directory, "BertBackbone", dtype="float16")  # as Keras writes it where it is the layer's own
    assert {v.dtype for v in keras_hub.read(directory).encoder.weights} == {"float16"}


UNKNOWN_HEADS = {  # what is done to a preset: fields of its task.json, words of the warning
    "another task": (
        {"class_name": "BertParser", "registered_name": None},
        "expected one of BertMaskedLM, .*, got 'BertParser'",
    ),
    "a task of the user's": (
        {"registered_name": "mine>BertTextClassifier"},
        "expected one of .*, got 'mine>BertTextClassifier'",
    ),
    "no task": ({"class_name": ["BertParser"], "registered_name": None}, r"expected one of .*, got \['BertParser'\]"),
    "another activation": ({"config": {"activation": "tanh"}}, "activation: expected one of linear, .*, got 'tanh'"),
    "a function": ({"config": {"activation": {"class_name": "function"}}}, "activation: .* got {'class_name'"),
    "one class": (
        {"config": {"activation": "sigmoid", "num_classes": 1}},
        "activation: expected 'linear' for one class, got 'sigmoid'",
    ),
}


@pytest.mark.parametrize("head", UNKNOWN_HEADS)
def test_a_head_that_is_unknown_leaves_the_encoder(head, of):
    fields, words = UNKNOWN_HEADS[head]
    directory = of(CLASSIFIER)
    state = json.loads((directory / "task.json").read_text(encoding="utf-8"))
    config = state["config"] | fields.get("config", {})
    (directory / "task.json").write_text(json.dumps(state | fields | {"config": config}), encoding="utf-8")
    with pytest.warns(UserWarning, match=f"task.json: {words}.*The head is not loaded") as caught:
        bert = keras_hub.read(directory)
    assert len(caught) == 1 and bert.classifier is None and bert.masked_lm is None
    expected = expected_of(directory)
    assert_outputs(bert, {name: value for name, value in expected.items() if name != "logits"})
    aside = {t.name for t in keras_hub.tensors(directory) if t.known and t.weight_path is None}
    assert "task.weights.h5/layers/dense/vars/0" in aside


REFUSED = {  # a setting of KerasHub's that is not followed: the class that has it, its value
    "truncate": ("BertTextClassifierPreprocessor", "waterfall"),
    "split": ("BertTokenizer", False),
    "split_on_cjk": ("BertTokenizer", False),
    "suffix_indicator": ("BertTokenizer", "@@"),
    "oov_token": ("BertTokenizer", "<unk>"),
    "special_tokens": ("BertTokenizer", ["[ENT]"]),
    "vocabulary": ("BertTokenizer", "/somewhere/vocab.txt"),
    "lowercase": ("BertTokenizer", "yes"),
    "strip_accents": ("BertTokenizer", 1),
    "pooling_mode": ("BertTextEmbedder", "sum"),
    "normalize": ("BertTextEmbedder", None),
    "dtype": ("BertBackbone", {"module": "keras", "class_name": "QuantizedDTypePolicy", "config": {}}),
}


@pytest.mark.parametrize("field", REFUSED)
def test_a_setting_that_is_not_followed_is_refused(field, of):
    class_name, value = REFUSED[field]
    directory = of(EMBEDDER if class_name == "BertTextEmbedder" else CLASSIFIER)
    change_everywhere(directory, class_name, **{field: value})
    with pytest.raises(ValueError, match=rf"\.json.*: {field}") as caught:
        keras_hub.read(directory)
    assert_one_error(caught.value)


NUMBERS = {  # file -> fields that are numbers
    "config.json": [*configuration.SIZES.values(), "dropout"],
    "task.json": ["num_classes", "dropout"],
    "preprocessor.json": ["sequence_length"],
}


@pytest.mark.parametrize("value", ["2", float("nan"), float("inf"), None, -1, 10**9, 2.5, [2], {"a": 2}, True])
def test_each_number_is_checked(value, of):
    directory = of(CLASSIFIER)
    for file, fields in NUMBERS.items():
        before = (directory / file).read_bytes()
        for field in fields:
            state = json.loads(before)
            state["config"][field] = value
            (directory / file).write_text(json.dumps(state), encoding="utf-8")
            with pytest.raises(ValueError, match=rf"{file}: {field}: expected a (whole )?number") as caught:
                keras_hub.read(directory)
            assert_one_error(caught.value)
        (directory / file).write_bytes(before)


@pytest.mark.parametrize("file", [*JSON, "model.weights.json"])
def test_json_that_is_nested_too_deeply(file, of):
    directory = of(MLM)
    (directory / file).write_text("[" * 100_000)
    with pytest.raises(ValueError, match=rf"{file}: expected JSON, got values nested too deeply") as caught:
        keras_hub.read(directory)
    assert_one_error(caught.value)


def test_one_warning_lists_the_fields_that_are_unknown(of):
    directory = of(CLASSIFIER)
    change(directory / "config.json", one=1)
    change(directory / "tokenizer.json", two=2)
    change_top(directory / "task.json", three=3)
    with pytest.warns(UserWarning) as caught:
        bert = keras_hub.read(directory)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert all(
        words in message for words in ("'one' in config.json", "'two' in tokenizer.json", "'three' in task.json")
    )
    assert_outputs(bert, expected_of(directory))


COPIES = {  # a file -> a field that a copy of it in another file says otherwise
    "config.json": {"dropout": 0.3},
    "preprocessor.json": {"sequence_length": 13},
    "tokenizer.json": {"lowercase": True},
}


@pytest.mark.parametrize("file", COPIES)
def test_copies_that_disagree_are_refused(file, of):
    directory, (field, value) = of(CLASSIFIER), *COPIES[file].items()
    change(directory / file, **{field: value})
    with pytest.raises(ValueError, match=rf"{field}: expected .*, as in .*, got ") as caught:
        keras_hub.read(directory)
    assert str(directory) in str(caught.value) and file in str(caught.value) + "preprocessor.json"


@pytest.mark.parametrize("name", ["../{}", "{folder}/{}", "sub/{}", ".", "..", "", "a\\{}"])
def test_an_index_names_files_beside_it_only(name, of, tmp_path):
    directory = of(MLM)
    shutil.copy(directory / SHARD, tmp_path / SHARD)
    named = name.format(SHARD, folder=tmp_path)
    text = (directory / "model.weights.json").read_text(encoding="utf-8")
    (directory / "model.weights.json").write_text(text.replace(SHARD, json.dumps(named)[1:-1]), encoding="utf-8")
    with pytest.raises(ValueError, match=r"model\.weights\.json: weight_map: expected files beside it, got "):
        keras_hub.read(directory)


def test_an_index_of_too_many_files(of):
    directory = of(MLM)
    names = {f"a{i}": f"model_{i:05}.weights.h5" for i in range(common.MAX_SHARDS + 1)}
    (directory / "model.weights.json").write_text(json.dumps({"weight_map": names}))
    with pytest.raises(ValueError, match="weight_map: expected 1 to 1,000 files, got 1,001"):
        keras_hub.read(directory)


def test_a_type_that_an_array_does_not_have(of):
    directory = of(HALF)
    with h5py.File(directory / "model.weights.h5", "a") as file:
        file[QUERY].attrs["dtype"] = "bfloat16"
        file["layers/dense/vars/1"].attrs["dtype"] = "bfloat16"
        value = file["layers/dense/vars/0"][()].astype("float32")
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = value
        file["layers/dense/vars/0"].attrs["dtype"] = "bfloat16"
    with pytest.raises(ValueError, match="layers/dense/vars/0': expected shape|damaged") as caught:
        keras_hub.read(directory)
    assert_one_error(caught.value)


def test_weights_that_are_not_finite_are_reported(of):
    directory = of(HALF)
    rewrite(directory / "model.weights.h5", put(QUERY, np.full((21, 3, 7), np.inf, "float16")))
    with pytest.warns(UserWarning, match=f"NaN or infinity in {QUERY}"):
        loaded = keras_hub.read(directory)
    arrays = [keras.ops.convert_to_numpy(variable).astype("float32") for variable in loaded.encoder.weights]
    assert sum(not np.isfinite(array).any() for array in arrays) == 1  # they are loaded as they are


def test_lengths(of):
    directory = of(MLM)
    change_everywhere(directory, "BertMaskedLMPreprocessor", sequence_length=512)
    assert keras_hub.read(directory).preprocessor.seq_length == 17  # as long as the model's positions
    (directory / "preprocessor.json").unlink()
    (directory / "task.json").unlink()
    assert keras_hub.read(directory).preprocessor.seq_length == 17


def test_a_task_s_weights_without_its_description(of):
    directory = of(CLASSIFIER)
    (directory / "task.json").unlink()
    contents = keras_hub.read(directory)
    assert contents.classifier.dropout_rate == 0.1
    assert_outputs(contents, expected_of(directory))


def test_a_directory_is_left_as_it_was(of):
    directory = of(MLM)
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    keras_hub.read(directory)
    assert {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()} == before


@pytest.mark.peers
def test_against_keras_hub_itself(of):
    """The fixtures are still what this KerasHub reads, and reads as the one that wrote them."""
    peers = pytest.importorskip("keras_hub")
    directory = of(MLM)
    expected = expected_of(directory)
    peer_model = peers.models.BertMaskedLM.from_preset(str(directory))
    inputs = inputs_of(expected)
    logits = numpy(peer_model(inputs | {"mask_positions": expected["mask_positions"]}))
    outputs = keras_hub.read(directory).masked_lm(inputs | {"masked_lm_positions": expected["mask_positions"]})
    np.testing.assert_allclose(numpy(outputs["mlm_logits"]), logits, rtol=0, atol=WITHIN)

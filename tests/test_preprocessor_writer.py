"""Preprocessors that we write as SavedModels: what they compute, their parts, and what cannot be written."""

import builtins
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from small_world import SENTENCE, VOCABULARY

import bertedu as be
from bertedu.checkpoints.tensorflow import preprocessor_writer, saved_model
from bertedu.checkpoints.tensorflow.preprocessor_writer import export_preprocessor

tf = pytest.importorskip("tensorflow")
pytest.importorskip("tensorflow_text")

TEXTS = [SENTENCE, "The cat, unwanted. It was warm , the dog ran on and on and on.", "", "warm"]
PAIRS = ["it ran", "", "the dog ran and it was warm , it was warm", "un wanted"]
KEYS = ["input_word_ids", "input_mask", "input_type_ids"]


def preprocessor_of(seq_length=11, truncation="round_robin", **options):
    return be.BertPreprocessor(be.BertTokenizer(VOCABULARY, **options), seq_length, truncation)


@pytest.fixture(scope="module", params=[True, False], ids=["uncased", "cased"])
def exported(request, tmp_path_factory):
    """A preprocessor, where it was written, and the loaded SavedModel."""
    preprocessor = preprocessor_of(lowercase=request.param)
    path = export_preprocessor(preprocessor, tmp_path_factory.mktemp("out") / "text")
    return preprocessor, path, tf.saved_model.load(str(path))


def assert_same(outputs, expected):
    assert set(outputs) == set(expected) == set(KEYS)
    for key in KEYS:
        assert outputs[key].dtype == tf.int32
        np.testing.assert_array_equal(outputs[key], expected[key], err_msg=key)


def test_texts(exported):
    preprocessor, _, loaded = exported
    assert_same(loaded(tf.constant(TEXTS)), preprocessor(TEXTS))
    assert_same(loaded(tf.constant([], "string")), preprocessor([]))
    assert_same(loaded(tf.constant(TEXTS), training=True, mask=None), preprocessor(TEXTS))
    assert_same(loaded.signatures["serving_default"](sentences=tf.constant(TEXTS)), preprocessor(TEXTS))


@pytest.mark.parametrize("seq_length", [None, 13, 8, 5, 4])
def test_pairs_are_cut_in_turn(exported, seq_length):
    preprocessor, _, loaded = exported
    segments = [loaded.tokenize(tf.constant(texts)) for texts in (TEXTS, PAIRS)]
    options = {} if seq_length is None else {"seq_length": seq_length}
    expected = be.BertPreprocessor(preprocessor.tokenizer, seq_length or 11)
    assert_same(loaded.bert_pack_inputs(segments, **options), expected(TEXTS, PAIRS))
    assert_same(loaded.bert_pack_inputs(segments[:1], **options), expected(TEXTS))
    flat = [segment.merge_dims(1, -1) for segment in segments]
    assert_same(loaded.bert_pack_inputs(flat, **options), expected(TEXTS, PAIRS))


def test_the_tokenizer(exported):
    preprocessor, _, loaded = exported
    tokens = loaded.tokenize(tf.constant(["the unwanted cat", ""]))
    assert tokens.dtype == tf.int32 and tokens.to_list() == [[[5], [15, 16, 17], [6]], []]
    special = loaded.tokenize.get_special_tokens_dict()
    assert {name: int(i) for name, i in special.items()} == preprocessor.tokenizer.special_tokens_dict()
    tokens, starts, ends = loaded.tokenize_with_offsets(tf.constant(["é unwanted"]))
    first = 2 if preprocessor.tokenizer.get_config()["lowercase"] else 3  # é has two bytes, the e it becomes has one
    assert tokens.to_list() == [[[1], [15, 16, 17]]]
    assert starts.to_list() == [[[0], [first, first + 2, first + 6]]]
    assert ends.to_list() == [[[first - 1], [first + 2, first + 6, first + 8]]]


def test_our_reader_reads_it_back(exported):
    preprocessor, path, _ = exported
    tokenizer = saved_model.read_tokenizer(path)
    assert tokenizer.vocabulary == preprocessor.tokenizer.vocabulary
    assert tokenizer.tokenize("The cat") == preprocessor.tokenizer.tokenize("The cat")
    assert (path / "assets" / "vocab.txt").read_text(encoding="utf-8").split() == VOCABULARY
    assert str(path.parent).encode() not in (path / "saved_model.pb").read_bytes()
    with pytest.raises(ValueError, match=f"lowercase={preprocessor.tokenizer.lowercase}") as caught:
        be.load(path)
    assert str(path) in str(caught.value) and "preprocessor" in str(caught.value)


def test_in_a_dataset_and_in_a_model_of_keras_3(exported):
    preprocessor, path, loaded = exported
    rows = list(tf.data.Dataset.from_tensor_slices(TEXTS).batch(2).map(loaded))
    assert_same({key: tf.concat([row[key] for row in rows], 0) for key in KEYS}, preprocessor(TEXTS))
    if keras.backend.backend() == "tensorflow":
        text_input = keras.Input((), dtype="string")
        outputs = keras.layers.TFSMLayer(str(path), call_endpoint="__call__")(text_input)
        assert outputs["input_mask"].shape == (None, 11)
        assert_same(keras.Model(text_input, outputs)(tf.constant(TEXTS)), preprocessor(TEXTS))


def test_it_can_be_saved_again_within_something_larger(exported, tmp_path):
    preprocessor, _, loaded = exported
    larger = tf.Module()
    larger.text, larger.tokenize = loaded, loaded.tokenize
    larger.run = tf.function(
        lambda texts: loaded(texts)["input_word_ids"], input_signature=[tf.TensorSpec((None,), tf.string)]
    )
    tf.saved_model.save(larger, str(tmp_path / "larger"))
    again = tf.saved_model.load(str(tmp_path / "larger"))
    np.testing.assert_array_equal(again.run(tf.constant(TEXTS)), preprocessor(TEXTS)["input_word_ids"])


def test_in_a_session_as_tensorflow_s_servers_run_it(exported):
    preprocessor, path, _ = exported
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        signature = tf.compat.v1.saved_model.load(session, ["serve"], str(path)).signature_def["serving_default"]
        outputs = {name: tensor.name for name, tensor in signature.outputs.items()}
        outputs = session.run(outputs, {signature.inputs["sentences"].name: TEXTS})
    for key, value in preprocessor(TEXTS).items():
        np.testing.assert_array_equal(outputs[key], value)


def test_it_runs_without_bertedu(exported):
    preprocessor, path, _ = exported
    program = f"""
import json, sys
import tensorflow as tf
import tensorflow_text
print(json.dumps(tf.saved_model.load({str(path)!r})(tf.constant({TEXTS!r}))["input_word_ids"].numpy().tolist()))
assert not any(name.startswith(("bertedu", "tokenizers")) for name in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout) == preprocessor(TEXTS)["input_word_ids"].tolist()


def test_where_tensorflow_text_differs(tmp_path):
    """What the docstring says of it, so that it stays true."""
    words = [*VOCABULARY, "[", "]", "mask", "s", "##s", "ss", "ß", "a", "##a"]
    preprocessor = be.BertPreprocessor(be.BertTokenizer(words), 11)
    loaded = tf.saved_model.load(str(export_preprocessor(preprocessor, tmp_path / "text")))

    def both(text):
        peer_ids = loaded.tokenize(tf.constant([text])).flat_values.numpy()
        return preprocessor.tokenizer.tokenize(text), [words[i] for i in peer_ids]

    assert both("[MASK]") == (["[MASK]"], ["[", "mask", "]"])
    assert both("a\u00ada") == (["a", "##a"], ["a", "##a"])  # folding has removed it already
    assert both("a\u0001a") == (["a", "##a"], ["a", "a"])
    assert both("ß") == (["ß"], ["ss"])
    assert both("ａ") == (["[UNK]"], ["a"])
    assert both("é" * 99 + "a")[0] == ["[UNK]"]
    cased = be.BertPreprocessor(be.BertTokenizer(words, lowercase=False), 11)
    loaded = tf.saved_model.load(str(export_preprocessor(cased, tmp_path / "cased")))
    assert cased.tokenizer.tokenize("the\u00a0cat") == ["the", "cat"]
    assert loaded.tokenize(tf.constant(["the\u00a0cat"])).to_list() == [[[1]]]


# -- what cannot be written --------------------------------------------------------------------------------------------


def test_longest_first_needs_an_explicit_truncation(tmp_path):
    preprocessor = preprocessor_of(truncation="longest_first")
    with pytest.raises(ValueError, match='longest_first.*Pass truncation="round_robin"'):
        export_preprocessor(preprocessor, tmp_path / "text")
    preprocessor_writer.check(preprocessor, "round_robin")
    with pytest.raises(ValueError, match="truncation: expected None or 'round_robin'.*'longest_first'"):
        export_preprocessor(preprocessor, tmp_path / "text", truncation="longest_first")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seq_length": None}, "expected a seq_length, got None"),
        ({"strip_accents": False}, "strip_accents=False"),
        ({"lowercase": False, "strip_accents": True}, "strip_accents=True"),
        ({"tokenize_chinese_chars": False}, "tokenize_chinese_chars=False"),
        ({"added_tokens": ["[ENT]"]}, r"added_tokens=\['\[ENT\]'\]"),
    ],
)
def test_what_a_graph_cannot_do_is_refused(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export_preprocessor(preprocessor_of(**options), tmp_path / "text")
    assert list(tmp_path.iterdir()) == []


def test_something_else_is_refused(tmp_path):
    with pytest.raises(TypeError, match="expected a BertPreprocessor, such as bert.preprocessor"):
        export_preprocessor(preprocessor_of().tokenizer, tmp_path / "text")


@pytest.mark.parametrize("lowercase", [True, False])
def test_strip_accents_that_says_the_usual_is_accepted(lowercase):
    preprocessor_writer.check(preprocessor_of(lowercase=lowercase, strip_accents=lowercase), None)


def test_what_is_there_stays(tmp_path):
    path = tmp_path / "text"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        export_preprocessor(preprocessor_of(), path)
    assert path.read_text(encoding="utf-8") == "mine" and list(tmp_path.iterdir()) == [path]


def test_a_failure_in_the_middle_leaves_nothing(tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError("no space left")

    monkeypatch.setattr(preprocessor_writer, "serving", fail)
    with pytest.raises(OSError, match="no space left"):
        export_preprocessor(preprocessor_of(), tmp_path / "text")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ImportError("no module"), r'pip install -e "\.\[export\]"'),
        (tf.errors.NotFoundError(None, None, "undefined symbol: _ZN"), "does not fit TensorFlow .*undefined symbol"),
    ],
    ids=["missing", "of another version"],
)
def test_without_tensorflow_text(error, message, tmp_path, monkeypatch):
    original = builtins.__import__

    def importing(name, *arguments, **options):
        if name == "tensorflow_text":
            raise error
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(ImportError, match=message):
        export_preprocessor(preprocessor_of(), tmp_path / "text")
    assert list(Path(tmp_path).iterdir()) == []

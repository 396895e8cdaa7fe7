"""Every format that we write: read back bit for bit, opened by the peer it is for, and nothing half-written left."""

import json
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
import small_world
from keras import ops
from safetensors.numpy import load_file, save_file

import bertedu as be
from bertedu import checkpoints
from bertedu.checkpoints.common import weights
from bertedu.pooling import EmbedSettings

SIZES = {
    "vocab_size": len(small_world.VOCABULARY),
    "hidden_size": 22,
    "num_layers": 2,
    "num_attention_heads": 2,
    "max_sequence_length": 13,
    "type_vocab_size": 2,
    "inner_dim": 17,
}
NAMES = {"bertedu": "bert", "huggingface": "bert", "keras": "bert.keras"}
TEXTS = ["the cat sat on the mat .", "The unwanted dog ran", ""]
PAIR = ("the cat sat", "The unwanted dog")


def strong(model):
    """Random weights large enough that every part of a model shows."""
    draw = np.random.default_rng(7)
    for variable in model.weights:
        variable.assign(ops.cast(draw.normal(size=variable.shape), variable.dtype))
    return model


def a_bert(masked_lm=False, classifier=False, tagger=False, has_pooler=True, head={}, tokenizer={}, **options):  # noqa: B006
    encoder = strong(be.BertEncoder(**{**SIZES, "name": "bert", **options}))
    tokenizer = be.BertTokenizer(small_world.VOCABULARY, **{"lowercase": True, **tokenizer})
    return be.Bert(
        tokenizer,
        encoder,
        be.BertPreprocessor(tokenizer, 11, truncation="longest_first"),
        has_pooler=has_pooler,
        embed_settings=EmbedSettings("max", True, 7),
        masked_lm=strong(be.BertPretrainer(encoder, encoder.inner_activation)) if masked_lm else None,
        classifier=strong(be.BertClassifier(encoder, 3, **head)) if classifier else None,
        token_classifier=strong(be.BertTokenClassifier(encoder, 3, class_names=["O", "B", "I"])) if tagger else None,
    )


KINDS = {
    "encoder": {},
    "encoder without pooler": {"has_pooler": False},
    "masked_lm": {"masked_lm": True},
    "classifier": {"classifier": True},
    "token classifier": {"tagger": True, "has_pooler": False},
    "three heads": {"masked_lm": True, "classifier": True, "tagger": True},
    "both heads": {"masked_lm": True, "classifier": True},
    "exact gelu, another epsilon": {"inner_activation": "gelu", "layer_norm_epsilon": 1e-5, "output_dropout": 0.3},
    "float16": {"dtype": "float16", "masked_lm": True},
    "bfloat16": {"dtype": "bfloat16", "classifier": True},
    "talking heads": {"attention_cls": be.TalkingHeadsAttention, "feedforward_cls": be.GatedFeedforward},
    "norm first, narrow": {"norm_first": True, "embedding_width": 5, "masked_lm": True},
    "tokenizer settings": {"tokenizer": {"strip_accents": False, "added_tokens": ["[NEW]"]}, "vocab_size": 21},
    "own pooler": {"classifier": True, "head": {"use_encoder_pooler": False, "dropout_rate": 0.2}},
}
NOT_STORED = {  # (format, kind) that a format cannot store -> part of the error
    ("huggingface", "talking heads"): "TalkingHeadsAttention",
    ("huggingface", "norm first, narrow"): "norm_first",
    ("huggingface", "own pooler"): "use_encoder_pooler",
    ("huggingface", "three heads"): "a classifier and a token classifier",
    ("keras", "three heads"): "classifier and token_classifier and masked_lm",
    ("keras", "both heads"): "classifier and masked_lm",
}


def assert_same(bert, copy):
    """All weights to the bit, all settings, and what the model does."""
    expected, actual = (weights(b.encoder, b.masked_lm, b.classifier, b.token_classifier) for b in (bert, copy))
    assert expected.keys() == actual.keys()
    for path in expected:
        if "pooler_transform" in path and not bert.has_pooler:
            continue
        assert expected[path].dtype == actual[path].dtype, path
        np.testing.assert_array_equal(
            *(ops.convert_to_numpy(ops.cast(w[path], "float32")) for w in (expected, actual)), err_msg=path
        )
    for attribute in ("has_pooler", "embed_settings", "max_length"):
        assert getattr(bert, attribute) == getattr(copy, attribute), attribute
    assert bert.tokenizer.get_config() == copy.tokenizer.get_config()
    inputs = bert.preprocessor(TEXTS)
    for name, array in copy.preprocessor(TEXTS).items():
        np.testing.assert_array_equal(array[:, : inputs[name].shape[1]], inputs[name][:, : array.shape[1]])
    one, two = bert.read(*PAIR), copy.read(*PAIR)
    assert one.tokens == two.tokens
    np.testing.assert_array_equal(one.attention, two.attention)
    np.testing.assert_array_equal(bert.embed(TEXTS), copy.embed(TEXTS))
    if bert.masked_lm:
        assert bert.fill_mask("the [MASK] sat") == copy.fill_mask("the [MASK] sat")
    if bert.classifier:
        assert bert.classifier.dropout_rate == copy.classifier.dropout_rate
        np.testing.assert_array_equal(
            *(ops.convert_to_numpy(ops.cast(b.classifier(inputs), "float32")) for b in (bert, copy))
        )


def test_every_writer_is_tested():
    assert NAMES.keys() == checkpoints.WRITERS.keys()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", NAMES)
def test_what_is_written_is_read_back_to_the_bit(form, kind, tmp_path):
    bert = a_bert(**KINDS[kind])
    target = tmp_path / "new" / NAMES[form]
    if (form, kind) in NOT_STORED:
        with pytest.raises(ValueError, match=NOT_STORED[form, kind]) as error:
            be.save_checkpoint(bert, target, form)
        assert '"bertedu"' in str(error.value)
        assert not list((tmp_path / "new").iterdir())
        return
    assert be.save_checkpoint(bert, target, form) == target
    assert checkpoints.recognize(target) == form
    assert list(target.parent.iterdir()) == [target]
    assert_same(bert, be.load(target))


@pytest.mark.parametrize("path", [("huggingface", "keras", "bertedu"), ("keras", "huggingface", "keras", "bertedu")])
def test_through_all_formats_and_back(path, tmp_path):
    bert = copy = a_bert(masked_lm=True)
    for i, form in enumerate(path):
        copy = be.load(be.save_checkpoint(copy, tmp_path / f"{i}" / NAMES[form], form))
    assert_same(bert, copy)


def test_another_dtype_when_it_is_asked_for(tmp_path):
    bert = a_bert(masked_lm=True, dtype="float16")
    for form, name in NAMES.items():
        be.save_checkpoint(bert, tmp_path / form / name, form)
        copy = be.load(tmp_path / form / name, dtype="float32")
        assert {str(v.dtype) for v in copy.masked_lm.weights} == {"float32"}
        half, full = (w(b.encoder) for w, b in ((weights, bert), (weights, copy)))
        for path in half:
            np.testing.assert_array_equal(ops.convert_to_numpy(half[path]), ops.convert_to_numpy(full[path]))


@pytest.mark.parametrize("form", NAMES)
def test_what_was_there_stays(form, tmp_path):
    bert = a_bert()
    target = tmp_path / NAMES[form]
    be.save_checkpoint(bert, target, form)
    with pytest.raises(FileExistsError, match=r"Choose another path, or pass overwrite=True"):
        be.save_checkpoint(bert, target, form)
    other = strong(a_bert(num_layers=1).encoder)
    be.save_checkpoint(be.Bert(bert.tokenizer, other), target, form, overwrite=True)
    assert be.load(target).encoder.num_layers == 1
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_without_a_checkpoint_is_never_replaced(tmp_path):
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(FileNotFoundError, match="expected a BERT checkpoint"):
        be.save_checkpoint(a_bert(), tmp_path, overwrite=True)
    assert (tmp_path / "diary.txt").read_text() == "mine"


@pytest.mark.parametrize("form", NAMES)
def test_a_failure_half_way_leaves_nothing_and_keeps_the_old(form, tmp_path, monkeypatch):
    bert = a_bert()
    target = tmp_path / NAMES[form]
    be.save_checkpoint(bert, target, form)

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(be.BertTokenizer, "save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        be.save_checkpoint(bert, target, form, overwrite=True)
    assert list(tmp_path.iterdir()) == [target]
    monkeypatch.undo()
    assert_same(bert, be.load(target))


def test_wrong_arguments(tmp_path):
    bert = a_bert(classifier=True)
    with pytest.raises(ValueError, match=r"format: expected one of 'bertedu', 'huggingface', 'keras', got 'onnx'"):
        be.save_checkpoint(bert, tmp_path / "a", "onnx")
    with pytest.raises(ValueError, match=r'expected the suffix "\.keras"'):
        be.save_checkpoint(a_bert(), tmp_path / "a", "keras")
    bert.classifier = bert.classifier_for(2)
    with pytest.raises(ValueError, match="classifier: expected a head"):
        be.save_checkpoint(bert, tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_a_keras_file_opens_in_a_fresh_process_with_keras_own_loader(tmp_path):
    bert = a_bert(classifier=True)
    be.save_checkpoint(bert, tmp_path / "bert.keras", "keras")
    np.savez(tmp_path / "inputs.npz", **bert.preprocessor(TEXTS))
    code = (
        "import bertedu, keras, numpy as np;"
        "model = keras.models.load_model('bert.keras');"
        "np.save('logits.npy', keras.ops.convert_to_numpy(model(dict(np.load('inputs.npz')))))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    expected = ops.convert_to_numpy(bert.classifier(bert.preprocessor(TEXTS)))
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), expected, atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="strings in a model are TensorFlow's")
def test_a_keras_file_that_model_save_made(tmp_path):
    bert = a_bert()
    text = keras.Input((), dtype="string")
    keras.Model(text, bert.encoder(bert.preprocessor(text))["pooled_output"]).save(tmp_path / "mine.keras")
    copy = be.load(tmp_path / "mine.keras")
    np.testing.assert_array_equal(copy.read("the cat").attention, bert.read("the cat").attention)


@pytest.mark.peers
def test_transformers_opens_a_saved_model(tmp_path):
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    openers = {
        "AutoModel": {},
        "AutoModelForMaskedLM": {"masked_lm": True},
        "AutoModelForSequenceClassification": {"classifier": True},
    }
    for opener, kind in openers.items():
        bert = a_bert(**kind)
        folder = be.save_checkpoint(bert, tmp_path / opener, "huggingface")
        model, report = getattr(transformers, opener).from_pretrained(folder, output_loading_info=True)
        assert not report["missing_keys"] and not report["mismatched_keys"]
        assert all("pooler" in key for key in report["unexpected_keys"])  # their masked-LM model has none
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        batch = tokenizer(TEXTS, TEXTS[::-1], padding=True, truncation="longest_first", max_length=11)
        inputs = bert.preprocessor(TEXTS, TEXTS[::-1])
        for hf_name, name in (("input_ids", "input_word_ids"), ("token_type_ids", "input_type_ids")):
            np.testing.assert_array_equal(batch[hf_name], inputs[name])
        with torch.no_grad():
            outputs = model.eval()(**{k: torch.tensor(v) for k, v in batch.items()})
        if opener == "AutoModel":
            output, peer_output = bert.encoder(inputs)["sequence_output"], outputs.last_hidden_state
        elif opener == "AutoModelForMaskedLM":
            positions = np.tile(np.arange(11), (3, 1))
            output, peer_output = (
                bert.masked_lm(inputs | {"masked_lm_positions": positions})["mlm_logits"],
                outputs.logits,
            )
        else:
            output, peer_output = bert.classifier(inputs), outputs.logits
        np.testing.assert_allclose(ops.convert_to_numpy(output), peer_output.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.peers
def test_sentence_transformers_opens_a_saved_model(tmp_path):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    bert = a_bert()
    folder = be.save_checkpoint(bert, tmp_path / "bert", "huggingface")
    model = sentence_transformers.SentenceTransformer(str(folder))
    assert model.max_seq_length == 7
    np.testing.assert_allclose(bert.embed(TEXTS), model.encode(TEXTS), atol=1e-5)


def change_json(name, change):
    def damage(folder):
        content = json.loads((folder / name).read_text())
        change(content)
        (folder / name).write_text(json.dumps(content))

    return damage


def change_tensors(change):
    def damage(folder):
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors")

    return damage


def cut(name, share=0.5):
    def damage(folder):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * share)])

    return damage


BIAS = "layer_1/feedforward/output/bias"
EVIL = {"module": "os", "class_name": "function", "config": "system", "registered_name": "function"}
DAMAGED = {
    "no weights": (lambda d: (d / "model.safetensors").unlink(), FileNotFoundError, "expected model.safetensors"),
    "no tokenizer": (lambda d: (d / "tokenizer.json").unlink(), FileNotFoundError, "tokenizer.json"),
    "a tensor missing": (change_tensors(lambda t: t.pop(BIAS)), ValueError, f"missing: {BIAS}"),
    "a tensor more": (change_tensors(lambda t: t.update(more=t[BIAS])), ValueError, "unexpected: more"),
    "transposed": (
        change_tensors(lambda t: t.update({BIAS: t[BIAS][None]})),
        ValueError,
        r"layer_1/feedforward/output/bias'.* got \(1, 22\)",
    ),
    "integers": (
        change_tensors(lambda t: t.update({BIAS: t[BIAS].astype("int8")})),
        ValueError,
        "output/bias': .*I8",
    ),
    "cut weights": (cut("model.safetensors"), ValueError, "model.safetensors is damaged or truncated"),
    "cut configuration": (cut("bertedu.json"), ValueError, r"bertedu\.json: expected JSON"),
    "a later format": (
        change_json("bertedu.json", lambda c: c.update(format=3)),
        ValueError,
        "format.*3.*[Uu]p(grad|dat)e",
    ),
    "no sizes": (change_json("bertedu.json", lambda c: c.pop("encoder")), ValueError, "expected the field 'encoder'"),
    "unknown argument": (
        change_json("bertedu.json", lambda c: c["encoder"].update(x=1)),
        ValueError,
        "known fields, got 'x'",
    ),
    "foreign code": (
        change_json("bertedu.json", lambda c: c["encoder"].update(inner_activation=EVIL)),
        ValueError,
        "inner_activation: .* got 'system'",
    ),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_directories_are_refused(damage, tmp_path):
    change, kind, words = DAMAGED[damage]
    folder = be.save_checkpoint(a_bert(), tmp_path / "bert")
    change(folder)
    with pytest.raises(kind, match=words) as error:
        be.load(folder)
    assert str(folder) in str(error.value)


def test_damaged_keras_files_are_refused(tmp_path):
    path = be.save_checkpoint(a_bert(), tmp_path / "bert.keras", "keras")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"bert\.keras is damaged or truncated"):
        be.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"module": "os", "class_name": "popen", "config": {}}))
        archive.writestr("model.weights.h5", "")
    with pytest.raises(ValueError, match="popen"):
        be.load(path)
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(path)
    with pytest.raises(ValueError, match="Sequential"):
        be.load(path)

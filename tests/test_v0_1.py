"""What version 0.1 wrote still opens and resumes, with equal outputs. `golden/make_v0_1.py` wrote the files."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from small_world import VOCABULARY

import bertedu as be

WRITTEN = Path(__file__).parent / "golden" / "v0_1"
INPUTS = dict(np.load(WRITTEN / "inputs.npz"))
POSITIONS = INPUTS.pop("masked_lm_positions")
TEXTS = ["the cat sat on the mat", "the dog ran", "it was warm", "the cat was unwanted", "the mat was warm", "it sat"]
LABELS = [0, 1, 0, 1, 0, 1]
BY_HAND = ("from_texts", "with_an_embedding_layer")  # put together from our layers, saved by Keras
MODELS = sorted(
    path.relative_to(WRITTEN)
    for path in WRITTEN.glob("*/*")
    if (path.is_dir() or path.suffix == ".keras") and path.parent.name != "training"
)


def expected_of(path):
    return dict(np.load(WRITTEN / path.parent / "expected.npz"))


def assert_equal_outputs(path, outputs):
    for name, expected in expected_of(path).items():
        np.testing.assert_allclose(outputs[name], expected, atol=1e-6, err_msg=f"{path}: {name}")


@pytest.mark.parametrize("path", [path for path in MODELS if path.parent.name not in BY_HAND], ids=str)
def test_a_model_opens_with_equal_outputs(path):
    bert = be.load(WRITTEN / path)
    outputs = dict(bert.encoder(INPUTS))
    expected = expected_of(path)
    if "logits" in expected:
        outputs["logits"] = bert.classifier(INPUTS)
    if "mlm_logits" in expected:
        outputs["mlm_logits"] = bert.masked_lm(INPUTS | {"masked_lm_positions": POSITIONS})["mlm_logits"]
    if path.name == "saved_model":  # which does not store embed settings
        outputs["embedding"] = bert.embed(TEXTS[:2], "max", True, max_length=7)
    else:
        outputs["embedding"] = bert.embed(TEXTS[:2])
        assert bert.embed_settings[:3] == ("max", True, 7)
    assert_equal_outputs(path, outputs)
    assert bert.tokenizer.vocabulary == VOCABULARY


def test_a_model_that_starts_from_texts_opens_with_equal_outputs():
    bert = be.load(WRITTEN / "from_texts" / "model.keras")
    expected = expected_of(Path("from_texts") / "model.keras")["output"]
    outputs = bert.encoder(bert.preprocessor(TEXTS[:2]))
    np.testing.assert_allclose(outputs["pooled_output"], expected, atol=1e-6)


def test_a_model_with_an_embedding_layer_opens_beside_its_vocabulary(tmp_path):
    shutil.copy(WRITTEN / "with_an_embedding_layer" / "model.keras", tmp_path)
    (tmp_path / "vocab.txt").write_text("".join(f"{word}\n" for word in VOCABULARY))
    bert = be.load(tmp_path / "model.keras")
    expected = np.load(WRITTEN / "with_an_embedding_layer" / "expected.npz")["output"]
    np.testing.assert_allclose(bert.encoder(INPUTS)["sequence_output"], expected, atol=1e-6)


@pytest.mark.parametrize("path", [path for path in MODELS if path.suffix == ".keras"], ids=str)
def test_keras_own_loader_opens_the_keras_files(path):
    model = keras.models.load_model(WRITTEN / path)
    expected = expected_of(path)
    if path.parent.name == "from_texts":
        outputs = {"output": model(np.array(TEXTS[:2]))}
    elif path.parent.name == "with_an_embedding_layer":
        outputs = {"output": model(INPUTS)["sequence_output"]}
    elif "logits" in expected:
        outputs = {"logits": model(INPUTS)}
    else:
        outputs = model(INPUTS | ({"masked_lm_positions": POSITIONS} if "mlm_logits" in expected else {}))
    for name in expected.keys() & outputs.keys():
        np.testing.assert_allclose(outputs[name], expected[name], atol=1e-6, err_msg=name)
    assert expected.keys() & outputs.keys()


def encoder():
    sizes = {"vocab_size": len(VOCABULARY), "hidden_size": 6, "num_layers": 2, "num_attention_heads": 2}
    return be.BertEncoder(**sizes, max_sequence_length=13, type_vocab_size=2, inner_dim=7, name="bert")


def test_a_training_that_was_stopped_half_way_resumes(tmp_path):
    shutil.copytree(WRITTEN / "training" / "run", tmp_path / "run")
    classifier = be.BertClassifier(encoder(), 2)
    preprocessor = be.BertPreprocessor(be.BertTokenizer(VOCABULARY), 11)
    data = {"train": (TEXTS, LABELS), "validation": (TEXTS[:2], LABELS[:2])}
    options = {"epochs": 2, "batch_size": 2, "learning_rate": 1e-2, "precision": "float32"}
    before = [path.name for path in (tmp_path / "run").iterdir()]
    history = be.fine_tune(classifier, preprocessor, **data, **options, output_dir=tmp_path / "run", progress=False)
    whole = be.History.from_json(json.loads((WRITTEN / "training" / "history.json").read_text()))
    assert "model" not in before and history.finished and history.best_epoch == whole.best_epoch
    for resumed_epoch, whole_epoch in zip(history.epochs, whole.epochs, strict=True):
        for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
            assert resumed_epoch[name] == pytest.approx(whole_epoch[name], abs=1e-5), name
    expected = np.load(WRITTEN / "training" / "expected.npz")
    for i, weight in enumerate(classifier.weights):
        np.testing.assert_allclose(weight, expected[str(i)], atol=1e-5, err_msg=weight.path)

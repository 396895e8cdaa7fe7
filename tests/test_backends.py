"""The same numbers on Keras' other backends, in processes of their own, where TensorFlow cannot be imported."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bertedu as be

TEXTS = [("The cat sat on the mat.", "It was warm."), ("A sentence of another length, by some words longer.", None)]
PROGRAM = f"""
import sys
sys.modules["tensorflow"] = None  # an import of it would fail
import numpy as np
import bertedu as be

bert = be.load("minilm")
readings = [bert.read(*texts) for texts in {TEXTS!r}]
arrays = {{f"attention {{i}}": reading.attention for i, reading in enumerate(readings)}}
arrays |= {{f"encoder_outputs {{i}}": reading.encoder_outputs for i, reading in enumerate(readings)}}
arrays |= {{f"pooled_output {{i}}": reading.pooled_output for i, reading in enumerate(readings)}}
together = list(bert.readings([texts[0] for texts in {TEXTS!r}]))
arrays |= {{f"together {{i}}": reading.attention for i, reading in enumerate(together)}}
np.savez(sys.argv[1], embeddings=bert.embed([text for text, _ in {TEXTS!r}]), **arrays)
"""
backends = pytest.mark.parametrize(
    "backend",
    [
        pytest.param(
            name, marks=pytest.mark.skipif(not importlib.util.find_spec(name), reason=f"{name} is not installed")
        )
        for name in ("torch", "jax")
    ],
)


def run(backend, *command):
    environment = {**os.environ, "KERAS_BACKEND": backend}
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@backends
def test_reading_and_embedding_without_tensorflow(backend, tmp_path):
    run(backend, "-c", PROGRAM, str(tmp_path / "outputs.npz"))
    outputs = np.load(tmp_path / "outputs.npz")
    bert = be.load("minilm")
    np.testing.assert_allclose(outputs["embeddings"], bert.embed([text for text, _ in TEXTS]), atol=1e-5)
    for i, texts in enumerate(TEXTS):
        np.testing.assert_allclose(outputs[f"together {i}"], bert.read(texts[0]).attention, atol=1e-5)
        reading = bert.read(*texts)
        for name in ("attention", "encoder_outputs", "pooled_output"):
            np.testing.assert_allclose(outputs[f"{name} {i}"], getattr(reading, name), atol=1e-5, err_msg=name)


TRAIN = """
import sys
sys.modules["tensorflow"] = None
sys.path.insert(0, {here!r})
import test_fine_tuning as classes, test_lora as lora, test_tagging as tags, test_train_embeddings as embeddings

runs = {{
    "classes": (classes, {{"validation": (classes.TEXTS, classes.LABELS)}}),
    "lora": (lora, {{"lora_rank": 3}}),
    "tags": (tags, {{"validation": (tags.WORDS, tags.TAGS)}}),
    "embeddings": (embeddings, {{"validation": (embeddings.QUERIES, embeddings.POSITIVES)}}),
}}
for name, (tests, options) in runs.items():
    _, history = tests.run(epochs=6, learning_rate=5e-3, output_dir=sys.argv[1] + "/" + name, **options)
    losses = [epoch["loss"] for epoch in history.epochs]
    assert losses[-1] < losses[0], (name, losses)
    print(history.run["surroundings"]["backend"])
"""


@backends
def test_training_without_tensorflow(backend, tmp_path):
    said = run(backend, "-c", TRAIN.format(here=str(Path(__file__).parent)), str(tmp_path))
    assert said.split()[-4:] == [backend] * 4
    assert be.load(tmp_path / "classes" / "model").classifier.num_classes == 2  # here, on TensorFlow
    assert be.load(tmp_path / "lora" / "model").classifier.num_classes == 2
    assert be.load(tmp_path / "tags" / "model").token_classifier.num_classes == 3
    assert be.load(tmp_path / "embeddings" / "model").embed(["the cat"]).shape == (1, 16)


@pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="torch is not installed")
def test_on_torch_too_a_training_depends_on_its_seed_alone_wherever_it_was_stopped():
    tests = Path(__file__).with_name("test_fine_tuning.py")
    chosen = "(stopped_at_every_segment or alone_and_after_another) and float32"
    last = run("torch", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests), "-k", chosen).splitlines()[-1]
    assert last.startswith("2 passed"), last


@backends
def test_golden_numbers(backend):
    golden = Path(__file__).with_name("test_golden.py")
    last = run(backend, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(golden)).splitlines()[-1]
    assert int(last.split(" passed")[0].split()[-1]) > 200, last  # all of them, and none left out in silence


@backends
def test_changed_weights_are_seen(backend):
    tests = Path(__file__).with_name("test_weight_changes.py")
    last = run(backend, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)).splitlines()[-1]
    assert last.startswith("9 passed"), last


@backends
def test_sites_can_be_edited(backend):
    tests = Path(__file__).with_name("test_sites.py")
    last = run(backend, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)).splitlines()[-1]
    assert last.startswith("27 passed"), last


@backends
def test_pruned_models_equal_masked_ones(backend):
    tests = Path(__file__).with_name("test_pruning.py")
    chosen = "without_heads or whole_bert or head_mask_of or frozen or bertedu-model or affect"
    last = run(backend, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests), "-k", chosen).splitlines()[-1]
    assert last.startswith("12 passed"), last


@backends
def test_gradients(backend):
    tests = Path(__file__).with_name("test_attribution.py")
    # A selection, because JAX compiles each operation for each new shape.
    chosen = "by_hand or times_input or attention_weights or head_mask or constant or lens_equals or shorter_texts"
    last = run(backend, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests), "-k", chosen).splitlines()[-1]
    assert last.startswith("12 passed"), last

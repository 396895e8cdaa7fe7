"""`precision="auto"`: decided by the device, shown, stored, and kept by a run that resumes on another device."""

import json
import warnings

import keras
import numpy as np
import pytest
from test_fine_tuning import LABELS, TEXTS, run, same_weights, small

import bertedu as be
from bertedu import cli
from bertedu.backend import devices
from bertedu.fine_tuning import fine_tune, state
from bertedu.fine_tuning import run as running
from bertedu.fine_tuning.model import PREDICTION_SETTINGS, policy_of

POLICIES = {False: "float32", True: "mixed_bfloat16"}

pytestmark = pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="the others compute in float32 on a CPU")


@pytest.fixture
def device(monkeypatch):
    """A function that sets whether this machine's CPU has instructions for bfloat16."""
    monkeypatch.setattr(devices, "has_accelerator", lambda: False)
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    return lambda made: monkeypatch.setattr(devices, "cpu_flags", lambda: {"avx2", *(["avx512_bf16"] if made else [])})


def interrupted(monkeypatch, **options):
    """Train until the second training checkpoint, after the first segment."""
    save, saved = running.Run._save, []

    def save_twice(self):
        save(self)
        saved.append(1)
        if len(saved) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(running.Run, "_save", save_twice)
        with pytest.raises(KeyboardInterrupt):
            run(**options)


@pytest.mark.parametrize("made", [True, False])
def test_auto_is_what_the_device_is_made_for_and_is_shown_and_stored(made, device, tmp_path, capsys):
    device(made)
    classifier, history = run(output_dir=tmp_path, epochs=1, progress=True)
    explicit, _ = run(precision=POLICIES[made], epochs=1)
    assert same_weights(classifier, explicit)
    assert history.precision == POLICIES[made] and f", {POLICIES[made]}: " in repr(history)
    assert f"{POLICIES[made]}: " in capsys.readouterr().err  # the progress bar
    for content in (json.loads((tmp_path / "history.json").read_text()), state.read_metadata(tmp_path / running.STATE)):
        assert content["run"]["prediction"]["precision"] == POLICIES[made]
        assert content["run"]["arguments"]["precision"] == "auto"


@pytest.mark.parametrize("made", [True, False])
def test_a_run_resumes_in_its_precision_on_another_device(made, device, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "SEGMENT", 4)
    device(made)
    whole, history = run(epochs=1)
    interrupted(monkeypatch, epochs=1, output_dir=tmp_path)
    device(not made)
    expected = f"precision: expected '{POLICIES[not made]}'.*got a run in '{POLICIES[made]}'. It keeps"
    with pytest.warns(UserWarning, match=expected):
        resumed, resumed_history = run(epochs=1, output_dir=tmp_path)
    assert same_weights(whole, resumed)
    assert resumed_history.final == history.final
    of_predictions = PREDICTION_SETTINGS[resumed], be.fine_tuning.open_run(tmp_path).settings
    assert {resumed_history.precision, *(settings.precision for settings in of_predictions)} == {POLICIES[made]}


def test_a_run_resumes_on_its_own_device_without_a_warning(device, tmp_path, monkeypatch):
    device(True)
    monkeypatch.setattr(running, "SEGMENT", 4)
    interrupted(monkeypatch, epochs=1, output_dir=tmp_path)
    assert run(epochs=1, output_dir=tmp_path)[1].precision == "mixed_bfloat16"  # warnings are errors


def test_seeds_share_the_precision_of_the_first_saved_run(device, tmp_path):
    device(True)
    run(seeds=[2], epochs=1, output_dir=tmp_path)
    device(False)
    with pytest.warns(UserWarning, match="precision: .*mixed_bfloat16"):
        _, runs = run(seeds=[1, 2], epochs=1, output_dir=tmp_path)
    assert [history.precision for history in runs.histories.values()] == ["mixed_bfloat16"] * 2
    with pytest.warns(UserWarning, match="precision"):
        run(seeds=[1, 2], epochs=1, output_dir=tmp_path)
    (tmp_path / "seed_3").mkdir()
    assert run(epochs=1, seed=3, output_dir=tmp_path / "seed_3")[1].precision == "float32"
    with pytest.warns(UserWarning, match="precision"):
        _, runs = run(seeds=[2, 3], epochs=1, output_dir=tmp_path)
    assert [history.precision for history in runs.histories.values()] == ["mixed_bfloat16", "float32"]


@pytest.mark.parametrize("made", [True, False])
def test_a_head_of_its_own_keeps_the_precision_with_a_note(made, device, tmp_path):
    def classifier():
        return be.BertClassifier(small()[0].network, 2, cls_head=keras.layers.Dense(2, name="mine"))

    device(made)
    options = {"epochs": 1, "batch_size": 8, "progress": False, "output_dir": tmp_path}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        history = fine_tune(classifier(), small()[1], (TEXTS, LABELS), **options)
        assert fine_tune(classifier(), small()[1], (TEXTS, LABELS), **options).epochs == history.epochs
    messages = [str(warning.message) for warning in told if str(warning.message).startswith("precision: ")]
    assert history.precision == "float32" and np.isfinite(history.final["loss"])
    assert len(messages) == made and all("cls_head" in message and "'float32'" in message for message in messages)
    with pytest.raises(ValueError, match="precision: expected 'float32'.*cls_head.*got 'mixed_bfloat16'"):
        fine_tune(classifier(), small()[1], (TEXTS, LABELS), **options | {"precision": "mixed_bfloat16"})


def test_an_explicit_precision_does_not_ask_the_device(monkeypatch):
    monkeypatch.setattr(devices, "has_bfloat16", lambda: pytest.fail("asked"))
    assert [policy_of(name, small()[0]) for name in ("float32", "mixed_float16")] == ["float32", "mixed_float16"]


def test_a_saved_precision_that_does_not_exist_is_ignored(tmp_path):
    assert running.saved_precision(None) is running.saved_precision(tmp_path) is None
    for content in ({}, {"run": None}, {"run": {"prediction": {"precision": "int3"}}}):
        state.save(tmp_path / running.STATE, {}, content, {"a": np.zeros(1)})
        assert running.saved_precision(tmp_path) is None


def test_the_command_prints_the_precision(device, tmp_path, capsys, monkeypatch):
    device(True)
    (tmp_path / "a.tsv").write_text(
        "text\tlabel\n" + "".join(f"{t}\t{n}\n" for t, n in zip(TEXTS, LABELS, strict=True))
    )
    bert = be.Bert(small()[1].tokenizer, small()[0].network)
    monkeypatch.setattr(be, "load", lambda source: bert)
    arguments = ["--train", str(tmp_path / "a.tsv"), "--output-dir", str(tmp_path / "run"), "--epochs", "1"]
    assert cli.main(["finetune", *arguments]) == 0
    assert "History(1 epochs, mixed_bfloat16: " in capsys.readouterr().out

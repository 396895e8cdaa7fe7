"""`be.inspect` on every format, and `be.convert` from each format to each, from Python and from the command line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny_bert
from keras import ops
from safetensors.numpy import load_file, save_file

import bertedu as be
from bertedu import checkpoints, cli
from bertedu.checkpoints import conversion
from bertedu.checkpoints.common import weights

WRITTEN = Path(__file__).parent / "golden" / "checkpoints"  # by the peers' own tools
SOURCES = {  # every format that another library writes, each with its masked-LM head
    "tensorflow": "uncased_L-2_H-21_A-3",
    "saved_model": "hub_mlm",
    "keras_hub": "keras_hub_masked_lm.zip",
    "huggingface": None,
}
TARGETS = [format for format in conversion.TARGET_FORMATS if format != "preprocessor"]


@pytest.fixture
def source(request, tmp_path):
    form = request.param
    if form == "huggingface":
        return tiny_bert.write(tmp_path / "source")
    path = WRITTEN / SOURCES[form]
    if path.suffix == ".zip":
        shutil.unpack_archive(path, tmp_path / "source")
        return next(file.parent for file in (tmp_path / "source").rglob("config.json"))
    return path


def target_of(form, folder):
    return folder / ("bert.keras" if form == "keras" else "bert")


def test_every_format_is_converted():
    assert SOURCES.keys() == checkpoints.FORMATS.keys() - {"bertedu", "keras"}  # for these see test_writers.py


@pytest.mark.parametrize("form", TARGETS)
@pytest.mark.parametrize("source", SOURCES, indirect=True)
def test_every_format_to_every_other(source, form, tmp_path):
    bert = be.load(source)
    path = target_of(form, tmp_path / "target")
    head = bert.masked_lm and bert.masked_lm.masked_lm
    if form == "huggingface" and head and head.layer_norm.epsilon != bert.encoder.layer_norm_epsilon:
        with pytest.raises(ValueError, match="masked-LM head .*activation or epsilon"):
            be.convert(source, path, form)
        assert not path.exists()
        return
    be.convert(source, path, form)
    copy = be.load(path)
    assert checkpoints.recognize(path) == form
    expected, converted = (weights(b.encoder, b.masked_lm) for b in (bert, copy))
    assert expected.keys() == converted.keys()
    for name in expected:
        np.testing.assert_array_equal(*(ops.convert_to_numpy(w[name]) for w in (expected, converted)), err_msg=name)
    np.testing.assert_array_equal(bert.read("the cat").attention, copy.read("the cat").attention)
    assert bert.tokenizer.get_config() == copy.tokenizer.get_config()
    if head:
        assert bert.fill_mask("the [MASK] sat") == copy.fill_mask("the [MASK] sat")


@pytest.mark.parametrize("source", SOURCES, indirect=True)
def test_inspection_names_every_tensor(source):
    inspection = be.inspect(source)
    assert inspection.problem is None and inspection.format == checkpoints.recognize(source)
    assert all(tensor.known for tensor in inspection.tensors)
    filled = {tensor.weight_path for tensor in inspection.tensors if tensor.weight_path}
    assert filled == set(weights(inspection.bert.encoder, inspection.bert.masked_lm, inspection.bert.classifier))
    text = str(inspection)
    assert f"{inspection.bert.encoder.count_params():,} in the encoder" in text
    assert text.count("layer_*/self_attention/query/kernel") <= 2  # not a line for each layer
    assert json.loads(json.dumps(inspection.to_json()))["sizes"]["num_layers"] == inspection.bert.encoder.num_layers


def test_a_checkpoint_that_does_not_load_can_still_be_inspected(tmp_path, capsys):
    folder = tiny_bert.write(tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    tensors["something.else"] = tensors.pop("pooler.dense.weight")
    save_file(tensors, folder / "model.safetensors")
    inspection = be.inspect(folder)
    assert inspection.bert is None and "missing: pooler.dense.weight; unexpected: something.else." in inspection.problem
    assert "something.else" in str(inspection) and "(unknown)" in str(inspection)
    assert cli.main(["inspect", str(folder)]) == 1
    assert "problem" in capsys.readouterr().out


def test_the_commands(tmp_path, capsys):
    folder = tiny_bert.write(tmp_path / "model")
    assert cli.main(["inspect", str(folder)]) == 0
    assert "3 x [31, 22]" in capsys.readouterr().out
    assert cli.main(["inspect", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["format"] == "huggingface"
    target = tmp_path / "half"
    assert cli.main(["convert", str(folder), str(target), "--dtype", "float16"]) == 0
    assert be.load(target).encoder.dtype_policy.name == "float16"
    capsys.readouterr()
    assert cli.main(["convert", str(folder), str(target)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("bertedu: ") and "overwrite" in error and "Traceback" not in error
    assert cli.main(["convert", str(folder), str(target), "--overwrite", "--format", "huggingface"]) == 0
    assert checkpoints.recognize(target) == "huggingface"
    assert cli.main(["convert", str(tmp_path / "nowhere"), str(tmp_path / "x")]) == 1
    assert "expected an existing directory, file or prefix" in capsys.readouterr().err


def test_what_is_left_behind_is_reported(tmp_path, capsys):
    folder = tiny_bert.write(tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    tensors["cls.seq_relationship.weight"] = np.ones((2, tiny_bert.D), "float32")
    save_file(tensors, folder / "model.safetensors")
    assert be.convert(folder, tmp_path / "copy") == ["cls.seq_relationship.weight"]
    assert cli.main(["convert", str(folder), str(tmp_path / "again")]) == 0
    assert "cls.seq_relationship.weight." in capsys.readouterr().out


def test_what_a_saved_model_cannot_hold_is_reported(tmp_path):
    tensor, cut, embeds = be.convert("minilm", tmp_path / "saved", "saved_model")
    assert tensor == "embeddings.position_ids" and "longest_first" in cut
    assert all(part in embeds for part in ("mean", "normalize=True", "256"))
    pytest.importorskip("tensorflow_text")
    assert "longest_first; now round_robin" in be.convert("minilm", tmp_path / "preprocessor", "preprocessor")[0]


def test_losses_of_the_preprocessor_and_the_classifier_are_reported(tmp_path):
    bert = be.load(tiny_bert.write(tmp_path / "model"))
    bert.preprocessor = be.BertPreprocessor(bert.tokenizer, 7)  # cuts pairs in turn
    bert.classifier = be.BertClassifier(bert.encoder, 2, class_names=["good", "bad"])
    be.save_checkpoint(bert, tmp_path / "bertedu")
    assert be.convert(tmp_path / "bertedu", tmp_path / "bert.keras", "keras") == []
    cut, length = be.convert(tmp_path / "bertedu", tmp_path / "hf", "huggingface")
    assert "round_robin" in cut and "seq_length (7;" in length
    left = be.convert(tmp_path / "bertedu", tmp_path / "saved", "saved_model")
    assert any("good, bad" in part for part in left)


def test_a_format_that_declares_nothing_reports_its_losses(tmp_path):
    bert = be.load("minilm")
    bert.preprocessor = be.BertPreprocessor(bert.tokenizer, 11)
    embed, length = conversion.lost(bert, "new_format")
    assert "mean" in embed and "seq_length (11;" in length


def test_names_of_classes_that_a_training_learned_are_written(tmp_path):
    bert = be.load(tiny_bert.write(tmp_path / "model"))
    (tmp_path / "train.tsv").write_text("text\tlabel\nthe cat\tpositive\nthe mat\tnegative\n")
    train = be.load_texts(tmp_path / "train.tsv")
    classifier = bert.classifier_for(2)
    be.fine_tune(classifier, bert.preprocessor, train, epochs=1, output_dir=tmp_path / "run", progress=False)
    assert classifier.class_names == ("negative", "positive")
    assert be.load(tmp_path / "run" / "model").classifier.class_names == ("negative", "positive")
    again = bert.classifier_for(2)  # a finished training that is opened once more
    be.fine_tune(again, bert.preprocessor, train, epochs=1, output_dir=tmp_path / "run", progress=False)
    assert again.class_names == ("negative", "positive")


def test_the_real_model_through_every_format_and_back_without_a_changed_bit(tmp_path):
    bert = copy = be.load("minilm")
    for form in TARGETS:
        path = target_of(form, tmp_path / form)
        be.export_saved_model(copy, path) if form == "saved_model" else be.save_checkpoint(copy, path, form)
        copy = be.load(path)
    for expected, converted in zip(bert.encoder.weights, copy.encoder.weights, strict=True):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(expected), ops.convert_to_numpy(converted), err_msg=expected.path
        )
    assert copy.tokenizer.get_config() == bert.tokenizer.get_config()


def test_an_unknown_format():
    with pytest.raises(ValueError, match=f"format: expected one of {str(conversion.TARGET_FORMATS)[1:-1]}"):
        be.convert("minilm", "x", "onnx")


def test_the_command_line_names_the_package_s_formats_and_refuses_others(tmp_path, capsys):
    with pytest.raises(SystemExit):
        cli.main(["convert", "--help"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in conversion.TARGET_FORMATS)
    assert cli.main(["convert", "minilm", str(tmp_path / "x"), "--format", "onnx"]) == 1
    assert "'onnx'" in capsys.readouterr().err

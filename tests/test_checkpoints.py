"""`be.load` on every format: told from the files alone, read whole, and clear where there is none."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import tiny_bert
from small_world import VOCABULARY

import bertedu as be
from bertedu import checkpoints, hub
from bertedu.checkpoints import assembly, configuration, formats, native, strict
from bertedu.checkpoints.common import TensorInfo, write_tensors
from bertedu.checkpoints.huggingface import names as hf_names
from bertedu.checkpoints.keras_hub import names as hub_names
from bertedu.checkpoints.safetensors_files import read_tensor
from bertedu.checkpoints.tensorflow import names as tf_names

WRITTEN = Path(__file__).parent / "golden" / "checkpoints"  # by tf-models' own tools
INPUTS = dict(np.load(WRITTEN / "inputs.npz"))
TF1 = "uncased_L-2_H-21_A-3"


@pytest.mark.parametrize(
    "source, form, truncation",
    [
        (TF1, "tensorflow", "round_robin"),
        (f"{TF1}/bert_model.ckpt", "tensorflow", "round_robin"),
        ("hub_encoder", "saved_model", "round_robin"),
        ("hub_mlm", "saved_model", "round_robin"),
        ("hub_talking_heads", "saved_model", "round_robin"),
    ],
)
def test_a_whole_bert_of_tf_models(source, form, truncation):
    path = WRITTEN / source
    assert checkpoints.recognize(path) == form
    bert = be.load(path)
    folder = path if path.is_dir() else path.parent
    expected = np.load(folder / "expected.npz")
    inputs = {name: INPUTS[name] for name in ("input_word_ids", "input_mask", "input_type_ids")}
    outputs = bert.encoder(inputs)
    for name in ("sequence_output", "pooled_output"):
        np.testing.assert_allclose(outputs[name], expected[name], atol=1e-5, err_msg=name)
    assert bert.preprocessor.truncation == truncation
    assert bert.read("the cat").attention.shape[:2] == (2, 3)
    assert (bert.masked_lm is not None) == ("mlm_logits" in expected.files)


def test_the_mlm_object_answers_as_the_hub_s_does():
    bert = be.load(WRITTEN / "hub_mlm")
    outputs = bert.masked_lm(INPUTS)
    expected = np.load(WRITTEN / "hub_mlm" / "expected.npz")
    np.testing.assert_allclose(outputs["mlm_logits"], expected["mlm_logits"], atol=1e-5)
    assert {"sequence_output", "pooled_output", "encoder_outputs", "mlm_logits"} <= set(outputs)
    assert len(bert.fill_mask("the [MASK] sat", top_k=3)[0]) == 3


def test_a_hugging_face_directory(tmp_path):
    tiny_bert.write(tmp_path)
    assert checkpoints.recognize(tmp_path) == "huggingface"
    assert be.load(tmp_path).preprocessor.truncation == "longest_first"


def test_an_unknown_format_lists_the_known_ones(tmp_path):
    (tmp_path / "model.onnx").touch()
    with pytest.raises(FileNotFoundError, match="expected a BERT checkpoint") as error:
        be.load(tmp_path)
    assert all(file in str(error.value) for file in ("config.json", "saved_model.pb", "bert_config.json"))


def test_a_checkpoint_without_a_vocabulary_is_an_error():
    with pytest.raises(FileNotFoundError, match=r"v2_encoder.vocab\.txt: expected the vocabulary"):
        be.load(WRITTEN / "v2_encoder")


def two_versions(folder):
    """Two models of one size in our format, all weights of the first 1 and of the second 2."""
    for number in (1, 2):
        encoder = be.BertEncoder(20, 6, 1, 2, max_sequence_length=9, type_vocab_size=2, inner_dim=7)
        for variable in encoder.weights:
            variable.assign(np.full(variable.shape, number))
        be.save_checkpoint(be.Bert(be.BertTokenizer(VOCABULARY), encoder), folder / str(number))
    return folder / "1", folder / "2"


@pytest.mark.parametrize("times", [1, 100])
def test_a_directory_that_is_replaced_while_it_is_read_is_never_a_mixture(times, tmp_path, monkeypatch):
    first, second = two_versions(tmp_path)
    reads = []

    def read_and_replace(tensor):
        reads.append(tensor.name)
        if len(reads) > 3 and len(reads) % 5 == 0 and len(reads) <= 5 * times:  # in the middle of the weights
            first.rename(tmp_path / "away")
            second.rename(first)
            (tmp_path / "away").rename(second)
        return read_tensor(tensor)

    monkeypatch.setattr(native, "read_tensor", read_and_replace)
    if times > 1:
        with pytest.raises(ValueError, match=f"{first}.*another process"):
            be.load(first)
        return
    values = {float(np.ravel(variable)[0]) for variable in be.load(first).encoder.weights}
    assert values == {2.0} and len(reads) > 23


def test_links_in_a_circle_are_refused_as_what_is_not_there(tmp_path):
    (tmp_path / "model.keras").symlink_to(tmp_path / "model.keras")
    with pytest.raises(FileNotFoundError, match=r"model\.keras"):
        be.load(tmp_path / "model.keras")
    folder = tiny_bert.write(tmp_path / "model")
    (folder / "vocab.txt").unlink()
    (folder / "vocab.txt").symlink_to(folder / "vocab.txt")
    with pytest.raises((FileNotFoundError, ValueError), match=str(folder)):
        be.load(folder)


@pytest.mark.parametrize("name", formats.FORMATS)
def test_every_format_provides_what_a_format_has_to(name):
    form = formats.FORMATS[name]
    assert form.LOOKED_FOR.count(": ") >= 1
    for method in ("recognizes", "tensors", "read"):
        expected = list(inspect.signature(getattr(formats.Format, method)).parameters)[1:]
        assert list(inspect.signature(getattr(form, method)).parameters) == expected
    assert formats.WRITERS.keys() <= formats.FORMATS.keys()
    assert hub.DOWNLOADS.keys() == formats.FORMATS.keys() - {"keras"}  # a .keras file has no fixed name


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_model_is_filled_in_the_requested_dtype(dtype):
    sizes = {"vocab_size": 9, "hidden_size": 6, "num_layers": 1, "num_attention_heads": 2, "inner_dim": 7}
    sizes |= {"max_sequence_length": 5, "type_vocab_size": 2}
    arguments = sizes | configuration.published_arguments({}, "gelu", "float32")
    heads = assembly.Heads(assembly.masked_lm_config("gelu", 1e-12, "float32"))
    shapes, _ = strict.model_shapes(sizes, masked_lm=True)
    infos = [TensorInfo(path, shape, "float32", path) for path, shape in shapes.items()]
    stored = strict.Stored(infos, lambda info: np.ones(info.shape, "float32"), "weights", "config.json")
    parts = assembly.fill(assembly.Description(arguments, heads, "config.json", stored), dtype)
    assert {str(weight.dtype) for weight in parts["masked_lm"].weights} == {dtype}


def test_tensors_are_written_with_the_usual_permissions(tmp_path):
    write_tensors(tmp_path / "model.safetensors", {"a": np.ones(2, "float32")})
    (tmp_path / "other").touch()
    assert (tmp_path / "model.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("format", ["Hugging Face", "KerasHub", "TF1", "TF2"])
def test_names_of_weights_are_read_as_they_are_written(format):
    sizes = {"vocab_size": 9, "hidden_size": 6, "num_layers": 3, "num_attention_heads": 2, "inner_dim": 7}
    shapes, _ = strict.model_shapes(sizes | {"max_sequence_length": 5, "type_vocab_size": 2}, masked_lm=True)
    there, back = {
        "Hugging Face": (hf_names.NAMES.name, hf_names.our_path),
        "KerasHub": (
            lambda path: hub_names.hub_name(path, hub_names.BACKBONE_PREFIX),
            lambda name: hub_names.our_path(name, in_task_file=True),
        ),
        "TF1": (tf_names.NAMES["TF1"].name, lambda name: tf_names.our_path(name, "TF1")),
        "TF2": (tf_names.NAMES["TF2"].name, lambda name: tf_names.our_path(name, "TF2")),
    }[format]
    names = {path: there(path) for path in shapes}
    assert len(set(names.values())) == len(shapes)
    assert {path: back(name) for path, name in names.items()} == {path: path for path in shapes}

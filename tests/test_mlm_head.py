"""The masked-LM head that was trained for the default model: what it changes, what it leaves alone, what it knows."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import bertedu as be
from bertedu.checkpoints import loading
from bertedu.checkpoints.common import weights

ASSET = loading.ASSETS / "minilm_mlm.safetensors"
DATASHEET = ASSET.with_suffix(".md")
BUILD = Path(__file__).parent.parent / "data" / "build_mlm_head.py"
QUESTION = "Raise a [MASK] if the key is not found."

pytestmark = pytest.mark.skipif(be.presets.offline_model_directory() is None, reason="the offline model is missing")


@pytest.fixture(scope="module")
def bert():
    return be.load("minilm")


def test_the_file_is_small_and_half_precision():
    tensors = load_file(ASSET)
    assert ASSET.stat().st_size < 3_000_000
    assert {tensor.dtype.name for tensor in tensors.values()} == {"float16"}
    assert all(np.isfinite(tensor).all() for tensor in tensors.values())


def test_loading_does_not_make_the_second_model(monkeypatch):
    made = []
    monkeypatch.setattr(loading, "with_masked_lm", lambda *arguments: made.append(arguments))
    bert = be.load("minilm")
    assert not made
    assert bert.masked_lm is None  # what was published has none; so nothing else is saved or exported either
    assert bert.masked_lm_bert is None and len(made) == 1


def test_what_read_and_embed_use_is_left_alone_to_the_last_bit(bert):
    before = [np.array(weight) for weight in bert.encoder.weights]
    vector, reading = bert.embed("the cat sat"), bert.read("the cat sat")
    bert.fill_mask(QUESTION)
    assert bert.masked_lm_bert.encoder is not bert.encoder
    for weight, old in zip(bert.encoder.weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)
    np.testing.assert_array_equal(bert.embed("the cat sat"), vector)
    np.testing.assert_array_equal(bert.read("the cat sat").attention, reading.attention)


def test_the_masked_lm_encoder_differs_from_the_published_one_by_low_rank_matrices(bert):
    changes = load_file(ASSET)
    published, predictor_weights = weights(bert.encoder), weights(bert.masked_lm_bert.encoder)
    for name in ("layer_0/self_attention/attention_output/kernel", "layer_5/feedforward/intermediate/kernel"):
        down, up = changes[f"{name}/down"].astype("float32"), changes[f"{name}/up"].astype("float32")
        difference = (np.array(predictor_weights[name]) - np.array(published[name])).reshape(len(down), -1)
        np.testing.assert_allclose(difference, np.einsum("ir,rj->ij", down, up), atol=1e-6)
        assert np.abs(difference).max() > 0.01
    for name in ("embeddings/word_embeddings/embeddings", "embeddings/layer_norm/gamma"):
        np.testing.assert_array_equal(predictor_weights[name], published[name])
    assert bert.masked_lm_bert.masked_lm.encoder_network is bert.masked_lm_bert.encoder


def test_it_is_the_model_s_own_answer(bert):
    predictor = bert.masked_lm_bert
    encoded = predictor.preprocessor.encode(QUESTION)
    ids = np.array([encoded.ids], "int32")
    inputs = {"input_word_ids": ids, "input_mask": ids * 0 + 1, "input_type_ids": ids * 0}
    position = encoded.ids.index(predictor.tokenizer.mask_id)
    outputs = predictor.masked_lm(inputs | {"masked_lm_positions": np.array([[position]])})
    logits = np.array(outputs["mlm_logits"])[0, 0]
    (answers,) = bert.fill_mask(QUESTION, top_k=3)
    best = np.argsort(-logits)[:3]
    assert [token for token, _ in answers] == [predictor.tokenizer.vocabulary[i] for i in best]
    probabilities = np.exp(logits[best]) / np.exp(logits).sum()
    np.testing.assert_allclose([probability for _, probability in answers], probabilities, rtol=1e-3)


def test_training_the_encoder_does_not_change_the_masked_lm_model():
    bert = be.load("minilm")
    bert.encoder.set_weights([weight * 0 for weight in bert.encoder.get_weights()])
    assert bert.fill_mask(QUESTION, top_k=1)[0][0][1] > 0.05


def test_a_saved_model_is_the_published_one_and_the_masked_lm_model_can_be_saved_too(bert, tmp_path):
    be.save_checkpoint(bert, tmp_path / "plain")
    plain = be.load(tmp_path / "plain")
    assert plain.masked_lm is None and plain.masked_lm_bert is None
    be.save_checkpoint(bert.masked_lm_bert, tmp_path / "whole", format="huggingface")
    whole = be.load(tmp_path / "whole")
    (before,), (after,) = bert.fill_mask(QUESTION), whole.fill_mask(QUESTION)
    assert [token for token, _ in before] == [token for token, _ in after]
    np.testing.assert_allclose(
        [probability for _, probability in before], [probability for _, probability in after], atol=1e-5
    )


def test_where_the_file_is_missing_the_error_says_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setattr(loading, "ASSETS", tmp_path)
    bert = be.load("minilm")
    with pytest.raises(ValueError, match=r"masked-LM head.*bertedu/assets/minilm_mlm\.safetensors"):
        bert.fill_mask(QUESTION)


def test_a_file_of_another_model_is_refused(tmp_path):
    save_file({"layer_9/feedforward/output/kernel/down": np.zeros((2, 2), "float16")}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="layer_9/feedforward/output/kernel"):
        loading.with_masked_lm(be.presets.offline_model_directory(), tmp_path / "other.safetensors")


def test_a_model_with_a_head_is_its_own_masked_lm_model():
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat"]
    encoder = be.BertEncoder(8, 6, num_layers=1, num_attention_heads=2, inner_dim=8)
    bert = be.Bert(be.BertTokenizer(words), encoder, masked_lm=be.BertPretrainer(encoder))
    assert bert.masked_lm_bert is bert
    assert be.Bert(be.BertTokenizer(words), encoder).masked_lm_bert is None


def test_it_knows_python_and_not_paris(bert):
    def predicted_tokens(text):
        return [token for token, _ in bert.fill_mask(text)[0]]

    assert "true" in predicted_tokens("Return [MASK] if all characters in the string are digits.")
    assert "capital" not in predicted_tokens("Paris is the [MASK] of France.")


def test_the_datasheet_has_figures_and_says_what_it_was_trained_on():
    text = DATASHEET.read_text(encoding="utf-8")
    percentages = [float(percentage) for percentage in re.findall(r"\| ([\d.]+)% ", text)]
    assert len(percentages) == 9
    assert percentages[0] > 35 > 3 * percentages[2]  # better than the most frequent token, by far
    for word in ("pydoc_data.topics", "held", "Paris", "Apache-2.0", "PSF", "data/build_mlm_head.py"):
        assert word in text


def test_the_build_script_keeps_documents_apart():
    """Read and not run: it takes an hour. What is held out is drawn from a document's name alone."""
    functions = {node.name: node for node in ast.parse(BUILD.read_text()).body if isinstance(node, ast.FunctionDef)}
    space = {"hashlib": __import__("hashlib"), "HELD_OUT": 16}
    exec(compile(ast.Module([functions["is_held_out"]], []), "build", "exec"), space)
    names = [f"module {number}" for number in range(1600)]
    held = [name for name in names if space["is_held_out"](name)]
    assert 60 < len(held) < 140
    assert held == [name for name in names if space["is_held_out"](name)]

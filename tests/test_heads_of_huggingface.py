import keras
import numpy as np
import pytest
from keras import ops
from small_world import VOCABULARY

import bertedu as be

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.peers

SIZES = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 22,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 37,
    "max_position_embeddings": 13,
}


def saved(cls, directory, **options):
    torch.manual_seed(0)
    config = transformers.BertConfig(**SIZES, initializer_range=0.2, **options)
    model = cls._from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for parameter in model.parameters():  # biases too, so that a forgotten one shows
            if parameter.ndim == 1:
                parameter.add_(0.3 * torch.randn_like(parameter))
    model.save_pretrained(directory)
    (directory / "vocab.txt").write_text("\n".join(VOCABULARY), encoding="utf-8")
    return model


@pytest.mark.parametrize("kind", ["BertForMaskedLM", "BertForPreTraining"])
@pytest.mark.parametrize("activation", ["gelu", "gelu_new"])
def test_masked_lm_equals_transformers(tmp_path, kind, activation):
    peer_model = saved(getattr(transformers, kind), tmp_path, hidden_act=activation, layer_norm_eps=1e-5)
    bert = be.load(tmp_path)
    ids = np.array([[2, 5, 4, 7, 3]], "int32")
    with torch.no_grad():
        expected = peer_model(torch.tensor(ids).long())
    expected = getattr(expected, "prediction_logits", None) if kind == "BertForPreTraining" else expected.logits
    inputs = {"input_word_ids": ids, "input_mask": ids * 0 + 1, "input_type_ids": ids * 0}
    outputs = bert.masked_lm(inputs | {"masked_lm_positions": np.arange(5)[None]})
    np.testing.assert_allclose(outputs["mlm_logits"], expected.numpy(), atol=1e-5)
    assert bert.classifier is None and bert.masked_lm.encoder_network is bert.encoder

    probabilities = torch.softmax(expected[0, 2], -1).numpy()
    [answers] = bert.fill_mask("the [MASK] sat", top_k=3)
    assert [token for token, _ in answers] == [VOCABULARY[i] for i in probabilities.argsort()[::-1][:3]]
    np.testing.assert_allclose([probability for _, probability in answers], np.sort(probabilities)[::-1][:3], atol=1e-5)


@pytest.mark.parametrize("labels", [1, 3])
def test_classifier_equals_transformers(tmp_path, labels):
    peer_model = saved(transformers.BertForSequenceClassification, tmp_path, num_labels=labels, classifier_dropout=0.3)
    bert = be.load(tmp_path)
    ids = np.array([[2, 5, 6, 7, 3]], "int32")
    with torch.no_grad():
        expected = peer_model(torch.tensor(ids).long()).logits.numpy()
    inputs = {"input_word_ids": ids, "input_mask": ids * 0 + 1, "input_type_ids": ids * 0}
    np.testing.assert_allclose(ops.convert_to_numpy(bert.classifier(inputs)), expected, atol=1e-5)
    assert bert.classifier.dropout_rate == 0.3 and bert.masked_lm is None


def test_fill_mask_says_what_it_needs(tmp_path):
    saved(transformers.BertForMaskedLM, tmp_path)
    bert = be.load(tmp_path)
    assert [len(answers) for answers in bert.fill_mask("the [MASK] [MASK]", "on [MASK]", top_k=2)] == [2, 2, 2]
    with pytest.raises(ValueError, match=r"\[MASK\]"):
        bert.fill_mask("the cat")
    with pytest.raises(ValueError, match="at most 13 tokens"):
        bert.fill_mask("the [MASK] " * 9)


def test_a_head_with_a_tensor_missing_is_refused(tmp_path):
    from safetensors.numpy import load_file, save_file

    saved(transformers.BertForMaskedLM, tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["cls.predictions.transform.LayerNorm.bias"]
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"missing: cls\.predictions\.transform\.LayerNorm\.bias"):
        be.load(tmp_path)


def test_training_another_classifier_leaves_the_model_unchanged(tmp_path):
    saved(transformers.BertModel, tmp_path)
    bert = be.load(tmp_path)
    with pytest.raises(ValueError, match="expected a masked-LM head"):
        bert.fill_mask("the [MASK]")
    before = bert.embed("the cat sat")
    classifier = bert.classifier_for(2, dropout_rate=0.0)
    inputs = bert.preprocessor(["the cat", "the dog"])
    np.testing.assert_array_equal(classifier.network(inputs)["pooled_output"], bert.encoder(inputs)["pooled_output"])
    classifier.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    classifier.fit(inputs, np.array([0, 1]), verbose=0)
    np.testing.assert_array_equal(bert.embed("the cat sat"), before)
    changed = classifier.network(inputs)["pooled_output"] - bert.encoder(inputs)["pooled_output"]
    assert np.abs(changed).max() > 0

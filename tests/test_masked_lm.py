import dataclasses

import keras
import numpy as np
import pytest
from keras import ops
from numpy_bert import gelu_tanh, layer_norm
from small_world import VOCABULARY

from bertedu import (
    BertEncoder,
    BertPreprocessor,
    BertPretrainer,
    BertTokenizer,
    ClassificationHead,
    MaskedLM,
    defaults,
    mask_tokens,
)
from bertedu.masked_lm import SharedTable

V, D, B, T = 19, 14, 2, 5
POSITIONS = np.array([[1, 3, 0], [4, 4, 2]])
INPUTS = {
    "input_word_ids": np.array([[2, 5, 6, 7, 3], [2, 9, 3, 6, 3]], "int32"),
    "input_mask": np.ones((B, T), "int32"),
    "input_type_ids": np.zeros((B, T), "int32"),
}


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def filled(layer):
    draw = np.random.default_rng(0)
    for weight in layer.weights:
        weight.assign(draw.normal(size=weight.shape, scale=0.4))
    return layer


@pytest.mark.parametrize("width", [D, 6])
def test_head_equals_numpy(width):
    head = MaskedLM(keras.layers.Embedding(V, width), activation=defaults.gelu_tanh)
    head.build((B, T, D))
    filled(head)
    data = np.random.default_rng(1).normal(size=(B, T, D)).astype("float32")
    w = {weight.path.split("/", 1)[-1]: numpy(weight) for weight in head.weights}
    chosen = np.stack([row[positions] for row, positions in zip(data, POSITIONS, strict=True)])
    hidden = gelu_tanh(chosen @ w["transform/kernel"] + w["transform/bias"])
    hidden = layer_norm(hidden, w["layer_norm/gamma"], w["layer_norm/beta"])
    expected = hidden @ numpy(head.embedding_table.embeddings).T + w["output_bias"]
    np.testing.assert_allclose(numpy(head(data, POSITIONS)), expected, atol=1e-5)


def test_predictions_are_log_probabilities():
    table = keras.layers.Embedding(V, D)
    logits = filled(MaskedLM(table))
    data = np.random.default_rng(1).normal(size=(B, T, D)).astype("float32")
    shown = numpy(logits(data, POSITIONS))
    predictions = MaskedLM(table, output="predictions")
    predictions.build((B, T, D))
    predictions.set_weights(logits.get_weights())
    got = numpy(predictions(data, POSITIONS))
    np.testing.assert_allclose(np.exp(got).sum(-1), 1, rtol=1e-5)
    np.testing.assert_allclose(got - got[..., :1], shown - shown[..., :1], atol=1e-5)


def test_a_row_never_reads_its_neighbor():
    head = filled(MaskedLM(keras.layers.Embedding(V, D)))
    data = np.random.default_rng(1).normal(size=(B, T, D)).astype("float32")
    before = numpy(head(data, POSITIONS))[0]
    data[1] += 1
    np.testing.assert_array_equal(numpy(head(data, POSITIONS))[0], before)


@pytest.mark.parametrize("wrong", [{"output": "both"}, {"embedding_table": np.ones(V)}, {"embedding_table": None}])
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MaskedLM(**{"embedding_table": keras.layers.Embedding(V, D), **wrong})


def pretrainer(**options):
    encoder = BertEncoder(V, D, num_layers=2, num_attention_heads=2, inner_dim=9, max_sequence_length=7)
    return BertPretrainer(encoder, **options)


def test_the_pretrainer_answers_beside_the_encoder():
    model = pretrainer(classification_heads=[ClassificationHead(D, 2, name="next_sentence")])
    outputs = model(INPUTS | {"masked_lm_positions": POSITIONS})
    encoded = model.encoder_network(INPUTS)
    assert set(outputs) == {*encoded, "mlm_logits", "next_sentence"}
    np.testing.assert_array_equal(outputs["pooled_output"], encoded["pooled_output"])
    np.testing.assert_array_equal(
        numpy(outputs["mlm_logits"]), numpy(model.masked_lm(encoded["sequence_output"], POSITIONS))
    )
    assert outputs["mlm_logits"].shape == (B, 3, V) and outputs["next_sentence"].shape == (B, 2)
    assert "mlm_logits" not in model(INPUTS)
    assert set(model.checkpoint_items) == {"encoder", "masked_lm", "next_sentence.pooler_dense"}


def test_the_word_table_is_shared_and_counted_once():
    model = pretrainer()
    head = D * D + D + 2 * D + V
    assert model.count_params() == model.encoder_network.count_params() + head
    assert model.masked_lm.embedding_table is model.encoder_network.get_embedding_layer()


def test_the_shared_table_survives_a_keras_file(tmp_path):
    model = pretrainer(mlm_activation=defaults.gelu_tanh)
    inputs = INPUTS | {"masked_lm_positions": POSITIONS}
    model(inputs)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(inputs)["mlm_logits"], model(inputs)["mlm_logits"])
    assert again.masked_lm.embedding_table is again.encoder_network.get_embedding_layer()


def test_two_heads_of_one_name_are_refused():
    with pytest.raises(ValueError, match=r"\['a', 'a'\]"):
        pretrainer(classification_heads=[ClassificationHead(D, 2, name="a"), ClassificationHead(D, 3, name="a")])


class TestMaskTokens:
    tokenizer = BertTokenizer(VOCABULARY)
    texts = ["the cat sat on the mat.", "unwanted cat", "", "it was warm, the unwanted dog ran"] * 50
    inputs = BertPreprocessor(tokenizer, seq_length=16)(texts)

    def masked(self, **options):
        return mask_tokens(self.inputs, self.tokenizer, **{"rate": 0.3, "seed": 0, **options})

    def test_the_answers_are_what_stood_there_and_nothing_else_changed(self):
        masked, original = self.masked(), self.inputs["input_word_ids"]
        real = masked["masked_lm_weights"] > 0
        rows = np.nonzero(real)[0]
        positions, answers = masked["masked_lm_positions"][real], masked["masked_lm_ids"][real]
        np.testing.assert_array_equal(original[rows, positions], answers)
        untouched = np.ones_like(original, bool)
        untouched[rows, positions] = False
        np.testing.assert_array_equal(masked["input_word_ids"][untouched], original[untouched])
        special = [self.tokenizer.pad_id, self.tokenizer.cls_id, self.tokenizer.sep_id]
        assert not np.isin(answers, special).any()

    def test_80_10_10(self):
        counts = np.zeros(3)
        for seed in range(20):
            masked = self.masked(seed=seed)
            real = masked["masked_lm_weights"] > 0
            now = masked["input_word_ids"][np.nonzero(real)[0], masked["masked_lm_positions"][real]]
            hidden, same = now == self.tokenizer.mask_id, now == masked["masked_lm_ids"][real]
            counts += hidden.sum(), same.sum(), (~hidden & ~same).sum()
        # a random token is the right one with probability 1/15; 3 standard deviations of 7,000 draws are 1.4 points
        np.testing.assert_allclose(counts / counts.sum(), [0.8, 0.1 + 0.1 / 15, 0.1 - 0.1 / 15], atol=0.014)

    def test_the_rate_and_the_limit(self):
        tokens = np.array([6 + 1, 4, 0, 10])  # ., un ##want ##ed, and a comma
        expected = np.maximum(1, np.round(0.3 * tokens)) * (tokens > 0)
        np.testing.assert_array_equal(self.masked()["masked_lm_weights"].sum(1)[:4], expected)
        assert self.masked(max_predictions=2)["masked_lm_positions"].shape[1] == 2
        assert self.masked(max_predictions=2)["masked_lm_weights"].sum(1).max() == 2

    def test_whole_words_come_together(self):
        def pieces_chosen(whole_words):
            masked = self.masked(whole_words=whole_words, rate=0.75)
            for row in range(1, len(self.texts), 4):  # unwanted cat: un ##want ##ed stand at 1, 2, 3
                chosen = masked["masked_lm_positions"][row][masked["masked_lm_weights"][row] > 0]
                yield len({1, 2, 3} & set(chosen))

        assert set(pieces_chosen(whole_words=True)) == {0, 3}
        assert 2 in pieces_chosen(whole_words=False)

    def test_a_seed_repeats_and_the_input_stays(self):
        before = self.inputs["input_word_ids"].copy()
        first, second, other = self.masked(), self.masked(), self.masked(seed=1)
        np.testing.assert_array_equal(first["input_word_ids"], second["input_word_ids"])
        assert (first["input_word_ids"] != other["input_word_ids"]).any()
        np.testing.assert_array_equal(self.inputs["input_word_ids"], before)

    @pytest.mark.parametrize("wrong", [{"rate": 0}, {"rate": 1.1}, {"max_predictions": 0}])
    def test_wrong_arguments_are_named(self, wrong):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            self.masked(**wrong)

    def test_nothing_is_chosen_where_nothing_can_be(self):
        masked = mask_tokens(BertPreprocessor(self.tokenizer, seq_length=8)([""]), self.tokenizer, seed=0)
        assert masked["masked_lm_weights"].sum() == 0

    @pytest.mark.parametrize(("length", "predictions"), [(3, 1), (8, 1), (16, 2), (128, 19)])
    def test_there_is_room_for_the_rate_of_the_length_and_for_one_at_least(self, length, predictions):
        inputs = BertPreprocessor(self.tokenizer, seq_length=length)(["the cat sat"])
        assert mask_tokens(inputs, self.tokenizer)["masked_lm_positions"].shape == (1, predictions)


TABLES = {"variable": lambda table: table, "tensor": lambda table: ops.convert_to_tensor(numpy(table)), "array": numpy}


def test_only_a_table_in_a_layer_is_saved_with_the_head():
    table = keras.layers.Embedding(20, 6)
    table.build()
    assert MaskedLM(table).get_config()["embedding_table"]["class_name"] == "Embedding"
    assert MaskedLM(table.embeddings).get_config()["embedding_table"] is None


@pytest.mark.parametrize("kind", TABLES)
def test_the_table_itself_may_be_passed(kind):
    encoder = BertEncoder(V, D, num_layers=1, num_attention_heads=2, inner_dim=9, embedding_width=6)
    tied, passed = (
        MaskedLM(table, "relu")
        for table in (encoder.get_embedding_layer(), TABLES[kind](encoder.get_embedding_table()))
    )
    data = np.random.default_rng(1).normal(size=(B, T, D)).astype("float32")
    for head in (tied, passed):
        head.build(data.shape)
    assert len(passed.weights) == len(tied.weights) - 1  # the table is its owner's
    passed.set_weights([weight for weight in tied.get_weights() if weight.shape != (V, 6)])
    np.testing.assert_allclose(numpy(passed(data, POSITIONS)), numpy(tied(data, POSITIONS)), atol=1e-6)
    encoder.get_embedding_table().assign(ops.ones((V, 6)))
    assert np.allclose(numpy(passed.table), 1) == (kind == "variable")  # only a variable is shared


def test_a_pretrainer_whose_head_has_the_encoders_variable_survives_a_config():
    encoder = BertEncoder(V, D, num_layers=1, num_attention_heads=2, inner_dim=9, max_sequence_length=7)
    model = BertPretrainer(encoder, customized_masked_lm=MaskedLM(encoder.get_embedding_table()))
    again = BertPretrainer.from_config(model.get_config())
    again.set_weights(model.get_weights())
    inputs = INPUTS | {"masked_lm_positions": POSITIONS}
    np.testing.assert_array_equal(again(inputs)["mlm_logits"], model(inputs)["mlm_logits"])
    foreign = BertPretrainer(encoder, customized_masked_lm=MaskedLM(numpy(encoder.get_embedding_table())))
    with pytest.raises(ValueError, match="customized_masked_lm"):
        foreign.get_config()
    with pytest.raises(ValueError, match="embedding_table"):
        MaskedLM.from_config(MaskedLM(np.ones((V, D))).get_config())


def test_a_head_s_config_has_its_output_and_its_shared_table_cannot_be_replaced():
    head = MaskedLM(np.ones((V, D)), output="predictions")
    assert head.get_config()["output"] == "predictions"
    with pytest.raises(dataclasses.FrozenInstanceError):
        SharedTable(np.ones((V, D))).embeddings = np.zeros((V, D))

"""Switching off heads, attention and layers in the explorer: the edits, the reader's answers, and saved pages."""

import keras
import numpy as np
import pytest
from small_world import SENTENCE
from test_explorer import L, N, ask, embedded, make_bert, read, saved_setup, small_bert

import bertedu as be
from bertedu import analysis, bert_reader
from bertedu.bert_reader import BertReader, Off, explorer
from bertedu.interventions import switched_off
from bertedu.pooling import EmbedSettings

PAIR = "it was warm"
FIRST_HEAD = {"heads": [[0, 1]]}


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def without_layers(bert, removed):
    """Return a model that has the other layers only, with their weights."""
    encoder = bert.encoder
    config = encoder.get_config() | {"num_layers": L - len(removed)}
    shorter = be.BertEncoder.from_config(config)
    shorter.embeddings.set_weights(encoder.embeddings.get_weights())
    shorter.pooler_layer.set_weights(encoder.pooler_layer.get_weights())
    rest = [layer for i, layer in enumerate(encoder.transformer_layers) if i not in removed]
    for layer, other in zip(shorter.transformer_layers, rest, strict=True):
        layer.set_weights(other.get_weights())
    return be.Bert(bert.tokenizer, shorter)


# ---- the edits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edits", "off"),
    [
        ({"heads": [[1, 0]]}, [(1, 0)]),
        ({"heads": [[0, 1], [2, 0], [0, 1]]}, [(0, 1), (2, 0)]),
        ({"attention": [1]}, [(1, 0), (1, 1)]),
        ({"heads": [[2, 1]], "attention": [0]}, [(0, 0), (0, 1), (2, 1)]),
    ],
)
def test_heads_that_are_off_equal_a_head_mask(edits, off):
    mask = np.ones((L, N))
    for index in off:
        mask[index] = 0
    reading = BertReader(small_bert()).read(SENTENCE, PAIR, edits).reading
    expected = small_bert().read(SENTENCE, PAIR, head_mask=mask)
    for name in ("attention", "encoder_outputs", "pooled_output"):
        close(getattr(reading, name), getattr(expected, name))
    assert not np.allclose(reading.sequence_output, small_bert().read(SENTENCE, PAIR).sequence_output, atol=1e-3)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("layers", [[0], [1], [2], [0, 1], [1, 2], [0, 2]])
def test_a_layer_that_is_off_might_as_well_be_missing(layers, norm_first):
    bert = make_bert(norm_first=norm_first)
    reading = bert.read(SENTENCE, edit=switched_off(bert.encoder, layers=layers))
    expected = without_layers(bert, layers).read(SENTENCE, head_mask=np.ones((L - len(layers), N)))  # not compiled, too
    close(reading.sequence_output, expected.sequence_output)
    close(reading.pooled_output, expected.pooled_output)
    rest = [i for i in range(L) if i not in layers]
    close(reading.encoder_outputs[rest], expected.encoder_outputs)
    close(reading.attention[rest], expected.attention)
    inputs = [reading.embedding_output, *reading.encoder_outputs]
    for layer in layers:
        np.testing.assert_array_equal(reading.encoder_outputs[layer], inputs[layer])


def test_with_all_layers_off_the_output_is_the_embedding():
    reading = small_bert().read(SENTENCE, edit=switched_off(small_bert().encoder, layers=range(L)))
    np.testing.assert_array_equal(reading.sequence_output, reading.embedding_output)


def test_an_edit_may_be_used_again_for_another_text():
    edit = switched_off(small_bert().encoder, layers=[1])
    small_bert().read(SENTENCE, edit=edit)
    reading = small_bert().read("the dog ran", edit=edit)
    np.testing.assert_array_equal(reading.encoder_outputs[1], reading.encoder_outputs[0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"heads": [(L, 0)]}, "heads: expected a whole number from 0 to 2, got 3"),
        ({"heads": [(0, N)]}, "heads: expected a whole number from 0 to 1, got 2"),
        ({"attention": [-1]}, "attention: expected a whole number from 0 to 2, got -1"),
        ({"layers": [True]}, "layers: expected a whole number from 0 to 2, got True"),
    ],
)
def test_what_is_out_of_range_is_an_error(arguments, words):
    with pytest.raises(ValueError, match=words):
        switched_off(small_bert().encoder, **arguments)


@pytest.mark.parametrize(
    "edits", [[1], "off", 5, {"heads": [0]}, {"heads": [[0]]}, {"heads": [[0, 1, 0]]}, {"layers": 1}, {"gone": []}]
)
def test_malformed_edits_are_one_clear_error(edits):
    with pytest.raises(ValueError, match="edits: expected lists of .* got"):
        BertReader(small_bert()).read(SENTENCE, "", edits)


# ---- the reader's answers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edits", [None, {}, {"heads": [], "attention": [], "layers": []}])
def test_without_edits_the_model_runs_once_and_compiled(edits, monkeypatch):
    calls, outputs = [], be.Bert._outputs

    def counted(bert, encoded, head_mask=None, precision=None, edit=None, return_sites=(), **flags):
        calls.append((head_mask, edit, tuple(return_sites)))
        return outputs(bert, encoded, head_mask, precision, edit, return_sites, **flags)

    monkeypatch.setattr(be.Bert, "_outputs", counted)
    text = BertReader(small_bert()).read(SENTENCE, "", edits)
    assert calls == [(None, None, ())]
    assert text.original is None and text.message["edits"] == {"heads": [], "attention": [], "layers": []}


def test_the_original_is_the_unedited_reading():
    text = BertReader(small_bert()).read(SENTENCE, PAIR, FIRST_HEAD)
    np.testing.assert_array_equal(text.original, small_bert().read(SENTENCE, PAIR).attention)
    assert not np.allclose(text.attention[1], text.original[1], atol=1e-3)
    assert text.message["edits"] == {"heads": [[0, 1]], "attention": [], "layers": []}


def test_a_prediction_has_the_original_probabilities():
    reader = BertReader(small_bert())
    text = reader.read("the unwanted cat sat.", "", {"layers": [1], **FIRST_HEAD})
    message = reader.fill_mask(text, 2)
    masked, everything = "the [MASK] cat sat.", small_bert().tokenizer.vocab_size
    edit = switched_off(small_bert().encoder, heads=[(0, 1)], layers=[1])
    after = small_bert().fill_mask(masked, top_k=everything, edit=edit)[0]
    before = small_bert().fill_mask(masked, top_k=everything)[0]
    best = {word for word, _ in [*after[:5], *before[:5]]}
    assert [tuple(entry) for entry in message["top_predictions"]] == [entry for entry in after if entry[0] in best]
    words = [word for word, _ in message["top_predictions"]]
    assert message["original_probabilities"] == [dict(before)[word] for word in words]
    assert "original_probabilities" not in reader.fill_mask(reader.read("the cat"), 1)


def test_predictions_of_a_second_model_are_edited_there():
    other = make_bert(inner_activation="relu")
    bert = be.Bert(other.tokenizer, small_bert().encoder, load_masked_lm=lambda: other)
    reader = BertReader(bert)
    message = reader.fill_mask(reader.read("the cat", "", {"attention": [2]}), 1)
    edit = switched_off(other.encoder, attention=[2])
    expected = dict(other.fill_mask("[MASK] cat", top_k=20, edit=edit)[0])
    assert message["top_predictions"] == [[word, expected[word]] for word, _ in message["top_predictions"]]


@pytest.mark.parametrize("hidden_state", [0, 1, L])
def test_both_runs_are_projected_to_the_same_components(hidden_state):
    text = BertReader(small_bert()).read(SENTENCE, "", FIRST_HEAD)
    message = text.projection(hidden_state)
    both = [analysis.layer_vectors(reading)[hidden_state] for reading in (text.reading, small_bert().read(SENTENCE))]
    points, ratio = analysis.principal_components(np.concatenate(both))
    close(np.concatenate([message["points"], message["original_points"]]), np.round(points, 5))
    close(message["variance"], np.round(ratio, 5))
    moved = np.abs(np.subtract(message["points"], message["original_points"])).max()
    assert moved < 1e-4 if hidden_state == 0 else moved > 1e-2


def test_the_similarity_follows_the_edits():
    edits = {"heads": [[1, 1]], "layers": [0]}
    message = BertReader(small_bert()).read("the cat sat", PAIR, edits).similarity()
    edit = switched_off(small_bert().encoder, heads=[(1, 1)], layers=[0])
    outputs = [small_bert().read(text, edit=edit).sequence_output for text in ("the cat sat", PAIR)]
    a, b = (output.mean(axis=0).astype("f8") for output in outputs)
    close(message["cosine"], a @ b / (a @ a) ** 0.5 / (b @ b) ** 0.5)
    a, b = small_bert().embed(["the cat sat", PAIR]).astype("f8")
    close(message["original_cosine"], a @ b / (a @ a) ** 0.5 / (b @ b) ** 0.5)
    assert abs(message["cosine"] - message["original_cosine"]) > 1e-3


@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "pooled"])
def test_vectors_are_those_of_embed(pooling):
    bert = make_bert()
    bert.embed_settings = EmbedSettings(pooling=pooling, normalize=True, max_length=7, prompt="the dog : ")
    vector = bert_reader._edited_vector(bert, "it sat on the mat", Off([], [], []))
    np.testing.assert_allclose(vector / np.linalg.norm(vector), bert.embed("it sat on the mat"), atol=1e-5)


def test_truncation_is_noted_once():
    reading = BertReader(small_bert()).read("the cat sat on the mat " * 10, "", FIRST_HEAD)
    assert len(reading.message["notes"]) == 1


def test_an_attention_without_the_site_is_an_error():
    @be.register("test_switches")
    class Uniform(keras.layers.Layer):
        """The mean of all tokens, without heads."""

        def __init__(self, num_heads, key_dim, dropout, kernel_initializer, bias_initializer, **kwargs):
            super().__init__(**kwargs)
            self.num_heads = num_heads

        def call(self, query, value, return_attention_scores=False, return_qkv=False, **masks):
            output = query * 0 + keras.ops.mean(value, axis=1, keepdims=True)
            scores = keras.ops.stack([query @ keras.ops.transpose(value, (0, 2, 1))] * self.num_heads, axis=1)
            return (output, scores) if return_attention_scores else output

    reader = BertReader(make_bert(attention_cls=Uniform))
    with pytest.raises(ValueError, match="layer_0/head_outputs"):
        reader.read(SENTENCE, "", FIRST_HEAD)


# ---- pages -----------------------------------------------------------------------------------------------------------


def test_the_page_gets_the_original_weights_too():
    page = explorer(small_bert(), SENTENCE)
    question = {"text": SENTENCE, "pair": "", "edits": FIRST_HEAD, "layer": 1, "hidden_state": L}
    number = ask(page, ask="read", **question)[0]["reading"]["number"]
    expected = small_bert().read(SENTENCE)
    original = be.head_view(expected.attention, expected.tokens)
    assert page.part(f"{number}/original/layer/2") == original.part("layer/2") != page.part(f"{number}/layer/2")
    focus = {"layer": 2, "side": "key", "index": 3}
    _, row = ask(page, ask="exact", reading=number, original=True, **focus)
    assert row == original.exact(**focus) != page.exact(reading=number, original=False, **focus)
    assert page.layer_nbytes == 2 * original.layer_nbytes
    assert page.setup()["reading"]["edits"]["heads"] == [[0, 1]]


def test_a_reading_without_edits_has_no_original():
    page = explorer(small_bert(), SENTENCE)
    with pytest.raises(KeyError, match="no edits"):
        page.part("1/original/layer/0")
    reading, _ = read(page, "the cat")
    assert reading["edits"] == {"heads": [], "attention": [], "layers": []}


def test_a_saved_page_contains_both_runs(tmp_path):
    page = explorer(small_bert(), SENTENCE, PAIR)
    ask(page, ask="read", text=SENTENCE, pair=PAIR, edits={"layers": [1]}, layer=0, hidden_state=0)
    saved = page.save(tmp_path / "page.html", layers=[0, 2]).read_text(encoding="utf-8")
    assert list(embedded(saved)) == ["2/layer/0", "2/layer/2", "2/original/layer/0", "2/original/layer/2"]
    setup = saved_setup(saved)
    assert setup["reading"]["edits"]["layers"] == [1]
    assert all("original_points" in projection for projection in setup["projections"])
    assert all("original_probabilities" in prediction for prediction in setup["predictions"].values())
    assert "original_cosine" in setup["similarity"]
    assert "(1 switched off)" in page._saved_figure()["text/plain"]

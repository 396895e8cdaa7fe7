"""Reading: what `read` and `embed` return, for the real model and for a tiny one, and what they refuse."""

import dataclasses
import random
import re
import unicodedata
import warnings

import keras
import numpy as np
import pytest
import tiny_bert
from small_world import SENTENCE, VOCABULARY

import bertedu as be
from bertedu import bert as bert_module
from bertedu import presets
from bertedu.inputs import check_values
from bertedu.outputs import OUTPUTS
from bertedu.text import length_sorted_batches

TEXTS = [SENTENCE, "it was warm", "", "the unwanted cat, the dog . it ran on the mat", "dog"]
on_tensorflow = pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="the other backends trace differently"
)


@pytest.fixture(scope="module")
def minilm():
    if presets.offline_model_directory() is None:
        pytest.skip("the offline model is not installed")
    return be.load("minilm")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return be.load(tiny_bert.write(tmp_path_factory.mktemp("tiny")), name="tiny")


@pytest.fixture(scope="module")
def poolerless(tmp_path_factory):
    return be.load(tiny_bert.write(tmp_path_factory.mktemp("none"), tiny_bert.tensors(pooler=False)), name="poolerless")


def fresh(tmp_path):
    return be.load(tiny_bert.write(tmp_path))


def inputs(**changes):
    ids = np.array([[2, 5, 6, 3]], "int32")
    return {"input_word_ids": ids, "input_mask": np.ones_like(ids), "input_type_ids": ids * 0} | changes


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


# what a reading holds


def test_every_output_of_the_encoder_is_in_a_reading():
    names = {field.name for field in dataclasses.fields(be.Reading)} | vars(be.Reading).keys()
    assert {"attention" if name == "attention_scores" else name for name in OUTPUTS} <= names


def test_fields_of_a_reading(minilm):
    reading = minilm.read("The cat sat on the mat.", "It was warm.")
    tokens = ["[CLS]", "the", "cat", "sat", "on", "the", "mat", ".", "[SEP]", "it", "was", "warm", ".", "[SEP]"]
    assert reading.tokens == tokens
    assert reading.ids == minilm.tokenizer.tokens_to_ids(tokens)
    assert reading.type_ids == [0] * 9 + [1] * 5
    assert reading.segments == [None, *[0] * 7, None, *[1] * 4, None]
    assert (reading.text, reading.pair, reading.model) == ("The cat sat on the mat.", "It was warm.", "minilm")
    shapes = {
        "attention": (6, 12, 14, 14),
        "encoder_outputs": (6, 14, 384),
        "sequence_output": (14, 384),
        "embedding_output": (14, 384),
        "pooled_output": (384,),
    }
    for name, shape in shapes.items():
        array = getattr(reading, name)
        assert type(array) is np.ndarray and array.dtype == "float32" and array.shape == shape, name
        assert np.isfinite(array).all() and np.ptp(array) > 0.1, name
    np.testing.assert_allclose(reading.attention.sum(-1), 1, atol=1e-5)  # rows are queries, the last axis keys
    assert np.ptp(reading.attention.sum(-2)) > 1
    np.testing.assert_array_equal(reading.sequence_output, reading.encoder_outputs[5])
    expected = f"Reading('{' '.join(tokens)}': 14 tokens, 6 layers of 12 heads)"
    assert repr(reading) == expected
    with pytest.raises(dataclasses.FrozenInstanceError):
        reading.tokens = []


def test_a_reading_is_what_the_encoder_computes(tiny):
    reading = tiny.read(SENTENCE, "it ran")
    batch = tiny.preprocessor.encode(SENTENCE, "it ran")
    assert reading.ids == batch.ids == [2, 5, 6, 7, 8, 5, 9, 3, 12, 11, 3]
    ids = np.array([batch.ids], "int32")
    outputs = tiny.encoder(
        inputs(input_word_ids=ids, input_mask=np.ones_like(ids), input_type_ids=np.array([batch.type_ids], "int32")),
        return_attention_scores=True,
        return_embedding_output=True,
    )
    pairs = {
        "embedding": (reading.embedding_output, outputs["embedding_output"]),
        "pooled": (reading.pooled_output, outputs["pooled_output"]),
    }
    for i in range(tiny_bert.L):
        pairs[f"layer {i}"] = reading.encoder_outputs[i], outputs["encoder_outputs"][i]
        pairs[f"attention {i}"] = reading.attention[i], outputs["attention_scores"][i]
    for name, (array, eager) in pairs.items():
        np.testing.assert_allclose(array, numpy(eager)[0], atol=1e-5, err_msg=name)


def plain(text):
    """Lower case and without accents, as the uncased models read."""
    return "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")


@pytest.mark.parametrize(
    "text",
    [
        "The café's naïve façade, übermütig!",
        "e\u0301te\u0301  \t two\u00a0spaces",
        "I ❤ 😀👍🏽 cats 👩\u200d👧 and dogs",
        "日本 tea, Привет ελληνικά",
        "Unaffable un\u00adhyphened \ufffd e-mail@example.org [MASK]",
        "lone \ud800 surrogate",
    ],
)
def test_offsets_lead_back_to_the_text(minilm, text):
    for reading, segment in ((minilm.read(text), 0), (minilm.read("something else", text), 1)):
        assert len(reading.offsets) == len(reading.tokens) == reading.attention.shape[-1]
        chosen = [
            (token, *offset)
            for token, offset, where in zip(reading.tokens, reading.offsets, reading.segments, strict=True)
            if where == segment
        ]
        assert chosen
        read_as_unknown = 0
        for token, start, end in chosen:
            assert 0 <= start < end <= len(text)
            if token == "[UNK]":
                read_as_unknown += 1
            elif token == "[MASK]":
                assert text[start:end] == "[MASK]"
            else:
                assert plain(text[start:end]).replace("\u00ad", "").strip("\u0301") == token.removeprefix("##")
        starts = [start for _, start, _ in chosen]
        assert starts == sorted(starts) and read_as_unknown < len(chosen) / 2
        covered = {i for _, start, end in chosen for i in range(start, end)}
        missed = {text[i] for i in range(len(text)) if i not in covered}
        assert all(c.isspace() or unicodedata.category(c) in ("Mn", "Cf", "Cs", "So") for c in missed), missed


def test_specials_stand_nowhere_in_the_text(tiny):
    reading = tiny.read("cat", "dog")
    assert reading.tokens == ["[CLS]", "cat", "[SEP]", "dog", "[SEP]"]
    assert reading.offsets == [None, (0, 3), None, (0, 3), None]
    assert reading.segments == [None, 0, None, 1, None]
    assert reading.type_ids == [0, 0, 0, 1, 1]


def test_the_empty_text_is_two_tokens(minilm):
    for reading in (minilm.read(""), minilm.read(" \n\t")):
        assert reading.tokens == ["[CLS]", "[SEP]"] and reading.offsets == [None, None] and reading.pair is None
        assert reading.attention.shape == (6, 12, 2, 2)
    both = minilm.read("", "")
    assert both.tokens == ["[CLS]", "[SEP]", "[SEP]"] and both.type_ids == [0, 0, 1]


def test_an_encoder_with_output_range_is_refused(tiny):
    encoder = be.BertEncoder.from_config(tiny.encoder.get_config() | {"output_range": 2})
    with pytest.raises(ValueError, match="output_range: .* got 2"):
        be.Bert(tiny.tokenizer, encoder).read("the cat")
    with pytest.raises(ValueError, match="output_range: .* got 2"):
        be.Bert(tiny.tokenizer, encoder).readings(TEXTS)


# too long, and not text


def test_600_tokens_are_cut_with_one_warning(minilm):
    text = "cat " * 598
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        reading = minilm.read(text)
    assert len(reading.tokens) == 512 and reading.tokens[-1] == "[SEP]"
    [warning] = caught
    assert (
        str(warning.message)
        == "text: expected at most 512 tokens for 'minilm', got 600 tokens; 88 of them were cut off."
    )
    assert warning.filename == __file__  # it points at the line that asked
    with pytest.raises(ValueError, match=r"at most 512 tokens for 'minilm', got 600 tokens"):
        minilm.read(text, overflow="error")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(minilm.read("cat " * 510, overflow="error").tokens) == 512  # just fits: neither warning nor error


def test_max_length(tiny):
    with pytest.warns(UserWarning, match=r"at most 5 tokens for 'tiny' \(max_length\), got 8 tokens; 3 of them"):
        reading = tiny.read(SENTENCE, max_length=5)
    assert reading.tokens == ["[CLS]", "the", "cat", "sat", "[SEP]"]
    with pytest.warns(UserWarning, match=r"at most 8 tokens for 'tiny' \(max_length\), got 11 tokens"):
        reading = tiny.read(SENTENCE, "it ran", max_length=8)
    assert reading.segments.count(0) == 3 and reading.segments.count(1) == 2  # the longer one was cut
    with pytest.raises(ValueError, match=r"max_length: .* from 3 to 29, got 30"):
        tiny.read("cat", max_length=30)
    with pytest.raises(ValueError, match=r"max_length: .* from 3 to 29, got 30"):
        tiny.embed(["cat"], max_length=30)
    for too_few in (1, -3, 2.5):
        with pytest.raises(ValueError, match="max_length"):
            tiny.read("cat", max_length=too_few)
    with pytest.raises(ValueError, match="overflow: .* got 'cut'"):
        tiny.read("cat", overflow="cut")


@pytest.mark.parametrize("wrong", [None, 3, ["the cat"], {"text": "cat"}, np.array(["cat"])])
def test_only_text_is_read(tiny, wrong):
    with pytest.raises(TypeError, match="text: expected one string"):
        tiny.read(wrong)
    if wrong is not None:
        with pytest.raises(TypeError, match="pair: expected one string"):
            tiny.read("cat", wrong)


@pytest.mark.parametrize("wrong", [None, 3, [None], ["cat", 3], [["cat", "dog"]], {"cat"}])
def test_only_texts_are_embedded(tiny, wrong):
    with pytest.raises(TypeError, match="sentences: expected a"):
        tiny.embed(wrong)


def test_a_text_of_a_chunk_that_is_none_is_named(tiny):
    with pytest.raises(TypeError, match="sentences: expected a.*3"):
        list(tiny.embed_chunks(iter(["cat", 3])))


def test_any_number_of_texts_is_embedded_in_chunks(tiny, monkeypatch):
    whole = tiny.embed(TEXTS * 5)
    monkeypatch.setattr("bertedu.bert.CHUNK", 4)
    read = []
    chunks = tiny.embed_chunks(read.append(text) or text for text in TEXTS * 5)
    first = next(chunks)
    assert first.shape == (4, tiny_bert.D) and len(read) == 4  # no text is read before it is needed
    np.testing.assert_allclose(np.concatenate([first, *chunks]), whole, atol=1e-5)
    np.testing.assert_allclose(tiny.embed(TEXTS * 5), whole, atol=1e-5)
    assert list(tiny.embed_chunks([])) == []


def test_a_wrong_option_for_chunks_is_refused_at_once(tiny):
    with pytest.raises(ValueError, match="pooling"):
        tiny.embed_chunks(TEXTS, pooling="median")
    with pytest.raises(TypeError, match="sentences: .*'cat'"):
        tiny.embed_chunks("cat")


@pytest.mark.parametrize("size", [1, 1000, 2**25])
def test_readings_are_those_of_read_in_the_order_of_the_texts(tiny, monkeypatch, size):
    monkeypatch.setattr(bert_module, "READ_SIZE", size)  # one text at a time, a few, all
    monkeypatch.setattr(bert_module, "READ_CHUNK", 3)
    monkeypatch.setattr(bert_module, "READ_TOKENS", 12)
    readings = list(tiny.readings(iter(TEXTS * 3), return_qkv=True))
    assert [reading.text for reading in readings] == TEXTS * 3
    for reading in readings:
        one = tiny.read(reading.text, return_qkv=True)
        for field in dataclasses.fields(be.Reading):
            value, expected = getattr(reading, field.name), getattr(one, field.name)
            if isinstance(expected, np.ndarray):
                assert value.shape == expected.shape and value.dtype == "float32", field.name
                np.testing.assert_allclose(value, expected, atol=1e-5, err_msg=field.name)
            else:
                assert value == expected, field.name


def test_readings_take_no_more_texts_than_needed(tiny, monkeypatch):
    monkeypatch.setattr(bert_module, "READ_SIZE", 1)
    monkeypatch.setattr(bert_module, "READ_CHUNK", 2)
    taken = []
    readings = tiny.readings(taken.append(text) or text for text in TEXTS)
    assert taken == []
    assert next(readings).text == TEXTS[0]
    assert taken == TEXTS[:2]
    readings.close()


@pytest.mark.parametrize("return_qkv", [False, True])
def test_readings_of_short_texts_hold_no_more_elements_than_allowed(tiny, return_qkv):
    row = next(tiny.readings(["cat"], return_qkv=return_qkv))
    arrays = (getattr(row, field.name) for field in dataclasses.fields(row))
    elements = sum(array.size for array in arrays if isinstance(array, np.ndarray)) - row.pooled_output.size
    taken = 0

    def texts():
        nonlocal taken
        for _ in range(2 * bert_module.READ_SIZE // elements):
            taken += 1
            yield "cat"

    window = next(tiny._windows(texts(), 5, return_qkv))
    assert len(window) == bert_module.READ_SIZE // elements and taken <= len(window) + bert_module.READ_CHUNK


def test_readings_truncate_with_one_warning(tiny):
    with pytest.warns(UserWarning, match="at most 4 tokens for 'tiny', got one of") as caught:
        readings = list(tiny.readings([SENTENCE, SENTENCE, "dog"], max_length=4))
    assert len(caught) == 1
    assert [len(reading.tokens) for reading in readings] == [4, 4, 3]


def test_wrong_texts_and_options_of_readings_are_refused(tiny, poolerless):
    for wrong, message in (("the cat", "Use read for one"), (3, "expected an iterable of strings, got 3")):
        with pytest.raises(TypeError, match=message):
            tiny.readings(wrong)
    with pytest.raises(TypeError, match="texts"):
        list(tiny.readings(["cat", 3]))
    with pytest.raises(ValueError, match="max_length"):
        tiny.readings(TEXTS, max_length=10**6)
    assert list(tiny.readings([])) == []
    assert next(poolerless.readings(["dog"])).pooled_output is None


def test_without_a_pooler(poolerless):
    assert poolerless.has_pooler is False
    assert poolerless.read("cat").pooled_output is None
    with pytest.raises(ValueError, match=r"pooling: expected one of \['cls', 'mean', .*; 'poolerless' has no pooler"):
        poolerless.embed(["cat"], pooling="pooled")
    assert poolerless.embed(["cat"], pooling="cls").shape == (1, tiny_bert.D)


# embed


def by_hand(bert, text, pooling):
    reading = bert.read(text)
    rows = reading.sequence_output.astype("float64")
    pooled = {"mean": rows.mean(0), "cls": rows[0], "max": rows.max(0), "pooled": reading.pooled_output}
    return pooled[pooling]


@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "pooled"])
def test_embed_is_pooling_by_hand_in_the_order_given(tiny, pooling):
    """One by one through `read`, so no padding is there; `embed` sorts and pads."""
    expected = np.stack([by_hand(tiny, text, pooling) for text in TEXTS])
    vectors = tiny.embed(TEXTS, pooling=pooling)
    assert vectors.dtype == "float32" and vectors.shape == (len(TEXTS), tiny_bert.D)
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    assert np.abs(expected[0] - expected[1]).max() > 0.01  # another order would show
    np.testing.assert_allclose(tiny.embed(TEXTS[::-1], pooling=pooling), expected[::-1], atol=1e-5)
    unit = tiny.embed(TEXTS, pooling=pooling, normalize=True)
    np.testing.assert_allclose(unit, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-5)


def test_the_poolings_differ(tiny):
    vectors = [tiny.embed(SENTENCE, pooling=pooling) for pooling in ("mean", "cls", "max", "pooled")]
    for i, one in enumerate(vectors):
        assert all(np.abs(one - other).max() > 0.01 for other in vectors[:i])


def test_embed_follows_what_the_model_was_made_for(minilm):
    long = "cat " * 300 + "dog " * 200
    settings = minilm.embed_settings
    assert (settings.pooling, settings.normalize, settings.max_length) == ("mean", True, 256)
    vector = minilm.embed(long)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    with pytest.warns(UserWarning, match="502 tokens"):
        cut = minilm.read(long, max_length=256).sequence_output.mean(0)
    np.testing.assert_allclose(vector, cut / np.linalg.norm(cut), atol=1e-5)
    other = minilm.embed(long, max_length=512)
    assert np.abs(vector - other).max() > 1e-3


@pytest.mark.parametrize("which", ["tiny", "minilm"])
def test_padding_is_invisible(which, request):
    bert = request.getfixturevalue(which)
    long = "the cat sat on the mat, it was warm . " * 2
    for pooling in ("mean", "max", "cls"):
        alone, beside = bert.embed(["cat"], pooling=pooling)[0], bert.embed(["cat", long], pooling=pooling)[0]
        np.testing.assert_allclose(alone, beside, atol=1e-5)


def test_one_text_gives_one_vector_and_none_gives_none(tiny):
    one = tiny.embed(SENTENCE)
    assert one.shape == (tiny_bert.D,)
    np.testing.assert_allclose(one, tiny.embed([SENTENCE])[0], atol=1e-6)
    for nothing in ([], (), np.array([], dtype=str)):
        vectors = tiny.embed(nothing, normalize=True)
        assert vectors.shape == (0, tiny_bert.D) and vectors.dtype == "float32"
    np.testing.assert_allclose(tiny.embed(np.array([SENTENCE, "dog"])), tiny.embed((SENTENCE, "dog")), atol=1e-6)


def test_unknown_poolings_are_refused(tiny):
    with pytest.raises(
        ValueError, match=r"pooling: expected one of \['pooled', 'cls', 'mean', 'max'\].* got 'average'"
    ):
        tiny.embed(["cat"], pooling="average")
    with pytest.raises(ValueError, match="pooling: expected one of"):
        tiny.embed([], pooling="average")  # also when there is nothing to do


def test_a_progress_bar_on_long_work_only(tiny, capsys, monkeypatch):
    monkeypatch.setattr(bert_module, "BATCH_TOKENS", 8)
    monkeypatch.setattr(bert_module, "PROGRESS_AFTER", 600)  # the first call compiles, which may take seconds
    tiny.embed(TEXTS)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(bert_module, "PROGRESS_AFTER", 0)
    for long_work in (tiny.embed, lambda texts: list(tiny.readings(texts))):
        long_work(TEXTS)
        assert re.search(r"\d/5 .*text", capsys.readouterr().err)
    tiny.embed(TEXTS, progress=False)
    list(tiny.readings(TEXTS, progress=False))
    tiny.embed(SENTENCE)
    assert capsys.readouterr().err == ""


def test_length_sorted_batches_keep_their_promises():
    rng = random.Random(5)
    for budget in (1, 9, 64, 2048):
        for count in (0, 1, 2, 37):
            lengths = [rng.randint(2, 60) for _ in range(count)]
            batches = length_sorted_batches(lengths, budget)
            flat = [i for batch in batches for i in batch]
            assert sorted(flat) == list(range(count))  # each text once
            assert [lengths[i] for i in flat] == sorted(lengths, reverse=True)  # the longest first
            for batch in batches:
                longest = max(lengths[i] for i in batch)
                assert len(batch) == 1 or len(batch) * longest <= budget
                assert batch is batches[-1] or (len(batch) + 1) * longest > budget  # none ends early
    assert length_sorted_batches([3, 9, 4], batch_tokens=9) == [[1], [2, 0]]


# in another precision


def arrays(reading):
    names = ["attention", "encoder_outputs", "embedding_output", "pooled_output", "queries", "keys", "values"]
    return {name: np.asarray(getattr(reading, name)) for name in names if getattr(reading, name) is not None}


@pytest.mark.parametrize("options", [{}, {"return_qkv": True}, {"head_mask": np.eye(tiny_bert.L, tiny_bert.N)}])
def test_bfloat16_on_request_is_that_of_a_model_loaded_so(tmp_path, options):
    bert, half = fresh(tmp_path), be.load(tmp_path, dtype="bfloat16")
    exact, expected = arrays(bert.read(SENTENCE, **options)), arrays(half.read(SENTENCE, **options))
    actual = arrays(bert.read(SENTENCE, **options, precision="bfloat16"))
    assert actual.keys() == expected.keys() and len(actual) >= 4
    for name, array in actual.items():
        assert array.dtype == "float32", name
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
        assert 0 < np.abs(array.astype("float32") - exact[name]).max() < 0.1, name


@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "pooled"])
def test_embeddings_in_bfloat16_are_float32_arrays_near_the_exact_ones(tmp_path, pooling):
    bert, half = fresh(tmp_path), be.load(tmp_path, dtype="bfloat16")
    exact = bert.embed(TEXTS, pooling)
    vectors = bert.embed(TEXTS, pooling, precision="bfloat16")
    assert vectors.dtype == np.float32 and 0 < np.abs(vectors - exact).max() < 0.1
    np.testing.assert_array_equal(vectors, half.embed(TEXTS, pooling))
    np.testing.assert_array_equal(vectors[0], bert.embed(TEXTS, pooling, precision="bfloat16")[0])
    chunks = bert.embed_chunks(iter(TEXTS), pooling, precision="bfloat16")
    np.testing.assert_array_equal(np.concatenate(list(chunks)), vectors)


def test_after_bfloat16_the_encoder_is_what_it_was(tmp_path):
    bert = fresh(tmp_path)
    before, vectors = arrays(bert.read(SENTENCE)), bert.embed(TEXTS)
    weights, policy = bert.encoder.get_weights(), bert.encoder.dtype_policy.name
    bert.read(SENTENCE, precision="bfloat16")
    bert.embed(TEXTS, precision="bfloat16")
    assert bert.encoder.dtype_policy.name == policy == "float32"
    for old, new in zip(weights, bert.encoder.get_weights(), strict=True):
        assert old.dtype == new.dtype and old.tobytes() == new.tobytes()
    for name, array in arrays(bert.read(SENTENCE)).items():
        assert array.tobytes() == before[name].tobytes(), name
    assert bert.embed(TEXTS).tobytes() == vectors.tobytes()
    for precision in (None, "float32"):  # no copy of the weights
        assert bert._encoder_in(precision) is bert.encoder


def test_a_model_in_half_precision_computes_in_float32_on_request(tmp_path):
    bert, half = fresh(tmp_path), be.load(tmp_path, dtype="bfloat16")
    bert.encoder.set_weights([weight.astype("float32") for weight in half.encoder.get_weights()])  # rounded
    for name, array in arrays(half.read(SENTENCE, precision="float32")).items():
        assert array.dtype == "float32"
        np.testing.assert_array_equal(array, arrays(bert.read(SENTENCE))[name], err_msg=name)


@pytest.mark.parametrize("precision", ["float16", "mixed_bfloat16", "bf16", 16, np.float32])
def test_an_unknown_precision_is_refused_before_any_work(tiny, precision):
    for call in (tiny.read, tiny.embed, tiny.embed_chunks):
        with pytest.raises(ValueError, match="precision: expected 'float32' or 'bfloat16', got "):
            call([SENTENCE] if call == tiny.embed_chunks else SENTENCE, precision=precision)


def test_a_reading_in_bfloat16_is_shown(tiny, tmp_path):
    reading = tiny.read(SENTENCE, precision="bfloat16", return_qkv=True)
    for kind in ("model", "head", "neuron"):
        assert reading.view(kind).save(tmp_path / f"{kind}.html").stat().st_size > 1000


# compiled once


@on_tensorflow
def test_new_lengths_compile_nothing_new(tmp_path, monkeypatch):
    """TensorFlow runs our Python function when it compiles, and never again."""
    calls = {"read": 0, "embed": 0}

    def counting(name, function):
        def counted(*arguments, **options):
            calls[name] += 1
            return function(*arguments, **options)

        return counted

    monkeypatch.setattr(bert_module, "_forward", counting("read", bert_module._forward))
    monkeypatch.setattr(bert_module, "pool", counting("embed", bert_module.pool))
    bert = fresh(tmp_path)
    shapes = set()
    for text in TEXTS:
        shapes.add(bert.read(text).attention.shape)
        bert.embed([text, "cat"])
    bert.embed(TEXTS)
    assert len(shapes) == 5 and calls == {"read": 1, "embed": 1}
    bert.embed(TEXTS, pooling="max")
    assert calls["embed"] == 2  # another function, once
    fresh(tmp_path / "other").read("cat")
    assert calls["read"] == 2  # another encoder


def test_changed_weights_are_seen(tmp_path):
    bert = fresh(tmp_path)
    before, vector = bert.read(SENTENCE), bert.embed(SENTENCE)
    for variable in (bert.encoder.get_embedding_table(), bert.encoder.transformer_layers[2].weights[0]):
        variable.assign(numpy(variable) * 0.5)
        after = bert.read(SENTENCE)
        assert np.abs(after.sequence_output - before.sequence_output).max() > 1e-3
        assert np.abs(bert.embed(SENTENCE) - vector).max() > 1e-3
        ids = np.array([after.ids], "int32")
        eager = bert.encoder(inputs(input_word_ids=ids, input_mask=np.ones_like(ids), input_type_ids=ids * 0))
        np.testing.assert_allclose(after.sequence_output, numpy(eager["sequence_output"])[0], atol=1e-5)
        before, vector = after, bert.embed(SENTENCE)


def test_reading_twice_gives_the_same(tiny):
    one, two = tiny.read(SENTENCE), tiny.read(SENTENCE)
    np.testing.assert_array_equal(one.attention, two.attention)  # no dropout
    one.attention[:] = 0  # an array of its own, not a window on the model's
    assert tiny.read(SENTENCE).attention.max() > 0


# values that there are no rows for


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"input_word_ids": np.array([[2, 23, 6, 3]])},
            "input_word_ids: expected ids from 0 to 22 for this encoder, got 23",
        ),
        (
            {"input_word_ids": np.array([[2, 5, -1, 3]])},
            "got -1",
        ),
        (
            {"input_type_ids": np.array([[0, 0, 2, 0]])},
            "input_type_ids: expected ids from 0 to 1 for this encoder, got 2",
        ),
        ({"input_type_ids": np.array([[0, -7, 0, 0]])}, "got -7"),
        ({"input_word_ids": np.zeros((1, 30), int)}, "input_word_ids: expected at most 29 tokens, got 30"),
    ],
)
def test_values_without_rows_are_refused(tiny, changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check_values(inputs(**changes), tiny.encoder)


def test_values_with_rows_are_not_refused(tiny):
    check_values(inputs(input_word_ids=np.array([[0, 22]]), input_type_ids=np.array([[0, 1]])), tiny.encoder)
    check_values(inputs(input_word_ids=np.zeros((1, 29), int)), tiny.encoder)
    check_values(inputs(input_word_ids=np.zeros((0, 4), int)), tiny.encoder)


def test_a_pair_needs_two_segments(tmp_path):
    weights = tiny_bert.tensors()
    weights["embeddings.token_type_embeddings.weight"] = weights["embeddings.token_type_embeddings.weight"][:1]
    bert = be.load(tiny_bert.write(tmp_path, weights, {"type_vocab_size": 1}))
    assert bert.read("cat").tokens == ["[CLS]", "cat", "[SEP]"]
    with pytest.raises(ValueError, match="input_type_ids: expected ids from 0 to 0 .* got 1"):
        bert.read("cat", "dog")


def test_parts_that_do_not_fit_make_no_bert(tiny):
    with pytest.raises(TypeError, match="expected a BertTokenizer and a BertEncoder"):
        be.Bert(tiny.encoder, tiny.tokenizer)
    long = be.BertTokenizer([*VOCABULARY, *"abcd"])
    with pytest.raises(ValueError, match="tokenizer: .* 23 tokens.* got 24"):
        be.Bert(long, tiny.encoder)
    same = be.Bert(tiny.tokenizer, tiny.encoder, name="same")
    np.testing.assert_allclose(same.embed(TEXTS), tiny.embed(TEXTS), atol=1e-6)
    numbers = sum(int(np.prod(shape)) for shape in tiny_bert.shapes().values())
    assert repr(same) == f"Bert('same': 3 layers, hidden size 22, 2 heads, {numbers:,} parameters)"


# plots


@pytest.fixture(scope="module")
def small_reading(tiny):
    return tiny.read("the cat sat")


def test_plots_are_saved_by_their_ending(small_reading, tmp_path):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    open_figures = pyplot.get_fignums()
    starts = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
    for ending, start in starts.items():
        path = small_reading.save(tmp_path / f"plot{ending}")
        assert path == tmp_path / f"plot{ending}" and path.read_bytes().startswith(start)
    all_heads, one_head = (tmp_path / name for name in ("all.svg", "one.svg"))
    small_reading.save(str(all_heads))
    small_reading.save(one_head, layer=1, head=0)
    assert "Every head of tiny" in all_heads.read_text() and "tiny, layer 1, head 0" in one_head.read_text()
    assert pyplot.get_fignums() == open_figures  # nothing is left open
    with pytest.raises(ValueError, match=r"path: .* \.png.*\.svg.*\.pdf.* .*plot\.jpg"):
        small_reading.save(tmp_path / "plot.jpg")
    with pytest.raises(FileNotFoundError, match="path: .*nowhere"):
        small_reading.save(tmp_path / "nowhere" / "plot.png")
    assert pyplot.get_fignums() == open_figures and not (tmp_path / "nowhere").exists()


def test_layers_and_heads_that_are_not_there(small_reading):
    for choice, message in {
        (3, None): "layer: expected a whole number from 0 to 2, got 3",
        (-1, 0): "layer: .* got -1",
        (0, 2): "head: expected a whole number from 0 to 1, got 2",
        (None, 1): "layer: expected the layer of head 1, got None",
    }.items():
        with pytest.raises(ValueError, match=message):
            small_reading.plot(*choice)


@pytest.mark.parametrize(
    "name, parameters",
    [
        ("minilm", 22_713_216),
        ("bert_en_uncased", 109_482_240),
        ("bert_en_cased", 108_310_272),
        ("bert_en_large_uncased", 335_141_888),
        ("talkheads_ggelu_bert_en_large", 435_915_776),
    ],
)
def test_every_preset_can_be_built_and_has_as_many_parameters_as_published(name, parameters):
    assert be.build(name, initializer="zeros").count_params() == parameters


def test_build_takes_options_and_refuses_other_weights():
    encoder = be.build("talkheads_ggelu_bert_en_base", num_layers=1, vocab_size=30)
    assert encoder.attention_cls is be.TalkingHeadsAttention and encoder.num_layers == 1
    with pytest.raises(ValueError, match="weights: expected None"):
        be.build("minilm", weights="random")
    with pytest.raises(ValueError, match="name: .*'bert_en_uncase'.* Did you mean 'bert_en_uncased'"):
        be.build("bert_en_uncase")


def test_a_preset_without_a_download_says_how_to_get_it_by_hand():
    with pytest.raises(ConnectionError, match=r"(?s)by hand.*https://tfhub\.dev/"):
        be.load("talkheads_ggelu_bert_en_large")


def test_queries_keys_and_values_explain_the_attention(minilm):
    reading = minilm.read(SENTENCE, return_qkv=True)
    q, k = reading.queries, reading.keys  # [L, N, T, H]
    assert q.shape == k.shape == reading.values.shape == (6, 12, len(reading.tokens), 32)
    logits = np.einsum("lnth,lnsh->lnts", q, k) / np.sqrt(32)
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    np.testing.assert_allclose(weights / weights.sum(-1, keepdims=True), reading.attention, atol=1e-5)
    assert minilm.read(SENTENCE).queries is None


def test_a_head_mask_leaves_heads_out_from_there_on(minilm):
    plain = minilm.read(SENTENCE)
    everything = minilm.read(SENTENCE, head_mask=np.ones((6, 12)))
    np.testing.assert_allclose(everything.encoder_outputs, plain.encoder_outputs, atol=1e-5)
    mask = np.ones((6, 12))
    mask[2, 5] = 0
    masked = minilm.read(SENTENCE, head_mask=mask, return_qkv=True)
    np.testing.assert_allclose(masked.attention[:3], plain.attention[:3], atol=1e-5)  # the weights stay the same
    assert np.abs(masked.encoder_outputs[2] - plain.encoder_outputs[2]).max() > 1e-3
    assert masked.queries is not None
    with pytest.raises(ValueError, match=r"head_mask: .* \(6, 12\), .* got \(12, 6\)"):
        minilm.read(SENTENCE, head_mask=mask.T)


def test_a_vocabulary_that_is_shorter_than_the_word_table_is_told(tmp_path):
    folder = tiny_bert.write(tmp_path, words=VOCABULARY)
    with pytest.warns(UserWarning, match=r"tokenizer: .* 23 tokens.* got 20"):
        bert = be.load(folder)
    assert (bert.tokenizer.vocab_size, bert.encoder.vocab_size) == (20, 23)  # told, and read all the same


def test_views_of_a_reading(minilm, tmp_path):
    reading = minilm.read("The cat sat.", "It was warm.", return_qkv=True)
    for kind in ("model", "head", "neuron"):
        view = reading.view(kind, layer=2)
        assert "minilm" in view.alt and view.layer == 2
        page = view.save(tmp_path / f"{kind}.html").read_text(encoding="utf-8")
        assert "http:" not in page and "https:" not in page
    assert reading.view("head").segments == [-1 if s is None else s for s in reading.segments]
    with pytest.raises(ValueError, match="return_qkv=True"):
        minilm.read("The cat sat.").view("neuron")
    with pytest.raises(ValueError, match="kind: expected 'model' or 'head' or 'neuron'"):
        reading.view("galaxy")
    with pytest.raises(ValueError, match="layer"):
        reading.show(layer=6)


def test_outside_a_notebook_show_says_what_it_would_show(minilm, capsys):
    minilm.read("The cat sat.").show()
    assert "view.save('view.html')" in capsys.readouterr().out

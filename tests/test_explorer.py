"""The explorer without a browser: requests and answers, saved files, and errors."""

import base64
import functools
import json
import re
import zlib

import keras
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from small_world import SENTENCE, VOCABULARY

import bertedu as be
from bertedu import analysis, bert_reader
from bertedu.bert_reader import explorer
from bertedu.views import explorer as module
from bertedu.views import live
from bertedu.views import view as view_module

L, N, D, POSITIONS = 3, 2, 10, 17
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "\"'`&<!-- {{}} ${1}",
    "\u202eright to left\u2066",
    "nul\x00byte\ud800",
]


@pytest.fixture(autouse=True)
def no_window_and_no_leftovers():
    matplotlib.use("Agg")
    before = plt.get_fignums()  # other tests may leave some
    yield
    assert plt.get_fignums() == before


def make_bert(**options):
    """Return a small model with weights large enough that token vectors differ."""
    keras.utils.set_random_seed(1)
    encoder = be.BertEncoder(
        len(VOCABULARY),
        hidden_size=D,
        num_layers=L,
        num_attention_heads=N,
        inner_dim=13,
        max_sequence_length=POSITIONS,
        **options,
    )
    random = np.random.default_rng(5)
    for weight in encoder.weights:
        weight.assign(random.normal(0, 0.5, weight.shape) + ("gamma" in weight.path))
    return be.Bert(be.BertTokenizer(VOCABULARY), encoder, masked_lm=be.BertPretrainer(encoder), name="small")


@functools.cache
def small_bert():
    return make_bert()


def ask(page, **question):
    return page.answer(question)


def read(page, text, pair="", layer=0, hidden_state=L):
    """Return the answer to "read": the header's reading, and the layer's weights as bytes."""
    header, content = ask(page, ask="read", text=text, pair=pair, edits={}, layer=layer, hidden_state=hidden_state)
    json.dumps(header, allow_nan=False).encode()  # it is JSON
    return header["reading"], content


class Widget:
    """Records the messages to the page."""

    def __init__(self):
        self.sent = []

    def send(self, content, buffers=None):
        self.sent.append((json.loads(json.dumps(content)), buffers))


def embedded(page):
    blocks = re.findall(r'<script type="text/plain" data-part="([^"]+)">([^<]*)</script>', page)
    return {name: zlib.decompress(base64.b64decode(text)) for name, text in blocks}


def saved_setup(page):
    return json.loads(re.search(r'id="bertedu-setup">(.*?)</script>', page, flags=re.DOTALL)[1])


# ---- readings --------------------------------------------------------------------------------------------------------


def test_an_edit_is_read_as_bert_reads_it():
    page = explorer(small_bert(), SENTENCE)
    reading, content = read(page, "the unwanted dog", "it ran", layer=1)
    expected = small_bert().read("the unwanted dog", "it ran")
    assert reading["tokens"] == expected.tokens
    assert reading["ids"] == expected.ids
    assert reading["type_ids"] == expected.type_ids
    assert reading["offsets"] == [list(offset) if offset else None for offset in expected.offsets]
    assert reading["segments"] == [-1 if segment is None else segment for segment in expected.segments]
    np.testing.assert_array_equal(page.reading.attention, expected.attention)
    assert content == be.head_view(expected.attention, expected.tokens).part("layer/1")
    assert 0 < reading["milliseconds"] < 10_000


def test_exact_weights_equal_the_reading():
    page = explorer(small_bert(), SENTENCE)
    reading, _ = read(page, "the cat sat")
    attention = small_bert().read("the cat sat").attention
    _, row = ask(page, ask="exact", reading=reading["number"], layer=1, side="query", index=2)
    np.testing.assert_array_equal(np.frombuffer(row, "f4").reshape(N, 5), attention[1, :, 2])


def test_every_reading_keeps_its_number_and_its_weights():
    page = explorer(small_bert(), SENTENCE)
    first, _ = read(page, "the cat")
    second, _ = read(page, "the cat sat on the mat")
    assert second["number"] == first["number"] + 1
    _, row = ask(page, ask="exact", reading=first["number"], layer=0, side="query", index=1)
    np.testing.assert_array_equal(
        np.frombuffer(row, "f4").reshape(N, 4), small_bert().read("the cat").attention[0, :, 1]
    )
    _, part = ask(page, ask="part", name=f"{first['number']}/layer/2")
    assert len(part) == N * 4 * (8 + 4)


def test_old_readings_are_evicted_with_an_error_for_the_page():
    page = explorer(small_bert(), SENTENCE)
    first, _ = read(page, "the cat")
    for text in ("a", "b", "c", "d"):
        read(page, text)
    assert len(page._cached) == module.MAX_CACHED
    widget = Widget()
    live.reply(page, widget, {"ask": "part", "name": f"{first['number']}/layer/0", "number": "7"}, [])
    assert widget.sent[0][0]["number"] == "7"
    assert "no longer cached" in widget.sent[0][0]["error"]


def test_large_readings_are_evicted_earlier(monkeypatch):
    monkeypatch.setattr(module, "MAX_CACHED_NBYTES", 1)
    page = explorer(small_bert(), SENTENCE)
    read(page, "the cat")
    assert list(page._cached) == [page._count]


def test_the_setup_contains_all_that_the_first_drawing_needs():
    page = explorer(small_bert(), SENTENCE, "it was warm")
    header, content = ask(page, ask="setup")
    setup = json.loads(json.dumps(header["setup"], allow_nan=False))
    assert setup["reading"]["texts"] == [SENTENCE, "it was warm"]
    description = setup["description"]
    assert (description["num_layers"], description["num_heads"], setup["layers"]) == (L, N, [0, 1, 2])
    assert setup["exact"] is True
    assert description["can_fill_mask"] is True
    assert header["part"] == f"{setup['reading']['number']}/layer/0"
    assert content == page.part(header["part"])
    assert setup["reading"]["tokens"][1] == "the"


# ---- statistics and projection ---------------------------------------------------------------------------------------


def test_statistics_equal_those_of_analysis():
    page = explorer(small_bert(), SENTENCE)
    reading, _ = read(page, "the cat sat , the dog ran .")
    result = analysis.head_statistics(page.reading.attention, page.reading.tokens)
    assert set(reading["statistics"]["values"]) == set(bert_reader.MEASURES)
    for name, values in reading["statistics"]["values"].items():
        np.testing.assert_allclose(values, getattr(result, name), atol=1e-6)
    assert reading["statistics"]["labels"] == result.labels.tolist()


def test_talking_heads_have_no_statistics_and_are_shown():
    bert = make_bert(attention_cls=be.TalkingHeadsAttention)
    page = explorer(bert, SENTENCE)
    reading = page._latest.text.message
    assert "not defined" in reading["statistics"]["note"]
    assert reading["signed"] is True


def test_a_very_long_text_has_a_note_instead_of_statistics(monkeypatch):
    monkeypatch.setattr(bert_reader, "MAX_STATISTICS_SIZE", 10)
    assert "head_statistics" in explorer(small_bert(), SENTENCE)._latest.text.message["statistics"]["note"]


@pytest.mark.parametrize("hidden_state", [0, 1, L])
def test_the_projection_is_to_the_principal_components(hidden_state):
    page = explorer(small_bert(), SENTENCE)
    projection = ask(page, ask="projection", reading=page._count, hidden_state=hidden_state)[0]
    points, ratio = analysis.principal_components(analysis.layer_vectors(page.reading)[hidden_state])
    np.testing.assert_allclose(projection["points"], points, atol=1e-5)
    np.testing.assert_allclose(projection["variance"], ratio, atol=1e-5)


def test_two_tokens_have_no_projection():
    assert explorer(small_bert(), "")._latest.text.projection(0)["points"] is None


def test_two_texts_have_a_similarity_and_one_has_none():
    page = explorer(small_bert(), SENTENCE)
    assert ask(page, ask="similarity", reading=page._count)[0] == {"similarity": None}
    reading, _ = read(page, "the cat sat", "it was warm")
    similarity = ask(page, ask="similarity", reading=reading["number"])[0]["similarity"]
    a, b = small_bert().embed(["the cat sat", "it was warm"]).astype("f8")
    np.testing.assert_allclose(similarity["cosine"], a @ b / (a @ a) ** 0.5 / (b @ b) ** 0.5, rtol=1e-6)
    assert similarity["pooling"] == "mean"


# ---- predictions -----------------------------------------------------------------------------------------------------


def predict(page, token):
    return ask(page, ask="fill_mask", reading=page._count, token=token)[0]


@pytest.mark.parametrize(
    ("token", "masked_text", "word"),
    [
        (1, "[MASK] unwanted cat sat.", "the"),
        (2, "the [MASK] cat sat.", "unwanted"),
        (3, "the [MASK] cat sat.", "unwanted"),  # a piece of the same word
        (4, "the [MASK] cat sat.", "unwanted"),
        (7, "the unwanted cat sat[MASK]", "."),
    ],
)
def test_a_prediction_equals_fill_mask_of_the_masked_text(token, masked_text, word):
    page = explorer(small_bert(), "the unwanted cat sat.")
    result = predict(page, token)
    assert (result["masked_text"], result["word"]) == (masked_text, word)
    assert [tuple(entry) for entry in result["top_predictions"]] == small_bert().fill_mask(masked_text)[0]


def test_predictions_beside_other_masks_and_in_the_second_text():
    page = explorer(small_bert(), "the [MASK] sat", "it [MASK] warm")
    tokens = page.reading.tokens
    result = predict(page, tokens.index("warm"))
    expected = small_bert().fill_mask("the [MASK] sat", "it [MASK] [MASK]")
    assert result["masked_text"] == "it [MASK] [MASK]"
    assert [tuple(entry) for entry in result["top_predictions"]] == expected[2]
    second = len(tokens) - 1 - tokens[::-1].index("[MASK]")
    both = small_bert().fill_mask("the [MASK] sat", "it [MASK] warm")
    assert [tuple(entry) for entry in predict(page, second)["top_predictions"]] == both[1]


def test_without_a_word_or_a_head_a_prediction_is_an_error():
    page = explorer(small_bert(), SENTENCE)
    widget = Widget()
    live.reply(page, widget, {"ask": "fill_mask", "reading": page._count, "token": 0, "number": "1"}, [])
    assert "special token" in widget.sent[0][0]["error"]
    without = be.Bert(be.BertTokenizer(VOCABULARY), small_bert().encoder)
    bare = explorer(without, SENTENCE)
    assert bare.description["can_fill_mask"] is False
    assert page.description["fill_mask_note"] == "" and "Python's documentation" in bare.description["fill_mask_note"]
    with pytest.raises(ValueError, match="expected a masked-LM head"):
        predict(bare, 1)


# ---- long, empty, hostile and invalid --------------------------------------------------------------------------------


def test_a_long_text_is_truncated_with_a_note():
    page = explorer(small_bert(), SENTENCE)
    reading, _ = read(page, "the cat sat on the mat " * 10)
    assert len(reading["ids"]) == POSITIONS
    (note,) = reading["notes"]
    assert "62 tokens" in note and "45 of them were cut off" in note
    assert predict(page, POSITIONS - 2)["masked_text"].endswith("[MASK]")  # without the truncated part
    assert read(page, "the cat")[0]["notes"] == []


def test_a_very_long_text_is_truncated_before_tokenization(monkeypatch):
    monkeypatch.setattr(bert_reader, "MAX_CHARACTERS", 10)
    reading, _ = read(explorer(small_bert(), "the cat"), "the cat sat on the mat", "it was warm , it was warm")
    assert reading["tokens"] == ["[CLS]", "the", "cat", "[UNK]", "[SEP]", "it", "was", "[UNK]", "[SEP]"]
    assert ["22 characters" in reading["notes"][0], "25 characters" in reading["notes"][1]] == [True, True]


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\u200b"])
def test_empty_texts_are_read(text):
    reading, _ = read(explorer(small_bert(), text), text)
    assert reading["tokens"] == ["[CLS]", "[SEP]"]
    assert np.isfinite(np.ravel(list(reading["statistics"]["values"].values()))).all()


def test_an_empty_second_text_is_none():
    assert explorer(small_bert(), "the cat", "").reading.pair is None
    assert read(explorer(small_bert(), "the cat"), "the dog", "")[0]["tokens"] == [
        "[CLS]",
        "the",
        "dog",
        "[SEP]",
    ]


def test_line_ends_are_those_of_a_browser():
    page = explorer(small_bert(), "the cat\r\nsat\ron")
    assert page.reading.text == "the cat\nsat\non"
    assert page.reading.offsets[3] == (8, 11)


def test_an_invalid_request_is_an_error_and_the_page_continues():
    page, widget = explorer(small_bert(), SENTENCE), Widget()
    wrong = {"ask": "read", "edits": {}, "text": "the cat", "pair": "", "layer": 0, "hidden_state": 0, "number": "1"}
    for question, words in [
        (wrong | {"text": 5}, "text: expected a str, got 5"),
        (wrong | {"pair": None}, "pair: expected a str"),
        (wrong | {"layer": 9}, "layer: expected a whole number from 0"),
        (wrong | {"edits": {"head_mask": [0]}}, "edits: expected lists"),
        (wrong | {"edits": {"layers": [9]}}, "layers: expected a whole number from 0 to 2, got 9"),
        (wrong | {"hidden_state": 9}, "hidden_state: expected a whole number from 0"),
        ({"ask": "projection", "reading": 99, "hidden_state": 0, "number": "1"}, "no longer cached"),
        ({"ask": "?", "number": "1"}, "unknown request"),
        ({"number": "1"}, "KeyError"),
    ]:
        live.reply(page, widget, question, [])
        content, _ = widget.sent.pop()
        assert content["number"] == "1"
        assert words in content["error"]
    live.reply(page, widget, "nonsense", [])
    assert "error" in widget.sent.pop()[0]
    live.reply(page, widget, wrong, [])
    content, buffers = widget.sent.pop()
    assert content["reading"]["tokens"] == ["[CLS]", "the", "cat", "[SEP]"]
    assert len(buffers[0]) == N * 4 * (8 + 4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("minilm",), "bert: expected a Bert"), ((None, 5), "text: expected"), ((None, "a", ["b"]), "pair: expected")],
)
def test_arguments_are_checked(arguments, words):
    bert, *texts = arguments
    with pytest.raises(TypeError, match=words):
        explorer(bert or small_bert(), *texts)


def test_weights_that_are_not_finite_are_an_error():
    bert = make_bert()
    bert.encoder.weights[0].assign(np.full(bert.encoder.weights[0].shape, np.nan))
    with pytest.raises(ValueError, match="finite numbers"):
        explorer(bert, SENTENCE)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text(text, tmp_path):
    page = explorer(small_bert(), text, text)
    reading, _ = read(page, text, text)
    assert all(token == "[UNK]" or token in VOCABULARY for token in reading["tokens"])
    saved = page.save(tmp_path / "page.html").read_text(encoding="utf-8")
    assert saved.count("<script") == saved.count("</script>")
    assert "<img src=x" not in saved
    assert "alert(1)</" not in saved
    assert not {"\x00", "\u202e"} & set(saved)
    assert saved_setup(saved)["reading"]["texts"][0] == text.replace("\ud800", "\ufffd")


# ---- shown and saved -------------------------------------------------------------------------------------------------


def test_a_saved_page_contains_the_latest_reading_and_loads_nothing(tmp_path):
    page = explorer(small_bert(), SENTENCE)
    reading, _ = read(page, "the dog [MASK]", "it was warm", layer=1)
    ask(page, ask="choose", layer=2, heads=[1], hidden_state=0, token=3)
    saved = page.save(tmp_path / "page.html").read_text(encoding="utf-8")
    assert not re.search(
        r"https?:(?!//www\.w3\.org/2000/svg)|//cdn|\bimport\s*[({'\"]|\bsrc=[\"'](?!data:)|@import|url\(", saved
    )
    assert not re.search(r"^\s*(import|export)\b", saved, flags=re.MULTILINE)
    setup = saved_setup(saved)
    assert setup["reading"]["texts"] == ["the dog [MASK]", "it was warm"]
    assert (setup["exact"], setup["layer"], setup["heads"], setup["token"]) == (False, 2, [1], 3)
    assert setup["reading"]["number"] == reading["number"]
    assert [projection["hidden_state"] for projection in setup["projections"]] == [0, 1, 2, 3]
    assert sorted(map(int, setup["predictions"])) == [1, 2, 3, 5, 6, 7]
    assert setup["predictions"]["3"]["masked_text"] == "the dog [MASK]"
    parts = embedded(saved)
    assert list(parts) == [f"{reading['number']}/layer/{layer}" for layer in range(L)]
    assert parts[f"{reading['number']}/layer/2"] == page.part(f"{reading['number']}/layer/2")
    assert list(embedded(page.save(tmp_path / "one.html", layers=[1]).read_text())) == [f"{reading['number']}/layer/1"]
    assert page.saved_nbytes == (tmp_path / "page.html").stat().st_size < 300_000


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_figures_are_of_the_latest_reading(suffix, tmp_path):
    page = explorer(small_bert(), SENTENCE)
    read(page, "the dog ran")
    starts = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
    assert page.save(tmp_path / f"page{suffix}").read_bytes().startswith(starts[suffix])


def test_outside_a_notebook_it_prints_what_to_do(capsys):
    page = explorer(small_bert(), SENTENCE)
    page.show()
    printed = capsys.readouterr().out
    assert page.alt in printed
    assert "'mat'" in printed or "cat" in printed
    assert "view.save('view.html')" in printed


def test_a_notebook_gets_a_figure_and_a_widget_without_text(monkeypatch):
    shown = []
    monkeypatch.setattr(view_module, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda *data, **options: shown.append((data[0], options)))
    page = explorer(small_bert(), "the unwanted dog")
    page.show()
    (figure, options), (live, _) = shown
    assert figure["image/png"].startswith(b"\x89PNG")
    assert options["metadata"]["image/png"]["alt"] == figure["text/plain"] == page.alt
    assert "unwanted" in page.alt
    assert "application/vnd.jupyter.widget-view+json" in live
    assert "image/png" not in live
    state = page._widget.get_state()
    assert "unwanted" not in json.dumps(state, default=str)
    assert len(json.dumps({k: v for k, v in state.items() if k not in ("_esm", "_css")}, default=str)) < 1000
    page.close()


def test_without_anywidget_the_figure_is_shown_with_a_reason(monkeypatch, capsys):
    shown = []
    monkeypatch.setattr(view_module, "in_notebook", lambda: True)
    monkeypatch.setattr(live, "widget_of", lambda page: exec("raise ImportError('No module named anywidget')"))
    monkeypatch.setattr("IPython.display.display", lambda *data, **options: shown.append(data[0]))
    explorer(small_bert(), SENTENCE).show()
    assert [sorted(data) for data in shown] == [["image/png", "text/plain"]]
    assert "No module named anywidget" in capsys.readouterr().out


def test_the_program_is_small_and_styled_as_the_head_view_too():
    _, css = explorer(small_bert(), SENTENCE).program()
    assert ".be-explorer" in css and ".be-head-view" in css
    assert explorer(small_bert(), SENTENCE).nbytes < 200_000


def test_the_package_exports_it():
    assert be.explorer is explorer

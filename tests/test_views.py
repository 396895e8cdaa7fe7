"""Views without a browser: arguments, messages to the page, saved files, and printed text."""

import base64
import html
import json
import re
import zlib

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from small_world import SENTENCE

from bertedu import plots
from bertedu.views import arrays, bundle, head_view, live, model_view, neuron_view
from bertedu.views import view as module
from bertedu.views.neuron import softmax_weights

WORDS = SENTENCE.split()
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "\"'`&<!--",
    "\u202eright to left\u2066",
    "x" * 10_000,
    "nul\x00byte\ud800",
]


@pytest.fixture(autouse=True)
def no_window_and_no_leftovers():
    matplotlib.use("Agg")
    before = plt.get_fignums()
    yield
    assert plt.get_fignums() == before  # a view closes its figures


def random_attention(*shape, seed=0):
    powers = np.exp(2 * np.random.default_rng(seed).normal(size=shape)).astype("float32")
    return powers / powers.sum(axis=-1, keepdims=True)


def every_view(tokens=WORDS, title=None):
    count = len(tokens)
    attention, queries = random_attention(2, 3, count, count), np.random.default_rng(1).normal(size=(2, 3, count, 5))
    return [
        head_view(attention, tokens, title=title),
        model_view(attention, tokens, title=title),
        neuron_view(queries, queries, tokens, title=title),
    ]


def unpacked(content, *shape):
    """Unpack a part independently of the package: float32 lows, float32 steps, then one byte per number."""
    rows = int(np.prod(shape[:-1]))
    low, step = np.frombuffer(content, "<f4", 2 * rows).reshape(2, *shape[:-1], 1)
    levels = np.frombuffer(content, np.uint8, offset=8 * rows).reshape(shape)
    assert len(content) == 8 * rows + levels.size
    return low + step * levels


def embedded(page):
    """Return the parts of a saved page by name."""
    blocks = re.findall(r'<script type="text/plain" data-part="([^"]+)">([^<]*)</script>', page)
    return {name: zlib.decompress(base64.b64decode(text)) for name, text in blocks}


# ---- arguments -------------------------------------------------------------------------------------------------------


def as_tensorflow(array):
    return pytest.importorskip("tensorflow").constant(array)


def as_torch(array):
    return pytest.importorskip("torch").tensor(array, requires_grad=True)


def as_jax(array):
    return pytest.importorskip("jax.numpy").asarray(array)


@pytest.mark.parametrize("kind", [np.asarray, as_tensorflow, as_torch, as_jax, lambda array: array.tolist()])
def test_arrays_of_every_library_are_read(kind):
    attention = random_attention(2, 3, 5, 5)
    np.testing.assert_array_equal(head_view(kind(attention), list("abcde")).attention, attention)


@pytest.mark.parametrize("kind", [as_torch, np.asarray])
def test_lists_of_layers_are_read(kind):
    attention = random_attention(4, 3, 5, 5)
    for layers in ([kind(layer) for layer in attention], tuple(kind(layer[None]) for layer in attention)):
        np.testing.assert_array_equal(head_view(layers, list("abcde")).attention, attention)


def test_a_batch_of_one_and_a_single_layer_are_read():
    attention = random_attention(4, 3, 5, 5)
    np.testing.assert_array_equal(head_view(attention[:, None], list("abcde")).attention, attention)
    assert head_view(attention[0], list("abcde")).layers == 1


def test_half_precision_of_torch_is_read():
    torch = pytest.importorskip("torch")
    attention = torch.tensor(random_attention(2, 3, 5, 5)).bfloat16()
    np.testing.assert_array_equal(head_view(attention, list("abcde")).attention, attention.float().numpy())


GOOD = random_attention(2, 3, 4, 4)
FOUR = list("abcd")


def broken(value, index=(1, 2, 3, 0)):
    array = GOOD.copy()
    array[index] = value
    return array


@pytest.mark.parametrize("view", [head_view, model_view])
@pytest.mark.parametrize(
    ("attention", "tokens", "error", "message"),
    [
        (broken(np.nan), FOUR, ValueError, r"attention: .* finite .*at \[1, 2, 3, 0\]"),
        (broken(np.inf), FOUR, ValueError, "attention: .* finite"),
        (np.full((1, 1, 4, 4), 1e300), FOUR, ValueError, "attention: .* finite"),
        (np.zeros((2, 3, 0, 0)), [], ValueError, "attention: .* empty, got"),
        (GOOD, FOUR[:3], ValueError, "tokens: expected 4 .*, got 3"),
        (GOOD, "abcd", TypeError, "tokens: expected a list of strings"),
        (GOOD, [1, 2, 3, 4], TypeError, "tokens: expected a list of strings"),
        (GOOD[..., :3], FOUR, ValueError, "as many columns as rows"),
        (GOOD[0, 0], FOUR, ValueError, r"attention: expected shape \[L, N, T, T\]"),
        (np.stack([GOOD, GOOD], axis=1), FOUR, ValueError, r"attention: expected one text, got 2.*attention\[:, 0\]"),
        ([GOOD[0], GOOD[0, :2]], FOUR, ValueError, "attention: expected arrays of the same shape"),
        (GOOD.astype(str), FOUR, TypeError, "attention: expected numbers"),
        (None, FOUR, TypeError, "attention: expected numbers"),
        (np.zeros((1, 1, 1025, 1025)), FOUR, ValueError, "up to 1,024 tokens, got 1,025.*Truncate"),
    ],
)
def test_invalid_arrays_and_tokens_raise_a_clear_error(view, attention, tokens, error, message):
    with pytest.raises(error, match=message):
        view(attention, tokens)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": 2}, "layer: .* from 0 to 1, got 2"),
        ({"heads": [3]}, "heads: .* from 0 to 2, got 3"),
        ({"heads": []}, "heads: expected at least one"),
        ({"segments": [0, 0]}, "segments: expected 4"),
        ({"segments": [0, 0, 2, None]}, "segments: .* got 2. 0 is the first"),
    ],
)
def test_options_of_head_view_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        head_view(GOOD, FOUR, **options)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (np.zeros((3, 2)), ValueError, r"values: expected one per head, shape \[2, 3\], got \[3, 2\]"),
        ([[1, "a", 2], [1, 2, 3]], None, None),
        ([[1, None, 2], [1, 2, 3]], TypeError, "values: expected all numbers or all strings"),
    ],
)
def test_values_of_model_view_are_checked(values, error, message):
    if error is None:
        assert model_view(GOOD, FOUR, values=values).values[0] == ["1", "a", "2"]
        return
    with pytest.raises(error, match=message):
        model_view(GOOD, FOUR, values=values)


def test_a_head_without_a_value_is_marked():
    values = [[0.5, np.nan, 2], [1, 2, 3]]
    view = model_view(GOOD, FOUR, values=values, name="width")
    assert view.setup()["values"][0] == [0.5, None, 2.0]
    assert view.alt.endswith(" Width ranges from 0.5 (layer 0, head 0) to 3 (layer 1, head 2).")


def bars(view):
    """Return the colors of the bars in a model view's figure, row by row."""
    axes = view.axes()
    plots.close(axes)
    return [tuple(color[:3]) for collection in axes.collections for color in collection.get_facecolors()]


def test_the_figure_of_a_model_view_shows_the_values():
    one, none, three, *others = bars(model_view(GOOD, FOUR, values=[[1, 0, 3], [1, 0, 3]]))
    assert len({one, none, three}) == 3 and others == [one, none, three]
    dark, bright = (0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2] for c in (none, three))
    assert dark < 0.2 < 0.8 < bright  # cividis
    broad, *rest = bars(model_view(GOOD, FOUR, values=[["a", "b", "a"], ["b", "b", "a"]]))
    assert len(rest) == 5 and rest[1] == broad and len({broad, *rest}) == 2
    assert len(bars(model_view(GOOD, FOUR, values=[[1, np.nan, 3], [1, 0, 3]]))) == 5
    assert bars(model_view(GOOD, FOUR, values=np.full((2, 3), np.nan))) == []
    assert model_view(GOOD, FOUR, values=[["a", "b", "a"], ["b", "b", "a"]], name="kind").alt.endswith(
        " Kind is a in 3, b in 3."
    )


def test_neuron_view_checks_its_arrays():
    queries = np.ones((2, 3, 4, 5))
    for arguments, words in [
        ((queries, queries[:, :, :, :4]), "keys: expected the shape of queries"),
        ((np.where(queries, np.nan, 0), queries), "queries: expected finite numbers"),
    ]:
        with pytest.raises(ValueError, match=words):
            neuron_view(*arguments, FOUR)
    for options, words in [
        ({"attention": GOOD[:1]}, r"attention: .* L = 2, .*got \[1, 3, 4, 4\]"),
        ({"mask": [0, 0, 0, 0]}, "mask: expected at least one key"),
        ({"mask": [1]}, r"mask: .* T = 4, got \[1\]"),
        ({"token": 4}, "token: .* from 0 to 3, got 4"),
    ]:
        with pytest.raises(ValueError, match=words):
            neuron_view(queries, queries, FOUR, **options)


def test_negative_weights_are_detected_and_explained():
    view = head_view(GOOD - 0.1, FOUR)
    assert view.setup()["signed"] is True
    assert "Talking heads" in view.setup()["notes"][0]
    assert head_view(GOOD, FOUR).setup()["signed"] is False
    with pytest.raises(ValueError, match=r"signed: .*\(minimum -0.5\)"):
        head_view(broken(-0.5), FOUR, signed=False)


def test_the_top_key_has_the_largest_absolute_mean_weight():
    attention = np.full((1, 2, 4, 4), 0.1)
    attention[0, 0, :, 2], attention[0, 1, :, 3] = -0.5, 0.4
    setup = model_view(attention, FOUR).setup()
    assert (setup["topKeys"], setup["topWeights"]) == ([[2, 3]], [[-0.5, 0.4]])


def test_rows_that_do_not_sum_to_one_are_shown_with_a_note():
    (note,) = head_view(GOOD * 0.5, FOUR).setup()["notes"]
    assert note == "Rows do not all sum to 1: their sums range from 0.5 to 0.5."
    assert head_view(GOOD, FOUR).setup()["notes"] == []


def test_the_two_texts_are_inferred_from_the_separators():
    tokens = ["[CLS]", "a", "b", "[SEP]", "c", "[SEP]"]
    assert head_view(random_attention(1, 1, 6, 6), tokens).segments == [-1, 0, 0, -1, 1, -1]
    assert head_view(random_attention(1, 1, 6, 6), tokens, segments=[None, 0, 1, None, 1, None]).segments == [
        -1,
        0,
        1,
        -1,
        1,
        -1,
    ]


@pytest.mark.parametrize("token", ["[CLS]", "[SEP]", "<s>", "</s>", "<|endoftext|>", "[PAD]"])
def test_special_tokens_are_recognized(token):
    assert arrays.is_special(token)


@pytest.mark.parametrize("token", ["cat", "[", "[]", "[the]", "##s", "<b>", "."])
def test_other_tokens_are_not_special(token):
    assert not arrays.is_special(token)


# ---- eight bits ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values", [random_attention(3, 5, 7), np.random.default_rng(2).normal(size=(3, 5, 7)).astype("f4")]
)
def test_the_quantization_error_is_at_most_half_a_step_of_the_row(values):
    error = np.abs(unpacked(arrays.packed(values), *values.shape) - values)
    allowed = np.ptp(values, axis=-1, keepdims=True) / 510
    assert (error <= allowed + 1e-6 * np.abs(values).max()).all()


def test_a_uniform_head_of_512_tokens_survives():
    uniform = np.full((1, 512, 512), 1 / 512, "float32")
    np.testing.assert_array_equal(unpacked(arrays.packed(uniform), 1, 512, 512), uniform)
    nearly = uniform * np.linspace(0.9, 1.1, 512, dtype="float32")
    np.testing.assert_allclose(unpacked(arrays.packed(nearly), 1, 512, 512), nearly, atol=0.2 / 512 / 500)


def test_thumbnails_keep_the_largest_weight_of_every_block():
    weights = np.zeros((9, 9), "float32")
    weights[4, 7], weights[8, 0] = 0.5, -0.75
    np.testing.assert_array_equal(plots.shrink(weights, 3), [[0, 0, 0], [0, 0, 0.5], [-0.75, 0, 0]])
    np.testing.assert_array_equal(plots.shrink(weights, 9), weights)


# ---- messages to the page --------------------------------------------------------------------------------------------


def ask(view, **question):
    return view.answer(question)


def test_the_first_answer_contains_all_that_the_first_drawing_needs():
    for view in every_view():
        header, content = ask(view, ask="setup")
        assert json.loads(json.dumps(header)) == header
        assert header["setup"]["tokens"] == WORDS
        assert header["setup"]["exact"] is True
        assert content == view.part(header["part"])


def test_a_layer_is_sent_in_eight_bits():
    view = head_view(random_attention(2, 3, 5, 5), list("abcde"))
    _, content = ask(view, ask="part", name="layer/1")
    np.testing.assert_allclose(unpacked(content, 3, 5, 5), view.attention[1], atol=1 / 510)


def test_exact_weights_equal_the_array():
    attention = random_attention(2, 3, 5, 5)
    view = head_view(attention, list("abcde"))
    _, query = ask(view, ask="exact", layer=1, side="query", index=4)
    _, key = ask(view, ask="exact", layer=1, side="key", index=4)
    np.testing.assert_array_equal(np.frombuffer(query, "f4").reshape(3, 5), attention[1, :, 4])
    np.testing.assert_array_equal(np.frombuffer(key, "f4").reshape(3, 5), attention[1, :, :, 4])
    _, row = ask(model_view(attention, list("abcde")), ask="exact", layer=0, head=2, index=3)
    np.testing.assert_array_equal(np.frombuffer(row, "f4"), attention[0, 2, 3])


def test_exact_queries_and_keys_equal_the_arrays():
    queries, keys = np.random.default_rng(0).normal(size=(2, 2, 3, 4, 5)).astype("f4")
    view = neuron_view(queries, keys, FOUR, attention=GOOD)
    _, both = ask(view, ask="exact", layer=1, head=2)
    np.testing.assert_array_equal(np.frombuffer(both, "f4").reshape(2, 4, 5), [queries[1, 2], keys[1, 2]])
    _, weights = ask(view, ask="exact", layer=1, head=2, index=3)
    np.testing.assert_array_equal(np.frombuffer(weights, "f4"), GOOD[1, 2, 3])


@pytest.mark.parametrize("question", [{"ask": "part", "name": "layer/9"}, {"ask": "part", "name": "x/0"}, {"ask": "?"}])
def test_an_invalid_request_is_answered_with_an_error(question):
    class Widget:
        def send(self, content, buffers=None):
            self.sent = content

    widget = Widget()
    live.reply(head_view(GOOD, FOUR), widget, {**question, "number": "7"}, [])
    assert widget.sent["number"] == "7"
    assert "Error" in widget.sent["error"]


def test_softmax_weights_are_the_softmax_of_scaled_dot_products():
    queries, keys = np.random.default_rng(0).normal(size=(2, 4, 5))
    powers = np.exp([[sum(q * k) / 5**0.5 for k in keys] for q in queries])
    np.testing.assert_allclose(softmax_weights(queries, keys), powers / powers.sum(axis=1, keepdims=True))
    powers[:, 2] = 0
    masked = softmax_weights(queries, keys, [1, 1, 0, 1])
    np.testing.assert_allclose(masked, powers / powers.sum(axis=1, keepdims=True))


def test_the_size_is_known_before_drawing_and_bounded(tmp_path):
    random = random_attention(12, 12, 128, 128)
    tokens = [f"t{i}" for i in range(128)]
    for view in (head_view(random, tokens), model_view(random, tokens)):
        assert view.nbytes <= 500_000
        file = view.save(tmp_path / "view.html")
        assert file.stat().st_size <= min(view.saved_nbytes, 4_000_000)
    long = head_view(random_attention(1, 12, 512, 512), [f"t{i}" for i in range(512)])
    assert long.nbytes <= 4_000_000
    assert "3.4 MB before the first drawing" in repr(long)


def test_24_layers_of_16_heads_of_512_tokens(tmp_path):
    one = random_attention(1, 16, 512, 512)
    view = head_view(np.broadcast_to(one, (24, 16, 512, 512)), [f"t{i}" for i in range(512)])
    assert view.nbytes <= 5_000_000
    assert view.save(tmp_path / "one.html", layers=[23]).stat().st_size < 7_000_000
    assert set(embedded((tmp_path / "one.html").read_text())) == {"layer/23"}


# ---- files -----------------------------------------------------------------------------------------------------------


def test_a_saved_page_loads_nothing(tmp_path):
    for view in every_view(title="A title"):
        page = view.save(tmp_path / "view.html").read_text(encoding="utf-8")
        assert not re.search(r"https?:|//cdn|\bimport\s*[({'\"]|\bsrc=[\"'](?!data:)|@import|url\(", page)
        assert "default-src 'none'" in page
        assert "<title>A title</title>" in page
        assert f'alt="{html.escape(view.alt)}"' in page
        assert not re.search(r"^\s*(import|export)\b", page, flags=re.MULTILINE)


def test_a_saved_page_contains_all_or_selected_layers(tmp_path):
    attention = random_attention(3, 2, 5, 5)
    view = head_view(attention, list("abcde"), layer=1)
    parts = embedded(view.save(tmp_path / "view.html").read_text())
    for layer in range(3):
        np.testing.assert_allclose(unpacked(parts[f"layer/{layer}"], 2, 5, 5), attention[layer], atol=1 / 510)
    page = view.save(tmp_path / "two.html", layers=[2, 0]).read_text()
    assert list(embedded(page)) == ["layer/0", "layer/2"]
    assert '"layers":[0,2]' in page
    for layers in ([], [3], [-1]):
        with pytest.raises(ValueError, match="layers: .* from 0 to 2"):
            view.save(tmp_path / "no.html", layers=layers)


def test_a_file_too_large_for_browsers_is_refused_with_advice(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_FILE_NBYTES", 300)
    with pytest.raises(ValueError, match=r"layers: .*got 3 layers .*layers=range\(2\)"):
        head_view(random_attention(3, 2, 5, 5), list("abcde")).save(tmp_path / "view.html")


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_figures_are_saved(suffix, tmp_path):
    starts = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
    for view in every_view():
        assert view.save(tmp_path / f"view{suffix}").read_bytes().startswith(starts[suffix])


def test_other_suffixes_and_missing_folders_are_errors(tmp_path):
    view = every_view()[0]
    with pytest.raises(ValueError, match=r"path: .* .html, .png, .svg, .pdf, got 'a.gif'"):
        view.save("a.gif")
    for name in ("a.html", "a.png"):
        with pytest.raises(FileNotFoundError, match="existing folder"):
            view.save(tmp_path / "no" / name)
    assert not list(tmp_path.iterdir())


# ---- printed text ----------------------------------------------------------------------------------------------------


def test_a_view_has_a_figure_with_alt_text():
    for view in every_view():
        data, metadata = view._repr_mimebundle_()
        assert data["image/png"].startswith(b"\x89PNG")
        assert data["text/plain"] == view.alt == metadata["image/png"]["alt"]
        width, height = ask(view, ask="setup")[0]["setup"]["figure"]
        assert width > 100
        assert height > 100


def test_the_alt_text_names_the_heads():
    view = head_view(GOOD, FOUR, layer=1, heads=[2, 0], title="Title")
    assert "'Title, layer 1, heads 0, 2'" in view.alt
    assert re.search(r"'.' .* in head 0, '.' .* in head 2", view.alt)
    assert "head 1" not in view.alt
    assert "Heat map 'layer 0, head 1'" in head_view(GOOD, FOUR, heads=[1]).alt
    assert "2 layers of 3 heads" in model_view(GOOD, FOUR).alt


def test_outside_a_notebook_the_alt_text_is_printed(capsys):
    view = every_view()[0]
    view.show()
    printed = capsys.readouterr().out
    assert view.alt in printed
    assert "view.save('view.html')" in printed


def test_without_anywidget_the_figure_is_shown_with_a_reason(monkeypatch, capsys):
    shown = []
    monkeypatch.setattr(module, "in_notebook", lambda: True)
    monkeypatch.setattr(live, "widget_of", lambda view: exec("raise ImportError('No module named anywidget')"))
    monkeypatch.setattr("IPython.display.display", lambda *data, **options: shown.append(data[0]))
    every_view()[0]._ipython_display_()
    assert [sorted(data) for data in shown] == [["image/png", "text/plain"]]
    (line,) = capsys.readouterr().out.splitlines()
    assert "did not start" in line
    assert "No module named anywidget" in line


def test_a_notebook_gets_a_figure_and_a_widget_without_data(monkeypatch):
    shown = []
    monkeypatch.setattr(module, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda *data, **options: shown.append(data[0]))
    view = head_view(random_attention(12, 12, 64, 64), [f"t{i}" for i in range(64)])
    view.show()
    figure, live = shown
    assert "image/png" in figure
    assert "application/vnd.jupyter.widget-view+json" in live
    assert "image/png" not in live
    assert "run this cell" in live["text/plain"]
    state = view._widget.get_state()
    program = {"_esm", "_css"}
    assert len(json.dumps({k: v for k, v in state.items() if k not in program}, default=str)) < 1000
    assert "t63" not in json.dumps(state, default=str)
    view.close()


# ---- hostile text ----------------------------------------------------------------------------------------------------


def test_hostile_tokens_are_text_in_a_saved_page(tmp_path):
    for view in every_view(HOSTILE, title=HOSTILE[1]):
        page = view.save(tmp_path / "view.html").read_text(encoding="utf-8")
        assert "<img src=x" not in page
        assert page.count("</script>") == page.count("<script")
        assert "alert(1)</script>" not in page
        assert "\x00" not in page
        assert "\u202e" not in page
        setup = re.search(r'id="bertedu-setup">(.*?)</script>', page, flags=re.DOTALL)[1]
        assert "<" not in setup
        tokens = json.loads(setup)["tokens"]
        assert tokens[:3] == HOSTILE[:3]
        assert tokens[3] == "U+202Eright to leftU+2066"
        assert tokens[4] == "x" * 200 + "… (10,000 characters)"
        assert tokens[5] == "nulU+0000byteU+D800"


def test_visible_characters_of_any_script_are_unchanged():
    for text in ("naïve", "日本語", "שלום", "👍", "##ing", "a b"):
        assert arrays.visible(text) == text


# ---- style sheets ----------------------------------------------------------------------------------------------------

SHEETS = {"head": "head-view", "model": "model-view", "neuron": "neuron-view", "explorer": "explorer"}


@pytest.mark.parametrize(("sheet", "scope"), SHEETS.items())
def test_a_style_sheet_applies_only_to_its_view(sheet, scope):
    """Several views can be in one notebook: their styles are independent."""
    css = bundle.styles(sheet)
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    selectors = [one.strip() for rule in re.findall(r"([^{}]+)\{", css) for one in re.split(r",(?![^(]*\))", rule)]
    selectors = [one.removeprefix(".bertedu-view") for one in selectors if not one.startswith("@")]
    assert len(selectors) > 10
    assert [one for one in selectors if not one.startswith(f".be-{scope}")] == []

"""The bridge to bertviz: the arguments it passes, the page, and the errors without bertviz or torch."""

import dataclasses
import html
import json
import re
import sys
import types

import numpy as np
import pytest

import bertedu
from bertedu import Reading, bertviz

L, N, T, D = 2, 3, 7, 5
TOKENS = ["[CLS]", "the", "cat", "[SEP]", "it", "sat", "[SEP]"]
SEGMENTS = [None, 0, 0, None, 1, 1, None]


def reading(tokens=TOKENS, segments=SEGMENTS):
    powers = np.exp(2 * np.random.default_rng(0).normal(size=(L, N, T, T)))
    attention = (powers / powers.sum(axis=-1, keepdims=True)).astype("float32")
    nothing = np.zeros((L, T, D), "float32")
    return Reading(
        text="the cat", pair="it sat", tokens=tokens, ids=[0] * T, type_ids=[0] * T, offsets=[None] * T,
        segments=segments, attention=attention, encoder_outputs=nothing, embedding_output=nothing[0],
        pooled_output=None, model="tiny",
    )  # fmt: skip


@pytest.fixture
def stub(monkeypatch):
    """Stubs: a bertviz that records its arguments, and a torch that returns arrays unchanged."""
    calls = []

    def record(name):
        return lambda **arguments: calls.append((name, arguments)) or types.SimpleNamespace(data="<b>page</b>")

    package = types.SimpleNamespace(head_view=record("head_view"), model_view=record("model_view"))
    monkeypatch.setitem(sys.modules, "bertviz", package)
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(from_numpy=lambda array: array))
    return calls


def test_the_package_exports_the_module():
    assert bertedu.bertviz is bertviz
    assert "bertviz" in bertedu.__all__


@pytest.mark.parametrize("view", ["head_view", "model_view"])
def test_tensors_and_tokens_are_the_reading_s(stub, view, capsys):
    one = reading()
    getattr(bertviz, view)(one)
    ((name, arguments),) = stub
    assert name == view
    assert arguments["tokens"] == TOKENS
    assert [layer.shape for layer in arguments["attention"]] == [(1, N, T, T)] * L
    np.testing.assert_array_equal(np.concatenate(arguments["attention"]), one.attention)
    assert not np.may_share_memory(arguments["attention"][0], one.attention)
    assert arguments["sentence_b_start"] == 4
    assert arguments["include_layers"] == [0, 1]
    assert arguments["html_action"] == "return"
    printed = capsys.readouterr().out
    assert "cdnjs.cloudflare.com" in printed
    assert "reading.show()" in printed


def test_filters_and_options_are_passed_on(stub, capsys):
    one = reading(segments=[None, 0, 0, 0, 0, 0, None])
    bertviz.head_view(one, layer=1, heads=(2, 0), include_layers=[1], prettify_tokens=False, html_action="return")
    bertviz.model_view(one, include_layers=range(1), include_heads=np.array([2, 1]), display_mode="dark")
    (_, head), (_, model) = stub
    assert {head["html_action"], model["html_action"]} == {"return"}
    assert (head["layer"], head["heads"], head["include_layers"]) == (1, [0, 2], [1])
    assert (head["prettify_tokens"], head["sentence_b_start"]) == (False, None)
    assert (model["include_layers"], model["include_heads"], model["display_mode"]) == ([0], [1, 2], "dark")
    assert capsys.readouterr().out.count("cdnjs") == 1  # "return" prints nothing


def test_a_token_cannot_end_the_script_it_is_written_into(stub):
    tokens = ["[CLS]", "</script><img src=x onerror=alert(1)>", "<!--", "[SEP]", "a<b", "'\"", "[SEP]"]
    bertviz.head_view(reading(tokens))
    assert stub[0][1]["tokens"] == ["[CLS]", "‹/script><img src=x onerror=alert(1)>", "‹!--", *tokens[3:]]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: bertviz.head_view("x"), TypeError, "reading: expected a Reading, .*, got 'x'"),
        (lambda: bertviz.head_view(reading(), layer=2), ValueError, r"layer: .* from 0 to 1, got 2"),
        (lambda: bertviz.head_view(reading(), layer=1, include_layers=[0]), ValueError, "layer: expected 0, got 1"),
        (lambda: bertviz.head_view(reading(), heads=[3]), ValueError, "heads: "),
        (lambda: bertviz.head_view(reading(), heads=[]), ValueError, "heads: "),
        (lambda: bertviz.head_view(reading(), html_action="save"), ValueError, "html_action: expected 'view' or"),
        (lambda: bertviz.model_view(reading(), include_layers=[-1]), ValueError, "include_layers: "),
        (lambda: bertviz.model_view(reading(), include_heads="0"), ValueError, "include_heads: "),
        (lambda: bertviz.model_view(reading(), display_mode="blue"), ValueError, "display_mode: "),
        (lambda: bertviz.neuron_view(reading()), NotImplementedError, "its own three model classes.*be.neuron_view"),
    ],
)
def test_an_error_names_the_argument(stub, call, error, message):
    with pytest.raises(error, match=message):
        call()
    assert stub == []


def test_values_that_bertviz_cannot_draw(stub):
    one = reading()
    negative = dataclasses.replace(one, attention=one.attention - 0.1)
    with pytest.warns(UserWarning, match="talking heads can be negative") as warnings:
        bertviz.head_view(negative)
    assert warnings[0].filename == __file__
    with pytest.raises(ValueError, match="NaN or infinity"):
        bertviz.head_view(dataclasses.replace(one, attention=one.attention * np.nan))


@pytest.mark.parametrize("missing", ["torch", "bertviz"])
def test_without_torch_or_bertviz_the_error_says_what_to_do(stub, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    for view in (bertviz.head_view, bertviz.model_view):
        with pytest.raises(ImportError, match=missing) as raised:
            view(reading())
        assert 'pip install -e ".[course]"' in str(raised.value)
        assert "reading.show()" in str(raised.value)
        assert raised.value.name == missing


def parameters(page):
    """Return the parameters of bertviz' script, parsed from the page."""
    return json.loads(re.search(r"const params = (\{.*\}); // HACK", page.data).group(1))


@pytest.fixture
def real():
    pytest.importorskip("torch")
    return pytest.importorskip("bertviz")


def test_the_real_head_view_holds_the_numbers(real):
    one = reading()
    params = parameters(bertviz.head_view(one, layer=1, heads=[2], html_action="return"))
    assert (params["layer"], params["heads"], params["include_layers"]) == (1, [2], [0, 1])
    names = [part["name"] for part in params["attention"]]
    assert names == ["All", *(f"Sentence {a} -> Sentence {b}" for a, b in ("AA", "BB", "AB", "BA"))]
    whole, _, second, across, _ = params["attention"]
    assert whole["left_text"] == whole["right_text"] == TOKENS
    np.testing.assert_array_equal(np.array(whole["attn"], "float32"), one.attention)
    assert second["left_text"] == ["it", "sat", "[SEP]"]
    np.testing.assert_array_equal(np.array(across["attn"], "float32"), one.attention[:, :, :4, 4:])


def test_the_real_model_view_holds_what_was_chosen(real):
    one = reading(segments=[None, 0, 0, 0, 0, 0, None])
    params = parameters(bertviz.model_view(one, include_layers=[1], include_heads=[0, 2], html_action="return"))
    assert (params["include_layers"], params["include_heads"], params["total_heads"]) == ([1], [0, 2], N)
    (whole,) = params["attention"]
    np.testing.assert_array_equal(np.array(whole["attn"], "float32"), one.attention[1:, [0, 2]])


def test_the_real_view_is_shown_in_a_frame(real, monkeypatch, capsys):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    assert bertviz.head_view(reading(), layer=1) is None
    (frame,) = shown
    document = html.unescape(re.search(r'srcdoc="([^"]*)"', frame.data).group(1))
    params = parameters(types.SimpleNamespace(data=document))
    np.testing.assert_array_equal(np.array(params["attention"][0]["attn"], "float32"), reading().attention)
    assert document.index("require.min.js") < document.index("const params")
    assert "cdnjs" in capsys.readouterr().out


def test_a_hostile_token_stays_inside_the_real_script(real):
    page = bertviz.head_view(reading(["</script><b>", *TOKENS[1:]]), html_action="return").data
    assert page.count("</script>") == 2  # require.js' and bertviz' own
    assert parameters(types.SimpleNamespace(data=page))["attention"][0]["left_text"][0] == "‹/script><b>"

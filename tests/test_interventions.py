"""Activation patching: equal to reading the corrupted text once per patch, with that part replaced."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import tiny_bert
from keras import ops

import bertedu as be
from bertedu import interventions
from bertedu.interventions import activation_patching, logit_difference, switched_off
from bertedu.sites import ENCODER_SITES, LAYER_SITES

CLEAN, CORRUPTED = "the cat sat on the mat", "the dog sat on the mat"
SITES = {"encoder_outputs": "position", "head_outputs": "head", "attention_scores": "position"}
SITES |= {"values": "head and position", "intermediate": "position"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return be.load(tiny_bert.write(tmp_path_factory.mktemp("tiny")), name="tiny")


def metric(outputs):
    return ops.sum(outputs["pooled_output"], axis=-1)


def one_by_one(bert, site, by):
    """What each patch recovers, one call of `read` for each."""
    clean = bert.read(CLEAN, return_sites=[f"layer_{i}/{site}" for i in range(tiny_bert.L)])
    corrupted = bert.read(CORRUPTED).pooled_output.sum()
    results = []
    for name, source in clean.sites.items():
        axes = {"position": (source.ndim - 2,), "head": (0,), "head and position": (0, 1)}[by]
        for place in np.ndindex(*(source.shape[axis] for axis in axes)):
            index = tuple(place[axes.index(axis)] if axis in axes else slice(None) for axis in range(source.ndim))

            def patch(x, index=index, source=source):
                x[index] = source[index]
                return x

            results.append(bert.read(CORRUPTED, edit={name: patch}).pooled_output.sum())
    return (np.array(results) - corrupted) / (clean.pooled_output.sum() - corrupted)


@pytest.mark.parametrize(("site", "by"), SITES.items(), ids=SITES)
@pytest.mark.parametrize("batch_tokens", [1024, 20])
def test_equals_one_read_per_patch(tiny, site, by, batch_tokens, monkeypatch):
    monkeypatch.setattr(interventions, "BATCH_TOKENS", batch_tokens)
    result = activation_patching(tiny, CLEAN, CORRUPTED, metric, site=site, by=by, progress=False)
    shapes = {"position": (3, 8), "head": (3, 2), "head and position": (3, 2, 8)}
    assert result.recovered.shape == shapes[by]
    np.testing.assert_allclose(result.recovered.ravel(), one_by_one(tiny, site, by), atol=2e-4)
    assert result.clean == pytest.approx(tiny.read(CLEAN).pooled_output.sum(), abs=1e-4)
    assert result.corrupted == pytest.approx(tiny.read(CORRUPTED).pooled_output.sum(), abs=1e-4)


def test_the_last_layer_of_the_token_that_is_measured_recovers_all(tiny):
    result = activation_patching(tiny, (CLEAN, "it was warm"), (CORRUPTED, "it was warm"), metric)
    np.testing.assert_allclose(result.recovered[-1], [1] + 11 * [0], atol=1e-5)
    assert "by position: metric" in repr(result)


def test_logit_difference_is_that_of_the_masked_lm_head():
    bert = be.load("minilm").masked_lm_bert
    text = "A [MASK] is raised when the key is not found."
    result = bert.fill_mask(text, top_k=bert.tokenizer.vocab_size)[0]
    probability = dict(result)
    outputs = bert.encoder(bert.encoder_inputs([bert.encode(text)]), training=False)
    got = ops.convert_to_numpy(logit_difference(bert, text, "key", "file")(outputs))
    np.testing.assert_allclose(got, [np.log(probability["key"] / probability["file"])], atol=1e-3)


def test_what_a_prediction_depends_on():
    bert = be.load("minilm").masked_lm_bert
    texts = [f"A [MASK] is raised when the {word} is not found." for word in ("key", "file")]
    result = activation_patching(bert, *texts, logit_difference(bert, texts[0], "key", "file"))
    assert [result.clean_tokens[row.argmax()] for row in result.recovered] == 5 * ["key"] + ["[MASK]"]
    assert (result.recovered.max(axis=1) > 0.9).all()


@pytest.mark.parametrize(("site", "by"), SITES.items(), ids=SITES)
def test_plot(tiny, site, by):
    result = activation_patching(tiny, CLEAN, CORRUPTED, metric, site=site, by=by)
    layer = 1 if by == "head and position" else None
    axes = result.plot(layer)
    labels = [text.get_text() for text in axes.get_xticklabels()]
    assert labels == (
        ["0", "1"] if by == "head" else "[CLS] the|dog → cat|sat|on|the|mat|[SEP]".replace(" t", "|t").split("|")
    )
    assert axes.get_ylabel() == ("head" if layer else "layer") and site in axes.get_title("left") + axes.get_title()
    plt.close(axes.figure)
    with pytest.raises(ValueError, match="^layer: expected"):
        result.plot(None if layer else 1)


def test_switches_of_a_pruned_model_keep_the_numbers_of_its_heads(tiny):
    pruned = be.prune(tiny, heads={1: [0]})
    off = switched_off(pruned.encoder, heads=[(0, 0), (1, 0), (2, 1)])
    mask = np.ones((tiny_bert.L, tiny_bert.N))
    mask[0, 0] = mask[1, 0] = mask[2, 1] = 0
    expected = tiny.read(CLEAN, head_mask=mask).encoder_outputs
    np.testing.assert_allclose(pruned.read(CLEAN, edit=off).encoder_outputs, expected, atol=1e-6)
    with pytest.raises(ValueError, match='^by: expected "position" for a model with pruned heads'):
        activation_patching(pruned, CLEAN, CORRUPTED, metric, site="values", by="head")


WRONG = {
    "no Bert": ({"bert": "minilm"}, TypeError, "^bert: expected a Bert"),
    "lengths": ({"corrupted": "the dog sat"}, ValueError, "^corrupted: expected 8 tokens, as in clean, got 5: "),
    "a number": ({"clean": 5}, TypeError, "^clean: expected"),
    "same": ({"corrupted": CLEAN}, ValueError, "^metric: expected different values"),
    "metric of the wrong shape": (
        {"metric": lambda o: o["pooled_output"]},
        ValueError,
        r"^metric: expected shape \[B\]",
    ),
    "nan": ({"metric": lambda o: metric(o) * np.nan}, ValueError, "^metric: "),
    "no metric": ({"metric": "logit"}, TypeError, "^metric: expected a function"),
    "site": ({"site": "pooled_output"}, ValueError, "^site: expected .*'encoder_outputs', got 'pooled_output'"),
    "by": ({"by": "token"}, ValueError, "^by: expected 'position' or "),
    "no heads": ({"by": "head"}, ValueError, '^by: expected "position" for encoder_outputs'),
}


@pytest.mark.parametrize(("changes", "kind", "message"), WRONG.values(), ids=WRONG)
def test_wrong_arguments(tiny, changes, kind, message):
    arguments = {"bert": tiny, "clean": CLEAN, "corrupted": CORRUPTED, "metric": metric} | changes
    with pytest.raises(kind, match=message):
        activation_patching(**arguments)


def test_a_model_without_all_positions_is_refused(tiny):
    config = tiny.encoder.get_config() | {"output_range": 1}
    bert = be.Bert(tiny.tokenizer, be.BertEncoder.from_config(config))
    with pytest.raises(ValueError, match="^output_range: expected None"):
        activation_patching(bert, CLEAN, CORRUPTED, metric)
    with pytest.raises(ValueError, match="^output_range: expected None"):
        be.analysis.head_importance(bert, [CLEAN], metric)


def test_the_page_lists_all_sites_and_its_recipes_run():
    page = (Path(__file__).parent.parent / "docs" / "interventions.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(?:layer_0/)?(\w+)` \| `(.*?)` \|", page, re.MULTILINE))
    assert rows == LAYER_SITES | ENCODER_SITES
    recipes = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(recipes) == 12
    namespace = {}
    for recipe in recipes:
        exec(recipe, namespace)
    assert namespace["pushed"][0][0][0] == "true"
    plt.close("all")


def test_wrong_arguments_of_logit_difference(tiny):
    bert = be.load("minilm").masked_lm_bert
    with pytest.raises(ValueError, match="^bert: expected a masked-LM head, got 'tiny'"):
        logit_difference(tiny, "a [MASK]", "cat", "dog")
    with pytest.raises(ValueError, match=r"^text: expected a \[MASK\]"):
        logit_difference(bert, "a cat", "cat", "dog")
    with pytest.raises(ValueError, match="^other: expected a token of the vocabulary, got 'zzzqx'"):
        logit_difference(bert, "a [MASK]", "cat", "zzzqx")

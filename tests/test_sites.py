"""Sites: what can be read and edited in a forward pass, equal to the same edits by hand in NumPy."""

import threading

import keras
import numpy as np
import numpy_bert
import pytest
import tiny_bert
from keras import ops

import bertedu as be
from bertedu import sites
from bertedu.sites import ENCODER_SITES, LAYER_SITES

SIZES = {"vocab_size": 20, "hidden_size": 6, "num_layers": 3, "num_attention_heads": 2, "inner_dim": 7}
IDS = np.array([[2, 5, 6, 7, 3], [2, 8, 3, 0, 0]], "int32")
INPUTS = {"input_word_ids": IDS, "input_mask": (IDS > 0).astype("int32"), "input_type_ids": IDS % 2}
OPTIONS = {"post-norm": {}, "pre-norm": {"norm_first": True}, "output_range": {"output_range": 2}}
SITES = [*ENCODER_SITES, *(f"layer_{i}/{name}" for i in range(3) for name in LAYER_SITES)]
TEXT = "the cat sat on the mat"


def encoder(**options):
    model, rng = be.BertEncoder(**SIZES, **options, name="e"), np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.normal(size=weight.shape, scale=0.4) + weight.path.endswith("gamma"))
    return model


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def by_hand(model, edit, **options):
    w = {w.path.split("/", 1)[1]: numpy(w).astype("float64") for w in model.weights}
    words = w["embeddings/word_embeddings/embeddings"][IDS]
    arguments = (w, words, INPUTS["input_type_ids"], INPUTS["input_mask"], 3, numpy_bert.gelu_tanh)
    _, layers, scores, pooled = numpy_bert.encoder(*arguments, **options, edit=edit)
    return {"encoder_outputs": layers, "attention_scores": scores, "pooled_output": pooled}


def change(x):
    """A change that depends on position, so that a wrong order of axes shows."""
    scale = np.linspace(0.5, 1.5, int(np.prod(x.shape))).reshape(x.shape)
    return x * (scale if isinstance(x, np.ndarray) else ops.cast(scale, x.dtype)) + 0.1


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return be.load(tiny_bert.write(tmp_path_factory.mktemp("tiny")), name="tiny")


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_an_edit_of_any_site_equals_numpy(options):
    model = encoder(**options)
    unedited = model(INPUTS, return_attention_scores=True)
    for name in SITES:
        expected = by_hand(model, lambda path, x, name=name: change(x) if path == name else x, **options)
        got = model(INPUTS, return_attention_scores=True, edit={name: change})
        different = False
        for output, reference in expected.items():
            values = [numpy(tensor) for tensor in keras.tree.flatten(got[output])]
            for value, array in zip(values, keras.tree.flatten(reference), strict=True):
                np.testing.assert_allclose(value, array, atol=1e-5, err_msg=f"{name}: {output}")
            plain = [numpy(tensor) for tensor in keras.tree.flatten(unedited[output])]
            different |= any(not np.allclose(a, b) for a, b in zip(values, plain, strict=True))
        assert different, name


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_every_site_is_returned_as_numpy_computes_it(options):
    model, expected = encoder(**options), {}
    by_hand(model, lambda path, x: expected.setdefault(path, x), **options)
    got = model(INPUTS, return_sites=SITES)
    assert expected.keys() == set(SITES)
    for name in SITES:
        np.testing.assert_allclose(numpy(got[name]), expected[name], atol=1e-5, err_msg=name)


def test_a_site_is_returned_after_its_edit():
    got = encoder()(INPUTS, edit={"layer_1/keys": lambda x: x * 0 + 3}, return_sites=["layer_1/keys"])
    assert (numpy(got["layer_1/keys"]) == 3).all()


PARTS = {"attention_cls": be.TalkingHeadsAttention, "feedforward_cls": be.GatedFeedforward}


@pytest.mark.parametrize("options", [{}, PARTS, {"dtype": "mixed_bfloat16"}], ids=["BERT", "talking heads", "bfloat16"])
def test_identity_edits_change_no_bit_and_have_the_documented_shapes(options):
    model, shapes = encoder(**options), {}
    sizes = {"B": 2, "N": 2, "T": 5, "S": 5, "H": 3, "D": 6, "F": 7}

    def same(name):
        def edit(x):
            shapes[name] = tuple(x.shape)
            return x

        return edit

    plain = model(INPUTS, return_attention_scores=True)
    got = model(INPUTS, return_attention_scores=True, edit={name: same(name) for name in SITES})
    for a, b in zip(keras.tree.flatten(plain), keras.tree.flatten(got), strict=True):
        np.testing.assert_array_equal(numpy(ops.cast(a, "float32")), numpy(ops.cast(b, "float32")))
    for name in SITES:
        letters = (ENCODER_SITES | LAYER_SITES)[name.rpartition("/")[2]].strip("[]").split(", ")
        assert shapes[name] == tuple(sizes[letter] for letter in letters), name


def test_a_head_that_is_switched_off_equals_head_mask(tiny):
    mask = np.ones((tiny_bert.L, tiny_bert.N))
    mask[1, 0] = 0

    def off(heads):
        heads[0] = 0
        return heads

    by_mask, by_edit = tiny.read(TEXT, head_mask=mask), tiny.read(TEXT, edit={"layer_1/head_outputs": off})
    np.testing.assert_array_equal(by_edit.encoder_outputs, by_mask.encoder_outputs)
    np.testing.assert_array_equal(by_edit.attention, by_mask.attention)
    assert not np.allclose(by_edit.encoder_outputs, tiny.read(TEXT).encoder_outputs)


def test_read_edits_arrays_without_the_batch_axis(tiny):
    names = ["layer_2/attention_scores", "layer_0/intermediate", "embedding_output"]
    plain, same = tiny.read(TEXT, edit={}), tiny.read(TEXT, edit=dict.fromkeys(names, lambda x: x), return_sites=names)
    np.testing.assert_array_equal(same.encoder_outputs, plain.encoder_outputs)
    np.testing.assert_allclose(same.encoder_outputs, tiny.read(TEXT).encoder_outputs, atol=1e-5)
    length = len(plain.tokens)
    shapes = [(tiny_bert.N, length, length), (length, tiny_bert.F), (length, tiny_bert.D)]
    assert [same.sites[name].shape for name in names] == shapes
    assert same.sites.keys() == set(names) and not plain.sites
    np.testing.assert_array_equal(same.sites["embedding_output"], same.embedding_output)


def test_a_tensor_of_another_text_replaces_one(tiny):
    other = tiny.read("it ran on the warm dog")
    patched = tiny.read(TEXT, edit={"layer_1/encoder_outputs": other.encoder_outputs[1]})
    np.testing.assert_allclose(patched.encoder_outputs[2], other.encoder_outputs[2], atol=1e-5)
    np.testing.assert_allclose(patched.encoder_outputs[0], tiny.read(TEXT).encoder_outputs[0], atol=1e-5)


def test_predictions_of_masked_words_follow_an_edit():
    bert = be.load("minilm")
    text = "A [MASK] is raised when the key is not found."
    edit = {"layer_5/encoder_outputs": lambda x: x * 0}
    assert bert.fill_mask(text, edit={})[0][0][0] == bert.fill_mask(text)[0][0][0]
    assert bert.fill_mask(text, edit=edit) != bert.fill_mask(text)


def test_an_edit_runs_once_per_call_and_compiles_nothing(tiny):
    calls = []
    tiny.read(TEXT)
    before = dict(tiny._compiled)
    for _ in range(3):
        tiny.read(TEXT, edit={"layer_0/keys": lambda keys: calls.append(keys.shape) or keys})
    assert len(calls) == 3 and tiny._compiled == before


LIST = r"Its sites are embedding_output, pooled_output, and in layer_0, layer_1, layer_2: queries, keys, values, "
WRONG = {
    "unknown layer": ({"edit": {"layer_9/keys": 1}}, ValueError, rf"^edit: .*got 'layer_9/keys'\. {LIST}"),
    "unknown site": ({"return_sites": ["keys"]}, ValueError, rf"^return_sites: .*got 'keys'\. {LIST}"),
    "wrong shape": (
        {"edit": {"layer_0/keys": lambda x: x[:1]}},
        ValueError,
        r"^edit\['layer_0/keys'\]: .*\(2, 8, 11\).*embedding_output \[B, T, D\].*head_outputs \[B, N, T, H\]",
    ),
    "no array": ({"edit": {"layer_0/keys": lambda x: None}}, TypeError, r"^edit\['layer_0/keys'\]: .*got None"),
    "a string": ({"edit": {"layer_0/keys": "x"}}, TypeError, r"^edit\['layer_0/keys'\]: .*got 'x'"),
    "complex": ({"edit": {"layer_0/keys": lambda x: x + 1j}}, TypeError, r"^edit\['layer_0/keys'\]: .*numbers"),
    "no dict": ({"edit": ["layer_0/keys"]}, TypeError, r"^edit: expected a dict"),
    "no list": ({"return_sites": "layer_0/keys"}, TypeError, r"^return_sites: expected a list"),
}


@pytest.mark.parametrize(("options", "kind", "message"), WRONG.values(), ids=WRONG)
def test_wrong_edits_are_named(tiny, options, kind, message):
    with pytest.raises(kind, match=message) as caught:
        tiny.read(TEXT, **options)
    assert "Arguments received" not in str(caught.value)
    assert tiny.read(TEXT, edit={}).tokens  # nothing of the failed call is left


def test_an_error_of_the_edit_itself_names_the_site(tiny):
    with pytest.raises(ZeroDivisionError) as caught:
        tiny.read(TEXT, edit={"layer_1/keys": lambda x: 1 / 0})
    assert caught.value.__notes__ == ["in edit['layer_1/keys']"]


def test_an_attention_without_sites_has_none():
    class Plain(be.MultiHeadAttention):
        def scores(self, q, k, attention_mask=None):
            return ops.softmax(self.logits(q, k))

    model = encoder(attention_cls=Plain)
    model(INPUTS, edit={"layer_0/attention_scores": lambda x: x})
    with pytest.raises(ValueError, match="got 'layer_0/attention_logits'"):
        model(INPUTS, edit={"layer_0/attention_logits": lambda x: x})


def test_edits_of_one_thread_do_not_reach_another(tiny):
    plain, results = tiny.read(TEXT, edit={}).encoder_outputs, []

    def read_meanwhile(x):
        thread = threading.Thread(target=lambda: results.append(tiny.read(TEXT, edit={}).encoder_outputs))
        thread.start()
        thread.join()
        return x * 0

    tiny.read(TEXT, edit={"layer_0/values": read_meanwhile})
    np.testing.assert_array_equal(results[0], plain)


def test_without_edits_a_site_is_its_tensor():
    x = object()
    assert sites.site("queries", x) is x

import subprocess
import sys

import keras
import numpy as np
import numpy_bert
import pytest
from keras import ops

from bertedu import BertEncoder, defaults, outputs
from bertedu.inputs import DIALECTS, check_values, native_inputs

V, D, L, N, F, P, B, T = 19, 14, 3, 2, 23, 11, 2, 7
IDS = np.array([[2, 5, 6, 7, 8, 3, 0], [2, 9, 3, 6, 3, 0, 0]], "int32")
TYPES = np.array([[0, 0, 0, 1, 1, 1, 0], [0, 0, 0, 1, 1, 0, 0]], "int32")
INPUTS = {"input_word_ids": IDS, "input_mask": (IDS > 0).astype("int32"), "input_type_ids": TYPES}


def make(seed=0, **options):
    sizes = {"vocab_size": V, "hidden_size": D, "num_layers": L, "num_attention_heads": N, "inner_dim": F}
    encoder = BertEncoder(**{**sizes, "max_sequence_length": P, "type_vocab_size": 3, **options}, name="e")
    draw = np.random.default_rng(seed)
    for weight in encoder.weights:
        weight.assign(draw.normal(size=weight.shape, scale=0.4) + weight.path.endswith("gamma"))
    return encoder


def weights(encoder):
    return {w.path.split("/", 1)[1]: ops.convert_to_numpy(w).astype("float64") for w in encoder.weights}


def assert_equals_numpy(encoder, inputs, words, types, mask, **options):
    w = weights(encoder)
    got = encoder(inputs, return_attention_scores=True, return_embedding_output=True)
    embedded, layers, scores, pooled = numpy_bert.encoder(w, words(w), types, mask, encoder.num_layers, **options)
    expected = [("embedding_output", embedded, got["embedding_output"]), ("pooled", pooled, got["pooled_output"])]
    for i in range(encoder.num_layers):
        expected.append((f"scores of layer {i}", scores[i], got["attention_scores"][i]))
        expected.append((f"output of layer {i}", layers[i], got["encoder_outputs"][i]))
    for name, reference, output in expected:
        np.testing.assert_allclose(ops.convert_to_numpy(output), reference, atol=1e-5, err_msg=name)
    np.testing.assert_array_equal(got["sequence_output"], got["encoder_outputs"][-1])


ACTIVATIONS = {"tanh": (defaults.gelu_tanh, numpy_bert.gelu_tanh), "exact": ("gelu", numpy_bert.gelu_exact)}
OPTIONS = {
    "BERT": {},
    "exact GELU": {"inner_activation": "exact"},
    "relu": {"inner_activation": "relu"},
    "norm_first": {"norm_first": True},
    "narrow embeddings": {"embedding_width": 5},
    "narrow and norm_first": {"embedding_width": 5, "norm_first": True},
    "one layer": {"num_layers": 1},
    **{f"output_range={r}": {"output_range": r} for r in (0, 1, 5, -1, 99)},
    "norm_first, output_range=2": {"norm_first": True, "output_range": 2},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_equals_numpy(options):
    activation, numpy_activation = {"relu": ("relu", numpy_bert.relu), **ACTIVATIONS}[
        options.get("inner_activation", "tanh")
    ]
    encoder = make(**{**options, "inner_activation": activation})
    assert_equals_numpy(
        encoder,
        INPUTS,
        lambda w: w["embeddings/word_embeddings/embeddings"][IDS],
        TYPES,
        INPUTS["input_mask"],
        activation=numpy_activation,
        norm_first=options.get("norm_first", False),
        output_range=options.get("output_range"),
    )


@pytest.mark.parametrize("flag", [False, True])
@pytest.mark.parametrize("width", [D, 5])
def test_dense_inputs_stand_after_the_words(flag, width):
    encoder = make(embedding_width=width, with_dense_inputs=flag)
    dense = np.random.default_rng(5).normal(size=(B, 2, width))
    dense_mask, dense_types = np.array([[1, 1], [1, 0]]), np.array([[2, 1], [1, 0]])
    inputs = {**INPUTS, "dense_inputs": dense, "dense_mask": dense_mask, "dense_type_ids": dense_types}
    assert_equals_numpy(
        encoder,
        inputs,
        lambda w: np.concatenate([w["embeddings/word_embeddings/embeddings"][IDS], dense], axis=1),
        np.concatenate([TYPES, dense_types], axis=1),
        np.concatenate([INPUTS["input_mask"], dense_mask], axis=1),
        activation=numpy_bert.gelu_tanh,
    )


def test_word_embeddings_in_place_of_ids():
    encoder = make()
    words = np.random.default_rng(5).normal(size=(B, T, D))
    inputs = {"input_word_embeddings": words, **{k: INPUTS[k] for k in ("input_mask", "input_type_ids")}}
    mask = INPUTS["input_mask"]
    assert_equals_numpy(encoder, inputs, lambda w: words, TYPES, mask, activation=numpy_bert.gelu_tanh)


def test_an_embedding_layer_is_used_and_shared():
    table = keras.layers.Embedding(V, D, name="shared")
    encoder = make(embedding_layer=table)
    assert encoder.get_embedding_layer() is table
    np.testing.assert_array_equal(encoder.get_embedding_table(), table.embeddings)
    before = ops.convert_to_numpy(encoder(INPUTS)["sequence_output"])
    table.embeddings.assign(ops.zeros((V, D)))
    assert np.abs(ops.convert_to_numpy(encoder(INPUTS)["sequence_output"]) - before).max() > 0.01


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_three_dialects_mean_the_same(dialect):
    encoder = make()
    renamed = dict(zip(DIALECTS[dialect], INPUTS.values(), strict=True))
    np.testing.assert_array_equal(encoder(renamed)["pooled_output"], encoder(INPUTS)["pooled_output"])


def test_padding_is_invisible_wherever_it_stands():
    encoder = make()
    bare = {name: value[:1, :6] for name, value in INPUTS.items()}
    expected = ops.convert_to_numpy(encoder(bare)["sequence_output"])[0]
    for junk in (0, 4):
        padded = {name: np.pad(value, ((0, 0), (0, 3)), constant_values=junk) for name, value in bare.items()}
        padded |= {
            "input_mask": np.pad(bare["input_mask"], ((0, 0), (0, 3))),
            "input_type_ids": padded["input_type_ids"] % 3,
        }
        got = ops.convert_to_numpy(encoder(padded)["sequence_output"])[0, :6]
        np.testing.assert_allclose(got, expected, atol=1e-5)


def test_without_positions_and_types_permuting_tokens_permutes_the_outputs():
    encoder = make()
    encoder.embeddings.position_embedding.embeddings.assign(ops.zeros((P, D)))
    order = np.array([0, 3, 1, 5, 2, 4])
    ids, ones = IDS[:1, :6], np.ones((1, 6), "int32")
    outputs = [
        ops.convert_to_numpy(
            encoder({"input_ids": i, "attention_mask": ones, "token_type_ids": ones})["sequence_output"]
        )
        for i in (ids, ids[:, order])
    ]
    np.testing.assert_allclose(outputs[1][0], outputs[0][0, order], atol=1e-5)


def test_a_silenced_head_leaves_its_scores_and_changes_the_output():
    encoder = make()
    head_mask = np.ones((L, N))
    plain = encoder(INPUTS, return_attention_scores=True)
    same = encoder(INPUTS, head_mask=head_mask, return_attention_scores=True)
    np.testing.assert_array_equal(same["sequence_output"], plain["sequence_output"])
    head_mask[1, 0] = 0
    silenced = encoder(INPUTS, head_mask=head_mask, return_attention_scores=True)
    for i in range(2):  # layer 1's weights do not depend on its own head mask
        np.testing.assert_array_equal(silenced["attention_scores"][i], plain["attention_scores"][i])
    np.testing.assert_array_equal(silenced["encoder_outputs"][0], plain["encoder_outputs"][0])
    assert np.abs(silenced["encoder_outputs"][1] - plain["encoder_outputs"][1]).max() > 1e-3


def test_queries_keys_and_values_by_layer():
    outputs = make()(INPUTS, return_qkv=True)
    for name in ("queries", "keys", "values"):
        assert [tuple(x.shape) for x in outputs[name]] == [(B, N, T, D // N)] * L
    assert "attention_scores" not in outputs and "embedding_output" not in outputs


def test_scores_can_be_asked_for_when_the_encoder_is_made():
    assert len(make(return_attention_scores=True)(INPUTS)["attention_scores"]) == L
    assert "attention_scores" not in make(return_attention_scores=True)(INPUTS, return_attention_scores=False)


def test_in_a_functional_model_with_scores():
    encoder = make(with_dense_inputs=False)
    model = keras.Model(encoder.inputs, encoder(encoder.inputs, return_attention_scores=True, return_qkv=True))
    expected = encoder(INPUTS, return_attention_scores=True, return_qkv=True)
    got = model(INPUTS)
    assert set(got) == set(expected)
    np.testing.assert_allclose(got["attention_scores"][-1], expected["attention_scores"][-1], atol=1e-6)


def test_dense_inputs_are_listed_when_asked_for():
    encoder = make(with_dense_inputs=True, embedding_width=5)
    assert list(encoder.inputs) == [*DIALECTS["tf-models"], "dense_inputs", "dense_mask", "dense_type_ids"]
    assert keras.Model(encoder.inputs, encoder(encoder.inputs)).output["sequence_output"].shape == (None, None, D)


def test_weights_are_there_from_the_start_and_as_many_as_published():
    assert BertEncoder(
        **{**dict.fromkeys(("vocab_size",), 7), "hidden_size": 4, "num_layers": 1}, num_attention_heads=2
    ).weights
    encoder = BertEncoder(30522, type_vocab_size=2, initializer="zeros")
    assert encoder.count_params() == 109_482_240  # bert_en_uncased


def test_initial_values_are_bert_s():
    encoder = BertEncoder(vocab_size=997, hidden_size=64, num_layers=2, num_attention_heads=2, inner_dim=128)
    kernels = [ops.convert_to_numpy(w) for w in encoder.weights if w.path.endswith(("kernel", "/embeddings"))]
    for kernel in kernels:
        assert np.abs(kernel).max() <= 0.0401 and 0.016 < kernel.std() < 0.0192  # 0.02, cut at two sigma: 0.0176
    first, second = (ops.convert_to_numpy(l.attention.query_dense.kernel) for l in encoder.transformer_layers)  # noqa: E741
    assert not np.allclose(first, second)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_stays_near_and_finite_even_with_nothing_to_see(policy):
    exact = make()
    half = make(dtype=policy)
    empty = {**INPUTS, "input_mask": np.array([[0] * T, [1] * T])}
    for inputs in (INPUTS, empty):
        got = half(inputs, return_attention_scores=True)
        expected = exact(inputs, return_attention_scores=True)
        assert keras.backend.standardize_dtype(got["sequence_output"].dtype) == policy.removeprefix("mixed_")
        for a, b in zip(got["attention_scores"], expected["attention_scores"], strict=True):
            np.testing.assert_allclose(ops.convert_to_numpy(ops.cast(a, "float32")), b, atol=0.12)
    np.testing.assert_allclose(
        ops.convert_to_numpy(ops.cast(got["attention_scores"][0], "float32"))[0], 1 / T, atol=1e-3
    )


WRONG = {
    "not a dict": (IDS, "inputs: expected a dict, got"),
    "a key missing": ({"input_ids": IDS, "attention_mask": IDS}, "inputs: expected 'input_type_ids'"),
    "a key unknown": ({**INPUTS, "inputs": IDS}, "inputs: .* got 'inputs'"),
    "a key twice": ({**INPUTS, "token_ids": IDS}, "expected 'input_word_ids' once, got 'token_ids'"),
    "a mask too short": ({**INPUTS, "input_mask": IDS[:, :3]}, r"input_mask: expected shape \[B, T\]"),
    "types of another batch": ({**INPUTS, "input_type_ids": IDS[:1]}, r"input_type_ids: expected shape \[B, T\]"),
    "ids with one axis": (
        {name: value[0] for name, value in INPUTS.items()},
        r"input_word_ids: expected shape \[B, T\]",
    ),
    "dense inputs without mask": ({**INPUTS, "dense_inputs": np.ones((B, 2, D))}, "inputs: expected 'dense_mask'"),
}


@pytest.mark.parametrize("inputs, message", WRONG.values(), ids=WRONG)
def test_wrong_inputs_are_refused_with_what_would_be_right(inputs, message):
    with pytest.raises(ValueError, match=message) as error:
        native_inputs(inputs)
    if "with the sizes of" not in str(error.value):
        assert all(key in str(error.value) for row in DIALECTS.values() for key in row)
    with pytest.raises(ValueError, match=message):
        make()(inputs)


def test_too_many_positions_are_refused():
    long = {name: np.ones((1, P + 1), "int32") for name in INPUTS}
    with pytest.raises(ValueError, match=f"max_sequence_length={P} positions, got {P + 1}"):
        make()(long)


@pytest.mark.parametrize("name, limit", [("input_word_ids", V), ("input_type_ids", 3)])
@pytest.mark.parametrize("wrong", ["limit", -1])
def test_values_without_a_row_are_refused_by_name(name, limit, wrong):
    values = INPUTS[name].copy()
    values[1, 2] = limit if wrong == "limit" else wrong
    with pytest.raises(ValueError, match=f"{name}: .* from 0 to {limit - 1} .* got {values[1, 2]}"):
        check_values({**INPUTS, name: values}, make())
    check_values(INPUTS, make())


@pytest.mark.parametrize(
    "options, message",
    [
        ({"hidden_size": 15}, "hidden_size: .* num_attention_heads=2, got 15"),
        ({"num_layers": 0}, "num_layers: .* got 0"),
        ({"num_attention_heads": 0}, "num_attention_heads: .* got 0"),
        ({"vocab_size": 0}, "vocab_size"),
        ({"max_sequence_length": None}, "max_sequence_length"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_a_keras_file_opens_in_a_fresh_process(tmp_path):
    encoder = make(norm_first=True, output_range=4, return_attention_scores=True)
    keras.Model(encoder.inputs, encoder(encoder.inputs)).save(tmp_path / "model.keras")
    np.savez(tmp_path / "inputs.npz", **INPUTS)
    program = (
        "import keras, numpy as np, bertedu;"
        f"model = keras.models.load_model({str(tmp_path / 'model.keras')!r});"
        f"outputs = model(dict(np.load({str(tmp_path / 'inputs.npz')!r})));"
        f"np.save({str(tmp_path / 'out.npy')!r}, keras.ops.convert_to_numpy(outputs['attention_scores'][-1]))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), encoder(INPUTS)["attention_scores"][-1])


def test_the_spellings_of_tf_models_first_version():
    spelled = BertEncoder(
        V,
        D,
        L,
        N,
        P,
        type_vocab_size=3,
        intermediate_size=F,
        activation="relu",
        dropout_rate=0.3,
        attention_dropout_rate=0.2,
        dict_outputs=True,
        return_all_encoder_outputs=True,
        name="e",
    )
    arguments = {"inner_dim": F, "inner_activation": "relu", "output_dropout": 0.3, "attention_dropout": 0.2}
    expected = BertEncoder(V, D, L, N, P, type_vocab_size=3, **arguments, name="e").get_config()
    assert spelled.get_config() | {"initializer": None} == expected | {"initializer": None}


@pytest.mark.parametrize(
    "other, name, value",
    [
        ("intermediate_size", "inner_dim", 3072),  # the default too: it was passed
        ("activation", "inner_activation", "relu"),
        ("dropout_rate", "output_dropout", 0.1),
        ("attention_dropout_rate", "attention_dropout", 0.1),
    ],
)
def test_an_argument_in_two_spellings_is_refused(other, name, value):
    with pytest.raises(ValueError, match=f"{name}: .* {other}"):
        BertEncoder(V, D, L, N, **{other: value, name: value})
    if name == "inner_dim":
        with pytest.raises(ValueError, match="intermediate_size"):
            BertEncoder(V, D, L, N, P, 3, 12, intermediate_size=12)  # by its position


def test_an_output_is_one_line_of_the_table(monkeypatch):
    first_tokens = outputs.Output(lambda computed: [x[:, 0] for x in computed.layer_outputs])
    monkeypatch.setitem(outputs.OUTPUTS, "first_tokens", first_tokens)
    result = make()(INPUTS)
    np.testing.assert_array_equal(result["first_tokens"][1], result["encoder_outputs"][1][:, 0])


def test_every_output_is_as_long_as_the_text_along_the_axes_of_the_table():
    inputs = {name: value[:, :5] for name, value in INPUTS.items()}  # no other axis is 5 long
    flags = {output.flag: True for output in outputs.OUTPUTS.values() if output.flag}
    all_outputs = make()(inputs, **flags)
    assert all_outputs.keys() == outputs.OUTPUTS.keys()
    for name, value in all_outputs.items():
        shape = (value[0] if isinstance(value, list) else value).shape
        assert tuple(axis for axis, size in enumerate(shape) if size == 5) == outputs.OUTPUTS[name].length_axes, name

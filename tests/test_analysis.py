"""Analysis: values computed by hand, properties of any attention, and known heads of the real model."""

import numpy as np
import pytest
from small_world import SENTENCE

from bertedu import analysis, load
from bertedu.analysis.heads import KEY_KINDS

WORDS = SENTENCE.split()  # the cat sat on the mat
TOKENS = ["[CLS]", *WORDS, "[SEP]"]


def random_attention(*shape, seed=0):
    powers = np.exp(2 * np.random.default_rng(seed).normal(size=shape))
    return powers / powers.sum(axis=-1, keepdims=True)


def pattern(top_keys):
    """Return a head `[T, T]` in which query t has weight 1 on key top_keys[t]."""
    return np.eye(len(top_keys))[list(top_keys)]


def statistics(head, tokens=TOKENS):
    result = analysis.head_statistics(np.asarray(head, float)[None, None], tokens)
    return {
        name: getattr(result, name)[0, 0]
        for name in (*KEY_KINDS, "entropy", "normalized_entropy", "distance", "labels")
    }


def test_three_tokens_by_hand():
    result = statistics([[0.5, 0.5, 0.0], [0.25, 0.5, 0.25], [1.0, 0.0, 0.0]], ["a", "b", "a"])
    assert result["entropy"] == pytest.approx((1 + 1.5 + 0) / 3)
    assert result["normalized_entropy"] == pytest.approx((1 + 1.5 + 0) / 3 / np.log2(3))
    assert result["distance"] == pytest.approx((0.5 + 0.5 + 2) / 3)
    assert result["previous"] == pytest.approx((0.25 + 0.0) / 2)  # the first token has none before it
    assert result["next"] == pytest.approx((0.5 + 0.25) / 2)
    assert result["itself"] == pytest.approx((0.5 + 0.5 + 0.0) / 3)
    assert result["same_word"] == pytest.approx((0.0 + 1.0) / 2)  # only "a" occurs twice
    assert result["cls"] == result["sep"] == result["punctuation"] == 0


@pytest.mark.parametrize(
    ("top_keys", "label", "kind"),
    [
        ([0, 0, 1, 2, 3, 4, 5, 6], "previous token", "previous"),
        ([1, 2, 3, 4, 5, 6, 7, 7], "next token", "next"),
        (range(8), "itself", "itself"),
        ([7] * 8, "[SEP] sink", "sep"),
        ([0] * 8, "[CLS] sink", "cls"),
        ([0, 5, 0, 7, 0, 1, 7, 0], "same word", "same_word"),  # "the" attends to the other "the"
    ],
)
def test_a_head_with_one_kind_of_key_has_its_label(top_keys, label, kind):
    result = statistics(pattern(top_keys))
    assert result["labels"] == label
    assert result[kind] == 1
    assert result["entropy"] == 0


def test_broad_mixed_and_punctuation():
    even = statistics(np.full((8, 8), 1 / 8))
    assert (even["labels"], even["entropy"], even["normalized_entropy"]) == ("broad", 3, 1)
    assert even["cls"] == even["sep"] == even["previous"] == 1 / 8
    half = statistics(0.5 * pattern([0] * 8) + 0.5 * pattern([7] * 8))
    assert (half["labels"], half["entropy"], half["cls"]) == ("mixed", 1, 0.5)  # half is not more than half
    tokens = ["[CLS]", "the", "cat", ",", "[SEP]"]
    assert statistics(pattern([3] * 5), tokens)["labels"] == "punctuation"


def test_rows_of_special_tokens_are_excluded():
    head = random_attention(8, 8)
    other = head.copy()
    other[[0, 7]] = random_attention(2, 8, seed=1)
    assert statistics(head) == statistics(other)
    result = statistics(np.full((3, 3), 1 / 3), ["[CLS]", "[SEP]", "[PAD]"])  # unless there are no others
    assert result["cls"] == pytest.approx(1 / 3)


def test_padding_is_invisible():
    head = random_attention(6, 6)
    padded = np.zeros((9, 9))
    padded[:6, :6], padded[6:, 0] = head, 1
    plain, with_padding = statistics(head, WORDS), statistics(padded, [*WORDS, *["[PAD]"] * 3])
    assert plain.pop("labels") == with_padding.pop("labels")
    assert with_padding == pytest.approx(plain)


def test_statistics_are_per_layer_and_head():
    attention = random_attention(3, 5, 8, 8)
    whole = analysis.head_statistics(attention, TOKENS)
    for index in np.ndindex(3, 5):
        one = statistics(attention[index])
        assert {name: getattr(whole, name)[index] for name in one} == pytest.approx(one)
    order = [4, 0, 3, 1, 2]
    swapped = analysis.head_statistics(attention[:, order], TOKENS)
    np.testing.assert_allclose(swapped.entropy, whole.entropy[:, order])


def test_statistics_without_positions_are_invariant_to_permutation():
    head, order = random_attention(8, 8), np.random.default_rng(3).permutation(8)
    plain = statistics(head)
    permuted = statistics(head[order][:, order], [TOKENS[i] for i in order])
    for name in ("entropy", "normalized_entropy", "itself", "same_word", "cls", "sep"):
        assert permuted[name] == pytest.approx(plain[name])
    assert permuted["previous"] != pytest.approx(plain["previous"])


def test_the_summary_names_each_head_once():
    attention = np.stack([pattern([0, 0, 1, 2, 3, 4, 5, 6]), pattern([7] * 8), np.full((8, 8), 1 / 8)])[None]
    result = analysis.head_statistics(attention, TOKENS)
    assert result.labels.tolist() == [["previous token", "[SEP] sink", "broad"]]
    assert result.summary().splitlines() == [
        "previous token    1   0.0 (1.00)",
        "[SEP] sink        1   0.1 (1.00)",
        "broad             1   0.2 (1.00)",
    ]
    assert repr(result).startswith("HeadStatistics(1 layers of 3 heads, over 6 tokens)\n")
    many = analysis.head_statistics(np.repeat(attention[:, :1], 9, axis=1), TOKENS)
    assert many.summary(limit=2) == "previous token    9   0.0 (1.00), 0.1 (1.00), and 7 more"


# ---- rollout ---------------------------------------------------------------------------------------------------------


def test_rollout_of_two_layers_by_hand():
    first, second = np.array([[0.0, 1.0], [0.5, 0.5]]), np.array([[1.0, 0.0], [1.0, 0.0]])
    # (I + A) / 2: [[.5, .5], [.25, .75]], then [[1, 0], [.5, .5]] times that
    np.testing.assert_allclose(
        analysis.rollout([first, second]), [[[0.5, 0.5], [0.25, 0.75]], [[0.5, 0.5], [0.375, 0.625]]]
    )
    np.testing.assert_allclose(analysis.rollout([first, second], residual=0)[-1], second @ first)
    np.testing.assert_allclose(analysis.rollout([first, second], residual=1), [np.eye(2)] * 2)


def test_rollout_averages_the_heads():
    attention = random_attention(3, 5, 7, 7)
    np.testing.assert_allclose(analysis.rollout(attention), analysis.rollout(attention.mean(axis=1)))


@pytest.mark.parametrize("residual", [0, 0.3, 0.5, 1.0])
def test_rollout_rows_sum_to_one(residual):
    result = analysis.rollout(random_attention(11, 5, 7, 7).astype("float16"), residual)
    assert result.shape == (11, 7, 7)
    np.testing.assert_allclose(result.sum(axis=-1), 1, atol=1e-12)
    assert result.min() >= 0
    identity = np.broadcast_to(np.eye(7), (3, 5, 7, 7))
    np.testing.assert_array_equal(analysis.rollout(identity, residual), identity[:, 0])


def test_rollout_commutes_with_permutations():
    attention, order = random_attention(3, 5, 7, 7), np.random.default_rng(1).permutation(7)
    permuted = analysis.rollout(attention[:, :, order][..., order])
    np.testing.assert_allclose(permuted, analysis.rollout(attention)[:, order][..., order])


# ---- vectors ---------------------------------------------------------------------------------------------------------


def test_similarity_by_hand():
    result = analysis.similarity([[3.0, 4.0], [4.0, 3.0], [-3.0, -4.0], [0.0, 0.0]])
    np.testing.assert_allclose(
        result, [[1, 0.96, -1, 0], [0.96, 1, -0.96, 0], [-1, -0.96, 1, 0], [0, 0, 0, 0]], atol=1e-12
    )


def test_similarity_keeps_leading_axes_and_ignores_lengths():
    vectors = np.random.default_rng(0).normal(size=(3, 5, 7))
    result = analysis.similarity(vectors)
    assert result.shape == (3, 5, 5)
    np.testing.assert_allclose(result[1], analysis.similarity(vectors[1]))
    lengths = np.arange(1, 6)[:, None]
    np.testing.assert_allclose(analysis.similarity(vectors * lengths), result)


def test_principal_components_find_the_long_axis():
    along, across = np.array([0.6, 0.8]), np.array([-0.8, 0.6])
    vectors = np.array([5.0, 5.0]) + np.outer([-3, -1, 1, 3], along) + np.outer([1, -1, -1, 1], across)
    points, ratio = analysis.principal_components(vectors)
    np.testing.assert_allclose(points[:, 0], [-3, -1, 1, 3], atol=1e-12)  # 0.8 is the larger entry, and positive
    np.testing.assert_allclose(points[:, 1], [-1, 1, 1, -1], atol=1e-12)  # -0.8 is the larger, so the sign is flipped
    np.testing.assert_allclose(ratio, [20 / 24, 4 / 24])


def test_principal_components_are_those_of_the_covariance():
    vectors = np.random.default_rng(0).normal(size=(13, 7)) * np.arange(1, 8)
    points, ratio = analysis.principal_components(vectors, n=3)
    variances = np.linalg.eigvalsh(np.cov(vectors.T))[::-1]
    np.testing.assert_allclose(np.cov(points.T), np.diag(variances[:3]), atol=1e-9)
    np.testing.assert_allclose(ratio, variances[:3] / variances.sum())
    again, _ = analysis.principal_components(vectors + 100, n=3)
    np.testing.assert_allclose(again, points, atol=1e-9)  # independent of the origin
    same, none = analysis.principal_components(np.ones((3, 2)))
    assert not same.any()
    assert not none.any()


# ---- errors ----------------------------------------------------------------------------------------------------------

TALKING = [[[[1.25, -0.25], [0.5, 0.5]]]]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: analysis.head_statistics(TALKING, ["a", "b"]), ValueError, "-0.25.*talking heads"),
        (lambda: analysis.head_statistics([[np.full((2, 2), 1.0)]], ["a", "b"]), ValueError, "off by 1"),
        (
            lambda: analysis.head_statistics(random_attention(3, 3), list("abc")),
            ValueError,
            r"shape \[L, N, T, T\], got \[3, 3",
        ),
        (
            lambda: analysis.head_statistics(random_attention(1, 1, 2, 3), list("abc")),
            ValueError,
            "attention: expected shape",
        ),
        (lambda: analysis.head_statistics(random_attention(1, 1, 3, 3), ["a"]), ValueError, "tokens: expected 3"),
        (
            lambda: analysis.head_statistics(random_attention(1, 1, 3, 3), "abc"),
            TypeError,
            "tokens: expected a list of strings",
        ),
        (lambda: analysis.head_statistics([[[[np.nan]]]], ["a"]), ValueError, "attention: .* finite"),
        (lambda: analysis.head_statistics("x", ["a"]), TypeError, "attention: expected numbers"),
        (lambda: analysis.head_atlas([]), ValueError, "at least one"),
        (lambda: analysis.head_atlas(["x"]), TypeError, "expected a Reading.* got 'x'"),
        (lambda: analysis.rollout(TALKING), ValueError, "talking heads"),
        (lambda: analysis.rollout(random_attention(2, 3, 3), residual=2), ValueError, "residual: .* got 2"),
        (lambda: analysis.rollout(random_attention(3, 3)), ValueError, "attention: expected shape"),
        (lambda: analysis.similarity([1.0, 2.0]), ValueError, "vectors: expected shape"),
        (lambda: analysis.similarity([[np.inf]]), ValueError, "vectors: .* finite"),
        (lambda: analysis.principal_components([[1.0, 2.0]]), ValueError, "n: .* from 1 to 1"),
        (lambda: analysis.principal_components(random_attention(2, 3, 3)), ValueError, r"shape \[R, D\]"),
    ],
)
def test_an_error_names_the_argument(call, error, message):
    with pytest.raises(error, match=message):
        call()


# ---- the real model --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def readings():
    bert = load("minilm")
    return [
        bert.read("The cat sat on the mat, and the dog slept by the fire."),
        bert.read("Marie Curie discovered radium, and radium changed medicine."),
    ]


def test_minilm_has_a_previous_token_head_and_a_next_token_head(readings):
    atlas = analysis.head_atlas(readings)
    assert (atlas.labels == "previous token").nonzero() == ([0], [2])
    assert (atlas.labels == "next token").nonzero() == ([1], [8])
    assert atlas.previous[0, 2] > 0.99
    assert (atlas.labels[1:5] == "[CLS] sink").mean() > 0.5  # in the middle layers [CLS] is the attention sink
    assert atlas.labels[5].tolist() == ["mixed"] * 12


def test_an_atlas_weights_all_tokens_equally(readings):
    one, other = (analysis.head_statistics(reading.attention, reading.tokens) for reading in readings)
    both = analysis.head_atlas(readings)
    assert both.num_tokens == one.num_tokens + other.num_tokens == sum(len(reading.tokens) - 2 for reading in readings)
    mean = (one.num_tokens * one.entropy + other.num_tokens * other.entropy) / both.num_tokens
    np.testing.assert_allclose(both.entropy, mean)
    np.testing.assert_allclose(analysis.head_atlas(readings[0]).cls, one.cls)
    pairs = ((reading.attention, reading.tokens) for reading in readings)  # consumed once
    np.testing.assert_array_equal(analysis.head_atlas(pairs).same_word, both.same_word)
    with pytest.raises(ValueError, match="one model .*6, 12.* and .*6, 11"):
        analysis.head_atlas(
            [(readings[0].attention, readings[0].tokens), (readings[0].attention[:, 1:], readings[0].tokens)]
        )


def test_single_precision_is_enough(readings):
    reading = readings[0]
    exact = analysis.head_statistics(reading.attention.astype("float64"), reading.tokens)
    single = analysis.head_statistics(reading.attention, reading.tokens)
    for name in (*KEY_KINDS, "entropy", "normalized_entropy", "distance"):
        np.testing.assert_allclose(getattr(single, name), getattr(exact, name), rtol=1e-5, atol=1e-6, err_msg=name)


def test_a_reading_is_accepted_in_place_of_arrays(readings):
    reading = readings[0]
    np.testing.assert_array_equal(analysis.rollout(reading), analysis.rollout(reading.attention))
    vectors = analysis.layer_vectors(reading)
    assert vectors.shape == (7, len(reading.tokens), 384)
    np.testing.assert_array_equal(vectors[0], reading.embedding_output)
    np.testing.assert_array_equal(vectors[-1], reading.sequence_output)
    similar = analysis.similarity(reading)
    np.testing.assert_array_equal(similar, analysis.similarity(vectors))
    assert similar[-1].mean() > 2 * similar[0].mean()  # tokens of a text become more similar

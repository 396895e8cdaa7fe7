"""Analysis of vectors: similarity over a corpus, outlier dimensions, CKA and probes, by hand and against loops."""

import itertools
import pickle
import sys

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from bertedu import analysis, load


def cosine(x, y):
    return x @ y / (np.linalg.norm(x) * np.linalg.norm(y))


def corpus(texts=9, layers=3, dimensions=5, seed=0):
    """Return a list of (vectors [L, T, D], tokens) with special tokens."""
    rng = np.random.default_rng(seed)
    result = []
    for _ in range(texts):
        tokens = ["[CLS]", *rng.choice(["the", "cat", "sat", "mat"], rng.integers(1, 5)).tolist(), "[SEP]"]
        result.append((rng.normal(size=(layers, len(tokens), dimensions)) + 1, tokens))
    return result


def collected(texts):
    similarity = analysis.ContextSimilarity()
    for vectors, tokens in texts:
        similarity.add(vectors, tokens)
    return similarity


# ---- self-similarity, intra-sentence similarity, anisotropy ----------------------------------------------------------


def test_context_similarity_by_hand():
    similarity = collected([([[[3, 4], [0, 2]]], ["bank", "the"]), ([[[4, 3]]], ["bank"])])
    assert similarity.num_tokens == 3
    (bank,) = similarity.self_similarity(min_count=2).values()
    np.testing.assert_allclose(bank, [0.96])
    np.testing.assert_allclose(similarity.anisotropy, [(0.96 + 0.8 + 0.6) / 3])
    mean = np.array([1.5, 3.0])
    first = (cosine(mean, np.array([3, 4])) + cosine(mean, np.array([0, 2]))) / 2
    np.testing.assert_allclose(similarity.intra_sentence_similarity, [(first + 1) / 2])
    assert similarity.self_similarity() == {}  # no word occurs five times


def test_context_similarity_is_that_of_loops():
    texts = corpus()
    similarity = collected(texts)
    tokens = [
        (word, vectors[:, i])
        for vectors, names in texts
        for i, word in enumerate(names)
        if not word.startswith("[")
    ]  # fmt: skip
    assert similarity.num_tokens == len(tokens)
    for layer in range(3):
        pairs = [(a, b, cosine(x[layer], y[layer])) for (a, x), (b, y) in itertools.combinations(tokens, 2)]
        np.testing.assert_allclose(similarity.anisotropy[layer], np.mean([value for _, _, value in pairs]))
        for word, values in similarity.self_similarity(min_count=2).items():
            np.testing.assert_allclose(values[layer], np.mean([v for a, b, v in pairs if a == b == word]))
        intra = []
        for vectors, _ in texts:
            inner = vectors[layer, 1:-1]
            intra.append(np.mean([cosine(vector, inner.mean(axis=0)) for vector in inner]))
        np.testing.assert_allclose(similarity.intra_sentence_similarity[layer], np.mean(intra))
    counts = {word: sum(name == word for name, _ in tokens) for word, _ in tokens}
    assert set(similarity.self_similarity(min_count=5)) == {word for word, count in counts.items() if count >= 5}


def test_the_order_of_the_texts_and_texts_without_words_have_no_effect():
    texts = corpus()
    plain, reversed_ = collected(texts), collected([*texts[::-1], (np.ones((3, 2, 5)), ["[CLS]", "[SEP]"])])
    assert plain.num_tokens == reversed_.num_tokens
    np.testing.assert_allclose(plain.anisotropy, reversed_.anisotropy)
    np.testing.assert_allclose(plain.intra_sentence_similarity, reversed_.intra_sentence_similarity)


def test_memory_depends_on_the_vocabulary_only():
    once, often = collected(corpus(texts=40)), collected(corpus(texts=40) * 5)
    assert len(pickle.dumps(once)) == pytest.approx(len(pickle.dumps(often)), abs=20)  # larger integers


def test_contributions_over_a_corpus_are_those_of_all_tokens():
    texts = corpus()
    everything = np.concatenate([vectors[:, 1:-1] for vectors, _ in texts], axis=1)
    similarity = collected(texts)
    np.testing.assert_allclose(similarity.contributions, analysis.cosine_contributions(everything))
    np.testing.assert_allclose(similarity.contributions.sum(axis=-1), similarity.anisotropy)


def test_a_word_of_the_real_model_is_less_similar_in_the_last_layer():
    similarity, bert = analysis.ContextSimilarity(), load("minilm")
    for reading in bert.readings(
        ["The cat sat on the mat.", "The bank of the river was wet.", "Money is in the bank."]
    ):
        similarity.add(reading)
    assert similarity.anisotropy.shape == (7,)
    assert similarity.self_similarity(min_count=4).keys() == {"the"}
    of_bank = similarity.self_similarity(min_count=2)["bank"]
    assert of_bank[0] > of_bank[-1]  # contexts change it


# ---- outlier dimensions ----------------------------------------------------------------------------------------------


def test_contributions_by_hand():
    contributions = analysis.cosine_contributions([[3.0, 4.0], [4.0, 3.0], [0.0, 0.0]])
    np.testing.assert_allclose(contributions, [0.48 / 3, 0.48 / 3])  # a zero vector has similarity 0


def test_contributions_are_those_of_a_loop_and_keep_leading_axes():
    vectors = np.random.default_rng(0).normal(size=(2, 3, 7, 5))
    contributions = analysis.cosine_contributions(vectors)
    assert contributions.shape == (2, 3, 5)
    units = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    expected = np.mean([units[..., i, :] * units[..., j, :] for i, j in itertools.combinations(range(7), 2)], axis=0)
    np.testing.assert_allclose(contributions, expected, atol=1e-12)
    similarities = analysis.similarity(vectors)[1, 2]
    np.testing.assert_allclose(contributions[1, 2].sum(), similarities[np.triu_indices(7, k=1)].mean())


def test_a_rogue_dimension_dominates_until_vectors_are_standardized():
    vectors = np.random.default_rng(0).normal(size=(50, 20))
    vectors[:, 3] += 30
    contributions = analysis.cosine_contributions(vectors)
    assert contributions.argmax() == 3 and contributions[3] / contributions.sum() > 0.99
    after = analysis.cosine_contributions(analysis.standardize(vectors))
    assert np.abs(after).max() < 0.01


def test_standardized_vectors_are_those_of_scikit_learn():
    vectors = np.random.default_rng(0).normal(2, 3, size=(11, 5))
    vectors[:, 2] = 0.1
    expected = StandardScaler().fit_transform(vectors)
    standardized = analysis.standardize(vectors)
    np.testing.assert_allclose(standardized, expected, atol=1e-9)
    np.testing.assert_array_equal(standardized[:, 2], 0)
    np.testing.assert_array_equal(analysis.standardize([vectors, vectors])[1], standardized)


# ---- CKA -------------------------------------------------------------------------------------------------------------


def test_cka_by_hand():
    # Kernels of examples: x is [-1, 0, 1] and y [1, -2, 1] after centering, which are orthogonal; x and z are not.
    x, y, z = [[0.0], [1.0], [2.0]], [[1.0], [-2.0], [1.0]], [[0.0], [0.0], [3.0]]
    assert analysis.cka(x, y) == pytest.approx(0)
    assert analysis.cka(x, x) == pytest.approx(1)
    assert analysis.cka(x, z) == pytest.approx(3**2 / (2 * 6))  # <x, z>^2 / (|x|^2 |z|^2), z is [-1, -1, 2]


def kernel_cka(x, y):
    """The definition over kernels of examples: HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L))."""
    center = np.eye(len(x)) - 1 / len(x)

    def hsic(k, other):
        return np.trace(k @ center @ other @ center)

    k, other = x @ x.T, y @ y.T
    return hsic(k, other) / np.sqrt(hsic(k, k) * hsic(other, other))


def test_cka_is_that_of_the_kernels_at_once_and_in_batches():
    rng = np.random.default_rng(0)
    x, noise = rng.normal(5, 1, size=(23, 7)), rng.normal(size=(23, 3))
    y = x @ rng.normal(size=(7, 3)) + noise
    assert analysis.cka(x, y) == pytest.approx(kernel_cka(x, y))
    batches = analysis.CKA()
    for start, stop in ((0, 1), (1, 10), (10, 23)):
        batches.add(x[start:stop], y[start:stop])
    assert batches.num_examples == 23
    assert batches.value == pytest.approx(kernel_cka(x, y))


def test_cka_is_invariant_to_rotation_scale_and_shift():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(17, 5)), rng.normal(size=(17, 5))
    rotation, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    assert analysis.cka(3 * x @ rotation + 1000, y) == pytest.approx(analysis.cka(x, y))
    assert analysis.cka(x, x @ rotation) == pytest.approx(1)
    assert analysis.cka(x, x * [1, 1, 1, 1, 50]) < 0.9  # but not to the scale of one dimension
    assert analysis.cka(x, np.full((17, 2), 0.1)) == 0


def test_cka_compares_every_layer_with_every_other():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, 11, 5)), rng.normal(size=(2, 11, 7))
    result = analysis.cka(x[:, None], y)
    assert result.shape == (3, 2)
    for i, j in np.ndindex(3, 2):
        assert result[i, j] == pytest.approx(kernel_cka(x[i], y[j]))


# ---- probes ----------------------------------------------------------------------------------------------------------


def test_control_labels_are_one_for_each_word_with_the_labels_frequencies():
    words = [f"word{i}" for i in range(3000)] * 2
    labels = analysis.control_labels(words, ["a", "a", "a", "b"], seed=1)
    np.testing.assert_array_equal(labels[:3000], labels[3000:])
    assert np.mean(labels == "a") == pytest.approx(0.75, abs=0.03)
    np.testing.assert_array_equal(labels, analysis.control_labels(words, ["a", "a", "a", "b"], seed=1))
    assert (labels != analysis.control_labels(words, ["a", "a", "a", "b"], seed=2)).any()
    shuffled = analysis.control_labels(words[::-1], ["a", "a", "a", "b"], seed=1)
    np.testing.assert_array_equal(shuffled, labels[::-1])


def examples(kind, count=400, seed=0):
    """Return vectors that encode a binary label, or the word, of 40 words."""
    rng = np.random.default_rng(seed)
    word = rng.integers(0, 40, count)
    label = word % 2
    vectors = rng.normal(size=(count, 44)) * 0.1
    if kind == "label":
        vectors[:, 0] += label
    else:
        vectors[np.arange(count), word] += 3
    return vectors, label, [f"word{i}" for i in word]


def test_a_probe_is_selective_where_vectors_encode_the_label_only():
    selective = analysis.linear_probe(examples("label"), examples("label", seed=1))
    memory = analysis.linear_probe(examples("word"), examples("word", seed=1))
    assert selective.accuracy == memory.accuracy == 1  # the accuracy alone does not tell them apart
    assert selective.selectivity == selective.accuracy - selective.control_accuracy > 0.3
    assert memory.selectivity < 0.02


def test_a_probe_is_scikit_learn_s_with_control_labels():
    train, test = examples("label"), examples("label", seed=1)
    control = analysis.control_labels([*train[2], *test[2]], train[1], seed=3)
    scaler = StandardScaler().fit(train[0])
    model = LogisticRegression(max_iter=1000).fit(scaler.transform(train[0]), control[:400])
    expected = np.mean(model.predict(scaler.transform(test[0])) == control[400:])
    assert analysis.linear_probe(train, test, seed=3).control_accuracy == expected


def test_labels_may_be_strings_and_new_ones_are_errors_of_the_probe():
    vectors, label, words = examples("label")
    names = ["even" if i == 0 else "odd" for i in label]
    assert analysis.linear_probe((vectors, names, words), (vectors, names, words)).accuracy == 1
    assert analysis.linear_probe((vectors, names, words), (vectors, ["new"] * 400, words)).accuracy == 0


# ---- errors ----------------------------------------------------------------------------------------------------------

PAIR = np.ones((2, 3))
EXAMPLES = ([[0.0], [1.0]], ["a", "b"], ["the", "cat"])


def added(*calls):
    similarity = analysis.CKA()
    for x, y in calls:
        similarity.add(x, y)


def later(vectors, tokens):
    collected([(np.ones((2, 1, 3)), ["the"]), (vectors, tokens)])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: analysis.cosine_contributions([[1.0, 2.0]]), ValueError, "vectors: expected at least 2.* got 1"),
        (lambda: analysis.cosine_contributions([1.0]), ValueError, "vectors: expected shape"),
        (lambda: analysis.standardize([[np.nan]]), ValueError, "vectors: .* finite"),
        (lambda: analysis.ContextSimilarity().anisotropy, ValueError, "at least 2"),
        (lambda: analysis.ContextSimilarity().intra_sentence_similarity, ValueError, "texts: expected at least one"),
        (lambda: analysis.ContextSimilarity().self_similarity(1), ValueError, "min_count: .* got 1"),
        (lambda: collected([(np.ones((2, 3)), ["a"])]), ValueError, r"vectors: expected shape \[L, T, D\]"),
        (lambda: collected([(np.ones((2, 3, 4)), ["a"])]), ValueError, "tokens: expected 3"),
        (lambda: collected([(np.ones((2, 3, 4)), None)]), TypeError, "tokens: expected a list of strings"),
        (lambda: later(np.ones((2, 1, 4)), ["the"]), ValueError, "vectors: .* D = 3"),
        (lambda: analysis.cka(PAIR, np.ones((3, 3))), ValueError, "x, y: .* same examples"),
        (lambda: analysis.cka(np.ones((2, 2, 3)), np.ones((3, 2, 3))), ValueError, "x, y: .* got"),
        (lambda: analysis.cka([1.0], PAIR), ValueError, "x: expected shape"),
        (lambda: analysis.cka(PAIR, [[np.inf], [0]]), ValueError, "y: .* finite"),
        (lambda: analysis.CKA().value, ValueError, "at least one example"),
        (lambda: added((PAIR, PAIR), (np.ones((2, 4)), PAIR)), ValueError, "x: .* as in the first call"),
        (lambda: analysis.linear_probe(5, EXAMPLES), TypeError, "train: expected a tuple"),
        (lambda: analysis.linear_probe(EXAMPLES, EXAMPLES[:2]), TypeError, "test: expected a tuple"),
        (lambda: analysis.linear_probe(EXAMPLES, ([[0, 1]], ["a"], ["x"])), ValueError, "test: .* 1 dim.* got 2"),
        (lambda: analysis.linear_probe((PAIR, ["a"], ["x", "y"]), EXAMPLES), ValueError, "train, labels: expected 2"),
        (lambda: analysis.linear_probe((PAIR, [0.5, 1], ["x", "y"]), EXAMPLES), ValueError, "labels: .* integers"),
        (lambda: analysis.linear_probe((PAIR, [0, 1], ["x"]), EXAMPLES), ValueError, "train, words: expected 2"),
        (lambda: analysis.linear_probe((*EXAMPLES[:1], [1, 1], "xy"), EXAMPLES), TypeError, "train, words"),
        (
            lambda: analysis.linear_probe((EXAMPLES[0], "aa", "xy"), EXAMPLES),
            ValueError,
            "train, labels: expected a list",
        ),
        (
            lambda: analysis.linear_probe((EXAMPLES[0], ["a"] * 2, ["x", "y"]), EXAMPLES),
            ValueError,
            "train: .*two diff",
        ),
        (lambda: analysis.linear_probe((*EXAMPLES[:2], ["x", "x"]), EXAMPLES), ValueError, "seed: .*two diff"),
        (lambda: analysis.linear_probe(EXAMPLES, (EXAMPLES[0], [0, 1], ["x", "y"])), ValueError, "test: .*'a'.*got 0"),
        (lambda: analysis.control_labels("x", ["a"]), TypeError, "words: expected a list"),
        (lambda: analysis.control_labels(["x"], []), ValueError, "labels: expected"),
    ],
)
def test_an_error_names_the_argument(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_refused_text_leaves_the_sums_unchanged():
    similarity = collected(corpus())
    before = similarity.anisotropy
    with pytest.raises(ValueError, match="vectors"):
        similarity.add(np.ones((3, 1, 6)), ["the"])
    np.testing.assert_array_equal(similarity.anisotropy, before)
    cka = analysis.CKA()
    cka.add(PAIR, PAIR)
    with pytest.raises(ValueError, match="y"):
        cka.add(PAIR, np.ones((2, 4)))
    assert cka.num_examples == 2


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.pipeline", None)
    with pytest.raises(ImportError, match=r"sklearn.pipeline: cannot be imported.*\[course\]"):
        analysis.linear_probe(EXAMPLES, EXAMPLES)

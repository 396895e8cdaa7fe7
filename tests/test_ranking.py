"""Metrics of retrieval and rank correlation, by hand, and against sentence-transformers, scikit-learn and scipy."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import ndcg_score

from bertedu import analysis
from bertedu.analysis import ranking

RNG = np.random.default_rng(11)
QUERIES, DOCUMENTS = RNG.normal(size=(13, 5)), RNG.normal(size=(37, 5))
RELEVANT = [RNG.choice(37, RNG.integers(1, 15), replace=False).tolist() for _ in QUERIES]


def cosines():
    unit = [vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (QUERIES, DOCUMENTS)]
    return unit[0] @ unit[1].T


def test_retrieval_by_hand():
    documents = [[3, 0], [1, 1], [0, 1], [-1, 0]]  # cosines to [1, 0]: 1, 0.71, 0, -1; to [0, 2]: 0, 0.71, 1, 0
    result = analysis.retrieval([[1, 0], [0, 2]], documents, [[1, 3], 2])
    assert [ranks.tolist() for ranks in result.ranks] == [[2, 4], [1]]
    assert result.mrr == (1 / 2 + 1) / 2
    assert (result.recall(1), result.recall(2), result.recall(4)) == (0.5, 0.75, 1.0)
    ideal = 1 + 1 / np.log2(3)
    np.testing.assert_allclose(result.ndcg(2), (1 / np.log2(3) / ideal + 1) / 2)
    np.testing.assert_allclose(result.ndcg(10), ((1 / np.log2(3) + 1 / np.log2(5)) / ideal + 1) / 2)
    names = ["mrr", "ndcg_at_10", "recall_at_1", "recall_at_10"]
    assert result.metrics == dict(zip(names, (0.75, result.ndcg(), 0.5, 1.0), strict=True))


def test_document_i_belongs_to_query_i_by_default():
    default, explicit = (analysis.retrieval(QUERIES, DOCUMENTS, relevant) for relevant in (None, range(13)))
    assert [ranks.tolist() for ranks in default.ranks] == [ranks.tolist() for ranks in explicit.ranks]


def test_a_model_with_one_vector_for_all_texts_has_the_worst_ranks():
    result = analysis.retrieval(np.ones((3, 4)), np.ones((5, 4)), [0, [1, 2], 4])
    assert [ranks.tolist() for ranks in result.ranks] == [[5], [4, 5], [5]]
    assert analysis.retrieval(np.zeros((2, 4)), np.ones((2, 4))).mrr == 0.5  # a zero vector is similar to nothing


def test_the_metrics_are_those_of_sentence_transformers():
    evaluation = pytest.importorskip("sentence_transformers.sentence_transformer.evaluation")
    evaluator = evaluation.InformationRetrievalEvaluator(
        {str(i): "query" for i in range(13)},
        {str(i): "document" for i in range(37)},
        {str(i): set(map(str, relevant)) for i, relevant in enumerate(RELEVANT)},
        mrr_at_k=[37], ndcg_at_k=[3, 10], precision_recall_at_k=[1, 10],
    )  # fmt: skip
    hits = [[{"score": score, "corpus_id": str(i)} for i, score in enumerate(row)] for row in cosines().tolist()]
    expected = evaluator.compute_metrics(hits)
    result = analysis.retrieval(QUERIES, DOCUMENTS, RELEVANT)
    np.testing.assert_allclose(result.mrr, expected["mrr@k"][37])
    np.testing.assert_allclose([result.ndcg(3), result.ndcg(10)], list(expected["ndcg@k"].values()))
    np.testing.assert_allclose([result.recall(1), result.recall(10)], list(expected["recall@k"].values()))


@pytest.mark.parametrize("k", [1, 5, 10, 37])
def test_ndcg_is_that_of_scikit_learn(k):
    labels = np.zeros((13, 37))
    for row, relevant in zip(labels, RELEVANT, strict=True):
        row[relevant] = 1
    result = analysis.retrieval(QUERIES, DOCUMENTS, RELEVANT)
    np.testing.assert_allclose(result.ndcg(k), ndcg_score(labels, cosines(), k=k))


def test_chunks_have_the_result_of_the_whole(monkeypatch):
    whole = analysis.retrieval(QUERIES, DOCUMENTS, RELEVANT)
    for chunk in (1, 3 * 37 + 1):
        monkeypatch.setattr(ranking, "CHUNK", chunk)
        part = analysis.retrieval(QUERIES, DOCUMENTS, RELEVANT)
        assert [ranks.tolist() for ranks in part.ranks] == [ranks.tolist() for ranks in whole.ranks]


@pytest.mark.parametrize("values", [RNG.normal(size=(2, 20)), RNG.integers(0, 4, (2, 50)), [[1, 2, 3], [2, 4, 9]]])
def test_spearman_is_that_of_scipy(values):
    x, y = values
    np.testing.assert_allclose(analysis.spearman(x, y), spearmanr(x, y).statistic, atol=1e-12)
    assert analysis.spearman(x, np.exp(x)) == 1 and analysis.spearman(x, -np.array(x)) == -1
    assert np.isnan(analysis.spearman(x, np.zeros(len(x))))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: analysis.retrieval(QUERIES[0], DOCUMENTS), r"queries: expected shape \[n, D\], got \[5\]"),
        (lambda: analysis.retrieval(QUERIES, DOCUMENTS[:, :3]), r"documents: expected shape \[m, D\] with D = 5"),
        (lambda: analysis.retrieval(QUERIES, DOCUMENTS[:3]), r"relevant: expected indices .* 0 to 2.* for query 3"),
        (lambda: analysis.retrieval(QUERIES, DOCUMENTS, [1, 2]), "relevant: expected one entry for each of 13 .*got 2"),
        (lambda: analysis.retrieval(QUERIES, DOCUMENTS, [[]] * 13), r"relevant: .* at least one, got \[\] for query 0"),
        (lambda: analysis.retrieval(QUERIES, DOCUMENTS, [-1] * 13), r"relevant: .* got \[-1\] for query 0"),
        (lambda: analysis.retrieval(QUERIES, DOCUMENTS, [0.5] * 13), r"relevant: .* got \[0.5\] for query 0"),
        (lambda: analysis.retrieval(QUERIES, DOCUMENTS).recall(0), "k: expected .*got 0"),
        (lambda: analysis.retrieval(QUERIES, DOCUMENTS).ndcg(0), "k: expected .*got 0"),
        (lambda: analysis.spearman([1], [1]), "x: expected at least 2 numbers, got 1"),
        (lambda: analysis.spearman([1, 2], [1, 2, 3]), "y: expected shape .* with n = 2, got"),
    ],
)
def test_invalid_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

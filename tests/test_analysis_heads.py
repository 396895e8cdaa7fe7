"""Analysis of heads over texts: distances, clusters, flow and norms, by hand and against scipy, networkx and loops."""

import itertools

import keras
import networkx
import numpy as np
import pytest
from scipy.cluster import hierarchy
from scipy.optimize import linprog
from scipy.spatial.distance import jensenshannon, pdist, squareform

from bertedu import TalkingHeadsAttention, analysis, load


def random_attention(*shape, seed=0):
    powers = np.exp(2 * np.random.default_rng(seed).normal(size=shape))
    return powers / powers.sum(axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def readings():
    bert = load("minilm")
    texts = ["The cat sat on the mat.", "Marie Curie discovered radium.", "It was warm."]
    return [bert.read(text, return_qkv=True) for text in texts]


# ---- distances of heads ----------------------------------------------------------------------------------------------


def test_distances_by_hand():
    one, other, half = np.eye(2), np.eye(2)[::-1], np.full((2, 2), 0.5)
    # half against one key: the mean is [3/4, 1/4] with 0.8112781 bits, less (1 + 0) / 2
    expected = [[0, 1, 0.3112781], [1, 0, 0.3112781], [0.3112781, 0.3112781, 0]]
    np.testing.assert_allclose(analysis.head_distances([[one, other, half]]), expected, atol=1e-7)


def test_distances_are_those_of_scipy():
    attention = random_attention(2, 3, 5, 5)
    heads = attention.reshape(6, 5, 5)
    expected = [[np.mean(jensenshannon(p, q, base=2, axis=1) ** 2) for q in heads] for p in heads]
    np.testing.assert_allclose(analysis.head_distances(attention), expected, atol=1e-12)


def test_a_head_and_its_copy_have_distance_zero():
    attention = random_attention(1, 3, 7, 7).astype("float32")
    distances = analysis.head_distances(np.concatenate([attention, attention]))
    np.testing.assert_array_equal(np.diag(distances), 0)
    np.testing.assert_allclose(np.diag(distances, k=3), 0, atol=1e-6)
    np.testing.assert_array_equal(distances, distances.T)


def test_distances_of_readings_weight_all_rows_equally(readings):
    rows = [len(reading.tokens) for reading in readings]
    single = [analysis.head_distances(reading.attention.astype(float)) for reading in readings]
    together = analysis.head_distances(iter(readings))  # consumed once
    assert together.shape == (72, 72)
    np.testing.assert_allclose(together, np.average(single, axis=0, weights=rows), atol=1e-6)
    np.testing.assert_array_equal(analysis.head_distances(readings[0]), analysis.head_distances([readings[0]]))


def test_scaling_restores_points_up_to_rotation():
    points = np.random.default_rng(0).normal(size=(7, 2))
    layout = analysis.multidimensional_scaling(squareform(pdist(points)))
    np.testing.assert_allclose(pdist(layout), pdist(points))
    components, _ = analysis.principal_components(points)
    np.testing.assert_allclose(np.abs(layout), np.abs(components), atol=1e-9)
    assert all(column.max() >= -column.min() for column in layout.T)
    np.testing.assert_allclose(layout.mean(axis=0), 0, atol=1e-12)


def test_clusters_are_those_of_the_tree():
    points = np.array([0.0, 10.0, 0.1, 10.2, 30.0, 0.3])[:, None]
    distances = squareform(pdist(points))
    assert analysis.head_clusters(distances, 3).tolist() == [0, 1, 0, 1, 2, 0]
    assert analysis.head_clusters(distances, 1).tolist() == [0] * 6
    assert analysis.head_clusters(distances, 6).tolist() == list(range(6))
    assert analysis.head_clusters([[0.0]], 1).tolist() == [0]
    assert analysis.head_clusters(np.zeros((3, 3)), 2).max() == 1
    points = np.random.default_rng(0).normal(size=(23, 3))
    flat = hierarchy.fcluster(hierarchy.average(pdist(points)), 4, criterion="maxclust")
    clusters = analysis.head_clusters(squareform(pdist(points)), 4)
    np.testing.assert_array_equal(clusters[:, None] == clusters, flat[:, None] == flat)


# ---- attention flow --------------------------------------------------------------------------------------------------


def test_flow_of_two_layers_by_hand():
    first, second = np.array([[0.0, 1.0], [0.5, 0.5]]), np.array([[1.0, 0.0], [1.0, 0.0]])
    # Capacities [[.5, .5], [.25, .75]], then [[1, 0], [.5, .5]]. From output 1 to input 0: .5 through token 0, .25
    # through token 1; to input 1: .5 and .5.
    np.testing.assert_allclose(analysis.attention_flow([first, second]), [[0.5, 0.5], [0.75, 1.0]])
    assert analysis.rollout([first, second])[-1][1].tolist() == [0.375, 0.625]


@pytest.mark.parametrize("residual", [0, 0.3, 1.0])
def test_flow_of_identity_matrices_is_the_identity(residual):
    identity = np.broadcast_to(np.eye(3), (2, 5, 3, 3))
    np.testing.assert_array_equal(analysis.attention_flow(identity, residual), np.eye(3))


def linear_program(capacities, query, key):
    """Return the maximum flow as a linear program: what leaves `query`, if the other nodes keep nothing."""
    edges = [(layer, t, s) for layer, t, s in np.ndindex(capacities.shape)]
    nodes = {node: row for row, node in enumerate(np.ndindex(len(capacities) + 1, capacities.shape[-1]))}
    balance = np.zeros((len(nodes), len(edges)))
    for column, (layer, t, s) in enumerate(edges):
        balance[nodes[layer + 1, t], column] -= 1
        balance[nodes[layer, s], column] += 1
    source, target = nodes[len(capacities), query], nodes[0, key]
    inner = [row for row in range(len(nodes)) if row not in (source, target)]
    bounds = [(0, capacity) for capacity in capacities.ravel()]
    return -linprog(balance[source], A_eq=balance[inner], b_eq=np.zeros(len(inner)), bounds=bounds).fun


def test_flow_is_the_solution_of_a_linear_program():
    attention = random_attention(3, 2, 4, 4, seed=1)
    capacities = (attention.mean(axis=1) + np.eye(4)) / 2
    expected = [[-linear_program(capacities, t, s) for s in range(4)] for t in range(4)]
    np.testing.assert_allclose(analysis.attention_flow(attention), np.negative(expected), atol=1e-9)


def test_flow_is_that_of_another_algorithm():
    attention = random_attention(3, 5, 5, seed=2)
    graph = networkx.DiGraph()
    for layer, t, s in np.ndindex(attention.shape):
        weight = (attention[layer, t, s] + (t == s)) / 2
        graph.add_edge(f"{layer + 1}.{t}", f"{layer}.{s}", capacity=weight)
    expected = [
        [networkx.maximum_flow_value(graph, f"3.{t}", f"0.{s}", flow_func=networkx.algorithms.flow.dinitz)
         for s in range(5)]
        for t in range(5)
    ]  # fmt: skip
    np.testing.assert_allclose(analysis.attention_flow(attention), expected, atol=1e-9)


def test_flow_is_at_least_rollout_and_commutes_with_permutations(readings):
    attention, order = random_attention(2, 3, 4, 4), [2, 0, 3, 1]
    flow = analysis.attention_flow(attention)
    assert (flow >= analysis.rollout(attention)[-1] - 1e-9).all()
    permuted = analysis.attention_flow(attention[:, :, order][..., order])
    np.testing.assert_allclose(permuted, flow[order][:, order], atol=1e-9)
    of_reading = analysis.attention_flow(readings[2])
    assert of_reading.shape == (6, 6)
    np.testing.assert_array_equal(of_reading, analysis.attention_flow(readings[2].attention))
    assert of_reading.min() > 0 and of_reading.max() <= 1 + 1e-9


# ---- norm-based attention --------------------------------------------------------------------------------------------


def test_norms_by_hand():
    attention = [[[0.5, 0.5]], [[1.0, 0.0]]]  # two heads, one query, two keys
    values = [[[3.0], [1.0]], [[4.0], [9.0]]]
    kernel = [[[1.0, 0.0]], [[0.0, 2.0]]]
    norms, summed = analysis.attention_norms(attention, values, kernel)
    np.testing.assert_allclose(norms, [[[1.5, 0.5]], [[8.0, 0.0]]])
    np.testing.assert_allclose(summed, [[np.hypot(1.5, 8), 0.5]])
    opposite = analysis.attention_norms([[[0.5]], [[0.5]]], [[[1.0]], [[-1.0]]], [[[1.0]], [[1.0]]])
    np.testing.assert_allclose(opposite[1], [[0.0]], atol=1e-12)  # the heads cancel


def test_norms_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    attention, values, kernel = rng.normal(size=(3, 4, 5)), rng.normal(size=(3, 5, 2)), rng.normal(size=(3, 2, 7))
    norms, summed = analysis.attention_norms(attention, values, kernel)
    for t, s in itertools.product(range(4), range(5)):
        vectors = [attention[n, t, s] * values[n, s] @ kernel[n] for n in range(3)]
        np.testing.assert_allclose(norms[:, t, s], np.linalg.norm(vectors, axis=-1))
        np.testing.assert_allclose(summed[t, s], np.linalg.norm(np.sum(vectors, axis=0)))


def test_the_norm_of_a_single_key_is_that_of_the_layer_s_output():
    layer = TalkingHeadsAttention(num_heads=3, key_dim=2)
    x = np.random.default_rng(0).normal(size=(1, 1, 6)).astype("float32")
    output, attention, (_, _, values) = layer(x, return_attention_scores=True, return_qkv=True)
    arrays = [keras.ops.convert_to_numpy(tensor)[0] for tensor in (output, attention, values)]
    bias = keras.ops.convert_to_numpy(layer.output_dense.bias)
    _, summed = analysis.attention_norms(arrays[1], arrays[2], layer.output_dense.kernel)
    np.testing.assert_allclose(summed[0, 0], np.linalg.norm(arrays[0][0] - bias), rtol=1e-5)


def test_what_a_head_with_one_key_adds_has_the_norm_that_the_reading_says():
    bert, text, key = load("minilm"), "The cat sat on the mat.", 3
    one_key = {"layer_2/attention_scores": lambda weights: np.eye(weights.shape[-1])[key] + 0 * weights}
    site = "layer_2/attention_output"
    whole, without = (
        bert.read(text, edit=one_key, head_mask=mask, return_sites=[site]).sites[site]
        for mask in (None, np.where(np.arange(72).reshape(6, 12) == 24 + 7, 0, 1))
    )
    reading = bert.read(text, return_qkv=True)
    norms, summed = analysis.reading_norms(bert, text)
    expected = norms[2, 7, :, key] / reading.attention[2, 7, :, key]  # of a weight of 1
    np.testing.assert_allclose(np.linalg.norm(whole - without, axis=-1), expected, rtol=1e-4)
    assert norms.shape == reading.attention.shape and summed.shape == (6, 9, 9)


# ---- errors ----------------------------------------------------------------------------------------------------------

TALKING = [[[[1.25, -0.25], [0.5, 0.5]]]]
SQUARE = [[0.0, 1.0], [1.0, 0.0]]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: analysis.head_distances(TALKING), ValueError, "talking heads"),
        (lambda: analysis.head_distances(random_attention(3, 3)), ValueError, "attention: expected shape"),
        (lambda: analysis.head_distances(["x"]), TypeError, "attention: expected numbers"),
        (lambda: analysis.head_distances(iter(["x"])), TypeError, "expected a Reading.* got 'x'"),
        (lambda: analysis.head_distances([]), ValueError, "readings: expected at least one"),
        (lambda: analysis.head_distances(5), TypeError, "readings: expected .* got 5"),
        (lambda: analysis.head_atlas(5), TypeError, "readings: expected .* got 5"),
        (lambda: analysis.multidimensional_scaling([[0, 1], [2, 0]]), ValueError, "distances: expected a symmetric"),
        (lambda: analysis.multidimensional_scaling([[1, 1], [1, 1]]), ValueError, "distances: .* 0 on its diagonal"),
        (lambda: analysis.multidimensional_scaling([[0, -1], [-1, 0]]), ValueError, "distances: .* minimum of -1"),
        (lambda: analysis.multidimensional_scaling(SQUARE, n=3), ValueError, "n: .* from 1 to 2, got 3"),
        (lambda: analysis.head_clusters(SQUARE, 0), ValueError, "n: .* got 0"),
        (lambda: analysis.head_clusters([1.0], 1), ValueError, "distances: expected shape"),
        (lambda: analysis.attention_flow(TALKING), ValueError, "talking heads"),
        (lambda: analysis.attention_flow(random_attention(2, 3, 3), residual=-1), ValueError, "residual: .* got -1"),
        (lambda: analysis.attention_norms(np.ones((2, 3)), 1, 1), ValueError, "attention: expected shape"),
        (lambda: analysis.attention_norms(np.ones((2, 3, 4)), np.ones((2, 3, 5)), 1), ValueError, "values: .* S = 4"),
        (
            lambda: analysis.attention_norms(np.ones((2, 3, 4)), np.ones((2, 4, 5)), np.ones((2, 4, 5))),
            ValueError,
            "output_kernel: .* H = 5",
        ),
    ],
)
def test_an_error_names_the_argument(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("package", "call"),
    [
        ("networkx", lambda: analysis.attention_flow([np.eye(2)])),
        ("scipy.cluster.hierarchy", lambda: analysis.head_clusters(SQUARE, 1)),
    ],
)
def test_a_missing_package_is_named_with_its_extra(monkeypatch, package, call):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(ImportError, match=rf"{package}: cannot be imported.*\[course\]"):
        call()


def test_distances_of_pruned_heads_are_nan():
    rng = np.random.default_rng(0)
    weights = rng.random((2, 2, 4, 4))
    weights /= weights.sum(axis=-1, keepdims=True)
    expected = analysis.head_distances(weights)
    expected[2] = expected[:, 2] = np.nan
    weights[1, 0] = 0
    np.testing.assert_allclose(analysis.head_distances(weights), expected)

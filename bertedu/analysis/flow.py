"""Attention rollout and attention flow: how much of each input token reaches each token through the layers.

    A[l] = (1 - r) mean_n p[l, n] + r I
    rollout   R[l] = A[l] R[l - 1],     R[-1] = I
    flow      the maximum flow from a token of the last layer to an input token, where A[l] are the capacities

Abnar and Zuidema 2020 (https://arxiv.org/abs/2005.00928), section 3. Rollout: chapter 12.
"""

import numpy as np
from numpy.typing import ArrayLike
from tqdm import tqdm

from bertedu.analysis.heads import attention_weights
from bertedu.bert import PROGRESS_AFTER
from bertedu.checks import imported, number
from bertedu.reading import Reading

CAPACITY = 2**40  # of an edge of weight 1. Flows are computed in whole numbers, so that every algorithm ends.


def rollout(attention: Reading | ArrayLike, residual: float = 0.5) -> np.ndarray:
    """Compute the attention rollout after each layer.

    It averages the heads and ignores values, feed-forward blocks and the norms of vectors, so it is only a rough
    estimate of where information can come from. `attention_flow` is the paper's second method.

    Args:
        attention: a `Reading`, attention weights `[L, N, T, T]`, or their mean over the heads, `[L, T, T]`.
        residual: float from 0 to 1, the weight of the residual connection around attention. Defaults to 0.5, as in
            the paper.

    Returns:
        `[L, T, T]` float64; rows sum to 1. The last one is the rollout of the whole model.

    Raises:
        TypeError, ValueError: an argument is not as above. Rollout is not defined for talking heads.

    Example:
        >>> rollout([[[0.0, 1.0], [1.0, 0.0]]] * 2)[-1].tolist()
        [[0.5, 0.5], [0.5, 0.5]]
    """
    residual = number("residual", residual, 0, 1)
    attention = _mean_of_heads(attention)  # [L, T, T]
    joint, layers = np.eye(attention.shape[-1]), []  # [T, T]
    for mean in attention:
        joint = (1 - residual) * mean @ joint + residual * joint  # [T, T]
        layers.append(joint)
    return np.stack(layers)  # [L, T, T]


def attention_flow(attention: Reading | ArrayLike, residual: float = 0.5, *, progress: bool = True) -> np.ndarray:
    """Compute the attention flow through all layers: the maximum flow from each output token to each input token.

    A weight limits what can flow along its edge, so that two paths that share an edge do not add up, as they do in
    rollout. One maximum-flow problem is solved for each pair of tokens: seconds for a short sentence, minutes for a
    long one.

    Args:
        attention, residual: as of `rollout`. For the flow into the output of an earlier layer l, pass
            ``attention[: l + 1]``.
        progress: bool, show a progress bar after two seconds.

    Returns:
        `[T, T]` float64, from 0 to 1; rows are output tokens. The sum of a row may exceed 1, because each flow has all
        edges to itself; the authors' code divides each row by its sum.

    Raises:
        TypeError, ValueError: an argument is not as above. ImportError: networkx is not installed.

    Example:
        >>> attention_flow([[[0.0, 1.0], [1.0, 0.0]]] * 2).tolist()
        [[1.0, 1.0], [1.0, 1.0]]
    """
    residual = number("residual", residual, 0, 1)
    mean = _mean_of_heads(attention)  # [L, T, T]
    edges = (1 - residual) * mean + residual * np.eye(mean.shape[-1])  # [L, T, T]
    capacities = np.round(edges * CAPACITY).astype(int)  # [L, T, T]
    networkx = imported("networkx")
    graph = networkx.DiGraph()
    graph.add_nodes_from(np.ndindex(len(capacities) + 1, capacities.shape[-1]))
    for layer, query, key in zip(*map(np.ndarray.tolist, capacities.nonzero()), strict=True):
        graph.add_edge((layer + 1, query), (layer, key), capacity=int(capacities[layer, query, key]))
    methods = networkx.algorithms.flow
    options = {  # the fastest of networkx' algorithms here; the residual network is reused
        "flow_func": methods.shortest_augmenting_path,
        "residual": methods.build_residual_network(graph, "capacity"),
    }
    flows = np.zeros(capacities.shape[1:])  # [T, T]
    pairs = tqdm(list(np.ndindex(flows.shape)), unit="flow", delay=PROGRESS_AFTER, disable=not progress, leave=False)
    for query, key in pairs:
        flows[query, key] = networkx.maximum_flow_value(graph, (len(capacities), query), (0, key), **options)
    return flows / CAPACITY


def _mean_of_heads(attention: Reading | ArrayLike) -> np.ndarray:
    """Return the attention weights of each layer, averaged over its heads: `[L, T, T]` float64, rows sum to 1."""
    attention = attention.attention if isinstance(attention, Reading) else attention
    attention = attention_weights(attention, "LTT" if np.ndim(attention) == 3 else "LNTT")
    mean = attention.mean(axis=1, dtype=float) if attention.ndim == 4 else attention.astype(float)  # [L, T, T]
    return mean / mean.sum(axis=-1, keepdims=True)

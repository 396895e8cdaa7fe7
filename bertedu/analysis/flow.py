"""Attention rollout: how much of each input token reaches each token through the layers.

    A[l] = (1 - r) mean_n p[l, n] + r I,     R[l] = A[l] R[l - 1],     R[-1] = I

Abnar and Zuidema 2020 (https://arxiv.org/abs/2005.00928), section 3. Chapter: 12.
"""

import numpy as np
from numpy.typing import ArrayLike

from bertedu.analysis.heads import attention_weights
from bertedu.checks import number
from bertedu.reading import Reading


def rollout(attention: Reading | ArrayLike, residual: float = 0.5) -> np.ndarray:
    """Compute the attention rollout after each layer.

    It averages the heads and ignores values, feed-forward blocks and the norms of vectors, so it is only a rough
    estimate of where information can come from. The paper's second method, attention flow, solves a maximum-flow
    problem and is not implemented.

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
    attention = attention.attention if isinstance(attention, Reading) else attention
    attention = attention_weights(attention, "LTT" if np.ndim(attention) == 3 else "LNTT").astype(float)
    joint, layers = np.eye(attention.shape[-1]), []  # [T, T]
    for layer in attention:
        mean = layer if layer.ndim == 2 else layer.mean(axis=0, dtype=float)  # [T, T]
        mean = mean / mean.sum(axis=-1, keepdims=True)
        joint = (1 - residual) * mean @ joint + residual * joint  # [T, T]
        layers.append(joint)
    return np.stack(layers)  # [L, T, T]

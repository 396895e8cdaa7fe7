"""What reaches a token through all layers: attention rollout.

    A[l] = (1 - r) mean_n p[l, n] + r I,     R[l] = A[l] R[l - 1],     R[-1] = I

Abnar and Zuidema 2020 (https://arxiv.org/abs/2005.00928), section 3. Chapter: 12.
"""

import numpy as np
from numpy.typing import ArrayLike

from bertedu.analysis.heads import attention_weights
from bertedu.checks import number
from bertedu.reading import Reading


def rollout(attention: Reading | ArrayLike, residual: float = 0.5) -> np.ndarray:
    """Return how much of each input token is in each token after each layer, if only attention mixed them.

    Heads count alike; `residual` is what the sum around attention passes on unmixed. Values, feed-forward layers and
    the sizes of vectors are left out, so it is a rough map of where things can have come from. The authors' second
    method, attention flow, asks for a maximum flow and is not here.

    Args:
        attention: a `Reading`, or shares `[L, N, T, T]`, or `[L, T, T]` where heads are averaged already.
        residual: 0 to 1, 0.5 in the paper.

    Returns:
        `[L, T, T]` float64; rows sum to 1. The last is the rollout of the whole model.

    Raises:
        TypeError, ValueError: an argument is not as above; the scores of talking heads are no shares.

    Example:
        >>> rollout([[[0.0, 1.0], [1.0, 0.0]]] * 2)[-1].tolist()
        [[0.5, 0.5], [0.5, 0.5]]
    """
    residual = number("residual", residual, 0, 1)
    attention = attention.attention if isinstance(attention, Reading) else attention
    attention = attention_weights(attention, "LTT" if np.ndim(attention) == 3 else "LNTT")
    reached, layers = np.eye(attention.shape[-1]), []  # [T, T]
    for layer in attention:
        mean = layer if layer.ndim == 2 else layer.mean(axis=0, dtype=float)  # [T, T]
        mean = mean / mean.sum(axis=-1, keepdims=True)
        reached = (1 - residual) * mean @ reached + residual * reached  # [T, T]
        layers.append(reached)
    return np.stack(layers)  # [L, T, T]

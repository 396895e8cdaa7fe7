"""Norm-based attention: how much a token adds to another one, weight and transformed value together.

    output[t] = sum over n and s of p[n, t, s] f[n, s] + bias,     f[n, s] = v[n, s] W_o[n]

Kobayashi et al. 2020 (https://arxiv.org/abs/2004.10102), section 3. A large weight on a small value adds little, as in
heads that attend to [SEP].
"""

import numpy as np
from numpy.typing import ArrayLike

from bertedu.bert import Bert
from bertedu.checks import instance, numbers


def attention_norms(attention: ArrayLike, values: ArrayLike, output_kernel: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Compute the norm of what each query receives from each key, per head and summed over the heads of a layer.

    Args:
        attention: `[N, T, S]`, attention weights of a layer, also those of talking heads.
        values: `[N, S, H]`, its values with their bias.
        output_kernel: `[N, H, D]`, its output projection.

    Returns:
        norms: `[N, T, S]` float64, |p[n, t, s] f[n, s]|.
        summed: `[T, S]`, |sum over n of p[n, t, s] f[n, s]|: the heads' vectors are added first.

    Raises:
        TypeError, ValueError: an argument does not match its description; the message names it.

    Example:
        >>> norms, summed = attention_norms([[[0.5, 0.5]]], values=[[[3.0], [4.0]]], output_kernel=[[[2.0]]])
        >>> norms.tolist(), summed.tolist()
        ([[[3.0, 4.0]]], [[3.0, 4.0]])
    """
    attention = numbers("attention", attention, "NTS")
    heads, _, keys = attention.shape
    values = numbers("values", values, "NSH", N=heads, S=keys)
    kernel = numbers("output_kernel", output_kernel, "NHD", N=heads, H=values.shape[-1])
    vectors = (values @ kernel).swapaxes(0, 1)  # [S, N, D]
    products = vectors @ vectors.swapaxes(1, 2)  # [S, N, N], much smaller than the sums over the heads, [T, S, D]
    lengths = np.sqrt(np.diagonal(products, axis1=1, axis2=2)).T  # [N, S]
    weights = attention.transpose(2, 1, 0)  # [S, T, N]
    squares = np.einsum("stn,stn->ts", weights @ products, weights)
    return np.abs(attention) * lengths[:, None], np.sqrt(np.maximum(squares, 0))


def reading_norms(bert: Bert, text: str, pair: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Compute the `attention_norms` of all layers for a text, or a pair of texts.

    Args:
        bert: a `Bert`, as `be.load` returns it.
        text, pair: str, as in `Bert.read`.

    Returns:
        norms: `[L, N, T, T]` float64; 0 for pruned heads.
        summed: `[L, T, T]`.

    Raises:
        TypeError, ValueError: as `Bert.read`.

    Example:
        >>> from bertedu import load
        >>> norms, summed = reading_norms(load("minilm"), "The cat sat on the mat.")
        >>> norms.shape, summed.shape
        ((6, 12, 9, 9), (6, 9, 9))
    """
    reading = instance("bert", bert, Bert, 'such as be.load("minilm")').read(text, pair, return_qkv=True)
    norms, summed = np.zeros(reading.attention.shape), []
    for i, heads in enumerate(bert.encoder.remaining_heads):
        kernel = bert.encoder.transformer_layers[i].attention.output_dense.kernel
        norms[i, heads], total = attention_norms(reading.attention[i, heads], reading.values[i, heads], kernel)
        summed.append(total)
    return norms, np.stack(summed)

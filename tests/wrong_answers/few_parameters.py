"""Wrong and right answers to the exercises of chapter 17; the wrong ones with a part of the feedback."""

import numpy as np
from keras import ops


def singular(update):
    return np.linalg.svd(update, compute_uv=False)


def kept(update):
    squares = singular(update) ** 2
    return np.cumsum(squares) / squares.sum()


def output_by_loops(x, w, down, up, alpha):
    rank = len(up)
    result = []
    for row in x:
        small = [sum(row[i] * down[i][r] for i in range(len(row))) for r in range(rank)]
        result.append(
            [
                sum(row[i] * w[i][j] for i in range(len(row)))
                + alpha / rank * sum(small[r] * up[r][j] for r in range(rank))
                for j in range(len(w[0]))
            ]
        )
    return result


def output_by_tensors(x, w, down, up, alpha):
    x, w, down, up = (ops.array(array, dtype="float32") for array in (x, w, down, up))
    return ops.matmul(x, w + alpha / down.shape[1] * ops.matmul(down, up))


def rank_by_loop(update, fraction):
    values = sorted((value**2 for value in singular(update)), reverse=True)
    total, rank = 0.0, 0
    while total < fraction * sum(values) - 1e-12:
        total += values[rank]
        rank += 1
    return rank


def merge_by_einsum(kernel, down, up, scale):
    return kernel + scale * np.einsum("dr,rnh->dnh", down, up.reshape(len(up), *kernel.shape[1:]))


WRONG = {
    "few_parameters.count": [
        (768 * 8 * 2, "one matrix"),
        (2 * 768 * 8 * 2, "one layer"),
        (12 * 768 * 8 * 2, "half"),
        (12 * 4 * 768 * 8 * 2, "twice as many"),
        (24 * 768 * 768, "whole matrices"),
        (24 * (768 * 12 * 8 + 8 * 64), "flat"),
        (12 * 2 * 8 * 12, "don't add"),
        (109_482_240, "expected 294,912"),
        ([1, 2], "one number"),
    ],
    "few_parameters.output": [
        (lambda x, w, down, up, alpha: x @ w, "update is missing"),
        (lambda x, w, down, up, alpha: x @ down @ up, "x W is missing"),
        (lambda x, w, down, up, alpha: alpha / down.shape[1] * x @ down @ up, "only the update"),
        (lambda x, w, down, up, alpha: x @ w + x @ down @ up, "scale is missing"),
        (lambda x, w, down, up, alpha: x @ w + alpha * x @ down @ up, "divided by the rank"),
        (lambda x, w, down, up, alpha: x @ w + down.shape[1] / alpha * x @ down @ up, "not rank / alpha"),
        (lambda x, w, down, up, alpha: x @ w + alpha / len(down) * x @ down @ up, "columns of `down`"),
        (lambda x, w, down, up, alpha: x @ w + alpha / up.shape[1] * x @ down @ up, "rows of `up`"),
        (lambda x, w, down, up, alpha: x @ w - alpha / 2 * x @ down @ up, "not subtracted"),
        (lambda x, w, down, up, alpha: alpha / 2 * (x @ w + x @ down @ up), "W stays"),
        (lambda x, w, down, up, alpha: w + alpha / 2 * down @ up, "merged matrix"),
        (lambda x, w, down, up, alpha: x @ w + alpha / 2 * x @ down @ up, "lora_output("),
    ],
    "few_parameters.merge": [
        (lambda kernel, down, up, scale: kernel, "unchanged"),
        (lambda kernel, down, up, scale: scale * down @ up, "flat matrix"),
        (lambda kernel, down, up, scale: scale * (down @ up).reshape(kernel.shape), "only the update"),
        (lambda kernel, down, up, scale: kernel + (down @ up).reshape(kernel.shape), "scale is missing"),
        (lambda kernel, down, up, scale: kernel.reshape(len(kernel), -1) + scale * down @ up, "but flat"),
        (
            lambda kernel, down, up, scale: kernel + scale * (down @ up).reshape(4, 5, 3).transpose(0, 2, 1),
            "axes are swapped",
        ),
        (lambda kernel, down, up, scale: kernel - scale * (down @ up).reshape(kernel.shape), "not subtracted"),
        (lambda kernel, down, up, scale: scale * (kernel + (down @ up).reshape(kernel.shape)), "only the update is"),
        (lambda kernel, down, up, scale: kernel + scale * (down @ up), "raised"),
        (lambda kernel, down, up, scale: kernel + scale * (down @ up).reshape(4, 3, 5), "merged_kernel("),
    ],
    "few_parameters.smallest_rank": [
        (lambda update, fraction: int(np.argmax(kept(update) >= fraction)), "counts from 0"),
        (
            lambda update, fraction: 1 + int((np.cumsum(singular(update)) < fraction * singular(update).sum()).sum()),
            "the squares of the singular values",
        ),
        (lambda update, fraction: np.linalg.matrix_rank(update), "the squares of the singular values"),
        (lambda update, fraction: min(update.shape), "only as many as you need"),
        (lambda update, fraction: kept(update), "fractions that each rank keeps"),
        (lambda update, fraction: singular(update), "three numbers"),
        (lambda update, fraction: 1 + int((kept(update) <= fraction).sum()), "compare with >="),
        (lambda update, fraction: 1, "expected 2"),
        (lambda update, fraction: 1 + int((kept(update) < min(fraction, 0.9)).sum()), "smallest_rank("),
    ],
}

RIGHT = {
    "few_parameters.count": [294_912, 24 * 8 * 1536, np.int64(294_912), ops.array(294_912.0)],
    "few_parameters.output": [
        output_by_loops,
        output_by_tensors,
        lambda x, w, down, up, alpha: x @ (w + alpha / len(up) * down @ up),
    ],
    "few_parameters.merge": [
        merge_by_einsum,
        lambda kernel, down, up, scale: (kernel.reshape(len(kernel), -1) + scale * down @ up).reshape(kernel.shape),
    ],
    "few_parameters.smallest_rank": [rank_by_loop, lambda u, f: int(np.argmax(kept(u) >= f - 1e-12)) + 1],
}

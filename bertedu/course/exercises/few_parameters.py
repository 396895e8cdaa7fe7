"""Exercises of notebooks/17_few_parameters.ipynb."""

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers, one_number


def _normal(seed, *shape):
    return np.round(np.random.default_rng(seed).normal(size=shape), 2)


X, W, DOWN, UP, ALPHA = _normal(1, 5, 4), _normal(2, 4, 3), _normal(3, 4, 2), _normal(4, 2, 3), 6.0
KERNEL, KERNEL_UP = _normal(5, 4, 3, 5), _normal(6, 2, 15)  # [D, N, H], [rank, N H]
UPDATE = np.outer([1.0, 2.0, -2.0, 0.0], [3.0, 0.0, 4.0]) + np.outer([2.0, -1.0, 0.0, 1.0], [0.8, 0.5, -0.6])


def check_count(answer):
    got = float(one_number(answer, "the number of parameters."))
    reasons = {
        12_288: "that is one matrix. There are two in each of 12 layers.",
        24_576: "that is one layer. There are 12.",
        147_456: "that is half. Each layer has two updates, and each update has two matrices.",
        589_824: "that is twice as many. Query and value are two matrices per layer, not four.",
        14_155_776: "that is what the updates replace: 24 whole matrices of 768 times 768.",
        1_781_760: "that is Keras' decomposition of [768, 12, 64]. Count two flat matrices, [768, 8] and [8, 768].",
        2_304: "multiply the sides of a matrix; don't add them.",
    }
    if got in reasons:
        raise WrongAnswer(reasons[got])
    compare(got, 294_912)


def check_output(answer):
    plain, update = X @ W, X @ DOWN @ UP
    typical = [
        (plain, "the update is missing."),
        (update, "this is the update without its scale, and x W is missing."),
        (ALPHA / 2 * update, "this is only the update. Add x W."),
        (plain + update, "the scale is missing: alpha divided by the rank."),
        (plain + ALPHA * update, "alpha is divided by the rank."),
        (plain + 2 / ALPHA * update, "the scale is alpha / rank, not rank / alpha."),
        (plain + ALPHA / 4 * update, "the rank is the number of columns of `down`, here 2, not that of its rows."),
        (plain + ALPHA / 3 * update, "the rank is the number of rows of `up`, here 2, not that of its columns."),
        (plain - ALPHA / 2 * update, "the update is added, not subtracted."),
        (ALPHA / 2 * (plain + update), "only the update is scaled. W stays as it is."),
        (W + ALPHA / 2 * DOWN @ UP, "this is the merged matrix. Multiply x by it."),
    ]
    arguments = (X.copy(), W.copy(), DOWN.copy(), UP.copy(), ALPHA)
    compare(call(answer, *arguments), plain + ALPHA / 2 * update, typical)


def check_merge(answer):
    product = DOWN @ KERNEL_UP
    expected = KERNEL + 3.0 * product.reshape(KERNEL.shape)
    swapped = product.reshape(4, 5, 3).transpose(0, 2, 1)
    typical = [
        (KERNEL, "the kernel is unchanged."),
        (3.0 * product, "this is the update as a flat matrix. Split its columns into heads, and add the kernel."),
        (expected - KERNEL, "this is only the update. Add the kernel."),
        (KERNEL + product.reshape(KERNEL.shape), "the scale is missing."),
        (expected.reshape(4, 15), "the numbers are right, but flat. Return the kernel's shape, [D, N, H]."),
        (KERNEL + 3.0 * swapped, "the axes are swapped: the heads come before the elements of a head."),
        (KERNEL - 3.0 * product.reshape(KERNEL.shape), "the update is added, not subtracted."),
        (3.0 * (KERNEL + product.reshape(KERNEL.shape)), "only the update is scaled. The kernel stays as it is."),
    ]
    compare(call(answer, KERNEL.copy(), DOWN.copy(), KERNEL_UP.copy(), 3.0), expected, typical)


def check_rank(answer):
    singular = np.linalg.svd(UPDATE, compute_uv=False)
    fractions = np.cumsum(singular**2) / np.sum(singular**2)
    got = numbers(call(answer, UPDATE.copy(), 0.9))
    if got.shape == (3,):
        if np.allclose(got, fractions):
            raise WrongAnswer("these are the fractions that each rank keeps. Return the smallest such rank.")
        raise WrongAnswer("these are three numbers, one per singular value. Return one whole number, the rank.")
    typical = [
        (0, "an index counts from 0, a rank from 1: with one singular value, the rank is 1."),
        (
            2,
            "one is enough: the squares of the singular values add up to the sum of squares.",
        ),
        (3, "that many are there. Count only as many as you need, the largest first."),
    ]
    compare(got, 1, typical)
    compare(call(answer, np.diag([1.0, 3.0, 2.0]), 0.9), 2)
    exactly = "with `fraction` 0.5, a rank that keeps exactly one half is enough: compare with >=."
    compare(call(answer, np.diag([2.0, 2.0]), 0.5), 1, [(2, exactly)])


EXERCISES = {
    "count": Exercise(
        task="How many parameters have the updates of rank 8 of the queries and values of BERT-Base?",
        blank="num_parameters = ...",
        answer="num_parameters",
        check=check_count,
        correct="that is 0.3% of the 109 million of the encoder.",
        hints=(
            "The update of one matrix of 768 times 768 has two matrices, [768, 8] and [8, 768].",
            "There are 12 layers, and each has two such updates.",
        ),
        solution="num_parameters = 12 * 2 * (768 * 8 + 8 * 768)  # layers, query and value, down and up",
    ),
    "output": Exercise(
        task="Compute the output of a layer with a low-rank update, without making the merged matrix.",
        blank="def lora_output(x, w, down, up, alpha):\n    return ...",
        answer="lora_output",
        check=check_output,
        cases=(
            tuple(np.array(value) for value in ([[2.0]], [[3.0]], [[-1.5]], [[4.0]])) + (0.5,),
            (_normal(11, 2, 5), _normal(12, 5, 2), _normal(13, 5, 1), _normal(14, 1, 2), 3.0),
            (_normal(15, 3, 4), _normal(16, 4, 6), _normal(17, 4, 3), np.zeros((3, 6)), 2.0),
            (_normal(18, 1, 7), _normal(19, 7, 8), _normal(20, 7, 4), _normal(21, 4, 8), 1.0),
        ),
        correct="two thin products and a sum. This is what runs during training.",
        hints=(
            "The rank is the number of columns of `down`. The update is alpha / rank times x @ down @ up.",
            "Multiply from the left: x @ down is [T, rank], and that times `up` is [T, out]. Add x @ w.",
        ),
        solution=(
            "def lora_output(x, w, down, up, alpha):\n"
            "    rank = down.shape[1]\n"
            "    return x @ w + alpha / rank * (x @ down) @ up  # [T, out]"
        ),
    ),
    "merge": Exercise(
        task="Merge a flat update into a kernel whose columns are split into heads, [D, N, H].",
        blank="def merged_kernel(kernel, down, up, scale):\n    return ...",
        answer="merged_kernel",
        check=check_merge,
        cases=(
            (np.array([[[2.0]]]), np.array([[3.0]]), np.array([[-1.5]]), 0.5),
            (_normal(22, 2, 3, 1), _normal(23, 2, 2), _normal(24, 2, 3), -1.0),
            (_normal(25, 5, 1, 4), _normal(26, 5, 1), _normal(27, 1, 4), 2.0),
            (_normal(28, 3, 2, 3), np.zeros((3, 4)), _normal(29, 4, 6), 1.0),
        ),
        correct="the model has its old shape again, and no trace of rank or scale.",
        hints=(
            "down @ up is a flat matrix, [D, N H]. Its first H columns belong to head 0.",
            "(down @ up).reshape(kernel.shape) splits the columns into heads. Scale it, and add the kernel.",
        ),
        solution=(
            "def merged_kernel(kernel, down, up, scale):\n"
            "    return kernel + scale * (down @ up).reshape(kernel.shape)  # [D, N, H]"
        ),
    ),
    "smallest_rank": Exercise(
        task="Find the smallest rank that keeps at least a fraction of the sum of squares of a matrix.",
        blank="def smallest_rank(update, fraction):\n    return ...",
        answer="smallest_rank",
        check=check_rank,
        cases=(
            (np.array([[-3.0]]), 0.9),
            (np.diag([1.0, 1.0, 1.0, 1.0]), 0.75),
            (np.diag([0.1, 5.0, 0.2, 0.3]), 0.999),
            (_normal(30, 9, 6), 0.9),
            (_normal(31, 5, 20), 0.7),
            (_normal(32, 12, 2) @ _normal(33, 2, 12), 0.98),
        ),
        correct="with a fine-tuned matrix minus the original one, this is the rank that LoRA would have needed.",
        hints=(
            "np.linalg.svd(update, compute_uv=False) returns the singular values, the largest first.",
            "np.cumsum of their squares, divided by the sum: the first one that is at least `fraction`, from 1.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def smallest_rank(update, fraction):\n"
            "    squares = np.linalg.svd(update, compute_uv=False) ** 2  # descending\n"
            "    fractions = np.cumsum(squares) / squares.sum()  # by rank, from 1\n"
            "    return 1 + int((fractions < fraction).sum())"
        ),
    ),
}

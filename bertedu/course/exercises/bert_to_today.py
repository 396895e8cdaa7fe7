"""Exercises of notebooks/14_bert_to_today.ipynb."""

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare

REAL = [1, 1, 0, 1, 1]  # a gap, so that the two masks can be told apart
VECTOR, POSITION, FREQUENCIES = [1.0, 2.0, -3.0, 0.5, 4.0, -1.5], 3, [0.8, 0.25, 0.05]
TEACHER, STUDENT, TEMPERATURE = [3.0, 1.0, -2.0, 0.5], [0.5, 2.0, -1.0, 0.0], 2.0
SIMILARITIES = [[0.9, 0.1, -0.2, 0.4, 0.8], [0.3, 0.7, 0.2, 0.6, 0.1], [0.0, 0.5, 0.6, 0.2, 0.3]]  # 2 hard negatives


def _normal(seed, *shape):
    return np.round(np.random.default_rng(seed).normal(size=shape), 2)


def check_causal_mask(answer):
    real, past = np.array(REAL), np.tril(np.ones((5, 5)))
    typical = [
        (past.T * real, "that is the upper triangle: each token attends to later ones. Hide those."),
        (past, "padding is still visible. A key must also be real."),
        ((past - np.eye(5)) * real, "a token may attend to itself, so compare with <=."),
        (past * real[:, None], "the rows of padding are hidden. Hide its columns: padding is never a key."),
        (past * real * real[:, None], "a padded query may attend, too; its output isn't used. Hide only keys."),
        (np.tile(real, (5, 1)), "that is an encoder's mask. A decoder also hides what comes later."),
        (1 - past * real, "0 and 1 are swapped: 1 means visible."),
        (past * real * 1e9, "1 means visible, 0 hidden."),
        (np.where(past * real, 0, -1e9), "these are the numbers to add to the logits. A mask has 1 and 0."),
    ]
    compare(call(answer, list(REAL)), past * real, typical)


def check_local_mask(answer):
    distance = np.abs(np.subtract.outer(np.arange(9), np.arange(9)))
    past = np.tril(np.ones((9, 9)))
    expected = distance <= 4
    typical = [
        (distance < 4, "a token at exactly that distance is still visible, so compare with <=."),
        (distance <= 2, "`reach` counts to each side. (ModernBERT's 128 counts both.)"),
        (distance <= 8, "`reach` already counts to each side. Don't double it."),
        (expected * past, "only the past is visible. An encoder's window reaches to both sides."),
        (expected * past.T, "only the future is visible. An encoder's window reaches to both sides."),
        (distance > 4, "0 and 1 are swapped: 1 means visible."),
        (distance == 4, "the nearer tokens are visible, too."),
        (expected & (distance > 0), "a token may attend to itself."),
        (distance, "these are the distances. Compare them with `reach`."),
    ]
    compare(call(answer, 9, 4), expected, typical)


def _rotate(vector, angles, halves=False):
    x, y = np.split(np.array(vector), 2) if halves else (np.array(vector[0::2]), np.array(vector[1::2]))
    cos, sin = np.cos(angles), np.sin(angles)
    parts = [x * cos - y * sin, x * sin + y * cos]
    return np.concatenate(parts) if halves else np.stack(parts, axis=1).reshape(-1)


def check_rotate_vector(answer):
    angles = POSITION * np.array(FREQUENCIES)
    typical = [
        (_rotate(VECTOR, -angles), "it turns the other way: the signs of the two sines are swapped."),
        (_rotate(VECTOR, angles, halves=True), "here the pairs are neighbors: elements 0 and 1, 2 and 3, ..."),
        (_rotate(VECTOR, FREQUENCIES), "the angle is the frequency times the position."),
        (_rotate(VECTOR, [POSITION] * 3), "the angle is the position times the pair's frequency."),
        (_rotate(VECTOR, [angles[0]] * 3), "every pair has its own frequency."),
        (_rotate(VECTOR, POSITION + np.array(FREQUENCIES)), "multiply position and frequency; don't add them."),
        (_rotate(VECTOR, np.radians(angles)), "the angles are in radians already."),
        (_rotate(VECTOR, angles).reshape(3, 2), "the rotation is right; return one flat list."),
        (VECTOR, "nothing is rotated."),
    ]
    compare(call(answer, list(VECTOR), POSITION, list(FREQUENCIES)), _rotate(VECTOR, angles), typical)


def _log_softmax(logits, axis=-1):
    shifted = np.array(logits) - np.max(logits, axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def _divergence(teacher, student):
    t, s = _log_softmax(teacher), _log_softmax(student)
    return np.sum(np.exp(t) * (t - s))


def check_distillation_loss(answer):
    teacher, student = np.array(TEACHER), np.array(STUDENT)
    t, s = teacher / TEMPERATURE, student / TEMPERATURE
    typical = [
        (_divergence(t, s), "the factor temperature squared is missing."),
        (2 * _divergence(t, s), "the factor is the temperature squared."),
        (_divergence(teacher, student), "the logits are not divided by the temperature."),
        (4 * _divergence(teacher, student), "the logits are not divided by the temperature."),
        (4 * _divergence(teacher * 2, student * 2), "divide the logits by the temperature, don't multiply."),
        (4 * _divergence(t, student), "the student's logits are not divided by the temperature."),
        (4 * _divergence(teacher, s), "the teacher's logits are not divided by the temperature."),
        (4 * _divergence(s, t), "teacher and student are swapped: the teacher's probabilities are the weights."),
        (-4 * _divergence(t, s), "the sign is wrong: log teacher minus log student."),
        (-4 * np.sum(np.exp(_log_softmax(t)) * _log_softmax(s)), "that is the cross-entropy: p log p is missing."),
        (
            np.mean(np.exp(_log_softmax(t)) * (_log_softmax(t) - _log_softmax(s))) * 4,
            "sum over the classes; that is the mean.",
        ),
        (4 * np.exp(_log_softmax(t)) * (_log_softmax(t) - _log_softmax(s)), "these are the terms. Add them up."),
    ]
    compare(call(answer, list(TEACHER), list(STUDENT), TEMPERATURE), 4 * _divergence(t, s), typical)
    _large(answer, ([1000.0, 0.0], [0.0, 1000.0], 1.0), 1000)


def _large(answer, arguments, expected):
    """Check a result where the exponential of a logit is too large for a float."""
    try:
        compare(call(answer, *arguments), expected)
    except WrongAnswer as reason:
        raise WrongAnswer(
            f"it is right for small logits, but not for logits of 1000: {reason} "
            "Subtract the largest one first (chapter 3), and take no logarithm of a probability, which may be 0."
        ) from None


def check_contrastive_loss(answer):
    matrix, temperature = np.array(SIMILARITIES), 0.5
    log = _log_softmax(matrix / temperature)
    exponentials = np.exp(matrix / temperature)
    positives = np.diag(exponentials)
    typical = [
        (-np.diag(log).sum(), "that is the sum over the rows. Take the mean."),
        (np.diag(log).mean(), "the sign is missing: a loss is positive."),
        (-np.diag(_log_softmax(matrix)).mean(), "the similarities are not divided by the temperature."),
        (-np.diag(_log_softmax(matrix * temperature)).mean(), "divide by the temperature, don't multiply."),
        (
            -np.diag(_log_softmax(matrix / temperature, 0)).mean(),
            "the softmax is over the columns. Take it over each row.",
        ),
        (
            -np.diag(_log_softmax(matrix[:, :3] / temperature)).mean(),
            "the last columns are hard negatives. They count, too.",
        ),
        (-np.log(np.diag(np.exp(log)).mean()), "take the logarithm of each probability, then the mean."),
        (np.diag(np.exp(log)).mean(), "that is the mean probability. Take minus the logarithm of each."),
        (-np.log(positives / (exponentials.sum(1) - positives)).mean(), "the partner belongs in the denominator, too."),
        (-np.diag(log), "these are the losses of the rows. Take their mean."),
        (-log.mean(), "only the diagonal holds partners."),
        (-np.diag(_log_softmax(matrix / temperature, None)).mean(), "one softmax per row, not one for the matrix."),
    ]
    compare(call(answer, [list(row) for row in SIMILARITIES], temperature), -np.diag(log).mean(), typical)
    _large(answer, ([[1.0, 0.0], [1.0, 0.0]], 0.001), 500)


EXERCISES = {
    "causal_mask": Exercise(
        task="Write the mask of a decoder for one padded text: 1 where a token may attend, 0 elsewhere.",
        blank="def causal_mask(real):\n    return ...",
        answer="causal_mask",
        check=check_causal_mask,
        cases=(([1],), ([0],), ([1, 1, 1, 0],), ([0, 0, 1, 1, 0, 1, 1],)),
        correct="the lower triangle, without the columns of padding.",
        hints=(
            "Entry [t][s] is 1 if s is not later than t, and if token s is real.",
            "Two loops, or a nested list: for t in range(len(real)), for s in range(len(real)).",
        ),
        solution=(
            "def causal_mask(real):\n"
            "    positions = range(len(real))\n"
            "    return [[int(s <= t and real[s]) for s in positions] for t in positions]"
        ),
    ),
    "local_mask": Exercise(
        task="Write the mask of a local encoder layer: each token attends to those at most `reach` positions away.",
        blank="def local_mask(length, reach):\n    return ...",
        answer="local_mask",
        check=check_local_mask,
        cases=((1, 0), (1, 5), (4, 0), (5, 1), (8, 3), (3, 10)),
        correct="a band along the diagonal. With reach 64, it is the mask of most of ModernBERT's layers.",
        hints=(
            "The distance of a query t and a key s is abs(t - s).",
            "Entry [t][s] is 1 if that distance is at most `reach`, 0 otherwise.",
        ),
        solution=(
            "def local_mask(length, reach):\n"
            "    return [[int(abs(t - s) <= reach) for s in range(length)] for t in range(length)]"
        ),
    ),
    "rotate_vector": Exercise(
        task="Rotate each pair of neighboring elements, as `turn` does, by the position times the pair's frequency.",
        blank="def rotate_vector(vector, position, frequencies):\n    return ...",
        answer="rotate_vector",
        check=check_rotate_vector,
        cases=(
            ([0.0, 0.0], 3, [1.0]),
            ([1.0, -2.0], 0, [0.5]),
            ([1.5, 2.5], -2, [0.7]),
            ([1.0, 0.0, 0.0, 1.0], 1, [1.0, 0.01]),
            (_normal(1, 8).tolist(), 1000, [1.0, 0.1, 0.01, 0.001]),
        ),
        correct="this is RoFormer's rotation. Lengths stay the same; only directions change.",
        hints=(
            "A pair (x, y), turned by an angle a, is (x cos a - y sin a, x sin a + y cos a).",
            "Pair i is vector[2 * i] and vector[2 * i + 1]; its angle is position * frequencies[i].",
        ),
        solution=(
            "import math\n\n"
            "def rotate_vector(vector, position, frequencies):\n"
            "    rotated = []\n"
            "    for i, frequency in enumerate(frequencies):\n"
            "        x, y = vector[2 * i], vector[2 * i + 1]\n"
            "        cos, sin = math.cos(position * frequency), math.sin(position * frequency)\n"
            "        rotated += [x * cos - y * sin, x * sin + y * cos]\n"
            "    return rotated"
        ),
    ),
    "distillation_loss": Exercise(
        task="Write the distillation loss of one example, from the teacher's and the student's logits.",
        blank="def distillation_loss(teacher_logits, student_logits, temperature):\n    return ...",
        answer="distillation_loss",
        check=check_distillation_loss,
        cases=(
            ([2.0], [-3.0], 1.0),
            ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], 4.0),
            ([0.0, 0.0], [-5.0, 5.0], 0.5),
            (_normal(2, 5).tolist(), (3 * _normal(3, 5)).tolist(), 1.0),
            ((2 * _normal(4, 7)).tolist(), _normal(5, 7).tolist(), 3.0),
            ([-900.0, -1000.0], [800.0, 1000.0], 2.0),
        ),
        correct="0 if the student agrees, and positive otherwise.",
        hints=(
            "Divide all logits by the temperature. p and q are the softmax of the teacher's and the student's.",
            "It is temperature**2 times the sum of p * (log p - log q). For log p, subtract the largest logit first.",
        ),
        solution=(
            "import math\n\n"
            "def distillation_loss(teacher_logits, student_logits, temperature):\n"
            "    def log_softmax(logits):\n"
            "        shifted = [(x - max(logits)) / temperature for x in logits]\n"
            "        log_total = math.log(sum(math.exp(x) for x in shifted))\n"
            "        return [x - log_total for x in shifted]\n\n"
            "    pairs = zip(log_softmax(teacher_logits), log_softmax(student_logits))\n"
            "    return temperature**2 * sum(math.exp(t) * (t - s) for t, s in pairs)"
        ),
    ),
    "contrastive_loss": Exercise(
        task="Write the mean contrastive loss: column i is the partner of row i, further columns are hard negatives.",
        blank="def contrastive_loss(similarities, temperature):\n    return ...",
        answer="contrastive_loss",
        check=check_contrastive_loss,
        cases=(
            ([[0.3]], 0.05),
            ([[-0.5, 0.25]], 1.0),
            ([[0.9, 0.1], [0.2, 0.8]], 0.05),
            (_normal(6, 4, 4).tolist(), 0.3),
            (_normal(7, 2, 6).tolist(), 2.0),
            ([[-1.0, 1.0, 0.5], [1.0, -1.0, 0.0]], 0.001),
            ([[1.0, 0.5], [-0.9, -1.0]], 0.001),
        ),
        correct="InfoNCE, with hard negatives. On a model's cosines, it trains an embedding model.",
        hints=(
            "Divide by the temperature, subtract each row's maximum, and take the log-softmax of each row.",
            "The loss is minus the mean of the diagonal: np.diag(...) works for wide matrices, too.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def contrastive_loss(similarities, temperature):\n"
            "    logits = np.array(similarities) / temperature  # [n, m]\n"
            "    logits = logits - logits.max(axis=1, keepdims=True)  # [n, m]\n"
            "    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))  # [n, m]\n"
            "    return -np.mean(np.diag(log_probabilities))"
        ),
    ),
}

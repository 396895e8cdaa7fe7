"""The project of chapter 14: one change to the model, against the plain model."""

from collections.abc import Mapping

import numpy as np

from bertedu.course.exercise import WrongAnswer, call, one_number
from bertedu.course.project import (
    Criterion,
    Project,
    claim,
    conclusion,
    items,
    label,
    once,
    sentence,
    standard_error,
    value,
)

WAY_OUT = 'If so, take more or harder texts, or give probabilities in place of labels, with a "score".'


def _runs(answer, name, at_least=3):
    """Return the predictions of a model by seed."""
    runs, labels = value(answer, name), items(answer, "labels")
    if not isinstance(runs, Mapping) or len(runs) < at_least:
        raise WrongAnswer(f'"{name}": expected a dict of at least {at_least} seeds, {{seed: predictions}}.')
    runs = {seed: items({name: run}, name) for seed, run in runs.items()}
    if any(len(run) != len(labels) for run in runs.values()):
        raise WrongAnswer(f'"{name}": expected {len(labels)} predictions per seed, one per label.')
    return runs


def _accuracy(labels, predictions):
    return np.mean([label(one) == label(right) for one, right in zip(predictions, labels, strict=True)])


@once
def _scores(answer):
    """Return the scores of both models, by seed in the same order: two arrays."""
    plain, changed, labels = _runs(answer, "plain"), _runs(answer, "changed"), items(answer, "labels")
    if set(plain) != set(changed):
        raise WrongAnswer('"plain" and "changed": expected the same seeds.')
    score = answer.get("score") or _accuracy
    both = [
        [float(one_number(call(score, list(labels), list(runs[seed])), '"score" of one run.')) for seed in plain]
        for runs in (plain, changed)
    ]
    if not np.isfinite(both).all():
        raise WrongAnswer('"score": it is NaN or infinite.')
    return np.array(both)


def stated(answer):
    return f"{len(sentence(answer, 'change').split())} words"


def enough(answer):
    labels = items(answer, "labels", 30)
    plain, changed = _runs(answer, "plain"), _runs(answer, "changed")
    _scores(answer)
    if all(list(map(str, plain[seed])) == list(map(str, changed[seed])) for seed in plain):
        raise WrongAnswer(f"both models predict the same for every seed. Does the change reach the model? {WAY_OUT}")
    for name, runs in (("plain", plain), ("changed", changed)):
        if len({tuple(map(str, run)) for run in runs.values()}) < 2:
            raise WrongAnswer(f'"{name}": all seeds predict the same. Does the seed reach the model? {WAY_OUT}')
    return f"{len(plain)} seeds each, {len(labels)} texts"


def means(answer):
    plain, changed = _scores(answer).mean(axis=1)
    return f"{claim(answer, 'plain_score', plain)} and {claim(answer, 'changed_score', changed)}"


def error(answer):
    plain, changed = _scores(answer)
    expected = standard_error(changed - plain)
    what = ", the standard error of the mean of the seeds' differences"
    return claim(answer, "standard_error", expected, what, tolerance=max(0.1 * expected, 5e-4))


def verdict(answer):
    plain, changed = _scores(answer)
    return conclusion(answer, "conclusion", changed - plain)


PROJECT = Project(
    task="Change one thing in the model, and find out whether it helps: plain against changed, several seeds each.",
    blank="""project = {
    "change": ...,  # what you changed, in a sentence
    "labels": ...,  # of at least 30 held-out texts
    "plain": ...,  # {seed: predictions for these texts}, at least three seeds
    "changed": ...,  # the same seeds with the changed model
    "plain_score": ...,  # mean of the seeds' accuracies
    "changed_score": ...,
    "standard_error": ...,  # of the mean difference, changed - plain, over the seeds
    "conclusion": ...,  # the change is "better" or "worse", or "can't tell"
}""",
    answer="project",
    criteria=(
        Criterion("the change, in a sentence", stated),
        Criterion("at least 30 held-out texts, three seeds of both models, and predictions that differ", enough),
        Criterion("the mean scores", means),
        Criterion("the standard error of the difference", error),
        Criterion("the conclusion follows from the difference", verdict),
        Criterion("Did both models get the same data, the same number of steps, and the same care?"),
        Criterion("Would you have believed the opposite result as readily?"),
    ),
    hints=(
        "A change is one thing: a subclass of be.MultiHeadAttention as attention_cls, a head_mask, another pooling. "
        "Everything else stays, the seeds included.",
        "Take the difference of each seed, changed - plain. Their mean is the difference; their standard deviation "
        "(ddof=1), divided by the root of the number of seeds, its standard error.",
    ),
    solution="""import numpy as np

import bertedu as be

bert = be.load("minilm")
train, test = (be.load_texts("reviews", split=split) for split in ("train", "test"))
vectors = {  # the change: the vector of [CLS] in place of the mean of all tokens
    pooling: [bert.embed(data.texts[:100], pooling=pooling, progress=False) for data in (train, test)]
    for pooling in ("mean", "cls")
}


def predictions(pooling, seed):
    \"\"\"Return the class whose mean vector, from 60 training texts at random, has the largest dot product.\"\"\"
    train_vectors, test_vectors = vectors[pooling]
    chosen = np.random.default_rng(seed).permutation(len(train_vectors))[:60]
    centers = [train_vectors[chosen][train.labels[chosen] == label].mean(axis=0) for label in (0, 1)]
    return (test_vectors @ np.transpose(centers)).argmax(axis=1)


plain, changed = ({seed: predictions(pooling, seed) for seed in range(5)} for pooling in ("mean", "cls"))
labels = test.labels[:100]
scores = np.array([[np.mean(run == labels) for run in runs.values()] for runs in (plain, changed)])
differences = scores[1] - scores[0]
error = differences.std(ddof=1) / len(differences) ** 0.5
clear = abs(differences.mean()) > 2.8 * error  # Student's t for five values
project = {
    "change": "The text's vector is that of [CLS] in place of the mean of all tokens.",
    "labels": labels,
    "plain": plain,
    "changed": changed,
    "plain_score": scores[0].mean(),
    "changed_score": scores[1].mean(),
    "standard_error": error,
    "conclusion": ("better" if differences.mean() > 0 else "worse") if clear else "can't tell",
}""",
)

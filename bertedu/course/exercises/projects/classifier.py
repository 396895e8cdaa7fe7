"""The project of notebooks/11_checkpoints.ipynb: a classifier of the learner's own data."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from bertedu.course.exercise import WrongAnswer, call, listed, numbers, one_number
from bertedu.course.project import Criterion, Project, claim, different, items, label, plain, value

SPLITS = ("train", "validation", "test")
RESAMPLES = 2000
INTERVAL_TOLERANCE = 0.03  # of a bound of a bootstrap interval, which is random


def _split(answer, name, at_least=1):
    """Return the texts and the labels of a split."""
    parts = value(answer, name)
    if not isinstance(parts, list | tuple) or len(parts) != 2:
        raise WrongAnswer(f'"{name}": expected (texts, labels).')
    texts, labels = (items({name: part}, name, at_least) for part in parts)
    if len(texts) != len(labels):
        raise WrongAnswer(f'"{name}": expected a label per text, got {len(texts)} texts and {len(labels)} labels.')
    return different(texts, name), [label(one) for one in labels]


def _runs(answer):
    """Return a list of predictions per seed; a single list of labels is that of a single seed."""
    runs = items(answer, "predictions")
    if all(isinstance(run, str | int | float | np.generic) for run in runs):
        runs = [runs]
    return [items({"predictions": run}, "predictions") for run in runs]


def _correct(answer):
    """Return a 0/1 array `[seeds, n]`: whether each prediction for the test texts is correct."""
    _, labels = _split(answer, "test")
    runs = _runs(answer)
    if any(len(run) != len(labels) for run in runs):
        raise WrongAnswer(f'"predictions": expected one list per seed, of {len(labels)} labels, one per test text.')
    return np.array([[label(one) == right for one, right in zip(run, labels, strict=True)] for run in runs], float)


def disjoint(answer):
    sizes = {"train": 20, "validation": 10, "test": 30}
    sets = {name: {plain(text) for text in _split(answer, name, sizes[name])[0]} for name in SPLITS}
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        if shared := sets[one] & sets[other]:
            raise WrongAnswer(f'{len(shared)} texts are in "{one}" and "{other}", such as {min(shared)[:60]!r}.')
    return ", ".join(f"{len(sets[name])} {name}" for name in SPLITS)


def base_rate(answer):
    counts, labels = Counter(_split(answer, "train")[1]), _split(answer, "test")[1]
    rates = {one: labels.count(one) / len(labels) for one, count in counts.items() if count == max(counts.values())}
    claimed = float(one_number(value(answer, "base_rate"), '"base_rate".'))
    constant = min(rates, key=lambda one: abs(rates[one] - claimed))  # any of those that are equally frequent
    return claim(answer, "base_rate", rates[constant], f" for always answering {constant[:40]!r}")


def accuracy(answer):
    return claim(answer, "accuracy", float(_correct(answer).mean()))


def model(answer):
    texts, first = _split(answer, "test")[0], _runs(answer)[0]
    again = listed(call(value(answer, "predict"), list(texts)))
    again = items({"predict": again}, "predict")
    if len(again) != len(first) or (changed := sum(label(a) != label(b) for a, b in zip(again, first, strict=True))):
        predicted = f"{len(again)} labels" if len(again) != len(first) else f"{changed} of {len(first)} that differ"
        raise WrongAnswer(f'"predict": expected the first list of "predictions" for the test texts, got {predicted}.')
    return f"{len(first)} predictions"


def uncertainty(answer):
    correct = _correct(answer)
    if len(correct) >= 3:
        if (correct == correct[0]).all():
            reason = '"predictions": all seeds have the same hits. Did the seed reach the training?'
            way_out = 'If it has no seed, or all is right, give one list and an "interval".'
            raise WrongAnswer(f"{reason} {way_out}")
        return f"{len(correct)} seeds, standard deviation {correct.mean(axis=1).std(ddof=1):.3f}"
    samples = np.random.default_rng(0).integers(correct.shape[1], size=(RESAMPLES, correct.shape[1]))
    expected = np.quantile(correct.mean(axis=0)[samples].mean(axis=1), (0.025, 0.975))
    claimed = numbers(value(answer, "interval"))
    tolerance = max(INTERVAL_TOLERANCE, 1.01 / correct.shape[1])  # accuracies come in steps of 1/n
    if claimed.shape != (2,) or not (np.abs(claimed - expected) <= tolerance).all():
        raise WrongAnswer(f'"interval": the 95% bootstrap interval is about {expected[0]:.2f} to {expected[1]:.2f}.')
    return f"{expected[0]:.2f} to {expected[1]:.2f}"


def mistakes(answer):
    texts, correct = _split(answer, "test")[0], _correct(answer)
    wrong = {plain(text) for text, hits in zip(texts, correct.T, strict=True) if not hits.all()}
    read = value(answer, "mistakes")
    if not isinstance(read, Mapping) or len(read) < min(10, len(wrong)):
        raise WrongAnswer(f'"mistakes": expected a dict of {min(10, len(wrong))} texts, each with your explanation.')
    for text, reason in read.items():
        if not isinstance(text, str) or plain(text) not in wrong:
            raise WrongAnswer(f'"mistakes": {str(text)[:60]!r} is not a misclassified test text.')
        if not isinstance(reason, str) or len(reason.split()) < 3:
            raise WrongAnswer(f'"mistakes": explain {text[:60]!r} in a few words.')
    return f"{len(read)} of {len(wrong)} read"


PROJECT = Project(
    task="Classify your own texts, and report what the classifier gets right, how surely, and what it gets wrong.",
    blank="""project = {
    "train": ...,  # (texts, labels)
    "validation": ...,  # (texts, labels): for all decisions
    "test": ...,  # (texts, labels): used once, at the end
    "predict": ...,  # a function: list of texts -> list of labels
    "predictions": ...,  # for the test texts: one list of labels per seed; that of `predict` first
    "base_rate": ...,  # test accuracy of always answering the most frequent label of "train"
    "accuracy": ...,  # test accuracy, mean of the seeds
    "interval": ...,  # with fewer than three seeds: (low, high), a 95% bootstrap interval
    "mistakes": ...,  # {misclassified test text: your explanation}, ten of them
}""",
    answer="project",
    criteria=(
        Criterion("train, validation and test share no text (at least 20, 10 and 30)", disjoint),
        Criterion("the base rate", base_rate),
        Criterion("the test accuracy", accuracy),
        Criterion("the model gives the predictions that you report", model),
        Criterion("three seeds, or a bootstrap interval", uncertainty),
        Criterion("ten mistakes, read and explained", mistakes),
        Criterion("Did you evaluate on the test texts once, after the last decision?"),
        Criterion("Could the labels leak through something else, such as length, a name or the source of a text?"),
    ),
    hints=(
        "Split before anything else. The fastest classifier is chapter 9's: bert.embed, frozen, and a small head. "
        "fine_tune of chapter 10 takes longer, and has `seeds`.",
        "For one seed, resample the test texts with replacement 2,000 times; take the middle 95% of the accuracies.",
    ),
    solution="""import numpy as np

import bertedu as be

bert = be.load("minilm")
splits = {}  # in place of your own
for split in ("train", "validation", "test"):
    data = be.load_texts("reviews", split=split)
    splits[split] = data.texts[:120], data.labels[:120]
(train_texts, train_labels), (test_texts, test_labels) = splits["train"], splits["test"]
vectors = bert.embed(train_texts, progress=False)


def centers_for(seed):
    \"\"\"Return the mean vector of each class, from 90 training texts at random.\"\"\"
    chosen = np.random.default_rng(seed).permutation(len(vectors))[:90]
    return np.array([vectors[chosen][train_labels[chosen] == label].mean(axis=0) for label in (0, 1)])


def predict(texts, seed=0):
    return (bert.embed(texts, progress=False) @ centers_for(seed).T).argmax(axis=1)


predictions = [predict(test_texts, seed) for seed in (0, 1, 2)]
wrong = [text for text, label, got in zip(test_texts, test_labels, predictions[0]) if label != got]
project = {
    **splits,
    "predict": predict,
    "predictions": predictions,
    "base_rate": np.mean(test_labels == np.bincount(train_labels).argmax()),
    "accuracy": np.mean(predictions == test_labels),  # hardly above the base rate: fine-tune (chapter 10)
    "mistakes": {text: "The vector holds the topic, and hardly the verdict." for text in wrong[:10]},
}""",
)

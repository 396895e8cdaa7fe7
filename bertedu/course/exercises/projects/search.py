"""The project of notebooks/08_masked_lm.ipynb: a search engine over the learner's own notes."""

import re
from numbers import Integral

import numpy as np

from bertedu.course.exercise import WrongAnswer, call
from bertedu.course.project import (
    Criterion,
    Project,
    claim,
    conclusion,
    different,
    items,
    once,
    plain,
    sentence,
    texts,
    value,
)

WORD = re.compile(r"\w+")


def _questions(answer):
    """Return the list of (question, index of the document that answers it)."""
    documents, questions = texts(answer, "documents"), items(answer, "questions")
    for pair in questions:
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not isinstance(pair[0], str):
            raise WrongAnswer('"questions": expected pairs (question, index of the document that answers it).')
        if not isinstance(pair[1], Integral) or not 0 <= pair[1] < len(documents):
            raise WrongAnswer(f'"questions": expected an index of "documents", got {str(pair[1])[:60]}.')
    return questions


@once
def _ranks(answer):
    """Return the rank of the right document for each question, 1 for the first, by the learner's search."""
    documents, search, ranks = texts(answer, "documents"), value(answer, "search"), []
    for question, right in _questions(answer):
        order = np.asarray(call(search, question))
        if order.shape != (len(documents),) or sorted(order.tolist()) != list(range(len(documents))):
            expected = f"expected the indices of all {len(documents)} documents, each once, the best first"
            raise WrongAnswer(f'"search": {expected}, for {question[:60]!r}.')
        ranks.append(order.tolist().index(right) + 1)
    return np.array(ranks)


@once
def _baseline_ranks(answer):
    """Return the rank of the right document for each question by Jaccard similarity; ties stay in order."""
    sets, ranks = [set(WORD.findall(document.lower())) for document in texts(answer, "documents")], []
    for question, right in _questions(answer):
        words = set(WORD.findall(question.lower()))
        similarities = np.array([len(words & other) / max(len(words | other), 1) for other in sets])
        ranks.append(np.argsort(-similarities, kind="stable").tolist().index(right) + 1)
    return np.array(ranks)


def enough(answer):
    documents, questions = texts(answer, "documents", 30), items(answer, "questions", 10)
    asked = different([question for question, _ in _questions(answer)], "questions", 10)
    if copied := {plain(text) for text in asked} & {plain(text) for text in documents}:
        raise WrongAnswer(f'"questions": {min(copied)[:60]!r} is a document itself.')
    return f"{len(documents)} documents, {len(questions)} questions"


def accuracy(answer):
    return claim(answer, "accuracy_at_1", float((_ranks(answer) == 1).mean()))


def reciprocal_rank(answer):
    return claim(answer, "mrr", float((1 / _ranks(answer)).mean()))


def baseline(answer):
    ranks = _baseline_ranks(answer)
    first = claim(answer, "baseline_accuracy_at_1", float((ranks == 1).mean()))
    return f"{first} and {claim(answer, 'baseline_mrr', float((1 / ranks).mean()))}"


def verdict(answer):
    return conclusion(answer, "conclusion", 1 / _ranks(answer) - 1 / _baseline_ranks(answer))


def failure(answer):
    return f"{len(sentence(answer, 'failure', words=10).split())} words"


PROJECT = Project(
    task="Build a search engine over your own notes, and measure it with questions whose answers you know.",
    blank="""project = {
    "documents": ...,  # at least 30 texts
    "questions": ...,  # at least 10 pairs (question, index of the document that answers it)
    "search": ...,  # a function: question -> indices of all documents, the best first
    "accuracy_at_1": ...,
    "mrr": ...,  # the mean reciprocal rank
    "baseline_accuracy_at_1": ...,  # the same by shared words (Jaccard similarity)
    "baseline_mrr": ...,
    "conclusion": ...,  # by reciprocal rank, your search is "better" or "worse", or "can't tell"
    "failure": ...,  # the worst question: what came first instead, and why?
}""",
    answer="project",
    criteria=(
        Criterion("at least 30 documents, and 10 questions that aren't copied from them", enough),
        Criterion("the accuracy of the first result", accuracy),
        Criterion("the mean reciprocal rank", reciprocal_rank),
        Criterion("both for shared words", baseline),
        Criterion("the conclusion follows from the difference", verdict),
        Criterion("the worst question is described", failure),
        Criterion(
            "Did you write the questions before you saw what your search finds, with the words that you would use?"
        ),
    ),
    hints=(
        "Embed all documents once, with normalize=True. A question's cosines are then one product, vectors @ "
        "bert.embed(question, normalize=True); np.argsort sorts the documents.",
        "The rank of the right document is its position in that list, counted from 1. Accuracy: how often that is 1. "
        "MRR: the mean of 1 / rank. Shared words: as in chapter 7; ties stay in order.",
    ),
    solution="""import re

import numpy as np

import bertedu as be

bert = be.load("minilm")
pairs = be.load_texts("pairs", split="train")
same = [i for i, label in enumerate(pairs.labels) if pairs.names[label] == "same"]
documents = [pairs.texts[i] for i in same]  # in place of your own
questions = [(pairs.pairs[i], number) for number, i in enumerate(same)][:40]
vectors = bert.embed(documents, normalize=True, progress=False)


def search(question):
    return np.argsort(-vectors @ bert.embed(question, normalize=True), kind="stable")


def by_shared_words(question):
    words, *others = [set(re.findall(r"\\w+", text.lower())) for text in (question, *documents)]
    return np.argsort([-len(words & other) / len(words | other) for other in others], kind="stable")


def ranks(function):
    return np.array([function(question).tolist().index(right) + 1 for question, right in questions])


own, baseline = ranks(search), ranks(by_shared_words)
difference = 1 / own - 1 / baseline
clear = abs(difference.mean()) > 2 * difference.std(ddof=1) / len(difference) ** 0.5
worst = own.argmax()
project = {
    "documents": documents,
    "questions": questions,
    "search": search,
    "accuracy_at_1": np.mean(own == 1),
    "mrr": np.mean(1 / own),
    "baseline_accuracy_at_1": np.mean(baseline == 1),
    "baseline_mrr": np.mean(1 / baseline),
    "conclusion": ("better" if difference.mean() > 0 else "worse") if clear else "can't tell",
    "failure": f"{questions[worst][0]} First comes: {documents[search(questions[worst][0])[0]]} The right answer: "
    f"{documents[questions[worst][1]]} It says the same by its opposite, with other words.",
}""",
)

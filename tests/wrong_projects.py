"""Wrong answers to the projects: for each checked criterion, changes to the worked example and a word of the reason.

A change is a dict of values, or a function of the complete answer that returns one.
"""

import numpy as np


def numbers(key):
    """Claims that were made up, are no number, or several."""
    return [({key: 99.5}, "you report"), ({key: "many"}, "expected"), ({key: [1, 2]}, "expected one number")]


def dropped(key, count):
    return lambda answer: {key: list(answer[key])[:count]}


def short(key):
    return [({key: ...}, "fill in"), ({key: "Aha."}, "a sentence or two"), ({key: 3}, "a sentence or two")]


def other_conclusion(number):
    conclusions = ["better", "worse", "can't tell"]
    return lambda answer: {"conclusion": [one for one in conclusions if one != answer["conclusion"]][number]}


WRONG_CONCLUSIONS = [
    ({"conclusion": "great"}, "expected"),
    ({"conclusion": ["better"]}, "expected"),
    (other_conclusion(0), "That says"),
    (other_conclusion(1), "That says"),
]


def swapped_split(answer):
    texts, labels = answer["test"]
    return {"test": ([*texts[:-1], answer["train"][0][0].upper()], labels)}


def wrong_text(answer):
    return {"mistakes": {**answer["mistakes"], answer["train"][0][0]: "It was too hard for it."}}


def same_runs(answer):
    return {"predictions": [answer["predictions"][0]] * 3}


def one_run(answer):
    return {"predictions": answer["predictions"][:1], "interval": (0.0, 1.0)}


WRONG = {
    "projects.tokens": {
        "at least 20 different texts": [
            (dropped("texts", 19), "at least 20"),
            ({"texts": "one long text"}, "expected a list"),
            ({"texts": ["the same"] * 20}, "different"),
            ({"texts": ["a text", *range(20)]}, "expected texts"),
            ({"texts": [""] * 20}, "an empty one"),
        ],
        "tokens per word of your texts": numbers("tokens_per_word"),
        "tokens per word of the course's reviews": numbers("tokens_per_word_of_reviews"),
        "the word that is split most": [
            ({"most_split": "the"}, "another word has"),
            ({"most_split": "antidisestablishmentarianism"}, "not a word of your texts"),
            ({"most_split": ["the"]}, "expected a word"),
            ({"most_split": "???"}, "not a word of your texts"),
        ],
        "five words and their nearest neighbors": [
            ({"neighbors": {"the": "a"}}, "five words"),
            ({"neighbors": ["the", "a", "b", "c", "d"]}, "five words"),
            (lambda answer: {"neighbors": {**answer["neighbors"], "the": "zebra"}}, "zebra"),
            (lambda answer: {"neighbors": {**answer["neighbors"], "xylophone": "zebra"}}, "not a word of your texts"),
        ],
        "a surprise is described": short("surprise"),
    },
    "projects.head": {
        "a claim in a sentence": short("claim"),
        "10 sentences to find the head, 20 others to test it": [
            (dropped("finding_sentences", 9), "at least 10"),
            (dropped("test_sentences", 19), "at least 20"),
            (lambda answer: {"test_sentences": [*answer["test_sentences"], answer["finding_sentences"][0]]}, "in both"),
            (lambda answer: {"test_sentences": answer["test_sentences"][:10] * 2}, "different"),
        ],
        "the relation occurs at least 20 times in the test sentences": [
            ({"relation": lambda tokens: []}, "finds nothing"),
            ({"relation": lambda tokens: [(0, 1)]}, "positions of two words"),
            ({"relation": lambda tokens: [(1, 999)]}, "positions of two words"),
            ({"relation": lambda tokens: 3}, "expected a list"),
            ({"relation": "same word"}, "expected the function"),
            (lambda answer: {"test_sentences": answer["test_sentences"][:3]}, "at least 20 pairs"),
            ({"head": (99, 0)}, "the model has"),
            ({"bert": "minilm"}, "be.load"),
        ],
        "the hit rate of the head": [
            *numbers("hit_rate"),
            ({"head": 3}, "(layer, head)"),
            ({"head": (0, 5)}, "you report"),
        ],
        "the hit rate of the best fixed offset": numbers("baseline"),
        "the conclusion follows from the difference": WRONG_CONCLUSIONS,
    },
    "projects.search": {
        "at least 30 documents, and 10 questions that aren't copied from them": [
            (dropped("documents", 29), "at least 30"),
            (dropped("questions", 9), "at least 10"),
            (
                lambda answer: {"questions": [(answer["documents"][0].upper(), 0), *answer["questions"]]},
                "document itself",
            ),
            ({"questions": [("Where?", 0)] * 10}, "different"),
            ({"questions": ["Where?"] * 10}, "expected pairs"),
            ({"questions": [("Where?", 10**6)] * 10}, "expected an index"),
        ],
        "the accuracy of the first result": [
            *numbers("accuracy_at_1"),
            ({"search": lambda question: [0, 1, 2]}, "each once"),
            ({"search": None}, "fill in"),
        ],
        "the mean reciprocal rank": [*numbers("mrr"), ({"search": lambda question: [0] * 100}, "each once")],
        "both for shared words": [*numbers("baseline_mrr"), *numbers("baseline_accuracy_at_1")],
        "the conclusion follows from the difference": WRONG_CONCLUSIONS,
        "the worst question is described": short("failure"),
    },
    "projects.classifier": {
        "train, validation and test share no text (at least 20, 10 and 30)": [
            (swapped_split, 'in "train" and "test"'),
            (lambda answer: {"validation": answer["train"]}, 'in "train" and "validation"'),
            ({"test": (["a"], ["b"])}, "at least 30"),
            ({"train": (["a"] * 20, ["b"])}, "at least 20"),
            (lambda answer: {"train": (answer["train"][0], answer["train"][1][:-1])}, "a label per text"),
            ({"validation": ["a"]}, "expected (texts, labels)"),
        ],
        "the base rate": [*numbers("base_rate"), ({"base_rate": 0.99}, "always answering")],
        "the test accuracy": [*numbers("accuracy"), ({"predictions": [["positive"]]}, "one per test text")],
        "the model gives the predictions that you report": [
            ({"predict": lambda texts: [0] * len(texts)}, "that differ"),
            ({"predict": lambda texts: [0]}, "got 1 labels"),
            ({"predict": 3}, "expected the function"),
            (lambda answer: {"predictions": answer["predictions"][::-1]}, "that differ"),
        ],
        "three seeds, or a bootstrap interval": [
            (same_runs, "the same hits"),
            (one_run, "bootstrap interval is"),
            (lambda answer: {"predictions": answer["predictions"][:1]}, 'fill in "interval"'),
        ],
        "ten mistakes, read and explained": [
            ({"mistakes": {}}, "a dict of 10"),
            (wrong_text, "not a misclassified"),
            (lambda answer: {"mistakes": dict.fromkeys(answer["mistakes"], "hm")}, "in a few words"),
            ({"mistakes": list(range(10))}, "a dict of 10"),
        ],
    },
    "projects.change": {
        "the change, in a sentence": short("change"),
        "at least 30 held-out texts, three seeds of both models, and predictions that differ": [
            (dropped("labels", 29), "at least 30"),
            (lambda answer: {"changed": answer["plain"]}, "the same for every seed"),
            (
                lambda answer: {"plain": dict.fromkeys(answer["plain"], answer["plain"][0])},
                "all seeds predict the same",
            ),
            (lambda answer: {"plain": {seed: answer["plain"][seed] for seed in (0, 1)}}, "at least 3 seeds"),
            (
                lambda answer: {"plain": {f"seed {seed}": run for seed, run in answer["plain"].items()}},
                "the same seeds",
            ),
            (lambda answer: {"changed": {seed: [1] for seed in answer["changed"]}}, "predictions per seed"),
        ],
        "the mean scores": [*numbers("plain_score"), *numbers("changed_score")],
        "the standard error of the difference": [
            *numbers("standard_error"),
            (lambda answer: {"score": lambda labels, predictions: float("nan")}, "NaN"),
            (lambda answer: {"score": np.asarray}, "the function raised"),
        ],
        "the conclusion follows from the difference": WRONG_CONCLUSIONS,
    },
}

"""Wrong and right answers to the exercises of chapter 15; the wrong ones with a part of the feedback."""

import numpy as np

X = -100


def aligned(first=True, later=X, ends=X):
    def answer(labels, counts):
        tokens = [ends]
        for label, count in zip(labels, counts, strict=True):
            others = [label if later is None else later] * (count - 1)
            tokens += [label, *others] if first else [*others, label]
        return [*tokens, ends]

    return answer


def align_by_array(labels, counts):
    tokens = np.full(sum(counts) + 2, X)
    tokens[1 + np.cumsum([0, *counts])[:-1].astype(int)] = labels
    return tokens


def correct_spans(tags):
    spans, start = [], None
    for i, tag in enumerate([*tags, "O"]):
        if start is not None and not tag.startswith("I"):
            spans.append((start, i))
            start = None
        if tag != "O" and start is None:
            start = i
    return spans


def spans_with(change):
    return lambda tags: [change(start, end) for start, end in correct_spans(tags)]


def strict_spans(tags):
    spans = []
    for i, tag in enumerate(tags):
        if tag.startswith("B"):
            end = i + 1
            while end < len(tags) and tags[end].startswith("I"):
                end += 1
            spans.append((i, end))
    return spans


def unclosed_spans(tags):
    return [span for span in correct_spans(tags) if span[1] < len(tags)]


def runs(tags):
    return correct_spans(["O" if tag == "O" else "I" for tag in tags])


def bioes(tags, last="O"):
    result = []
    for tag, after in zip(tags, [*tags[1:], last], strict=True):
        ends = not after.startswith("I-")
        result.append({"B": "S", "I": "E"}[tag[0]] + tag[1:] if ends and tag != "O" else tag)
    return result


def only_ends(tags):
    return [tag.replace("S-", "B-") for tag in bioes(tags)]


def only_singles(tags):
    return [tag.replace("E-", "I-") for tag in bioes(tags)]


def counts(expected, predicted):
    pairs = [(set(a), set(b)) for a, b in zip(expected, predicted, strict=True)]
    return sum(len(a & b) for a, b in pairs), sum(len(a) for a, _ in pairs), sum(len(b) for _, b in pairs)


def f1_with(formula):
    return lambda expected, predicted: formula(*counts(expected, predicted))


def mean_f1(expected, predicted):
    scores = [f1_from_rates([a], [b]) for a, b in zip(expected, predicted, strict=True)]
    return sum(scores) / len(scores)


def f1_from_rates(expected, predicted):
    right, actual, total = counts(expected, predicted)
    if not right:
        return 0
    precision, recall = right / total, right / actual
    return 2 * precision * recall / (precision + recall)


WRONG = {
    "tagging_words.align": [
        (aligned(later=None), "only the first token"),
        (aligned(later=0), "0 is the class O"),
        (aligned(later=0, ends=0), "0 is the class O"),
        (aligned(ends=0), "belong to no word"),
        (aligned(first=False), "each word's last token"),
        (lambda labels, counts: aligned()(labels, counts)[1:-1], "are tokens, too"),
        (lambda labels, counts: aligned()(labels, counts)[:-1], "[SEP], is missing"),
        (lambda labels, counts: aligned()(labels, counts)[1:], "[CLS], is missing"),
        (lambda labels, counts: labels, "one label per word"),
        (lambda labels, counts: [X, *labels, X], "three entries"),
    ],
    "tagging_words.spans": [
        (spans_with(lambda start, end: (start, end - 1)), "exclusive"),
        (spans_with(lambda start, end: (start + 1, end + 1)), "count words from 0"),
        (spans_with(lambda start, end: (start + 1, end)), "count words from 0"),
        (spans_with(lambda start, end: (start, end - start)), "not its length"),
        (spans_with(lambda start, end: (start, start + 1)), "continues the span"),
        (lambda tags: [(i, i + 1) for i, tag in enumerate(tags) if tag != "O"], "continues the span"),
        (unclosed_spans, "never closed"),
        (runs, "always begins a span"),
        (strict_spans, "as a model may predict it"),
        (lambda tags: set(correct_spans(tags)), "no order"),
    ],
    "tagging_words.to_iobes": [
        (lambda tags: tags, "unchanged"),
        (lambda tags: bioes(tags, last="I-CODE"), "nothing follows"),
        (only_ends, "neither beginning nor end"),
        (only_singles, "for end"),
        (lambda tags: " ".join(bioes(tags)), "expected a list of tags"),
        (lambda tags: None, "return"),
        (lambda tags: bioes(tags)[:-1], "expected"),
    ],
    "tagging_words.f1": [
        (f1_with(lambda right, actual, total: right / total), "that is the precision"),
        (f1_with(lambda right, actual, total: right / actual), "that is the recall"),
        (f1_with(lambda right, actual, total: (right / total + right / actual) / 2), "harmonic"),
        (f1_with(lambda right, actual, total: right / (total + actual - right)), "Jaccard"),
        (f1_with(lambda right, actual, total: right / (total + actual)), "2 * right"),
        (f1_with(lambda right, actual, total: 200 * right / (total + actual)), "not percent"),
        (f1_with(lambda right, actual, total: 2 * right / (total + actual)), "without any"),
        (mean_f1, "mean over sentences"),
    ],
}

RIGHT = {
    "tagging_words.align": [aligned(), align_by_array],
    "tagging_words.spans": [correct_spans, lambda tags: np.array(correct_spans(tags))],
    "tagging_words.to_iobes": [bioes],
    "tagging_words.f1": [f1_from_rates, f1_with(lambda right, actual, total: 2 * right / max(actual + total, 1))],
}

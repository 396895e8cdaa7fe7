"""The project of notebooks/05_transformer.ipynb: a claim about one attention head, tested on held-out sentences."""

from collections import Counter
from collections.abc import Iterable

import numpy as np

from bertedu.bert import Bert
from bertedu.course.exercise import WrongAnswer, call, kind
from bertedu.course.project import Criterion, Project, claim, conclusion, once, plain, sentence, texts, value


def _pairs(answer, key):
    """Yield the reading of each sentence of the list `key`, with the pairs of the learner's relation in it."""
    bert, relation = value(answer, "bert"), value(answer, "relation")
    if not isinstance(bert, Bert):
        raise WrongAnswer(f'"bert": expected what be.load returns, got {kind(bert)}.')
    for text in texts(answer, key):
        reading = bert.read(text)
        pairs = call(relation, list(reading.tokens))
        if not isinstance(pairs, Iterable):
            raise WrongAnswer(f'"relation": expected a list of (query, key), got {kind(pairs)}.')
        pairs = [tuple(int(i) for i in pair) for pair in pairs]
        words = [i for i, segment in enumerate(reading.segments) if segment is not None]
        for pair in pairs:
            if len(pair) != 2 or not set(pair) <= set(words) or pair[0] == pair[1]:
                raise WrongAnswer(f'"relation": expected positions of two words of {text!r}, got {pair}.')
        yield reading, words, pairs


@once
def _offset(answer):
    """Return the most frequent offset in the finding sentences; of several, the first that occurs."""
    offsets = Counter(key - query for *_, pairs in _pairs(answer, "finding_sentences") for query, key in pairs)
    if not offsets:
        raise WrongAnswer('"relation": it finds nothing in "finding_sentences".')
    return offsets.most_common(1)[0][0]


@once
def _hits(answer):
    """Return two 0/1 lists over the pairs of the test sentences: of the head, and of the best fixed offset."""
    index = value(answer, "head")
    if not isinstance(index, list | tuple) or len(index) != 2:
        raise WrongAnswer('"head": expected (layer, head).')
    offset, by_head, by_offset = _offset(answer), [], []
    for reading, words, pairs in _pairs(answer, "test_sentences"):
        layer, head = (int(number) for number in index)
        if not (0 <= layer < reading.attention.shape[0] and 0 <= head < reading.attention.shape[1]):
            raise WrongAnswer(f'"head": the model has {reading.attention.shape[:2]} layers and heads, got {index}.')
        for query, key in pairs:
            others = [i for i in words if i != query]
            by_head.append(others[int(reading.attention[layer, head, query, others].argmax())] == key)
            by_offset.append(query + offset == key)
    if len(by_head) < 20:
        raise WrongAnswer(f'"relation": expected at least 20 pairs in "test_sentences", got {len(by_head)}.')
    return np.array(by_head, float), np.array(by_offset, float)


def held_out(answer):
    finding, testing = texts(answer, "finding_sentences", 10), texts(answer, "test_sentences", 20)
    if shared := {plain(text) for text in finding} & {plain(text) for text in testing}:
        raise WrongAnswer(f"{len(shared)} sentences are in both lists, such as {min(shared)[:60]!r}.")
    return f"{len(finding)} and {len(testing)} sentences"


def enough_pairs(answer):
    return f"{len(_hits(answer)[0])} pairs"


def hit_rate(answer):
    return claim(answer, "hit_rate", float(_hits(answer)[0].mean()))


def baseline(answer):
    return claim(answer, "baseline", float(_hits(answer)[1].mean()), f" for the offset {_offset(answer):+d}")


def verdict(answer):
    by_head, by_offset = _hits(answer)
    return conclusion(answer, "conclusion", by_head - by_offset)


def stated(answer):
    return f"{len(sentence(answer, 'claim').split())} words"


PROJECT = Project(
    task="Make a claim about one attention head, and test it on sentences that you haven't read before.",
    blank="""project = {
    "bert": bert,
    "claim": ...,  # one sentence
    "head": ...,  # (layer, head)
    "relation": ...,  # a function: tokens -> list of (query position, key position)
    "finding_sentences": ...,  # at least 10, in which you found the head
    "test_sentences": ...,  # at least 20 others
    "hit_rate": ...,  # of the head, on the test sentences
    "baseline": ...,  # of the best fixed offset
    "conclusion": ...,  # the head is "better" or "worse" than the baseline, or "can't tell"
}""",
    answer="project",
    criteria=(
        Criterion("a claim in a sentence", stated),
        Criterion("10 sentences to find the head, 20 others to test it", held_out),
        Criterion("the relation occurs at least 20 times in the test sentences", enough_pairs),
        Criterion("the hit rate of the head", hit_rate),
        Criterion("the hit rate of the best fixed offset", baseline),
        Criterion("the conclusion follows from the difference", verdict),
        Criterion("Does the claim say what you measured, and not that the model needs the head?"),
    ),
    hints=(
        "Begin with a relation that code can find in the tokens: the same word again, a bracket and its partner, 'it' "
        "and a noun before it from a list of your own.",
        "A hit: leaving out the query itself, [CLS] and [SEP], the key gets the largest weight from the query. "
        "The offset is the most frequent key - query in the finding sentences; the first that occurs, if several are.",
    ),
    solution="""from collections import Counter

import numpy as np

import bertedu as be

bert = be.load("minilm")
finding, testing = (be.load_texts("pairs", split=split) for split in ("train", "test"))  # in place of your own
finding_sentences = [f"{text} {pair}" for text, pair in zip(finding.texts[:12], finding.pairs)]
test_sentences = [f"{text} {pair}" for text, pair in zip(testing.texts[:24], testing.pairs)]


def same_word(tokens):
    \"\"\"From the second to the first of two equal words.\"\"\"
    twice = [token for token in tokens if token.isalpha() and tokens.count(token) == 2]
    positions = {token: [i for i, other in enumerate(tokens) if other == token] for token in twice}
    return [(second, first) for first, second in positions.values()]


def hits(sentences, offset):
    \"\"\"Whether each head, and the offset, finds the key of each pair: [pairs, L, N] and [pairs].\"\"\"
    by_head, by_offset = [], []
    for reading in map(bert.read, sentences):
        for query, key in same_word(reading.tokens):
            weights = reading.attention[:, :, query].copy()  # [L, N, T]
            weights[:, :, [0, query, -1]] = 0  # not [CLS], the query, or [SEP]
            by_head.append(weights.argmax(axis=-1) == key)
            by_offset.append(query + offset == key)
    return np.array(by_head), np.array(by_offset)


pairs = [pair for text in finding_sentences for pair in same_word(bert.read(text).tokens)]
offset = Counter(key - query for query, key in pairs).most_common(1)[0][0]
rates = hits(finding_sentences, offset)[0].mean(axis=0)  # [L, N]
layer, head = np.unravel_index(rates.argmax(), rates.shape)
by_head, by_offset = hits(test_sentences, offset)
difference = by_head[:, layer, head] - by_offset.astype(float)
clear = abs(difference.mean()) > 2 * difference.std(ddof=1) / len(difference) ** 0.5
project = {
    "bert": bert,
    "claim": f"Layer {layer}, head {head} attends from a repeated word to where it stood before.",
    "head": (layer, head),
    "relation": same_word,
    "finding_sentences": finding_sentences,
    "test_sentences": test_sentences,
    "hit_rate": by_head[:, layer, head].mean(),
    "baseline": by_offset.mean(),
    "conclusion": ("better" if difference.mean() > 0 else "worse") if clear else "can't tell",
}""",
)

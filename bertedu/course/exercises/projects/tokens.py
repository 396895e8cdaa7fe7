"""The project of notebooks/02_embeddings.ipynb: the learner's own texts, tokenized."""

from collections.abc import Mapping

import numpy as np

from bertedu.bert import Bert
from bertedu.course.exercise import WrongAnswer, kind
from bertedu.course.project import Criterion, Project, claim, once, sentence, texts, value
from bertedu.data import load_texts


def _bert(answer):
    bert = value(answer, "bert")
    if not isinstance(bert, Bert):
        raise WrongAnswer(f'"bert": expected what be.load returns, got {kind(bert)}.')
    return bert


def _words(answer, some_texts):
    """Return the words of the texts as lists of pieces: a piece that starts with ## continues a word."""
    tokenize, words = _bert(answer).tokenizer.tokenize, []
    for text in some_texts:
        for number, piece in enumerate(tokenize(text)):
            if number and piece.startswith("##"):
                words[-1].append(piece)
            else:
                words.append([piece])
    return words


@once
def _own_words(answer):
    words = _words(answer, texts(answer, "texts"))
    if not words:
        raise WrongAnswer('"texts": they have no tokens.')
    return words


def _mean_length(words):
    return sum(map(len, words)) / len(words)


def enough(answer):
    return f"{len(texts(answer, 'texts', 20))} texts"


def own_tokens(answer):
    return claim(answer, "tokens_per_word", _mean_length(_own_words(answer)))


def course_tokens(answer):
    reviews = load_texts("reviews", split="train").texts
    return claim(answer, "tokens_per_word_of_reviews", _mean_length(_words(answer, reviews)))


def most_split(answer):
    words, word = _own_words(answer), sentence(answer, "most_split", words=1)
    pieces, longest = _bert(answer).tokenizer.tokenize(word), max(words, key=len)
    shown = f"{' '.join(pieces[:12])}, {len(pieces)} tokens"
    if pieces not in words:
        raise WrongAnswer(f'"most_split": {word!r} ({shown}) is not a word of your texts, as the tokenizer reads them.')
    if len(pieces) < len(longest):
        raise WrongAnswer(f'"most_split": {word!r} is {shown}; another word has {len(longest)}.')
    return shown


def neighbors(answer):
    used = {words[0] for words in _own_words(answer) if len(words) == 1}
    claimed = value(answer, "neighbors")
    if not isinstance(claimed, Mapping) or len(claimed) < 5:
        raise WrongAnswer('"neighbors": expected a dict of five words, each with its nearest neighbor.')
    tokenizer, table = _bert(answer).tokenizer, _bert(answer).encoder.embeddings.get_weights()[0]  # [V, D]
    lengths = np.maximum(np.linalg.norm(table, axis=1), 1e-12)
    for word, neighbor in claimed.items():
        if word not in used:
            raise WrongAnswer(f'"neighbors": {word!r} is not a word of your texts that is a single token.')
        cosines = table @ table[tokenizer.vocabulary.index(word)] / lengths  # up to a factor
        cosines[tokenizer.vocabulary.index(word)] = -np.inf
        nearest = tokenizer.vocabulary[int(cosines.argmax())]
        if neighbor != nearest:
            raise WrongAnswer(f'"neighbors": you report {neighbor!r} for {word!r}; its row is nearest to {nearest!r}.')
    return f"{len(claimed)} words"


def surprise(answer):
    return f"{len(sentence(answer, 'surprise', words=10).split())} words"


PROJECT = Project(
    task="Tokenize your own texts, compare them with the course's reviews, and explain one surprise.",
    blank="""project = {
    "bert": bert,
    "texts": ...,  # a list of at least 20 texts
    "tokens_per_word": ...,  # of your texts
    "tokens_per_word_of_reviews": ...,  # of be.load_texts("reviews", split="train").texts
    "most_split": ...,  # the word of your texts that becomes the most tokens
    "neighbors": ...,  # {word: its nearest neighbor} for five words of your texts
    "surprise": ...,  # what surprised you, and your explanation
}""",
    answer="project",
    criteria=(
        Criterion("at least 20 different texts", enough),
        Criterion("tokens per word of your texts", own_tokens),
        Criterion("tokens per word of the course's reviews", course_tokens),
        Criterion("the word that is split most", most_split),
        Criterion("five words and their nearest neighbors", neighbors),
        Criterion("a surprise is described", surprise),
        Criterion("Does your explanation name what the vocabulary was built from, and could another text refute it?"),
    ),
    hints=(
        "A word begins at each piece of bert.tokenizer.tokenize(text) that doesn't start with ##. Count those, and all "
        "pieces. Hyphens, apostrophes and slashes are words of their own.",
        'For the neighbors, take your function `nearest` from Exercise 4, with weights["word"] as the table. Choose '
        "words that are one token.",
    ),
    solution="""import re

import numpy as np

import bertedu as be

bert = be.load("minilm")
tokenize, vocabulary = bert.tokenizer.tokenize, bert.tokenizer.vocabulary
texts = be.load_texts("reviews", split="test").texts[:40]  # in place of your own


def tokens_per_word(texts):
    pieces = [piece for text in texts for piece in tokenize(text)]
    return len(pieces) / sum(not piece.startswith("##") for piece in pieces)


def nearest(word):
    table = bert.encoder.embeddings.get_weights()[0]
    cosines = table @ table[vocabulary.index(word)] / np.linalg.norm(table, axis=1)
    return vocabulary[np.argsort(-cosines)[1]]


words = {word for text in texts for word in re.findall(r"[^\\W_]+", text.lower())}
project = {
    "bert": bert,
    "texts": texts,
    "tokens_per_word": tokens_per_word(texts),
    "tokens_per_word_of_reviews": tokens_per_word(be.load_texts("reviews", split="train").texts),
    "most_split": max(sorted(words), key=lambda word: len(tokenize(word))),
    "neighbors": {word: nearest(word) for word in ("ferry", "crossing", "poster", "waiting", "room")},
    "surprise": "Forty reviews need hardly more tokens than words: everyday English is what the vocabulary was built "
    "from. A page of chemistry should need many more.",
}""",
)

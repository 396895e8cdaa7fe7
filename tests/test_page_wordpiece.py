"""The page's tokenizer gives what the Rust library and `BertPreprocessor` give, also on every single character."""

import ast
import hashlib
import random
from pathlib import Path

import page_modules
import pytest
import small_world

import bertedu as be
from bertedu.text import BertPreprocessor
from tools import unicode_tables

HERE = Path(__file__).parent
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = [*"abcdefghijklmnopqrstuvwxyz0123456789.,!?'-", *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz0123456789")]
WORLD = [
    *small_world.VOCABULARY,
    *PIECES,
    *"éüßñçÉσςαдя中文日本語कি",
    *(f"##{c}" for c in "éüßñσςдяकि"),
    "naïve",
    "##\u0301",
]
ENCODE = """
const wordPiece = new WordPiece(values.vocabulary, values.options);
respond(values.texts.map(([text, pair]) => wordPiece.encode(text, pair)));
"""
EACH = """
import { createHash } from "node:crypto";
const wordPiece = new WordPiece(values.vocabulary, { lowercase: values.lowercase });
const digests = [];
for (let first = 0; first < 0x110000; first += 0x1000) {
  const hash = createHash("sha256");
  for (let code = first; code < first + 0x1000; code++) {
    const pieces = wordPiece.pieces(`x${String.fromCodePoint(code)}\\u0301x`);
    hash.update(pieces.map(({ token, start, end }) => `${token} ${start} ${end}\\n`).join(""));
  }
  digests.push(hash.digest("hex"));
}
respond(digests);
"""


@pytest.fixture(scope="module")
def minilm():
    if be.presets.offline_model_directory() is None:
        pytest.skip("the offline model is missing")
    return be.load("minilm").tokenizer.vocabulary


def compare(tmp_path, vocabulary, texts, max_length=512, lowercase=True, truncation="longest_first"):
    """Encode (text, pair) with both tokenizers, and compare everything."""
    options = {"max_length": max_length, "lowercase": lowercase, "truncation": truncation}
    encoded = page_modules.run(
        ["wordpiece.js"], ENCODE, tmp_path, vocabulary=list(dict.fromkeys(vocabulary)), options=options, texts=texts
    )
    tokenizer = be.BertTokenizer(list(dict.fromkeys(vocabulary)), lowercase=lowercase)
    preprocessor = BertPreprocessor(tokenizer, None, truncation)
    assert len(encoded) == len(texts)
    for (text, pair), got in zip(texts, encoded, strict=True):
        expected = preprocessor.encode(text, pair, max_length=max_length)
        assert got == {
            "tokens": expected.tokens,
            "ids": expected.ids,
            "type_ids": expected.type_ids,
            "offsets": [offset and list(offset) for offset in expected.offsets],
            "segments": [-1 if segment is None else segment for segment in expected.segments],
            "truncated": expected.truncated > 0,
            "removed": expected.truncated,
        }, (text, pair)


def strings_of_tests():
    """Return all strings in the tests of tokenizers and texts."""
    names = ("test_text.py", "test_foreign_text.py", "test_golden.py", "test_parity_minilm.py", "test_reading.py")
    found = []
    for name in names:
        for node in ast.walk(ast.parse((HERE / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return list(dict.fromkeys(found))


ALPHABETS = [  # what a fuzzed string is made of
    "abcdefghij .,",
    "The QUICK brown fox naïve déjà Ångström ſ ß ẞ İ ı Σ ς ǆ ﬁ Ⅷ ",
    [*SPECIAL, "[mask]", "[MASK", "MASK]", " ", "a", "##a", "[", "]"],
    "\t\n\r\v\f\x00\x01\x1f\x7f\x85\xa0\xad\u200b\u200d\u2028\u202e\u2060\ufeff\ufffd\u3000 ab",
    "a\u0300\u0301\u0323\u0344\u0345\u0334\u05b0\u0591\u20d0\u302e\u0e38\u0f73\u1dce \u0c55",
    "\u1100\u1161\u11a8가각é\u1ea5a\u0301\u0323",
    "\ud800\udc00\udfff\ud83da b",
    "中文字a日本語カタカナがｶﾞ\u3099\u309a한국어 \U00020000\U0002a700\uf900\uf96f",
    "अआकिकीखग़ड़\u0941\u094d بِسْمِ עִבְרִית ไทยกำ ကို தமிழ்",
    "😀👍🏽👨‍👩‍👧🇩🇪☃️⃣ab1",
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~¡§«¶·»¿—…‽。、a ",
]


def fuzzed(rng, count):
    """Return strings of characters of one or two alphabets, or of all planes of Unicode."""
    texts = []
    for _ in range(count):
        alphabet = [symbol for _ in range(rng.choice([1, 2])) for symbol in rng.choice(ALPHABETS)]
        length = rng.choice([0, 1, 2, 5, 10, 30, 120])
        if rng.random() < 0.4:
            planes = [
                (0, 0x300),
                (0x300, 0x2000),
                (0x2000, 0xD800),
                (0xD800, 0x10000),
                (0x10000, 0x20000),
                (0, 0x110000),
            ]
            alphabet += [chr(rng.randrange(*rng.choice(planes))) for _ in range(20)]
        text = "".join(rng.choice(alphabet) for _ in range(length))
        texts.append(text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass"))  # join halves of pairs
    return texts


def test_the_texts_of_the_tokenizers_tests(tmp_path, minilm):
    texts = [[text, None] for text in strings_of_tests()]
    assert len(texts) > 300
    compare(tmp_path, minilm, texts)
    compare(tmp_path, WORLD, texts, lowercase=False)


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("vocabulary", ["minilm", "small"])
def test_2000_fuzzed_strings(tmp_path, minilm, vocabulary, lowercase):
    texts = fuzzed(random.Random(23), 2000)
    compare(tmp_path, minilm if vocabulary == "minilm" else WORLD, [[text, None] for text in texts], 1000, lowercase)


@pytest.mark.parametrize("truncation", ["longest_first", "round_robin"])
@pytest.mark.parametrize("max_length", [3, 4, 8, 13])
def test_truncated_pairs(tmp_path, max_length, truncation):
    rng = random.Random(max_length)
    texts = fuzzed(rng, 400)
    compare(tmp_path, WORLD, list(zip(texts[:200], texts[200:], strict=True)), max_length, truncation=truncation)


def test_an_empty_pair_is_a_pair(tmp_path):
    compare(tmp_path, WORLD, [["the cat", ""], ["", ""], ["", None], ["", "the"]])


def test_words_of_a_hundred_characters(tmp_path):
    words = ["a" * 99, "a" * 100, "a" * 101, "a" * 99 + "\u0301" * 5, "\U00010400" * 101, "İ" * 51, "İ" * 50]
    compare(tmp_path, WORLD, [[f"{word} {word}.", None] for word in words])


@pytest.mark.parametrize("lowercase", [True, False])
def test_every_character(tmp_path, lowercase):
    """Also followed by an accent, which NFD may put in front of it."""
    vocabulary = [*SPECIAL, "x", "##x", "a", "##a", "##e", "e", "!", "##\u0301"]
    digests = page_modules.run(["wordpiece.js"], EACH, tmp_path, vocabulary=vocabulary, lowercase=lowercase)
    tokenizer = be.BertTokenizer(vocabulary, lowercase=lowercase)
    for block, digest in enumerate(digests):
        lines = []
        for code in range(block * 0x1000, (block + 1) * 0x1000):
            encoding = tokenizer.encode(f"x{chr(code)}\u0301x")
            lines += [f"{token} {a} {b}\n" for token, (a, b) in zip(encoding.tokens, encoding.offsets, strict=True)]
        assert hashlib.sha256("".join(lines).encode()).hexdigest() == digest, hex(block * 0x1000)
    assert len(digests) == 0x110


def test_of_a_repeated_token_the_last_id_counts(tmp_path):
    vocabulary = [*SPECIAL, "cat", "the", "cat"]
    (encoded,) = page_modules.run(
        ["wordpiece.js"], ENCODE, tmp_path, vocabulary=vocabulary, options={}, texts=[["the cat", None]]
    )
    assert encoded["ids"] == BertPreprocessor(be.BertTokenizer(vocabulary)).encode("the cat").ids == [2, 6, 7, 3]


def test_a_vocabulary_without_special_tokens_is_an_error(tmp_path):
    script = "try { new WordPiece(['a', '[MASK]']); } catch (error) { respond(error.message); }"
    message = page_modules.run(["wordpiece.js"], script, tmp_path)
    assert message == "vocabulary: expected BERT's special tokens, got one without [PAD],[UNK],[CLS],[SEP]."


def test_the_character_tables_are_those_of_the_rust_library():
    assert unicode_tables.module() == unicode_tables.TARGET.read_text(encoding="utf-8"), (
        "python -m tools.unicode_tables"
    )

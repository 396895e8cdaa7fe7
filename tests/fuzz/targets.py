"""What is done with an input of each family, by public functions only, and what must hold where it opens."""

import contextlib
import json
import warnings

import numpy as np
import tiny_adapter

import bertedu as be
from bertedu.course import colab, student_copy

from . import declared
from .guard import SECRET
from .outcome import Finding, check_text

TEXT = "The unwanted cat sat on the mat, na\u00efvely \u732b."


@contextlib.contextmanager
def heard():
    """Collect warnings, and check that none carries control characters."""
    with warnings.catch_warnings(record=True) as recorded:
        warnings.simplefilter("always")
        yield recorded
    for warning in recorded:
        check_text(str(warning.message), "warning")


def expect(condition, kind, detail=""):
    """Raise `Finding` unless something holds."""
    if not condition:
        raise Finding(kind, detail)


# ---- checkpoints -----------------------------------------------------------------------------------------------------


def checkpoint(family, path, seed, out, refused):
    """Load and inspect a checkpoint; check that both agree, and that the model is the one that the file describes."""
    bert, said = None, []
    try:
        with heard() as said:
            bert = be.load(path)
    except Exception as error:
        refused(error)
    inspection = None
    try:
        with heard():
            inspection = be.inspect(path)
    except Exception as error:
        refused(error)
    if inspection is not None:
        check_text(str(inspection.problem or ""), "inspect: problem")
        check_text("\n".join(line[:1000] for line in str(inspection).splitlines()[:50])[:5000], "inspect")
        expect((bert is None) == (inspection.bert is None), "load and inspect disagree", inspection.problem)
    expect(bert is None or inspection is not None, "load and inspect disagree", "only load opens it")
    if bert is None:
        return "refused"
    check_model(family, bert, seed, said)
    return "opened"


def check_model(family, bert, seed, said):
    """Check an opened model against its files, and that it can be used."""
    encoder = bert.encoder
    stated, config = declared.encoder(family, seed.tree), encoder.get_config()
    for name, value in stated.items():
        expect(name not in config or config[name] == value, "not as stated", f"{name}: {value!r}, got {config[name]!r}")
    expect(
        not any(SECRET in token for token in bert.tokenizer.vocabulary), "file outside", "its lines in the vocabulary"
    )
    weights = [*encoder.weights, *(bert.classifier.weights if bert.classifier else [])]
    finite = all(np.isfinite(np.asarray(weight, "float32")).all() for weight in weights)
    expect(finite or said, "silent NaN", "no warning names the tensor")
    if encoder.with_dense_inputs:
        return
    ids = bert.tokenizer.encode(TEXT).ids[: max(encoder.max_sequence_length - 2, 0)]
    ids = np.array([[bert.tokenizer.cls_id, *ids, bert.tokenizer.sep_id]], "int32")
    ones = np.ones_like(ids)
    outputs = encoder({"input_word_ids": ids, "input_mask": ones, "input_type_ids": ones * 0})
    shape = tuple(outputs["sequence_output"].shape)
    expect(shape == (1, ids.shape[1], encoder.hidden_size), "wrong shape", shape)


# ---- tokenizers ------------------------------------------------------------------------------------------------------


def tokenizer_json(family, path, seed, out, refused):
    """Open a tokenizer.json; check its vocabulary and its lower case."""
    try:
        with heard():
            tokenizer = be.BertTokenizer.from_file(path)
    except Exception as error:
        refused(error)
        return "refused"
    state = json.loads(seed.tree["tokenizer.json"])
    vocabulary, settings = state["model"]["vocab"], state["normalizer"]
    for token, number in vocabulary.items():
        expect(tokenizer.vocabulary[number] == token, "not as stated", f"{token!r} is not {number}")
    expect(tokenizer.lowercase == settings["lowercase"], "not as stated", "lowercase")
    return check_tokenizer(tokenizer)


def vocab_txt(family, path, seed, out, refused):
    """Open a vocab.txt; check that every token has the number of its line."""
    try:
        with heard():
            tokenizer = be.BertTokenizer(path)
    except Exception as error:
        refused(error)
        return "refused"
    text = seed.tree["vocab.txt"].decode("utf-8-sig")
    if "\r" not in text:
        lines = {token: number for number, token in enumerate(text.split("\n")) if token}
        plain = [token for token in lines if token.split() == [token] and token.isprintable()]
        for token in plain[:2000]:
            actual = tokenizer.tokens_to_ids([token])[0]
            expect(actual == lines[token], "not as stated", f"{token[:50]!r} is {actual}, and line {lines[token]}")
    return check_tokenizer(tokenizer)


def check_tokenizer(tokenizer):
    """Check that a tokenizer works, and has read no other file."""
    expect(not any(SECRET in token for token in tokenizer.vocabulary), "file outside", "its lines in the vocabulary")
    ids = tokenizer.encode(TEXT).ids
    expect(all(0 <= i < tokenizer.vocab_size for i in ids), "wrong ids", ids)
    expect(len(tokenizer.vocabulary) == tokenizer.vocab_size, "wrong size", tokenizer.vocab_size)
    return "opened"


# ---- tables of texts -------------------------------------------------------------------------------------------------


def table(family, path, seed, out, refused):
    """Read a table of texts and labels; check what it returns."""
    try:
        with heard():
            loaded = be.load_texts(path, **seed.options)
    except Exception as error:
        refused(error)
        return "refused"
    count = len(loaded.texts)
    expect(count > 0 and all(isinstance(text, str) and text.strip() for text in loaded.texts), "empty text")
    expect(len(loaded.labels) == count and (loaded.pairs is None) == ("pair" not in seed.options), "wrong length")
    expect(len(set(loaded.names)) == len(loaded.names) and all(loaded.names), "class names", loaded.names[:20])
    expect(min(loaded.labels) >= 0 and max(loaded.labels) < len(loaded.names), "labels out of range")
    if family == "jsonl":
        lines = [line for line in seed.tree[path.name].decode("utf-8-sig").split("\n") if line.strip()]
        expect(loaded.texts == [json.loads(line.lstrip("\ufeff"))["text"] for line in lines], "not as stated", "texts")
    return "opened"


def tagged(family, path, seed, out, refused):
    """Read tagged sentences; check what is returned."""
    try:
        with heard():
            loaded = be.load_tags(path, **seed.options)
    except Exception as error:
        refused(error)
        return "refused"
    expect(loaded.words and all(loaded.words), "empty sentence")
    for words, tags in zip(loaded.words, loaded.tags, strict=True):
        expect(len(words) == len(tags) and {*tags} <= {*loaded.names}, "tags", tags[:20])
        expect(all(isinstance(word, str) and word.strip() for word in words), "empty word")
    expect(len(set(loaded.names)) == len(loaded.names) and all(loaded.names), "names of tags", loaded.names[:20])
    expect(loaded.documents is None or len(loaded.documents) == len(loaded.words), "wrong length")
    lines = [line.lstrip("\ufeff") for line in seed.tree[path.name].decode("utf-8-sig").split("\n")]
    lines = [line for line in lines if line.strip()]
    if family == "tags_jsonl":
        rows = [json.loads(line) for line in lines]
        expect(loaded.words == [row.get("words", row.get("tokens")) for row in rows], "not as stated", "words")
    else:
        count = sum(not line.strip("\r ").startswith("-DOCSTART-") for line in lines)
        expect(sum(map(len, loaded.words)) == count, "not as stated", "number of words")
    return "opened"


# ---- adapters --------------------------------------------------------------------------------------------------------


def adapter(family, path, seed, out, refused):
    """Merge an adapter into a model, which must stay as it is; check the result, and that it can be used."""
    base = tiny_adapter.base()
    before = [np.array(weight) for weight in base.encoder.weights]
    try:
        with heard() as said:
            bert = be.load_adapter(base, path)
    except Exception as error:
        refused(error)
        return "refused"
    same = all(np.array_equal(array, weight) for array, weight in zip(before, base.encoder.weights, strict=True))
    expect(same, "changed the model")
    heads = [head for head in (bert.classifier, bert.token_classifier) if head is not None]
    expect(len(heads) < 2, "two heads")
    weights = [*bert.encoder.weights, *(weight for head in heads for weight in head.weights)]
    expect(all(np.isfinite(np.asarray(w)).all() for w in weights) or said, "silent NaN", "no warning names the tensor")
    inputs = bert.preprocessor([TEXT])
    for model in (bert.encoder, *heads):
        model(inputs)
    return "opened"


# ---- notebooks -------------------------------------------------------------------------------------------------------


def notebook(family, path, seed, out, refused):
    """Copy a notebook for students and for Colab; a copy of a valid notebook must be valid."""
    import nbformat

    copies = {
        "student copy": lambda: student_copy.write([path], out)[0],
        "colab": lambda: colab.write(path, out / "copy_colab.ipynb", repository="a/b")[0],
    }
    opened = []
    for name, write in copies.items():
        try:
            with heard():
                written = write()
        except Exception as error:
            refused(error)
            continue
        opened.append(name)
        try:
            content = written.read_text(encoding="utf-8")
            problem = _problem(nbformat, json.loads(content))
        except ValueError as error:
            raise Finding("unreadable copy", f"{name}: {error}") from None
        if problem and not _problem(nbformat, json.loads(path.read_bytes())):
            raise Finding("invalid copy", f"{name}: {problem}")
    return "opened" if opened else "refused"


def _problem(nbformat, content):
    """Return why a notebook is not valid by nbformat's schema, or None."""
    try:
        nbformat.validate(content, version=4, version_minor=content.get("nbformat_minor"))
    except Exception as error:  # nbformat raises other types, too, for what its schema does not foresee
        return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return None


# ---- the process -----------------------------------------------------------------------------------------------------


def process_state():
    """Return the settings of this process that a file must not change."""
    import keras

    config = keras.config
    names = ("floatx", "epsilon", "image_data_format", "dtype_policy", "max_epochs", "max_steps_per_epoch")
    return {name: str(getattr(config, name)()) for name in names if hasattr(config, name)}


TARGETS = {
    "tokenizer_json": tokenizer_json,
    "vocab_txt": vocab_txt,
    "notebook": notebook,
    "adapter": adapter,
    **dict.fromkeys(("conll", "tags_jsonl"), tagged),
    **dict.fromkeys(("tsv", "csv", "jsonl", "parquet"), table),
}
"""What is not in it is a checkpoint."""


def open_input(family, path, seed, out, refused):
    """Open an input by its family's readers.

    Args:
        family: str, one of `seeds.FAMILIES`.
        path: what is opened.
        seed: the mutated `Seed`.
        out: an empty folder to write to.
        refused: function of an exception that raises `Finding` unless it is a refusal.

    Returns:
        "opened" or "refused".
    """
    return TARGETS.get(family, checkpoint)(family, path, seed, out, refused)

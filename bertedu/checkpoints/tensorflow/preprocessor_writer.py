"""Preprocessors, written: text to BERT's three inputs as a SavedModel, for pipelines that are TensorFlow graphs.

    model = tf.saved_model.load(path)                            (after `import tensorflow_text`)
    model(texts)                                                 the dict of three, [B, T]
    model.bert_pack_inputs([model.tokenize(a), model.tokenize(b)], seq_length=T)      the same, of pairs

Our own tokenizer is a Rust library, which no graph can hold; tensorflow-text's stands in for it there.
Chapter: notebooks/10_checkpoints.ipynb.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bertedu.checkpoints.tensorflow.hub_object import hub_object, save
from bertedu.files import replacing
from bertedu.inputs import INPUTS
from bertedu.text import BertPreprocessor

TRUNCATION = "round_robin"


def export_preprocessor(
    preprocessor: BertPreprocessor, path: str | Path, *, truncation: str | None = None, overwrite: bool = False
) -> Path:
    """Write a preprocessor as a SavedModel with the interface of those on the Hub (Kaggle Models).

    After `import tensorflow_text`, `tf.saved_model.load(path)` and `hub.KerasLayer(path)` give an object to be called
    with strings `[B]`; it returns int32 `input_word_ids`, `input_mask`, `input_type_ids` `[B, T]`, T being the
    preprocessor's `seq_length`. Its parts can be called too: `tokenize` (strings `[B]` -> int32, ragged
    `[B, words, pieces]`; it has `get_special_tokens_dict()`), `tokenize_with_offsets` (the same, and where each piece
    starts and ends, in **bytes** of the text as it is after lower-casing), and `bert_pack_inputs` (a list of one or two
    of those -> the dict; `seq_length` may be given).

    tensorflow-text tokenizes ordinary text as we do. It differs from us where a text spells a special token (we take
    "[MASK]" for the token, it splits it up), and on control and format characters (we remove most, it puts a space),
    spaces beyond ASCII (in cased text it does not split at them), and words of more than 100 bytes (we count
    characters). In lower-case text it also folds more: "ß" to "ss", "ﬁ" to "fi", full-width letters to plain ones.

    Args:
        preprocessor: a `BertPreprocessor`, with a `seq_length`.
        path: str or path, the directory to write.
        truncation: defaults to the preprocessor's own. A graph can only cut pairs in turn, so "round_robin" is needed
            for a preprocessor that cuts them otherwise (single texts are cut in the same way by both).
        overwrite: bool, whether to replace what is at `path`.

    Returns:
        the `Path` of the directory.

    Raises:
        ImportError: tensorflow-text is not installed, or not the one for this TensorFlow.
        FileExistsError: `path` is there already.
        TypeError, ValueError: no `BertPreprocessor`, or one that does what a graph cannot.

    Example:
        export_preprocessor(be.load("minilm").preprocessor, "minilm_text", truncation="round_robin")
        inputs = tf.saved_model.load("minilm_text")(tf.constant(["The cat sat on the mat."]))
    """
    check(preprocessor, truncation)
    import_tensorflow_text()

    with replacing(path, overwrite) as new, tempfile.TemporaryDirectory() as nowhere:
        vocabulary = Path(nowhere) / "vocab.txt"  # its path gets into the graph, as a name, and shall give nothing away
        preprocessor.tokenizer.save_vocabulary(vocabulary)
        model = hub_model(preprocessor, str(vocabulary))
        save(model, new, serving(model))
    return Path(path)


def check(preprocessor: BertPreprocessor, truncation: str | None) -> None:
    """Raise TypeError or ValueError where a preprocessor does what its SavedModel would not."""
    if not isinstance(preprocessor, BertPreprocessor):
        raise TypeError(f"preprocessor: expected a BertPreprocessor, as in bert.preprocessor, got {preprocessor!r}")
    if truncation not in (None, TRUNCATION):
        raise ValueError(f"truncation: expected None or {TRUNCATION!r}, got {truncation!r}")
    if (truncation or preprocessor.truncation) != TRUNCATION:
        accept = f'pass truncation="{TRUNCATION}" to accept that (single texts are cut the same way)'
        raise ValueError(f"A graph can't cut pairs by truncation={preprocessor.truncation!r}: {accept}.")
    if preprocessor.seq_length is None:
        raise ValueError("The preprocessor has seq_length=None, and a graph needs one: give it, say, seq_length=128.")
    options = preprocessor.tokenizer.get_config()
    names = {
        "strip_accents": options["strip_accents"] not in (None, options["lowercase"]),
        "tokenize_chinese_chars": not options["tokenize_chinese_chars"],
        "added_tokens": bool(options["added_tokens"]),
    }
    wrong = [f"{name}={options[name]!r}" for name, differs in names.items() if differs]
    if wrong:
        way_out = "tokenize before the graph, with the preprocessor itself (also in tf.data.Dataset.map)"
        raise ValueError(f"The tokenizer has {', '.join(wrong)}, which tensorflow-text's cannot have: {way_out}.")


def import_tensorflow_text() -> Any:
    """Return the module tensorflow_text, which also brings the operations that the graph is made of."""
    try:
        import tensorflow_text
    except Exception as error:  # it is missing, or TensorFlow's NotFoundError for one made for another version
        import tensorflow as tf

        reason = str(error).partition("\n")[0]
        problem = f"tensorflow-text is missing or does not fit TensorFlow {tf.__version__} ({reason:.150})"
        install = f'pip install "bertedu[export]" "tensorflow-text=={tf.__version__.rpartition(".")[0]}.*"'
        raise ImportError(f"{problem}: {install}") from None
    return tensorflow_text


def hub_model(preprocessor: BertPreprocessor, vocabulary: str) -> Any:
    """Return the object that is saved, with its parts."""
    import tensorflow as tf

    text = import_tensorflow_text()
    ids = preprocessor.tokenizer.special_tokens_dict()
    index = tf.lookup.TextFileIndex
    lines = tf.lookup.TextFileInitializer(vocabulary, tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER)
    table = tf.lookup.StaticHashTable(lines, default_value=preprocessor.tokenizer.unk_id)
    lowercase = preprocessor.tokenizer.get_config()["lowercase"]
    tokenizer = text.BertTokenizer(table, lower_case=lowercase, token_out_type=tf.int32)
    texts = tf.TensorSpec((None,), tf.string, "sentences")
    once = tf.function(input_signature=[texts], autograph=False)  # written once, however many call it
    tokenize, with_offsets = once(tokenizer.tokenize), once(tokenizer.tokenize_with_offsets)  # [B, words, pieces]
    packing = packing_object(preprocessor.seq_length, ids)

    def whole(sentences, training):
        packed = packing.__call__([tokenize(sentences)], seq_length=tf.constant(preprocessor.seq_length))
        return {key: tf.ensure_shape(value, (None, preprocessor.seq_length)) for key, value in packed.items()}

    model = hub_object(whole, texts)
    model.bert_pack_inputs = packing
    model.tokenize = hub_object(lambda sentences, training: tokenize(sentences), texts)
    model.tokenize_with_offsets = hub_object(lambda sentences, training: list(with_offsets(sentences)), texts)
    special = tf.Module()
    special.__call__ = tf.function(lambda: {name: tf.constant(i) for name, i in ids.items()}, input_signature=[])
    for part in (model, model.tokenize, model.tokenize_with_offsets):
        part.vocabulary, part.lines = table, lines  # without `lines`, what is loaded could not be saved again
        part.get_special_tokens_dict = special
    return model


def pack(segments: Sequence[Any], seq_length: Any, ids: dict[str, int]) -> dict[str, Any]:
    """Return the three tensors `[B, T]` of one or two ragged `[B, words, pieces]` or `[B, pieces]`, as a dict."""
    text = import_tensorflow_text()
    segments = [segment.merge_dims(1, -1) if segment.shape.rank > 2 else segment for segment in segments]
    segments = text.RoundRobinTrimmer(seq_length - len(segments) - 1).trim(segments)
    joined, types = text.combine_segments(segments, ids["start_of_sequence_id"], ids["end_of_segment_id"])
    word_ids, mask = text.pad_model_inputs(joined, seq_length, ids["padding_id"])  # [B, T] each
    types, _ = text.pad_model_inputs(types, seq_length)  # [B, T]
    return dict(zip(INPUTS, (word_ids, mask, types), strict=True))


def packing_object(default: int, ids: dict[str, int]) -> Any:
    """Return the object `bert_pack_inputs`."""
    import tensorflow as tf

    @tf.function(autograph=False)
    def call(inputs, seq_length=default):
        return pack(inputs, seq_length, ids)

    length = tf.TensorSpec((), tf.int32, "seq_length")
    for rank in (2, 3):
        segment = tf.RaggedTensorSpec([None] * rank, tf.int32)
        for segments in ([segment], [segment, segment]):
            call.get_concrete_function(segments, seq_length=length)
    module = tf.Module()
    module.__call__ = call
    return module


def serving(model: Any) -> Any:
    """Return the function behind `serving_default`."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, "sentences")], autograph=False)
    def serve(sentences):
        return model.__call__(sentences)

    return serve

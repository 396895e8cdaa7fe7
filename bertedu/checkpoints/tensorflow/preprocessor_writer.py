"""Export preprocessors as SavedModels: from texts to BERT's three inputs, within a TensorFlow graph.

    model = tf.saved_model.load(path)                            (after `import tensorflow_text`)
    model(texts)                                                 the dict of three, [B, T]
    model.bert_pack_inputs([model.tokenize(a), model.tokenize(b)], seq_length=T)      the same, for pairs

bertedu's tokenizer is a Rust library, which a graph cannot contain, so the graph uses tensorflow-text's.
Chapter: notebooks/11_checkpoints.ipynb.
"""

import tempfile
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
    """Export a preprocessor as a SavedModel with the interface of TensorFlow Hub (Kaggle Models).

    After `import tensorflow_text`, `tf.saved_model.load(path)` and `hub.KerasLayer(path)` return an object that is
    called with strings `[B]` and returns int32 `input_word_ids`, `input_mask`, `input_type_ids` `[B, T]`, where T is
    the preprocessor's `seq_length`. Its parts can be called too: `tokenize` (strings `[B]` -> int32, ragged `[B, words,
    pieces]`; it has `get_special_tokens_dict()`), `tokenize_with_offsets` (the same, and the start and end of each
    piece, in **bytes** of the lower-cased text), and `bert_pack_inputs` (a list of one or two of those -> the dict,
    with an optional `seq_length`).

    tensorflow-text and bertedu tokenize ordinary text in the same way. They differ on special tokens in a text (bertedu
    keeps "[MASK]", tensorflow-text splits it), control and format characters (bertedu removes most, tensorflow-text
    inserts a space), spaces beyond ASCII (tensorflow-text does not split cased text there), and words of more than 100
    bytes (bertedu counts characters). In lower-case text tensorflow-text also folds more: "ß" to "ss", "ﬁ" to "fi",
    full-width letters to plain ones.

    Args:
        preprocessor: a `BertPreprocessor` with a `seq_length`.
        path: string or path, the directory to write.
        truncation: None or "round_robin", the only truncation of pairs that the graph supports. Pass it for a
            preprocessor with another one (for single texts there is no difference). Defaults to the preprocessor's.
        overwrite: bool, whether to replace an existing `path`. Defaults to False.

    Returns:
        the `Path` of the directory.

    Raises:
        ImportError: tensorflow-text is not installed, or does not match this TensorFlow.
        FileExistsError: `path` exists and `overwrite` is False.
        TypeError, ValueError: not a `BertPreprocessor`, or one with settings that a graph does not support.

    Example:
        export_preprocessor(be.load("minilm").preprocessor, "minilm_text", truncation="round_robin")
        inputs = tf.saved_model.load("minilm_text")(tf.constant(["The cat sat on the mat."]))
    """
    check(preprocessor, truncation)
    import_tensorflow_text()

    with replacing(path, overwrite) as new, tempfile.TemporaryDirectory() as directory:
        vocabulary = Path(directory) / "vocab.txt"  # the graph contains this path, so it must not reveal anything
        preprocessor.tokenizer.save_vocabulary(vocabulary)
        model = hub_model(preprocessor, str(vocabulary))
        save(model, new, serving(model))
    return Path(path)


def check(preprocessor: BertPreprocessor, truncation: str | None) -> None:
    """Raise TypeError or ValueError if a SavedModel cannot contain a preprocessor."""
    if not isinstance(preprocessor, BertPreprocessor):
        raise TypeError(f"preprocessor: expected a BertPreprocessor, such as bert.preprocessor, got {preprocessor!r}.")
    if truncation not in (None, TRUNCATION):
        raise ValueError(f"truncation: expected None or {TRUNCATION!r}, got {truncation!r}.")
    if (truncation or preprocessor.truncation) != TRUNCATION:
        got = f"truncation: expected {TRUNCATION!r} in a graph, got the preprocessor's {preprocessor.truncation!r}"
        raise ValueError(f'{got}. Pass truncation="{TRUNCATION}" (for single texts there is no difference).')
    if preprocessor.seq_length is None:
        raise ValueError("preprocessor: expected a seq_length, got None. Make one with seq_length=128, for example.")
    options = preprocessor.tokenizer.get_config()
    names = {
        "strip_accents": options["strip_accents"] not in (None, options["lowercase"]),
        "tokenize_chinese_chars": not options["tokenize_chinese_chars"],
        "added_tokens": bool(options["added_tokens"]),
    }
    wrong = [f"{name}={options[name]!r}" for name, differs in names.items() if differs]
    if wrong:
        way_out = "Instead of exporting it, call it before the model, for example in tf.data.Dataset.map"
        raise ValueError(f"preprocessor: expected options that tensorflow-text has, got {', '.join(wrong)}. {way_out}.")


def import_tensorflow_text() -> Any:
    """Import tensorflow_text, which also registers the operations of the graph, and return it."""
    try:
        import tensorflow_text
    except Exception as error:  # ImportError, or TensorFlow's NotFoundError for another version's build
        import tensorflow as tf

        reason = str(error).partition("\n")[0]
        problem = f"tensorflow-text is missing or does not fit TensorFlow {tf.__version__} ({reason:.150})"
        install = f'pip install -e ".[export]" "tensorflow-text=={tf.__version__.rpartition(".")[0]}.*"'
        raise ImportError(f"{problem}. Install it: {install}") from None
    return tensorflow_text


def hub_model(preprocessor: BertPreprocessor, vocabulary: str) -> Any:
    """Return the object to save, with its parts."""
    import tensorflow as tf

    text = import_tensorflow_text()
    ids = preprocessor.tokenizer.special_tokens_dict()
    index = tf.lookup.TextFileIndex
    lines = tf.lookup.TextFileInitializer(vocabulary, tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER)
    table = tf.lookup.StaticHashTable(lines, default_value=preprocessor.tokenizer.unk_id)
    lowercase = preprocessor.tokenizer.get_config()["lowercase"]
    tokenizer = text.BertTokenizer(table, lower_case=lowercase, token_out_type=tf.int32)
    texts = tf.TensorSpec((None,), tf.string, "sentences")
    once = tf.function(input_signature=[texts], autograph=False)  # one copy in the graph for all callers
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
        part.vocabulary, part.lines = table, lines  # without `lines`, the loaded object could not be saved again
        part.get_special_tokens_dict = special
    return model


def packing_object(default: int, ids: dict[str, int]) -> Any:
    """Return `bert_pack_inputs`: from one or two ragged `[B, words, pieces]` or `[B, pieces]` to a dict of `[B, T]`."""
    import tensorflow as tf

    text = import_tensorflow_text()

    @tf.function(autograph=False)
    def call(inputs, seq_length=default):
        segments = [segment.merge_dims(1, -1) if segment.shape.rank > 2 else segment for segment in inputs]
        segments = text.RoundRobinTrimmer(seq_length - len(segments) - 1).trim(segments)
        joined, types = text.combine_segments(segments, ids["start_of_sequence_id"], ids["end_of_segment_id"])
        word_ids, mask = text.pad_model_inputs(joined, seq_length, ids["padding_id"])  # [B, T] each
        types, _ = text.pad_model_inputs(types, seq_length)  # [B, T]
        return dict(zip(INPUTS, (word_ids, mask, types), strict=True))

    length = tf.TensorSpec((), tf.int32, "seq_length")
    for rank in (2, 3):
        segment = tf.RaggedTensorSpec([None] * rank, tf.int32)
        for segments in ([segment], [segment, segment]):
            call.get_concrete_function(segments, seq_length=length)
    module = tf.Module()
    module.__call__ = call
    return module


def serving(model: Any) -> Any:
    """Return the function of `serving_default`."""
    import tensorflow as tf

    texts = tf.TensorSpec((None,), tf.string, "sentences")
    return tf.function(lambda sentences: model.__call__(sentences), input_signature=[texts], autograph=False)

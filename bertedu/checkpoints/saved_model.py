"""SavedModels of the TensorFlow Hub (Kaggle Models): encoders, with or without `.mlm`, and preprocessors, read as data.

A SavedModel is a program and its weights. The program is never run: the weights lie in variables/ as a checkpoint with
the names that `tensorflow` knows, the vocabulary in assets/. What the program alone says, which GELU it computes, is
taken to be the tanh form, as in every BERT that Google put there; `saved_model_writer` puts files beside the weights
that say it.
Chapter: notebooks/10_checkpoints.ipynb.
"""

from pathlib import Path

from bertedu.checkpoints import tensorflow
from bertedu.checkpoints.common import Contents, preprocessor_for
from bertedu.masked_lm import BertPretrainer, MaskedLM
from bertedu.text import BertTokenizer

LOOKED_FOR = "TensorFlow Hub: a SavedModel (saved_model.pb with variables/ and assets/)"
TRUNCATION = "round_robin"
GRAPH = "saved_model.pb"
FOLDS_CASE = "CaseFoldUTF8"  # the operation by which a preprocessor's tokenizer lower-cases; a cased one has none
TOKENIZER = "tokenizer.json"  # as Hugging Face's, beside the weights of a SavedModel of ours
MLM_ACTIVATION, MLM_EPSILON = "mlm_hidden_act", "mlm_layer_norm_eps"  # in bert_config.json, where the head's are others
TOKENIZES = ("WordpieceTokenizeWithOffsets", "FastWordpieceTokenizeWithOffsets")


def recognises(path):
    """Whether `path` is the directory of a SavedModel."""
    return (Path(path) / GRAPH).is_file()


def read(path, dtype=None):
    """The `Contents` of the SavedModel of an encoder; `dtype` and errors as in `tensorflow.read_encoder`."""
    encoder, has_pooler, spares = read_encoder(path, dtype)
    return Contents(
        encoder,
        has_pooler,
        preprocessor_for(read_tokenizer(path), encoder, TRUNCATION),
        spares,
        masked_lm=read_masked_lm(path, encoder),
    )


def read_encoder(path, dtype=None):
    """The `BertEncoder` of a SavedModel: what `tensorflow.read_encoder` returns and raises."""
    return tensorflow.read_encoder(find_variables(path), dtype)


def tensors(path):
    """The `TensorInfo` of every tensor in a SavedModel."""
    return tensorflow.tensors(find_variables(path))


def read_masked_lm(path, encoder):
    """The `BertPretrainer` of a SavedModel's `.mlm` on its `encoder`, or None where it has none."""
    prefix = find_variables(path)
    pretrainer, config = tensorflow.read_masked_lm(prefix, encoder), tensorflow.read_config(prefix.parent)
    if pretrainer is None or MLM_ACTIVATION not in config:
        return pretrainer
    name = config[MLM_ACTIVATION]
    if name not in tensorflow.ACTIVATIONS:
        where = prefix.parent / tensorflow.CONFIG
        raise ValueError(f"{where}: {MLM_ACTIVATION} is {name!r}; known are {', '.join(tensorflow.ACTIVATIONS)}.")
    head = MaskedLM(
        encoder.get_embedding_layer(),
        tensorflow.ACTIVATIONS[name],
        pretrainer.mlm_initializer,
        layer_norm_epsilon=config.get(MLM_EPSILON, encoder.layer_norm_epsilon),
        dtype=pretrainer.masked_lm.dtype_policy,
        name=pretrainer.masked_lm.name,
    )
    head.build((None, None, encoder.hidden_size))
    head.set_weights(pretrainer.masked_lm.get_weights())
    return BertPretrainer(encoder, head.activation, pretrainer.mlm_initializer, customized_masked_lm=head)


def read_tokenizer(path, lowercase=None):
    """The `BertTokenizer` of a SavedModel, an encoder or a preprocessor; None where it carries no vocab.txt.

    Args:
        path: directory of the SavedModel.
        lowercase: bool, or None for what the SavedModel says: an encoder in its variable `do_lower_case`, a
            preprocessor by whether it folds case; else as for `tensorflow.read_tokenizer`.

    Raises:
        FileNotFoundError, ValueError: files are missing or damaged, or nothing says whether it is lower case.
    """
    path = Path(path)
    vocabulary, whole = path / "assets" / "vocab.txt", path / "variables" / TOKENIZER
    if lowercase is None and whole.is_file():
        return BertTokenizer.from_file(whole)
    if not vocabulary.is_file():
        return None
    for source in (lowercase_of_variables, lowercase_of_graph):
        lowercase = source(path) if lowercase is None else lowercase
    if lowercase is None:
        lowercase = tensorflow.read_config(path).get("do_lower_case")
    return tensorflow.make_tokenizer(vocabulary, path, lowercase)


def find_variables(path):
    """The prefix of the checkpoint in a SavedModel."""
    path = Path(path)
    prefix = path / "variables" / "variables"
    if not recognises(path):
        raise FileNotFoundError(f"{path} holds no {GRAPH}: is it the directory of a SavedModel?")
    if not Path(f"{prefix}.index").is_file():
        raise FileNotFoundError(f"{path} is a SavedModel without its weights: {prefix}.index is missing.")
    return prefix


def lowercase_of_variables(path):
    """The value of the variable `do_lower_case`, or None."""
    prefix = find_variables(path)
    reader = tensorflow.open_reader(prefix)
    key = f"do_lower_case{tensorflow.VALUE}"
    return bool(tensorflow.read_value(reader, key, prefix)) if reader.has_tensor(key) else None


def lowercase_of_graph(path):
    """Whether the tokenizer in a preprocessor folds case; None where the SavedModel has no tokenizer in it."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    try:
        model = SavedModel.FromString((Path(path) / GRAPH).read_bytes())
    except DecodeError:
        raise ValueError(f"{Path(path) / GRAPH} is damaged or cut off: download it again.") from None
    functions = [function for graph in model.meta_graphs for function in graph.graph_def.library.function]
    operations = {node.op for function in functions for node in function.node_def}
    return FOLDS_CASE in operations if operations.intersection(TOKENIZES) else None

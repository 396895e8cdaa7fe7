"""TensorFlow checkpoints: google-research/bert's (TF1, by name) and tf-models' (TF2, object graphs), read as data.

The keys of a TF2 checkpoint follow the Python objects that were saved and differ from program to program. Beside each
key stands its variable's full name, though, and those are the same in tf-models' encoders of both generations, its
pretrainer, its classifiers, its scaffold and the Hub's SavedModels: one table of names serves them all. Sizes come from
the tensors' shapes; TF1's do not say how many heads there are, so that bert_config.json has to.

Reading is strict both ways, as in `huggingface`; nothing in a checkpoint is executed. What a checkpoint does not say is
taken to be as in all the published ones: post-norm, epsilon 1e-12, and the tanh form of GELU.
Chapter: notebooks/10_checkpoints.ipynb.
"""

import glob
import math
import re
from pathlib import Path
from typing import Any, NamedTuple

from bertedu import defaults
from bertedu.attention import MultiHeadAttention, TalkingHeadsAttention
from bertedu.checkpoints.common import (
    FLOATS,
    Contents,
    TensorInfo,
    common_dtype,
    preprocessor_for,
    read_json,
    shortened,
    weights,
)
from bertedu.checkpoints.tensorflow_names import FOREIGN, LAYERS, OPTIMIZER, SPARES, name_from_key, our_path, their_name
from bertedu.encoder import BertEncoder
from bertedu.feedforward import Feedforward, GatedFeedforward
from bertedu.masked_lm import BertPretrainer
from bertedu.text import BertTokenizer

LOOKED_FOR = (
    "TensorFlow: a checkpoint (NAME.index with NAME.data-…); from google-research/bert with its bert_config.json"
)
TRUNCATION = "round_robin"
OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"  # the entry that makes a checkpoint a TF2 one
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"  # the end of every key in one
UNTRANSLATED = (IndexError, RuntimeError, ValueError)  # what the reader raises besides TensorFlow's own errors

CONFIG = "bert_config.json"
SIZES = {
    "vocab_size": ("embeddings/word_embeddings/embeddings", "vocab_size"),
    "max_sequence_length": ("embeddings/position_embedding/embeddings", "max_position_embeddings"),
    "type_vocab_size": ("embeddings/type_embeddings/embeddings", "type_vocab_size"),
    "embedding_width": ("embeddings/layer_norm/gamma", "embedding_size"),
    "hidden_size": ("layer_0/output_layer_norm/gamma", "hidden_size"),
    "inner_dim": ("layer_0/feedforward/intermediate/bias", "intermediate_size"),
    "num_attention_heads": ("layer_0/self_attention/query/bias", "num_attention_heads"),
}
"""Our argument -> the weight whose first axis it is, and its field in bert_config.json."""

ACTIVATIONS = {
    "gelu": defaults.gelu_tanh,
    "gelu_exact": "gelu",
    "relu": "relu",
    "silu": "silu",
    "tanh": "tanh",
    "linear": "linear",
}
"""As in google-research/bert, whose "gelu" is the tanh form; "gelu_exact" and "silu" are words of ours."""


class Checkpoint(NamedTuple):
    """An open checkpoint, sorted by what we call its tensors.

    Args:
        prefix: path of its files without `.index` and `.data-...`.
        reader: TensorFlow's `CheckpointReader`.
        form: "TF1" or "TF2", whose names it has.
        keys: dict, our path of a weight -> key in the checkpoint.
        names: dict, key -> name.
        spares: names of what is neither encoder nor masked-LM head, and known.
        unknown: names of the rest.
        config: what bert_config.json says, {} where there is none.
    """

    prefix: Path
    reader: Any
    form: str
    keys: dict
    names: dict
    spares: list
    unknown: list
    config: dict


def recognises(path):
    """Whether `path` looks like a checkpoint of TensorFlow's: a directory that holds one, or a prefix."""
    path = Path(path)
    if path.is_dir():
        return any(file.is_file() for sign in ("checkpoint", "*.index", "*.data-*-of-*") for file in path.glob(sign))
    return Path(f"{without_index(path)}.index").is_file()


def read(path, dtype=None):
    """The `Contents` of a TensorFlow checkpoint; arguments and errors as in `read_encoder`."""
    encoder, has_pooler, spares = read_encoder(path, dtype)
    preprocessor = preprocessor_for(read_tokenizer(path), encoder, TRUNCATION)
    return Contents(encoder, has_pooler, preprocessor, spares, masked_lm=read_masked_lm(path, encoder))


def read_encoder(path, dtype=None):
    """The `BertEncoder` of a TensorFlow checkpoint.

    Args:
        path: a directory with one checkpoint, or a checkpoint's prefix ("bert_model.ckpt", "ckpt-1000").
        dtype: name of the type that the weights shall have (None: the one they have there).

    Returns:
        encoder, whether the checkpoint had a pooler, and the list of its tensors that were left aside.

    Raises:
        FileNotFoundError, ValueError: a file or tensor is missing, unknown, mis-shaped or damaged.
        ImportError: TensorFlow is not installed.
    """
    checkpoint = open_checkpoint(path)
    encoder = build_encoder(checkpoint, dtype)
    variables = weights(encoder)
    head = {ours for ours in checkpoint.keys if ours.startswith("masked_lm/")}
    with_pooler = any(ours.startswith("pooler_transform/") for ours in checkpoint.keys)
    missing = variables.keys() - checkpoint.keys.keys()
    if not with_pooler:
        missing -= {ours for ours in missing if ours.startswith("pooler_transform/")}
    surplus = checkpoint.keys.keys() - variables.keys() - head
    refuse(checkpoint, missing, [checkpoint.names[checkpoint.keys[ours]] for ours in surplus])
    assign({ours: variable for ours, variable in variables.items() if ours in checkpoint.keys}, checkpoint)
    return encoder, with_pooler, checkpoint.spares + sorted(checkpoint.names[checkpoint.keys[ours]] for ours in head)


def read_masked_lm(path, encoder):
    """The `BertPretrainer` of a checkpoint on its `encoder`, or None where it holds no masked-LM head.

    Its activation is the encoder's, as in every checkpoint of Google's. Raises as `read_encoder`.
    """
    checkpoint = open_checkpoint(path)
    if not any(ours.startswith("masked_lm/") for ours in checkpoint.keys):
        return None
    pretrainer = BertPretrainer(encoder, encoder.inner_activation, defaults.initializer())
    head = {ours: v for ours, v in weights(encoder, pretrainer).items() if ours.startswith("masked_lm/")}
    refuse(checkpoint, head.keys() - checkpoint.keys.keys())
    assign(head, checkpoint)
    return pretrainer


def tensors(path):
    """The `TensorInfo` of every tensor in a checkpoint."""
    checkpoint = open_checkpoint(path)
    shapes, dtypes = checkpoint.reader.get_variable_to_shape_map(), checkpoint.reader.get_variable_to_dtype_map()
    ours = {key: path for path, key in checkpoint.keys.items()}
    return [
        TensorInfo(name, tuple(shapes[key]), dtypes[key].name, ours.get(key), name not in checkpoint.unknown)
        for key, name in checkpoint.names.items()
    ]


def read_tokenizer(path, lowercase=None):
    """The `BertTokenizer` of the vocab.txt beside a checkpoint, or None where there is none.

    Args:
        path: as for `read_encoder`.
        lowercase: bool, or None for what bert_config.json ("do_lower_case") says, or else, as google-research/bert's
            own check does, the name of the directory: "uncased" or "cased" in it or in the two above it.

    Raises:
        FileNotFoundError: no checkpoint there.
        ValueError: a damaged vocabulary, or nothing says whether it is lower case.
    """
    directory = find_prefix(path).parent
    vocabulary = directory / "vocab.txt"
    if not vocabulary.is_file():
        return None
    if lowercase is None:
        lowercase = read_config(directory).get("do_lower_case")
    return make_tokenizer(vocabulary, directory, lowercase)


def make_tokenizer(vocabulary, directory, lowercase=None):
    """The `BertTokenizer` of a vocab.txt; where `lowercase` is None, the directory's name must say what it is."""
    for folder in [directory.absolute(), *directory.absolute().parents][:3]:
        if lowercase is None and "cased" in folder.name.lower():
            lowercase = "uncased" in folder.name.lower()
    if lowercase is None:
        raise ValueError(
            f"Nothing says whether {vocabulary} is for lower-case text: write "
            f'"do_lower_case": true (or false) into {directory / CONFIG}, or name the directory "uncased" or "cased".'
        )
    try:
        return BertTokenizer(vocabulary, lowercase=bool(lowercase))
    except ValueError as error:
        raise ValueError(f"{vocabulary}: {error}") from None


def open_checkpoint(path):
    """The `Checkpoint` at `path`; see `read_encoder`."""
    prefix = find_prefix(path)
    reader = open_reader(prefix)
    names = variable_names(reader, prefix)
    form = "TF1" if any(LAYERS["TF1"].fullmatch(name) for name in names.values()) else "TF2"
    scaffolds = [re.match(r"(?:.*/)?transformer_scaffold(?:_(\d+))?/", name) for name in names.values()]
    first = min((int(found[1] or 0) for found in scaffolds if found), default=0)  # Keras counts on within a process
    keys, spares, unknown = {}, [], []
    for key, name in sorted(names.items()):
        of_training = OPTIMIZER.search(key) or OPTIMIZER.search(name)
        ours = None if of_training else our_path(name, form, first)
        if ours in keys:
            raise ValueError(f"{prefix} holds more than one BERT: both {keys[ours]!r} and {key!r} are {name!r} in one.")
        if ours is not None:
            keys[ours] = key
        elif of_training or SPARES.search(key) or SPARES.search(name):
            spares.append(name)
        else:
            unknown.append(name)
    return Checkpoint(prefix, reader, form, keys, names, spares, unknown, read_config(prefix.parent))


def variable_names(reader, prefix):
    """Each key's name: itself in TF1, in TF2 the variable's full name (its key in tf-models' words if it has none)."""
    shapes = reader.get_variable_to_shape_map()
    if OBJECT_GRAPH not in shapes:
        return {key: key for key in shapes}
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

    try:
        graph = TrackableObjectGraph.FromString(read_value(reader, OBJECT_GRAPH, prefix))
    except DecodeError:
        raise ValueError(f"{prefix}.index: its object graph is damaged; download it again.") from None
    saved = {a.checkpoint_key: a.full_name for node in graph.nodes for a in node.attributes}
    names = {}
    for key in shapes.keys() - {OBJECT_GRAPH}:
        short = key.removesuffix(VALUE)
        name = saved.get(key) or name_from_key(short)
        names[key] = name if "/" in name else short  # a name like "Variable" says less than the key
    return names


def find_prefix(path):
    """The prefix of the checkpoint at `path`: itself, or in a directory the newest by its `checkpoint` file."""
    path = Path(path)
    if not path.is_dir():
        prefix = without_index(path)
        if not Path(f"{prefix}.index").is_file():
            raise FileNotFoundError(f"There is no checkpoint {path}: neither a directory nor a file {prefix}.index.")
        return prefix
    found = sorted(file.name.removesuffix(".index") for file in path.glob("*.index"))
    state = path / "checkpoint"
    if state.is_file():
        latest = re.search(r'^model_checkpoint_path: "(.+)"', state.read_text(encoding="utf-8"), re.MULTILINE)
        name = Path(latest[1]).name if latest else None
        found = [name] if name in found else found
    if not found:
        raise FileNotFoundError(f"{path} holds no checkpoint: a file that ends in .index is needed, and its data.")
    if len(found) > 1:
        raise ValueError(f"{path} holds several checkpoints: name one of {shortened(found)}, as in {path / found[0]}.")
    return path / found[0]


def without_index(path):
    """A prefix, also where the file of the index was given."""
    return path.with_name(path.name.removesuffix(".index"))


def open_reader(prefix):
    """TensorFlow's reader of a checkpoint whose files are all there."""
    try:
        import tensorflow as tf
    except ImportError:
        raise ImportError(f"To read {prefix}, TensorFlow has to be installed: pip install tensorflow") from None
    shards = sorted(file.name for file in prefix.parent.glob(glob.escape(prefix.name) + ".data-*-of-*"))
    count = int(shards[0].rpartition("-")[2]) if shards else 1
    wanted = {f"{prefix.name}.data-{i:05}-of-{count:05}" for i in range(count)}
    if wanted - set(shards):
        raise FileNotFoundError(f"{prefix}.index has no data: {shortened(sorted(wanted - set(shards)))} is missing.")
    try:
        return tf.train.load_checkpoint(str(prefix))
    except (tf.errors.OpError, *UNTRANSLATED) as error:
        raise damaged(f"{prefix}.index", error) from None


def read_value(reader, key, prefix):
    """One value of a checkpoint; the file is named when it is damaged."""
    import tensorflow as tf

    try:
        return reader.get_tensor(key)
    except (tf.errors.OpError, *UNTRANSLATED) as error:
        raise damaged(f"{prefix}.data-*, read for {key!r},", error) from None


def damaged(what, error):
    """The ValueError for a file that TensorFlow cannot read."""
    return ValueError(f"{what} is damaged or cut off ({str(error).splitlines()[0]:.150}): download it again.")


def read_config(directory):
    """bert_config.json as a dict, {} where there is none."""
    path = directory / CONFIG
    return read_json(path) if path.is_file() else {}


def build_encoder(checkpoint, dtype=None):
    """A `BertEncoder` of the sizes in a checkpoint; its weights are zeros, waiting for the checkpoint's."""
    config, path = checkpoint.config, checkpoint.prefix.parent / CONFIG
    activation = config.get("hidden_act", "gelu")
    if activation not in ACTIVATIONS:
        raise ValueError(f"{path}: hidden_act is {activation!r}; known are {', '.join(ACTIVATIONS)}.")
    kinds = {ours.split("/", 1)[1] for ours in checkpoint.keys}
    sizes = read_sizes(checkpoint)
    dtypes = checkpoint.reader.get_variable_to_dtype_map()
    try:
        encoder = BertEncoder(
            **sizes,
            inner_activation=ACTIVATIONS[activation],
            output_dropout=config.get("hidden_dropout_prob", defaults.DROPOUT),
            attention_dropout=config.get("attention_probs_dropout_prob", defaults.DROPOUT),
            layer_norm_epsilon=config.get("layer_norm_eps", defaults.LAYER_NORM_EPSILON),
            initializer="zeros",  # as in `huggingface`: random numbers would only be overwritten
            attention_cls=TalkingHeadsAttention if "self_attention/pre_softmax_weight" in kinds else MultiHeadAttention,
            feedforward_cls=GatedFeedforward if "feedforward/gate/kernel" in kinds else Feedforward,
            dtype=dtype or common_dtype(dtypes[key].name for key in checkpoint.keys.values()),
            name="bert",
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"{checkpoint.prefix} describes no BERT: {error}") from None
    encoder.initializer = defaults.initializer()  # what a new head on it, or a fresh copy, starts from
    return encoder


def read_sizes(checkpoint):
    """The sizes of the encoder in a checkpoint, from its shapes and bert_config.json, which must agree."""
    layers = {int(ours.split("/")[0][6:]) for ours in checkpoint.keys if ours.startswith("layer_")}
    refuse(checkpoint, [] if layers else ["layer_0/self_attention/query/kernel"])
    refuse(checkpoint, {ours for ours, _ in SIZES.values()} - checkpoint.keys.keys())
    config, path = checkpoint.config, checkpoint.prefix.parent / CONFIG
    shapes = checkpoint.reader.get_variable_to_shape_map()
    sizes = {"num_layers": (max(layers) + 1, "num_hidden_layers")}
    for argument, (ours, field) in SIZES.items():
        shape = shapes[checkpoint.keys[ours]]
        sizes[argument] = (shape[0] if shape else 0), field
    if checkpoint.form == "TF1":
        if "num_attention_heads" not in config:
            raise ValueError(
                f"{checkpoint.prefix}: a TF1 checkpoint does not say how many heads it has; {path} must hold "
                '"num_attention_heads", as it does beside each that Google published.'
            )
        sizes["num_attention_heads"] = config["num_attention_heads"], "num_attention_heads"
    for found, field in sizes.values():
        if config.get(field) not in (None, found):
            raise ValueError(
                f"{path} says {field} {config[field]}, but the tensors of {checkpoint.prefix} say {found}."
            )
    return {argument: found for argument, (found, _) in sizes.items()}


def assign(variables, checkpoint):
    """Fills `variables`, a dict by our paths, with the checkpoint's tensors."""
    dtypes = checkpoint.reader.get_variable_to_dtype_map()
    shapes = checkpoint.reader.get_variable_to_shape_map()
    for ours, variable in variables.items():
        key = checkpoint.keys[ours]
        what = f"{checkpoint.prefix}: the tensor {checkpoint.names[key]!r}"
        if dtypes[key].name not in FLOATS:
            raise ValueError(f"{what} holds {dtypes[key].name}; weights are read from {', '.join(FLOATS)} only.")
        expected = stored_shape(variable, ours, checkpoint.form)
        if tuple(shapes[key]) != expected:
            raise ValueError(f"{what} has shape {tuple(shapes[key])}, but the model's sizes make it {expected}.")
        array = read_value(checkpoint.reader, key, checkpoint.prefix)
        variable.assign(array.reshape(variable.shape))


def stored_shape(variable, ours, form):
    """The shape of a weight in a checkpoint: ours in TF2; in TF1 heads are not split."""
    shape = tuple(variable.shape)
    if form == "TF2" or len(shape) < 2:
        return shape
    if ours.endswith("bias"):
        return (math.prod(shape),)
    split = len(shape) - 1 if "attention_output" in ours else 1  # the axes of `shape` that are inputs
    return math.prod(shape[:split]), math.prod(shape[split:])


def refuse(checkpoint, missing=(), surplus=()):
    """Raises ValueError unless nothing is missing (our paths) and nothing unknown (their names)."""
    unknown = sorted({*checkpoint.unknown, *surplus})
    missing = sorted(their_name(ours, checkpoint.form) for ours in missing)
    if missing or unknown:
        kinds = [kind for sign, kind in FOREIGN.items() if any(re.search(sign, name, re.I) for name in unknown)]
        hint = f" It looks like a checkpoint of {kinds[0]}, which is another architecture." if kinds else ""
        if not checkpoint.keys and not unknown:
            hint = " There are no weights in it at all, as in the SavedModel of a preprocessor."
        raise ValueError(
            f"{checkpoint.prefix} does not hold a whole BERT. Missing: {shortened(missing)}. "
            f"Unknown: {shortened(unknown)}.{hint}"
        )

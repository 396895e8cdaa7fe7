"""From a checkpoint's description to a model: check its tensors, build the model and fill it. Shared by all formats.

Chapter: notebooks/11_checkpoints.ipynb.
"""

from typing import Any, NamedTuple

import keras

from bertedu import defaults
from bertedu.backend.variables import uninitialized
from bertedu.checkpoints import configuration as conf
from bertedu.checkpoints import objects, strict
from bertedu.checkpoints.common import weights
from bertedu.classifier import BertClassifier, ClassificationHead
from bertedu.encoder import BertEncoder
from bertedu.fields import shown
from bertedu.masked_lm import BertPretrainer, MaskedLM
from bertedu.serialization import serialize
from bertedu.token_classifier import BertTokenClassifier


class Heads(NamedTuple):
    """Configurations of a model's heads, as the file holds them, not checked yet.

    Args:
        masked_lm: dict, configuration of a `MaskedLM`. Defaults to None: no such head.
        pretrainer: dict, configuration of a `BertPretrainer`. Defaults to None.
        classifier: dict, configuration of a `BertClassifier` without its network. Defaults to None.
        token_classifier: dict, configuration of a `BertTokenClassifier` without its network. Defaults to None.
    """

    masked_lm: dict | None = None
    pretrainer: dict | None = None
    classifier: dict | None = None
    token_classifier: dict | None = None


class Description(NamedTuple):
    """The model in a checkpoint, before anything is allocated.

    Args:
        arguments: dict, checked arguments of its `BertEncoder`.
        heads: its `Heads`.
        source: the configuration file, for messages.
        stored: its tensors, a `strict.Stored`.
    """

    arguments: dict[str, Any]
    heads: Heads
    source: Any
    stored: strict.Stored


def check(described: Description) -> None:
    """Compare all tensors of a checkpoint with the described model, before the model is built.

    Raises:
        ValueError: as `strict.check`.
    """
    strict.check(described.stored, *model_shapes(described.arguments, described.heads, described.source))


def fill(described: Description, dtype: str | None = None) -> dict[str, Any]:
    """Build the described model and read its weights.

    Args:
        described: a `Description`.
        dtype: name of the dtype policy. Defaults to the description's.

    Returns:
        dict of arguments of a `Bert`: `encoder`, `masked_lm`, `classifier`, `token_classifier` and `has_pooler`.

    Raises:
        ValueError: the configuration is invalid, or as `strict.fill`.
    """
    parts = build(described.arguments, described.heads, described.source, dtype)
    return parts | {"has_pooler": strict.fill(described.stored, weights(**parts))}


def model_shapes(arguments: dict, heads: Heads, source: Any) -> tuple[dict[str, tuple[int, ...]], list[str]]:
    """Return `strict.model_shapes` of a described model. Raises ValueError if the heads do not divide hidden_size."""
    hidden, count = arguments["hidden_size"], arguments["num_attention_heads"]
    if hidden % count:
        raise ValueError(f"{source}: hidden_size: expected a multiple of num_attention_heads={count}, got {hidden}.")
    classifier = heads.classifier and classifier_shapes(heads.classifier, hidden, source)
    classes = None
    if heads.token_classifier is not None:
        classes = head_arguments(heads.token_classifier, source, "token_classifier")["num_classes"]
    return strict.model_shapes(arguments, (heads.masked_lm, heads.pretrainer) != (None, None), classifier, classes)


def build(arguments: dict, heads: Heads, source: Any, dtype: str | None = None) -> dict[str, Any]:
    """Build the described model without reading its weights. Until they are assigned, they have arbitrary values.

    Args:
        arguments: dict, arguments of a `BertEncoder`, as from `configuration.encoder_arguments`.
        heads: `Heads`.
        source: the file, for messages.
        dtype: name of the dtype policy. Defaults to the file's.

    Returns:
        dict of arguments of a `Bert`: `encoder`, `masked_lm`, `classifier` and `token_classifier`.

    Raises:
        ValueError: a configuration is invalid.
    """
    try:
        encoder = BertEncoder(**arguments | {"initializer": uninitialized, "dtype": dtype or arguments["dtype"]})
        encoder.initializer = arguments["initializer"]
        masked_lm = classifier = token_classifier = None
        if heads.pretrainer is not None:
            masked_lm = pretrainer(encoder, heads.pretrainer, source, dtype)
        elif heads.masked_lm is not None:
            head = masked_lm_head(encoder, heads.masked_lm, source, dtype)
            masked_lm = BertPretrainer(encoder, head.activation, head.initializer, customized_masked_lm=head)
        if heads.classifier is not None:
            classifier = BertClassifier(encoder, **classifier_arguments(heads.classifier, source, dtype))
        if heads.token_classifier is not None:
            options = head_arguments(heads.token_classifier, source, "token_classifier", dtype)
            token_classifier = BertTokenClassifier(encoder, **options)
    except (TypeError, ValueError) as error:
        message = "" if str(source) in str(error) else f"{source}: the configuration is invalid: "
        raise ValueError(f"{message}{error}") from None
    heads_by_name = {"masked_lm": masked_lm, "classifier": classifier, "token_classifier": token_classifier}
    return {"encoder": encoder, **heads_by_name}


def pretrainer(encoder: BertEncoder, config: Any, source: Any, dtype: str | None = None) -> BertPretrainer:
    """Build the `BertPretrainer` of a configuration on `encoder`."""
    required = ("classification_heads", "customized_masked_lm")
    arguments: Any = objects.read_layer(config, conf.PRETRAINER, source, required)
    heads, head = (arguments.pop(name) for name in required)
    if head is not None:
        _, head = objects.record(head, source, "customized_masked_lm", ("bertedu>MaskedLM",))
        head = masked_lm_head(encoder, head, source, dtype)
    if not isinstance(heads, list):
        raise ValueError(f"{source}: classification_heads: expected a list, got {shown(heads)}.")
    heads = [classification_head(value, source, "classification_heads", dtype) for value in heads]
    return BertPretrainer(encoder, classification_heads=heads, customized_masked_lm=head, **arguments)


def masked_lm_config(activation: str, epsilon: float, dtype: str) -> dict[str, Any]:
    """Return the configuration of a masked-LM head, for formats that do not store one.

    Args:
        activation: name of its activation in `objects.ACTIVATIONS`.
        epsilon: float, epsilon of its layer normalization.
        dtype: name of its dtype policy.
    """
    return {
        "name": "cls_predictions",
        "activation": activation,
        "initializer": serialize(defaults.initializer()),
        "layer_norm_epsilon": epsilon,
        "dtype": dtype,
    }


def masked_lm_head(encoder: BertEncoder, config: Any, source: Any, dtype: str | None = None) -> MaskedLM:
    """Build the `MaskedLM` of a configuration on the word embedding table of `encoder`."""
    arguments = objects.read_layer(config, conf.MASKED_LM, f"{source}, masked_lm", dtype=dtype)
    return MaskedLM(encoder.get_embedding_layer(), **arguments)


def classifier_arguments(config: Any, source: Any, dtype: str | None = None) -> dict[str, Any]:
    """Return the checked arguments of a `BertClassifier`."""
    arguments = head_arguments(config, source, "classifier", dtype)
    if arguments.get("cls_head") is not None:
        arguments["cls_head"] = classification_head(arguments["cls_head"], source, "cls_head", dtype)
    return arguments


def head_arguments(config: Any, source: Any, kind: str, dtype: str | None = None) -> dict[str, Any]:
    """Return the checked arguments of a `BertClassifier` ("classifier") or `BertTokenClassifier` ("token_classifier").

    The `cls_head` of the former is not read yet.
    """
    location = f"{source}, {kind}"
    table = conf.CLASSIFIER if kind == "classifier" else conf.TOKEN_CLASSIFIER
    arguments = objects.read_layer(config, table, location, ("num_classes",), dtype)
    names = arguments.get("class_names")
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise ValueError(f"{location}: class_names: expected null or a list of strings, got {shown(names)}.")
    return arguments


def classification_head(value: Any, source: Any, field: str, dtype: str | None = None) -> keras.layers.Layer:
    """Build a `Dense` layer or a `ClassificationHead` from its serialized form."""
    classes = {
        "Dense": (keras.layers.Dense, objects.DENSE, ("units",)),
        "bertedu>ClassificationHead": (ClassificationHead, conf.HEAD, ("inner_dim", "num_classes")),
    }
    name, config = objects.record(value, source, field, tuple(classes))
    layer_class, table, required = classes[name]
    return layer_class(**objects.read_layer(config, table, f"{source}, {field}", required, dtype))


def classifier_shapes(config: Any, hidden: int, source: Any) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a classifier's weights by their paths within it, without building it."""
    arguments = classifier_arguments(config, source)
    head = arguments.get("cls_head")
    if isinstance(head, keras.layers.Dense):
        shapes = strict.dense("", hidden, head.units)
        return {path.removeprefix("/"): shape for path, shape in shapes.items() if head.use_bias or "bias" not in path}
    inner = head.inner_dim if head else 0 if arguments.get("use_encoder_pooler", True) else hidden
    classes = head.num_classes if head else arguments["num_classes"]
    pooler = strict.dense("pooler_dense", hidden, inner) if inner else {}
    return pooler | strict.dense("logits", inner or hidden, classes)

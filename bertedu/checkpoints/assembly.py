"""Models put together from the configurations in bertedu.json and `.keras` files, their weights waiting to be filled.

Chapter: notebooks/10_checkpoints.ipynb.
"""

from typing import NamedTuple

import keras

from bertedu.checkpoints import configuration as conf
from bertedu.checkpoints.strict import dense
from bertedu.classifier import BertClassifier, ClassificationHead
from bertedu.encoder import BertEncoder
from bertedu.fields import read_fields, shown
from bertedu.masked_lm import BertPretrainer, MaskedLM


class Heads(NamedTuple):
    """What a file says of the heads of a model, not checked yet.

    Args:
        masked_lm: None, or the configuration of a `MaskedLM`.
        pretrainer: None, or that of a `BertPretrainer`.
        classifier: None, or that of a `BertClassifier` without its network.
    """

    masked_lm: dict | None = None
    pretrainer: dict | None = None
    classifier: dict | None = None


def build(arguments, heads, source, dtype=None):
    """Return the encoder, the `BertPretrainer` or None, and the `BertClassifier` or None.

    Args:
        arguments: what `configuration.encoder_arguments` returned.
        heads: `Heads`.
        source: the file, for messages.
        dtype: name of the precision that is wanted (None: the file's).

    Raises:
        ValueError: a configuration describes no model of ours.
    """
    try:
        # Random weights would only be overwritten, and take longer to make than to read.
        encoder = BertEncoder(**arguments | {"initializer": "zeros"})
        encoder.initializer = arguments["initializer"]
        masked_lm = classifier = None
        if heads.pretrainer is not None:
            masked_lm = pretrainer(encoder, heads.pretrainer, source, dtype)
        elif heads.masked_lm is not None:
            head = masked_lm_head(encoder, heads.masked_lm, source, dtype)
            masked_lm = BertPretrainer(encoder, head.activation, head.initializer, customized_masked_lm=head)
        if heads.classifier is not None:
            classifier = BertClassifier(encoder, **classifier_arguments(heads.classifier, source, dtype))
    except (TypeError, ValueError) as error:
        raise ValueError(
            error if str(source) in str(error) else f"{source} describes no model of ours: {error}"
        ) from None
    return encoder, masked_lm, classifier


def pretrainer(encoder, config, source, dtype=None):
    """Return a `BertPretrainer` on `encoder`."""
    fields = read_fields(config, conf.PRETRAINER, source, required=("classification_heads", "customized_masked_lm"))
    head, heads = fields["customized_masked_lm"], fields["classification_heads"]
    if head is not None:
        _, head = conf.record(head, source, "customized_masked_lm", ("bertedu>MaskedLM",))
        head = masked_lm_head(encoder, head, source, dtype)
    if not isinstance(heads, list):
        raise ValueError(f"{source}: classification_heads must be a list; got {shown(heads)}.")
    return BertPretrainer(
        encoder,
        conf.activation(fields.get("mlm_activation"), source, "mlm_activation"),
        conf.initializer(fields.get("mlm_initializer", "glorot_uniform"), source, "mlm_initializer"),
        classification_heads=[classification_head(found, source, "classification_heads", dtype) for found in heads],
        customized_masked_lm=head,
        name=fields.get("name"),
    )


def masked_lm_head(encoder, config, source, dtype=None):
    """Return a `MaskedLM` on the table of `encoder`."""
    place = f"{source}, masked_lm"
    arguments = conf.with_objects(read_fields(config, conf.MASKED_LM, place), place, dtype)
    return MaskedLM(encoder.get_embedding_layer(), **arguments)


def classifier_arguments(config, source, dtype=None):
    """Return the arguments of a `BertClassifier`, plain and checked."""
    place = f"{source}, classifier"
    arguments = conf.with_objects(read_fields(config, conf.CLASSIFIER, place, required=("num_classes",)), place)
    names = arguments.get("class_names")
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise ValueError(f"{place}: class_names must be null or a list of strings; got {shown(names)}.")
    if arguments.get("cls_head") is not None:
        arguments["cls_head"] = classification_head(arguments["cls_head"], source, "cls_head", dtype)
    return arguments


def classification_head(value, source, field, dtype=None):
    """Return a `Dense` layer or a `ClassificationHead` from Keras' record of it."""
    kinds = {"Dense": (keras.layers.Dense, conf.DENSE), "bertedu>ClassificationHead": (ClassificationHead, conf.HEAD)}
    name, config = conf.record(value, source, field, tuple(kinds))
    kind, table = kinds[name]
    place = f"{source}, {field}"
    required = ("units",) if kind is keras.layers.Dense else ("inner_dim", "num_classes")
    return kind(**conf.with_objects(read_fields(config, table, place, required=required), place, dtype))


def classifier_shapes(config, hidden, source):
    """Return the shapes of a classifier's weights by their paths in it, before it is built; None without one."""
    if config is None:
        return None
    arguments = classifier_arguments(config, source)
    head = arguments.get("cls_head")
    if isinstance(head, keras.layers.Dense):
        shapes = dense("", hidden, head.units)
        return {path.removeprefix("/"): shape for path, shape in shapes.items() if head.use_bias or "bias" not in path}
    inner = head.inner_dim if head else 0 if arguments.get("use_encoder_pooler", True) else hidden
    classes = head.num_classes if head else arguments["num_classes"]
    pooler = dense("pooler_dense", hidden, inner) if inner else {}
    return pooler | dense("logits", inner or hidden, classes)

"""Write SavedModels with the interface of TensorFlow Hub's BERTs.

    model = tf.saved_model.load(path)
    model(inputs, training=False)               sequence_output, pooled_output, default, encoder_outputs
    model.mlm(inputs + masked_lm_positions)     the same without default, and mlm_logits

A SavedModel is a program, traced by TensorFlow, and its weights. It runs without Keras and without this package.
Chapter: notebooks/11_checkpoints.ipynb.
"""

from pathlib import Path
from typing import Any

import keras

from bertedu.attention import MultiHeadAttention, TalkingHeadsAttention
from bertedu.backend import devices
from bertedu.bert import Bert
from bertedu.checkpoints.common import check_table, special_parts, weights
from bertedu.checkpoints.configuration import published_fields
from bertedu.checkpoints.names import Names
from bertedu.checkpoints.objects import activation_name
from bertedu.checkpoints.tensorflow import configuration as conf
from bertedu.checkpoints.tensorflow.configuration import ACTIVATIONS
from bertedu.checkpoints.tensorflow.hub_object import hub_object, save
from bertedu.checkpoints.tensorflow.names import tf2_names
from bertedu.checkpoints.tensorflow.saved_model import TOKENIZER
from bertedu.encoder import BertEncoder
from bertedu.feedforward import Feedforward, GatedFeedforward
from bertedu.fields import read_fields
from bertedu.files import replacing, write_json
from bertedu.inputs import INPUTS
from bertedu.masked_lm import BertPretrainer, MaskedLM

POSITIONS = "masked_lm_positions"
POOLED = ("pooled_output", "default")
OUTPUTS = ("sequence_output", *POOLED, "encoder_outputs", "mlm_logits")
POOLER = "pooler_transform/"


def export_saved_model(bert: Bert, path: str | Path, *, overwrite: bool = False) -> Path:
    """Export a BERT as a SavedModel with the interface of TensorFlow Hub (Kaggle Models).

    `tf.saved_model.load(path)` and `hub.KerasLayer(path, trainable=True)` return an object that is called with a dict
    of int32 `input_word_ids`, `input_mask`, `input_type_ids` `[B, T]`; `training=True` turns dropout on. It has the
    attributes `variables`, `trainable_variables` (all weights, even frozen ones), `regularization_losses`,
    `vocab_file`, `do_lower_case` and, for a BERT with a masked-LM head, `mlm`, which also takes `masked_lm_positions`
    `[B, M]`. Variables are named as in tf-models ("transformer/layer_0/self_attention/query/kernel:0"). In Keras 3, use
    `keras.layers.TFSMLayer(path, call_endpoint="__call__", trainable=True)`. The outputs of the signature
    `serving_default` are `sequence_output`, `pooled_output`, `encoder_output_0`, `encoder_output_1`, ...

    A BERT without a pretrained pooler (`has_pooler=False`) is exported without `pooled_output` and `default`. A
    classifier is not exported. `be.load(path)` restores everything else bit for bit.

    Args:
        bert: a `Bert`, or any object with `encoder`, `masked_lm`, `tokenizer` and `has_pooler`.
        path: string or path, the directory to write.
        overwrite: bool, whether to replace an existing `path`. Defaults to False.

    Returns:
        the `Path` of the directory.

    Raises:
        FileExistsError: `path` exists and `overwrite` is False.
        ValueError: Keras runs on another backend, or the format cannot store a part of `bert`: `norm_first`,
            `output_range`, an activation without a name, or layers of other classes.

    Example:
        export_saved_model(be.load("minilm"), "minilm_saved")
        outputs = tf.saved_model.load("minilm_saved")(inputs)
    """
    check(bert)
    fields = config(bert)
    with replacing(path, overwrite) as new:
        vocabulary = new.parent / "vocab.txt"
        bert.tokenizer.save_vocabulary(vocabulary)
        model = hub_model(bert, vocabulary)
        save(model, new, serving(model))
        write_json(new / "variables" / conf.CONFIG, fields)  # beside the weights, what the graph does not contain
        bert.tokenizer.save(new / "variables" / TOKENIZER)
    return Path(path)


def check(bert: Bert) -> None:
    """Raise ValueError unless Keras runs on TensorFlow and the format can store every part of `bert`."""
    if (backend := devices.backend()) != "tensorflow":
        raise ValueError(f"backend: expected 'tensorflow', got {backend!r}. Set KERAS_BACKEND=tensorflow and restart.")
    encoder, pretrainer = bert.encoder, bert.masked_lm
    head = pretrainer and pretrainer.masked_lm
    why = special_parts(encoder, (MultiHeadAttention, TalkingHeadsAttention), (Feedforward, GatedFeedforward))
    activations = [encoder.inner_activation]
    if isinstance(head, MaskedLM):
        activations.append(head.activation)
        why += [f"output={head.output_kind!r} of the masked-LM head"] if head.output_kind != "logits" else []
        why += ["classification_heads"] if pretrainer and pretrainer.classification_heads else []
    elif head is not None:
        why.append(f"a masked-LM head of the class {type(head).__name__}")
    why += [f"the activation {function!r}" for function in activations if not activation_name(function, ACTIVATIONS)]
    if why:
        got = f"got {' and '.join(why)}. Use keras.Model.export instead"
        raise ValueError(f"bert: expected a model that TensorFlow Hub's interface supports, {got}.")
    check_table(bert)


def config(bert: Bert) -> dict[str, Any]:
    """Return the content of bert_config.json, with google-research/bert's fields.

    Raises:
        ValueError: `saved_model.read` would refuse it.
    """
    encoder, head = bert.encoder, bert.masked_lm and bert.masked_lm.masked_lm
    fields = published_fields(encoder, conf.SIZES, ACTIVATIONS) | {conf.LOWERCASE: bert.tokenizer.lowercase}
    if head is not None:
        activation, epsilon = activation_name(head.activation, ACTIVATIONS), head.layer_norm.epsilon
        if (activation, epsilon) != (fields[conf.ACTIVATION], fields[conf.EPSILON]):
            fields |= {conf.MLM_ACTIVATION: activation, conf.MLM_EPSILON: epsilon}
    read_fields(fields, conf.FIELDS, f"The {conf.CONFIG} of this model")
    return fields


def hub_model(bert: Bert, vocabulary: Path) -> Any:
    """Return the object to save: copies of the weights under TensorFlow Hub's names, and functions that use them."""
    import tensorflow as tf

    names = hub_names(bert.encoder)
    copies = {
        path: tf.Variable(variable.value, name=("bert/" if path.startswith("masked_lm/") else "") + names.name(path))
        for path, variable in weights(bert.encoder, bert.masked_lm).items()
        if bert.has_pooler or not path.startswith(POOLER)
    }
    of_encoder = {path: copy for path, copy in copies.items() if not path.startswith("masked_lm/")}
    model = encoder_object(bert.encoder, None, of_encoder)
    model.vocab_file = tf.saved_model.Asset(str(vocabulary))
    model.do_lower_case = tf.Variable(bert.tokenizer.get_config()["lowercase"], trainable=False, name="do_lower_case")
    model.variables.append(model.do_lower_case)
    if bert.masked_lm is not None:
        model.mlm = encoder_object(bert.encoder, bert.masked_lm, copies)
    return model


def hub_names(encoder: BertEncoder) -> Names:
    """Return the names of weights in TensorFlow Hub's SavedModel of such an encoder.

    Example:
        >>> from bertedu.encoder import BertEncoder
        >>> hub_names(BertEncoder(20, 6, 1, 2, inner_dim=8)).name("layer_0/feedforward/output/kernel")
        'transformer/layer_0/output/kernel'
    """
    gated = encoder.feedforward_cls is GatedFeedforward
    return tf2_names(gated or encoder.attention_cls is TalkingHeadsAttention, gated)


def encoder_object(encoder: BertEncoder, masked_lm: BertPretrainer | None, copies: dict[str, Any]) -> Any:
    """Return the `hub_object` of an encoder.

    Args:
        encoder: the `BertEncoder` to trace.
        masked_lm: the `BertPretrainer` on it, to add its masked-LM head; or None.
        copies: dict, path -> the TensorFlow variable to use instead of the weight; without a pooler's, it has no
            pooler.
    """
    import tensorflow as tf

    variables = weights(encoder, masked_lm)
    has_pooler = any(path.startswith(POOLER) for path in copies)

    def call(inputs, training):
        values = [(variable, copies.get(path)) for path, variable in variables.items()]
        values = [(k, tf.zeros(k.shape) if v is None else v) for k, v in values]
        with keras.StatelessScope(values + fresh_seeds(encoder)):
            outputs = dict(encoder({name: inputs[name] for name in INPUTS}, training=training))
            if masked_lm is not None:
                sequence = outputs["sequence_output"]  # [B, T, D]
                outputs["mlm_logits"] = masked_lm.masked_lm(sequence, inputs[POSITIONS])  # [B, M, V]
        if masked_lm is None:
            outputs["default"] = outputs["pooled_output"]  # [B, D]
        return {name: outputs[name] for name in OUTPUTS if name in outputs and (has_pooler or name not in POOLED)}

    names = INPUTS if masked_lm is None else (*INPUTS, POSITIONS)
    return hub_object(call, {name: tf.TensorSpec((None, None), tf.int32, name) for name in names}, copies.values())


def fresh_seeds(encoder: BertEncoder) -> list[tuple[Any, Any]]:
    """Return a random state for each dropout, sampled in the graph at every call, so that it is not a variable."""
    import tensorflow as tf

    weights = {id(variable) for variable in encoder.weights}
    states = [variable for variable in encoder.variables if id(variable) not in weights]
    seeds = tf.random.uniform((len(states), 2), maxval=tf.int32.max, dtype=tf.int32)
    return list(zip(states, tf.unstack(tf.cast(seeds, "uint32"), num=len(states)), strict=True))


def serving(model: Any) -> Any:
    """Return the function of `serving_default`, whose outputs are flat, because TensorFlow Serving has no lists."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32, name) for name in INPUTS], autograph=False)
    def serve(input_word_ids, input_mask, input_type_ids):
        inputs = dict(zip(INPUTS, (input_word_ids, input_mask, input_type_ids), strict=True))
        outputs = dict(model.__call__(inputs))  # an attribute, so `model(inputs)` would not find it
        outputs.pop("default", None)
        layers = outputs.pop("encoder_outputs")
        return outputs | {f"encoder_output_{i}": layer for i, layer in enumerate(layers)}

    return serve

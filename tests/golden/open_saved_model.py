"""Opens SavedModels that bertedu wrote with the tools of those it writes for, and compares the numbers.

    python tests/golden/open_saved_model.py EXPORTED [--preprocessor TEXT]

EXPORTED is a directory that `be.export_saved_model` wrote of a BERT with tanh-GELU. Beside it lies EXPORTED.npz: the
inputs and bertedu's own outputs by name, those of the masked-LM call with `mlm_` before it. TEXT is a directory that
`be.export_preprocessor` wrote. Nothing of bertedu is imported here. Prints the largest differences as JSON, and fails
where one is above 1e-5.

The environment, Python 3.11: `pip install tensorflow==2.20.0 tf-keras==2.20.1 tensorflow-text==2.20.1
tensorflow-hub==0.16.1 gin-config immutabledict pyyaml six pandas scipy psutil sentencepiece "setuptools<81"`, then
`pip install --no-deps tf-models-official==2.20.0`.
"""

import argparse
import json
import os

os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3")

import numpy as np
import tensorflow as tf
import tensorflow_hub as hub
import tensorflow_text  # noqa: F401  (brings the operations of a preprocessor)
import tf_keras
from official.nlp.modeling import layers, models, networks

WITHIN = 1e-5
NAMES = ("input_word_ids", "input_mask", "input_type_ids")


def difference(theirs, expected, prefix=""):
    """The largest difference of a dict of outputs from those in EXPORTED.npz."""
    found = {name: value for name, value in theirs.items() if f"{prefix}{name}" in expected}
    assert {"sequence_output", "encoder_outputs"} <= set(found)
    return max(float(np.abs(np.array(value) - expected[f"{prefix}{name}"]).max()) for name, value in found.items())


def open_plainly(path, inputs, expected):
    """`tf.saved_model.load`: inference, dropout, the masked-LM head, gradients, the signature."""
    loaded = tf.saved_model.load(path)
    words = {name: inputs[name] for name in NAMES}
    found = {"tf.saved_model.load": difference(loaded(words), expected)}
    if hasattr(loaded, "mlm"):
        found["mlm"] = difference(loaded.mlm(inputs), expected, "mlm_")
    with tf.GradientTape() as tape:
        trained = loaded(words, training=True)["sequence_output"]
    gradients = tape.gradient(trained, loaded.trainable_variables)
    named = [variable.name for variable, gradient in zip(loaded.trainable_variables, gradients) if gradient is None]  # noqa: B905
    assert all("pooler" in name or "cls_transform" in name for name in named), named
    assert np.abs(trained - loaded(words, training=True)["sequence_output"]).max() > 1e-3, "no dropout"
    served = loaded.signatures["serving_default"](**words)
    found["serving_default"] = float(np.abs(served["sequence_output"] - expected["sequence_output"]).max())
    return loaded, found


def open_with_hub(path, loaded, inputs, expected):
    """`hub.KerasLayer`, eagerly and in a model of tf_keras that is trained, as the Hub's documents have it."""
    words = {name: inputs[name] for name in NAMES}
    layer = hub.KerasLayer(path, trainable=True)
    found = {"hub.KerasLayer": difference(layer(words), expected)}
    assert len(layer.trainable_weights) == len(loaded.trainable_variables)
    if hasattr(loaded, "mlm"):
        found["hub.KerasLayer(mlm)"] = difference(hub.KerasLayer(loaded.mlm, trainable=True)(inputs), expected, "mlm_")
    symbols = {name: tf_keras.layers.Input((None,), dtype=tf.int32, name=name) for name in NAMES}
    model = tf_keras.Model(symbols, layer(symbols)["sequence_output"][:, 0])
    found["hub.KerasLayer in a Model"] = float(
        np.abs(model.predict(words, verbose=0) - expected["sequence_output"][:, 0]).max()
    )
    model.compile("sgd", "mse")
    model.fit(words, np.zeros_like(expected["sequence_output"][:, 0]), verbose=0)
    return found


def copy_by_name(loaded, inputs, expected):
    """tf-models' own encoder, its weights copied from the SavedModel by name."""
    weights = {variable.name: variable for variable in loaded.variables}
    talking = any(key.startswith("transformer_scaffold") for key in weights)
    theirs = scaffold(weights) if talking else encoder(weights)
    words = {name: inputs[name] for name in NAMES}
    theirs(words)
    own = {name(variable): variable for variable in theirs.weights}
    assert set(own) == set(weights) - {"do_lower_case:0"}, set(own) ^ set(weights)
    for key, variable in own.items():
        variable.assign(weights[key])
    found = {"weights copied by name": difference(theirs(words), expected)}
    if hasattr(loaded, "mlm"):
        found["pretrainer copied by name"] = copy_head(theirs, loaded, inputs, expected)
    return found


def name(variable):
    """A variable's name without that of the layer around it."""
    return variable.name.removeprefix("bert_encoder_v2/").removeprefix("encoder_scaffold/")


def sizes(weights):
    """What tf-models has to be told, from shapes."""
    layer = "transformer/layer_0" if "transformer/layer_0/intermediate/bias:0" in weights else "transformer_scaffold"
    vocabulary, width = weights["word_embeddings/embeddings:0"].shape
    inner = "feedforward/intermediate_0" if layer == "transformer_scaffold" else "intermediate"
    return {
        "vocab_size": vocabulary,
        "hidden_size": weights["position_embedding/embeddings:0"].shape[1],
        "num_layers": sum(key.endswith("self_attention/query/bias:0") for key in weights),
        "num_attention_heads": weights[f"{layer}/self_attention/query/bias:0"].shape[0],
        "max_sequence_length": weights["position_embedding/embeddings:0"].shape[0],
        "type_vocab_size": weights["type_embeddings/embeddings:0"].shape[0],
        "inner_dim": weights[f"{layer}/{inner}/bias:0"].shape[0],
        "embedding_width": width,
    }


def encoder(weights):
    """tf-models' `BertEncoderV2`, tanh-GELU."""
    return networks.BertEncoderV2(**sizes(weights))


def scaffold(weights):
    """tf-models' scaffold of the Hub's talkheads_ggelu models."""
    found, initializer = sizes(weights), tf_keras.initializers.TruncatedNormal(0.02)
    embedding = {name: found[name] for name in ("vocab_size", "type_vocab_size", "hidden_size")}
    embedding |= {"max_seq_length": found["max_sequence_length"], "initializer": initializer, "dropout_rate": 0.1}
    layer = {"num_attention_heads": found["num_attention_heads"], "inner_dim": found["inner_dim"]}
    layer |= {"attention_cls": layers.TalkingHeadsAttention, "feedforward_cls": layers.GatedFeedforward}
    return networks.EncoderScaffold(
        pooled_output_dim=found["hidden_size"],
        embedding_cfg=embedding,
        num_hidden_instances=found["num_layers"],
        hidden_cls=layers.TransformerScaffold,
        hidden_cfg=layer,
        return_all_layer_outputs=True,
        dict_outputs=True,
    )


def copy_head(theirs, loaded, inputs, expected):
    """The same of tf-models' pretrainer, whose encoder is filled already."""
    gelu = lambda x: tf_keras.activations.gelu(x, approximate=True)  # noqa: E731
    pretrainer = models.BertPretrainerV2(theirs, mlm_activation=gelu, name="bert")
    pretrainer(inputs)
    weights = {variable.name: variable for variable in loaded.mlm.variables if "cls/predictions" in variable.name}
    own = {variable.name: variable for variable in pretrainer.masked_lm.weights if "cls/predictions" in variable.name}
    assert set(own) == set(weights), set(own) ^ set(weights)
    for key, variable in own.items():
        variable.assign(weights[key])
    return difference(pretrainer(inputs), expected, "mlm_")


def open_preprocessor(path, encoder_path):
    """The code of the Hub's documents: a preprocessor and an encoder in one model of tf_keras."""
    text_input = tf_keras.layers.Input(shape=(), dtype=tf.string)
    preprocessor = hub.KerasLayer(path)
    outputs = hub.KerasLayer(encoder_path, trainable=True)(preprocessor(text_input))
    embedding_model = tf_keras.Model(text_input, outputs["sequence_output"])
    answer = embedding_model(tf.constant(["the cat sat"]))
    loaded = tf.saved_model.load(path)
    tokenize = hub.KerasLayer(loaded.tokenize)
    pack = hub.KerasLayer(loaded.bert_pack_inputs, arguments={"seq_length": 8})
    pair = [tokenize(tf.constant(["the cat sat on the mat"])), tokenize(tf.constant(["it was warm"]))]
    return {"text": list(answer.shape), "pair": pack(pair)["input_word_ids"].numpy().tolist()}


def main():
    """Opens and compares everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("exported")
    parser.add_argument("--preprocessor")
    arguments = parser.parse_args()
    stored = np.load(f"{arguments.exported}.npz")
    inputs = {key: tf.constant(stored[key]) for key in (*NAMES, "masked_lm_positions")}
    loaded, found = open_plainly(arguments.exported, inputs, stored)
    found |= copy_by_name(loaded, inputs, stored)
    found |= open_with_hub(arguments.exported, loaded, inputs, stored)
    other = open_preprocessor(arguments.preprocessor, arguments.exported) if arguments.preprocessor else {}
    print(json.dumps(found | other))
    assert max(found.values()) <= WITHIN, found


if __name__ == "__main__":
    main()

"""Golden numbers: what tf-models, KerasHub and transformers themselves compute, kept as files for `test_golden.py`.

Run it only to add a case or to follow a new release of a peer. It needs an environment of its own (about 4 GB):

    python3.11 -m venv peers && . peers/bin/activate
    pip install torch==2.13.0
    pip install tensorflow==2.20.0 tf-keras==2.20.1 tensorflow-text==2.20.1 keras==3.15.1 keras-hub==0.32.0 \
        transformers==5.23.0 safetensors gin-config immutabledict pyyaml six pandas scipy psutil sentencepiece \
        "setuptools<81"
    pip install --no-deps tf-models-official==2.20.0
    python tests/golden/make_golden.py

It imports `official.nlp...`, because `import tensorflow_models` wants more than that. On the CPU, in float32, with
dropout 0. Every weight is a seeded random number, chosen by its name, so that no bias, gamma or beta is trivial.

For each family it writes FAMILY.npz (arrays, packed: see `packed`) and an entry of golden.json (options):

    weights:MODEL:NAME      a weight, under the peer's own name
    inputs:SET:NAME         an input; sets are shared between cases
    outputs:CASE:NAME       what the peer answered; lists of layers are stacked along a new first axis
"""

import json
import os
import zlib
from pathlib import Path

os.environ |= {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}

import keras
import keras_hub
import numpy as np
import tensorflow as tf
import tf_keras
import torch
import transformers
from official.nlp.modeling import layers, models, networks

HERE = Path(__file__).parent
B, T, V, D, N, F, L, P, TYPES = 3, 7, 29, 10, 2, 19, 2, 13, 3  # D: hidden, so a head has 5; P: longest sequence

ACTIVATIONS = {
    "gelu_tanh": lambda x: tf_keras.activations.gelu(x, approximate=True),
    "gelu_exact": lambda x: tf_keras.activations.gelu(x, approximate=False),
    "relu": tf_keras.activations.relu,
    "linear": None,
}
KERAS_3_ACTIVATIONS = {
    "gelu_tanh": lambda x: keras.activations.gelu(x, approximate=True),
    "gelu_exact": "gelu",
    "relu": "relu",
    "silu": "silu",
}


class Family:
    """One file: arrays by key, and what the test needs to know of each model and case."""

    every = {}

    def __init__(self, name):
        self.arrays, self.models, self.cases = {}, {}, {}
        Family.every[name] = self

    def put(self, kind, name, arrays):
        for key, value in arrays.items():
            self.arrays[f"{kind}:{name}:{key}"] = np.asarray(value)

    def model(self, name, weights, **options):
        self.models[name] = options
        self.put("weights", name, weights)

    def inputs(self, name, arrays):
        self.put("inputs", name, arrays)

    def case(self, name, outputs, **settings):
        assert name not in self.cases, name
        self.cases[name] = settings
        self.put("outputs", name, outputs)

    @classmethod
    def write(cls):
        listing = {}
        for name, family in cls.every.items():
            np.savez_compressed(HERE / f"{name}.npz", **packed(family.arrays))
            listing[name] = {"models": family.models, "cases": family.cases}
        (HERE / "golden.json").write_text(json.dumps(listing, indent=1) + "\n", encoding="utf-8")


def packed(arrays):
    """All arrays of a dtype end to end in one (a file in the archive for each would double its size), and an index."""
    index, flat = {}, {}
    for key, array in arrays.items():
        end = sum(piece.size for piece in flat.setdefault(array.dtype.name, []))
        flat[array.dtype.name].append(array.ravel())
        index[key] = [array.dtype.name, end, array.shape]
    text = np.frombuffer(json.dumps(index).encode(), "uint8")
    return {"index": text} | {dtype: np.concatenate(pieces) for dtype, pieces in flat.items()}


def draw(name, shape=(), scale=1.0):
    """Random numbers that depend on `name` alone."""
    return np.random.default_rng(zlib.crc32(name.encode())).normal(scale=scale, size=shape).astype("float32")


def drawn_weight(name, shape):
    """A random weight: gamma around 1; kernels such that what they make is about as large as what they get."""
    kind = name.rsplit("/", 1)[-1]
    if kind == "gamma":
        return 1 + draw(name, shape, 0.3)
    if len(shape) == 1 or kind in ("beta", "bias"):
        return draw(name, shape, 0.3)
    if kind in ("embeddings", "pre_softmax_weight", "post_softmax_weight"):
        return draw(name, shape, 0.7)
    inputs = np.prod(shape[:-1]) if "attention_output" in name else shape[0]
    return draw(name, shape, 1.2 / inputs**0.5)


def peer_name(variable, owner=""):
    """A variable's name as the peer has it, without the name of the layer that owns it and without ':0'."""
    name = variable.path if isinstance(variable, keras.Variable) else variable.name
    return name.removesuffix(":0").removeprefix(f"{owner}/")


def fill(layer, salt=""):
    """Draws every weight of a built `layer`; returns them by name."""
    weights = {}
    for variable in layer.weights:
        name = peer_name(variable, layer.name)
        weights[name] = drawn_weight(salt + name, tuple(variable.shape))
        variable.assign(weights[name])
    return weights


def numpy(outputs):
    """Tensors as arrays; lists of layers, all of one shape, as one array."""
    return {
        key: np.stack([np.asarray(x) for x in value]) if isinstance(value, list | tuple) else np.asarray(value)
        for key, value in outputs.items()
    }


# ---------------------------------------------------------------------------------------------------- inputs

ONES = np.ones((B, T), "int32")
PADDING = {
    "none": ONES,
    "right": np.array([[1] * 4 + [0] * 3, [1] * 7, [1] * 1 + [0] * 6]),
    "left": np.array([[0] * 3 + [1] * 4, [1] * 7, [0] * 6 + [1]]),
    "inside": np.array([[1, 0, 1, 1, 0, 0, 1], [0, 1, 1, 0, 1, 1, 0], [1, 1, 1, 0, 1, 1, 1]], "int32"),
    "a whole row": np.array([[1, 1, 1, 1, 1, 0, 0], [0] * 7, [1] * 7]),
    "everything": 0 * ONES,
}


def token_inputs(name, mask, types=TYPES, words="input_word_ids"):
    random = np.random.default_rng(zlib.crc32(name.encode()))
    mask = np.asarray(mask, "int32")
    return {
        words: random.integers(0, V, mask.shape, "int32"),
        "input_mask": mask,
        "input_type_ids": random.integers(0, types, mask.shape, "int32"),
    }


def encoder_inputs():
    sets = {f"padding {name}": token_inputs("padding", mask) for name, mask in PADDING.items()}
    sets["one token"] = token_inputs("one token", np.ones((B, 1)))
    sets["one row"] = token_inputs("one row", np.ones((1, T)))
    sets["full length"] = token_inputs("full length", np.tri(B, P, P - 2))
    sets["1 type"] = token_inputs("1 type", PADDING["right"], types=1)
    sets["16 types"] = token_inputs("16 types", PADDING["right"], types=16)
    for kind in ("bool", "float32"):
        sets[f"{kind} mask"] = sets["padding inside"] | {"input_mask": PADDING["inside"].astype(kind)}
    sets["mask with a 2"] = sets["padding inside"] | {"input_mask": PADDING["inside"] + np.eye(B, T, dtype="int32")}
    for width in (D, 4):
        words = {"input_word_embeddings": draw(f"words {width}", (B, T, width))}
        sets[f"word embeddings {width}"] = sets["padding inside"] | words
        without = dict(sets[f"word embeddings {width}"])
        del without["input_word_ids"]
        sets[f"word embeddings {width}, no ids"] = without
        dense = {
            "dense_inputs": draw(f"dense {width}", (B, 5, width)),
            "dense_mask": np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [0, 1, 0, 1, 0]], "int32"),
            "dense_type_ids": np.array([[0, 1, 2, 0, 1], [2, 2, 2, 2, 2], [1, 1, 0, 0, 0]], "int32"),
        }
        sets[f"dense {width}"] = sets["padding right"] | dense
        unseen = {"dense_mask": dense["dense_mask"] * np.array([[1], [0], [1]], "int32")}
        sets[f"dense {width}, a whole row"] = sets["padding a whole row"] | dense | unseen
    return sets


INPUTS = encoder_inputs()

# --------------------------------------------------------------------------------- tf-models: BertEncoderV2

ENCODERS = {
    "plain": {},
    "three layers": {"num_layers": 3},
    "one head": {"num_attention_heads": 1},
    "five heads": {"num_attention_heads": 5},
    "narrow tables": {"embedding_width": 4},
    "wide tables": {"embedding_width": 11},
    "1 type": {"type_vocab_size": 1},
    "16 types": {"type_vocab_size": 16},
}


def bert_encoder(model="plain", inner_activation="gelu_tanh", **options):
    sizes = {"hidden_size": D, "num_layers": L, "num_attention_heads": N, "inner_dim": F, "type_vocab_size": TYPES}
    encoder = networks.BertEncoderV2(
        V,
        max_sequence_length=P,
        inner_activation=ACTIVATIONS[inner_activation],
        output_dropout=0.0,
        attention_dropout=0.0,
        return_attention_scores=True,
        return_word_embeddings=True,
        name="encoder",
        **sizes | ENCODERS[model] | options,
    )
    encoder(INPUTS["1 type"])
    return encoder, fill(encoder)


def encoder_cases():
    """(case, model, options, inputs)"""
    for norm_first in (False, True):
        norm, options = ("pre-norm", {"norm_first": True}) if norm_first else ("post-norm", {})
        for padding in PADDING:
            yield f"{norm}, padding {padding}", "plain", options, f"padding {padding}"
        for inputs in ("one token", "one row", "full length", "bool mask", "float32 mask"):
            yield f"{norm}, {inputs}", "plain", options, inputs
        for activation in ("gelu_exact", "relu"):
            yield f"{norm}, {activation}", "plain", options | {"inner_activation": activation}, "padding right"
        for output_range in (0, 1, 5, -1, -3, 99):
            name = f"{norm}, output_range {output_range}"
            yield name, "plain", options | {"output_range": output_range}, "padding inside"
        for model in ("narrow tables", "wide tables"):
            yield f"{norm}, {model}", model, options, "padding a whole row"
        for width, model in ((D, "plain"), (4, "narrow tables")):
            for inputs in (f"word embeddings {width}", f"word embeddings {width}, no ids"):
                yield f"{norm}, {inputs}", model, options, inputs
            for inputs in (f"dense {width}", f"dense {width}, a whole row"):
                yield f"{norm}, {inputs}", model, options | {"with_dense_inputs": True}, inputs
        name = f"{norm}, dense {D}, output_range 5, flag not set"
        yield name, "plain", options | {"output_range": 5}, f"dense {D}"
    for model in ("1 type", "16 types"):
        yield f"post-norm, {model}", model, {}, model
    for model in ("three layers", "one head", "five heads"):
        yield f"post-norm, {model}", model, {}, "padding inside"
    yield "mask with a 2", "plain", {}, "mask with a 2"


def make_encoder():
    family = Family("encoder")
    for name, arrays in INPUTS.items():
        family.inputs(name, arrays)
    for model, options in ENCODERS.items():
        family.model(model, bert_encoder(model)[1], **options)
    for case, model, options, inputs in encoder_cases():
        outputs = dict(bert_encoder(model, **options)[0](dict(INPUTS[inputs])))
        *earlier, last = outputs.pop("attention_scores")  # under output_range the last one has fewer queries
        outputs |= {"earlier_scores": earlier, "last_scores": last, "encoder_outputs": outputs["encoder_outputs"][:-1]}
        outputs["embedding_output"] = outputs.pop("word_embeddings")  # what the peer calls so
        outputs = {key: value for key, value in outputs.items() if not (isinstance(value, list) and not value)}
        if "output_range" in case or " mask" in case:  # where only the last layer can tell
            outputs = {key: outputs[key] for key in ("sequence_output", "pooled_output", "last_scores")}
        family.case(case, numpy(outputs), model=model, options=options, inputs=inputs)


# -------------------------------------------------------------------------------- tf-models: BertClassifier

CLASSIFIERS = {
    "pooler, 3 classes": {"num_classes": 3},
    "pooler, 1 class": {"num_classes": 1},
    "no pooler, 3 classes": {"num_classes": 3, "use_encoder_pooler": False},
    "no pooler, 1 class": {"num_classes": 1, "use_encoder_pooler": False, "head_name": "rating"},
    "cls_head on the pooler": {"num_classes": 99, "cls_head": {"inner_dim": 0, "num_classes": 5}},
    "cls_head on the sequence": {
        "num_classes": 99,
        "use_encoder_pooler": False,
        "cls_head": {"inner_dim": 6, "num_classes": 5, "cls_token_idx": 3, "activation": "relu"},
    },
}
WITH_GRADIENTS = ("pooler, 3 classes", "no pooler, 3 classes", "pooler, 1 class")
LABELS = np.array([2, 0, 1], "int32")


def loss_of(logits):
    """Cross-entropy of `LABELS`, or for one number the mean squared distance from them."""
    if logits.shape[-1] == 1:
        return tf.reduce_mean((logits[:, 0] - tf.cast(LABELS, "float32")) ** 2)
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(LABELS, logits))


def make_classifier():
    family = Family("classifier")
    inputs = INPUTS["padding a whole row"]
    family.inputs("padding a whole row", inputs | {"labels": LABELS})
    family.model("plain", bert_encoder()[1])
    for norm_first in (False, True):
        for name, options in CLASSIFIERS.items():
            if norm_first and name not in WITH_GRADIENTS[:1]:
                continue
            head = options.get("cls_head")
            built = {"cls_head": head and layers.ClassificationHead(**head, name="cls_head")}
            encoder = bert_encoder(norm_first=norm_first)[0]
            classifier = models.BertClassifier(encoder, dropout_rate=0.0, **options | built)
            case = f"pre-norm, {name}" if norm_first else name
            family.model(case, fill(classifier.classifier), **options)
            with tf.GradientTape(persistent=True) as tape:
                logits = classifier(inputs, training=True)
                loss = loss_of(logits)
            outputs = {"logits": logits}
            if name in WITH_GRADIENTS:
                for owner in (encoder, classifier.classifier):
                    gradients = tape.gradient(loss, owner.weights, unconnected_gradients="zero")
                    for variable, gradient in zip(owner.weights, gradients, strict=True):
                        outputs[f"gradient {peer_name(variable, owner.name)}"] = tf.convert_to_tensor(gradient)
                outputs["loss"] = loss
            family.case(case, numpy(outputs), norm_first=norm_first, inputs="padding a whole row")


# --------------------------------------------------------------------------- tf-models: BertTokenClassifier

TOKEN_CLASSIFIERS = {
    "logits": {"num_classes": 4},
    "predictions": {"num_classes": 4, "output": "predictions"},
    "encoder outputs": {"num_classes": 1, "output_encoder_outputs": True},
}


def make_token_classifier():
    family = Family("token_classifier")
    inputs = INPUTS["padding a whole row"]
    labels = np.random.default_rng(4).integers(0, 4, (B, T), "int32")
    family.inputs("padding a whole row", inputs | {"labels": labels})
    family.model("plain", bert_encoder()[1])
    for case, options in TOKEN_CLASSIFIERS.items():
        encoder = bert_encoder()[0]
        classifier = models.BertTokenClassifier(encoder, dropout_rate=0.0, **options)
        family.model(case, fill(classifier.classifier), **options)
        with tf.GradientTape(persistent=True) as tape:
            outputs = dict(classifier(inputs, training=True))
            if case == "logits":
                loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, outputs["logits"])
                outputs["loss"] = loss = tf.reduce_mean(loss)
        if case == "logits":
            for owner in (encoder, classifier.classifier):
                gradients = tape.gradient(loss, owner.weights, unconnected_gradients="zero")
                for variable, gradient in zip(owner.weights, gradients, strict=True):
                    outputs[f"gradient {peer_name(variable, owner.name)}"] = tf.convert_to_tensor(gradient)
        assert set(classifier.checkpoint_items) == {"encoder"}
        family.case(case, numpy(outputs), inputs="padding a whole row")


# ------------------------------------------------------------------- tf-models: MaskedLM and BertPretrainerV2

POSITIONS = np.array([[1, 6, 0, 1], [2, 2, 5, 0], [6, 3, 4, 0]], "int32")


def make_masked_lm():
    family = Family("masked_lm")
    data = draw("sequence data", (B, T, D))
    family.inputs("positions", {"sequence_data": data, "masked_positions": POSITIONS})
    for width in (D, 4):
        table = tf.Variable(draw(f"table {width}", (V, width), 0.7))
        for activation in ("gelu_tanh", "gelu_exact", "relu", "linear"):
            for output in ("logits", "predictions"):
                if output == "predictions" and activation != "gelu_tanh":
                    continue
                head = layers.MaskedLM(table, ACTIVATIONS[activation], output=output, name="head")
                head(data, tf.constant(POSITIONS))
                weights = fill(head)
                if f"width {width}" not in family.models:
                    weights["table"] = weights.pop(peer_name(table))
                    family.model(f"width {width}", weights)
                table.assign(family.arrays[f"weights:width {width}:table"])
                outputs = {output: head(data, tf.constant(POSITIONS))}
                settings = {"model": f"width {width}", "inputs": "positions"}
                family.case(
                    f"width {width}, {activation}, {output}",
                    numpy(outputs),
                    **settings,
                    activation=activation,
                    output=output,
                )
    past_the_end = np.array([[7, 8], [9, -1], [0, 1]], "int32")
    family.inputs("past the end", {"sequence_data": data, "masked_positions": past_the_end})
    head = layers.MaskedLM(table, ACTIVATIONS["gelu_tanh"], name="head")
    head(data, tf.constant(POSITIONS))
    fill(head)
    table.assign(family.arrays["weights:width 4:table"])
    outputs = {"logits": head(data, tf.constant(past_the_end))}
    family.case("past the end", numpy(outputs), model="width 4", inputs="past the end", activation="gelu_tanh")


HEADS = {
    "next_sentence": {"inner_dim": D, "num_classes": 2},
    "third_token": {"inner_dim": 6, "num_classes": 5, "cls_token_idx": 2, "activation": "relu"},
}


def make_pretrainer():
    family = Family("pretrainer")
    inputs = INPUTS["padding right"] | {"masked_lm_positions": POSITIONS}
    family.inputs("positions", inputs)
    short = inputs | {"masked_lm_positions": POSITIONS % 5}
    family.inputs("positions below 5", short)
    for model in ("plain", "narrow tables"):
        encoder, weights = bert_encoder(model)
        family.model(model, weights, **ENCODERS[model])
    for model, options in (("plain", {}), ("narrow tables", {}), ("narrow tables", {"output_range": 5})):
        encoder = bert_encoder(model, **options)[0]
        heads = [layers.ClassificationHead(name=name, **settings) for name, settings in HEADS.items()]
        pretrainer = models.BertPretrainerV2(encoder, ACTIVATIONS["gelu_tanh"], classification_heads=heads, name="bert")
        name, given = ("positions below 5", short) if options else ("positions", inputs)
        pretrainer({key: tf.constant(value) for key, value in given.items()})
        before = {id(variable) for variable in encoder.weights}
        weights = {}
        for variable in pretrainer.weights:
            if id(variable) not in before:
                key = peer_name(variable, "bert")
                weights[key] = drawn_weight(key, tuple(variable.shape))
                variable.assign(weights[key])
        case = ", ".join([model, *(f"{key} {value}" for key, value in options.items())])
        family.model(f"heads of {case}", weights, **HEADS)
        outputs = pretrainer({key: tf.constant(value) for key, value in given.items()})
        wanted = {key: outputs[key] for key in ("mlm_logits", "sequence_output", "pooled_output", *HEADS)}
        family.case(case, numpy(wanted), model=model, options=options, inputs=name)


# ------------------------------------------------------------------------- tf-models: TransformerEncoderBlock

LAYER_MASKS = {
    "no mask": None,
    "causal": np.broadcast_to(np.tri(T, dtype="int32"), (B, T, T)),
    "a mask a query": np.random.default_rng(7).integers(0, 2, (B, T, T), "int32"),
    "some queries see nothing": np.broadcast_to(np.tri(T, k=-2, dtype="int32"), (B, T, T)),
}


def make_block():
    family = Family("block")
    x = draw("layer input", (B, T, D))
    for name, mask in LAYER_MASKS.items():
        family.inputs(name, {"x": x} | ({} if mask is None else {"attention_mask": mask}))

    def block(model="plain", inner_activation="gelu_tanh", heads=N, **options):
        layer = layers.TransformerEncoderBlock(
            heads, F, ACTIVATIONS[inner_activation], return_attention_scores=True, name="block", **options
        )
        layer(x)
        return layer, fill(layer)

    family.model("plain", block()[1], num_heads=N)
    family.model("heads that do not divide", block(heads=4)[1], num_heads=4)
    for norm_first in (False, True):
        norm = "pre-norm" if norm_first else "post-norm"
        cases = [(name, "plain", name, {}) for name in LAYER_MASKS]
        cases += [(name, "plain", "causal", {"inner_activation": name}) for name in ("gelu_exact", "relu")]
        cases += [("epsilon 0.1", "plain", "causal", {"norm_epsilon": 0.1})]
        cases += [(f"output_range {r}", "plain", "a mask a query", {"output_range": r}) for r in (0, 1, 5, -3, 99)]
        cases += [("heads that do not divide", "heads that do not divide", "causal", {})]
        for name, model, inputs, options in cases:
            call = dict(options)
            output_range = call.pop("output_range", None)
            layer = block(heads=4 if model != "plain" else N, norm_first=norm_first, **call)[0]
            mask = LAYER_MASKS[inputs]
            output, scores = layer(x if mask is None else [x, tf.constant(mask)], output_range=output_range)
            settings = {"model": model, "inputs": inputs, "options": options | {"norm_first": norm_first}}
            family.case(f"{norm}, {name}", numpy({"output": output, "scores": scores}), **settings)


# ----------------------------------------- tf-models: TalkingHeadsAttention, GatedFeedforward, EncoderScaffold


def make_parts():
    family = Family("parts")
    x, other = draw("layer input", (B, T, D)), draw("other input", (B, 5, D))
    for name, mask in LAYER_MASKS.items():
        family.inputs(name, {"query": x} | ({} if mask is None else {"attention_mask": mask}))
    family.inputs("another sequence", {"query": x, "value": other})
    seen = np.random.default_rng(8).integers(0, 2, (B, T, 5), "int32")
    family.inputs("another sequence, masked", {"query": x, "value": other, "attention_mask": seen})
    attentions = {"plain": {}, "no bias, own value size": {"use_bias": False, "value_dim": 3}}
    for model, options in attentions.items():
        layer = layers.TalkingHeadsAttention(num_heads=N, key_dim=D // N, name="talking", **options)
        layer(x, x)
        family.model(model, fill(layer), **options)
        for inputs in (*LAYER_MASKS, "another sequence", "another sequence, masked"):
            given = {key.split(":")[2]: v for key, v in family.arrays.items() if key.startswith(f"inputs:{inputs}:")}
            given = {"value": x} | {key: tf.constant(value) for key, value in given.items()}
            output, scores = layer(**given, return_attention_scores=True)
            family.case(f"{model}, {inputs}", numpy({"output": output, "scores": scores}), model=model, inputs=inputs)
    layer = layers.GatedFeedforward(inner_dim=F, apply_output_layer_norm=False, name="gated")
    layer(x)
    family.model("gated", fill(layer))
    for activation in ("gelu_tanh", "gelu_exact", "relu"):
        layer = layers.GatedFeedforward(F, ACTIVATIONS[activation], apply_output_layer_norm=False, name="gated")
        layer(x)
        fill(layer)
        outputs = {"output": layer(x)}  # without its norm the peer drops its residual too: the bare network
        family.case(f"gated, {activation}", numpy(outputs), model="gated", inputs="no mask", activation=activation)


SCAFFOLDS = {
    "talking heads, gated": {
        "attention_cls": layers.TalkingHeadsAttention,
        "feedforward_cls": layers.GatedFeedforward,
    },
    "talking heads": {"attention_cls": layers.TalkingHeadsAttention},
    "gated": {"feedforward_cls": layers.GatedFeedforward},
}


def scaffold(name, norm_first=False, activation="gelu_tanh"):
    tf_keras.backend.reset_uids()  # so that the layers are called transformer_scaffold, transformer_scaffold_1
    tables = {"vocab_size": V, "type_vocab_size": TYPES, "hidden_size": D, "max_seq_length": P}
    sizes = {"num_attention_heads": N, "inner_dim": F, "inner_activation": ACTIVATIONS[activation]}
    network = networks.EncoderScaffold(
        pooled_output_dim=D,
        embedding_cfg=tables | {"initializer": "zeros", "dropout_rate": 0.0},
        num_hidden_instances=L,
        hidden_cls=layers.TransformerScaffold,
        hidden_cfg=sizes | {"norm_first": norm_first} | SCAFFOLDS[name],
        dict_outputs=True,
    )
    return network, fill(network)


def scaffold_outputs(network, inputs):
    """The outputs, and what the peer does not return: embeddings and scores, asked of its own layers."""
    outputs = dict(network(inputs))
    embedded = tf_keras.Model(network.inputs, network._embedding_norm_layer.output)(list(inputs.values()))
    scores, mask = [], np.repeat(inputs["input_mask"][:, None], inputs["input_mask"].shape[1], 1)
    for layer, x in zip(network._hidden_layers, [embedded, *outputs["encoder_outputs"]], strict=False):
        scores.append(layer._attention_layer(x, x, attention_mask=mask, return_attention_scores=True)[1])
    outputs["encoder_outputs"] = outputs["encoder_outputs"][:-1]
    return outputs | {"embedding_output": embedded, "attention_scores": scores}


def make_scaffold():
    family = Family("scaffold")
    for name in SCAFFOLDS:
        family.model(name, scaffold(name)[1])
        chosen = [f"padding {padding}" for padding in PADDING] if name == "talking heads, gated" else ["padding inside"]
        chosen += ["one token", "full length"]
        for inputs in chosen:
            family.inputs(inputs, INPUTS[inputs])
            outputs = scaffold_outputs(scaffold(name)[0], INPUTS[inputs])
            family.case(f"{name}, {inputs}", numpy(outputs), model=name, inputs=inputs, activation="gelu_tanh")
    network = scaffold("talking heads, gated", activation="relu")[0]
    family.case(
        "talking heads, gated, relu",
        numpy(scaffold_outputs(network, INPUTS["padding inside"])),
        model="talking heads, gated",
        inputs="padding inside",
        activation="relu",
    )
    make_scaffold_slip(family)


def make_scaffold_slip(family):
    """Pre-norm: the scaffold normalizes queries, but neither keys nor values. Beside it the same without the slip."""
    x = draw("layer input", (B, T, D))
    mask = LAYER_MASKS["causal"]
    family.inputs("pre-norm layer", {"x": x, "attention_mask": mask})
    gated = {"inner_dim": F, "inner_activation": ACTIVATIONS["gelu_tanh"], "apply_output_layer_norm": False}
    layer = layers.TransformerScaffold(
        N,
        F,
        ACTIVATIONS["gelu_tanh"],
        attention_cls=layers.TalkingHeadsAttention,
        feedforward_cls=layers.GatedFeedforward,
        feedforward_cfg=gated | {"name": "feedforward"},
        norm_first=True,
        name="scaffold",
    )
    slip = layer([x, mask])
    weights = fill(layer)
    slip = layer([x, mask])
    h = layer._attention_layer_norm(x)
    a = x + layer._attention_layer(h, h, attention_mask=mask)
    meant = a + layer._feedforward_block(layer._output_layer_norm(a))
    family.model("pre-norm layer", weights)
    outputs = {"slip": slip, "meant": meant}
    family.case("pre-norm layer", numpy(outputs), model="pre-norm layer", inputs="pre-norm layer")


# ------------------------------------------------------------------------------------------------- KerasHub


def hub_layer(heads=N, activation="relu", **options):
    layer = keras_hub.layers.TransformerEncoder(
        F, heads, activation=KERAS_3_ACTIVATIONS[activation], name="layer", **options
    )
    layer.build((B, T, D))
    return layer, fill(layer)


def make_hub_layer():
    family = Family("hub_layer")
    x = draw("layer input", (B, T, D))
    sees = LAYER_MASKS["a mask a query"] | np.eye(T, dtype="int32")
    sets = {"no mask": {}}
    sets |= {f"padding {name}": {"padding_mask": mask.astype("int32")} for name, mask in PADDING.items()}
    sets["attention mask"] = {"attention_mask": sees}
    sets["both masks"] = {"padding_mask": PADDING["right"].astype("int32"), "attention_mask": sees}
    sets["both masks, bool"] = {key: value.astype("bool") for key, value in sets["both masks"].items()}
    sets["both masks, a whole row"] = {"padding_mask": PADDING["a whole row"].astype("int32"), "attention_mask": sees}
    for name, masks in sets.items():
        family.inputs(name, {"inputs": x} | masks)
    family.model("plain", hub_layer()[1], num_heads=N)
    family.model("heads that do not divide", hub_layer(heads=4)[1], num_heads=4)
    for first in (False, True):
        norm, options = ("pre-norm", {"normalize_first": True}) if first else ("post-norm", {})
        cases = [(name, "plain", name, {}) for name in sets]
        for name in ("gelu_tanh", "gelu_exact", "silu"):
            cases.append((name, "plain", "both masks", {"activation": name}))
        cases += [("epsilon 0.1", "plain", "both masks", {"layer_norm_epsilon": 0.1})]
        cases += [("heads that do not divide", "heads that do not divide", "padding right", {})]
        for name, model, inputs, more in cases:
            layer = hub_layer(heads=4 if model != "plain" else N, **options | more)[0]
            given = {"inputs": x} | sets[inputs]
            outputs = {"output": layer(**given)}
            asked, scores = layer(**given, return_attention_scores=True)
            outputs |= {"output_with_scores": asked, "scores": scores}  # differ only where a row sees nothing
            settings = {"model": model, "inputs": inputs, "options": options | more}
            family.case(f"{norm}, {name}", numpy(outputs), **settings)
    make_implicit_masks(family)


def make_implicit_masks(family):
    """The mask that `Embedding(mask_zero=True)` sends along, alone and beside an explicit one."""
    ids = np.array([[3, 4, 5, 0, 0, 0, 0], [6, 7, 8, 9, 1, 2, 3], [1, 0, 0, 0, 0, 0, 0]], "int32")
    table = draw("implicit table", (V, D))
    explicit = np.array([[1, 1, 1, 1, 0, 0, 0], [1] * 7, [1, 1, 0, 0, 0, 0, 0]], "int32")
    family.inputs("implicit mask", {"ids": ids, "table": table, "explicit": explicit})
    embed = keras.layers.Embedding(V, D, mask_zero=True)
    embed.build()
    embed.set_weights([table])
    for first in (False, True):
        layer = hub_layer(normalize_first=first)[0]
        outputs = {
            "implicit": layer(embed(ids)),
            "both": layer(embed(ids), padding_mask=explicit),
            "same_mask_passed": layer(table[ids], padding_mask=(ids > 0).astype("int32")),
            "explicit_alone": layer(table[ids], padding_mask=explicit),
        }
        settings = {"model": "plain", "inputs": "implicit mask", "options": {"normalize_first": first}}
        family.case(f"{'pre' if first else 'post'}-norm, implicit mask", numpy(outputs), **settings)


def make_hub_bert():
    family = Family("hub_bert")
    backbone = keras_hub.models.BertBackbone(
        V, L, N, D, F, dropout=0.0, max_sequence_length=P, num_segments=TYPES, name="backbone"
    )
    masked_lm = keras_hub.models.BertMaskedLM(backbone, name="masked_lm")
    family.model("plain", fill(masked_lm))
    for name in (*(f"padding {padding}" for padding in PADDING), "one token", "full length"):
        ids, mask, types = INPUTS[name].values()
        inputs = {"token_ids": ids, "padding_mask": mask, "segment_ids": types}
        positions = POSITIONS if ids.shape[1] == T else POSITIONS % ids.shape[1]
        family.inputs(name, inputs | {"mask_positions": positions})
        outputs = dict(backbone(inputs)) | {"mlm_logits": masked_lm(inputs | {"mask_positions": positions})}
        family.case(name, numpy(outputs), model="plain", inputs=name)


# --------------------------------------------------------------------------------------------- transformers


def make_transformers():
    family = Family("transformers")
    for name, options in {
        "gelu": {"hidden_act": "gelu"},
        "gelu_new": {"hidden_act": "gelu_new"},
        "epsilon 0.1": {"hidden_act": "gelu", "layer_norm_eps": 0.1},
    }.items():
        sizes = {
            "vocab_size": V,
            "hidden_size": D,
            "num_hidden_layers": L,
            "num_attention_heads": N,
            "intermediate_size": F,
            "max_position_embeddings": P,
            "type_vocab_size": TYPES,
        }
        config = transformers.BertConfig(**sizes, **options, attn_implementation="eager")
        model = transformers.BertForPreTraining(config).eval()
        weights = {}
        with torch.no_grad():
            for key, tensor in model.named_parameters():  # tied ones once
                scale = 0.3 if tensor.ndim == 1 else 0.7 if "embeddings" in key else 1.2 / tensor.shape[1] ** 0.5
                weights[key] = draw(key, tuple(tensor.shape), scale) + ("LayerNorm.weight" in key)
                tensor.copy_(torch.from_numpy(weights[key]))
        if not family.models:
            family.model("plain", weights, **sizes)
        chosen = [f"padding {padding}" for padding in PADDING] if name == "gelu" else ["padding inside"]
        for inputs in [*chosen, "one token", "full length"]:
            ids, mask, types = INPUTS[inputs].values()
            given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
            family.inputs(inputs, given)
            with torch.no_grad():
                given = {key: torch.from_numpy(value).long() for key, value in given.items()}
                answer = model(**given, output_hidden_states=True, output_attentions=True)
                pooled = model.bert(**given).pooler_output
            outputs = {
                "hidden_states": answer.hidden_states,
                "attentions": answer.attentions,
                "pooler_output": pooled,
                "prediction_logits": answer.prediction_logits,
                "seq_relationship_logits": answer.seq_relationship_logits,
            }
            family.case(f"{name}, {inputs}", numpy(outputs), model="plain", inputs=inputs, options=options)


if __name__ == "__main__":
    make_encoder()
    make_classifier()
    make_token_classifier()
    make_masked_lm()
    make_pretrainer()
    make_block()
    make_parts()
    make_scaffold()
    make_hub_layer()
    make_hub_bert()
    make_transformers()
    Family.write()
    for file in sorted(HERE.glob("*.npz")):
        print(f"{file.stat().st_size:9,}  {file.name}")

"""What the peers themselves computed, and what we compute from the same weights: equal to 1e-5, on every backend.

The files, their layout and how they were made: golden/make_golden.py. No peer is needed here. A test named
`test_departs...` holds a peer's number that we do not give on purpose, and the one that we give instead.
"""

import functools
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops
from safetensors.numpy import save_file

from bertedu import (
    BertClassifier,
    BertEncoder,
    BertPretrainer,
    BertTokenClassifier,
    ClassificationHead,
    Feedforward,
    GatedFeedforward,
    MaskedLM,
    MultiHeadAttention,
    TalkingHeadsAttention,
    TransformerEncoder,
    defaults,
    load,
)
from bertedu.checkpoints import huggingface
from bertedu.vocabulary import SPECIAL_TOKENS

GOLDEN = Path(__file__).parent / "golden"
LISTING = json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))

V, D, N, F, L, P, TYPES = 29, 10, 2, 19, 2, 13, 3
ACTIVATIONS = {"gelu_tanh": defaults.gelu_tanh, "gelu_exact": "gelu", "linear": None, "relu": "relu", "silu": "silu"}

# ----------------------------------------------------------------------------- names: the peer's -> ours

ATTENTION = {
    f"{projection}/{kind}": f"{projection}/{kind}"
    for projection in ("query", "key", "value", "attention_output")
    for kind in ("kernel", "bias")
}
TALKING = ATTENTION | {name: name for name in ("pre_softmax_weight", "post_softmax_weight")}


def renamed(names, peer, own):
    """`names` with a prefix on either side."""
    return {f"{peer}/{key}": f"{own}/{value}" for key, value in names.items()}


def dense(peer, own):
    return renamed({"kernel": "kernel", "bias": "bias"}, peer, own)


def norm(peer, own):
    return renamed({"gamma": "gamma", "beta": "beta"}, peer, own)


BLOCK = {
    **renamed(ATTENTION, "self_attention", "self_attention"),
    **norm("self_attention_layer_norm", "self_attention_layer_norm"),
    **dense("intermediate", "feedforward/intermediate"),
    **dense("output", "feedforward/output"),
    **norm("output_layer_norm", "output_layer_norm"),
}
GATED = {
    **dense("intermediate_0", "intermediate"),
    **dense("gate_0", "gate"),
    **dense("output_0", "output"),
}
HUB_LAYER = {
    **renamed(ATTENTION, "self_attention_layer", "self_attention"),
    **norm("self_attention_layer_norm", "self_attention_layer_norm"),
    **dense("feedforward_intermediate_dense", "feedforward/intermediate"),
    **dense("feedforward_output_dense", "feedforward/output"),
    **norm("feedforward_layer_norm", "output_layer_norm"),
}
EMBEDDINGS = {
    "word_embeddings/embeddings": "embeddings/word_embeddings/embeddings",
    "position_embedding/embeddings": "embeddings/position_embedding/embeddings",
    "type_embeddings/embeddings": "embeddings/type_embeddings/embeddings",
    **norm("embeddings/layer_norm", "embeddings/layer_norm"),
}
HUB_EMBEDDINGS = {
    "token_embedding/embeddings": "embeddings/word_embeddings/embeddings",
    "position_embedding/embeddings": "embeddings/position_embedding/embeddings",
    "segment_embedding/embeddings": "embeddings/type_embeddings/embeddings",
    **norm("embeddings_layer_norm", "embeddings/layer_norm"),
}
MLM_HEAD = {
    **dense("transform/dense", "transform"),
    **norm("transform/LayerNorm", "layer_norm"),
    "output_bias/bias": "output_bias",
}
HUB_MLM_HEAD = {
    **dense("intermediate_dense", "transform"),
    **norm("intermediate_layer_norm", "layer_norm"),
    "output_bias": "output_bias",
}
CLASSIFICATION_HEAD = {**dense("pooler_dense", "pooler_dense"), **dense("logits", "logits")}


def encoder_names(encoder):
    names = EMBEDDINGS | dense("pooler_transform", "pooler_transform")
    for i in range(encoder.num_layers):
        names |= renamed(BLOCK, f"transformer/layer_{i}", f"layer_{i}")
    if encoder.embedding_width != encoder.hidden_size:
        names |= dense("embedding_projection", "embeddings/embedding_projection")
    return names


def scaffold_layer_names(talking, gated):
    names = renamed(TALKING if talking else ATTENTION, "self_attention", "self_attention")
    names |= norm("self_attention_layer_norm", "self_attention_layer_norm")
    if gated:
        return (
            names
            | renamed(GATED, "feedforward", "feedforward")
            | norm("feedforward/output_layer_norm_0", "output_layer_norm")
        )
    return names | {key: value for key, value in BLOCK.items() if key.startswith(("intermediate/", "output"))}


# ------------------------------------------------------------------------------------------- the files


@functools.cache
def unpacked(family):
    with np.load(GOLDEN / f"{family}.npz") as file:
        flat = {key: file[key] for key in file.files}
    index = json.loads(flat.pop("index").tobytes())
    return {
        key: flat[dtype][start : start + int(np.prod(shape))].reshape(shape)
        for key, (dtype, start, shape) in index.items()
    }


def stored(family, kind, name):
    """The arrays of one model's "weights", one set of "inputs" or one case's "outputs"."""
    prefix = f"{kind}:{name}:"
    return {key.removeprefix(prefix): value for key, value in unpacked(family).items() if key.startswith(prefix)}


def cases(family, keep=lambda name: True):
    names = [name for name in LISTING[family]["cases"] if keep(name)]
    assert names, f"{family} has no such case"
    return pytest.mark.parametrize("case", names)


def settings_of(family, case):
    """What the case was made with, its inputs, and the peer's outputs."""
    settings = LISTING[family]["cases"][case]
    return settings, stored(family, "inputs", settings["inputs"]), stored(family, "outputs", case)


def with_activation(options, key="inner_activation"):
    return options | ({key: ACTIVATIONS[options[key]]} if key in options else {})


# ----------------------------------------------------------------------------------------- weights, numbers


def paths(layer, but=()):
    """Our weights by their paths below `layer`; without those of the layers in `but`."""
    apart = {id(variable) for other in but for variable in other.weights}
    return {v.path.split(f"{layer.name}/", 1)[1]: v for v in layer.weights if id(v) not in apart}


def assign(layer, weights, names, but=()):
    """Copies the peer's weights into ours by name; every one of either side has its counterpart."""
    own = paths(layer, but)
    assert set(weights) == set(names), set(weights) ^ set(names)
    assert set(own) == set(names.values()), set(own) ^ set(names.values())
    for peer, name in names.items():
        assert own[name].shape == weights[peer].shape, name
        own[name].assign(weights[peer])
    return layer


def numpy(tensor):
    if isinstance(tensor, list | tuple):
        return np.stack([numpy(item) for item in tensor])
    return ops.convert_to_numpy(tensor)


def assert_equal(got, expected, what):
    """Equal to 1e-5: of a number, or of the largest of the array where that is above 1."""
    got = numpy(got)
    assert got.shape == expected.shape, what
    atol = 1e-5 * max(1.0, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(got, expected, rtol=0, atol=atol, err_msg=what)


def assert_all_equal(got, expected):
    for name, array in expected.items():
        assert_equal(got[name], array, name)


# -------------------------------------------------------------------------- tf-models: BertEncoderV2


@functools.cache
def encoder_from(family, model, options=()):
    """A `BertEncoder` with the weights of a peer's model; `options` are pairs, so that they can be a key."""
    sizes = {
        "hidden_size": D,
        "num_layers": L,
        "num_attention_heads": N,
        "max_sequence_length": P,
        "type_vocab_size": TYPES,
        "inner_dim": F,
        "inner_activation": "gelu_tanh",
        "output_dropout": 0.0,
        "attention_dropout": 0.0,
    }
    own = LISTING[family]["models"][model]
    encoder = BertEncoder(V, **with_activation(sizes | own | dict(options)), name="encoder")
    return assign(encoder, stored(family, "weights", model), encoder_names(encoder))


def encoder_outputs(family, case):
    settings, inputs, expected = settings_of(family, case)
    encoder = encoder_from(family, settings["model"], tuple(settings["options"].items()))
    got = encoder(inputs, return_attention_scores=True, return_embedding_output=True)
    *earlier, last = got["attention_scores"]
    got |= {"earlier_scores": earlier, "last_scores": last, "encoder_outputs": got["encoder_outputs"][:-1]}
    return got, expected


@cases("encoder", lambda name: name != "mask with a 2")
def test_encoder(case):
    got, expected = encoder_outputs("encoder", case)
    assert_all_equal(got, expected)


def test_departs_encoder_masks_are_booleans():
    got, collapsed = encoder_outputs("encoder", "mask with a 2")
    expected = stored("encoder", "outputs", "post-norm, padding inside")
    for name in ("sequence_output", "pooled_output", "last_scores"):
        assert_equal(got[name], expected[name], name)
    np.testing.assert_array_equal(collapsed["last_scores"].argmax(-1)[2], 2)  # the peer adds +1e9 to what a 2 marks
    assert np.abs(collapsed["sequence_output"] - expected["sequence_output"]).max() > 0.1


# ------------------------------------------------------------------------- tf-models: BertClassifier


def classifier_from(case):
    settings, inputs, expected = settings_of("classifier", case)
    options = dict(LISTING["classifier"]["models"][case])
    if "cls_head" in options:
        options["cls_head"] = ClassificationHead(**options["cls_head"], name="cls_head")
    encoder = encoder_from("classifier", "plain", (("norm_first", settings["norm_first"]),))
    classifier = BertClassifier(encoder, dropout_rate=0.0, **options)
    head = classifier.classifier
    names = {k: v for k, v in CLASSIFICATION_HEAD.items() if head.pooler_dense or not k.startswith("pooler_dense")}
    assign(head, stored("classifier", "weights", case), names)
    assert len(classifier.weights) == len(encoder.weights) + len(head.weights)
    return classifier, inputs, expected, encoder_names(encoder) | names


@cases("classifier")
def test_classifier_logits(case):
    classifier, inputs, expected, _ = classifier_from(case)
    inputs.pop("labels")
    assert_equal(classifier(inputs), expected["logits"], "logits")


@cases("classifier", lambda name: "loss" in stored("classifier", "outputs", name))
def test_classifier_gradients_with_a_row_that_sees_nothing(case):
    classifier, inputs, expected, names = classifier_from(case)
    labels = inputs.pop("labels")

    def loss_of(logits):
        if logits.shape[-1] == 1:
            return ops.mean((logits[:, 0] - ops.cast(labels, "float32")) ** 2)
        return ops.mean(keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True))

    loss, by_variable = loss_and_gradients(classifier, inputs, loss_of)
    assert_equal(loss, expected["loss"], "loss")
    own = paths(classifier.network) | paths(classifier.classifier)
    gradients = {key.removeprefix("gradient "): value for key, value in expected.items() if key.startswith("gradient ")}
    assert set(gradients) == set(names)
    for peer, gradient in gradients.items():
        assert np.isfinite(gradient).all()
        assert_equal(by_variable[id(own[names[peer]])], gradient, peer)


# --------------------------------------------------------------------- tf-models: BertTokenClassifier


def token_classifier_from(case):
    _, inputs, expected = settings_of("token_classifier", case)
    encoder = encoder_from("token_classifier", "plain", ())
    classifier = BertTokenClassifier(encoder, dropout_rate=0.0, **LISTING["token_classifier"]["models"][case])
    names = {"kernel": "kernel", "bias": "bias"}
    assign(classifier.classifier, stored("token_classifier", "weights", case), names)
    return classifier, inputs, expected, encoder_names(encoder) | names


@cases("token_classifier")
def test_token_classifier(case):
    classifier, inputs, expected, _ = token_classifier_from(case)
    inputs.pop("labels")
    got = classifier(inputs)
    assert set(got) == {name for name in expected if name != "loss" and not name.startswith("gradient ")}
    for name, value in got.items():
        assert_equal(value, expected[name], name)
    assert classifier.checkpoint_items == {"encoder": classifier.network}


def test_token_classifier_gradients_with_a_row_that_sees_nothing():
    classifier, inputs, expected, names = token_classifier_from("logits")
    labels = inputs.pop("labels")

    def loss_of(outputs):
        return ops.mean(keras.losses.sparse_categorical_crossentropy(labels, outputs["logits"], from_logits=True))

    loss, by_variable = loss_and_gradients(classifier, inputs, loss_of)
    assert_equal(loss, expected["loss"], "loss")
    own = paths(classifier.network) | paths(classifier.classifier)
    gradients = {key.removeprefix("gradient "): value for key, value in expected.items() if key.startswith("gradient ")}
    assert set(gradients) == set(names)
    for peer, gradient in gradients.items():
        assert_equal(by_variable[id(own[names[peer]])], gradient, peer)


def loss_and_gradients(model, inputs, loss_of):
    """The loss, and its gradient by the id of each trainable variable (zeros for one that takes no part)."""
    variables = model.trainable_variables
    how = {"tensorflow": gradients_tensorflow, "jax": gradients_jax, "torch": gradients_torch}
    loss, gradients = how[keras.backend.backend()](model, inputs, loss_of, variables)
    return loss, {
        id(variable): np.zeros(variable.shape, "float32") if gradient is None else gradient
        for variable, gradient in zip(variables, gradients, strict=True)
    }


def gradients_tensorflow(model, inputs, loss_of, variables):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = loss_of(model(inputs, training=True))
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    return loss, [gradient if gradient is None else tf.convert_to_tensor(gradient) for gradient in gradients]


def gradients_jax(model, inputs, loss_of, variables):
    import jax

    others = [variable.value for variable in model.non_trainable_variables]

    def loss_at(values):
        return loss_of(model.stateless_call(values, others, inputs, training=True)[0])

    return jax.value_and_grad(loss_at)([variable.value for variable in variables])


def gradients_torch(model, inputs, loss_of, variables):
    model.zero_grad()
    loss = loss_of(model(inputs, training=True))
    loss.backward()
    return loss, [variable.value.grad for variable in variables]


# --------------------------------------------------------------------- tf-models: MaskedLM, BertPretrainerV2


def masked_lm_outputs(case):
    settings, inputs, expected = settings_of("masked_lm", case)
    weights = stored("masked_lm", "weights", settings["model"])
    table = keras.layers.Embedding(*weights["table"].shape)
    table.build()
    table.embeddings.assign(weights.pop("table"))
    head = MaskedLM(table, ACTIVATIONS[settings["activation"]], output=settings.get("output", "logits"))
    head.build(inputs["sequence_data"].shape)
    assign(head, weights, MLM_HEAD, but=[table])
    return head, inputs, expected


@cases("masked_lm", lambda name: name != "past the end")
def test_masked_lm(case):
    head, inputs, expected = masked_lm_outputs(case)
    assert_equal(head(**inputs), expected[head.output_kind], head.output_kind)


def test_departs_masked_lm_never_reads_another_row():
    """The peer gathers from all rows laid end to end: position 7 of 7 is the next row's first token."""
    head, inputs, expected = masked_lm_outputs("past the end")
    data, positions = inputs["sequence_data"], inputs["masked_positions"]
    everywhere = numpy(head(data, np.broadcast_to(np.arange(data.shape[1]), data.shape[:2])))  # [B, T, V]
    assert_equal(expected["logits"][0], everywhere[1, [0, 1]], "the peer at 7 and 8 of the first row")
    assert_equal(expected["logits"][1], everywhere[[2, 0], [2, 6]], "the peer at 9 and -1 of the second row")
    try:
        before = numpy(head(data, positions))
    except Exception as error:  # a refusal is as good; its kind is the backend's
        assert "indices" in str(error) or "index" in str(error), error
        return
    for row in range(len(data)):
        others = np.array(data)
        others[np.arange(len(data)) != row] += 1
        np.testing.assert_array_equal(numpy(head(others, positions))[row], before[row])


@cases("pretrainer")
def test_pretrainer(case):
    settings, inputs, expected = settings_of("pretrainer", case)
    encoder = encoder_from("pretrainer", settings["model"], tuple(settings["options"].items()))
    heads = [ClassificationHead(name=k, **v) for k, v in LISTING["pretrainer"]["models"][f"heads of {case}"].items()]
    pretrainer = BertPretrainer(encoder, defaults.gelu_tanh, classification_heads=heads)
    weights = stored("pretrainer", "weights", f"heads of {case}")
    parts = {"cls/predictions": (pretrainer.masked_lm, MLM_HEAD)}
    parts |= {head.name: (head, CLASSIFICATION_HEAD) for head in heads}
    for prefix, (part, names) in parts.items():
        own = {key: weights.pop(key) for key in list(weights) if key.startswith(f"{prefix}/")}
        assign(part, {k.removeprefix(f"{prefix}/"): v for k, v in own.items()}, names, but=[encoder])
    assert not weights
    assert_all_equal(pretrainer(inputs), expected)


# --------------------------------------------------------------------- tf-models: TransformerEncoderBlock


def layer_from(family, settings, names, **options):
    model = settings["model"]
    layer = TransformerEncoder(F, **LISTING[family]["models"][model], **with_activation(options, "activation"))
    layer.build((None, None, D))
    return assign(layer, stored(family, "weights", model), names)


@cases("block")
def test_block(case):
    settings, inputs, expected = settings_of("block", case)
    peer = {"inner_activation": "gelu_tanh", "norm_epsilon": 1e-12} | settings["options"]
    output_range = peer.pop("output_range", None)
    own = {"inner_activation": "activation", "norm_epsilon": "layer_norm_epsilon", "norm_first": "normalize_first"}
    layer = layer_from("block", settings, BLOCK, **{own[key]: value for key, value in peer.items()})
    got = layer(
        inputs["x"],
        attention_mask=inputs.get("attention_mask"),
        output_range=output_range,
        return_attention_scores=True,
    )
    assert_all_equal(dict(zip(("output", "scores"), got, strict=True)), expected)


# ------------------------------------- tf-models: TalkingHeadsAttention, GatedFeedforward, EncoderScaffold


@cases("parts", lambda name: not name.startswith("gated"))
def test_talking_heads(case):
    settings, inputs, expected = settings_of("parts", case)
    options = LISTING["parts"]["models"][settings["model"]]
    attention = TalkingHeadsAttention(N, D // N, **options)
    attention.build((None, None, D))
    names = {k: v for k, v in TALKING.items() if options.get("use_bias", True) or not k.endswith("bias")}
    assign(attention, stored("parts", "weights", settings["model"]), names)
    got = attention(**inputs, return_attention_scores=True)
    assert_all_equal(dict(zip(("output", "scores"), got, strict=True)), expected)


@cases("parts", lambda name: name.startswith("gated"))
def test_gated_feedforward(case):
    settings, inputs, expected = settings_of("parts", case)
    feedforward = GatedFeedforward(F, ACTIVATIONS[settings["activation"]])
    feedforward.build((None, None, D))
    assign(feedforward, stored("parts", "weights", "gated"), GATED)
    assert_equal(feedforward(inputs["query"]), expected["output"], "output")


@functools.cache
def scaffold_from(model, activation):
    talking, gated = "talking heads" in model, "gated" in model
    encoder = BertEncoder(
        V,
        D,
        L,
        N,
        P,
        TYPES,
        F,
        ACTIVATIONS[activation],
        output_dropout=0.0,
        attention_dropout=0.0,
        attention_cls=TalkingHeadsAttention if talking else MultiHeadAttention,
        feedforward_cls=GatedFeedforward if gated else Feedforward,
        name="encoder",
    )
    names = EMBEDDINGS | dense("cls_transform", "pooler_transform")
    for i in range(L):
        peer = "transformer_scaffold" + (f"_{i}" if i else "")
        names |= renamed(scaffold_layer_names(talking, gated), peer, f"layer_{i}")
    return assign(encoder, stored("scaffold", "weights", model), names)


@cases("scaffold", lambda name: name != "pre-norm layer")
def test_scaffold(case):
    settings, inputs, expected = settings_of("scaffold", case)
    encoder = scaffold_from(settings["model"], settings["activation"])
    got = encoder(inputs, return_attention_scores=True, return_embedding_output=True)
    assert_all_equal(got | {"encoder_outputs": got["encoder_outputs"][:-1]}, expected)


def test_departs_scaffold_pre_norm_normalizes_keys_and_values_too():
    settings, inputs, expected = settings_of("scaffold", "pre-norm layer")
    layer = TransformerEncoder(
        F,
        N,
        activation=defaults.gelu_tanh,
        layer_norm_epsilon=defaults.LAYER_NORM_EPSILON,
        normalize_first=True,
        attention_cls=TalkingHeadsAttention,
        feedforward_cls=GatedFeedforward,
    )
    layer.build((None, None, D))
    names = scaffold_layer_names(talking=True, gated=False) | renamed(GATED, "feedforward", "feedforward")
    names = {key: value for key, value in names.items() if not key.startswith(("intermediate/", "output/"))}
    assign(layer, stored("scaffold", "weights", settings["model"]), names)
    assert_equal(layer(inputs["x"], attention_mask=inputs["attention_mask"]), expected["meant"], "output")
    assert np.abs(expected["slip"] - expected["meant"]).max() > 0.1


# --------------------------------------------------------------------------- KerasHub: TransformerEncoder


def sees_nothing(inputs):
    """Which rows have queries that see no key, `[B]`."""
    seen = inputs.get("padding_mask", np.ones(inputs["inputs"].shape[:2], "int32"))[:, None] != 0
    if "attention_mask" in inputs:
        seen = seen & (inputs["attention_mask"] != 0)
    return ~seen.any(-1).all(-1)


@cases("hub_layer", lambda name: "implicit" not in name)
def test_hub_layer(case):
    settings, inputs, expected = settings_of("hub_layer", case)
    layer = layer_from("hub_layer", settings, HUB_LAYER, **settings["options"])
    assert_equal(layer(**inputs), expected["output"], "output")
    got, scores = layer(**inputs, return_attention_scores=True)
    seeing = ~sees_nothing(inputs)
    assert_equal(numpy(got)[seeing], expected["output_with_scores"][seeing], "output beside scores")
    assert_equal(numpy(scores)[seeing], expected["scores"][seeing], "scores")


@cases("hub_layer", lambda name: "everything" in name or "a whole row" in name)
def test_departs_hub_layer_a_row_that_sees_nothing_is_the_same_with_scores_asked_for(case):
    """The peer attends uniformly without scores (as we always do), and not at all with them."""
    settings, inputs, expected = settings_of("hub_layer", case)
    layer = layer_from("hub_layer", settings, HUB_LAYER, **settings["options"])
    got, scores = layer(**inputs, return_attention_scores=True)
    assert_equal(got, expected["output"], "output")
    blind = sees_nothing(inputs)
    assert blind.any()
    np.testing.assert_allclose(numpy(scores)[blind], 1 / scores.shape[-1], rtol=1e-6)
    assert not expected["scores"][blind].any()
    assert np.abs(expected["output_with_scores"] - expected["output"]).max() > 0.01


@cases("hub_layer", lambda name: "implicit" in name)
class TestHubLayerImplicitMask:
    def made(self, case):
        settings, inputs, expected = settings_of("hub_layer", case)
        embed = keras.layers.Embedding(V, D, mask_zero=True)
        embed.build()
        embed.embeddings.assign(inputs["table"])
        layer = layer_from("hub_layer", settings, HUB_LAYER, **settings["options"])
        return layer, embed(inputs["ids"]), inputs, expected

    def test_real_tokens_are_equal(self, case):
        layer, x, inputs, expected = self.made(case)
        real = inputs["ids"] > 0
        assert_equal(numpy(layer(x))[real], expected["implicit"][real], "real tokens")

    def test_departs_padded_queries_look_at_real_keys(self, case):
        layer, x, inputs, expected = self.made(case)
        assert_equal(layer(x), expected["same_mask_passed"], "the same mask, passed")
        assert np.abs(expected["implicit"] - expected["same_mask_passed"]).max() > 0.1

    def test_departs_an_explicit_mask_replaces_the_implicit_one(self, case):
        layer, x, inputs, expected = self.made(case)
        assert_equal(layer(x, padding_mask=inputs["explicit"]), expected["explicit_alone"], "the explicit mask alone")
        assert np.abs(expected["both"] - expected["explicit_alone"]).max() > 0.1


# ------------------------------------------------------------------ KerasHub: BertBackbone, BertMaskedLM


@functools.cache
def hub_bert():
    """A `BertPretrainer` with the weights of KerasHub's, whose head has its own GELU and epsilon."""
    encoder = BertEncoder(V, D, L, N, P, TYPES, F, output_dropout=0.0, attention_dropout=0.0, name="encoder")
    weights = stored("hub_bert", "weights", "plain")
    head_weights = {key: weights.pop(key) for key in list(weights) if key.startswith("mlm_head/")}
    names = HUB_EMBEDDINGS | dense("pooled_dense", "pooler_transform")
    for i in range(L):
        names |= renamed(HUB_LAYER, f"transformer_layer_{i}", f"layer_{i}")
    assign(encoder, weights, names)
    head = MaskedLM(encoder.get_embedding_layer(), "gelu", layer_norm_epsilon=1e-5, name="head")
    pretrainer = BertPretrainer(encoder, customized_masked_lm=head)
    names = {f"mlm_head/{key}": value for key, value in HUB_MLM_HEAD.items()}
    assign(head, head_weights, names, but=[encoder])
    return pretrainer


@cases("hub_bert")
def test_hub_bert(case):
    _, inputs, expected = settings_of("hub_bert", case)
    positions = inputs.pop("mask_positions")
    assert_all_equal(hub_bert()(inputs | {"masked_lm_positions": positions}), expected)


# --------------------------------------------------------------------------------------------- transformers

HF_MLM_HEAD = {
    "cls.predictions.transform.dense.weight": "transform/kernel",
    "cls.predictions.transform.dense.bias": "transform/bias",
    "cls.predictions.transform.LayerNorm.weight": "layer_norm/gamma",
    "cls.predictions.transform.LayerNorm.bias": "layer_norm/beta",
    "cls.predictions.bias": "output_bias",
}
HF_NSP_HEAD = {"cls.seq_relationship.weight": "logits/kernel", "cls.seq_relationship.bias": "logits/bias"}


@pytest.fixture(scope="module")
def read_transformers(tmp_path_factory):
    """A function from options to (encoder, masked LM head, next-sentence head), the encoder by our own reader."""
    directory = tmp_path_factory.mktemp("transformers")
    weights = stored("transformers", "weights", "plain")
    save_file(weights, directory / "model.safetensors")

    def head_from(head, names, but=()):
        chosen = {name: weights[name].T if weights[name].ndim == 2 else weights[name] for name in names}
        return assign(head, chosen, names, but)

    @functools.cache
    def read(options):
        config = LISTING["transformers"]["models"]["plain"] | {"model_type": "bert"} | dict(options)
        (directory / "config.json").write_text(json.dumps(config))
        words = [*SPECIAL_TOKENS, *(f"word{i}" for i in range(config["vocab_size"] - len(SPECIAL_TOKENS)))]
        (directory / "vocab.txt").write_text("\n".join(words))
        bert = load(directory)
        assert bert.has_pooler
        unread = [tensor.name for tensor in huggingface.tensors(directory) if tensor.weight_path is None]
        assert set(unread) == set(HF_NSP_HEAD)
        encoder = bert.encoder
        table, epsilon = encoder.get_embedding_layer(), encoder.layer_norm_epsilon
        masked_lm = MaskedLM(table, encoder.inner_activation, layer_norm_epsilon=epsilon, name="masked_lm")
        masked_lm.build((None, None, D))
        next_sentence = ClassificationHead(0, 2, name="next_sentence")
        next_sentence.build((None, D))
        return encoder, head_from(masked_lm, HF_MLM_HEAD, [encoder]), head_from(next_sentence, HF_NSP_HEAD)

    return read


@cases("transformers")
def test_transformers(case, read_transformers):
    settings, inputs, expected = settings_of("transformers", case)
    encoder, masked_lm, next_sentence = read_transformers(tuple(settings["options"].items()))
    outputs = encoder(inputs, return_attention_scores=True, return_embedding_output=True)
    length = inputs["input_ids"].shape[1]
    everywhere = np.broadcast_to(np.arange(length), (len(inputs["input_ids"]), length))
    got = {
        "hidden_states": [outputs["embedding_output"], *outputs["encoder_outputs"]],
        "attentions": outputs["attention_scores"],
        "pooler_output": outputs["pooled_output"],
        "prediction_logits": masked_lm(outputs["sequence_output"], everywhere),
        "seq_relationship_logits": next_sentence(outputs["pooled_output"]),
    }
    assert_all_equal(got, expected)

"""`.keras` files, read as data: which models are recognized, where Keras puts their weights, and what is refused."""

import io
import json
import zipfile

import h5py
import keras
import numpy as np
import pytest
from small_world import VOCABULARY

import bertedu as be
from bertedu.checkpoints.keras_archive import paths as keras_paths

SIZES = {"vocab_size": 20, "hidden_size": 6, "num_layers": 2, "num_attention_heads": 2, "inner_dim": 7}
SIZES |= {"max_sequence_length": 13, "type_vocab_size": 2}


def encoder(**options):
    return be.BertEncoder(**SIZES | options, name="bert")


def strong(model):
    rng = np.random.default_rng(5)
    for variable in model.weights:
        variable.assign(rng.normal(size=variable.shape).astype(variable.dtype))
    return model


def functional(network):
    return keras.Model(network.inputs, network(network.inputs))


def with_heads():
    heads = [be.ClassificationHead(5, 3, name="next"), be.ClassificationHead(0, 2, name="order")]
    heads[1].build((None, None, 6))
    return be.BertPretrainer(encoder(), "gelu", classification_heads=heads[:1])


def from_texts():
    text = keras.Input(shape=(), dtype="string")
    preprocessor = be.BertPreprocessor(be.BertTokenizer(VOCABULARY), 9)
    return keras.Model(text, be.BertClassifier(encoder(), 3)(preprocessor(text)))


MODELS = {
    "an encoder": lambda: functional(encoder()),
    "talking heads": lambda: functional(
        encoder(attention_cls=be.TalkingHeadsAttention, feedforward_cls=be.GatedFeedforward, embedding_width=5)
    ),
    "a table of its own": lambda: functional(encoder(embedding_layer=keras.layers.Embedding(20, 6, name="words"))),
    "a pretrainer": lambda: be.BertPretrainer(encoder(), "gelu"),
    "a pretrainer with a head of its own": lambda: pretrainer_of(encoder()),
    "a pretrainer with further heads": with_heads,
    "a classifier": lambda: be.BertClassifier(encoder(), 3),
    "a classifier with its own pooler": lambda: be.BertClassifier(encoder(), 3, use_encoder_pooler=False),
    "a classifier with a dense head": lambda: be.BertClassifier(
        encoder(), 5, cls_head=keras.layers.Dense(5, activation="tanh")
    ),
    "a classifier with our head": lambda: be.BertClassifier(
        encoder(), 4, use_encoder_pooler=False, cls_head=be.ClassificationHead(3, 4, activation="relu")
    ),
    "a classifier with names": lambda: be.BertClassifier(encoder(), 2, class_names=["no", "yes"], multi_label=True),
    "a token classifier": lambda: be.BertTokenClassifier(
        encoder(), 3, output="predictions", class_names=["O", "B", "I"]
    ),
    "a token classifier in a functional model": lambda: functional_tagger(be.BertTokenClassifier(encoder(), 3)),
    "from texts": from_texts,
}


def functional_tagger(model):
    return keras.Model(model.network.inputs, model(model.network.inputs))


def pretrainer_of(network):
    head = be.MaskedLM(network.get_embedding_layer(), "relu", layer_norm_epsilon=1e-5)
    return be.BertPretrainer(network, customized_masked_lm=head)


def saved(model, folder):
    path = folder / "model.keras"
    model.save(path)
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in VOCABULARY))
    return path


@pytest.mark.parametrize("kind", MODELS)
def test_what_model_save_writes_opens_with_the_same_weights(kind, tmp_path):
    model = strong(MODELS[kind]())
    bert = be.load(saved(model, tmp_path))
    copy = bert.masked_lm or bert.classifier or bert.token_classifier or bert.encoder
    inside = [
        layer
        for layer in model.layers
        if isinstance(layer, be.BertEncoder | be.BertClassifier | be.BertTokenClassifier)
    ]
    original = model if isinstance(model, be.BertPretrainer | be.BertClassifier | be.BertTokenClassifier) else inside[0]
    assert type(copy) is type(original)
    assert len(copy.weights) == len(original.weights)
    for weight, expected_weight in zip(copy.weights, original.weights, strict=True):
        np.testing.assert_array_equal(weight, expected_weight, err_msg=expected_weight.path)
    configs = [{k: v for k, v in m.get_config().items() if k not in ("name", "cls_head")} for m in (copy, original)]
    assert json.dumps(configs[0], sort_keys=True) == json.dumps(configs[1], sort_keys=True)


@pytest.mark.parametrize("kind", MODELS)
def test_weights_are_found_where_keras_puts_them(kind, tmp_path):
    model = MODELS[kind]()
    root = model
    prefix = ""
    if not isinstance(model, be.BertPretrainer | be.BertClassifier | be.BertTokenClassifier):
        root = next(
            layer
            for layer in model.layers
            if isinstance(layer, be.BertEncoder | be.BertClassifier | be.BertTokenClassifier)
        )
        prefix = f"layers/{keras_paths.snake_case(type(root).__name__)}"
    stored = keras_paths.stored_paths(root, prefix)
    with zipfile.ZipFile(saved(model, tmp_path)) as archive:
        weights = h5py.File(io.BytesIO(archive.read("model.weights.h5")))
    assert {id(variable) for variable in stored.values()} == {id(variable) for variable in root.weights}
    for path, variable in stored.items():
        np.testing.assert_array_equal(weights[path][()], variable, err_msg=path)


def test_a_model_that_was_trained_opens_without_its_optimizer(tmp_path):
    classifier = be.BertClassifier(encoder(), 2)
    classifier.compile(keras.optimizers.AdamW(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    ids = np.full((2, 4), 5, "int32")
    classifier.fit(
        {"input_word_ids": ids, "input_mask": ids * 0 + 1, "input_type_ids": ids * 0}, np.array([0, 1]), verbose=0
    )
    bert = be.load(saved(classifier, tmp_path))
    for weight, expected_weight in zip(bert.classifier.weights, classifier.weights, strict=True):
        np.testing.assert_array_equal(weight, expected_weight)


def rewritten(path, change=None, **members):
    """The archive with its configuration changed by a function, and members replaced or added."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    if change:
        config = json.loads(content["config.json"])
        change(config)
        content["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in (content | members).items():
            archive.writestr(name, value)
    return path


def encoder_config(config):
    return config["config"]["network"]["config"]


WRONG = {
    "an unknown argument": lambda c: encoder_config(c).update(new=1),
    "vocab_size": lambda c: encoder_config(c).update(vocab_size=10**9),
    "num_layers": lambda c: encoder_config(c).update(num_layers=10**6),
    "hidden_size": lambda c: encoder_config(c).update(hidden_size="6"),
    "layer_norm_epsilon": lambda c: encoder_config(c).update(layer_norm_epsilon=None),
    "inner_activation": lambda c: encoder_config(c).update(inner_activation="lambda x: x"),
    "attention_cls": lambda c: encoder_config(c).update(attention_cls="bertedu>BertTokenizer"),
    "initializer": lambda c: encoder_config(c)["initializer"].update(class_name="Other"),
    "dtype": lambda c: encoder_config(c).update(dtype="quantized"),
    "num_classes": lambda c: c["config"].update(num_classes=-3),
    "class_names": lambda c: c["config"].update(class_names=["one"]),
    "cls_head": lambda c: c["config"].update(cls_head={"module": "keras.layers", "class_name": "Lambda", "config": {}}),
    "Sequential": lambda c: c.update(class_name="Sequential", registered_name="Sequential"),
}


@pytest.mark.parametrize("field", WRONG)
def test_what_is_not_one_of_our_models_is_refused_by_file_and_field(field, tmp_path):
    path = rewritten(saved(be.BertClassifier(encoder(), 2), tmp_path), WRONG[field])
    with pytest.raises(ValueError, match="model.keras") as error:
        be.load(path)
    assert field.removeprefix("an unknown argument") in str(error.value)
    assert len(str(error.value)) < 1000


def test_a_larger_model_than_the_weights_fill_is_refused(tmp_path):
    change = lambda config: encoder_config(config).update(inner_dim=5_000_000)  # noqa: E731
    path = rewritten(saved(be.BertClassifier(encoder(), 2), tmp_path), change)
    with pytest.raises(ValueError, match=r"model\.keras.*config\.json"):
        be.load(path)


def test_another_layer_in_a_functional_model_is_refused_by_name(tmp_path):
    network = encoder()
    outputs = keras.layers.Dropout(0.5)(network(network.inputs)["pooled_output"])
    with pytest.raises(ValueError, match=r"model\.keras.*Dropout.*keras\.models\.load_model"):
        be.load(saved(keras.Model(network.inputs, outputs), tmp_path))


def test_members_that_are_unknown_or_damaged_are_refused(tmp_path):
    path = saved(be.BertClassifier(encoder(), 2), tmp_path)
    whole = path.read_bytes()
    rewritten(path, **{"../evil.txt": b"x"})
    with pytest.raises(ValueError, match=r"model\.keras.*evil"):
        be.load(path)
    for content in (whole[:1000], whole[:-30], b"", b"PK\x03\x04" + b"\0" * 100):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"model\.keras"):
            be.load(path)


def test_the_writer_refuses_what_the_reader_would(tmp_path):
    class Scaled(be.Feedforward):
        pass

    network = encoder(feedforward_cls=Scaled)
    for form, name in (("keras", "bert.keras"), ("bertedu", "bert")):
        with pytest.raises(ValueError, match="feedforward_cls"):
            be.save_checkpoint(be.Bert(be.BertTokenizer(VOCABULARY), network), tmp_path / name, form)
    assert list(tmp_path.iterdir()) == []


@be.register("tests")
class Doubled(be.Feedforward):
    """A part of one's own."""

    def call(self, inputs):
        return 2 * super().call(inputs)


@pytest.mark.parametrize("form, name", [("keras", "bert.keras"), ("bertedu", "bert")])
def test_a_registered_part_is_saved_and_opened(form, name, tmp_path):
    network = strong(encoder(feedforward_cls=Doubled))
    bert = be.Bert(be.BertTokenizer(VOCABULARY), network)
    copy = be.load(be.save_checkpoint(bert, tmp_path / name, form))
    assert copy.encoder.feedforward_cls is Doubled
    np.testing.assert_array_equal(copy.read("the cat").encoder_outputs, bert.read("the cat").encoder_outputs)

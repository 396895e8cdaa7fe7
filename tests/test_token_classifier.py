"""Token classifiers: the model, its files, and the entities of `tag`, beside transformers."""

import json
import random

import keras
import numpy as np
import pytest
import small_world
from keras import ops

import bertedu as be
from bertedu.entities import AGGREGATIONS

SIZES = {"hidden_size": 22, "num_layers": 2, "num_attention_heads": 2, "inner_dim": 37, "max_sequence_length": 23}
IDS = np.array([[2, 5, 6, 7, 3, 0], [2, 9, 3, 6, 3, 0]], "int32")
INPUTS = {"input_word_ids": IDS, "input_mask": (IDS > 0).astype("int32"), "input_type_ids": IDS * 0}


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def classifier(num_classes=3, **options):
    return be.BertTokenClassifier(be.BertEncoder(len(small_world.VOCABULARY), **SIZES), num_classes, **options)


def bert(**options):
    model = classifier(**options)
    return be.Bert(be.BertTokenizer(small_world.VOCABULARY), model.network, token_classifier=model)


def test_logits_by_hand_and_the_other_outputs():
    model = classifier(output_encoder_outputs=True)
    kernel, bias = (numpy(weight) for weight in model.classifier.weights)
    outputs = model(INPUTS)
    sequence = numpy(model.network(INPUTS)["sequence_output"])
    np.testing.assert_allclose(numpy(outputs["logits"]), sequence @ kernel + bias, atol=1e-6)
    np.testing.assert_array_equal(numpy(outputs["encoder_outputs"]), sequence)
    log = be.BertTokenClassifier(model.network, 3, output="predictions")
    log.set_weights(model.get_weights())
    np.testing.assert_allclose(np.exp(numpy(log(INPUTS)["predictions"])).sum(-1), 1, atol=1e-6)
    assert list(log(INPUTS)) == ["predictions"] and log.checkpoint_items == {"encoder": model.network}


def test_the_encoder_outputs_are_after_dropout():
    outputs = classifier(dropout_rate=0.5, output_encoder_outputs=True)(INPUTS, training=True)
    assert 0.3 < np.mean(numpy(outputs["encoder_outputs"]) == 0) < 0.7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 0}, "num_classes: .*got 0"),
        ({"output": "probabilities"}, "output: expected 'logits' or 'predictions', got 'probabilities'"),
        ({"class_names": ["O"]}, "class_names: expected 3 names, one per class, got 1"),
    ],
)
def test_invalid_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        classifier(**options)


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["bertedu", "keras", "huggingface"])
@pytest.mark.parametrize("names", [None, ["O", "B-CODE", "I-CODE"]])
def test_every_format_brings_it_back(tmp_path, format, names):
    original = bert(class_names=names, dropout_rate=0.3)
    path = tmp_path / ("model.keras" if format == "keras" else "model")
    be.save_checkpoint(original, path, format)
    loaded = be.load(path)
    again = loaded.token_classifier
    assert again.class_names == (names and tuple(names)) and again.dropout_rate == 0.3 and loaded.classifier is None
    np.testing.assert_array_equal(numpy(again(INPUTS)["logits"]), numpy(original.token_classifier(INPUTS)["logits"]))
    inspected = str(be.inspect(path))
    assert "token classifier" in inspected and "token_classifier/logits/kernel" in inspected
    assert ("B-CODE" in inspected) == (names is not None)


def test_a_keras_file_is_opened_by_keras_too(tmp_path):
    model = classifier(dropout_rate=0.3)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.dropout_rate == 0.3  # tf-models forgets it
    np.testing.assert_array_equal(numpy(again(INPUTS)["logits"]), numpy(model(INPUTS)["logits"]))


def test_a_damaged_configuration_is_refused(tmp_path):
    be.save_checkpoint(bert(), tmp_path / "model")
    file = tmp_path / "model" / "bertedu.json"
    content = json.loads(file.read_text())
    for change, said in (({"num_classes": 5}, "shape"), ({"output": "x"}, "output"), ({"other": 1}, "other")):
        file.write_text(json.dumps(content | {"token_classifier": content["token_classifier"] | change}))
        with pytest.raises(ValueError, match=said):
            be.load(tmp_path / "model")


def test_two_classifiers_are_refused_where_there_is_room_for_one(tmp_path):
    both = bert()
    both.classifier = be.BertClassifier(both.encoder, 2)
    be.save_checkpoint(both, tmp_path / "model")
    assert be.load(tmp_path / "model").classifier is not None
    for path, format in (("a.keras", "keras"), ("b", "huggingface")):
        with pytest.raises(ValueError, match="format: expected"):
            be.save_checkpoint(both, tmp_path / path, format)


def test_a_new_one_leaves_the_model_as_it_was():
    original = bert()
    new = original.token_classifier_for(5, dropout_rate=0.0)
    assert new.network is not original.encoder and new.num_classes == 5
    np.testing.assert_array_equal(
        numpy(new.network(INPUTS)["sequence_output"]), numpy(original.encoder(INPUTS)["sequence_output"])
    )
    pruned = be.prune(original, heads={0: [1]})
    assert pruned.token_classifier.network is pruned.encoder and pruned.token_classifier.num_classes == 3


# -- transformers ------------------------------------------------------------------------------------------------------

WORDS = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "on", "mat", "Ada", "love", "##lace", "##s"),
    *("in", "new", "york", "New", "York", ".", ",", "##d", "cafe", "un", "##want", "##ed", "-", "!", "(", ")", "##k"),
]
LABELS = {
    "bio": ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"],
    "plain": ["PER", "O", "LOC"],
    "unnamed": ["LABEL_0", "LABEL_1"],
    "hyphens": ["O", "S-PER", "B-A-B", "I-A-B"],
}
PIECES = ["the", "cats", "Ada", "lovelace", "Lovelace", "New", "York", "new", "york", ".", ",", "café", "cafe\u0301"]
PIECES += ["unwanted", "xyzzy", "日本", "-", "!", "(", "[MASK]", "[SEP]", "sat", "mats", "a\u200bb", "İs", "on-in"]


def sentences(count=60):
    rng = random.Random(0)
    return ["", " ", "cat"] + [
        "".join(rng.choice(PIECES) + rng.choice(["", " ", " ", "  ", "\n"]) for _ in range(rng.randint(1, 12)))
        for _ in range(count)
    ]


@pytest.fixture(scope="module", params=[(labels, cased) for labels in LABELS for cased in (True, False)], ids=str)
def both(request, tmp_path_factory):
    """A directory that transformers wrote: its pipelines by aggregation, its model, and our `Bert`."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    labels, cased = request.param
    directory = tmp_path_factory.mktemp("model")
    (directory / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    torch.manual_seed(1)
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=22,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=37,
        max_position_embeddings=128,
        initializer_range=0.3,
        id2label=dict(enumerate(LABELS[labels])),
        label2id={name: i for i, name in enumerate(LABELS[labels])},
        classifier_dropout=0.3,
        problem_type="single_label_classification",  # without effect
    )
    model = transformers.BertForTokenClassification(config).eval()
    model.save_pretrained(directory)
    tokenizer = transformers.BertTokenizerFast(str(directory / "vocab.txt"), do_lower_case=not cased)
    tokenizer.save_pretrained(directory)
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    pipelines = {
        name: transformers.pipeline("token-classification", model, tokenizer=tokenizer, aggregation_strategy=name)
        for name in AGGREGATIONS
    }
    return pipelines, model, tokenizer, be.load(directory)


@pytest.mark.peers
def test_logits_equal_transformers(both):
    import torch

    _, model, tokenizer, loaded = both
    assert not loaded.has_pooler and loaded.token_classifier.dropout_rate == 0.3
    names = loaded.token_classifier.class_names
    assert (names or ("LABEL_0", "LABEL_1")) == tuple(model.config.id2label.values())
    for text in sentences(10)[2:]:
        encoded = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            expected = model(**encoded).logits.numpy()
        got = loaded.token_classifier(loaded.encoder_inputs([loaded.preprocessor.encode(text)]))["logits"]
        np.testing.assert_allclose(numpy(got), expected, atol=1e-5)


@pytest.mark.peers
@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_entities_equal_those_of_the_pipeline(both, aggregation):
    pipelines, _, _, loaded = both
    found = 0
    for text in sentences():
        expected = pipelines[aggregation](text) if text else []  # the pipeline refuses an empty text
        got = loaded.tag(text, aggregation)
        key = "entity" if aggregation == "none" else "entity_group"
        assert [(e.label, e.start, e.end) for e in got] == [(e[key], e["start"], e["end"]) for e in expected], text
        np.testing.assert_allclose([e.probability for e in got], [e["score"] for e in expected], atol=1e-5)
        assert all(e.text == text[e.start : e.end] for e in got)
        found += len(got)
    assert found > 60


@pytest.mark.peers
def test_what_we_write_transformers_reads(tmp_path, both):
    import torch
    import transformers

    _, model, tokenizer, loaded = both
    be.save_checkpoint(loaded, tmp_path / "model", "huggingface")
    again, info = transformers.AutoModelForTokenClassification.from_pretrained(
        tmp_path / "model", output_loading_info=True
    )
    assert type(again).__name__ == "BertForTokenClassification" and not info["missing_keys"]
    assert again.config.id2label == model.config.id2label and again.config.classifier_dropout == 0.3
    encoded = tokenizer("the cats sat", return_tensors="pt")
    with torch.no_grad():
        np.testing.assert_array_equal(again.eval()(**encoded).logits.numpy(), model(**encoded).logits.numpy())


# -- tag ---------------------------------------------------------------------------------------------------------------


def test_tag_says_what_it_needs():
    model = bert()
    with pytest.raises(ValueError, match="aggregation: expected 'none' or .*, got 'sum'"):
        model.tag("the cat", "sum")
    with pytest.raises(TypeError, match="text: expected one string"):
        model.tag(["the cat"])
    with pytest.warns(UserWarning, match="at most 23 tokens.*3 of them were cut off"):
        model.tag("cat " * 24)
    model.token_classifier = None
    with pytest.raises(ValueError, match="expected a token classifier, got 'bert' without one"):
        model.tag("the cat")

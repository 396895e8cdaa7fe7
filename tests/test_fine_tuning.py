"""Fine-tuning: what is learned, what is refused, and that nothing is lost when a training is killed."""

import contextlib
import dataclasses
import gc
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import interrupted
import keras
import numpy as np
import pytest
import small_world
from keras import ops

import bertedu as be
from bertedu.fine_tuning import Batches, WarmUpAndDecay, examples, fine_tune, optimizer, plan_batches, schedule, state
from bertedu.fine_tuning import run as running
from bertedu.fine_tuning.batches import SIZES, padded_length
from bertedu.fine_tuning.config import RENAMED, TrainingConfig
from bertedu.fine_tuning.history import History
from bertedu.fine_tuning.progress import Curves
from bertedu.fine_tuning.tasks import Classification

WORDS = small_world.VOCABULARY[5:]
RNG = np.random.default_rng(3)
TEXTS = [" ".join(RNG.choice(WORDS, RNG.integers(1, 40))) for _ in range(48)]
LABELS = [int("cat" in text.split()) for text in TEXTS]


def small(num_classes=2, seed=0, encoder_dropout=0.1, **options):
    """A classifier of random weights on the small world, and its preprocessor."""
    keras.utils.set_random_seed(seed)
    sizes = {"hidden_size": 16, "num_layers": 1, "num_attention_heads": 2, "inner_dim": 32, "type_vocab_size": 2}
    sizes |= {"output_dropout": encoder_dropout, "attention_dropout": encoder_dropout}
    encoder = be.BertEncoder(len(small_world.VOCABULARY), max_sequence_length=64, **sizes)
    tokenizer = be.BertTokenizer(small_world.VOCABULARY)
    return be.BertClassifier(encoder, num_classes, **options), be.BertPreprocessor(tokenizer, 64)


def run(train=(TEXTS, LABELS), *, num_classes=2, **options):
    classifier, preprocessor = small(num_classes)
    options = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-3, "progress": False} | options
    return classifier, fine_tune(classifier, preprocessor, train, **options)


def prepared(texts, labels):
    classifier, preprocessor = small()
    return Classification(classifier).prepare("train", (texts, labels), preprocessor, 64)


def same_weights(one, two):
    return all(np.array_equal(a, b) for a, b in zip(one.get_weights(), two.get_weights(), strict=True))


def test_the_default_learning_rate_depends_on_the_size_and_is_recorded():
    classifier, preprocessor = small()
    history = fine_tune(classifier, preprocessor, (TEXTS, LABELS), epochs=1, progress=False)
    assert history.run["arguments"]["learning_rate"] == 2e-4
    assert [schedule.default_learning_rate(size) for size in (384, 511, 512, 1024)] == [2e-4, 2e-4, 5e-5, 5e-5]


# -- batches -----------------------------------------------------------------------------------------------------------


def test_every_text_is_in_one_batch_of_similar_lengths():
    lengths = RNG.integers(3, 200, 997)
    batches = plan_batches(lengths, 32, np.random.default_rng(0))
    assert sorted(np.concatenate(batches)) == list(range(997))
    planned = np.mean([np.ptp(lengths[batch]) for batch in batches])
    shuffled = np.mean([np.ptp(lengths[RNG.permutation(997)[:32]]) for _ in batches])
    assert planned < shuffled / 10
    assert [b.tolist() for b in batches] != [b.tolist() for b in plan_batches(lengths, 32, np.random.default_rng(1))]


def test_a_short_batch_is_filled_up_with_texts_of_weight_0():
    texts = prepared(TEXTS[:5], LABELS[:5])
    batches = Batches(texts, plan_batches([len(r.ids) for r in texts.rows], 4), 4, 0, 64)
    shapes = [
        (inputs["input_word_ids"].shape[0], weights.sum()) for inputs, _, weights in map(batches.__getitem__, (0, 1))
    ]
    assert shapes == [(4, 4), (4, 1)] and batches.weights == [4, 1]


def test_padded_lengths_are_few():
    assert {padded_length(n, 512) for n in range(3, 513)} == set(SIZES)
    assert [padded_length(size, 512) for size in SIZES] == list(SIZES)  # what fits exactly is not made longer
    assert padded_length(40, 45) == 45 and padded_length(40, 45, sizes=()) == 40


def test_the_first_two_batches_differ_in_length():
    texts = prepared(["the"] * 9 + ["the cat sat on the mat " * 5], [0, 1] * 5)
    batches = Batches(texts, [np.array([i]) for i in range(10)], 1, 0, 64)
    lengths = [batches[i][0]["input_word_ids"].shape[1] for i in range(10)]
    assert lengths[0] != lengths[1] and sorted(np.concatenate(batches.batches)) == list(range(10))


# -- the recipe --------------------------------------------------------------------------------------------------------


def test_the_learning_rate_rises_to_its_peak_and_decays_to_0():
    rate = WarmUpAndDecay(0.5, warm_up=10, steps=50)
    rates = [float(rate(step)) for step in range(51)]
    assert np.argmax(rates) in (9, 10) and max(rates) == pytest.approx(0.5)
    assert rates[0] > 0 and rates[50] == 0 and np.all(np.diff(rates[11:]) < 0)


def test_biases_and_norms_do_not_decay():
    classifier, _ = small()
    adam = optimizer(1e-3, 10)
    adam.build(classifier.trainable_variables)
    decaying = {v.path.split("/")[-1] for v in classifier.trainable_variables if adam._use_weight_decay(v)}
    assert decaying == {"kernel", "embeddings"}


@pytest.mark.parametrize(("global_clipnorm", "factor"), [(None, 1), (1.0, 52**-0.5)])
def test_a_word_that_occurs_twice_has_one_gradient(global_clipnorm, factor):
    """By hand: rows 1 and 2 of a table have the gradients 1 + 2 + 3 and 4, together of length sqrt(52)."""
    table = keras.layers.Embedding(5, 1, embeddings_initializer="ones")
    model = keras.Sequential([keras.Input((4,)), table, keras.layers.Flatten(), keras.layers.Dense(1, use_bias=False)])
    model.layers[-1].trainable = False
    model.layers[-1].set_weights([np.array([[1.0], [2.0], [3.0], [4.0]])])
    adam = optimizer(0.1, steps=10, warmup_ratio=0.0, weight_decay=0.0, global_clipnorm=global_clipnorm)
    model.compile(adam, loss=lambda _, y: y)
    model.train_on_batch(np.array([[1, 1, 1, 2]]), np.zeros((1, 1)))
    momentum, velocity = (np.asarray(variable)[:, 0] for variable in adam.variables[-2:])
    gradient = np.array([0, 6, 4, 0, 0]) * factor
    np.testing.assert_allclose(momentum, 0.1 * gradient, rtol=1e-4)
    np.testing.assert_allclose(velocity, 0.001 * gradient**2, rtol=1e-4)
    np.testing.assert_allclose(np.asarray(table.embeddings)[:, 0], [1, 0.9, 0.9, 1, 1], rtol=1e-4)


@pytest.mark.parametrize("global_clipnorm", [None, 0.5])
def test_the_optimizer_is_keras_own_where_no_word_occurs_twice(global_clipnorm):
    x, y = RNG.normal(size=(8, 5)), RNG.integers(0, 3, 8)
    weights = []
    for make in (optimizer, adam_of_keras):
        keras.utils.set_random_seed(3)
        model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(7, "tanh"), keras.layers.Dense(3)])
        model.compile(
            make(0.01, 6, 0.5, 0.1, global_clipnorm), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        )
        for _ in range(5):
            model.train_on_batch(x, y)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def adam_of_keras(learning_rate, steps, warmup_ratio, weight_decay, global_clipnorm):
    rate = WarmUpAndDecay(learning_rate, round(warmup_ratio * steps), steps)
    adam = keras.optimizers.AdamW(rate, weight_decay=weight_decay, epsilon=1e-6, global_clipnorm=global_clipnorm)
    adam.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return adam


def test_the_optimizer_follows_constraints_and_refuses_what_it_leaves_out():
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3, kernel_constraint="non_neg")])
    model.compile(optimizer(0.1, 6, 0.5, 0.1), "mse")
    model.train_on_batch(np.ones((2, 5)), -np.ones((2, 3)))
    assert np.min(model.layers[0].kernel) >= 0
    if keras.config.backend() == "tensorflow":
        with pytest.raises(ValueError, match="use_ema"):
            schedule.AdamW(use_ema=True).apply([np.ones(3, "float32")], [keras.Variable(np.ones(3, "float32"))])


def test_it_learns_and_records_what_happened(tmp_path):
    before = small()[0]
    classifier, history = run(validation=(TEXTS, LABELS), epochs=30, learning_rate=5e-3)
    assert not same_weights(before, classifier)
    assert len(history.epochs) == 30 and history.finished
    assert history.epochs[-1]["loss"] < history.epochs[0]["loss"] / 2
    best = history.epochs[history.best_epoch]
    assert best["val_loss"] == min(epoch["val_loss"] for epoch in history.epochs) and best["val_accuracy"] > 0.9
    content = json.loads(history.save(tmp_path / "history.json").read_text())
    assert content["run"]["surroundings"]["keras"] == keras.__version__
    assert content["run"]["arguments"]["learning_rate"] == 5e-3 and len(content["run"]["train"]["sha256"]) == 64
    assert "training" in history.plot("accuracy").figure.alt
    with pytest.raises(ValueError, match=r"metric: expected one of \['accuracy', 'loss'\]"):
        history.plot("f1")


def test_every_setting_reaches_the_config_and_the_history():
    settings = {"epochs": 1, "batch_size": 24, "learning_rate": 1e-3, "schedule": "constant", "warmup_ratio": 0.0}
    settings |= {"weight_decay": 0.02, "global_clipnorm": 2.0, "max_length": 20, "class_weight": [1.0, 2.0]}
    settings |= {"trainable": "all", "lora_rank": 2, "lora_alpha": 3.0, "lora_targets": ["query"], "seed": 3}
    settings |= {"precision": "float32", "jit_compile": False, "restore_best_weights": False}
    keywords = [p.name for p in inspect.signature(fine_tune).parameters.values() if p.kind is p.KEYWORD_ONLY]
    others = ("seeds", "output_dir", "progress", "callbacks")
    assert list(settings) == [name for name in keywords if name not in others]
    assert {field.name for field in dataclasses.fields(TrainingConfig)} == settings.keys()
    _, history = run(**settings)
    old_names = {new: old for old, new in RENAMED.items()}
    assert history.run["arguments"] == {old_names.get(name, name): value for name, value in settings.items()}


def test_the_same_seed_gives_the_same_weights_and_another_another():
    one, two, other = (run(seed=seed)[0] for seed in (1, 1, 2))
    assert same_weights(one, two) and not same_weights(one, other)


def test_the_weights_of_the_best_epoch_are_restored():
    classifier, history = run(validation=(TEXTS, [1 - label for label in LABELS]), epochs=6, learning_rate=2e-2)
    assert history.best_epoch < 5  # it can only get worse
    last, _ = run(
        validation=(TEXTS, [1 - label for label in LABELS]), epochs=6, learning_rate=2e-2, restore_best_weights=False
    )
    assert not same_weights(classifier, last)


def test_a_regression_and_pairs():
    values = [text.split().count("cat") / 10 for text in TEXTS]
    _, history = run((TEXTS, TEXTS[::-1], values), num_classes=1, epochs=8)
    assert history.epochs[-1]["loss"] < history.epochs[0]["loss"]
    assert "mean_absolute_error" in history.epochs[0]
    _, tuples = run((list(zip(TEXTS, TEXTS[::-1], strict=True)), values), num_classes=1, epochs=1)
    assert tuples.epochs[0]["loss"] == pytest.approx(history.epochs[0]["loss"], rel=0.2)


def test_class_weights_count():
    assert run(class_weight="balanced")[1].epochs != run()[1].epochs
    texts = prepared(TEXTS, LABELS)
    weights = examples.weights_of_classes("balanced", texts, 2)
    sums = [weights[label] * (texts.labels == label).sum() for label in (0, 1)]
    assert sums[0] == pytest.approx(sums[1])


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_trains_a_copy_and_returns_its_weights(precision):
    classifier, history = run(precision=precision, epochs=3)
    assert classifier.network.dtype_policy.name == "float32" and np.isfinite(history.epochs[-1]["loss"])
    assert not same_weights(classifier, small()[0])


def test_the_result_is_a_model_that_load_opens(tmp_path):
    classifier, history = run(output_dir=tmp_path / "run")
    bert = be.load(tmp_path / "run" / "model")
    assert same_weights(bert.classifier, classifier)
    again, second = run(output_dir=tmp_path / "run")  # nothing is left to do
    assert same_weights(again, classifier) and second.epochs == history.epochs


def test_several_seeds(tmp_path):
    classifier, runs = run(validation=(TEXTS, LABELS), epochs=3, seeds=[1, 2, 3], output_dir=tmp_path)
    values = runs.values()
    assert runs.metric == "val_accuracy" and list(values) == [1, 2, 3]
    assert runs.mean == pytest.approx(np.mean(list(values.values())))
    assert runs.standard_deviation == pytest.approx(np.std(list(values.values()), ddof=1))
    losses = {seed: min(epoch["val_loss"] for epoch in h.epochs) for seed, h in runs.histories.items()}
    assert len(set(losses.values())) == 3 and runs.best == min(losses, key=losses.get)
    assert same_weights(classifier, be.load(tmp_path / f"seed_{runs.best}" / "model").classifier)
    assert "seed 2" in runs.plot().figure.alt and "3 seeds" in repr(runs)
    again, second = run(validation=(TEXTS, LABELS), epochs=3, seeds=[1, 2, 3], output_dir=tmp_path)
    assert same_weights(again, classifier) and second.values() == values
    with pytest.raises(ValueError, match="seeds: expected at least one"):
        run(seeds=[1, 1])


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_a_seed_has_the_same_result_alone_and_after_another(precision):
    (_, both), (_, alone) = (run(seeds=seeds, precision=precision) for seeds in ([1, 2], [2]))
    first, second, same = (
        [epoch["loss"] for epoch in history.epochs]
        for history in (both.histories[1], both.histories[2], alone.histories[2])
    )
    assert second == same != first


def test_a_seed_that_diverges_is_reported_and_the_others_continue(monkeypatch):
    segment = running.Run._segment

    def diverge(self, *arguments):
        segment(self, *arguments)
        if self.config.seed == 2:
            raise FloatingPointError("The loss is nan")

    monkeypatch.setattr(running.Run, "_segment", diverge)
    _, runs = run(seeds=[1, 2])
    assert runs.failed == {2: "The loss is nan"} and runs.best == 1 and "1 failed" in repr(runs)


# -- killed and resumed ------------------------------------------------------------------------------------------------

PROGRAM = """
import test_fine_tuning as t
t.running.SEGMENT = 2
callbacks = t.keras.callbacks
stopping = callbacks.EarlyStopping("loss", patience=2, min_delta=1.0, restore_best_weights=True)  # after 5 of 9 epochs
stopping.start_from_epoch = 2
best_only = {"save_best_only": True, "save_weights_only": True}
checkpoint = callbacks.ModelCheckpoint(sys.argv[2] + ".weights.h5", "val_loss", **best_only)
options = {"validation": (t.TEXTS, t.LABELS), "epochs": 9, "output_dir": sys.argv[1], "restore_best_weights": False}
classifier, history = t.run(**options, callbacks=[stopping, checkpoint])
assert len(history.epochs) == 5 and history.best_epoch == 2
weights = classifier.get_weights()
classifier.load_weights(sys.argv[2] + ".weights.h5")
arrays = [*weights, *classifier.get_weights()]
np.savez(sys.argv[2], *arrays, losses=[segment["loss"] for segment in history.segments], best=checkpoint.best)
"""


@interrupted.needs_kill
@pytest.mark.parametrize("kills", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_a_killed_training_resumes_with_the_same_result(kills, tmp_path):
    whole, killed = interrupted.whole_and_killed(PROGRAM, tmp_path, kills)
    assert len(whole["losses"]) > 4
    interrupted.check_same_bits(whole, killed)


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_a_training_stopped_at_every_segment_has_the_same_result(precision, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "SEGMENT", 2)
    options = {"validation": (TEXTS, LABELS), "precision": precision}
    whole, history = run(**options)
    (again, resumed), stops = interrupted.stopped_at_every_save(
        monkeypatch, lambda: run(**options, output_dir=tmp_path)
    )
    assert stops > 3 and same_weights(whole, again)
    drop = ("seconds",)
    for one, two in zip(history.segments, resumed.segments, strict=True):
        assert {k: v for k, v in one.items() if k not in drop} == {k: v for k, v in two.items() if k not in drop}


# -- frozen ------------------------------------------------------------------------------------------------------------

PARTS = {
    "everything but the head": lambda classifier: [classifier.network],
    "the ends": lambda classifier: [classifier.network.embeddings, classifier.classifier],
    "pieces": lambda classifier: [classifier.network.pooler_layer, classifier.network.transformer_layers[0].attention],
}


def bits(layers):
    return [ops.convert_to_numpy(weight).tobytes() for layer in layers for weight in layer.weights]


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("part", PARTS)
def test_frozen_weights_keep_all_bits(part, precision):
    classifier, preprocessor = small()
    layers = PARTS[part](classifier)
    for layer in layers:
        layer.trainable = False
    before, others = bits(layers), bits([classifier])
    fine_tune(classifier, preprocessor, (TEXTS, LABELS), epochs=1, precision=precision, progress=False)
    assert bits(layers) == before and bits([classifier]) != others


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_frozen_weights_of_another_dtype_keep_all_bits(dtype):
    sizes = {"hidden_size": 16, "num_layers": 1, "num_attention_heads": 2, "inner_dim": 32, "max_sequence_length": 64}
    classifier = be.BertClassifier(be.BertEncoder(len(small_world.VOCABULARY), **sizes, dtype=dtype), 2)
    classifier.network.embeddings.trainable = False
    before, others = bits([classifier.network.embeddings]), bits([classifier.classifier])
    fine_tune(classifier, small()[1], (TEXTS, LABELS), epochs=1, learning_rate=1e-2, progress=False)
    assert bits([classifier.network.embeddings]) == before and bits([classifier.classifier]) != others


def test_a_frozen_head_is_not_initialized_again_for_another_seed():
    classifier, preprocessor = small()
    classifier.classifier.trainable = False
    before = bits([classifier.classifier])
    fine_tune(classifier, preprocessor, (TEXTS, LABELS), epochs=1, seeds=[1, 2], progress=False)
    assert bits([classifier.classifier]) == before


def test_nothing_to_train_is_refused():
    classifier, preprocessor = small()
    classifier.trainable = False
    with pytest.raises(ValueError, match="classifier: .*frozen"):
        fine_tune(classifier, preprocessor, (TEXTS, LABELS), progress=False)


def test_a_copy_of_the_encoder_keeps_what_was_set_on_it():
    classifier, preprocessor = small()
    bert = be.Bert(preprocessor.tokenizer, classifier.network)
    bert.encoder.trainable = False
    bert.encoder.transformer_layers[0].trainable = True  # and so its weights, inside a frozen encoder's other parts
    bert.encoder.transformer_layers[0].weights[0].trainable = False
    bert.encoder.embeddings.dropout.rate = 0.0
    copy = bert.classifier_for(2).network
    flags = [[weight.trainable for weight in encoder.weights] for encoder in (bert.encoder, copy)]
    assert flags[0] == flags[1] and len(set(flags[0])) == 2
    assert not copy.trainable and not copy.embeddings.trainable and copy.transformer_layers[0].trainable
    assert copy.embeddings.dropout.rate == 0.0


# -- classes by name ---------------------------------------------------------------------------------------------------

THREE = ["cat" if "cat" in text.split() else "dog" if "dog" in text.split() else "mat" for text in TEXTS]


def texts_of(labels, names, texts=TEXTS):
    return be.data.Texts(texts, None, np.array([names.index(label) for label in labels], np.int32), names)


def val_loss(validation, names=("cat", "dog", "mat")):
    return run(texts_of(THREE, names), num_classes=3, validation=validation, epochs=1)[1].epochs[0]["val_loss"]


def test_validation_labels_are_matched_by_name():
    rows = [i for i, label in enumerate(THREE) if label != "cat"]
    labels, texts = [THREE[i] for i in rows], [TEXTS[i] for i in rows]
    right = val_loss(texts_of(labels, ("cat", "dog", "mat"), texts))
    assert val_loss(texts_of(labels, ("dog", "mat"), texts)) == pytest.approx(right, abs=1e-6)
    assert val_loss(texts_of(labels, ("mat", "dog", "rat"), texts)) == pytest.approx(right, abs=1e-6)
    with pytest.raises(ValueError, match="validation: .*'cat', 'dog', 'mat'.*'rat'"):
        val_loss(texts_of(["rat", *labels[1:]], ("dog", "mat", "rat"), texts))


def test_names_that_are_numbers_are_matched_by_value_and_against_unnamed_classes():
    numbers = [("cat", "dog", "mat").index(label) for label in THREE]
    rows = [i for i, number in enumerate(numbers) if number]
    validation = be.data.Texts([TEXTS[i] for i in rows], None, np.array([numbers[i] - 1 for i in rows]), ("01", "2.0"))
    _, one = run((TEXTS, numbers), num_classes=3, validation=validation, epochs=1)
    plain = (validation.texts, [numbers[i] for i in rows])
    _, other = run((TEXTS, numbers), num_classes=3, validation=plain, epochs=1)
    assert one.epochs[0]["val_loss"] == pytest.approx(other.epochs[0]["val_loss"], abs=1e-6)
    with pytest.raises(ValueError, match="validation: expected the classes.*'dog'"):
        run((TEXTS, numbers), num_classes=3, validation=validation._replace(names=("dog", "mat")))


def test_class_weights_by_name_and_by_number():
    train = examples.Examples([], np.array([0, 1, 2]), np.ones(3), names=["10", "9", "cat"])

    def weights(class_weight):
        return examples.weights_of_classes(class_weight, train, 3)

    assert weights({"cat": 3, "9.0": 2}) == weights({2: 3, np.int64(1): 2}) == weights([1, 2, 3]) == [1, 2, 3]
    for wrong, said in (({"dog": 1}, "'cat'.*'dog'"), ({10: 1}, "10"), ({"cat": 1, 2: 2}, "twice")):
        with pytest.raises(ValueError, match=f"class_weight: .*{said}"):
            weights(wrong)


def test_class_weights_by_name_are_the_same_training_when_it_resumes(tmp_path):
    data = texts_of(THREE, ("cat", "dog", "mat"))
    options = {"num_classes": 3, "output_dir": tmp_path, "epochs": 1}
    _, first = run(data, class_weight={"dog": 2.0}, **options)
    assert run(data, class_weight={1: 2}, **options)[1].epochs == first.epochs


# -- prediction repeats training ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [{}, {"max_length": 9}, {"precision": "mixed_bfloat16"}, {"batch_size": 32}],
    ids=["as it is", "max_length", "precision", "a short last batch"],
)
def test_predictions_have_the_loss_that_validation_reported(options, tmp_path):
    encoder, tokenizer = small()[0].network, small()[1].tokenizer
    classifier, preprocessor = be.BertClassifier(encoder, 2), be.BertPreprocessor(tokenizer, 16)  # encoder: 64
    data = (TEXTS[:45], np.array(LABELS[:45]))
    options = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-2} | options
    history = fine_tune(classifier, preprocessor, data, data, **options, output_dir=tmp_path, progress=False)
    expected = history.epochs[history.best_epoch]["val_loss"]
    opened, names, settings = be.fine_tuning.open_run(tmp_path)
    assert names is None and settings.pairs is False
    for model, reader in ((classifier, preprocessor), (opened.classifier, opened.preprocessor)):
        predictions = be.fine_tuning.predict(model, reader, data[0])[np.arange(45), data[1]]
        close = 1e-3 if "precision" in options else 1e-5  # batches of other lengths are rounded differently
        assert -np.log(predictions).mean() == pytest.approx(expected, rel=close)
    alone = be.load(tmp_path / "model")  # knows the length, too
    assert alone.preprocessor.seq_length == settings.max_length == options.get("max_length", 16)


def test_pairs_are_refused_after_single_texts_and_the_reverse():
    for train, texts in (((TEXTS, LABELS), (TEXTS, TEXTS)), ((TEXTS, TEXTS, LABELS), (TEXTS,))):
        classifier, preprocessor = small()
        fine_tune(classifier, preprocessor, train, epochs=1, progress=False)
        with pytest.raises(ValueError, match="pairs: expected (single texts|pairs of texts), as in training"):
            be.fine_tuning.predict(classifier, preprocessor, *texts)


class Column(dict):
    """A column of a table whose rows were shuffled: square brackets find a row by its label, as pandas' do."""

    def __init__(self, values):
        super().__init__((len(values) - 1 - i, value) for i, value in enumerate(values))

    def __iter__(self):
        return iter(self.values())

    def tolist(self):
        return list(self.values())

    def __array__(self, dtype=None, copy=None):
        return np.array(self.tolist(), dtype)


def test_columns_of_tables_are_read_by_position():
    texts, labels, pairs = Column(TEXTS), Column(LABELS), Column(TEXTS[::-1])
    same = [run(train, epochs=1)[1].run["train"] for train in ((TEXTS, TEXTS[::-1], LABELS), (texts, pairs, labels))]
    assert same[0] == same[1]
    classifier, preprocessor = small()
    tools = be.fine_tuning
    predictions = tools.predict(classifier, preprocessor, TEXTS, TEXTS[::-1])
    assert np.array_equal(tools.predict(classifier, preprocessor, texts, pairs), predictions)
    assert np.array_equal(tools.confusion_matrix(labels, predictions), tools.confusion_matrix(LABELS, predictions))
    assert tools.calibration(labels, predictions)["error"] == tools.calibration(LABELS, predictions)["error"]
    assert tools.mistakes(texts, labels, predictions, pairs=pairs) == tools.mistakes(
        TEXTS, LABELS, predictions, pairs=TEXTS[::-1]
    )
    bert = be.Bert(preprocessor.tokenizer, classifier.network, preprocessor)
    assert np.array_equal(bert.embed(texts), bert.embed(TEXTS))


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda tools, predictions: tools.mistakes(TEXTS[1:], LABELS, predictions), "texts: expected 48"),
        (lambda tools, predictions: tools.mistakes(TEXTS, LABELS, predictions, pairs=TEXTS[1:]), "pairs: .*got 47"),
        (lambda tools, predictions: tools.confusion_matrix(LABELS[1:], predictions), "labels: expected 48"),
        (
            lambda tools, predictions: tools.confusion_matrix([2, *LABELS[1:]], predictions),
            "labels: .*got 2 as label 0",
        ),
        (lambda tools, predictions: tools.calibration(np.eye(2)[LABELS], predictions), "labels: expected numbers"),
        (lambda tools, predictions: tools.calibration([], predictions[:0]), "probabilities: expected"),
        (lambda tools, predictions: tools.confusion_matrix(LABELS, predictions[:, 0]), "probabilities: expected"),
    ],
)
def test_invalid_arguments_of_evaluation_are_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call(be.fine_tuning, np.full((48, 2), 0.5))


# -- callbacks ---------------------------------------------------------------------------------------------------------

HOOKS = [
    f"on_{part}_{end}" for part in ("train", "epoch", "train_batch", "test", "test_batch") for end in ("begin", "end")
]


class Recorder(keras.callbacks.Callback):
    """Writes down which of its methods was called with which number, and the names of the logs."""

    def __init__(self):
        super().__init__()
        self.calls = []
        for hook in HOOKS:
            setattr(self, hook, self.recorder(hook))

    def recorder(self, hook):
        def record(number=None, logs=None):
            number, logs = (None, number) if isinstance(number, dict) else (number, logs)
            names = () if hook.endswith("begin") else tuple(sorted(logs or ()))
            self.calls.append((hook, number, names))

        return record


def test_callbacks_are_called_as_by_one_fit_of_keras(monkeypatch):
    monkeypatch.setattr(running, "SEGMENT", 2)
    recorder, keras_recorder = Recorder(), Recorder()
    run(validation=(TEXTS[:16], LABELS[:16]), callbacks=[recorder])
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(loss=loss, weighted_metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")])
    x, y = np.ones((48, 3)), np.array(LABELS)
    options = {"epochs": 2, "batch_size": 8, "verbose": 0, "validation_data": (x[:16], y[:16])}
    model.fit(x, y, **options, callbacks=[keras_recorder])
    assert recorder.calls == keras_recorder.calls


def test_the_last_batch_of_an_epoch_reports_the_epoch(monkeypatch):
    monkeypatch.setattr(running, "SEGMENT", 2)
    batches, epochs = [], []
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: batches.append(logs["loss"]),
        on_epoch_end=lambda epoch, logs: epochs.append(logs),
    )
    _, history = run((TEXTS[:45], LABELS[:45]), callbacks=[watch], validation=(TEXTS, LABELS))
    assert batches[5::6] == pytest.approx([logs["loss"] for logs in epochs])
    for logs, epoch in zip(epochs, history.epochs, strict=True):
        assert logs == {name: value for name, value in epoch.items() if name not in ("epoch", "seconds")}


@pytest.mark.parametrize("hook, batches", [("on_train_begin", 1), ("on_epoch_begin", 1), ("on_train_batch_end", 3),
                                           ("on_epoch_end", 6)])  # fmt: skip
def test_a_training_stops_when_a_callback_sets_stop_training(hook, batches, monkeypatch, tmp_path):
    monkeypatch.setattr(running, "SEGMENT", 2)
    stop = keras.callbacks.Callback()

    def set_stop(number=None, logs=None):
        if hook != "on_train_batch_end" or number == 2:
            stop.model.stop_training = True

    setattr(stop, hook, set_stop)
    _, history = run(validation=(TEXTS, LABELS), callbacks=[stop], epochs=3, output_dir=tmp_path)
    assert len(history.epochs) == 1 and history.finished and "val_loss" in history.epochs[0]
    assert history.segments[-1]["step"] == batches
    assert len(run(validation=(TEXTS, LABELS), epochs=3, output_dir=tmp_path)[1].epochs) == 1  # it has ended


FLIPPED = [1 - label for label in LABELS]  # what is learned makes the validation worse


def test_early_stopping_restores_its_best_weights():
    stopping = keras.callbacks.EarlyStopping("loss", patience=1, baseline=0.0, restore_best_weights=True)
    classifier, history = run(validation=(TEXTS, FLIPPED), epochs=5, learning_rate=1e-2, callbacks=[stopping])
    best = int(np.argmin([epoch["loss"] for epoch in history.epochs]))
    assert history.best_epoch == stopping.best_epoch == best
    for weight, expected in zip(classifier.get_weights(), stopping.best_weights, strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_model_checkpoints_have_names_with_metrics_and_are_models(tmp_path):
    options = {"validation": (TEXTS, FLIPPED), "epochs": 3, "learning_rate": 1e-2}
    best = keras.callbacks.ModelCheckpoint(tmp_path / "best" / "{epoch}.keras", "val_loss", save_best_only=True)
    often = keras.callbacks.ModelCheckpoint(
        tmp_path / "{epoch}-{batch}.weights.h5", save_freq=4, save_weights_only=True
    )
    named = keras.callbacks.ModelCheckpoint(tmp_path / "named" / "{epoch}-{val_loss:.3f}.keras")
    classifier, history = run(**options, callbacks=[best, often, named])
    losses = [epoch["val_loss"] for epoch in history.epochs]
    records = [i for i, loss in enumerate(losses) if loss == min(losses[: i + 1])]
    assert {file.name for file in (tmp_path / "best").iterdir()} == {f"{i + 1}.keras" for i in records}
    assert {file.name for file in tmp_path.glob("*.h5")} == {f"{n}.weights.h5" for n in ("1-4", "2-2", "2-6", "3-4")}
    assert {file.name for file in (tmp_path / "named").iterdir()} == {
        f"{i + 1}-{loss:.3f}.keras" for i, loss in enumerate(losses)
    }
    assert same_weights(keras.models.load_model(tmp_path / "best" / f"{history.best_epoch + 1}.keras"), classifier)


def rates_of(callbacks, **options):
    rates = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: rates.append(float(watch.model.optimizer.learning_rate))
    )
    options = {"schedule": "constant", "epochs": 4, "learning_rate": 8e-3} | options
    classifier, history = run(callbacks=[*callbacks, watch], **options)
    return rates, classifier, history


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_callbacks_set_a_constant_learning_rate(precision):
    assert rates_of([], precision=precision)[0] == pytest.approx([8e-3] * 4)
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    assert rates_of([halve], precision=precision)[0] == pytest.approx([4e-3, 2e-3, 1e-3, 5e-4])
    plateau = keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1e9)
    assert rates_of([plateau], precision=precision)[0] == pytest.approx([8e-3, 4e-3, 2e-3, 1e-3])


def callbacks_with_state(folder):
    """New ones, as a program has them that is started again."""
    weights = {"save_weights_only": True, "monitor": "val_loss", "save_best_only": True}
    return [
        keras.callbacks.EarlyStopping("loss", patience=3, min_delta=1e9, restore_best_weights=True),
        keras.callbacks.ModelCheckpoint(folder / "{epoch}.weights.h5", **weights),
        keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=2, min_delta=1e9),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
    ]


def test_stopped_at_every_segment_callbacks_continue_where_they_were(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "SEGMENT", 4)
    options = {"schedule": "constant", "epochs": 9, "learning_rate": 1e-2, "validation": (TEXTS, FLIPPED)}
    whole, history = run(callbacks=callbacks_with_state(tmp_path / "whole"), **options)
    assert len(history.epochs) == 4

    class Stop(Exception):
        pass

    def once(self, keep=running.Run._save):
        keep(self)
        if self.history.segments and not self.history.finished:
            raise Stop

    for _ in range(20):
        with monkeypatch.context() as patch:
            patch.setattr(running.Run, "_save", once)
            try:
                callbacks = callbacks_with_state(tmp_path / "stopped")
                again, resumed = run(callbacks=callbacks, output_dir=tmp_path / "run", **options)
                break
            except Stop:
                continue
    assert len(resumed.epochs) == 4 and same_weights(whole, again) and resumed.best_epoch == history.best_epoch
    files = [sorted(file.name for file in (tmp_path / name).iterdir()) for name in ("whole", "stopped")]
    assert files[0] == files[1] != []
    losses = [[segment["loss"] for segment in done.segments] for done in (history, resumed)]
    assert losses[0] == losses[1]


def test_a_callback_whose_state_is_lost_is_named_in_one_warning(tmp_path, monkeypatch):
    class Stop(Exception):
        pass

    def cut(self, keep=running.Run._save):
        keep(self)
        if self.history.segments:
            raise Stop

    callbacks = [Recorder(), keras.callbacks.CSVLogger(tmp_path / "log.csv"), keras.callbacks.EarlyStopping("loss")]
    with monkeypatch.context() as patch:
        patch.setattr(running.Run, "_save", cut)
        with pytest.raises(Stop):
            run(output_dir=tmp_path / "run", callbacks=callbacks)
    with pytest.warns(UserWarning, match="callbacks: .*none for Recorder, CSVLogger") as warned:
        run(output_dir=tmp_path / "run", callbacks=callbacks)
    (message,) = [str(warning.message) for warning in warned if warning.category is UserWarning]
    assert "EarlyStopping" not in message


class Killed(Exception):
    pass


@contextlib.contextmanager
def killed(when, method="_save"):
    """Raise `Killed` after a method of `Run`, once `when(run)` is true of it."""
    original = getattr(running.Run, method)

    def call(self, *arguments):
        original(self, *arguments)
        if when(self):
            raise Killed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(running.Run, method, call)
        yield


def test_best_weights_of_another_epoch_are_refused(tmp_path):
    options = {"validation": (TEXTS, FLIPPED), "epochs": 3, "learning_rate": 2e-2, "output_dir": tmp_path}
    with killed(lambda run: len(run.history.epochs) == 2):
        run(**options)
    path = tmp_path / "best.safetensors"
    assert state.read_metadata(path) == {"epoch": 0}
    variables = state.named(small()[0])
    state.save(path, variables, {"epoch": 1})
    with pytest.raises(
        ValueError, match=r"best.safetensors: expected the weights of the best epoch, 0.*got those of epoch 1"
    ):
        run(**options)
    state.save(path, variables, {"epoch": 2})  # as if killed after epoch 2, whose repetition is not the best
    with pytest.raises(ValueError, match=r"best.safetensors: .*got those of epoch 2"):
        run(**options)
    path.unlink()
    with pytest.raises(ValueError, match=r"best.safetensors: .*got no file"):
        run(**options)
    path.write_bytes(b"half a file")
    with pytest.raises(ValueError, match=r"best.safetensors: expected a training checkpoint"):
        run(**options)


def test_an_epoch_that_a_callback_stopped_does_not_begin_again(tmp_path):
    def callbacks():
        stop = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: setattr(stop.model, "stop_training", batch == 2)
        )
        return [Recorder(), stop, keras.callbacks.EarlyStopping("loss")]

    with killed(lambda run: run.ended):
        run(output_dir=tmp_path, callbacks=callbacks())
    recorder, *others = callbacks()
    with pytest.warns(UserWarning, match="callbacks: .*none for Recorder"):
        run(output_dir=tmp_path, callbacks=[recorder, *others])
    assert [hook for hook, *_ in recorder.calls] == ["on_train_begin", "on_train_end"]


def test_callbacks_that_are_missing_when_a_training_resumes_are_named(tmp_path):
    with killed(lambda run: len(run.history.epochs) == 1):
        run(output_dir=tmp_path, callbacks=[keras.callbacks.EarlyStopping("loss")])
    with pytest.warns(UserWarning, match="callbacks: .*none of EarlyStopping.*Pass the same callbacks again") as warned:
        run(output_dir=tmp_path)
    assert [warning.filename for warning in warned if "EarlyStopping" in str(warning.message)] == [__file__]


def test_a_warning_of_one_of_several_seeds_points_at_the_line_of_the_caller(tmp_path):
    with killed(lambda run: len(run.history.epochs) == 1):
        run(output_dir=tmp_path, seeds=[1, 2], callbacks=[keras.callbacks.EarlyStopping("loss")])
    with pytest.warns(UserWarning, match="callbacks: .*none of EarlyStopping") as warned:
        run(output_dir=tmp_path, seeds=[1, 2])
    assert {warning.filename for warning in warned if "EarlyStopping" in str(warning.message)} == {__file__}


# -- training checkpoints ----------------------------------------------------------------------------------------------


def test_a_checkpoint_names_variables_by_path(tmp_path):
    from safetensors.numpy import load_file

    run(output_dir=tmp_path, epochs=1)
    arrays = load_file(tmp_path / "state.safetensors")
    for path in ("encoder/layer_0/self_attention/query/kernel", "head/logits/kernel", "optimizer/iteration"):
        assert path in arrays
        assert path == "optimizer/iteration" or f"optimizer/{path}/momentum" in arrays
    first = {path: variable.shape for path, variable in state.named(small()[0]).items()}
    second = {path: variable.shape for path, variable in state.named(small()[0]).items()}
    assert first == second and first.keys() <= arrays.keys()  # whatever Keras has numbered in the meantime


def test_a_checkpoint_with_another_name_of_equal_shape_is_refused(tmp_path):
    classifier = small()[0]
    variables = state.named(classifier)
    renamed = {path.replace("/query/", "/question/"): variable for path, variable in variables.items()}
    state.save(tmp_path / "state", renamed, {})
    with pytest.raises(ValueError, match="same model.*query"):
        state.restore(tmp_path / "state", variables)


def test_a_checkpoint_with_other_trainable_weights_is_refused(tmp_path):
    def variables(trainable):
        classifier.network.trainable = trainable
        adam = optimizer(1e-3, 10)
        adam.build(classifier.trainable_variables)
        return state.named(classifier, adam)

    classifier = small()[0]
    state.save(tmp_path / "state", variables(False), {})
    with pytest.raises(ValueError, match="same model.*other weights are trainable"):
        state.restore(tmp_path / "state", variables(True))


def test_heads_that_keras_names_itself_have_the_same_paths_in_every_process():
    def paths():
        head = keras.Sequential([keras.layers.Dense(4), keras.layers.Dense(4), keras.layers.Dense(2)])
        classifier = be.BertClassifier(small()[0].network, 2, cls_head=head)
        return [path for path in state.named(classifier) if path.startswith("head")]

    assert paths() == paths() and len(set(paths())) == 6


# -- invalid arguments -------------------------------------------------------------------------------------------------


class Table:
    """As much of a pandas DataFrame as makes it iterable: over the names of its columns."""

    columns = ("text", "label")

    def __iter__(self):
        return iter(self.columns)


WRONG = {
    "no text": ({"train": ([], [])}, ValueError, "train: expected at least one"),
    "no validation": ({"validation": ([], [])}, ValueError, "validation: expected at least one"),
    "a label short": ({"train": (TEXTS, LABELS[1:])}, ValueError, "48 texts, got 47 labels"),
    "one class": ({"train": (TEXTS, [1] * 48)}, ValueError, "train: .*only class 1"),
    "label out of range": ({"train": (TEXTS, [2, *LABELS[1:]])}, ValueError, "train: .*from 0 to 1.*got 2 as label 0"),
    "label below": ({"train": (TEXTS, [-1, *LABELS[1:]])}, ValueError, "got -1 as label 0"),
    "label between": ({"train": (TEXTS, [0.5, *LABELS[1:]])}, ValueError, "num_classes=1"),
    "label is no number": ({"train": (TEXTS, [float("nan"), *LABELS[1:]])}, ValueError, "got nan as label 0"),
    "labels are words": ({"train": (TEXTS, ["yes"] * 48)}, ValueError, "train: expected numbers as labels"),
    "a string": ({"train": ("the cat", [1])}, ValueError, "one string"),
    "not data": ({"train": 7}, ValueError, r"train.*\(texts, labels\)"),
    "a table": ({"train": (Table(), LABELS)}, ValueError, "train: texts: expected a list"),
    "no labels": ({"train": be.data.Texts(TEXTS, None, None, None)}, ValueError, "train: .*no labels"),
    "empty validation": ({"validation": ()}, ValueError, "validation: expected"),
    "empty list": ({"validation": []}, ValueError, "validation: expected"),
    "false": ({"validation": False}, ValueError, "validation: expected"),
    "one-hot labels": ({"train": (TEXTS, np.eye(2)[LABELS])}, ValueError, "train: .*label 0.*argmax"),
    "ragged labels": ({"train": (TEXTS, [[1, [2]], *LABELS[1:]])}, ValueError, "train: .*label 0"),
    "None among labels": ({"train": (TEXTS, [*LABELS[:7], None, *LABELS[8:]])}, ValueError, "got None as label 7"),
    "a number as text": ({"train": ([*TEXTS[:3], 7, *TEXTS[4:]], LABELS)}, ValueError, "train: .*got 7 at index 3"),
    "None as text": ({"validation": ([*TEXTS[:3], None], LABELS[:4])}, ValueError, "validation: .*got None at index 3"),
    "a pair short": ({"train": (TEXTS, TEXTS[1:], LABELS)}, ValueError, "train: pairs: .*48 texts, got 47"),
    "pairs to validate": (
        {"validation": (TEXTS, TEXTS, LABELS)},
        ValueError,
        "validation: expected single texts.*pairs",
    ),
    "warm-up": ({"schedule": "constant", "warmup_ratio": 0.1}, ValueError, "warmup_ratio"),
    "schedule": ({"schedule": "cosine"}, ValueError, "schedule: expected 'linear' or 'constant'"),
    "class by name": ({"class_weight": {"cat": 2.0}}, ValueError, "class_weight: expected classes 0 to 1, got 'cat'"),
    "class by number": ({"class_weight": {2: 2.0}}, ValueError, "class_weight: expected classes 0 to 1, got 2"),
    "class by truth": ({"class_weight": {True: 2.0}}, ValueError, "class_weight: .*got True"),
    "no class": ({"class_weight": {}}, ValueError, "class_weight"),
    "a weight below 0": ({"class_weight": {0: -1.0}}, ValueError, "class_weight"),
    "a weight as text": ({"class_weight": "equal"}, ValueError, "class_weight: expected"),
    "one callback": ({"callbacks": keras.callbacks.EarlyStopping("loss")}, ValueError, "callbacks: expected a list"),
    "no callback": ({"callbacks": [print]}, ValueError, "callbacks: expected instances"),
    "a class": ({"callbacks": [keras.callbacks.EarlyStopping]}, ValueError, "callbacks: expected instances"),
    "plateau": ({"callbacks": [keras.callbacks.ReduceLROnPlateau("loss")]}, ValueError, "ReduceLROnPlateau.*constant"),
    "scheduler": ({"callbacks": [keras.callbacks.LearningRateScheduler(abs)]}, ValueError, "LearningRateScheduler"),
    "backup": ({"callbacks": [keras.callbacks.BackupAndRestore("b")]}, ValueError, "BackupAndRestore.*output_dir"),
    "averages": ({"callbacks": [keras.callbacks.SwapEMAWeights()]}, ValueError, "SwapEMAWeights"),
    "epochs": ({"epochs": 0}, ValueError, "epochs: expected a whole number of at least 1, got 0"),
    "batch_size": ({"batch_size": 2.5}, ValueError, "batch_size: expected a whole number"),
    "learning_rate": ({"learning_rate": -1}, ValueError, "learning_rate: expected a number above 0"),
    "max_length": ({"max_length": 900}, ValueError, "max_length: .* from 3 to 64"),
    "precision": ({"precision": "int8"}, ValueError, "precision: "),
    "class_weight": ({"class_weight": [1, 2, 3]}, ValueError, "class_weight: expected"),
    "a diverging loss": (
        {"learning_rate": 1.0, "global_clipnorm": None, "epochs": 40},
        FloatingPointError,
        "loss: .*nan.* learning_rate below",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_invalid_arguments_are_refused(case):
    options, kind, words = WRONG[case]
    if case == "a diverging loss":
        classifier, preprocessor = small()
        classifier.network.get_embedding_table().assign(np.full((20, 16), np.nan))
        with pytest.raises(kind, match=words):
            fine_tune(classifier, preprocessor, (TEXTS, LABELS), progress=False)
        return
    with pytest.raises(kind, match=words):
        run(**options)


def test_an_output_folder_of_another_training_is_left_alone(tmp_path):
    run(output_dir=tmp_path)
    with pytest.raises(
        ValueError,
        match=r"output_dir=.*differs in learning_rate \(0.001 -> 0.0001\), warmup_ratio \(0.1 -> 0.2\)\.",
    ):
        run(output_dir=tmp_path, learning_rate=1e-4, warmup_ratio=0.2)
    with pytest.raises(ValueError, match="differs in train"):
        run((TEXTS[::-1], LABELS[::-1]), output_dir=tmp_path)
    assert run(output_dir=tmp_path, max_length=64)[1].finished  # as by default
    classifier, preprocessor = small(encoder_dropout=0.2)
    classifier.network.pooler_layer.trainable = False
    config = preprocessor.tokenizer.get_config()
    words = [*config["vocab"][:5], *config["vocab"][:4:-1]]
    other = be.BertPreprocessor(be.BertTokenizer(**config | {"vocab": words}), 64)
    options = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-3, "progress": False, "output_dir": tmp_path}
    with pytest.raises(ValueError, match="differs in trainable_parameters, tokenizer, frozen, dropout"):
        fine_tune(classifier, other, (TEXTS, LABELS), **options)
    classifier, preprocessor = small()
    classifier.network.transformer_layers[0].dropout.rate = 0.3  # of one layer, after its construction
    with pytest.raises(ValueError, match=r"differs in dropout\."):
        fine_tune(classifier, preprocessor, (TEXTS, LABELS), **options)
    (tmp_path / "state.safetensors").write_bytes(b"half a file")
    with pytest.raises(ValueError, match=r"state.safetensors: expected a training checkpoint.* new classifier"):
        run(output_dir=tmp_path)
    (tmp_path / "state.safetensors").unlink()
    with pytest.raises(FileExistsError, match="output_dir=.*'model' but no state.safetensors"):
        run(output_dir=tmp_path)


def test_a_training_checkpoint_of_a_newer_version_is_left_alone(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(state, "FORMAT", state.FORMAT + 1)
        state.save(tmp_path / "state.safetensors", {}, {"new": True})
    with pytest.raises(ValueError, match=r"state.safetensors: .*format 2.*got 3.*Upgrade"):
        run(output_dir=tmp_path)


def test_two_trainings_in_one_folder_are_refused(tmp_path):
    def train_again(epoch, logs):
        with pytest.raises(BlockingIOError, match="output_dir=.*another process is training"):
            run(output_dir=tmp_path)

    _, history = run(
        output_dir=tmp_path, epochs=1, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=train_again)]
    )
    assert history.finished and not (tmp_path / ".lock").exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_known_before_the_training(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError):
        run(output_dir=tmp_path / "run")


def test_an_output_folder_that_is_a_file(tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(FileExistsError, match="output_dir=.*Choose another"):
        run(output_dir=tmp_path / "run")
    assert (tmp_path / "run").read_text() == "mine"


def test_the_encoder_of_a_bert_stays_what_it_was(tmp_path):
    if be.presets.offline_model_directory() is None:
        pytest.skip("the offline model is not installed")
    bert = be.load("minilm")
    before = ops.convert_to_numpy(bert.encoder.get_embedding_table()).copy()
    classifier = bert.classifier_for(2)
    texts = ["a fine film", "a dull film", "what a joy", "what a waste"]
    history = fine_tune(
        classifier,
        bert.preprocessor,
        (texts, [1, 0, 1, 0]),
        epochs=1,
        batch_size=4,
        progress=False,
        precision="float32",
    )
    assert history.finished and np.array_equal(before, ops.convert_to_numpy(bert.encoder.get_embedding_table()))


FULL = """
import resource, sys
sys.path.insert(0, {here!r})
import test_fine_tuning as t
t.running.SEGMENT = 2
save, saved = t.state.save, []
def fill(*arguments):
    if len(saved) == 3:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # no file may grow beyond 1,000 bytes
    saved.append(save(*arguments))
t.state.save = fill
try:
    t.run(epochs=4, output_dir=sys.argv[1])
except OSError as error:
    print(error)
"""


@pytest.mark.skipif(os.name != "posix", reason="limits are POSIX'")
def test_a_full_disk_is_reported_and_the_last_checkpoint_stays(tmp_path):
    program = FULL.format(here=str(Path(__file__).parent))
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert str(tmp_path / "state.safetensors") in done.stdout and "disk space" in done.stdout
    assert [file.name for file in tmp_path.iterdir()] == ["state.safetensors"]
    assert len(state.read_metadata(tmp_path / "state.safetensors")["segments"]) == 2


# -- results -----------------------------------------------------------------------------------------------------------


def test_predictions_are_in_the_order_of_the_texts():
    classifier, preprocessor = small()
    predictions = be.fine_tuning.predict(classifier, preprocessor, TEXTS)
    alone = np.concatenate([be.fine_tuning.predict(classifier, preprocessor, [text]) for text in TEXTS[:5]])
    np.testing.assert_allclose(predictions[:5], alone, atol=1e-6)
    np.testing.assert_allclose(predictions.sum(-1), 1, atol=1e-6)
    assert be.fine_tuning.predict(classifier, preprocessor, []).shape == (0, 2)
    values, preprocessor = small(1)
    assert be.fine_tuning.predict(values, preprocessor, TEXTS, TEXTS[::-1]).shape == (48,)


def test_tensorboard_gets_a_curve(tmp_path, monkeypatch):
    tensorflow = pytest.importorskip("tensorflow")
    monkeypatch.setattr(running, "SEGMENT", 2)
    run(callbacks=[keras.callbacks.TensorBoard(tmp_path, write_graph=False)], validation=(TEXTS, LABELS))
    for part in ("train", "validation"):
        steps = []
        for file in (tmp_path / part).iterdir():
            for record in tensorflow.data.TFRecordDataset([str(file)]):
                event = tensorflow.compat.v1.Event.FromString(record.numpy())
                steps += [event.step for value in event.summary.value if value.tag == "epoch_loss"]
        assert steps == [0, 1], part


LIVE = """
import sys
sys.path.insert(0, "tests")
import numpy as np
import test_fine_tuning as here
from bertedu.fine_tuning import progress, run as running

progress.MIN_SECONDS, running.SEGMENT = 0.0, 4
losses = []
class Watch(here.keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        before = self.sum if batch else 0.0
        self.sum = (batch + 1) * logs["loss"]  # Keras reports the mean of the epoch so far
        losses.append(self.sum - before)
here.run(callbacks=[Watch()])
alone, curves = losses, []
make = running.progress_of
running.progress_of = lambda *arguments: curves.append(make(*arguments)) or curves[-1]
"""
LIVE_RUN = "here.run(progress=True, validation=(here.TEXTS, here.LABELS))"
LIVE_CHECK = "np.testing.assert_allclose(curves[0].losses, list(enumerate(alone, 1)), atol=1e-5)"
LIVE_STOP = """
class Interrupt(here.keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations == 3:
            raise KeyError
try:
    here.run(progress=True, callbacks=[Interrupt()])
except KeyError:
    pass
"""


def test_a_notebook_shows_one_plot_per_training_and_a_line_per_epoch():
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    cells = [nbformat.v4.new_code_cell(source) for source in (LIVE, LIVE_RUN + ";", LIVE_CHECK, LIVE_STOP)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = nbclient.NotebookClient(notebook, kernel_name="python3", coalesce_streams=True)
    client.execute(cwd=str(Path(__file__).parent.parent))
    _, run_through, checked, stopped = (cell.outputs for cell in notebook.cells)
    (plot,) = [output for output in run_through if output.output_type == "display_data"]
    assert "Fine-tuning, 12 steps', 12 of 12 steps." in plot.metadata["image/png"]["alt"]
    assert re.findall(r"after (\d+) steps", plot.metadata["image/png"]["alt"]) == ["6", "12"]
    (lines,) = [output.text for output in run_through if output.output_type == "stream"]
    assert [line.split(":")[0] for line in lines.splitlines()] == ["epoch 1", "epoch 2"]
    assert checked == []
    (plot,) = stopped
    assert "12 steps, stopped after 3', 3 of 12 steps" in plot.data["text/plain"]


def test_the_plot_of_a_resumed_training_continues():
    segments = [{"step": 4, "loss": 0.7}, {"step": 6, "loss": 0.6}]
    curves = Curves(12, 6, History(epochs=[{"epoch": 0, "val_loss": 0.65}], segments=segments))
    curves.on_train_begin()
    curves.on_train_batch_end(0, {"loss": 0.5})
    curves.on_train_batch_end(1, {"loss": 0.4})  # of both, as Keras has it: this step's is 0.3
    np.testing.assert_allclose(curves.losses, [(4, 0.7), (6, 0.6), (7, 0.5), (8, 0.3)])
    curves.close()


def test_a_run_in_every_format(tmp_path):
    classifier, history = run(output_dir=tmp_path / "run")
    tuned = be.load(tmp_path / "run" / "model")
    expected = be.fine_tuning.predict(classifier, tuned.preprocessor, TEXTS)
    be.save_checkpoint(tuned, tmp_path / "run.keras", format="keras")
    be.save_checkpoint(tuned, tmp_path / "hf", format="huggingface")
    for path in ("run/model", "run.keras", "hf"):
        bert = be.load(tmp_path / path)
        predictions = be.fine_tuning.predict(bert.classifier, bert.preprocessor, TEXTS)
        np.testing.assert_allclose(predictions, expected, atol=1e-6, err_msg=path)


def test_a_mistake_can_be_read(tmp_path):
    classifier, preprocessor = small()
    bert = be.Bert(preprocessor.tokenizer, classifier.network, preprocessor, classifier=classifier)
    predictions = be.fine_tuning.predict(classifier, preprocessor, TEXTS[:9], TEXTS[9:18])
    mistake, *_ = be.fine_tuning.mistakes(TEXTS[:9], 1 - predictions.argmax(-1), predictions, pairs=TEXTS[9:18])
    reading = mistake.read(bert)
    assert (reading.text, reading.pair) == (TEXTS[mistake.index], TEXTS[9 + mistake.index])
    assert mistake.confidence == predictions.max()


def test_the_commands(tmp_path, capsys):
    from bertedu import cli

    classifier, preprocessor = small()
    be.save_checkpoint(be.Bert(preprocessor.tokenizer, classifier.network, preprocessor), tmp_path / "start")
    lines = [f"{text}\t{'cat' if label else 'none'}" for text, label in zip(TEXTS, LABELS, strict=True)]
    (tmp_path / "train.tsv").write_text("\n".join(["text\tlabel", *lines]) + "\n")
    options = ["--train", str(tmp_path / "train.tsv"), "--model", str(tmp_path / "start"), "--output-dir"]
    options += [str(tmp_path / "run"), "--epochs", "20", "--batch-size", "8", "--learning-rate", "5e-3"]
    assert cli.main(["finetune", *options]) == 0
    assert "bertedu predict" in capsys.readouterr().out
    capsys.readouterr()

    def predict(name, content, *options):
        (tmp_path / name).write_text(content)
        status = cli.main(["predict", str(tmp_path / "run"), str(tmp_path / name), *options])
        output = capsys.readouterr()
        return status, [line.split("\t") for line in output.out.splitlines()], output.err

    status, rows, _ = predict("texts.txt", "the cat sat\nit ran on the dog\n")
    assert status == 0 and [row[0] for row in rows] == ["cat", "none"] and rows[0][2] == "the cat sat"
    for name, content, *options in (
        ("table.tsv", "text\tlabel\nthe cat sat\tcat\nit ran on the dog\tnone\n"),
        ("table.csv", "label,said\nx,the cat sat\n,it ran on the dog\n", "--text", "said"),
        ("table.jsonl", '{"text": "the cat sat"}\n{"text": "it ran on the dog"}\n'),
    ):
        assert predict(name, content, *options) == (0, rows, "")
    assert predict("odd.csv", 'text\n"the\x1b[31m\ncat"\n')[1][0][2] == "the\\x1b[31m\\ncat"
    for name, content in (("pairs.txt", "a\tb\n"), ("pairs.tsv", "text\tpair\na\tb\n"), ("no.tsv", "a\nb\n")):
        status, rows, message = predict(name, content)
        assert status == 1 and rows == [] and name in message
    assert cli.main(["predict", str(tmp_path), str(tmp_path / "texts.txt")]) == 1
    assert "expected a finished run" in capsys.readouterr().err


def test_a_run_of_version_0_1_is_opened_and_predicts(tmp_path):
    """Its history says neither single nor pair, nor at how many tokens texts were cut."""
    run(output_dir=tmp_path)
    content = json.loads((tmp_path / "history.json").read_text())
    del content["run"]["prediction"], content["run"]["arguments"]["schedule"]
    (tmp_path / "history.json").write_text(json.dumps(content))
    bert, names, settings = be.fine_tuning.open_run(tmp_path)
    assert names is None and settings == (None, None, None)
    for pairs in (None, TEXTS[::-1]):
        assert be.fine_tuning.predict(bert.classifier, bert.preprocessor, TEXTS, pairs).shape == (48, 2)
    (tmp_path / "history.json").write_text('{"run": []}')
    with pytest.raises(ValueError, match="history.json"):
        be.fine_tuning.open_run(tmp_path)


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="graphs are TensorFlow's")
@pytest.mark.parametrize("global_clipnorm", [None, 1.0])
def test_the_graph_of_a_training_is_freed_with_its_classifier(global_clipnorm):
    def graphs():
        gc.collect()
        return sum(type(item).__name__ == "FuncGraph" for item in gc.get_objects())

    before = graphs()
    run(epochs=1, global_clipnorm=global_clipnorm)
    assert graphs() <= before

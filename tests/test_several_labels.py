"""Several labels per text: how they are loaded, learned, measured, stored and predicted."""

import json

import keras
import numpy as np
import pytest
import small_world
from sklearn.metrics import f1_score
from test_fine_tuning import TEXTS, small

import bertedu as be
from bertedu.checkpoints.conversion import convert
from bertedu.data.texts import Texts
from bertedu.fine_tuning import apply_thresholds, f1_scores, fine_tune, open_run, predict
from bertedu.fine_tuning.tasks import best_threshold

RNG = np.random.default_rng(5)
ANIMALS = ("cat", "dog", "mat")
ROWS = np.array([[word in text.split() for word in ANIMALS] for text in TEXTS], "float32")  # [n, 3]


def train(folder=None, validation=None, train_set=(TEXTS, ROWS), **options):
    classifier, preprocessor = small(3, multi_label=True, class_names=ANIMALS)
    options = {"epochs": 3, "batch_size": 8, "learning_rate": 3e-3, "progress": False, "output_dir": folder} | options
    return classifier, preprocessor, fine_tune(classifier, preprocessor, train_set, validation, **options)


def test_the_words_occur_with_and_without_each_other():
    assert 0.1 < ROWS.mean() < 0.9 and len(np.unique(ROWS, axis=0)) > 4


def test_the_loss_is_the_mean_of_binary_cross_entropies():
    classifier, preprocessor, history = train(epochs=1, learning_rate=1e-9, validation=(TEXTS, ROWS))
    p = predict(classifier, preprocessor, TEXTS).astype("float64")
    expected = -np.mean(ROWS * np.log(p) + (1 - ROWS) * np.log(1 - p))
    assert history.final["val_loss"] == pytest.approx(expected, abs=1e-5)
    assert history.final["val_binary_accuracy"] == pytest.approx(np.mean((p >= 0.5) == ROWS), abs=1e-6)
    assert history.final["val_micro_f1"] == pytest.approx(f1_score(ROWS, p >= 0.5, average="micro"))
    assert history.final["val_macro_f1"] == pytest.approx(f1_score(ROWS, p >= 0.5, average="macro", zero_division=0))


def test_f1_is_that_of_scikit_learn():
    for chance in (0.0, 0.1, 0.5, 1.0):
        labels, predicted = RNG.random((2, 40, 5)) < chance
        predicted[:, 3] = False
        expected = [f1_score(labels, predicted, average=kind, zero_division=0) for kind in ("micro", "macro")]
        assert list(f1_scores(labels, predicted).values()) == pytest.approx(expected)


def test_the_best_threshold_is_the_best_of_all():
    for _ in range(50):
        labels = RNG.random(30) < 0.4
        labels[0] = True
        probabilities = np.round(RNG.random(30), 1).astype("float32") * 0.9 + 0.05  # many equal ones
        best = max(f1_score(labels, probabilities >= value) for value in np.linspace(0, 1, 201))
        threshold = best_threshold(labels, probabilities)
        assert f1_score(labels, probabilities >= threshold) == pytest.approx(best)
    assert best_threshold(np.zeros(3), np.full(3, 0.9)) == 0.5


def test_it_learns_and_keeps_its_thresholds_in_the_model(tmp_path):
    classifier, preprocessor, _ = train(tmp_path / "run", (TEXTS, ROWS), epochs=8)
    probabilities = predict(classifier, preprocessor, TEXTS)
    at_half = f1_scores(ROWS, probabilities >= 0.5)["macro_f1"]
    tuned = f1_scores(ROWS, apply_thresholds(classifier, probabilities))["macro_f1"]
    assert classifier.thresholds != (0.5, 0.5, 0.5) and tuned >= at_half and tuned > 0.7
    stored = json.loads((tmp_path / "run" / "model" / "bertedu.json").read_text())["classifier"]["thresholds"]
    assert stored == list(classifier.thresholds)
    bert, names, _ = open_run(tmp_path / "run")
    assert tuple(names) == ANIMALS and bert.classifier.thresholds == classifier.thresholds
    left_behind = convert(tmp_path / "run" / "model", tmp_path / "exported", "huggingface")
    assert any("thresholds" in item for item in left_behind)
    convert(tmp_path / "run" / "model", tmp_path / "model.keras", "keras")
    assert be.load(tmp_path / "model.keras").classifier.thresholds == classifier.thresholds


def test_a_finished_run_that_is_called_again_has_the_same_thresholds(tmp_path):
    first, *_ = train(tmp_path, (TEXTS, ROWS))
    again, *_ = train(tmp_path, (TEXTS, ROWS))
    assert again.thresholds == first.thresholds is not None


def test_without_a_validation_set_the_thresholds_are_one_half():
    classifier, preprocessor, _ = train(epochs=1)
    assert classifier.thresholds is None
    probabilities = predict(classifier, preprocessor, TEXTS[:5])
    assert np.array_equal(apply_thresholds(classifier, probabilities), probabilities >= 0.5)


@pytest.mark.parametrize(
    ("labels", "got"),
    [
        (ROWS[:, :2], "label 0"),
        ([0] * len(TEXTS), "got 0 as label 0"),
        ([[1, 0, 2]] * len(TEXTS), r"got \[1, 0, 2\] as label 0"),
        ([["cat"]] * len(TEXTS), r"\['cat'\]"),
        (np.zeros_like(ROWS), "at least one label"),
    ],
)
def test_other_labels_are_refused(labels, got):
    with pytest.raises(ValueError, match=f"train: expected .*{got}"):
        train(train_set=(TEXTS, labels))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"multi_label": False}, "thresholds: expected None without multi_label"),
        ({"thresholds": [0.5]}, "thresholds: expected 3 numbers"),
        ({"thresholds": [0.5, 2, 0.1]}, "thresholds: expected"),
        ({"thresholds": [0.5, "a", 0.1]}, "thresholds: expected"),
    ],
)
def test_wrong_thresholds_are_refused(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        small(3, **{"multi_label": True, "thresholds": [0.1, 0.2, 0.3]} | options)


def test_wrong_thresholds_in_a_file_are_refused(tmp_path):
    train(tmp_path)
    path = tmp_path / "model" / "bertedu.json"
    config = json.loads(path.read_text())
    for wrong in ("0.5", [0.5, 0.5], [0.5, 0.5, 7], [True, 0, 0], {"a": 1}):
        config["classifier"]["thresholds"] = wrong
        path.write_text(json.dumps(config))
        with pytest.raises(ValueError, match="thresholds"):
            be.load(tmp_path / "model")


def test_class_weights_are_refused():
    with pytest.raises(ValueError, match="class_weight: expected None for multi label"):
        train(class_weight="balanced")


TABLE = "text\tcat\tdog\tmat\n" + "".join(
    f"{text}\t{int(a)}\t{int(b)}\t{int(c)}\n" for text, (a, b, c) in zip(TEXTS, ROWS, strict=True)
)


def test_a_table_with_a_column_per_class(tmp_path):
    path = tmp_path / "animals.tsv"
    path.write_text(TABLE)
    loaded = be.load_texts(path, label=ANIMALS)
    assert loaded.names == ANIMALS and np.array_equal(loaded.labels, ROWS)
    other = be.load_texts(path, label=["mat", "cat"], names=["M", "C"])
    assert other.names == ("M", "C") and np.array_equal(other.labels, ROWS[:, [2, 0]])
    path.write_text(TABLE.replace("\t1\n", "\tyes\n", 1))
    with pytest.raises(ValueError, match=r"animals.tsv, line \d+, column 'mat': expected 0 or 1, .* got 'yes'"):
        be.load_texts(path, label=ANIMALS)
    path.write_text("text\tcat\tmat\na\tTrue\t0\nb\tFALSE\t1.0\n")
    assert be.load_texts(path, label=["cat", "mat"]).labels.tolist() == [[1, 0], [0, 1]]
    path.write_text("text\tcat\tmat\na\t1\t\n")
    with pytest.raises(ValueError, match="line 2, column 'mat': expected 0 or 1, whether this class applies, got ''"):
        be.load_texts(path, label=["cat", "mat"])
    with pytest.raises(ValueError, match="names: expected 2, one per column"):
        be.load_texts(path, label=["cat", "mat"], names=["c"])
    for label, regression in (([], False), (["cat", "cat"], False), (["cat"], True)):
        with pytest.raises(
            ValueError, match="label: expected (at least one column, and none twice|one column for a r)"
        ):
            be.load_texts(path, label=label, regression=regression)


def test_the_number_of_classes_is_that_of_the_table():
    with pytest.raises(
        ValueError, match=r"num_classes=4, one for each of .* got 3. Use bert.classifier_for\(4, multi_"
    ):
        train(train_set=Texts(TEXTS, None, np.eye(4)[np.arange(len(TEXTS)) % 4], ("a", "b", "c", "d")))


def test_a_file_with_lists_of_classes(tmp_path):
    path = tmp_path / "animals.jsonl"
    lists = [[name for name, has in zip(ANIMALS, row, strict=True) if has] for row in ROWS]
    path.write_text("".join(json.dumps({"text": t, "label": x}) + "\n" for t, x in zip(TEXTS, lists, strict=True)))
    loaded = be.load_texts(path)
    assert loaded.names == ANIMALS and np.array_equal(loaded.labels, ROWS)
    assert be.load_texts(path, names=["mat", "dog", "cat"]).labels[:, ::-1].tolist() == ROWS.tolist()
    path.write_text('{"text": "a", "label": ["x"]}\n{"text": "b", "label": "y"}\n')
    with pytest.raises(ValueError, match="line 2, column 'label': expected a list of classes, as in other lines"):
        be.load_texts(path)
    path.write_text('{"text": "a", "label": [["x"]]}\n')
    with pytest.raises(ValueError, match="line 1"):
        be.load_texts(path)


def test_classes_are_matched_by_name():
    table, reversed_table = (Texts(TEXTS, None, ROWS[:, ::step], ANIMALS[::step]) for step in (1, -1))
    _, _, history = train(train_set=table, validation=reversed_table, epochs=1)
    _, _, same = train(validation=(TEXTS, ROWS), epochs=1)
    assert history.final["val_loss"] == pytest.approx(same.final["val_loss"], abs=1e-6)


def test_from_the_command_line(tmp_path, capsys):
    import bertedu_command

    keras.utils.set_random_seed(0)
    classifier, preprocessor = small()
    be.save_checkpoint(be.Bert(preprocessor.tokenizer, classifier.network, preprocessor), tmp_path / "model")
    (tmp_path / "train.tsv").write_text(TABLE)
    argv = ["bertedu", "finetune", "--model", str(tmp_path / "model"), "--train", str(tmp_path / "train.tsv")]
    argv += ["--validation", str(tmp_path / "train.tsv"), "--label", *ANIMALS, "--output-dir", str(tmp_path / "run")]
    argv += ["--epochs", "6", "--batch-size", "8", "--learning-rate", "0.003"]
    (tmp_path / "new.txt").write_text("\n".join(TEXTS))
    for arguments in (argv, ["bertedu", "predict", str(tmp_path / "run"), str(tmp_path / "new.txt")]):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", arguments)
            assert bertedu_command.main() == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines() if line.count("\t") == 2]
    assert [fields[2] for fields in lines] == TEXTS
    classes = [fields[0].split(", ") if fields[0] else [] for fields in lines]
    predicted = [[name in row for name in ANIMALS] for row in classes]
    assert f1_scores(ROWS, predicted)["micro_f1"] > 0.7
    assert all(len(fields[1].split(", ")) == max(len(row), 1) for fields, row in zip(lines, classes, strict=True))


def test_the_world_has_the_words():
    assert set(ANIMALS) <= set(small_world.VOCABULARY)

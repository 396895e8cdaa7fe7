"""Fine-tuning a token classifier: alignment, loss, scores, resuming, predictions."""

import json

import interrupted
import keras
import numpy as np
import pytest
import small_world
from keras import ops

import bertedu as be
from bertedu.data import Tagged
from bertedu.fine_tuning import Batches, entity_scores, fine_tune, open_run, plan_batches, predict, predict_tags
from bertedu.fine_tuning import run as running
from bertedu.fine_tuning.tagging import Tagging, encode_words

RNG = np.random.default_rng(3)
PIECES = ["the", "cat", "sat", "on", "mat", "dog", "ran", "it", "was", "warm", "unwanted", "unwant", "xyz", "."]
NAMES = ("O", "B-PET", "I-PET")


def tagged(words):
    """A tag per word: a pet begins with "cat" or "dog", and "unwanted" after it belongs to it."""
    tags = []
    for word in words:
        inside = word == "unwanted" and tags and tags[-1] != "O"
        tags.append("I-PET" if inside else "B-PET" if word in ("cat", "dog") else "O")
    return tags


WORDS = [RNG.choice(PIECES, RNG.integers(1, 25)).tolist() for _ in range(48)] + [["the", "cat", "unwanted"]]
TAGS = [tagged(words) for words in WORDS]


def small(num_classes=3, seed=0, positions=64, **options):
    keras.utils.set_random_seed(seed)
    sizes = {"hidden_size": 16, "num_layers": 1, "num_attention_heads": 2, "inner_dim": 32, "type_vocab_size": 2}
    encoder = be.BertEncoder(len(small_world.VOCABULARY), max_sequence_length=positions, **sizes)
    tokenizer = be.BertTokenizer(small_world.VOCABULARY)
    return be.BertTokenClassifier(encoder, num_classes, **options), be.BertPreprocessor(tokenizer, 64)


def run(train=(WORDS, TAGS), *, model=None, num_classes=3, **options):
    classifier, preprocessor = small(num_classes, **model or {})
    options = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-3, "progress": False} | options
    return classifier, fine_tune(classifier, preprocessor, train, **options)


def same_weights(one, two):
    return all(np.array_equal(a, b) for a, b in zip(one.get_weights(), two.get_weights(), strict=True))


# -- alignment ---------------------------------------------------------------------------------------------------------


def test_the_first_token_of_each_word_has_its_label():
    _, preprocessor = small()
    words = [["the", "unwanted", "cat"], ["cat-mat", "\u200b", "dog"], ["New York", "cat"]]
    rows, positions = encode_words(words, preprocessor, 64)
    assert rows[0].tokens == ["[CLS]", "the", "un", "##want", "##ed", "cat", "[SEP]"]
    assert positions[0].tolist() == [1, 2, 5]
    assert [rows[1].tokens[i] for i in positions[1][[0, 2]]] == ["cat", "dog"] and positions[1][1] == -1
    assert [rows[2].offsets[i][0] for i in positions[2]] == [0, 9]


def test_transformers_aligns_words_in_the_same_way():
    transformers = pytest.importorskip("transformers")
    _, preprocessor = small()
    peer = transformers.BertTokenizerFast(vocab=dict(zip(small_world.VOCABULARY, range(20), strict=True)))
    rows, positions = encode_words(WORDS, preprocessor, 64)
    for words, row, at in zip(WORDS, rows, positions, strict=True):
        encoded = peer(words, is_split_into_words=True)
        assert encoded["input_ids"] == row.ids
        assert [encoded.word_ids().index(i) for i in range(len(words))] == at.tolist()


def test_a_batch_has_weights_on_first_tokens_only_and_none_where_it_is_filled_up():
    classifier, preprocessor = small()
    data = ([["the", "unwanted"], ["cat"], ["dog", "unwanted", "."]], [["O", "O"], ["B-PET"], ["B-PET", "I-PET", "O"]])
    examples = Tagging(classifier).prepare("train", data, preprocessor, 64)
    assert examples.names == ["O", "B-PET", "I-PET"] and examples.weights.tolist() == [2, 1, 3]
    batches = Batches(examples, plan_batches(examples.lengths, 2), 2, 0, 64)
    (_, labels, weights), (_, _, last) = batches[0], batches[1]
    assert labels["logits"].tolist() == [[0, 1, 2, 0, 0, 0, 0], [0] * 7]
    assert weights["logits"].tolist() == [[0, 1, 1, 0, 0, 1, 0], [0, 1, 1, 0, 0, 0, 0]]
    assert last["logits"].tolist() == [[0, 1, 0], [0, 0, 0]] and batches.weights == [5, 1]


def test_words_beyond_the_limit_are_counted_and_are_o():
    long = (["the"] * 3 + ["cat"] * 9, ["O"] * 3 + ["B-PET"] * 9)
    with pytest.warns(UserWarning, match="train: expected sentences of at most 7 tokens, got 1 longer .* last 7 words"):
        classifier, history = run(([long[0], ["dog"]], [long[1], ["B-PET"]]), num_classes=2, epochs=1, max_length=7)
    assert history.run["train"]["cut"] == 1 and history.run["train"]["cut_words"] == 7
    predicted = predict_tags(classifier, small()[1], [long[0]])[0]
    assert len(predicted) == 12 and predicted[5:] == ["O"] * 7


# -- training ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["logits", "predictions"])
def test_the_loss_is_the_mean_over_words(output):
    model = {"output": output, "class_names": NAMES}
    classifier, history = run(validation=(WORDS, TAGS), model=model, epochs=1, learning_rate=1e-9)
    _, preprocessor = small()
    losses, right = [], []
    rows, positions = encode_words(WORDS, preprocessor, 64)
    for row, at, tags in zip(rows, positions, TAGS, strict=True):
        inputs = {
            "input_word_ids": np.array([row.ids], "int32"),
            "input_mask": np.ones((1, len(row.ids)), "int32"),
            "input_type_ids": np.zeros((1, len(row.ids)), "int32"),
        }
        logits = ops.convert_to_numpy(classifier(inputs)[output])[0].astype("float64")
        log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        labels = [NAMES.index(tag) for tag in tags]
        losses += [-log_p[i, label] for i, label in zip(at, labels, strict=True)]
        right += [log_p[i].argmax() == label for i, label in zip(at, labels, strict=True)]
    assert history.final["val_loss"] == pytest.approx(np.mean(losses), abs=1e-5)
    assert history.final["val_accuracy"] == pytest.approx(np.mean(right), abs=1e-6)
    assert history.final["loss"] == pytest.approx(np.mean(losses), rel=0.5)  # with dropout


def test_it_learns_and_reports_the_scores_of_its_predictions(tmp_path):
    classifier, history = run(validation=(WORDS, TAGS), epochs=25, learning_rate=1e-2, output_dir=tmp_path)
    assert history.epochs[0]["val_f1"] < 0.7 < 0.8 < history.final["val_f1"]
    assert history.final["val_accuracy"] > 0.9 and classifier.class_names == NAMES
    bert, names, settings = open_run(tmp_path)
    assert tuple(names) == NAMES and settings.max_length == 64 and not bert.has_pooler
    ids = np.array([[2, 5, 6, 15, 16, 17, 3]], "int32")
    inputs = {"input_word_ids": ids, "input_mask": ids * 0 + 1, "input_type_ids": ids * 0}
    np.testing.assert_array_equal(bert.token_classifier(inputs)["logits"], classifier(inputs)["logits"])
    predicted = predict_tags(bert.token_classifier, bert.preprocessor, WORDS)
    scores = entity_scores(TAGS, predicted)
    assert {name: history.final[f"val_{name}"] for name in scores} == pytest.approx(scores)
    found = bert.tag("the cat unwanted sat on", aggregation="first")
    assert found and {entity.label for entity in found} == {"PET"}
    assert predict_tags(classifier, bert.preprocessor, []) == []
    assert json.loads((tmp_path / "history.json").read_text())["run"]["task"] == "tagging"


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision(precision):
    classifier, history = run(validation=(WORDS, TAGS), precision=precision)
    assert classifier.network.dtype_policy.name == "float32" and np.isfinite(history.final["val_loss"])


def test_numbers_and_plain_tags():
    numbers = [[NAMES.index(tag) for tag in tags] for tags in TAGS]
    _, history = run((WORDS, numbers), validation=(WORDS, numbers))
    assert "val_f1" not in history.final and "val_accuracy" in history.final
    classifier, history = run((WORDS, numbers), validation=(WORDS, TAGS), model={"class_names": NAMES})
    assert "val_f1" in history.final
    plain = [["PET" if tag != "O" else "O" for tag in tags] for tags in TAGS]
    classifier, history = run((WORDS, plain), num_classes=2, validation=Tagged(WORDS, plain, ("O", "PET"), None))
    assert classifier.class_names == ("O", "PET") and "val_f1" in history.final


def test_the_order_of_the_classes_is_the_classifier_s():
    classifier, _ = run(model={"class_names": ("I-PET", "B-PET", "O")}, epochs=1)
    assert classifier.class_names == ("I-PET", "B-PET", "O")
    reordered = Tagged(WORDS, TAGS, ("I-PET", "O", "B-PET"), None)
    classifier, _ = run(reordered, epochs=1)
    assert classifier.class_names == ("I-PET", "O", "B-PET")


def test_several_seeds(tmp_path):
    classifier, runs = run(validation=(WORDS, TAGS), seeds=[1, 2], output_dir=tmp_path)
    assert set(runs.values("val_f1")) == {1, 2}
    assert np.array_equal(
        classifier.classifier.kernel,
        be.load(tmp_path / f"seed_{runs.best}" / "model").token_classifier.classifier.kernel,
    )


WRONG = {
    "lengths": (([["a", "b"]], [["O"]]), "train, sentence 0: expected a tag for each of 2 words, got 1"),
    "counts": ((WORDS, TAGS[1:]), "expected tags for each of 49 sentences, got 48"),
    "nothing": (([], []), "expected at least one sentence"),
    "texts": ((["the cat"], [["O", "B-PET"]]), "sentence 0: expected a list"),
    "an empty sentence": (([["a"], []], [["O"], []]), "sentence 1: expected at least one word, got none"),
    "a number as word": (([[3]], [["O"]]), "expected strings as words, got 3"),
    "one tag": (([["a"]], [["O"]]), r"classifier: expected num_classes=1.*got 3\. Use bert.token_classifier_for\(1\)"),
    "one of several": ((Tagged([["a"]], [["O"]], NAMES, None)), "at least two different tags, got only 'O'"),
    "not a pair": ("texts", r"train: expected \(words, tags\)"),
    "broken": (
        Tagged([["a", "b"]], [["O", "I-PET"]], NAMES, None),
        r"train, sentence 0, word 1 \('b'\): expected B-PET or I-PET before I-PET, got I-PET after O.*iob1",
    ),
    "unknown": (Tagged([["a", "b"]], [["O", "X"]], NAMES, None), "expected one of .* as tag, got 'X'"),
    "a large number": (([["a", "b"]], [[0, 3]]), "expected a number from 0 to 2 as tag, got 3"),
}


@pytest.mark.parametrize("case", WRONG)
def test_invalid_data(case):
    data, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        run(data)


def test_other_invalid_arguments():
    with pytest.raises(ValueError, match="Set classifier.output_encoder_outputs = False"):
        run(model={"output_encoder_outputs": True})
    with pytest.raises(ValueError, match="class_weight: expected None for tagging"):
        run(class_weight="balanced")
    with pytest.raises(ValueError, match="validation, sentence 0, word 0.*expected one of"):
        run(validation=([["a"]], [["B-X"]]))
    classifier, preprocessor = small()
    with pytest.raises(TypeError, match="classifier: expected a BertClassifier, or use predict_tags"):
        predict(classifier, preprocessor, ["the cat"])
    with pytest.raises(TypeError, match="classifier: expected a BertTokenClassifier"):
        predict_tags(be.BertClassifier(classifier.network, 2), preprocessor, [["the"]])
    with pytest.raises(ValueError, match="words, sentence 0: expected a list"):
        predict_tags(classifier, preprocessor, ["the cat"])


# -- killed and resumed ------------------------------------------------------------------------------------------------


def test_a_training_stopped_at_every_segment_has_the_same_result(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "SEGMENT", 2)
    options = {"validation": (WORDS, TAGS), "epochs": 2}
    whole, expected = run(**options)
    train = lambda: run(**options, output_dir=tmp_path)  # noqa: E731
    (resumed, history), stops = interrupted.stopped_at_every_save(monkeypatch, train)
    assert stops > 3 and same_weights(whole, resumed)
    without = [[{k: v for k, v in e.items() if k != "seconds"} for e in h.epochs] for h in (expected, history)]
    assert without[0] == without[1]


PROGRAM = """
import test_tagging as t
t.running.SEGMENT = 2
classifier, history = t.run(validation=(t.WORDS, t.TAGS), epochs=8, output_dir=sys.argv[1])
scores = [epoch["val_f1"] for epoch in history.epochs]
np.savez(sys.argv[2], *classifier.get_weights(), losses=[s["loss"] for s in history.segments], scores=scores)
"""


@pytest.mark.slow
@interrupted.needs_kill
def test_a_killed_training_resumes_with_the_same_result(tmp_path):
    interrupted.check_same_bits(*interrupted.whole_and_killed(PROGRAM, tmp_path, kills=2))


# -- the command line --------------------------------------------------------------------------------------------------


def test_the_commands_train_and_tag(tmp_path, capsys):
    from bertedu import cli

    classifier, preprocessor = small()
    be.save_checkpoint(be.Bert(preprocessor.tokenizer, classifier.network, preprocessor), tmp_path / "model")
    sentences = zip(WORDS, TAGS, strict=True)
    lines = ["".join(f"{word} {tag}\r\n" for word, tag in zip(*pair, strict=True)) for pair in sentences]
    (tmp_path / "train.conll").write_bytes("\r\n".join(lines).encode())
    (tmp_path / "new.txt").write_text("the cat sat\nit was\n")
    files = ["--train", str(tmp_path / "train.conll"), "--model", str(tmp_path / "model")]
    options = [*files, "--output-dir", str(tmp_path / "run"), "--learning-rate", "0.01", "--epochs", "8"]
    assert cli.main(["finetune", *options]) == 1
    assert "(--tags on the command line)" in capsys.readouterr().err
    assert cli.main(["finetune", *options, "--tags", "--label", "x"]) == 1
    assert "--label: expected no such option with --tags" in capsys.readouterr().err
    assert cli.main(["finetune", *options, "--tags", "--validation", files[1]]) == 0
    assert open_run(tmp_path / "run").bert.token_classifier.class_names == NAMES
    capsys.readouterr()
    assert cli.main(["predict", str(tmp_path / "run"), str(tmp_path / "new.txt")]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert cli.main(["predict", str(tmp_path / "run"), str(tmp_path / "train.conll")]) == 1
    assert "got a CoNLL file. In Python, be.fine_tuning.predict_tags" in capsys.readouterr().err
    assert first.startswith("PET: cat\t0.") and first.endswith("\tthe cat sat") and second == "\t\tit was"

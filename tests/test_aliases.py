"""The names of version 0.1 still work, warn with the new name, and stand in the changelog beside it."""

from pathlib import Path

import numpy as np
import pytest

import bertedu as be
from bertedu import analysis, defaults, fine_tuning, plots, presets
from bertedu.aliases import also_spelled
from bertedu.bert import Bert
from bertedu.checkpoints.common import TensorInfo
from bertedu.data import load_texts
from bertedu.reading import Reading

CHANGELOG = (Path(__file__).parent.parent / "CHANGELOG.md").read_text(encoding="utf-8")
STATISTICS = analysis.head_statistics([[np.eye(3)]], ["the", "cat", "sat"])
PROBABILITIES = np.array([[0.9, 0.1], [0.8, 0.2]])


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        (defaults, "fresh", "clone_initializer"),
        (plots, "Picture", "AltTextFigure"),
        (plots, "MOST_LABELS", "MAX_LABELS"),
        (plots, "MOST_NUMBERS", "MAX_NUMBERS"),
        (fine_tuning, "plan", "plan_batches"),
        (fine_tuning, "confusion", "confusion_matrix"),
    ],
)
def test_a_module_knows_its_old_names(module, old, new):
    with pytest.warns(DeprecationWarning, match=f"{old} is deprecated .*Use {module.__name__}.{new}\\."):
        assert getattr(module, old) is getattr(module, new)
    assert f"`{old}`" in CHANGELOG and f"`{new}`" in CHANGELOG
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = module.nothing


@pytest.mark.parametrize(
    ("instance", "old", "new"),
    [
        (STATISTICS, "words", "num_tokens"),
        (STATISTICS, "evenness", "normalized_entropy"),
        (presets.get("bert_en_uncased"), "elsewhere", "other_sources"),
        (TensorInfo("bias", (2,), "float32", "pooler_transform/bias"), "ours", "weight_path"),
    ],
)
def test_an_object_knows_its_old_attributes(instance, old, new):
    with pytest.warns(DeprecationWarning, match=f"{old} is deprecated .*Use {new}\\."):
        assert getattr(instance, old) is getattr(instance, new)
    assert f"`{old}`" in CHANGELOG and f"`{new}`" in CHANGELOG


@pytest.mark.parametrize(("cls", "old", "new"), [(Bert, "guesser", "masked_lm_bert"), (Reading, "picture", "plot")])
def test_old_attributes_that_compute(cls, old, new, monkeypatch):
    monkeypatch.setattr(cls, new, property(lambda self: self.answer))
    instance = cls.__new__(cls)
    object.__setattr__(instance, "answer", 42)
    with pytest.warns(DeprecationWarning, match=f"{cls.__name__}.{old} is deprecated .*Use {new}\\."):
        assert getattr(instance, old) == 42
    assert f"`{old}`" in CHANGELOG and f"`{new}`" in CHANGELOG


def numbers_of_a_file(tmp_path, **spelling):
    path = tmp_path / "numbers.csv"
    path.write_text("text,label\nthe cat,0.5\n")
    return load_texts(path, **spelling).labels.tolist()


def arguments_of_a_run(_, **options):
    tokenizer = be.BertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"])
    sizes = {"num_layers": 1, "hidden_size": 4, "num_attention_heads": 1, "inner_dim": 4, "max_sequence_length": 8}
    classifier = be.BertClassifier(be.BertEncoder(tokenizer.vocab_size, **sizes), 2)
    data = (["a", "b"], [0, 1])
    return be.fine_tune(classifier, be.BertPreprocessor(tokenizer, 8), data, epochs=1, progress=False, **options).run[
        "arguments"
    ]


def rate_at_the_start(**options):
    return float(fine_tuning.optimizer(1.0, 10, **options).learning_rate)


@pytest.mark.parametrize(
    ("call", "old", "new", "value"),
    [
        (lambda _, **x: plots.training([(1, 0.5)], steps=2, **x).figure.alt, "judged", "validation", [(1, 0.7)]),
        (lambda _, **x: plots.vectors([[0, 1]], ["a"], **x).get_xlabel(), "shares", "explained_variance_ratio", [1, 0]),
        (lambda _, **x: STATISTICS.summary(**x), "most", "limit", 1),
        (lambda _, **x: fine_tuning.mistakes(["a", "b"], [1, 1], PROBABILITIES, **x), "most", "limit", 1),
        (numbers_of_a_file, "numbers", "regression", True),
        (arguments_of_a_run, "warm_up", "warmup_ratio", 0.2),
        (arguments_of_a_run, "clip_norm", "global_clipnorm", 2.0),
        (arguments_of_a_run, "class_weights", "class_weight", [1.0, 2.0]),
        (arguments_of_a_run, "restore_best", "restore_best_weights", False),
        (lambda _, **x: rate_at_the_start(**x), "warm_up", "warmup_ratio", 0.5),
        (lambda _, **x: fine_tuning.optimizer(1.0, 10, **x).global_clipnorm, "clip_norm", "global_clipnorm", 2.0),
    ],
)
def test_a_function_accepts_its_old_arguments(tmp_path, call, old, new, value):
    with pytest.warns(DeprecationWarning, match=f"argument {old} is deprecated .*Use {new}\\."):
        assert call(tmp_path, **{old: value}) == call(tmp_path, **{new: value})
    with pytest.raises(ValueError, match=f"{new}: .* {old}"):
        call(tmp_path, **{old: value, new: value})
    assert f"`{old}`" in CHANGELOG and f"`{new}`" in CHANGELOG


def test_another_librarys_spelling_does_not_warn():
    @also_spelled({"breadth": "width"}, ignored=["color"])
    def area(width, height=2):
        return width * height

    assert area(breadth=3, color="red") == area(3) == 6
    with pytest.raises(ValueError, match="width: .* breadth"):
        area(1, breadth=2)

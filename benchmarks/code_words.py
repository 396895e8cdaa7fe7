"""Tag the code in Python's documentation: MiniLM beside a regular expression, for chapter 15 and data/README.md.

python -m benchmarks.code_words [--learning-rate 2e-4] [--epochs 3] [--seeds 1] [--test]

It prints a row for each seed: precision, recall and F1 of spans in the validation split after the last epoch, of the
model, of the regular expression of data/make_code_words.py, and of both together (a word is code if either says so).
With `--test` also those in the test split: use it once, with settings that were chosen on the validation split. An
epoch takes a quarter of a minute on two idle cores.
"""

import argparse
import importlib.util
from pathlib import Path

import keras

import bertedu as be
from bertedu import fine_tuning

GENERATOR = Path(__file__).resolve().parent.parent / "data" / "make_code_words.py"


def rule():
    """Return the function of data/make_code_words.py that tags a list of words."""
    specification = importlib.util.spec_from_file_location("make_code_words", GENERATOR)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.baseline


def either(rows, others):
    """Return tags of the words that have one in either of two lists; neighbors are one span, as with the rule.

    Example:
        >>> either([["B-CODE", "O", "O"]], [["O", "O", "B-CODE"]])
        [['B-CODE', 'O', 'B-CODE']]
    """
    merged = []
    for pair in zip(rows, others, strict=True):
        inside = [set(two) != {"O"} for two in zip(*pair, strict=True)]
        before = [False, *inside]
        tags = [
            ("I-CODE" if goes_on else "B-CODE") if code else "O" for code, goes_on in zip(inside, before, strict=False)
        ]
        merged.append(tags)
    return merged


def trained(learning_rate, epochs, seed):
    """Return a classifier trained on the training split, its preprocessor, and the validation F1 of each epoch."""
    train, validation = (be.load_tags("code_words", split=split) for split in ("train", "validation"))
    bert = be.load("minilm")
    keras.utils.set_random_seed(seed)  # for the new head
    classifier = bert.token_classifier_for(len(train.names))
    settings = {"epochs": epochs, "learning_rate": learning_rate, "seed": seed, "restore_best_weights": False}
    history = be.fine_tune(classifier, bert.preprocessor, train, validation, progress=False, **settings)
    return classifier, bert.preprocessor, [epoch["val_f1"] for epoch in history.epochs]


def columns(expected, predicted):
    """Return precision, recall and F1 as text."""
    return " ".join(f"{value:.3f}" for value in fine_tuning.entity_scores(expected, predicted).values())


def main():
    """Train with every seed, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learning-rate", type=float, default=2e-4, help="peak learning rate (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=3, help="epochs (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds (default: %(default)s)")
    parser.add_argument("--test", action="store_true", help="measure the test split, too")
    options = parser.parse_args()
    tag = rule()
    for seed in range(options.seeds):
        classifier, preprocessor, f1 = trained(options.learning_rate, options.epochs, seed)
        print(f"seed {seed}, F1 by epoch:", *(f"{value:.3f}" for value in f1), flush=True)
        for split in ("validation", "test")[: 1 + options.test]:
            data = be.load_tags("code_words", split=split)
            model = fine_tuning.predict_tags(classifier, preprocessor, data.words)
            by_rule = [tag(words) for words in data.words]
            rows = {"model": model, "rule": by_rule, "either": either(by_rule, model)}
            for name, tags in rows.items():
                print(f"seed {seed} {split:10} {name:6} P R F1", columns(data.tags, tags), flush=True)


if __name__ == "__main__":
    main()

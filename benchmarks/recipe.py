"""Accuracy of `be.fine_tune` with other settings than the defaults: what the defaults leave on the table.

    python -m benchmarks.recipe --train news_train.tsv --dev news_dev.tsv [--rates 5e-5 1e-4 2e-4] [--seeds 0 1 2]

Each line of the files has a text and a class, tab-separated. The settings are compared on texts for development; a test
set is for the setting that is chosen. Every run is a process of its own, with one epoch and all other settings at their
defaults.
"""

import argparse
import json

import numpy as np

from benchmarks import common
from benchmarks.accuracy import read

MAX_LENGTH = 128


def evaluate(train, dev, rate, seed):
    """Return accuracy and mean loss on `dev` after one epoch on `train`."""
    import keras

    import bertedu as be
    from bertedu import fine_tuning

    keras.utils.set_random_seed(seed)
    bert = be.load("minilm")
    classifier = bert.classifier_for(max(train[1]) + 1)
    settings = {"learning_rate": rate, "max_length": MAX_LENGTH, "seed": seed, "precision": "float32"}
    be.fine_tune(classifier, bert.preprocessor, train, epochs=1, progress=False, **settings)
    probabilities = fine_tuning.predict(classifier, bert.preprocessor, dev[0])  # [n, C]
    right = probabilities[np.arange(len(dev[1])), dev[1]]
    return {"accuracy": float(np.mean(probabilities.argmax(-1) == dev[1])), "loss": float(-np.log(right).mean())}


def main():
    """Run every learning rate with every seed; print a row for each rate, with mean and standard deviation."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--train", required=True, help="file of training texts")
    arguments.add_argument("--dev", required=True, help="file of texts to compare on")
    arguments.add_argument("--train-texts", type=int, default=3000, help="(default: %(default)s)")
    arguments.add_argument("--dev-texts", type=int, default=1500, help="the last ones (default: %(default)s)")
    arguments.add_argument("--rates", type=float, nargs="+", default=[5e-5, 1e-4, 2e-4], help="(default: %(default)s)")
    arguments.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(default: 0 1 2)")
    arguments.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.serve:
        texts, labels = read(options.dev, None)
        dev = texts[-options.dev_texts :], labels[-options.dev_texts :]
        rate, seed = options.serve
        return print(json.dumps(evaluate(read(options.train, options.train_texts), dev, float(rate), int(seed))))
    files = ["--train", options.train, "--dev", options.dev]
    counts = ["--train-texts", str(options.train_texts), "--dev-texts", str(options.dev_texts)]
    print(common.machine(), flush=True)
    print("| learning rate |", *(f"seed {seed} |" for seed in options.seeds), "mean | standard deviation | mean loss |")
    print("| --- |" + " --- |" * (len(options.seeds) + 3), flush=True)
    for rate in options.rates:
        arguments = [("--serve", str(rate), str(seed), *files, *counts) for seed in options.seeds]
        results = [common.run_module("benchmarks.recipe", *line) for line in arguments]
        accuracies, losses = ([result[name] for result in results] for name in ("accuracy", "loss"))
        numbers = [*accuracies, np.mean(accuracies), np.std(accuracies, ddof=1), np.mean(losses)]
        print(f"| {rate:g} |", *(f"{number:.4f} |" for number in numbers), flush=True)


if __name__ == "__main__":
    main()

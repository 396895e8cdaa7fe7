"""Accuracy of `be.fine_tune` with other settings than the defaults: what the defaults leave on the table.

    python -m benchmarks.recipe --train news_train.tsv --dev news_dev.tsv
    python -m benchmarks.recipe --train news_train.tsv --dev news_dev.tsv --settings learning_rate=1e-4 epochs=2,seed=7

Each line of the files has a text and a class, tab-separated; "reviews" is our own set, with its validation set for
development. A setting is one argument of `be.fine_tune` or several, or one of these:

    layer_decay=0.9        each layer has 0.9 times the learning rate of the one above it
    label_smoothing=0.1    the loss is that of labels with 0.1 spread over all classes
    pooler=new             the pooler starts with random weights instead of the checkpoint's
    pooling=mean           the head reads the mean of all tokens instead of the pooler; another model, for comparison

Settings are compared on texts for development; a test set is for the setting that is chosen. Every run is a process of
its own, with one epoch, 128 tokens and float32, and all other settings at their defaults.
"""

import argparse
import json
from unittest import mock

import numpy as np

from benchmarks import common
from benchmarks.accuracy import read

MAX_LENGTH = 128
SETTINGS = (
    "learning_rate=5e-5", "learning_rate=1e-4", "learning_rate=4e-4", "epochs=2", "epochs=3", "schedule=constant",
    "warmup_ratio=0", "global_clipnorm=none", "weight_decay=0", "layer_decay=0.9", "label_smoothing=0.1", "pooler=new",
    "pooling=mean",
)  # fmt: skip
OWN = {"layer_decay": 1.0, "label_smoothing": 0.0, "pooler": "checkpoint", "pooling": "pooler"}


def parsed(setting):
    """Return the values of a setting, by name: numbers, None or strings."""
    values = {}
    for part in filter(None, setting.split(",")):
        name, _, value = part.partition("=")
        if value == "none":
            values[name] = None
        else:
            try:
                values[name] = int(value) if value.isdigit() else float(value)
            except ValueError:
                values[name] = value
    return values


def classifier_of(bert, num_classes, pooler, pooling):
    """Return a classifier on a copy of the encoder, with the checkpoint's pooler, a new one, or mean pooling."""
    import bertedu as be
    from bertedu.inputs import native_inputs
    from bertedu.pooling import pool

    @be.register("benchmarks")
    class MeanEncoder(be.BertEncoder):
        """An encoder whose pooled output is the mean of all tokens."""

        def call(self, inputs, **options):
            outputs = super().call(inputs, **options)
            return outputs | {"pooled_output": pool(outputs, native_inputs(inputs)["input_mask"], "mean")}

    kind = MeanEncoder if pooling == "mean" else be.BertEncoder
    encoder = kind.from_config(bert.encoder.get_config())
    new = [weight.numpy() for weight in encoder.pooler_layer.weights]
    encoder.set_weights(bert.encoder.get_weights())
    if pooler == "new":
        encoder.pooler_layer.set_weights(new)
    return be.BertClassifier(encoder, num_classes)


def patches(layers, layer_decay, label_smoothing):
    """Return contexts that give the training a layer-wise learning rate and a smoothed loss."""
    import keras

    from bertedu.fine_tuning.schedule import AdamW

    update, loss = AdamW._update, keras.losses.SparseCategoricalCrossentropy

    def layer_wise(self, value, variable, gradient, numbers):
        """Depth 0 is the head, 1 the last layer; the embeddings are the deepest."""
        path = variable.path
        depth = layers + 1 if "embeddings/" in path else 0
        depth = next((layers - i for i in range(layers) if f"/layer_{i}/" in path), depth)
        update(self, value, variable, gradient, numbers | {"lr": numbers["lr"] * layer_decay**depth})

    class Smoothed(loss):
        """Cross-entropy with labels that are spread over all classes."""

        def call(self, y_true, y_pred):
            rest = -keras.ops.mean(keras.ops.log_softmax(y_pred, axis=-1), axis=-1)
            return (1 - label_smoothing) * super().call(y_true, y_pred) + label_smoothing * rest

    return (
        mock.patch.object(AdamW, "_update", update if layer_decay == 1 else layer_wise),
        mock.patch.object(keras.losses, "SparseCategoricalCrossentropy", Smoothed if label_smoothing else loss),
    )


def evaluate(train, dev, setting, seed):
    """Return accuracy and mean loss on `dev` after training on `train`."""
    import keras

    import bertedu as be
    from bertedu import fine_tuning

    keras.utils.set_random_seed(seed)
    bert = be.load("minilm")
    options = {"epochs": 1, "max_length": MAX_LENGTH, "seed": seed, "precision": "float32"} | parsed(setting)
    own = {name: options.pop(name, default) for name, default in OWN.items()}
    classifier = classifier_of(bert, max(train[1]) + 1, own.pop("pooler"), own.pop("pooling"))
    layer_wise, smoothed = patches(bert.encoder.num_layers, **own)
    with layer_wise, smoothed:
        be.fine_tune(classifier, bert.preprocessor, train, progress=False, **options)
    probabilities = fine_tuning.predict(classifier, bert.preprocessor, dev[0], max_length=MAX_LENGTH)  # [n, C]
    right = probabilities[np.arange(len(dev[1])), dev[1]]
    return {"accuracy": float(np.mean(probabilities.argmax(-1) == dev[1])), "loss": float(-np.log(right).mean())}


def data(options):
    """Return the texts and labels for training and for development."""
    if options.train == "reviews":
        import bertedu as be

        sets = (be.load_texts("reviews", split=split) for split in ("train", "validation"))
        return [(texts.texts, texts.labels) for texts in sets]
    texts, labels = read(options.dev, None)
    dev = texts[-options.dev_texts :], labels[-options.dev_texts :]
    return read(options.train, options.train_texts), dev


def main():
    """Run every setting with every seed; print a row for each setting, with mean and standard deviation."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--train", required=True, help='file of training texts, or "reviews"')
    arguments.add_argument("--dev", help="file of texts to compare on")
    arguments.add_argument("--train-texts", type=int, default=3000, help="(default: %(default)s)")
    arguments.add_argument("--dev-texts", type=int, default=1500, help="the last ones (default: %(default)s)")
    arguments.add_argument("--settings", nargs="*", default=SETTINGS, help="name=value,... (default: those of a list)")
    arguments.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(default: 0 1 2)")
    arguments.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.serve:
        setting, seed = options.serve
        return print(json.dumps(evaluate(*data(options), setting, int(seed))))
    files = ["--train", options.train, *(["--dev", options.dev] if options.dev else [])]
    counts = ["--train-texts", str(options.train_texts), "--dev-texts", str(options.dev_texts)]
    print(common.machine(), flush=True)
    print("| setting |", *(f"seed {seed} |" for seed in options.seeds), "mean | standard deviation | mean loss |")
    print("| --- |" + " --- |" * (len(options.seeds) + 3), flush=True)
    for setting in ("", *options.settings):
        runs = [("--serve", setting, str(seed), *files, *counts) for seed in options.seeds]
        results = [common.run_module("benchmarks.recipe", *line) for line in runs]
        accuracies, losses = ([result[name] for result in results] for name in ("accuracy", "loss"))
        numbers = [*accuracies, np.mean(accuracies), np.std(accuracies, ddof=1), np.mean(losses)]
        print(f"| {setting or 'defaults'} |", *(f"{number:.4f} |" for number in numbers), flush=True)


if __name__ == "__main__":
    main()

"""Classify the texts of a file with a fine-tuned model."""

from argparse import ArgumentParser, Namespace

from .common import package


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of `bertedu predict`."""
    parser.add_argument("run_dir", help="output folder of `bertedu finetune`")
    parser.add_argument("file", help="table as for finetune, or .txt with one text (or two texts and a tab) per line")
    parser.add_argument("--text", default="text", help="column of the texts (default: %(default)s)")
    parser.add_argument("--pair", help='column of the second texts (default: "pair" for a model of text pairs)')


def run(options: Namespace) -> int:
    """Print one line per text: the predicted class or classes, with their probabilities, and the text."""
    with package() as bertedu:
        from bertedu.data import load_unlabelled

        bert, names, settings = bertedu.fine_tuning.open_run(options.run_dir)
        texts, pairs = load_unlabelled(options.file, settings.pairs, options.text, options.pair)
        predictions = bertedu.fine_tuning.predict(bert.classifier, bert.preprocessor, texts, pairs)
        if bert.classifier.multi_label:
            chosen = bertedu.fine_tuning.apply_thresholds(bert.classifier, predictions)
        elif predictions.ndim > 1:
            chosen = predictions.argmax(-1)[:, None] == range(predictions.shape[1])
    for i, (prediction, *text) in enumerate(zip(predictions, texts, *([] if pairs is None else [pairs]), strict=True)):
        if prediction.ndim:
            numbers = chosen[i].nonzero()[0]
            fields = [", ".join(str(names[number] if names else number) for number in numbers)]
            fields += [", ".join(f"{prediction[number]:.3f}" for number in numbers)]
        else:
            fields = [f"{prediction:.4g}"]
        print("\t".join(field.replace("\t", "\\t").replace("\n", "\\n") for field in fields + text))
    return 0

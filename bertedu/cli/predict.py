"""Classify the texts of a file with a fine-tuned model, or tag their words."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from .common import UsageError, package

CONLL = (".conll", ".conllu", ".bio", ".iob")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of `bertedu predict`."""
    parser.add_argument("run_dir", help="output folder of `bertedu finetune`")
    parser.add_argument("file", help="table as for finetune, or .txt with one text (or two texts and a tab) per line")
    parser.add_argument("--text", default="text", help="column of the texts (default: %(default)s)")
    parser.add_argument("--pair", help='column of the second texts (default: "pair" for a model of text pairs)')


def run(options: Namespace) -> int:
    """Print one line per text: the predicted classes, number or entities, with their probabilities, and the text."""
    if Path(options.file).suffix.lower() in CONLL:
        advice = "In Python, be.fine_tuning.predict_tags tags sentences of words"
        raise UsageError(f"{options.file}: expected a table, or one text per line, got a CoNLL file. {advice}.")
    with package() as bertedu:
        from bertedu.data import load_unlabelled

        bert, names, settings = bertedu.fine_tuning.open_run(options.run_dir)
        texts, pairs = load_unlabelled(options.file, settings.pairs, options.text, options.pair)
        if bert.token_classifier is None:
            rows = _classified(bertedu, bert, names, texts, pairs)
        else:
            rows = [_tagged(bert.tag(text, aggregation="first")) for text in texts]
    for fields, *text in zip(rows, texts, *([] if pairs is None else [pairs]), strict=True):
        print("\t".join(field.replace("\t", "\\t").replace("\n", "\\n") for field in fields + text))
    return 0


def _classified(bertedu, bert, names, texts, pairs):
    """Return the classes with their probabilities, or the number, of each text, as lists of strings."""
    predictions = bertedu.fine_tuning.predict(bert.classifier, bert.preprocessor, texts, pairs)
    if predictions.ndim == 1:
        return [[f"{prediction:.4g}"] for prediction in predictions]
    chosen = predictions.argmax(-1)[:, None] == range(predictions.shape[1])
    if bert.classifier.multi_label:
        chosen = bertedu.fine_tuning.apply_thresholds(bert.classifier, predictions)
    rows = []
    for prediction, is_chosen in zip(predictions, chosen, strict=True):
        numbers = is_chosen.nonzero()[0]
        classes = [str(names[number] if names else number) for number in numbers]
        rows.append([", ".join(classes), ", ".join(f"{prediction[number]:.3f}" for number in numbers)])
    return rows


def _tagged(entities):
    """Return the entities of a text with their probabilities, as a list of strings."""
    labels = [f"{entity.label}: {entity.text}" for entity in entities]
    return [", ".join(labels), ", ".join(f"{entity.probability:.3f}" for entity in entities)]

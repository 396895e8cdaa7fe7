"""Train a classifier on texts with labels."""

from argparse import ArgumentParser, Namespace

from .common import package

SETTINGS = ("epochs", "batch_size", "learning_rate", "max_length", "seed", "precision", "output_dir")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of `bertedu finetune`."""
    parser.add_argument("--train", required=True, help="a .tsv, .csv, .jsonl or .parquet file with the columns below")
    parser.add_argument("--validation", help="the same, evaluated after each epoch")
    parser.add_argument("--output-dir", required=True, help="where the model goes; a stopped run resumes from there")
    parser.add_argument("--preset", default="minilm", help="what to start from, as for inspect (default: %(default)s)")
    parser.add_argument("--text", default="text", help="the column of the texts (default: %(default)s)")
    parser.add_argument("--pair", help="the column of the second texts, if there are any")
    parser.add_argument("--label", default="label", help="the column of the labels (default: %(default)s)")
    parser.add_argument("--regression", action="store_true", help="labels are numbers, to be estimated")
    parser.add_argument("--epochs", type=int, default=3, help="passes over the texts (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32, help="texts per step (default: %(default)s)")
    parser.add_argument("--learning-rate", type=float, default=5e-5, help="the peak (default: %(default)s)")
    parser.add_argument("--max-length", type=int, help="tokens to which texts are cut (default: the model's)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: %(default)s)")
    parser.add_argument("--precision", default="auto", help="auto, float32, mixed_bfloat16 or mixed_float16")


def run(options: Namespace) -> int:
    """Train; the model is then in the output folder."""
    columns = {"text": options.text, "pair": options.pair, "label": options.label, "numbers": options.regression}
    with package() as bertedu:
        train = bertedu.load_texts(options.train, **columns)
        validation = options.validation and bertedu.load_texts(options.validation, names=train.names, **columns)
        bert = bertedu.load(options.preset)
        classifier = bert.classifier_for(1 if options.regression else len(train.names))
        settings = {name: getattr(options, name) for name in SETTINGS}
        history = bertedu.fine_tune(classifier, bert.preprocessor, train, validation, **settings)
    print(f"{history}\nThe model is in {options.output_dir}: bertedu predict {options.output_dir} FILE")
    return 0

"""Fine-tune a classifier on labeled texts, or a token classifier on tagged words.

Embedding models are trained in Python, by be.train_embeddings.

examples:
  bertedu finetune --train mails.csv --validation more.csv --output-dir runs/mails
  bertedu finetune --train mails.csv --label complaint refund urgent --output-dir runs/labels
  bertedu finetune --train train.conll --validation valid.conll --tags --output-dir runs/tags
  bertedu finetune --train mails.csv --lora-rank 8 --output-dir runs/lora
"""

from argparse import ArgumentParser, Namespace

from .common import CHECKPOINT, UsageError, package

SETTINGS = (
    *("epochs", "batch_size", "learning_rate", "max_length", "trainable", "lora_rank"),
    *("seed", "precision", "output_dir"),
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of `bertedu finetune`."""
    train = ".tsv, .csv, .jsonl or .parquet file with the columns below; with --tags a CoNLL file, or .jsonl with words"
    parser.add_argument("--train", required=True, help=train)
    parser.add_argument("--validation", help="file of the validation set, evaluated after each epoch")
    parser.add_argument("--output-dir", required=True, help="folder for the model; run the command again to resume")
    parser.add_argument("--model", "--preset", default="minilm", help=f"{CHECKPOINT} (default: %(default)s)")
    parser.add_argument("--text", default="text", help="column of the texts (default: %(default)s)")
    parser.add_argument("--pair", help="column of the second texts (default: single texts)")
    label = "column of the labels; for several labels per text one column of 0 and 1 per class, or lists in JSONL"
    parser.add_argument("--label", default=["label"], nargs="+", help=f"{label} (default: label)")
    parser.add_argument("--regression", action="store_true", help="predict numbers instead of classes")
    tags = "tag words: a word and its tag per line, a blank line after each sentence; see docs/fine_tuning.md"
    parser.add_argument("--tags", action="store_true", help=tags)
    parser.add_argument("--epochs", type=int, default=3, help="passes over the training set (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32, help="texts per step (default: %(default)s)")
    parser.add_argument(
        "--learning-rate", type=float, help="peak learning rate (default: 2e-4 or 5e-5, by size; LoRA: 2e-3, 5e-4)"
    )
    parser.add_argument("--max-length", type=int, help="truncate texts to this many tokens (default: the model's)")
    parser.add_argument("--trainable", nargs="+", help="weights to train: all, head, bias or last 2 (default: all)")
    parser.add_argument("--lora-rank", type=int, help="train low-rank updates (LoRA) of this rank (default: no LoRA)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    precisions = "float32, mixed_bfloat16, mixed_float16 or auto (default): mixed_bfloat16 on devices made for it"
    parser.add_argument("--precision", default="auto", help=precisions)


def run(options: Namespace) -> int:
    """Fine-tune, and print the result and the path of the model."""
    with package() as bertedu:
        train, validation = _data(bertedu, options)
        bert = bertedu.load(options.model)
        if options.tags:
            classifier = bert.token_classifier_for(len(train.names))
        else:
            several = train.labels.ndim > 1
            classifier = bert.classifier_for(1 if options.regression else len(train.names), multi_label=several)
        settings = {name: getattr(options, name) for name in SETTINGS}
        settings["trainable"] = " ".join(options.trainable) if options.trainable else None
        history = bertedu.fine_tune(classifier, bert.preprocessor, train, validation, **settings)
    print(f"{history}\nThe model is in {options.output_dir}: bertedu predict {options.output_dir} FILE")
    return 0


def _data(bertedu, options):
    """Return the training set, and the validation set or None."""
    columns, load = {}, bertedu.load_tags
    if options.tags:
        for name, default in (("pair", None), ("label", ["label"]), ("text", "text"), ("regression", False)):
            if getattr(options, name) != default:
                raise UsageError(f"--{name}: expected no such option with --tags. Remove one of the two.")
    else:
        label = options.label if len(options.label) > 1 else options.label[0]
        columns = {"text": options.text, "pair": options.pair, "label": label, "regression": options.regression}
        load = bertedu.load_texts
    train = load(options.train, **columns)
    return train, options.validation and load(options.validation, names=train.names, **columns)

"""Fine-tune a classifier on labeled texts."""

from argparse import ArgumentParser, Namespace

from .common import CHECKPOINT, package

SETTINGS = (
    *("epochs", "batch_size", "learning_rate", "max_length", "trainable", "lora_rank"),
    *("seed", "precision", "output_dir"),
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of `bertedu finetune`."""
    parser.add_argument("--train", required=True, help=".tsv, .csv, .jsonl or .parquet file with the columns below")
    parser.add_argument("--validation", help="file of the validation set, evaluated after each epoch")
    parser.add_argument("--output-dir", required=True, help="folder for the model; run the command again to resume")
    parser.add_argument("--model", "--preset", default="minilm", help=f"{CHECKPOINT} (default: %(default)s)")
    parser.add_argument("--text", default="text", help="column of the texts (default: %(default)s)")
    parser.add_argument("--pair", help="column of the second texts (default: single texts)")
    label = "column of the labels; for several labels per text one column of 0 and 1 per class, or lists in JSONL"
    parser.add_argument("--label", default=["label"], nargs="+", help=f"{label} (default: label)")
    parser.add_argument("--regression", action="store_true", help="predict numbers instead of classes")
    parser.add_argument("--epochs", type=int, default=3, help="passes over the training set (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32, help="texts per step (default: %(default)s)")
    parser.add_argument(
        "--learning-rate", type=float, help="peak learning rate (default: 2e-4 or 5e-5, by size; LoRA: 2e-3, 5e-4)"
    )
    parser.add_argument("--max-length", type=int, help="truncate texts to this many tokens (default: the model's)")
    parser.add_argument("--trainable", help='weights to train: all, head, bias or "last 2" (default: all)')
    parser.add_argument("--lora-rank", type=int, help="train low-rank updates (LoRA) of this rank (default: no LoRA)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    precisions = "float32, mixed_bfloat16, mixed_float16 or auto (default): mixed_bfloat16 on devices made for it"
    parser.add_argument("--precision", default="auto", help=precisions)


def run(options: Namespace) -> int:
    """Fine-tune, and print the result and the path of the model."""
    label = options.label if len(options.label) > 1 else options.label[0]
    columns = {"text": options.text, "pair": options.pair, "label": label, "regression": options.regression}
    with package() as bertedu:
        train = bertedu.load_texts(options.train, **columns)
        validation = options.validation and bertedu.load_texts(options.validation, names=train.names, **columns)
        bert = bertedu.load(options.model)
        several = train.labels.ndim > 1
        classifier = bert.classifier_for(1 if options.regression else len(train.names), multi_label=several)
        settings = {name: getattr(options, name) for name in SETTINGS}
        history = bertedu.fine_tune(classifier, bert.preprocessor, train, validation, **settings)
    print(f"{history}\nThe model is in {options.output_dir}: bertedu predict {options.output_dir} FILE")
    return 0

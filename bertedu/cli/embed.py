"""Embed the texts of a file, and save the vectors as a NumPy array. Interrupted, the same command resumes.

examples:
  bertedu embed sentences.txt --output vectors.npy
  bertedu embed reviews.tsv --text review --output vectors.npy --model hf://sentence-transformers/all-mpnet-base-v2
"""

from argparse import ArgumentParser, Namespace

from .common import CHECKPOINT, package


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of `bertedu embed`."""
    parser.add_argument("file", help=".txt with one text per line, or .tsv, .csv, .jsonl or .parquet")
    parser.add_argument("--output", required=True, help=".npy file to write")
    parser.add_argument("--model", default="minilm", help=f"{CHECKPOINT} (default: %(default)s)")
    parser.add_argument("--text", default="text", help="column of the texts in a table (default: %(default)s)")
    parser.add_argument("--pooling", help="mean, cls, max or pooled (default: the model's)")
    parser.add_argument("--max-length", type=int, help="truncate texts to this many tokens (default: the model's)")
    parser.add_argument("--precision", help="float32 or bfloat16 (default: the model's)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")


def run(options: Namespace) -> int:
    """Embed, and print the shape of the array."""
    with package() as bertedu:
        from bertedu.data import load_unlabelled

        texts, _ = load_unlabelled(options.file, False, options.text)
        bert = bertedu.load(options.model)
        settings = {name: getattr(options, name) for name in ("pooling", "max_length", "precision", "overwrite")}
        path = bertedu.save_embeddings(bert, texts, options.output, **settings)
    print(f"{path}: float32 array [{len(texts)}, {bert.encoder.hidden_size}], in the order of {options.file}")
    return 0

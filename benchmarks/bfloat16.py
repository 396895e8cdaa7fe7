"""Error of `bert.embed` in bfloat16, compared with float32.

    python -m benchmarks.bfloat16 [--sentences 1000]

Vectors of MiniLM, with its own settings: the mean of all tokens, length 1. The retrieval task is the first one of
notebooks/07_pooling.ipynb: of 152 sentences, find the one that says the same as a query, by the largest cosine.
"""

import argparse

import numpy as np

from benchmarks import common


def paraphrases():
    """Return two lists of sentences; those at the same index say the same thing."""
    from bertedu.data import load_texts

    splits = [load_texts("pairs", split=split) for split in ("train", "validation", "test")]
    rows = [row for split in splits for row in zip(split.texts, split.pairs, split.labels, strict=True)]
    same = splits[0].names.index("same")
    return zip(*((text, pair) for text, pair, label in rows if label == same), strict=True)


def accuracy(queries, texts):
    """Return the fraction of the queries, vectors `[n, D]`, whose nearest text is the one at the same index."""
    return float(np.mean((queries @ texts.T).argmax(axis=1) == np.arange(len(queries))))


def main():
    """Print the error of the vectors and the accuracy of the retrieval in both precisions."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--sentences", type=int, default=1000, help="number of sentences (default: %(default)s)")
    options = arguments.parse_args()
    import bertedu as be

    bert = be.load("minilm")
    sentences, (first, second) = common.spread_sentences(options.sentences), map(list, paraphrases())
    vectors, accuracies = {}, {}
    for precision in ("float32", "bfloat16"):
        vectors[precision], *pairs = (bert.embed(texts, precision=precision) for texts in (sentences, first, second))
        accuracies[precision] = f"{accuracy(*pairs):.4f} in {precision}"
    exact, rounded = vectors.values()  # [n, D], of length 1
    print(f"largest error of an element: {np.abs(rounded - exact).max():.4f}")
    print(f"largest element: {np.abs(exact).max():.4f}")
    print(f"smallest cosine of a vector to its float32 vector: {(exact * rounded).sum(axis=1).min():.6f}")
    print(f"accuracy on {len(first)} paraphrases: {', '.join(accuracies.values())}")


if __name__ == "__main__":
    main()

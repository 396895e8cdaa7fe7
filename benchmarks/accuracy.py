"""Accuracy after fine-tuning MiniLM, compared with transformers (PyTorch) with the same recipe.

    python -m benchmarks.accuracy --train news_train.tsv --test news_test.tsv [--train-texts 4000] [--test-texts 2000]

Each line of the files has a text and a class, tab-separated. Both have the same weights, texts, batch size 32, 2
epochs, learning rate 5e-5 with warm-up over the first tenth and linear decay, AdamW with weight decay 0.01 on matrices,
clipping at 1.0, dropout 0.1, texts of similar length in a batch, truncated at 128 tokens; and a new dense layer on the
checkpoint's pooler for each seed.
"""

import argparse
import json
import time

import numpy as np

from benchmarks import common

BATCH, RATE, EPOCHS, MAX_LENGTH = 32, 5e-5, 2, 128


def read(path, limit):
    """Return texts and labels of the first `limit` lines; classes are numbered in the order of their names."""
    with open(path, encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t")[:2] for line in file][:limit]
    names = sorted({name for _, name in rows})
    return [text for text, _ in rows], [names.index(name) for _, name in rows]


def bertedu_accuracy(train, test, seed):
    """Return the accuracy after `be.fine_tune`."""
    import keras

    import bertedu as be
    from bertedu import fine_tuning

    keras.utils.set_random_seed(seed)
    bert = be.load("minilm")
    classifier = bert.classifier_for(max(train[1]) + 1)
    fine_tuning.fine_tune(classifier, bert.preprocessor, train, epochs=EPOCHS, batch_size=BATCH, learning_rate=RATE,
                          max_length=MAX_LENGTH, seed=seed, progress=False)  # fmt: skip
    probabilities = fine_tuning.predict(classifier, bert.preprocessor, test[0], max_length=MAX_LENGTH)
    return float(np.mean(probabilities.argmax(-1) == test[1]))


def transformers_accuracy(train, test, seed):
    """Return the accuracy of transformers' model, trained in a PyTorch loop."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_linear_schedule_with_warmup
    from transformers.trainer_pt_utils import LengthGroupedSampler

    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(common.model_directory())
    classes = max(train[1]) + 1
    model = AutoModelForSequenceClassification.from_pretrained(common.model_directory(), num_labels=classes).train()
    encoded = tokenizer(train[0], truncation=True, max_length=MAX_LENGTH)["input_ids"]
    steps = EPOCHS * -(-len(encoded) // BATCH)
    matrices = [p for name, p in model.named_parameters() if name.endswith("weight") and "LayerNorm" not in name]
    others = [p for name, p in model.named_parameters() if not name.endswith("weight") or "LayerNorm" in name]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, RATE, eps=1e-6)
    schedule = get_linear_schedule_with_warmup(optimizer, round(0.1 * steps), steps)
    lengths = [len(ids) for ids in encoded]
    for _ in range(EPOCHS):
        order = list(LengthGroupedSampler(BATCH, lengths=lengths))
        for first in range(0, len(order), BATCH):
            chosen = order[first : first + BATCH]
            batch = tokenizer.pad({"input_ids": [encoded[i] for i in chosen]}, return_tensors="pt")
            model(**batch, labels=torch.tensor([train[1][i] for i in chosen])).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    model.eval()
    correct = 0
    with torch.no_grad():
        for first in range(0, len(test[0]), 2 * BATCH):
            texts, labels = (part[first : first + 2 * BATCH] for part in test)
            batch = tokenizer(texts, truncation=True, max_length=MAX_LENGTH, padding=True, return_tensors="pt")
            correct += (model(**batch).logits.argmax(-1) == torch.tensor(labels)).sum().item()
    return correct / len(test[0])


def main():
    """Run every seed of both, each in its own process; print means, standard deviations and the difference."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--train", required=True, help="file of training texts")
    arguments.add_argument("--test", required=True, help="file of test texts")
    arguments.add_argument("--train-texts", type=int, default=4000, help="(default: %(default)s)")
    arguments.add_argument("--test-texts", type=int, default=2000, help="(default: %(default)s)")
    arguments.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(default: 0 1 2)")
    arguments.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.serve:
        contestant, seed = options.serve
        train, test = read(options.train, options.train_texts), read(options.test, options.test_texts)
        work = {"bertedu": bertedu_accuracy, "transformers": transformers_accuracy}[contestant]
        return print(json.dumps({"accuracy": work(train, test, int(seed))}), flush=True)
    files = ["--train", options.train, "--test", options.test]
    counts = ["--train-texts", str(options.train_texts), "--test-texts", str(options.test_texts)]
    results = {"bertedu": [], "transformers": []}
    print(common.machine(), time.strftime("%Y-%m-%d"), flush=True)
    for seed in options.seeds:
        for contestant, accuracies in results.items():
            result = common.run_module("benchmarks.accuracy", "--serve", contestant, str(seed), *files, *counts)
            accuracies.append(result["accuracy"])
            print(f"{contestant}, seed {seed}: {result['accuracy']:.4f}", flush=True)
    for contestant, accuracies in results.items():
        print(f"{contestant}: mean {np.mean(accuracies):.4f}, standard deviation {np.std(accuracies, ddof=1):.4f}")
    difference = np.mean(results["bertedu"]) - np.mean(results["transformers"])
    print(f"difference of the means: {100 * difference:+.2f} points")


if __name__ == "__main__":
    main()

"""Fine-tuning MiniLM, examples per second, compared with transformers (PyTorch) and KerasHub.

    python -m benchmarks.fine_tune [--examples 4000] [--set short|news] [--news FILE.tsv]

All have the same weights, texts, labels, batch size 32, dropout 0.1, AdamW with warm-up and clipping, float32, one
epoch. The contestants run one after the other in separate processes, so that they do not compete for cores. "short"
consists of real sentences, truncated to the lengths of short reviews (mean 13 tokens, 95th percentile 31); "news" reads
a file of texts and labels, tab-separated. The clock starts before tokenization and stops after the last step. The time
to the end of the first step, in which TensorFlow traces and compiles, counts once, and the rest is scaled to an epoch
of 20,000 texts: speed is 20,000 divided by that sum. transformers trains in a plain PyTorch loop, which is faster than
its Trainer, with each batch padded to its longest text (the default), and with texts of similar length in a batch
(`group_by_length`). KerasHub pads to 128.
"""

import argparse
import json
import resource
import sys
import time

import numpy as np

from benchmarks import common

BATCH, RATE, CLASSES, EPOCH = 32, 5e-5, 4, 20_000
CONTESTANTS = ("bertedu", "transformers", "transformers, by length", "KerasHub")


def short_texts(n):
    """Return `n` beginnings of real sentences, with the lengths of short reviews."""
    sentences, rng = common.sentences(), np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(1.9, 0.75, n), 1, 60).astype(int)  # words, of about 1.2 tokens
    texts = []
    for i, words in enumerate(lengths):
        text = sentences[i % len(sentences)].split()
        while len(text) < words:
            text += sentences[rng.integers(len(sentences))].split()
        texts.append(" ".join(text[:words]))
    return texts


def news_texts(path, n):
    """Return the first `n` texts of a file with a text and a label in each line."""
    with open(path, encoding="utf-8") as file:
        return [line.split("\t")[0] for line in file][:n]


def clock():
    """Return a Keras callback that records the time at the end of each step, and the list of times."""
    import keras

    steps = []
    callback = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: steps.append(time.perf_counter()))
    return callback, steps


def bertedu_seconds(texts, labels):
    """Return the seconds to the end of the first and of the last step of an epoch of `be.fine_tune`."""
    import bertedu as be

    bert = be.load("minilm")
    classifier = be.BertClassifier(bert.encoder, CLASSES)
    callback, steps = clock()
    start = time.perf_counter()
    be.fine_tune(classifier, bert.preprocessor, (texts, labels), epochs=1, batch_size=BATCH, learning_rate=RATE,
                 max_length=128, progress=False, callbacks=[callback])  # fmt: skip
    return steps[0] - start, time.perf_counter() - start


def transformers_seconds(texts, labels, by_length):
    """Return the same for transformers' model in a PyTorch loop."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_linear_schedule_with_warmup
    from transformers.trainer_pt_utils import LengthGroupedSampler

    tokenizer = AutoTokenizer.from_pretrained(common.model_directory())
    model = AutoModelForSequenceClassification.from_pretrained(common.model_directory(), num_labels=CLASSES).train()
    start = time.perf_counter()
    encoded = tokenizer(texts, truncation=True, max_length=128)["input_ids"]
    steps = -(-len(texts) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), RATE, weight_decay=0.01)
    schedule = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    torch.manual_seed(0)
    order = torch.randperm(len(texts)).tolist()
    if by_length:
        order = list(LengthGroupedSampler(BATCH, lengths=[len(ids) for ids in encoded]))
    for first in range(0, len(order), BATCH):
        chosen = order[first : first + BATCH]
        batch = tokenizer.pad({"input_ids": [encoded[i] for i in chosen]}, return_tensors="pt")
        loss = model(**batch, labels=torch.tensor([labels[i] for i in chosen])).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if first == 0:
            until_first = time.perf_counter() - start
    return until_first, time.perf_counter() - start


def keras_hub_seconds(texts, labels):
    """Return the same for KerasHub's classifier, padded to 128."""
    import keras
    import keras_hub

    import bertedu as be

    bert = be.load("minilm")
    sizes = {"vocabulary_size": 30522, "num_layers": 6, "num_heads": 12, "hidden_dim": 384, "intermediate_dim": 1536}
    model = keras_hub.models.BertTextClassifier(keras_hub.models.BertBackbone(**sizes), CLASSES, dropout=0.1)
    optimizer = keras.optimizers.AdamW(RATE, weight_decay=0.01, global_clipnorm=1.0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss)
    start = time.perf_counter()
    inputs = bert.preprocessor(texts)  # KerasHub's tokenizer gives the same ids, but is slower
    x = {
        "token_ids": inputs["input_word_ids"],
        "padding_mask": inputs["input_mask"],
        "segment_ids": inputs["input_type_ids"],
    }
    callback, steps = clock()
    model.fit(x, np.array(labels), batch_size=BATCH, epochs=1, verbose=0, callbacks=[callback])
    return steps[0] - start, time.perf_counter() - start


def serve(contestant, texts):
    """Run one contestant and print the seconds of its first step, its speed and its peak memory."""
    labels = [len(text) % CLASSES for text in texts]
    work = {
        "bertedu": lambda: bertedu_seconds(texts, labels),
        "transformers": lambda: transformers_seconds(texts, labels, by_length=False),
        "transformers, by length": lambda: transformers_seconds(texts, labels, by_length=True),
        "KerasHub": lambda: keras_hub_seconds(texts, labels),
    }
    first, whole = work[contestant]()
    epoch = first + (whole - first) * (EPOCH - BATCH) / (len(texts) - BATCH)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"first": first, "speed": EPOCH / epoch, "peak": peak}), flush=True)


def rows(which, examples, news=None):
    """Return the benchmark's rows: the speed of each contestant, and bertedu's divided by it."""
    targets = {
        "short": {"transformers": 2.0, "transformers, by length": 1.1, "KerasHub": 6.0},
        "news": {"transformers": 1.1, "KerasHub": 2.5},
    }[which]
    results = {}
    for contestant in CONTESTANTS:
        count = examples if contestant != "KerasHub" else max(examples // 8, 4 * BATCH)  # because it is so much slower
        arguments = ["--set", which, "--examples", str(count)] + (["--news", news] if news else [])
        results[contestant] = common.run_module("benchmarks.fine_tune", "--serve", contestant, *arguments)

    def summary(contestant):
        result = results[contestant]
        return f"{result['speed']:.0f} texts/s, first step {result['first']:.1f} s, {result['peak']:,.0f} MiB"

    lines = []
    for contestant in CONTESTANTS[1:]:
        target = targets.get(contestant)
        lines.append(
            common.row(
                f"fine-tune, an epoch of {EPOCH:,} {which} texts: speed / {contestant}'s",
                summary("bertedu"),
                summary(contestant),
                [results["bertedu"]["speed"] / results[contestant]["speed"]],
                f">= {target}" if target else "",
                (lambda ratio, target=target: ratio >= target) if target else None,
            )
        )
    return lines


def main():
    """Run the benchmark and print its table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--examples", type=int, default=4000, help="number of texts (default: %(default)s)")
    arguments.add_argument("--set", choices=("short", "news"), default="short", help="(default: %(default)s)")
    arguments.add_argument("--news", help="file for --set news")
    arguments.add_argument("--serve", choices=CONTESTANTS, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.set == "news" and not options.news:
        sys.exit("--news: expected a file with --set news, got none. Each line has a text and a label, tab-separated.")
    if options.serve:
        texts = short_texts(options.examples) if options.set == "short" else news_texts(options.news, options.examples)
        return serve(options.serve, texts)
    lengths = common.token_counts(short_texts(1000) if options.set == "short" else news_texts(options.news, 1000))
    print(
        common.machine(),
        f"\nTokens per text: mean {np.mean(lengths):.1f}, 95th percentile {np.percentile(lengths, 95):.0f}\n",
    )
    print(common.table(rows(options.set, options.examples, options.news)))


if __name__ == "__main__":
    main()

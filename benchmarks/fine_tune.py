"""Fine-tuning MiniLM as a user does, examples per second, compared with transformers (PyTorch).

    python -m benchmarks.fine_tune [--repeats 5] [--examples 3200] [--set short|news] [--news FILE.tsv]

One epoch of a training, whole: the clock starts before tokenization and stops when everything is written. The first
step, in which TensorFlow traces and compiles, is included; so are bertedu's training checkpoints and its saved model
(`output_dir`), while the peers save nothing. All have the same weights, texts, labels, batch size 32, dropout 0.1, and
AdamW with warm-up and clipping. Each run is a process of its own; they alternate in who starts. "short" consists of
real sentences, truncated to the lengths of short reviews (mean 13 tokens, 95th percentile 33); "news" reads a file of
texts and labels, tab-separated. transformers trains in a plain PyTorch loop, which is faster than its Trainer, with
each batch padded to its longest text (the default), and with texts of similar length in a batch (`group_by_length`);
in bfloat16 with torch's autocast. "Best" is the faster precision of each.
"""

import contextlib
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import common

BATCH, RATE, CLASSES = 32, 5e-5, 4
FLOAT32 = ("bertedu, float32", "transformers, float32", "transformers by length, float32")
BFLOAT16 = ("bertedu, mixed_bfloat16", "transformers, bfloat16", "transformers by length, bfloat16")
TARGETS = {"transformers, float32": 2.2, "transformers by length, float32": 1.1}
BEST_TARGETS = {"transformers": 2.0, "transformers by length": 1.3}


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


def bertedu_seconds(texts, labels, precision):
    """Return the seconds to the end of the first step, and of the whole run of `be.fine_tune`."""
    import bertedu as be

    bert = be.load("minilm")
    classifier = bert.classifier_for(CLASSES)
    callback, steps = clock()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        be.fine_tune(classifier, bert.preprocessor, (texts, labels), epochs=1, batch_size=BATCH, learning_rate=RATE,
                     max_length=128, precision=precision, output_dir=Path(folder) / "run", progress=False,
                     callbacks=[callback])  # fmt: skip
        return steps[0] - start, time.perf_counter() - start


def transformers_seconds(texts, labels, precision, by_length):
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
        autocast = torch.autocast("cpu", torch.bfloat16) if precision == "bfloat16" else contextlib.nullcontext()
        with autocast:
            loss = model(**batch, labels=torch.tensor([labels[i] for i in chosen])).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if first == 0:
            until_first = time.perf_counter() - start
    return until_first, time.perf_counter() - start


def serve(contestant, texts):
    """Run one contestant and print the seconds of its first step, its speed and its peak memory."""
    labels = [len(text) % CLASSES for text in texts]
    library, precision = contestant.split(", ")
    work = {
        "bertedu": lambda: bertedu_seconds(texts, labels, precision),
        "transformers": lambda: transformers_seconds(texts, labels, precision, by_length=False),
        "transformers by length": lambda: transformers_seconds(texts, labels, precision, by_length=True),
    }
    first, whole = work[library]()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"first": first, "speed": len(texts) / whole, "peak": peak}), flush=True)


def summary(results):
    """Return the medians of a contestant's runs in words."""
    first, speed, peak = (np.median([result[name] for result in results]) for name in ("first", "speed", "peak"))
    return f"{speed:.0f} texts/s, first step {first:.1f} s, {peak:,.0f} MiB"


def speeds(results):
    """Return the speeds of a contestant's runs, an array."""
    return np.array([result["speed"] for result in results])


def fastest(results, library):
    """Return the contestant of a library with the highest median speed."""
    names = [name for name in results if name.split(", ")[0] == library]
    return max(names, key=lambda name: np.median(speeds(results[name])))


def compared(results, mine, peer, what, target):
    """Return the row with bertedu's speed divided by a peer's."""
    ratios = speeds(results[mine]) / speeds(results[peer])
    return common.row(what, summary(results[mine]), summary(results[peer]), ratios, f">= {target}",
                      lambda ratio: ratio >= target)  # fmt: skip


def rows(which, examples, repeats=5, news=None):
    """Return the benchmark's rows: float32 against float32, then best against best."""
    results = {name: [] for name in FLOAT32 + (BFLOAT16 if common.has_bfloat16() else ())}
    arguments = ["--set", which, "--examples", str(examples)] + (["--news", news] if news else [])
    for turn in range(repeats):
        for name in list(results)[:: -1 if turn % 2 else 1]:
            results[name].append(common.run_module("benchmarks.fine_tune", "--serve", name, *arguments))
    title = f"fine-tune {examples:,} {which} texts"
    mine = FLOAT32[0]
    lines = [
        compared(results, mine, peer, f"{title}: speed / that of {peer}", target) for peer, target in TARGETS.items()
    ]
    mine = fastest(results, "bertedu")
    for library, target in BEST_TARGETS.items():
        peer = fastest(results, library)
        lines.append(compared(results, mine, peer, f"{title}, best against best: {mine} / {peer}", target))
    return lines


def main():
    """Run the benchmark and print its table."""
    arguments = common.parser(__doc__, repeats=5)
    arguments.add_argument("--examples", type=int, default=3200, help="number of texts (default: %(default)s)")
    arguments.add_argument("--set", choices=("short", "news"), default="short", help="(default: %(default)s)")
    arguments.add_argument("--news", help="file for --set news")
    options = common.parsed(arguments)
    if options.set == "news" and not options.news:
        sys.exit("--news: expected a file with --set news, got none. Each line has a text and a label, tab-separated.")
    short = options.set == "short"
    texts = common.short_texts(options.examples) if short else news_texts(options.news, options.examples)
    if options.serve:
        return serve(options.serve, texts)
    lengths = common.token_counts(texts)
    print(
        common.machine(),
        f"\nTokens per text: mean {np.mean(lengths):.1f}, 95th percentile {np.percentile(lengths, 95):.0f}\n",
    )
    print(f"{common.table(rows(options.set, options.examples, options.repeats, options.news))}\n\n{common.note()}")


if __name__ == "__main__":
    main()

"""`bert.read` and `bert.embed` of MiniLM without 40 % of its heads and neurons, compared with the whole model.

    python -m benchmarks.pruning [--repeats 5] [--fraction 0.4]

Heads are chosen at random among those of all layers, neurons in each layer. Only the time is measured: which of them a
task needs is another question. Both models are in one process and take turns, at every sentence or batch.
"""

import functools
import time

import numpy as np

from benchmarks import common, read

BATCH = 50  # sentences with the lengths of reviews
WHAT = {"read": "sentence by sentence", "embed": f"{BATCH} sentences at a time"}


def removed(encoder, fraction):
    """Return random heads and neurons to remove, two dicts of layer -> list; at least one head per layer remains."""
    rng, layers, count = np.random.default_rng(0), encoder.num_layers, encoder.num_attention_heads
    last = set(range(0, layers * count, count))  # head 0 of each layer stays
    chosen = rng.permutation([head for head in range(layers * count) if head not in last])
    heads = {layer: [] for layer in range(layers)}
    for head in chosen[: round(fraction * layers * count)]:
        heads[head // count].append(head % count)
    number = round(fraction * encoder.inner_dim)
    return heads, {layer: rng.choice(encoder.inner_dim, number, replace=False) for layer in range(layers)}


def processor_seconds(function, *args):
    """Return the processor time that one call takes, of all threads: other work on the machine adds nothing to it."""
    start = time.process_time()
    function(*args)
    return time.process_time() - start


def rows(repeats=5, fraction=0.4):
    """Return the benchmark's rows of the table. The peer is the whole model."""
    import bertedu as be

    bert = be.load("minilm")
    models = {"pruned": be.prune(bert, *removed(bert.encoder, fraction)), "whole": bert}
    sentences = common.short_texts(9 * BATCH, **common.REVIEWS)
    batches = [sentences[i : i + BATCH] for i in range(0, len(sentences), BATCH)]
    tasks = {"read": read.texts_of_every_length(), "embed": (batches[0], batches[1:])}
    lines = []
    for method, texts in tasks.items():
        ask = {name: functools.partial(processor_seconds, getattr(model, method)) for name, model in models.items()}
        times = [read.one_repeat(ask, texts, turn) for turn in range(repeats)]
        medians = (common.milliseconds(np.concatenate([t[name] for t in times])) for name in models)
        ratios = [np.median(t["pruned"] / t["whole"]) for t in times]
        what = f"`{method}`, {WHAT[method]}, processor time / that of the whole model"
        lines.append(common.row(what, *medians, ratios))
    parameters = [model.encoder.count_params() for model in models.values()]
    columns = (f"{count:,}" for count in parameters)
    return [*lines, common.row("parameters / those of the whole model", *columns, [parameters[0] / parameters[1]])]


def main():
    """Print machine and results."""
    arguments = common.parser(__doc__, repeats=5)
    arguments.add_argument("--fraction", type=float, default=0.4, help="of heads and neurons (default: %(default)s)")
    options = common.parsed(arguments)
    print(common.machine())
    print(common.table(rows(options.repeats, options.fraction)))


if __name__ == "__main__":
    main()

"""`bert.read` and `bert.embed` of MiniLM without 40 % of its heads and neurons, compared with the whole model.

    python -m benchmarks.pruning [--repeats 5] [--fraction 0.4]

Heads are chosen at random among those of all layers, neurons in each layer. Only the time is measured: which of them a
task needs is another question. Both models are in one process and take turns, in `read` at every text.
"""

import numpy as np

from benchmarks import common, read


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


def rows(repeats=5, fraction=0.4):
    """Return the benchmark's rows of the table."""
    import bertedu as be

    bert = be.load("minilm")
    models = {"pruned": be.prune(bert, *removed(bert.encoder, fraction)), "all": bert}
    readers = {name: lambda text, m=model: common.seconds(m.read, text) for name, model in models.items()}
    texts, sentences = read.texts_of_every_length(), common.short_texts(400, **common.REVIEWS)
    times = [read.one_repeat(readers, texts, turn) for turn in range(repeats)]
    results = {"`read`, sentence by sentence": [np.median(t["pruned"] / t["all"]) for t in times]}
    seconds = {"`read`, sentence by sentence": {n: np.concatenate([t[n] for t in times]) for n in models}}
    embedders = {name: lambda texts, m=model: m.embed(texts, progress=False) for name, model in models.items()}
    for embed in embedders.values():
        embed(sentences)
    turns = [{name: common.seconds(embedders[name], sentences) for name in order}
             for order in (list(models)[:: 1 - 2 * (turn % 2)] for turn in range(repeats))]  # fmt: skip
    what = f"`embed`, {len(sentences)} sentences"
    results[what] = [t["pruned"] / t["all"] for t in turns]
    seconds[what] = {name: [t[name] for t in turns] for name in models}
    ratio = models["pruned"].encoder.count_params() / bert.encoder.count_params()
    lines = [
        common.row(f"{what}: time / that of the whole model", *map(common.milliseconds, seconds[what].values()), values)
        for what, values in results.items()
    ]
    return [*lines, common.row("parameters / those of the whole model", "", "", [ratio])]


def main():
    """Print machine and results."""
    arguments = common.parser(__doc__, repeats=5)
    arguments.add_argument("--fraction", type=float, default=0.4, help="of heads and neurons (default: %(default)s)")
    options = common.parsed(arguments)
    print(common.machine())
    print(common.table(rows(options.repeats, options.fraction)))


if __name__ == "__main__":
    main()

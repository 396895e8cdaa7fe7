"""What interventions cost: `bert.read` with and without sites in its code, an edited reading, activation patching.

    python -m benchmarks.interventions [--repeats 5]

The peer of the first row is the same model, compiled with sites that do nothing: the difference is the cost of sites
that are not used. That of the second row is `bert.read` without edits; an edited reading is not compiled. Patching
replaces each position in each layer of a text of 12 tokens, after one warm-up.
"""

import contextlib
import functools
from unittest import mock

import numpy as np

from benchmarks import common, read

CLEAN = "A missing key raises a [MASK] in this program."
CORRUPTED = "A missing file raises a [MASK] in this program."
WITH_SITES = ("attention", "feedforward", "transformer", "encoder")  # modules


def without_sites():
    """Return a `Bert` that is compiled without sites."""
    import bertedu as be

    bert = be.load("minilm")
    with contextlib.ExitStack() as stack:
        for module in WITH_SITES:
            plain = mock.patch(f"bertedu.{module}.site", lambda name, tensor, leading=None: tensor)
            stack.enter_context(plain)
        bert.read("The cat sat.")
    return bert


def rows(repeats=5):
    """Return the benchmark's rows of the table."""
    import bertedu as be

    bert, sentences = be.load("minilm"), read.texts_of_every_length()
    edited = functools.partial(bert.read, edit={"layer_3/attention_scores": lambda weights: weights})
    lines = []
    for what, mine, peer in (
        ("`read`, no edits, elapsed time / that without sites in the code", bert.read, without_sites().read),
        ("`read` with one edit, elapsed time / that without edits", edited, bert.read),
    ):
        ask = {"mine": functools.partial(common.seconds, mine), "peer": functools.partial(common.seconds, peer)}
        times = [read.one_repeat(ask, sentences, turn) for turn in range(repeats)]
        medians = (common.milliseconds(np.concatenate([t[name] for t in times])) for name in ask)
        lines.append(common.row(what, *medians, [np.median(t["mine"] / t["peer"]) for t in times]))
    model = bert.masked_lm_bert
    tokens = len(model.encode(CLEAN).ids)
    metric = be.interventions.logit_difference(model, CLEAN, "key", "file")
    patch = functools.partial(be.interventions.activation_patching, model, CLEAN, CORRUPTED, metric, progress=False)
    patch()
    times = [common.seconds(patch) for _ in range(repeats)]
    what = f"activation patching, {tokens} tokens x {model.encoder.num_layers} layers: seconds"
    return [*lines, common.row(what, f"{np.median(times):.2f} s", "", times, "< 2", lambda x: x < 2)]


def main():
    """Print machine and results."""
    options = common.parsed(common.parser(__doc__, repeats=5))
    print(common.machine())
    print(common.table(rows(options.repeats)))


if __name__ == "__main__":
    main()

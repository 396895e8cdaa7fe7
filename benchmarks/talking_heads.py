"""Talking heads and gated GELU against the plain layer, from equal starts on equal letters, longer than a chapter may.

python -m benchmarks.talking_heads [--steps 1800] [--seeds 4]

The task is that of notebooks/13_talking_heads.ipynb: of fifteen letters of a review the middle one is hidden, and a
small encoder guesses it. Every variant starts as the very function that the plain one is (mixings the identity, gates
1) and reads the same windows in the same order. Printed are nats for each hidden letter of reviews that were not
trained on, and each variant's difference from the plain one of the same seed. Ten minutes on two quiet cores.
"""

import argparse

import keras
import numpy as np

import bertedu as be

LETTERS = "_ abcdefghijklmnopqrstuvwxyz.,'-"
SIDE, HIDDEN, INNER, HEADS, LAYERS, BATCH = 7, 32, 64, 8, 2, 64
RATE = 2e-3
TALKING, GATED = {"attention_cls": be.TalkingHeadsAttention}, {"feedforward_cls": be.GatedFeedforward}
KINDS = {
    "plain": {},
    "talking heads": TALKING,
    "gated": GATED,
    "both": TALKING | GATED,
    "gated, F cut to two thirds": GATED | {"inner_dim": 2 * INNER // 3},
}


def windows(*splits):
    """Fifteen letters as ids, the middle one moved to the front and hidden: `[n, 15]`, and what it was, `[n]`."""
    text = " ".join(text for split in splits for text in be.load_texts("reviews", split=split).texts).lower()
    ids = np.array([LETTERS.index(letter) for letter in text if letter in LETTERS], "int32")
    found = np.lib.stride_tricks.sliding_window_view(ids, 2 * SIDE + 1)  # [n, 15]
    sides = np.delete(found, SIDE, axis=1)  # [n, 14]
    return np.insert(sides, 0, LETTERS.index("_"), axis=1), found[:, SIDE]


def inputs(ids):
    """What an encoder reads: nothing is padding, and there is one segment."""
    return {"input_word_ids": ids, "input_mask": np.ones_like(ids), "input_type_ids": np.zeros_like(ids)}


def classifier(kind):
    """A small encoder of that kind with a class for every letter."""
    options = {"inner_dim": INNER} | KINDS[kind]
    options |= {"output_dropout": 0, "attention_dropout": 0, "output_range": 1}
    options["initializer"] = keras.initializers.TruncatedNormal(stddev=0.1)
    encoder = be.BertEncoder(len(LETTERS), HIDDEN, LAYERS, HEADS, 2 * SIDE + 1, 1, **options)
    return be.BertClassifier(encoder, len(LETTERS), dropout_rate=0)


def start_as(model, plain):
    """Give `model` the weights of `plain`, and what it has besides the values with which it does nothing."""
    theirs = {weight.path.split("/", 1)[1]: weight for weight in plain.weights}
    for weight in model.weights:
        name = weight.path.split("/", 1)[1]
        twin = theirs.get(name)
        if twin is not None and twin.shape == weight.shape:
            weight.assign(twin)
        elif name.endswith("softmax_weight"):
            weight.assign(np.eye(HEADS))
        elif "/gate/" in name:
            weight.assign(np.full(weight.shape, float(name.endswith("bias"))))


def trained(kind, seed, steps, data, held_out):
    """Nats for each hidden letter that was not trained on, after `steps` steps; and how many parameters."""
    keras.utils.set_random_seed(seed)
    plain, model = classifier("plain"), classifier(kind)
    start_as(model, plain)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(RATE, steps))
    model.compile(optimizer, loss, jit_compile=False, steps_per_execution=20)
    ids, answers = data
    random = np.random.default_rng(seed)
    epochs = -(-steps * BATCH // len(ids))
    order = np.concatenate([random.permutation(len(ids)) for _ in range(epochs)])[: steps * BATCH]
    model.fit(inputs(ids[order]), answers[order], batch_size=BATCH, shuffle=False, verbose=0)
    return model.evaluate(inputs(held_out[0]), held_out[1], batch_size=512, verbose=0), model.count_params()


def main():
    """Trains every kind from every seed, and prints a row each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1800, help="steps of 64 windows (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=4, help="starts of each (default: %(default)s)")
    options = parser.parse_args()
    data, held_out = windows("train"), [array[::4] for array in windows("validation", "test")]
    print("| layer | parameters | nats, mean | least to most | minus plain, mean | least to most |")
    print("|---|---|---|---|---|---|")
    plain = None
    for kind in KINDS:
        runs = [trained(kind, seed, options.steps, data, held_out) for seed in range(options.seeds)]
        nats = np.array([loss for loss, _ in runs])
        plain = nats if plain is None else plain
        columns = [f"{runs[0][1]:,}"]
        for values in (nats, nats - plain):
            columns += [f"{values.mean():+.3f}".lstrip("+") if values is nats else f"{values.mean():+.3f}"]
            columns += [f"{values.min():.3f} to {values.max():.3f}"]
        print(f"| {kind} | {' | '.join(columns)} |", flush=True)


if __name__ == "__main__":
    main()

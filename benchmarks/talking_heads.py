"""Talking heads and gated GELU compared with the plain layer: longer runs of the experiment in chapter 13.

python -m benchmarks.talking_heads [--steps 1800] [--seeds 4]

The task is that of notebooks/13_talking_heads.ipynb: the middle one of fifteen characters of a review is masked, and a
small encoder predicts it. Every variant starts as the same function as the plain layer (mixing matrices are the
identity, gates are 1) and reads the same windows in the same order. It prints the loss per masked character of held-out
reviews in nats, and each variant's difference from the plain layer with the same seed. Ten minutes on two idle cores.
"""

import argparse

import keras
import numpy as np

import bertedu as be

CHARACTERS = "_ abcdefghijklmnopqrstuvwxyz.,'-"
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
    """Return ids of fifteen characters, the middle one moved to the front and masked, `[n, 15]`, and its id, `[n]`."""
    text = " ".join(text for split in splits for text in be.load_texts("reviews", split=split).texts).lower()
    ids = np.array([CHARACTERS.index(character) for character in text if character in CHARACTERS], "int32")
    all_windows = np.lib.stride_tricks.sliding_window_view(ids, 2 * SIDE + 1)  # [n, 15]
    sides = np.delete(all_windows, SIDE, axis=1)  # [n, 14]
    return np.insert(sides, 0, CHARACTERS.index("_"), axis=1), all_windows[:, SIDE]


def inputs(ids):
    """Return encoder inputs without padding, all in one segment."""
    return {"input_word_ids": ids, "input_mask": np.ones_like(ids), "input_type_ids": np.zeros_like(ids)}


def classifier(kind):
    """Return a classifier with a small encoder of this kind and a class per character."""
    options = {"inner_dim": INNER} | KINDS[kind]
    options |= {"output_dropout": 0, "attention_dropout": 0, "output_range": 1}
    options["initializer"] = keras.initializers.TruncatedNormal(stddev=0.1)
    encoder = be.BertEncoder(len(CHARACTERS), HIDDEN, LAYERS, HEADS, 2 * SIDE + 1, 1, **options)
    return be.BertClassifier(encoder, len(CHARACTERS), dropout_rate=0)


def start_like(model, plain):
    """Assign the weights of `plain` to `model`, and neutral values to the weights that `plain` does not have."""
    plain_weights = {weight.path.split("/", 1)[1]: weight for weight in plain.weights}
    for weight in model.weights:
        name = weight.path.split("/", 1)[1]
        twin = plain_weights.get(name)
        if twin is not None and twin.shape == weight.shape:
            weight.assign(twin)
        elif name.endswith("softmax_weight"):
            weight.assign(np.eye(HEADS))
        elif "/gate/" in name:
            weight.assign(np.full(weight.shape, float(name.endswith("bias"))))


def trained(kind, seed, steps, data, held_out):
    """Return the held-out loss in nats per masked character after `steps` steps, and the number of parameters."""
    keras.utils.set_random_seed(seed)
    plain, model = classifier("plain"), classifier(kind)
    start_like(model, plain)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(RATE, steps))
    model.compile(optimizer, loss, jit_compile=False, steps_per_execution=20)
    ids, labels = data
    random = np.random.default_rng(seed)
    epochs = -(-steps * BATCH // len(ids))
    order = np.concatenate([random.permutation(len(ids)) for _ in range(epochs)])[: steps * BATCH]
    model.fit(inputs(ids[order]), labels[order], batch_size=BATCH, shuffle=False, verbose=0)
    return model.evaluate(inputs(held_out[0]), held_out[1], batch_size=512, verbose=0), model.count_params()


def main():
    """Train every kind with every seed, and print a row for each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1800, help="steps of 64 windows (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=4, help="number of seeds (default: %(default)s)")
    options = parser.parse_args()
    data, held_out = windows("train"), [array[::4] for array in windows("validation", "test")]
    print("| layer | parameters | nats, mean | min to max | minus plain, mean | min to max |")
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

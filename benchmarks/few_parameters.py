"""Fine-tuning with few trainable parameters: frozen encoder, last two layers, biases, LoRA, and all weights.

    python -m benchmarks.few_parameters [--seeds 0 1 2]

Whole trainings of MiniLM in float32 on the training set of reviews, six epochs in batches of 32, evaluated on its
validation set after the last one; the test set is not used. (Six, because LoRA was still improving after three, with a
seed that is not in the table.) The rate is the default one, 2e-4, for whole matrices, and ten times that where few
numbers are trained, as the default is for LoRA; no rate was tuned. Each run is a process of its own. Seconds are
those of the call of `be.fine_tune`, elapsed and of all cores, first step and compilation included; memory is the peak
above what the process holds after loading the model. The last column is the accuracy minus that with all weights: its
interval is a paired bootstrap over the texts, each with its mean over the seeds.
"""

import argparse
import json
import resource
import sys
import time

import numpy as np

from benchmarks import common

MODULE = "benchmarks.few_parameters"
METHODS = {
    "head": {"trainable": "head", "learning_rate": 2e-3},
    "last 2": {"trainable": "last 2", "learning_rate": 2e-4},
    "bias": {"trainable": "bias", "learning_rate": 2e-3},
    "LoRA, rank 8": {"lora_rank": 8, "learning_rate": 2e-3},
    "all": {"trainable": "all", "learning_rate": 2e-4},
}
EPOCHS, BATCH = 6, 32
RESAMPLES = 2000
HEADINGS = ("trained", "parameters", "elapsed, s", "processor, s", "memory, MB", "each seed", "mean", 'minus "all"')


def train(method, seed):
    """Train with one method in this process; print the measurements and which texts are right, as JSON."""
    import psutil

    import bertedu as be

    bert = be.load("minilm")
    train_set, validation = (be.load_texts("reviews", split=split) for split in ("train", "validation"))
    classifier = bert.classifier_for(len(train_set.names))
    before, start, processor_start = psutil.Process().memory_info().rss, time.perf_counter(), time.process_time()
    settings = {"epochs": EPOCHS, "batch_size": BATCH, "precision": "float32", "seed": seed, "progress": False}
    history = be.fine_tune(classifier, bert.preprocessor, train_set, **settings, **METHODS[method])
    elapsed, processor = time.perf_counter() - start, time.process_time() - processor_start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    predicted = be.fine_tuning.predict(classifier, bert.preprocessor, list(validation.texts)).argmax(axis=-1)
    answer = {
        "parameters": history.run["trainable_parameters"],
        "elapsed": elapsed,
        "processor": processor,
        "memory": (peak - before) / 1e6,
        "correct": (predicted == validation.labels).astype(int).tolist(),
    }
    print(json.dumps(answer))


def interval(differences):
    """Return the mean of `differences`, one per text, and its 95% interval by the bootstrap, as text."""
    means = np.random.default_rng(0).choice(differences, size=(RESAMPLES, len(differences))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{np.mean(differences):+.3f} [{low:+.3f}, {high:+.3f}]"


def rows(results):
    """Return the rows of the table: `results` is a dict, method -> its answers, one per seed."""
    correct = {method: np.array([answer["correct"] for answer in answers]) for method, answers in results.items()}
    lines = []
    for method, answers in results.items():
        medians = (np.median([answer[name] for answer in answers]) for name in ("elapsed", "processor", "memory"))
        accuracies = ", ".join(f"{accuracy:.3f}" for accuracy in correct[method].mean(axis=1))
        lead = interval((correct[method] - correct["all"]).mean(axis=0)) if method != "all" else ""
        measured = [f"{answers[0]['parameters']:,}", *(f"{median:.0f}" for median in medians)]
        lines.append([method, *measured, accuracies, f"{correct[method].mean():.3f}", lead])
    return lines


def main():
    """Run the benchmark and print its table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    arguments.add_argument("--serve", metavar="METHOD", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.serve:
        return train(options.serve, options.seeds[0])
    print(common.machine(("tensorflow", "keras", "numpy")), "\n", flush=True)
    results = {method: [] for method in METHODS}
    for seed in options.seeds:  # the methods take turns, so that the machine's noise is equal for all
        for method, answers in results.items():
            answers.append(common.run_module(MODULE, "--serve", method, "--seeds", str(seed)))
            accuracy, seconds = np.mean(answers[-1]["correct"]), answers[-1]["elapsed"]
            print(f"{method}, seed {seed}: {accuracy:.3f}, {seconds:.0f} s", file=sys.stderr, flush=True)
    lines = [HEADINGS, ["---"] * len(HEADINGS), *rows(results)]
    print("\n".join(f"| {' | '.join(line)} |" for line in lines))


if __name__ == "__main__":
    main()

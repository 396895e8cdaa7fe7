"""`fine_tune`: train a pretrained encoder and a new head together on labeled texts.

Devlin et al. 2018 (https://arxiv.org/abs/1810.04805), section 3.2 and appendix A.3; Hu et al. 2021
(https://arxiv.org/abs/2106.09685).
Chapter: notebooks/10_fine_tuning.ipynb.
"""

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bertedu.aliases import also_spelled
from bertedu.checks import instance
from bertedu.classifier import BertClassifier
from bertedu.data.texts import canonical
from bertedu.fine_tuning import examples
from bertedu.fine_tuning.callbacks import check
from bertedu.fine_tuning.config import RENAMED, TrainingConfig
from bertedu.fine_tuning.history import History
from bertedu.fine_tuning.model import Training, compiled, limit_of, policy_of
from bertedu.fine_tuning.run import Run, saved_precision
from bertedu.fine_tuning.schedule import default_learning_rate
from bertedu.fine_tuning.seeds import Runs, each
from bertedu.fine_tuning.state import locked
from bertedu.fine_tuning.tagging import Tagging
from bertedu.fine_tuning.tasks import Classification, task_of
from bertedu.fine_tuning.trainable import only
from bertedu.text import BertPreprocessor
from bertedu.token_classifier import BertTokenClassifier


@also_spelled(RENAMED, deprecated=True)
def fine_tune(
    classifier: BertClassifier | BertTokenClassifier,
    preprocessor: BertPreprocessor,
    train: Any,
    validation: Any = None,
    *,
    epochs: int = 3,
    batch_size: int = 32,
    learning_rate: float | None = None,
    schedule: str = "linear",
    warmup_ratio: float | None = None,
    weight_decay: float = 0.01,
    global_clipnorm: float | None = 1.0,
    max_length: int | None = None,
    class_weight: Any = None,
    trainable: str | None = None,
    lora_rank: int | None = None,
    lora_alpha: float | None = None,
    lora_targets: str | Sequence[str] | None = None,
    seed: int = 0,
    seeds: Sequence[int] | None = None,
    output_dir: str | Path | None = None,
    precision: str = "auto",
    jit_compile: bool | str = "auto",
    restore_best_weights: bool = True,
    progress: bool = True,
    callbacks: Iterable[keras.callbacks.Callback] | None = (),
) -> History | Runs:
    """Fine-tune a classifier, including its encoder.

    Args:
        classifier: `BertClassifier` or `BertTokenClassifier`, which is trained in place, as in Keras.
            `bert.classifier_for(n)` and `bert.token_classifier_for(n)` create one with a copy of the encoder.
        preprocessor: its `BertPreprocessor`, as `bert.preprocessor`.
        train: training set: (texts, labels), (texts, pairs, labels), or a result of `load_texts`. Labels are whole
            numbers from 0, or any numbers for a regression (`num_classes=1`). For `multi_label=True`, each label is a
            row of 0 and 1, one number per class. For a `BertTokenClassifier`: (words, tags), with a list of each per
            sentence, or a result of `load_tags`.
        validation: validation set, in the same form, evaluated after each epoch. Defaults to None. If both sets have
            `names`, classes are matched by name.
        epochs: int, passes over the training set.
        batch_size: int, texts per step.
        learning_rate: float, the peak learning rate. Defaults to 2e-4 for hidden sizes below 512, as
            MiniLM's, and to 5e-5 for others; benchmarks/README.md has the measurements. Ten times that with LoRA.
        schedule: "linear" (warm-up, then decay to 0), or "constant", which callbacks may change.
        warmup_ratio: float, fraction of the steps over which the rate rises. Defaults to 0.1, or 0 for a constant rate.
        weight_decay: float, weight decay of AdamW; not for biases and layer normalization.
        global_clipnorm: float, maximum norm of the gradient of all weights together, or None.
        max_length: int, maximum number of tokens, here and in `predict`; longer texts are truncated. Defaults to the
            preprocessor's `seq_length`, or else to the encoder's number of positions.
        class_weight: "balanced", a list of weights, or a dict, class name or number -> weight. Defaults to None, equal
            weights.
        trainable: str, the weights to train: "all"; "head", the pooler and the classification head; "last 2", the last
            two layers and "head"; "bias", all biases and "head". The flags `trainable` of the classifier's layers are
            the same after the call as before. Defaults to None: the weights whose flags are True.
        lora_rank: int, train low-rank updates (LoRA) of this rank in place of the encoder's matrices, and "head". The
            other weights of the encoder are frozen. At the end the updates are merged into the weights. With
            `trainable="last 2"`, only these layers get updates. Defaults to None, no LoRA.
        lora_alpha: float, scale of the updates: they are multiplied by lora_alpha / lora_rank. Defaults to `lora_rank`.
        lora_targets: list of the layers that get updates, of "query", "key", "value", "attention_output",
            "intermediate", "output" and "gate", or "all". Defaults to query and value.
        seed: int, random seed. The same seed, data and arguments give the same result on the same machine (CPU).
        seeds: list of ints: train once per seed, from the same encoder weights with a new head; see `Runs`. Defaults to
            None, one run with `seed`.
        output_dir: folder for training checkpoints, saved every 100 steps and after each epoch; the same call resumes
            an interrupted run. After training it also contains `model/`, for `be.load`, history.json and, with LoRA,
            `adapter/`, for peft and `be.load_adapter`. Defaults to None: nothing is saved.
        precision: "float32", "mixed_bfloat16", "mixed_float16", or "auto": mixed_bfloat16 on accelerators and, with
            TensorFlow, on CPUs with instructions for it (`avx512_bf16`, `amx_bf16`). A resumed run and a `cls_head`
            keep their own precision, with a warning. `history.precision` is the one that was used.
        jit_compile: bool, or "auto": compile with XLA on accelerators, but not on a CPU, where it is not worth it.
        restore_best_weights: bool, whether to end with the weights of the epoch with the lowest validation loss.
        progress: bool, whether to show a progress bar, or in a notebook a live plot of the loss.
        callbacks: list of Keras callbacks, called as in a single `fit`. Those that set the learning rate need
            schedule="constant". Pass the same callbacks again to resume a run: EarlyStopping, ModelCheckpoint,
            ReduceLROnPlateau and TensorBoard continue where they were; for other callbacks with state, a warning says
            that they start from scratch.

    Returns:
        `History`, or `Runs` for several `seeds`.

    Raises:
        TypeError, ValueError: an invalid argument, before training starts.
        FloatingPointError: the loss is NaN or infinite; the last training checkpoint is kept.
        OSError: `output_dir` cannot be written, or another process is training in it.

    Example:
        classifier = bert.classifier_for(num_classes=2)
        history = be.fine_tune(classifier, bert.preprocessor, train=(texts, labels), output_dir="runs/first")
    """
    _check(classifier, preprocessor)
    if learning_rate is None:
        learning_rate = default_learning_rate(classifier.network.hidden_size, lora_rank is not None)
    updates = (learning_rate, schedule, warmup_ratio, weight_decay, global_clipnorm)
    fields: tuple = (max_length, class_weight, seed, precision, jit_compile, restore_best_weights)
    fields += (trainable, lora_rank, lora_alpha, lora_targets)
    config = TrainingConfig(epochs, batch_size, *updates, *fields)
    callbacks = check(callbacks, schedule)
    training = _prepare(classifier, preprocessor, train, validation, config)
    return train_with_seeds(training, seeds, output_dir, progress, callbacks)


def train_with_seeds(
    training: Training,
    seeds: Sequence[int] | None,
    output_dir: str | Path | None,
    progress: bool,
    callbacks: Sequence[keras.callbacks.Callback],
) -> History | Runs:
    """Start or resume a training run, or one per seed. The arguments are those of `fine_tune`."""
    classifier, seed, precision = training.classifier, training.config.seed, training.config.precision
    folder = None if output_dir is None else Path(output_dir).expanduser()
    folders = {seed: folder} if seeds is None else {n: folder and folder / f"seed_{n}" for n in seeds}
    saved = {seed: saved_precision(path) for seed, path in folders.items()}
    first = next(filter(None, saved.values()), None)

    @functools.cache
    def model_in(previous: str | None) -> Any:
        policy = policy_of(precision, classifier, previous)
        return compiled(training, policy, targets)

    def train_with(seed: int) -> History:
        seeded = dataclasses.replace(training, config=dataclasses.replace(training.config, seed=seed))
        with locked(folders[seed]):
            return Run(seeded, model_in(saved[seed] or first), folders[seed]).train(progress, callbacks)

    with only(classifier, training.config.trainable, training.config.lora_targets) as targets:
        model_in(first)  # raises before anything is changed; tracing takes seconds, so several seeds share it
        return train_with(seed) if seeds is None else each(classifier, seeds, train_with)


def _check(classifier, preprocessor):
    if not isinstance(classifier, BertTokenClassifier):
        instance("classifier", classifier, BertClassifier, "such as bert.classifier_for(2)")
    instance("preprocessor", preprocessor, BertPreprocessor, "such as bert.preprocessor")
    if preprocessor.tokenizer.vocab_size > classifier.network.vocab_size:
        sizes = f"{classifier.network.vocab_size:,}, as in the classifier, got {preprocessor.tokenizer.vocab_size:,}"
        raise ValueError(f"preprocessor: expected a vocab_size of at most {sizes}. Use that of the same model.")


def _prepare(classifier, preprocessor, train, validation, config):
    """The `Training`, with encoded examples, and class weights as a list."""
    limit = limit_of(classifier, preprocessor, config.max_length)
    task = Tagging(classifier) if isinstance(classifier, BertTokenClassifier) else task_of(classifier)
    prepared = task.prepare("train", train, preprocessor, limit, _names(classifier, train))
    validation_examples = None
    if validation is not None:
        validation_examples = task.prepare("validation", validation, preprocessor, limit, prepared.names)
        if validation_examples.pairs != prepared.pairs:
            kinds = ("single texts", "pairs")
            expected, actual = kinds[prepared.pairs], kinds[validation_examples.pairs]
            raise ValueError(f"validation: expected {expected}, as in train, got {actual}.")
    if config.class_weight is not None:
        if not isinstance(task, Classification):
            kind = task.name.replace("_", " ")
            raise ValueError(f"class_weight: expected None for {kind}, got {config.class_weight!r}.")
        weights = examples.weights_of_classes(config.class_weight, prepared, classifier.num_classes)
        prepared = dataclasses.replace(prepared, weights=np.array(weights, "float32")[prepared.labels])
        if not isinstance(config.class_weight, str):
            config = dataclasses.replace(config, class_weight=weights)
    return Training(classifier, preprocessor, prepared, validation_examples, limit, config, task)


def _names(classifier, train):
    """The class names in the order of the classifier's outputs, if it has all those of the data."""
    names, known = getattr(train, "names", None), classifier.class_names
    matching = names is not None and known is not None and {*map(canonical, names)} <= {*map(canonical, known)}
    return list(known) if matching else None

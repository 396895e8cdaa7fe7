"""The recipe: a pretrained encoder and a new head, trained together on texts with labels.

Devlin et al. 2018 (https://arxiv.org/abs/1810.04805), section 3.2 and appendix A.3.
Chapter: notebooks/11_fine_tuning.ipynb.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bertedu.checks import instance
from bertedu.classifier import BertClassifier
from bertedu.data.texts import canonical
from bertedu.fine_tuning import examples
from bertedu.fine_tuning.callbacks import check
from bertedu.fine_tuning.config import TrainingConfig
from bertedu.fine_tuning.history import History
from bertedu.fine_tuning.model import Training, compiled, limit_of
from bertedu.fine_tuning.run import Run
from bertedu.fine_tuning.seeds import Runs, each
from bertedu.text import BertPreprocessor


def fine_tune(
    classifier: BertClassifier,
    preprocessor: BertPreprocessor,
    train: Any,
    validation: Any = None,
    *,
    epochs: int = 3,
    batch_size: int = 32,
    learning_rate: float = 5e-5,
    schedule: str = "linear",
    warm_up: float | None = None,
    weight_decay: float = 0.01,
    clip_norm: float | None = 1.0,
    max_length: int | None = None,
    class_weights: Any = None,
    seed: int = 0,
    seeds: Sequence[int] | None = None,
    output_dir: str | Path | None = None,
    precision: str = "auto",
    jit_compile: bool | str = "auto",
    restore_best: bool = True,
    progress: bool = True,
    callbacks: Iterable[keras.callbacks.Callback] | None = (),
) -> History | Runs:
    """Train a classifier, its encoder included, and return what happened.

    Args:
        classifier: a `BertClassifier`; it is trained itself, as in Keras. `bert.classifier_for(n)` makes one on a copy.
        preprocessor: its `BertPreprocessor`: `bert.preprocessor`.
        train: (texts, labels), (texts, pairs, labels), or what `load_texts` returns. Labels are whole numbers from 0,
            or any numbers for a regression (`num_classes=1`).
        validation: the same, or None; evaluated after each epoch. Where both have `names`, classes are matched by name.
        epochs: int, passes over the training set.
        batch_size: int, texts per step.
        learning_rate: float, the peak.
        schedule: "linear": the learning rate rises to its peak and decays to 0; or "constant", which callbacks may
            change.
        warm_up: float, the part of the steps in which the rate rises. Defaults to 0.1; a constant rate has none.
        weight_decay: float, of AdamW; biases and LayerNorm do not decay.
        clip_norm: float or None, the norm to which the gradient of all weights together is clipped.
        max_length: int, tokens to which texts are cut, here and in `predict`. Defaults to the preprocessor's
            `seq_length`, or else to the encoder's positions.
        class_weights: None, "balanced", a weight for each class, or a dict of weights by a class's name or number.
        seed: int; the same seed, data and arguments give the same result on the same machine.
        seeds: None, or a list of ints: train once for each, from the same weights with a new head; see `Runs`.
        output_dir: None, or a folder in which the training is saved: killed at any moment, the same call resumes from
            there; at its end it holds the model, which `be.load` opens, and history.json.
        precision: "float32", "mixed_bfloat16", "mixed_float16", or "auto": half precision where an accelerator has it.
        jit_compile: bool, or "auto": compile with XLA on accelerators, but not on a CPU, where it does not pay off.
        restore_best: bool, end with the weights of the epoch with the lowest validation loss.
        progress: bool, show a bar in a terminal, in a notebook the curve of the loss.
        callbacks: list of Keras callbacks. Their methods are called as by one `fit`, with the metrics of the validation
            at each epoch's end; `stop_training` is obeyed. Those that set the learning rate need schedule="constant".
            A resumed training continues EarlyStopping, ModelCheckpoint, ReduceLROnPlateau and TensorBoard where they
            were, so pass the same callbacks again; others that have state are named in a warning.

    Returns:
        a `History`; for several `seeds`, `Runs`.

    Raises:
        TypeError, ValueError: an argument, a callback or the data do not fit; before the training starts.
        FloatingPointError: the loss is NaN or infinite; the last saved state stays.
        OSError: `output_dir` cannot be written.

    Example:
        classifier = bert.classifier_for(num_classes=2)
        history = be.fine_tune(classifier, bert.preprocessor, train=(texts, labels), output_dir="runs/first")
    """
    config = TrainingConfig(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        schedule=schedule,
        warm_up=warm_up,
        weight_decay=weight_decay,
        clip_norm=clip_norm,
        max_length=max_length,
        class_weights=class_weights,
        seed=seed,
        precision=precision,
        jit_compile=jit_compile,
        restore_best=restore_best,
    )
    _check(classifier, preprocessor)
    callbacks = check(callbacks, schedule)
    training = _prepare(classifier, preprocessor, train, validation, config)
    model = compiled(classifier, config, len(training.train.rows))
    folder = None if output_dir is None else Path(output_dir).expanduser()

    def train_with(seed: int, folder: Path | None) -> History:
        config = dataclasses.replace(training.config, seed=seed)
        return Run(dataclasses.replace(training, config=config), model, folder).go(progress, callbacks)

    if seeds is None:
        return train_with(seed, folder)
    return each(classifier, seeds, lambda seed: train_with(seed, folder and folder / f"seed_{seed}"))


def _check(classifier, preprocessor):
    instance("classifier", classifier, BertClassifier, "as bert.classifier_for(2) makes one")
    if classifier.multi_label:
        raise ValueError("classifier: expected one class per text, got multi_label=True, which cannot be trained yet.")
    instance("preprocessor", preprocessor, BertPreprocessor, "such as bert.preprocessor")
    if preprocessor.tokenizer.vocab_size > classifier.network.vocab_size:
        raise ValueError("preprocessor and classifier do not belong together: the vocabulary is larger than the table.")


def _prepare(classifier, preprocessor, train, validation, config):
    """The `Training`: examples encoded and checked, class weights in the one form that JSON keeps."""
    limit = limit_of(classifier, preprocessor, config.max_length)
    encoding = (preprocessor, classifier.num_classes, limit)
    prepared = examples.prepare("train", train, *encoding, _names(classifier, train))
    evaluated = None
    if validation is not None:
        evaluated = examples.prepare("validation", validation, *encoding, prepared.names)
        if evaluated.pairs != prepared.pairs:
            kinds = ("single texts", "pairs")
            raise ValueError(f"validation holds {kinds[evaluated.pairs]}, but train {kinds[prepared.pairs]}.")
    if config.class_weights is not None:
        weights = examples.weights_of_classes(config.class_weights, prepared, classifier.num_classes)
        prepared = dataclasses.replace(prepared, weights=np.array(weights, "float32")[prepared.labels])
        if not isinstance(config.class_weights, str):
            config = dataclasses.replace(config, class_weights=weights)
    return Training(classifier, preprocessor, prepared, evaluated, limit, config)


def _names(classifier, train):
    """The names of the classes in the order of the classifier's outputs, if it knows all those of the data."""
    names, known = getattr(train, "names", None), getattr(classifier, "class_names", None)
    if names is None or known is None:
        return None
    known_names = {canonical(name) for name in known}
    return list(known) if all(canonical(name) in known_names for name in names) else None

"""The recipe: a pretrained encoder and a new head, trained together on texts with labels.

Devlin et al. 2018 (https://arxiv.org/abs/1810.04805), section 3.2 and appendix A.3.
Chapter: notebooks/11_fine_tuning.ipynb.
"""

from pathlib import Path

from bertedu.classifier import BertClassifier
from bertedu.data.texts import canonical
from bertedu.fine_tuning import examples
from bertedu.fine_tuning.callbacks import check
from bertedu.fine_tuning.model import compiled, limit_of
from bertedu.fine_tuning.run import Run
from bertedu.fine_tuning.schedule import SCHEDULES
from bertedu.fine_tuning.seeds import each
from bertedu.text import BertPreprocessor


def fine_tune(
    classifier,
    preprocessor,
    train,
    validation=None,
    *,
    epochs=3,
    batch_size=32,
    learning_rate=5e-5,
    schedule="linear",
    warm_up=None,
    weight_decay=0.01,
    clip_norm=1.0,
    max_length=None,
    class_weights=None,
    seed=0,
    seeds=None,
    output_dir=None,
    precision="auto",
    jit_compile="auto",
    restore_best=True,
    progress=True,
    callbacks=(),
):
    """Trains a classifier, its encoder included, and says what happened.

    Args:
        classifier: a `BertClassifier`; it is trained itself, as in Keras. `bert.classifier_for(n)` makes one on a copy.
        preprocessor: its `BertPreprocessor`: `bert.preprocessor`.
        train: (texts, labels), (texts, pairs, labels), or what `load_texts` gives. Labels are whole numbers from 0, or
            any numbers for a regression (`num_classes=1`).
        validation: the same, or None; read after each epoch. Where both have `names`, classes are matched by name.
        epochs: int, how often each text is read.
        batch_size: int, texts a step.
        learning_rate: float, the highest.
        schedule: "linear": the learning rate rises to it and falls to 0; or "constant", which callbacks may change.
        warm_up: float, the part of the steps in which the rate rises. Defaults to 0.1; a constant rate has none.
        weight_decay: float, of AdamW; biases and LayerNorm do not decay.
        clip_norm: float or None, the length to which the gradient is cut.
        max_length: int, tokens to which texts are cut, here and in `predict`. Defaults to the preprocessor's
            `seq_length`, or else to the encoder's positions.
        class_weights: None, "balanced", a weight for each class, or a dict of weights by a class's name or number.
        seed: int; the same seed, data and arguments give the same result on the same machine.
        seeds: None, or a list of ints: train once for each, from the same weights with a new head; see `Runs`.
        output_dir: None, or a folder in which the training is kept: killed at any moment, the same call goes on from
            there; at its end it holds the model, which `be.load` opens, and history.json.
        precision: "float32", "mixed_bfloat16", "mixed_float16", or "auto": half precision where an accelerator has it.
        jit_compile: bool, or "auto": XLA as Keras has it, on accelerators and not on a CPU, where it does not pay off.
        restore_best: bool, end with the weights of the epoch with the lowest loss in validation.
        progress: bool, show it: a bar in a terminal, in a notebook the loss, drawn while it falls.
        callbacks: list of Keras callbacks. Their methods are called as by one `fit`, with the metrics of the validation
            at each epoch's end; `stop_training` is obeyed. Those that set the learning rate need schedule="constant".
            A resumed training continues EarlyStopping, ModelCheckpoint, ReduceLROnPlateau and TensorBoard where they
            were; another callback that keeps something is named in a warning.

    Returns:
        a `History`; for several `seeds`, `Runs`.

    Raises:
        TypeError, ValueError: an argument, a callback or the data do not fit; before the training starts.
        FloatingPointError: the loss is no number any more; the last state on disk stays.
        OSError: `output_dir` cannot be written.

    Example:
        classifier = bert.classifier_for(num_classes=2)
        history = be.fine_tune(classifier, bert.preprocessor, train=(texts, labels), output_dir="runs/first")
    """
    warm_up = _warm_up(warm_up, schedule)
    settings = {name: value for name, value in locals().items() if name in SETTINGS}
    folder = None if output_dir is None else Path(output_dir).expanduser()
    _check(classifier, preprocessor, settings)
    callbacks = check(callbacks, schedule)
    limit = limit_of(classifier, preprocessor, max_length)
    num_classes = classifier.num_classes
    names = _names(classifier, train)
    prepared = examples.prepare("train", train, preprocessor, num_classes, limit, class_weights, names)
    evaluated = None
    if validation is not None:
        evaluated = examples.prepare("validation", validation, preprocessor, num_classes, limit, names=prepared.names)
        if evaluated.pairs != prepared.pairs:
            kinds = ("single texts", "pairs")
            raise ValueError(f"validation holds {kinds[evaluated.pairs]}, but train {kinds[prepared.pairs]}.")
    if class_weights is not None and not isinstance(class_weights, str):  # in the one form that JSON keeps
        labels = prepared.labels
        settings["class_weights"] = examples.weights_of_classes(class_weights, labels, num_classes, prepared.names)

    model = compiled(classifier, prepared, settings)

    def train_with(seed, folder):
        run = Run(classifier, model, preprocessor, prepared, evaluated, limit, settings | {"seed": seed}, folder)
        return run.go(progress, callbacks)

    if seeds is None:
        return train_with(seed, folder)
    return each(classifier, seeds, lambda seed: train_with(seed, folder and folder / f"seed_{seed}"))


SETTINGS = (
    *("epochs", "batch_size", "learning_rate", "schedule", "warm_up", "weight_decay", "clip_norm", "max_length"),
    *("class_weights", "seed", "precision", "jit_compile", "restore_best"),
)
"""The arguments that the result depends on."""


def _check(classifier, preprocessor, settings):
    if not isinstance(classifier, BertClassifier):
        raise TypeError(
            f"classifier must be a BertClassifier, as bert.classifier_for(2) makes one; got {classifier!r}."
        )
    if classifier.multi_label:
        raise ValueError("classifier: expected one class per text, got multi_label=True, which cannot be trained yet.")
    if not isinstance(preprocessor, BertPreprocessor):
        raise TypeError(f"preprocessor must be a BertPreprocessor: bert.preprocessor; got {preprocessor!r}.")
    if preprocessor.tokenizer.vocab_size > classifier.network.vocab_size:
        raise ValueError("preprocessor and classifier do not belong together: the vocabulary is larger than the table.")
    for name in ("epochs", "batch_size"):
        value = settings[name]
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a whole number from 1 on, got {value!r}.")
    bounds = {"learning_rate": (0, 1), "warm_up": (-1e-9, 1), "weight_decay": (-1e-9, 1)}
    for name, (low, high) in bounds.items():
        if not low < settings[name] <= high:
            raise ValueError(
                f"{name} must be {'above 0' if low == 0 else 'from 0'} up to {high}, got {settings[name]!r}."
            )


def _warm_up(warm_up, schedule):
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule must be one of {', '.join(map(repr, SCHEDULES))}, got {schedule!r}.")
    if schedule == "constant" and warm_up:
        raise ValueError(f'warm_up: a constant learning rate has none, got {warm_up!r}. Use schedule="linear".')
    default = 0.1 if schedule == "linear" else 0.0
    return default if warm_up is None else warm_up


def _names(classifier, train):
    """The names of the classes, in the order of the classifier's numbers, where it knows those of the data."""
    names, known = getattr(train, "names", None), getattr(classifier, "class_names", None)
    if names is None or known is None:
        return None
    known_names = {canonical(name) for name in known}
    return list(known) if all(canonical(name) in known_names for name in names) else None

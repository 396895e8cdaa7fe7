"""A run: one training, where it is kept, and how far it is.

It is Keras' own `fit`, in segments of `SEGMENT` steps; after each the training is put down on disk, so that a run that
was killed goes on where it was. What happens in an epoch depends on the seed and the number of the epoch alone, so it
happens again in the same way. Chapter: notebooks/11_fine_tuning.ipynb.
"""

import time

import keras
import numpy as np

from bertedu import fast_path
from bertedu.bert import Bert
from bertedu.checkpoints import save_checkpoint
from bertedu.classifier import BertClassifier
from bertedu.fine_tuning import state
from bertedu.fine_tuning.batches import SIZES, Batches, plan
from bertedu.fine_tuning.history import History, surroundings
from bertedu.fine_tuning.progress import progress as progress_of
from bertedu.fine_tuning.schedule import optimizer

SEGMENT = 100  # steps between two states on disk
STATE, BEST, MODEL, HISTORY = "state.safetensors", "best.safetensors", "model", "history.json"
POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")


class Run:
    """One training: what it is made of, where it is kept, and how far it is.

    Args:
        model: `compiled(classifier, ...)`; it is trained, and the classifier gets its weights at the end.
    """

    def __init__(self, classifier, model, preprocessor, train, validation, limit, settings, folder):
        self.classifier, self.model, self.preprocessor = classifier, model, preprocessor
        self.train, self.validation, self.limit, self.settings = train, validation, limit, settings
        self.steps_an_epoch = steps_an_epoch(train, settings)
        self.folder = folder
        self.history = History(run=self._description())

    def _description(self):
        arguments = {
            name: np.asarray(value).tolist() if isinstance(value, np.ndarray) else value
            for name, value in self.settings.items()
        }
        return {
            "arguments": arguments,
            "num_classes": self.classifier.num_classes,
            "names": self.train.names,
            "parameters": self.classifier.count_params(),
            "train": {"texts": len(self.train.rows), "cut": self.train.truncated, "sha256": self.train.digest},
            "validation": self.validation
            and {
                "texts": len(self.validation.rows),
                "cut": self.validation.truncated,
                "sha256": self.validation.digest,
            },
            "surroundings": surroundings(),
        }

    def go(self, progress, callbacks):
        """Trains from where the run is to its end, and returns its `History`."""
        self._begin_or_take_up()
        if self.history.finished:
            return self.history
        total = self.settings["epochs"] * self.steps_an_epoch
        shown = progress_of(total, self.steps_an_epoch, self.history, progress)
        try:
            while len(self.history.epochs) < self.settings["epochs"]:
                self._epoch([shown, *callbacks])
                shown.epoch_done()
        finally:
            shown.close()
        self._finish()
        return self.history

    def _variables(self):
        return [*self.model.variables, *self.model.optimizer.variables]

    def _begin_or_take_up(self):
        words = None
        if self.folder is not None:
            state.make_folder(self.folder)
            words = state.words_of(self.folder / STATE)
        if words is None:
            self._begin()
            self._keep()  # now, so that a folder that cannot be written is known before an hour of work
            return
        before = History.from_json(words)
        theirs, ours = ({k: v for k, v in h.run.items() if k != "surroundings"} for h in (before, self.history))
        different = [key for key in ours if ours[key] != theirs.get(key)]
        if different:
            raise ValueError(
                f"output_dir={str(self.folder)!r} holds another training (with other {', '.join(different)}): choose "
                "another folder, or delete that one."
            )
        state.restore(self.folder / STATE, self._variables())
        self.history = before
        self._give_back()

    def _begin(self):
        if self.model is not self.classifier:
            self.model.set_weights(self.classifier.get_weights())
        for memory in self.model.optimizer.variables:  # another seed's training may have left something in them
            first = self.model.optimizer.initial_scale if memory.name == "dynamic_scale" else 0.0  # of mixed_float16
            memory.assign(np.full(memory.shape, first))
        weights = {id(variable) for variable in self.model.weights}
        draw = np.random.default_rng(self.settings["seed"])
        for variable in self.model.variables:
            if id(variable) not in weights:
                variable.assign(draw.integers(0, 2**31, variable.shape).astype("uint32"))

    def _keep(self):
        if self.folder is not None:
            state.save(self.folder / STATE, self._variables(), self.history.to_json())

    def _steps_done(self):
        return self.history.segments[-1]["step"] if self.history.segments else 0

    def _epoch(self, callbacks):
        number, size = len(self.history.epochs), self.settings["batch_size"]
        draw = np.random.default_rng([self.settings["seed"], number])
        batches = plan([len(row.ids) for row in self.train.rows], size, draw)
        done = self._steps_done() - number * self.steps_an_epoch
        for start in range(done, len(batches), SEGMENT):
            self._segment(number, batches[start : start + SEGMENT], callbacks)
        parts = [segment for segment in self.history.segments if segment["epoch"] == number]
        measured = {
            name: float(np.average([part[name] for part in parts], weights=[part["weight"] for part in parts]))
            for name in parts[0]
            if name not in ("epoch", "step", "weight", "seconds")
        }
        judged = self._judge()
        seconds = sum(part["seconds"] for part in parts)
        self.history.epochs.append({"epoch": number, **measured, **judged, "seconds": seconds})
        if judged and judged["val_loss"] <= min(epoch["val_loss"] for epoch in self.history.epochs):
            self.history.best_epoch = number
            self.best = [keras.ops.convert_to_numpy(weight) for weight in self.model.weights]
            if self.folder is not None:
                state.save(self.folder / BEST, self.model.weights, {"epoch": number})
        self._keep()

    def _segment(self, epoch, batches, callbacks):
        started = time.perf_counter()
        data = self._batches(self.train, batches)
        number = len(self.history.segments)  # what callbacks take for the epoch, so that TensorBoard's curves go on
        callbacks = [keras.callbacks.LambdaCallback(on_train_begin=self._seed_torch), *callbacks]
        fitted = self.model.fit(
            data, initial_epoch=number, epochs=number + 1, verbose=0, shuffle=False, callbacks=callbacks
        )
        logs = fitted.history
        measured = {name: float(values[-1]) for name, values in logs.items()}
        step = self._steps_done() + len(batches)
        if not np.isfinite(measured["loss"]):
            raise FloatingPointError(
                f"The loss is {measured['loss']} at step {step}: begin again with a lower learning_rate (it was "
                f"{self.settings['learning_rate']:g}) or with clip_norm=1.0."
            )
        seconds = time.perf_counter() - started
        self.history.segments.append(
            {"epoch": epoch, "step": step, **measured, "weight": data.weight, "seconds": seconds}
        )
        if step % self.steps_an_epoch:
            self._keep()  # at the end of an epoch it is done after the validation

    def _seed_torch(self, logs=None):
        """On torch, dropout draws from one generator for all, and not from the layers' own: a fresh start a segment."""
        if keras.config.backend() == "torch":
            draw = np.random.default_rng([self.settings["seed"], self._steps_done()])
            keras.utils.set_random_seed(int(draw.integers(2**31)))

    def _batches(self, texts, batches):
        each_length_is_compiled = keras.config.backend() == "jax" or self.model.jit_compile
        sizes = SIZES if each_length_is_compiled else ()
        return Batches(
            texts, batches, self.settings["batch_size"], self.preprocessor.tokenizer.pad_id, self.limit, sizes
        )

    def _judge(self):
        if self.validation is None:
            return {}
        batches = plan([len(row.ids) for row in self.validation.rows], self.settings["batch_size"])
        found = self.model.evaluate(self._batches(self.validation, batches), verbose=0, return_dict=True)
        return {f"val_{name}": float(value) for name, value in found.items()}

    def _finish(self):
        if self.settings["restore_best"] and self.history.best_epoch is not None:
            self.model.set_weights(self._best_weights())
        self._give_back()
        self.history.finished = True
        if self.folder is not None:
            encoder = self.classifier.network
            bert = Bert(self.preprocessor.tokenizer, encoder, self.preprocessor, classifier=self.classifier)
            save_checkpoint(bert, self.folder / MODEL, overwrite=True)
            self.history.save(self.folder / HISTORY)
            self._keep()

    def _best_weights(self):
        if not hasattr(self, "best"):  # of a run that was taken up after its best epoch
            now = self.model.get_weights()
            state.restore(self.folder / BEST, self.model.weights)
            self.best = self.model.get_weights()
            self.model.set_weights(now)
        return self.best

    def _give_back(self):
        if self.train.names and len(self.train.names) == self.classifier.num_classes:
            self.classifier.class_names = self.train.names
        if self.model is not self.classifier:
            self.classifier.set_weights(self.model.get_weights())


def steps_an_epoch(train, settings):
    """How many batches the texts make."""
    return -(-len(train.rows) // settings["batch_size"])


def compiled(classifier, train, settings):
    """The classifier itself, or a copy that computes in the wanted precision, with loss and optimizer.

    It serves any number of runs with other seeds, so that the step is traced (which takes seconds) only once.
    """
    s = settings
    model = _with_policy(classifier, _policy(s["precision"]))
    steps = s["epochs"] * steps_an_epoch(train, s)
    regression = classifier.num_classes == 1
    losses, metrics = keras.losses, keras.metrics
    # Dividing by the sum of the weights keeps a batch that was filled up from counting less.
    options = {"reduction": "mean_with_sample_weight"}
    model.compile(
        optimizer(s["learning_rate"], steps, s["warm_up"], s["weight_decay"], s["clip_norm"]),
        losses.MeanSquaredError(**options)
        if regression
        else losses.SparseCategoricalCrossentropy(from_logits=True, **options),
        weighted_metrics=[
            metrics.MeanAbsoluteError(name="mean_absolute_error")
            if regression
            else metrics.SparseCategoricalAccuracy(name="accuracy")
        ],
        jit_compile=s["jit_compile"],
    )
    model.optimizer.build(model.trainable_variables)
    return model


def _policy(precision):
    if precision not in ("auto", *POLICIES):
        raise ValueError(f'precision must be "auto" or one of {", ".join(POLICIES)}, got {precision!r}.')
    if precision != "auto":
        return precision
    return "mixed_bfloat16" if fast_path.has_accelerator() else "float32"


def _with_policy(classifier, policy):
    """The classifier itself where it computes as `policy` says, or else a copy that does."""
    if classifier.network.dtype_policy.name == policy:
        return classifier
    encoder = type(classifier.network).from_config(classifier.network.get_config() | {"dtype": policy})
    config = {name: value for name, value in classifier.get_config().items() if name not in ("network", "cls_head")}
    if classifier.cls_head is not None:
        raise ValueError(f"precision={policy!r} cannot be given to a classifier with a cls_head of its own.")
    copy = BertClassifier(encoder, **config)
    copy.set_weights(classifier.get_weights())
    return copy

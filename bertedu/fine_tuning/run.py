"""A training run, with its checkpoints in a folder.

Keras' `fit` is called for segments of `SEGMENT` steps. After each segment a training checkpoint is saved, from which an
interrupted run can resume. The order of the texts depends only on the seed and the epoch number, and weights, optimizer
and random states are restored, so the remaining steps are the same as in an uninterrupted run.

    state.safetensors  training checkpoint: weights, optimizer, random states, history   `state.save`, `state.restore`
    best.safetensors   weights of the best epoch                                         `state.save`, `state.restore`
    .lock              held during training                                              `state.locked`
    model/             trained model, for `be.load`                                      `save_checkpoint`
    adapter/           with LoRA: the low-rank updates, for peft and `be.load_adapter`   `save_adapter`
    history.json       metrics and settings                                              `History.save`

Files and folders are replaced atomically (`files.replacing`). `history.differences` compares the settings in the
checkpoint with those of the current call, `model.Training.describe` lists them, and `callbacks` forwards the segments
to the user's callbacks as one run. Chapter: notebooks/10_fine_tuning.ipynb.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from bertedu.backend import devices, memory
from bertedu.checkpoints.adapters import save_adapter
from bertedu.defaults import PRECISIONS
from bertedu.fields import shown
from bertedu.fine_tuning import state
from bertedu.fine_tuning.batches import SIZES, Batches, outputs_of, plan_batches
from bertedu.fine_tuning.callbacks import BatchForwarder, mean, set_state, state_of
from bertedu.fine_tuning.history import History, differences, metrics_of
from bertedu.fine_tuning.low_rank import LowRankModel
from bertedu.fine_tuning.model import PREDICTION_SETTINGS, PredictionSettings, Training
from bertedu.fine_tuning.progress import progress as progress_of
from bertedu.terminal import warn

SEGMENT = 100
"""Steps between two training checkpoints. Changing it changes the order of the batches (`batches.Batches` puts two
lengths first), so a run resumed from a checkpoint that was saved with another value is not bit-for-bit reproducible."""

NOT_SAVED = "expected saved state for each callback, got none for {}. These callbacks start from scratch."
LEFT_OUT = "expected the callbacks of the saved run, got none of {}. Pass the same callbacks again."
STATE, BEST, MODEL, HISTORY = "state.safetensors", "best.safetensors", "model", "history.json"
ADAPTER = "adapter"


def saved_precision(folder: Path | None) -> str | None:
    """Return the dtype policy of the run in a folder. None without one; version 0.1 did not save it.

    Raises:
        ValueError: the training checkpoint is damaged, or of a newer version.
    """
    content = folder and state.read_metadata(folder / STATE)
    try:
        precision = (content or {})["run"]["prediction"]["precision"]
    except (KeyError, TypeError):  # `Run.train` refuses what is no history
        return None
    return precision if precision in PRECISIONS else None


class Run:
    """A training run: its model, folder and history so far.

    Args:
        training: `Training`.
        model: the classifier to train, as returned by `fine_tuning.model.compiled`.
        folder: folder for training checkpoints and results; None to save nothing.
    """

    def __init__(self, training: Training, model: keras.Model, folder: Path | None):
        self.training, self.model, self.folder = training, model, folder
        self.base = model.base if isinstance(model, LowRankModel) else model  # whose weights the classifier gets
        self.config, self.classifier = training.config, training.classifier
        self.steps_per_epoch = self.config.steps_per_epoch(len(training.train.rows))
        self.history = History(run=training.describe(model))
        self.best: list[np.ndarray] | None = None
        self.ended = False

    def train(self, progress: bool, callbacks: Sequence[keras.callbacks.Callback]) -> History:
        """Start or resume the run, complete it, and return its `History`. `state.locked` protects the folder."""
        saved = self._read_checkpoint()
        epochs = self.config.epochs
        if saved is not None:
            self.history = saved["history"]
            if self.config.restore_best_weights and self.history.best_epoch is not None and not self.history.finished:
                # If the process was killed after writing best.safetensors but before state.safetensors, the former
                # holds the next epoch's weights, and that epoch is repeated.
                self._check_best([self.history.best_epoch, len(self.history.epochs)])
        self.callbacks = callbacks
        sizes = {"epochs": epochs, "steps": self.steps_per_epoch}
        self.callback_list = keras.callbacks.CallbackList(callbacks, model=self.model, verbose=0, **sizes)
        if self.history.finished:  # restore weights and callbacks only, so that `seeds` can compare the results
            self._restore(saved)
            self._tune()
            return self.history
        self._begin(saved)
        display = progress_of(epochs * self.steps_per_epoch, self.steps_per_epoch, self.history, progress)
        try:
            with memory.reused():
                while len(self.history.epochs) < epochs and not self.ended:
                    self._epoch(display)
                    display.epoch_done()
        finally:
            display.close()
        self._finish()
        return self.history

    # ---- training checkpoints -------------------------------------------------------------------

    def _read_checkpoint(self):
        """Return the checkpoint's metadata, a dict of "history", "callbacks" and "stopped"; None without one."""
        if self.folder is None:
            return None
        content = state.read_metadata(self.folder / STATE)
        if content is None:
            if (self.folder / MODEL).is_file() or any((self.folder / MODEL).glob("*")):
                problem = f"expected a new folder, or one with {STATE}, got one with {MODEL!r} but no {STATE}"
                raise FileExistsError(f"output_dir={str(self.folder)!r}: {problem}. Choose another folder.")
            return None
        saved = {name: content.pop(name, None) for name in ("callbacks", "stopped")}
        try:
            history = History.from_json(content)
            different = differences(history.run, self.history.run)
        except (AttributeError, KeyError, TypeError):
            raise state.damaged(self.folder / STATE) from None
        if different:
            problem = f"expected a run with the same settings, got a saved run that differs in {', '.join(different)}"
            raise ValueError(f"output_dir={str(self.folder)!r}: {problem}. Choose another folder, or delete this one.")
        history.run = self.history.run | history.run
        return saved | {"history": history}

    def _check_best(self, epochs):
        """Raise a ValueError unless best.safetensors holds the weights of one of `epochs`."""
        content = state.read_metadata(self.folder / BEST)
        if content is None or content.get("epoch") not in epochs:
            actual = "no file" if content is None else f"those of epoch {shown(content.get('epoch'))}"
            expected = f"the weights of the best epoch, {epochs[0]} (counting from 0)"
            raise ValueError(f"{self.folder / BEST}: expected {expected}, got {actual}. Choose another output_dir.")

    def _begin(self, saved):
        self.model.stop_training = False
        if saved is None:
            self._reset()
        self.callback_list.on_train_begin()
        if saved is None:
            self._save()  # fails now, not after an hour, if the folder cannot be written
            return
        if self._batches_done() > 0:  # below 0 where a callback stopped an epoch half-way
            self.callback_list.on_epoch_begin(len(self.history.epochs))
        self._restore(saved)  # after these calls, in which callbacks may reset the learning rate and their state

    def _restore(self, saved):
        arrays = state.restore(self.folder / STATE, state.named(self.model, self.model.optimizer))
        lost, left_out = set_state(self.callbacks, saved["callbacks"] or [], arrays)
        if self.history.segments and not self.history.finished:
            for names, message in ((lost, NOT_SAVED), (left_out, LEFT_OUT)):
                if names:
                    warn(f"callbacks: {message.format(', '.join(names))}")
        self.model.stop_training = self.ended = bool(saved["stopped"])
        self._update_classifier()

    def _reset(self):
        """Initialize weights, optimizer and random states, which the run of another seed may have changed."""
        if self.base is not self.classifier:
            self.base.set_weights(self.classifier.get_weights())
        if self.base is not self.model:
            self.model.reset(self.config.seed)
        initial = {"learning_rate": self.config.learning_rate}
        initial["dynamic_scale"] = getattr(self.model.optimizer, "initial_scale", 0.0)  # of mixed_float16
        for variable in self.model.optimizer.variables:
            variable.assign(keras.ops.full(variable.shape, initial.get(variable.name, 0.0), variable.dtype))
        weights = {id(variable) for variable in self.model.weights}
        rng = np.random.default_rng(self.config.seed)
        for variable in self.model.variables:
            if id(variable) not in weights:
                variable.assign(rng.integers(0, 2**31, variable.shape).astype("uint32"))

    def _save(self):
        if self.folder is not None:
            callbacks, arrays = state_of(self.callbacks)
            content = self.history.to_json() | {"callbacks": callbacks, "stopped": bool(self.model.stop_training)}
            state.save(self.folder / STATE, state.named(self.model, self.model.optimizer), content, arrays)

    # ---- training -------------------------------------------------------------------------------

    def _batches_done(self):
        """The number of completed batches of the current epoch."""
        return self.history.steps - len(self.history.epochs) * self.steps_per_epoch

    def _segments(self, epoch):
        return [segment for segment in self.history.segments if segment["epoch"] == epoch]

    def _epoch(self, display):
        number = len(self.history.epochs)
        rng = np.random.default_rng([self.config.seed, number])
        batches = plan_batches(self.training.train.lengths, self.config.batch_size, rng)
        done = self._batches_done()
        if not done:
            self.callback_list.on_epoch_begin(number)
        for start in range(done, len(batches), SEGMENT):
            self._segment(number, start, batches[start : start + SEGMENT], display)
            if self.model.stop_training:
                break
        metrics = mean(self._segments(number)) | self._evaluate()
        seconds = sum(segment["seconds"] for segment in self._segments(number))
        self.history.epochs.append({"epoch": number, **metrics, "seconds": seconds})
        if "val_loss" in metrics and metrics["val_loss"] <= min(epoch["val_loss"] for epoch in self.history.epochs):
            self.history.best_epoch = number
            self.best = self.model.get_weights()
            if self.folder is not None:
                state.save(self.folder / BEST, state.named(self.model), {"epoch": number})
        self.callback_list.on_epoch_end(number, metrics)
        self.ended = bool(self.model.stop_training)
        self._save()

    def _segment(self, epoch, first, batches, display):
        started = time.perf_counter()
        data = self._data(self.training.train, batches)
        before = self._segments(epoch)
        forwarder = BatchForwarder(self.callback_list, data.weights, before, first, self.model.stop_training)
        seed = keras.callbacks.LambdaCallback(on_train_begin=self._seed_torch)
        fitted = self.model.fit(data, verbose=0, shuffle=False, callbacks=[seed, display, forwarder])
        metrics = {name: float(values[-1]) for name, values in fitted.history.items()}
        step = self.history.steps + len(forwarder.losses)
        if not np.isfinite(metrics["loss"]):
            folder = " in another output_dir" if self.folder else ""
            clip = "" if self.config.global_clipnorm else " Also set global_clipnorm=1.0."
            problem = f"expected a finite number, got {metrics['loss']} at step {step}. Train again{folder}"
            raise FloatingPointError(f"loss: {problem} with a learning_rate below {self.config.learning_rate:g}.{clip}")
        seconds = time.perf_counter() - started
        segment = {"epoch": epoch, "step": step, **metrics, "weight": forwarder.weight, "seconds": seconds}
        self.history.segments.append(segment)
        if step % self.steps_per_epoch and not self.model.stop_training:
            self._save()  # at the end of an epoch, `_epoch` saves after the validation

    def _seed_torch(self, logs=None):
        """Seed torch's global generator, because with the torch backend dropout does not use the layers' generators."""
        if devices.backend() == "torch":
            rng = np.random.default_rng([self.config.seed, self.history.steps])
            keras.utils.set_random_seed(int(rng.integers(2**31)))

    def _data(self, examples, batches):
        compiled_per_length = devices.backend() == "jax" or self.model.jit_compile
        pad_id, limit = self.training.preprocessor.tokenizer.pad_id, self.training.max_length
        return Batches(examples, batches, self.config.batch_size, pad_id, limit, SIZES if compiled_per_length else ())

    def _evaluate(self):
        examples = self.training.validation
        if examples is None:
            return {}
        data = self._data(examples, plan_batches(examples.lengths, self.config.batch_size))
        forwarder = BatchForwarder(self.callback_list, data.weights)
        self.callback_list.on_test_begin()
        metrics = self.model.evaluate(data, verbose=0, return_dict=True, callbacks=[forwarder])
        if len(set(data.weights)) > 1:
            metrics["loss"] = forwarder.loss
        self.callback_list.on_test_end(metrics)
        if self.training.task.scores_outputs:
            metrics |= self.training.task.score(outputs_of(self.model, data), examples)
        return {f"val_{name}": float(value) for name, value in metrics.items()}

    # ---- end ------------------------------------------------------------------------------------

    def _finish(self):
        if self.config.restore_best_weights and self.history.best_epoch is not None:
            if self.best is not None:
                self.model.set_weights(self.best)
            else:  # the run was resumed after its best epoch
                self._check_best([self.history.best_epoch])
                state.restore(self.folder / BEST, state.named(self.model))
        self.callback_list.on_train_end(metrics_of(self.history.epochs[-1]))
        for callback in self.callbacks:  # `on_train_end` of EarlyStopping may have restored another epoch
            if isinstance(callback, keras.callbacks.EarlyStopping) and callback.best_weights is not None:
                self.history.best_epoch = int(callback.best_epoch)
        self.history.finished = True
        matrices = self.model.matrices() if isinstance(self.model, LowRankModel) else {}
        self._update_classifier()
        self._tune()
        if self.folder is not None:
            preprocessor, limit = self.training.preprocessor, {"seq_length": self.training.max_length}
            preprocessor = type(preprocessor).from_config(preprocessor.get_config() | limit)
            self.training.task.save(self.classifier, preprocessor, self.folder / MODEL)
            if matrices:
                self._save_adapter(self.training.task.bert(self.classifier, preprocessor), matrices)
            self.history.save(self.folder / HISTORY)
            self._save()

    def _save_adapter(self, bert, matrices):
        try:
            save_adapter(bert, matrices, self.config.lora_alpha, self.folder / ADAPTER)
        except ValueError as error:  # peft has no such model
            warn(f"{self.folder / ADAPTER}: not written. {error}")

    def _tune(self):
        """Let the task set what depends on the outputs of the validation set."""
        examples, task = self.training.validation, self.training.task
        if examples is not None and task.finishes:
            data = self._data(examples, plan_batches(examples.lengths, self.config.batch_size))
            task.finish(self.classifier, outputs_of(self.model, data), examples)

    def _update_classifier(self):
        """Set the class names and `PredictionSettings` of the classifier, and its weights, with LoRA at the end."""
        names = self.training.train.names
        if names and len(names) == self.classifier.num_classes:
            self.classifier.class_names = names
        PREDICTION_SETTINGS[self.classifier] = PredictionSettings(**self.history.run["prediction"])
        if self.base is not self.model:
            if not self.history.finished:
                return
            self.model.merge()
        if self.base is self.classifier:
            return
        for weight, trained in zip(self.classifier.weights, self.base.weights, strict=True):
            old, new = keras.ops.convert_to_numpy(weight), keras.ops.convert_to_numpy(trained)
            if not np.array_equal(old.astype(new.dtype), new):  # a cast could change the bits of frozen weights
                weight.assign(new)

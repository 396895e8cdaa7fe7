"""A run: one training, where it is kept, and how far it is.

It is Keras' own `fit`, in segments of `SEGMENT` steps; after each the training is saved to disk, so that a run that was
killed resumes where it was. What happens in an epoch depends on the seed and the number of the epoch alone, so it
happens again in the same way. Callbacks see one training all the same: `callbacks` passes the segments on to them.
Chapter: notebooks/11_fine_tuning.ipynb.
"""

import json
import time
import warnings

import keras
import numpy as np

from bertedu.backend import devices
from bertedu.bert import Bert
from bertedu.checkpoints import save_checkpoint
from bertedu.fine_tuning import callbacks, state
from bertedu.fine_tuning.batches import SIZES, Batches, plan
from bertedu.fine_tuning.callbacks import mean, set_state, state_of
from bertedu.fine_tuning.history import History, surroundings
from bertedu.fine_tuning.model import CONDITIONS, Conditions, policy_of, steps_an_epoch
from bertedu.fine_tuning.progress import progress as progress_of

SEGMENT = 100  # steps between two states on disk
STATE, BEST, MODEL, HISTORY = "state.safetensors", "best.safetensors", "model", "history.json"


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
            name: value.item() if isinstance(value, np.generic) else value for name, value in self.settings.items()
        }
        return {
            "arguments": arguments,
            "num_classes": self.classifier.num_classes,
            "names": self.train.names,
            "prediction": Conditions(self.limit, self.train.pairs, policy_of(self.settings["precision"]))._asdict(),
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
        """Train from where the run is to its end, and return its `History`."""
        saved = self._saved()
        total = self.settings["epochs"] * self.steps_an_epoch
        self.callbacks = callbacks
        self.listeners = keras.callbacks.CallbackList(
            callbacks, model=self.model, verbose=0, epochs=self.settings["epochs"], steps=self.steps_an_epoch
        )
        if self.history.finished:  # its callbacks have ended too, but another seed's training may follow
            self._restore(saved)
            return self.history
        self._begin(saved)
        shown = progress_of(total, self.steps_an_epoch, self.history, progress)
        try:
            while len(self.history.epochs) < self.settings["epochs"] and not self.ended:
                self._epoch(shown)
                shown.epoch_done()
        finally:
            shown.close()
        self._finish()
        return self.history

    def _variables(self):
        return state.named(self.model, self.model.optimizer)

    def _saved(self):
        """The words of the state on disk, None without; its history becomes this run's."""
        if self.folder is None:
            return None
        state.make_folder(self.folder)
        words = state.words_of(self.folder / STATE)
        if words is None:
            return None
        saved = {name: words.pop(name, None) for name in ("callbacks", "stopped")}
        try:
            before = History.from_json(words)
            different = differences(before.run, self.history.run)
        except (AttributeError, KeyError, TypeError):
            raise ValueError(f"{self.folder / STATE} is no state of a training: delete it to begin anew.") from None
        if different:
            raise ValueError(
                f"output_dir={str(self.folder)!r} holds another training (with other {', '.join(different)}): choose "
                "another folder, or delete that one."
            )
        before.run = {"prediction": self.history.run["prediction"]} | before.run
        self.history = before
        return saved

    def _begin(self, saved):
        self.ended = False
        self.model.stop_training = False
        if saved is None:
            self._reset()
            self.listeners.on_train_begin()
            self._keep()  # now, so that a folder that cannot be written is known before an hour of work
            return
        self.listeners.on_train_begin()
        if self._batches_done():
            self.listeners.on_epoch_begin(len(self.history.epochs))
        self._restore(saved)  # after these calls, which may have set the learning rate or forgotten what was best

    def _restore(self, saved):
        arrays = state.restore(self.folder / STATE, self._variables())
        without = set_state(self.callbacks, saved["callbacks"] or [], arrays)
        if without and self.history.segments and not self.history.finished:
            warnings.warn(
                f"The training is resumed, but the state of these callbacks was not saved: {', '.join(without)}. "
                "They begin anew.",
                stacklevel=5,
            )
        self.model.stop_training = self.ended = bool(saved["stopped"])
        self._give_back()

    def _reset(self):
        if self.model is not self.classifier:
            self.model.set_weights(self.classifier.get_weights())
        first = {"learning_rate": self.settings["learning_rate"]}
        first["dynamic_scale"] = getattr(self.model.optimizer, "initial_scale", 0.0)  # of mixed_float16
        for memory in self.model.optimizer.variables:  # another seed's training may have left something in them
            memory.assign(np.full(memory.shape, first.get(memory.name, 0.0)))
        weights = {id(variable) for variable in self.model.weights}
        draw = np.random.default_rng(self.settings["seed"])
        for variable in self.model.variables:
            if id(variable) not in weights:
                variable.assign(draw.integers(0, 2**31, variable.shape).astype("uint32"))

    def _keep(self):
        if self.folder is not None:
            callbacks, arrays = state_of(self.callbacks)
            words = self.history.to_json() | {"callbacks": callbacks, "stopped": bool(self.model.stop_training)}
            state.save(self.folder / STATE, self._variables(), words, arrays)

    def _steps_done(self):
        return self.history.segments[-1]["step"] if self.history.segments else 0

    def _batches_done(self):
        """How many batches of the epoch that is due have been trained on."""
        return self._steps_done() - len(self.history.epochs) * self.steps_an_epoch

    def _segments(self, epoch):
        return [segment for segment in self.history.segments if segment["epoch"] == epoch]

    def _epoch(self, shown):
        number, size = len(self.history.epochs), self.settings["batch_size"]
        draw = np.random.default_rng([self.settings["seed"], number])
        batches = plan([len(row.ids) for row in self.train.rows], size, draw)
        done = self._batches_done()
        if not done:
            self.listeners.on_epoch_begin(number)
        for start in range(done, len(batches), SEGMENT):
            self._segment(number, start, batches[start : start + SEGMENT], shown)
            if self.model.stop_training:
                break
        measured = mean(self._segments(number))
        evaluated = self._evaluate()
        seconds = sum(segment["seconds"] for segment in self._segments(number))
        self.history.epochs.append({"epoch": number, **measured, **evaluated, "seconds": seconds})
        if evaluated and evaluated["val_loss"] <= min(epoch["val_loss"] for epoch in self.history.epochs):
            self.history.best_epoch = number
            self.best = [keras.ops.convert_to_numpy(weight) for weight in self.model.weights]
            if self.folder is not None:
                state.save(self.folder / BEST, state.named(self.model), {"epoch": number})
        self.listeners.on_epoch_end(number, measured | evaluated)
        self.ended = bool(self.model.stop_training)
        self._keep()

    def _segment(self, epoch, first, batches, shown):
        started = time.perf_counter()
        data = self._batches(self.train, batches)
        before = self._segments(epoch)
        passed_on = callbacks.Batches(self.listeners, data.weights, before, first, self.model.stop_training)
        seed = keras.callbacks.LambdaCallback(on_train_begin=self._seed_torch)
        fitted = self.model.fit(data, verbose=0, shuffle=False, callbacks=[seed, shown, passed_on])
        measured = {name: float(values[-1]) for name, values in fitted.history.items()}
        step = self._steps_done() + len(passed_on.losses)
        if not np.isfinite(measured["loss"]):
            raise FloatingPointError(
                f"The loss is {measured['loss']} at step {step}: begin again with a lower learning_rate (it was "
                f"{self.settings['learning_rate']:g}) or with clip_norm=1.0."
            )
        seconds = time.perf_counter() - started
        self.history.segments.append(
            {"epoch": epoch, "step": step, **measured, "weight": passed_on.weight, "seconds": seconds}
        )
        if step % self.steps_an_epoch and not self.model.stop_training:
            self._keep()  # at the end of an epoch it is done after the validation

    def _seed_torch(self, logs=None):
        """On torch, dropout draws from one generator for all, and not from the layers' own: a fresh start a segment."""
        if devices.backend() == "torch":
            draw = np.random.default_rng([self.settings["seed"], self._steps_done()])
            keras.utils.set_random_seed(int(draw.integers(2**31)))

    def _batches(self, texts, batches):
        each_length_is_compiled = devices.backend() == "jax" or self.model.jit_compile
        sizes = SIZES if each_length_is_compiled else ()
        return Batches(
            texts, batches, self.settings["batch_size"], self.preprocessor.tokenizer.pad_id, self.limit, sizes
        )

    def _evaluate(self):
        if self.validation is None:
            return {}
        batches = plan([len(row.ids) for row in self.validation.rows], self.settings["batch_size"])
        data = self._batches(self.validation, batches)
        passed_on = callbacks.Batches(self.listeners, data.weights)
        self.listeners.on_test_begin()
        found = self.model.evaluate(data, verbose=0, return_dict=True, callbacks=[passed_on])
        if len(set(data.weights)) > 1:
            found["loss"] = passed_on.loss
        self.listeners.on_test_end(found)
        return {f"val_{name}": float(value) for name, value in found.items()}

    def _finish(self):
        if self.settings["restore_best"] and self.history.best_epoch is not None:
            self.model.set_weights(self._best_weights())
        epoch = self.history.epochs[-1]
        self.listeners.on_train_end({name: epoch[name] for name in epoch if name not in ("epoch", "seconds")})
        for callback in self.callbacks:  # whose choice of the best epoch comes last, and so stands
            if isinstance(callback, keras.callbacks.EarlyStopping) and callback.best_weights is not None:
                self.history.best_epoch = int(callback.best_epoch)
        self._give_back()
        self.history.finished = True
        if self.folder is not None:
            encoder = self.classifier.network
            length = {"seq_length": self.limit}
            preprocessor = type(self.preprocessor).from_config(self.preprocessor.get_config() | length)
            bert = Bert(preprocessor.tokenizer, encoder, preprocessor, classifier=self.classifier)
            save_checkpoint(bert, self.folder / MODEL, overwrite=True)
            self.history.save(self.folder / HISTORY)
            self._keep()

    def _best_weights(self):
        if not hasattr(self, "best"):  # of a run that was taken up after its best epoch
            now = self.model.get_weights()
            state.restore(self.folder / BEST, state.named(self.model))
            self.best = self.model.get_weights()
            self.model.set_weights(now)
        return self.best

    def _give_back(self):
        if self.train.names and len(self.train.names) == self.classifier.num_classes:
            self.classifier.class_names = self.train.names
        CONDITIONS[self.classifier] = Conditions(**self.history.run["prediction"])
        if self.model is self.classifier:
            return
        for weight, trained in zip(self.classifier.weights, self.model.weights, strict=True):
            old, new = keras.ops.convert_to_numpy(weight), keras.ops.convert_to_numpy(trained)
            if not np.array_equal(old.astype(new.dtype), new):  # what is frozen keeps the bits that a cast would lose
                weight.assign(new)


def differences(before, now):
    """The names of what differs between two descriptions of a training, of all that must be the same to resume it.

    Versions and machine may differ, and what version 0.1 did not write down yet.
    """
    ours, theirs = (json.loads(json.dumps(run)) for run in (now, {"prediction": None} | before))
    theirs["arguments"] = {"schedule": "linear"} | theirs["arguments"]
    if theirs["prediction"] is None:
        theirs["prediction"] = dict(ours["prediction"])
    for run in (ours, theirs):
        run["prediction"].pop("precision", None)  # what "auto" stands for may differ
    return [key for key in ours if key != "surroundings" and ours[key] != theirs.get(key)]

"""The model that is trained: the classifier itself, or a copy in another precision, with loss and optimizer.

And what prediction must know of a training to repeat it. Chapter: notebooks/11_fine_tuning.ipynb.
"""

import weakref
from typing import NamedTuple

import keras

from bertedu.backend import devices
from bertedu.classifier import BertClassifier, copy_encoder, copy_settings
from bertedu.fine_tuning.schedule import optimizer

POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")


class Conditions(NamedTuple):
    """What a prediction must repeat of a training.

    Args:
        max_length: int, tokens to which texts are cut.
        pairs: bool, whether the examples are pairs of texts; None if unknown.
        precision: name of the dtype policy; None for the classifier's own.
    """

    max_length: int
    pairs: bool | None = None
    precision: str | None = None


CONDITIONS = weakref.WeakKeyDictionary()
"""`Conditions` by classifier, of those that were trained or opened by `open_run` in this process."""

_COPIES = weakref.WeakKeyDictionary()  # of classifiers that predict in another precision than their own


def steps_an_epoch(train, settings):
    """How many batches the texts make."""
    return -(-len(train.rows) // settings["batch_size"])


def compiled(classifier, train, settings):
    """The classifier itself, or a copy that computes in the wanted precision, with loss and optimizer.

    It serves any number of runs with other seeds, so that the step is traced (which takes seconds) only once.

    Raises:
        ValueError: every weight is frozen, or the precision is unknown.
    """
    s = settings
    model = with_policy(classifier, policy_of(s["precision"]))
    if not model.trainable_variables:
        raise ValueError("classifier: every weight is frozen (trainable=False), so there is nothing to train.")
    steps = s["epochs"] * steps_an_epoch(train, s)
    regression = classifier.num_classes == 1
    losses, metrics = keras.losses, keras.metrics
    # Dividing by the sum of the weights keeps a batch that was filled up from counting less.
    options = {"reduction": "mean_with_sample_weight"}
    model.compile(
        optimizer(s["learning_rate"], steps, s["warm_up"], s["weight_decay"], s["clip_norm"], s["schedule"]),
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


def policy_of(precision):
    """The name of the dtype policy that `precision` stands for on this machine."""
    if precision not in ("auto", *POLICIES):
        raise ValueError(f'precision must be "auto" or one of {", ".join(POLICIES)}, got {precision!r}.')
    if precision != "auto":
        return precision
    return "mixed_bfloat16" if devices.has_accelerator() else "float32"


def with_policy(classifier, policy):
    """The classifier itself where it computes as `policy` says, or else a copy that does."""
    if classifier.network.dtype_policy.name == policy:
        return classifier
    if classifier.cls_head is not None:
        raise ValueError(f"precision={policy!r} cannot be given to a classifier with a cls_head of its own.")
    config = {name: value for name, value in classifier.get_config().items() if name not in ("network", "cls_head")}
    copy = BertClassifier(copy_encoder(classifier.network, policy), **config)
    copy.set_weights(classifier.get_weights())
    copy_settings(classifier, copy)
    return copy


def predicting(classifier, policy):
    """The classifier, or a copy of it with the same weights that computes in the precision `policy`."""
    if policy is None or classifier.network.dtype_policy.name == policy:
        return classifier
    if classifier not in _COPIES or _COPIES[classifier].network.dtype_policy.name != policy:
        _COPIES[classifier] = with_policy(classifier, policy)
    _COPIES[classifier].set_weights(classifier.get_weights())
    return _COPIES[classifier]


def limit_of(classifier, preprocessor, max_length):
    """Tokens to which texts are cut, in training and in prediction: `max_length`, or what the preprocessor says.

    Raises:
        ValueError: `max_length` is beyond the encoder's positions.
    """
    most = classifier.network.max_sequence_length
    if max_length is None:
        return min(preprocessor.seq_length or most, most)
    if isinstance(max_length, bool) or not isinstance(max_length, int) or not 3 <= max_length <= most:
        raise ValueError(f"max_length must be from 3 to {most}, the positions of the encoder; got {max_length!r}.")
    return max_length

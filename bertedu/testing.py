"""Property tests for your own attention and feed-forward classes, like scikit-learn's `check_estimator` for estimators.

They run small random examples on any Keras backend. That takes seconds, or half a minute on JAX, which compiles them.
Chapter: notebooks/13_talking_heads.ipynb.
"""

from __future__ import annotations

import dataclasses
import json
import re
import tempfile
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from bertedu.attention import MultiHeadAttention
from bertedu.bert import Bert
from bertedu.checkpoints import load, save_checkpoint
from bertedu.classifier import BertClassifier
from bertedu.encoder import BertEncoder
from bertedu.serialization import constructor_arguments
from bertedu.tokenizer import BertTokenizer

B, T, S, N, H, D, F = 2, 4, 5, 3, 2, 7, 11  # different sizes, so that exchanged axes are noticed
ATTENTION, FEEDFORWARD = "attention_cls", "feedforward_cls"
BOLD = r"\x1b\[\d*m"  # codes in Keras' messages
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmno"]
IDS = np.array([[2, 5, 6, 7, 8, 3], [2, 9, 10, 3, 0, 0], [2, 11, 5, 12, 3, 0]], "int32")  # [3, 6], padded with 0


def check_attention(cls: type[keras.layers.Layer], **options: Any) -> list[str]:
    """Check that a class can replace `MultiHeadAttention` in a `BertEncoder`.

    A class whose output depends on the positions of the tokens, not only on the tokens, must declare it with a class
    attribute: `uses_positions = True`.

    Args:
        cls: class with the constructor and the call of `MultiHeadAttention`, registered with `be.register`.
        **options: values, other than the defaults, for arguments that your constructor adds. They apply to the tests of
            a single layer; those of an encoder use the defaults, because a `BertEncoder` passes no such arguments.

    Returns:
        list of strings, the properties that were tested, all of which hold.

    Raises:
        AssertionError: a property does not hold. The message names the class, the property and what was observed.

    Example:
        >>> from bertedu.attention import TalkingHeadsAttention
        >>> check_attention(TalkingHeadsAttention)[:2]
        ['shapes of the outputs', 'extra outputs change nothing']
    """
    return _check(_Part(cls, ATTENTION, options), ATTENTION_PROPERTIES | PROPERTIES)


def check_feedforward(cls: type[keras.layers.Layer], **options: Any) -> list[str]:
    """Check that a class can replace `Feedforward` in a `BertEncoder`.

    Args:
        cls: class with the constructor and the call of `Feedforward`, registered with `be.register`.
        **options: as for `check_attention`.

    Returns:
        list of strings, the properties that were tested, all of which hold.

    Raises:
        AssertionError: as for `check_attention`.

    Example:
        >>> from bertedu.feedforward import GatedFeedforward
        >>> check_feedforward(GatedFeedforward)[0]
        'each position on its own'
    """
    return _check(_Part(cls, FEEDFORWARD, options), FEEDFORWARD_PROPERTIES | PROPERTIES)


@dataclasses.dataclass(frozen=True)
class _Part:
    """A class under test: where an encoder uses it, and arguments for a single layer."""

    cls: type[keras.layers.Layer]
    role: str
    options: Mapping[str, Any]

    def layer(self, **more: Any) -> Any:
        """Return a new layer with random weights, the same ones every time."""
        sizes = {"num_heads": N, "key_dim": H} if self.role == ATTENTION else {"inner_dim": F}
        layer = self.cls(**(sizes | dict(self.options) | more))
        layer.build((B, T, D))
        return _randomized(layer)

    def encoder(self) -> BertEncoder:
        """Return a small encoder of one layer with random weights, the same ones every time."""
        options: Any = {self.role: self.cls, "output_dropout": 0.0, "attention_dropout": 0.0}
        return _randomized(BertEncoder(len(VOCABULARY), 12, 1, 2, 10, inner_dim=13, **options))


def _check(part: _Part, properties: Mapping[str, Callable[[_Part], None]]) -> list[str]:
    for name, test in properties.items():
        try:
            test(part)
        except AssertionError as error:
            raise AssertionError(f"{part.cls.__name__}: {name}: {error}") from None
        except Exception as error:
            reason = textwrap.shorten(f"{type(error).__name__}: {re.sub(BOLD, '', str(error))}", 300)
            raise AssertionError(f"{part.cls.__name__}: {name}: expected no error, got {reason}") from error
    return list(properties)


def _randomized(layer: Any) -> Any:
    """Return the layer with random trainable weights; vectors stay near their initial values."""
    rng = np.random.default_rng(0)
    for weight in layer.trainable_weights:
        noise = rng.normal(size=weight.shape).astype("float32")
        initial = ops.convert_to_numpy(weight)
        weight.assign(initial + 0.2 * noise if noise.ndim < 2 else noise / noise.shape[0] ** 0.5)
    return layer


def _to_numpy(tensor: Any) -> np.ndarray:
    """Return a tensor of any backend and precision as a float32 array."""
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


def _tokens(length: int = T, seed: int = 1) -> np.ndarray:
    """Return random vectors `[B, length, D]`."""
    return np.random.default_rng(seed).normal(size=(B, length, D)).astype("float32")


def _require(condition: Any, expected: str, got: Any, advice: str = "") -> None:
    if not condition:
        raise AssertionError(f"expected {expected}, got {got}. {advice}".rstrip())


def _require_close(a: np.ndarray, b: np.ndarray, expected: str, tolerance: float = 1e-5, advice: str = "") -> None:
    _require(a.shape == b.shape, expected, f"shapes {list(a.shape)} and {list(b.shape)}", advice)
    difference = float(np.abs(a - b).max())
    _require(difference <= tolerance, expected, f"a difference of {difference:.2g}", advice)  # False for NaN, too


def _shapes(part: _Part) -> None:
    layer, reference = part.layer(), MultiHeadAttention(N, H)
    query, value = _tokens(T), _tokens(S)
    for flags in FLAGS:
        got, expected = (
            keras.tree.map_structure(lambda output: list(output.shape), attention(query, value, **flags))
            for attention in (layer, reference)
        )
        _require(got == expected, f"shapes {expected} with {flags}", got)


def _extra_outputs(part: _Part) -> None:
    layer = part.layer(dropout=0.5)  # which has no effect without training
    plain = _to_numpy(layer(_tokens()))
    for flags in FLAGS:
        outputs = layer(_tokens(), **flags)
        first = _to_numpy(outputs[0] if any(flags.values()) else outputs)
        _require_close(first, plain, f"the same attention output in a second call, with {flags}")


def _masked_keys(part: _Part) -> None:
    layer, query, value = part.layer(), _tokens(T), _tokens(S)
    mask = np.ones((B, T, S), "int32")
    mask[0, :, 3:] = mask[1, :, :2] = 0  # [B, T, S]; masked for all queries
    visible = mask.max(axis=1)  # [B, S]
    mask[0, 1, 0] = mask[1, 3, 4] = 0  # for one query
    for attention_mask in (visible, mask):
        output, weights = layer(query, value, attention_mask=attention_mask, return_attention_scores=True)
        hidden = 1 - attention_mask.reshape(B, 1, -1, S)  # [B, 1, 1 or T, S]
        largest = np.abs(_to_numpy(weights) * hidden).max()
        letters = "[B, S]" if attention_mask.ndim == 2 else "[B, T, S]"
        _require(largest == 0, f"weight 0 with a mask {letters}", f"{largest:.2g}", "Pass attention_mask on.")
        other_value = np.where(visible[..., None], value, _tokens(S, seed=2))
        other = _to_numpy(layer(query, other_value, attention_mask=attention_mask))
        _require_close(other, _to_numpy(output), "an output that does not depend on masked tokens")


def _head_mask(part: _Part) -> None:
    layer = part.layer()

    def output(*heads):
        mask = np.isin(np.arange(N), heads).astype("float32")  # [N], 1 for these heads
        return _to_numpy(layer(_tokens(), head_mask=mask))

    everything, nothing = _to_numpy(layer(_tokens())), output()
    _require_close(output(*range(N)), everything, "no effect of a head mask of ones")
    other_tokens = _to_numpy(layer(_tokens(seed=2), head_mask=np.zeros(N)))
    _require_close(other_tokens, nothing, "an output that does not depend on the tokens when all heads are off")
    for head in range(N):
        others = output(*(other for other in range(N) if other != head))
        _require_close(others, everything - (output(head) - nothing), f"no contribution of head {head} when it is off")


def _positions(part: _Part) -> None:
    layer, x, order = part.layer(), _tokens(), [2, 0, 3, 1]
    difference = np.abs(_to_numpy(layer(x[:, order])) - _to_numpy(layer(x))[:, order]).max()
    if getattr(part.cls, "uses_positions", False):
        _require(difference > 1e-5, "outputs that depend on positions", "none that do", "Remove uses_positions = True.")
    else:
        advice = "Declare uses_positions = True if that is intended."
        expected = "reordered tokens to give the same outputs, reordered"
        _require(difference <= 1e-5, expected, f"a difference of {difference:.2g}", advice)


def _each_position(part: _Part) -> None:
    layer, x = part.layer(), _tokens()
    output = _to_numpy(layer(x))
    _require(output.shape == x.shape, f"shape {list(x.shape)}", list(output.shape))
    for t in range(T):
        alone = _to_numpy(layer(x[:, t : t + 1]))[:, 0]
        _require_close(alone, output[:, t], "the same output for a token without its neighbors")


def _configuration(part: _Part) -> None:
    layer = part.layer()
    config = json.loads(json.dumps(layer.get_config()))
    missing = sorted(set(constructor_arguments(part.cls)) - set(config))
    advice = "Store each argument in the attribute of its name."
    _require(not missing, "every argument in get_config", f"one without {missing}", advice)
    again = part.cls.from_config(config)
    again.build((B, T, D))
    again.set_weights(layer.get_weights())
    _require_close(_to_numpy(again(_tokens())), _to_numpy(layer(_tokens())), "equal outputs after from_config", 0.0)


def _precision(part: _Part) -> None:
    exact, x = part.layer(), _tokens()
    for policy in ("mixed_bfloat16", "mixed_float16"):
        layer, dtype = part.layer(dtype=policy), policy.removeprefix("mixed_")
        masked: dict[str, Any] = {"attention_mask": np.arange(T) < [[T], [2]]} if part.role == ATTENTION else {}
        output = layer(x, **masked)
        got = keras.backend.standardize_dtype(output.dtype)
        _require(got == dtype, f"{dtype} outputs with dtype={policy!r}", got, "Cast to self.compute_dtype.")
        expected = f"the outputs of float32, up to rounding, with dtype={policy!r}"
        _require_close(_to_numpy(output), _to_numpy(exact(x, **masked)), expected, 0.1)


def _inputs(ids: np.ndarray) -> dict[str, np.ndarray]:
    return {"input_word_ids": ids, "input_mask": (ids != 0).astype("int32"), "input_type_ids": np.zeros_like(ids)}


def _padding(part: _Part) -> None:
    encoder = part.encoder()
    padded = _to_numpy(encoder(_inputs(np.pad(IDS, ((0, 0), (0, 4)))))["sequence_output"])
    for row, ids in zip(padded, IDS, strict=True):
        alone = _to_numpy(encoder(_inputs(ids[None, ids != 0]))["sequence_output"])[0]
        _require_close(row[: len(alone)], alone, "the same outputs of an encoder with and without padding")


def _file(part: _Part) -> None:
    bert = Bert(BertTokenizer(VOCABULARY), part.encoder())
    expected = _to_numpy(bert.encoder(_inputs(IDS))["sequence_output"])
    with tempfile.TemporaryDirectory() as folder:
        for format, name in (("bertedu", "model"), ("keras", "model.keras")):
            save_checkpoint(bert, Path(folder, name), format)
            got = _to_numpy(load(Path(folder, name)).encoder(_inputs(IDS))["sequence_output"])
            _require_close(got, expected, f"equal outputs after saving and loading in format {format!r}", 1e-6)


def _training(part: _Part) -> None:
    model = _randomized(BertClassifier(part.encoder(), 2, dropout_rate=0.0))
    layers = [getattr(layer, part.role.removesuffix("_cls")) for layer in model.network.transformer_layers]
    weights = {weight.path: weight for layer in layers for weight in layer.trainable_weights}
    before = {path: _to_numpy(weight) for path, weight in weights.items()}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(2e-2), loss, run_eagerly=True)  # faster than compiling for 8 steps
    losses = model.fit(_inputs(IDS), np.array([0, 1, 1]), epochs=8, verbose=0).history["loss"]
    _require(min(losses) < 0.7 * losses[0], f"a loss below 70% of the first, {losses[0]:.2g}", f"{min(losses):.2g}")
    constant = [path for path, weight in weights.items() if np.array_equal(before[path], _to_numpy(weight))]
    constant = [path for path in constant if not path.endswith("key/bias")]  # to which the softmax is invariant
    _require(not constant, "gradients for every trainable weight", f"none for {constant}")


FLAGS = [{"return_attention_scores": weights, "return_qkv": qkv} for weights in (False, True) for qkv in (False, True)]
ATTENTION_PROPERTIES: dict[str, Callable[[_Part], None]] = {
    "shapes of the outputs": _shapes,
    "extra outputs change nothing": _extra_outputs,
    "masked keys have weight 0": _masked_keys,
    "a head mask removes heads": _head_mask,
    "positions matter only if declared": _positions,
}
FEEDFORWARD_PROPERTIES: dict[str, Callable[[_Part], None]] = {"each position on its own": _each_position}
PROPERTIES: dict[str, Callable[[_Part], None]] = {
    "a configuration holds everything": _configuration,
    "precision follows the dtype policy": _precision,
    "padding is invisible": _padding,
    "a saved file gives equal outputs": _file,
    "training reaches all weights": _training,
}

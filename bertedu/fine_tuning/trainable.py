"""Which weights a run trains, by name.

    all       every weight                           last N    the last N layers, and "head"
    head      the pooler and the classification head bias      the biases, and "head"

"bias" is BitFit (Ben Zaken et al. 2022, https://arxiv.org/abs/2106.10199). Chapter: notebooks/17_few_parameters.ipynb.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from bertedu.classifier import matching_layers
from bertedu.fields import shown
from bertedu.fine_tuning.low_rank import adaptable_layers
from bertedu.fine_tuning.state import named

LAST = re.compile(r"last ([0-9]{1,4})")
LAYER = re.compile(r"encoder/layer_(\d+)/")
BIASES = ("bias", "beta")
POOLER = "encoder/pooler_transform/"


@contextlib.contextmanager
def only(model: Any, trainable: str | None, lora_targets: Sequence[str] | None = None) -> Iterator[list[str]]:
    """Inside the block, only the weights that `trainable` names are trainable. Then all are as they were before.

    The pooler is frozen if `model.uses_pooler` is False.

    Args:
        model: model with `network`, the encoder, and `classifier`, the head.
        trainable: str, as in `fine_tune`; None for the weights that are trainable now.
        lora_targets: names of layers, or "all", to get low-rank updates where `trainable` names their matrices. Then
            of the encoder's own weights, only the pooler's are trained. Defaults to None, no updates.

    Yields:
        list of the paths of the layers to get a low-rank update.

    Raises:
        ValueError: `trainable` or a target is unknown.
    """
    layers = [(layer, layer.trainable) for layer, _ in matching_layers(model, model)]
    weights = named(model)
    before = [(weight, weight.trainable) for weight in weights.values()]
    try:
        if trainable is not None:
            chosen = _chosen(model, trainable, weights)
            model.trainable = True
            for path, weight in weights.items():
                weight.trainable = path in chosen
        if not getattr(model, "uses_pooler", True):  # it has no gradient
            for path, weight in weights.items():
                weight.trainable = weight.trainable and not path.startswith(POOLER)
        paths = [] if lora_targets is None else _paths(model, trainable, lora_targets)
        if lora_targets is not None:
            for path in weights.keys() - _head(model, weights):
                weights[path].trainable = False
        yield paths
    finally:
        for layer, flag in layers:  # outer layers first, because they set those inside
            layer.trainable = flag
        for weight, flag in before:
            weight.trainable = flag


def _head(model, paths):
    """The paths of the weights of the head, and of the pooler if the head is on it."""
    parts = ("head/", POOLER) if getattr(model, "use_encoder_pooler", False) else ("head/",)
    return {path for path in paths if path.startswith(parts)}


def _chosen(model, trainable, paths):
    """The paths that `trainable` names."""
    count, last = model.network.num_layers, LAST.fullmatch(trainable) if isinstance(trainable, str) else None
    if last is not None and int(last[1]) <= count:
        first = count - int(last[1])
        body = {path for path in paths if (layer := LAYER.match(path)) and int(layer[1]) >= first}
    elif trainable == "bias":
        body = {path for path in paths if path.rpartition("/")[2] in BIASES}
    elif trainable in ("all", "head"):
        body = set(paths) if trainable == "all" else set()
    else:
        expected = f"'all', 'head', 'bias' or 'last N' with N from 0 to {count}"
        raise ValueError(f"trainable: expected {expected}, got {shown(trainable)}.")
    return body | _head(model, paths)


def _paths(model, trainable, targets):
    """The paths of the layers that get low-rank updates: the targets whose matrices are trainable."""
    layers = adaptable_layers(model.network)
    names = sorted({path.rpartition("/")[2] for path in layers})
    unknown = [] if targets == "all" else [name for name in targets if name not in names]
    if unknown:
        raise ValueError(f"lora_targets: expected 'all' or names from {names}, got {shown(unknown[0])}.")
    expected = names if targets == "all" else targets
    paths = [p for p, layer in layers.items() if p.rpartition("/")[2] in expected and layer.kernel.trainable]
    if not paths:
        expected = "None, 'all' or 'last N', whose matrices can be updated by LoRA"
        raise ValueError(f"trainable: expected {expected}, got {shown(trainable)}. To train less, leave out lora_rank.")
    return paths

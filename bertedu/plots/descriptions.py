"""Descriptions: the alt text of each kind of plot, computed from the numbers that it draws.

Each continues the plot's kind and title: "Heat map 'Layer 0'" + ": 6 tokens attend to 6 tokens. ...".
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

MAX_ROWS = 14  # beyond it, only the TOP_ROWS with the largest weights are described
TOP_ROWS = 10


def _quoted(tokens):
    """Return each token in quotes, with its position if it occurs twice."""
    tokens = list(tokens)
    return [f"'{t}'" if tokens.count(t) == 1 else f"'{t}' at position {i}" for i, t in enumerate(tokens)]


def _chained(pairs, predicate):
    """Return "'a' is nearest to 'b', 'b' to 'a'" from pairs; only the first one has the predicate."""
    (one, other), *others = pairs
    return ", ".join([f"{one} {predicate} to {other}", *(f"{a} to {b}" for a, b in others)])


def _top_keys(attention):
    """Return for `[..., T, S]` the key with the largest mean over the queries, and that mean."""
    mean = attention.mean(axis=-2)
    return mean.argmax(axis=-1), mean.max(axis=-1)


def describe_head(attention: np.ndarray, tokens: Sequence[str], queries: Sequence[str]) -> str:
    """Return each query and the key with its largest weight."""
    rows, columns = _quoted(queries), _quoted(tokens)
    order = list(range(len(rows)))
    if len(rows) > MAX_ROWS:
        order = sorted(np.argsort(-attention.max(axis=1), kind="stable")[:TOP_ROWS])
    best = attention.argmax(axis=1)
    pairs = [(rows[row], f"{columns[best[row]]} ({attention[row, best[row]]:.2f})") for row in order]
    start = f": {len(rows)} tokens attend to {len(columns)} tokens."
    signed = f" Weights range from {attention.min():.2f} to {attention.max():.2f}." if attention.min() < 0 else ""
    some = "" if len(order) == len(rows) else "The ten queries with the largest weights: "
    return f"{start}{signed} {some}{_chained(pairs, 'attends most')}."


def describe_layer(attention: np.ndarray, heads: Sequence[int], tokens: Sequence[str]) -> str:
    """Return each head and the key with the largest mean weight."""
    columns, means = _top_keys(attention)
    names = _quoted(tokens)
    parts = [f"{names[c]} ({mean:.2f}) in head {n}" for n, c, mean in zip(heads, columns, means, strict=True)]
    start = f": {len(attention)} heads of one layer over {len(tokens)} tokens."
    return f"{start} The key with the largest mean weight is {', '.join(parts)}."


def describe_model(attention: np.ndarray, tokens: Sequence[str]) -> str:
    """Return the keys with the largest mean weight, and in how many heads."""
    columns, _ = _top_keys(attention)
    names = _quoted(tokens)
    keys, counts = np.unique(columns, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:5]
    parts = [f"{names[keys[i]]} in {counts[i]}" for i in order]
    layers, heads = attention.shape[:2]
    start = f": {layers} layers of {heads} heads over {len(tokens)} tokens."
    return f"{start} Of the {layers * heads} heads, the key with the largest mean weight is {', '.join(parts)}."


def describe_values(cells: Any, name: str) -> str:
    """Return the heads with the smallest and the largest value, or the number of heads with each label.

    Args:
        cells: list of (layer, head, value); an empty one gives an empty string.
        name: str, what the values are.
    """
    values = [value for *_, value in cells]
    if not values:
        return ""
    name = f"{name[:1].upper()}{name[1:]}"
    if isinstance(values[0], str):
        return f" {name} is {', '.join(f'{label} in {values.count(label)}' for label in sorted(set(values)))}."
    extremes = [cells[i] for i in (np.argmin(values), np.argmax(values))]
    low, high = (f"{value:.3g} (layer {layer}, head {head})" for layer, head, value in extremes)
    return f" {name} ranges from {low} to {high}."


def describe_rollout(values: np.ndarray, tokens: Sequence[str], names: Sequence[str]) -> str:
    """Return for each layer what tokens keep of themselves, and the input token that contributes most on average."""
    columns, means = _top_keys(values)
    own = np.trace(values, axis1=1, axis2=2) / len(tokens)
    quoted = _quoted(tokens)
    text = "; ".join(
        f"{name}, a token keeps {own[i]:.2f} of itself, and {quoted[columns[i]]} contributes most ({means[i]:.2f})"
        for i, name in enumerate(names)
    )
    layers = f", {len(values)} layer{'s' if len(values) > 1 else ''}" if names[0] != "after all layers" else ""
    return f" of {len(tokens)} tokens{layers}. {text[:1].upper()}{text[1:]}."


def describe_lines(
    values: np.ndarray, labels: Sequence[str], names: Sequence[str], xlabel: str, ylabel: str, cut: bool = False
) -> str:
    """Return the first and last value of each line, its extremes in between, and whether the axis leaves out 0."""
    parts = []
    for label, row in zip(labels, values, strict=True):
        extremes = [("lowest", int(row.argmin())), ("highest", int(row.argmax()))]
        turns = [f"{kind} {row[i]:.2f} at {names[i]}" for kind, i in extremes if row[i] not in (row[0], row[-1])]
        between = f" ({', '.join(turns)})" if turns else ""
        parts.append(f"'{label}' goes from {row[0]:.2f} to {row[-1]:.2f}{between}")
    start = f" of {ylabel} over {xlabel}, {names[0]} to {names[-1]}."
    note = f" The axis of {ylabel} leaves out 0." if cut else ""
    return f"{start} {', '.join(parts)}.{note}"


def describe_training(means: Any, validation: Any, done: int, steps: int) -> str:
    """Return the number of steps done, the first and last mean, and the latest validation losses."""
    start = f", {done} of {steps} steps."
    training = f" The mean over the last steps goes from {means[0]:.2f} to {means[-1]:.2f}." if len(means) else ""
    points = ", ".join(f"{loss:.2f} after {step:.0f} steps" for step, loss in validation[-10:])
    return f"{start}{training}{f' The validation loss is {points}.' if points else ''}"


def describe_similarity(values: np.ndarray, labels: Sequence[str], unit: str) -> str:
    """Return each item and the one most similar to it."""
    start = f" of {unit} between {len(labels)} items."
    if len(labels) < 2:
        return start
    best = np.where(np.eye(len(values), dtype=bool), -np.inf, values).argmax(axis=1)
    names = _quoted(labels)
    pairs = [(names[row], f"{names[column]} ({values[row, column]:.2f})") for row, column in enumerate(best)]
    return f"{start} {_chained(pairs, 'is most similar')}."


def describe_similarities(values: np.ndarray, labels: Sequence[str], names: Sequence[str], unit: str) -> str:
    """Return for each matrix the mean off the diagonal, and the most similar pair."""
    start = f" of {unit} between {len(labels)} items, {len(values)} of them."
    if len(labels) < 2:
        return start
    others, items = ~np.eye(len(labels), dtype=bool), _quoted(labels)
    parts = []
    for name, matrix in zip(names, values, strict=True):
        row, column = np.unravel_index(np.where(others, matrix, -np.inf).argmax(), matrix.shape)
        pair = f"{items[row]} and {items[column]} ({matrix[row, column]:.2f})"
        parts.append(f"{name}: {matrix[others].mean():.2f}, {pair}")
    return f"{start} The mean over all pairs, and the most similar pair: {'; '.join(parts)}."


def describe_matrix(
    values: np.ndarray, rows: Sequence[str], columns: Sequence[str], xlabel: str, ylabel: str, unit: str
) -> str:
    """Return the largest value of each row."""
    names, quoted = _quoted(rows), _quoted(columns)
    highest = [f"{names[i]} at {quoted[j]} ({values[i, j]:.2f})" for i, j in enumerate(values.argmax(axis=1))]
    size = f"{len(rows)} x {len(columns)}: rows are {ylabel}, columns are {xlabel}"
    return f" of {unit}, {size}. Highest in each row: {', '.join(highest)}."


def describe_vectors(points: np.ndarray, labels: Sequence[str], groups: Any, ratio: Any) -> str:
    """Return each point and the one nearest to it."""
    part = "" if ratio is None else f" The two axes show {sum(ratio):.0%} of the variance."
    start = f" of {len(points)} points.{part}"
    if len(points) < 2:
        return start
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1) + np.diag(np.full(len(points), np.inf))
    nearest = distances.argmin(axis=1)
    names = _quoted(labels)
    same_group = sum(groups[i] == groups[n] for i, n in enumerate(nearest))
    ending = f" For {same_group} of them, the nearest point is in the same group." if any(groups) else ""
    return f"{start} {_chained([(names[i], names[n]) for i, n in enumerate(nearest)], 'is nearest')}.{ending}"

"""Descriptions: the text alternative of each kind of plot, computed from the numbers that it draws.

Each begins after the plot's kind and title: "Heat map 'Layer 0'" + ": 6 tokens look at 6 tokens. ...".
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

MAX_ROWS = 14  # of a head that are all described
CLEAREST = 10  # of a larger one


def _quoted(tokens):
    """Return each token in quotes; with its position where it occurs twice."""
    tokens = list(tokens)
    return [f"'{t}'" if tokens.count(t) == 1 else f"'{t}' at position {i}" for i, t in enumerate(tokens)]


def _chained(parts, first, rest, verb):
    """Return "Most like 'a' is 'b', like 'b' 'a'" from pairs; the words stand with the first pair only."""
    (one, other), *others = parts
    return ", ".join([f"{first} {one} {verb} {other}", *(f"{rest} {a} {b}" for a, b in others)])


def _most_seen(attention):
    """Return for `[..., T, S]` the column with the largest mean over the rows, and that mean."""
    mean = attention.mean(axis=-2)
    return mean.argmax(axis=-1), mean.max(axis=-1)


def describe_head(attention: np.ndarray, tokens: Sequence[str], queries: Sequence[str]) -> str:
    """Return each query, and the key with its largest weight."""
    rows, columns = _quoted(queries), _quoted(tokens)
    order = list(range(len(rows)))
    if len(rows) > MAX_ROWS:
        order = sorted(np.argsort(-attention.max(axis=1), kind="stable")[:CLEAREST])
    best = attention.argmax(axis=1)
    first = order[0]
    parts = [
        f"{rows[row]} {'looks most ' if row == first else ''}at {columns[best[row]]} ({attention[row, best[row]]:.2f})"
        for row in order
    ]
    start = f": {len(rows)} tokens look at {len(columns)} tokens."
    signed = f" Shares run from {attention.min():.2f} to {attention.max():.2f}." if attention.min() < 0 else ""
    some = "" if len(order) == len(rows) else "The ten with the largest share: "
    return f"{start}{signed} {some}{', '.join(parts)}."


def describe_layer(attention: np.ndarray, heads: Sequence[int], tokens: Sequence[str]) -> str:
    """Return each head, and the key with the largest weight on average."""
    columns, means = _most_seen(attention)
    names = _quoted(tokens)
    parts = [f"head {n} {names[c]} ({mean:.2f})" for n, c, mean in zip(heads, columns, means, strict=True)]
    start = f": {len(attention)} heads of a layer over {len(tokens)} tokens."
    return f"{start} Looked at most, with its mean share: {', '.join(parts)}."


def describe_model(attention: np.ndarray, tokens: Sequence[str]) -> str:
    """Return the keys with the largest weight on average, and in how many heads."""
    columns, _ = _most_seen(attention)
    names = _quoted(tokens)
    favourites, counts = np.unique(columns, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:5]
    parts = [f"{names[favourites[i]]} in {counts[i]}" for i in order]
    layers, heads = attention.shape[:2]
    start = f": {layers} layers of {heads} heads over {len(tokens)} tokens."
    return f"{start} Of the {layers * heads} heads, the token looked at most on average is {', '.join(parts)}."


def describe_values(cells: Any, name: str) -> str:
    """Return which heads have the smallest and the largest value, or how many have each label; or nothing.

    Args:
        cells: list of (layer, head, value).
    """
    values = [value for *_, value in cells]
    if not values:
        return ""
    if isinstance(values[0], str):
        return f" {name}: {', '.join(f'{label} {values.count(label)}' for label in sorted(set(values)))}."
    least, most = (
        f"{values[i]:.3g} (layer {cells[i][0]}, head {cells[i][1]})" for i in (np.argmin(values), np.argmax(values))
    )
    return f" {name}: from {least} to {most}."


def describe_rollout(values: np.ndarray, tokens: Sequence[str], names: Sequence[str]) -> str:
    """Return for each layer what tokens keep of themselves, and the input token with the largest share in all."""
    columns, means = _most_seen(values)
    keep = np.trace(values, axis1=1, axis2=2) / len(tokens)
    seen = _quoted(tokens)
    text = "; ".join(
        f"{name} a token keeps {keep[i]:.2f} of itself, and most is of {seen[columns[i]]} ({means[i]:.2f})"
        for i, name in enumerate(names)
    )
    layers = f", {len(values)} layer{'s' if len(values) > 1 else ''}" if names[0] != "after all layers" else ""
    return f" of {len(tokens)} tokens{layers}. {text[:1].upper()}{text[1:]}."


def describe_lines(values: np.ndarray, labels: Sequence[str], names: Sequence[str], xlabel: str, ylabel: str) -> str:
    """Return each line's first and last point, and its extremes between them."""
    parts = []
    for label, row in zip(labels, values, strict=True):
        extremes = [("lowest", int(row.argmin())), ("highest", int(row.argmax()))]
        turns = [f"{kind} {row[i]:.2f} at {names[i]}" for kind, i in extremes if row[i] not in (row[0], row[-1])]
        between = f" ({','.join(turns)})" if turns else ""
        parts.append(f"'{label}' goes from {row[0]:.2f} to {row[-1]:.2f}{between}")
    start = f" of {ylabel} over {xlabel}, {names[0]} to {names[-1]}."
    return f"{start} {', '.join(parts)}."


def describe_training(means: Any, validation: Any, done: int, steps: int) -> str:
    """Return how many steps are done, and first and last points of the two lines."""
    start = f", {done} of {steps} steps."
    training = f" The mean of the last steps goes from {means[0]:.2f} to {means[-1]:.2f}." if len(means) else ""
    points = ", ".join(f"{loss:.2f} after {step:.0f} steps" for step, loss in validation[-10:])
    return f"{start}{training}{f' The validation: {points}.' if points else ''}"


def describe_similarity(values: np.ndarray, labels: Sequence[str], unit: str) -> str:
    """Return each thing, and the one most similar to it."""
    start = f" of {unit} between {len(labels)} things."
    if len(labels) < 2:
        return start
    best = np.where(np.eye(len(values), dtype=bool), -np.inf, values).argmax(axis=1)
    names = _quoted(labels)
    parts = [(names[row], f"{names[column]} ({values[row, column]:.2f})") for row, column in enumerate(best)]
    return f"{start} {_chained(parts, 'Most like', 'like', 'is')}."


def describe_similarities(values: np.ndarray, labels: Sequence[str], names: Sequence[str], unit: str) -> str:
    """Return for each table the mean, and the two things that are most similar."""
    start = f" of {unit} between {len(labels)} things, {len(values)} of them."
    if len(labels) < 2:
        return start
    others, things = ~np.eye(len(labels), dtype=bool), _quoted(labels)
    parts = []
    for name, table in zip(names, values, strict=True):
        row, column = np.unravel_index(np.where(others, table, -np.inf).argmax(), table.shape)
        most = f"{things[row]} and {things[column]} ({table[row, column]:.2f})"
        parts.append(f"{name}: {table[others].mean():.2f}, {most}")
    return f"{start} The mean of two different ones, and the two most alike: {'; '.join(parts)}."


def describe_vectors(points: np.ndarray, labels: Sequence[str], groups: Any, ratio: Any) -> str:
    """Return each point, and the one nearest to it."""
    part = "" if ratio is None else f" The two axes show {sum(ratio):.0%} of the variance."
    start = f" of {len(points)} points.{part}"
    if len(points) < 2:
        return start
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1) + np.diag(np.full(len(points), np.inf))
    nearest = apart.argmin(axis=1)
    names = _quoted(labels)
    parts = [(names[i], names[n]) for i, n in enumerate(nearest)]
    together = sum(groups[i] == groups[n] for i, n in enumerate(nearest))
    ending = f" For {together} of them the nearest is of the same group." if any(groups) else ""
    return f"{start} {_chained(parts, 'Nearest to', 'to', 'is')}.{ending}"

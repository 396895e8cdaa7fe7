"""The same in words: what each kind of picture says of the numbers that it draws, for those who cannot see it."""

import numpy as np


def _titled(kind, title):
    return f"{kind} '{title}'" if title else kind


def _named(tokens):
    """Each token in quotes; with its position where it occurs twice."""
    return [f"'{t}'" if tokens.count(t) == 1 else f"'{t}' at position {i}" for i, t in enumerate(tokens)]


def head_in_words(attention, tokens, queries, title):
    """Each token that looks, and the one that it looks at most."""
    looks, seen = _named(queries), _named(tokens)
    rows = range(len(looks)) if len(looks) <= 14 else sorted(np.argsort(-attention.max(axis=1), kind="stable")[:10])
    parts = []
    for row in rows:
        best = int(attention[row].argmax())
        parts.append(f"{looks[row]} {'looks most ' if not parts else ''}at {seen[best]} ({attention[row, best]:.2f})")
    start = f"{_titled('Heat map', title)}: {len(looks)} tokens look at {len(seen)} tokens."
    negative = f" Shares run from {attention.min():.2f} to {attention.max():.2f}." if attention.min() < 0 else ""
    some = "" if len(rows) == len(looks) else "The ten with the largest share: "
    return f"{start}{negative} {some}{', '.join(parts)}."


def _most_seen(attention):
    """For `[..., T, S]` the column with the largest mean over the rows, and that mean."""
    mean = attention.mean(axis=-2)
    return mean.argmax(axis=-1), mean.max(axis=-1)


def layer_in_words(attention, tokens, title):
    """Each head, and the token that it looks at most on average."""
    columns, means = _most_seen(attention)
    names = _named(tokens)
    parts = [f"head {n} {names[column]} ({means[n]:.2f})" for n, column in enumerate(columns)]
    start = f"{_titled('Heat maps', title)}: {len(attention)} heads of a layer over {len(tokens)} tokens."
    return f"{start} Looked at most, with its mean share: {', '.join(parts)}."


def model_in_words(attention, tokens, title):
    """The tokens that most heads look at, and how many heads do."""
    columns, _ = _most_seen(attention)
    names = _named(tokens)
    favourites, counts = np.unique(columns, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:5]
    parts = [f"{names[favourites[i]]} in {counts[i]}" for i in order]
    layers, heads = attention.shape[:2]
    start = f"{_titled('Grid of heat maps', title)}: {layers} layers of {heads} heads over {len(tokens)} tokens."
    return f"{start} Of the {layers * heads} heads, the token looked at most on average is {', '.join(parts)}."


def rollout_in_words(values, tokens, names, title):
    """For each layer what tokens keep of themselves, and the input token that there is most of in all of them."""
    columns, means = _most_seen(values)
    keep = np.trace(values, axis1=1, axis2=2) / len(tokens)
    seen = _named(tokens)
    parts = [f"{name} a token keeps {keep[i]:.2f} of itself, and most is of {seen[columns[i]]} ({means[i]:.2f})"
             for i, name in enumerate(names)]  # fmt: skip
    layers = f", {len(values)} layer{'s' if len(values) > 1 else ''}" if names[0] != "after all layers" else ""
    start = f"{_titled('Rollout', title)} of {len(tokens)} tokens{layers}."
    return f"{start} {_capital('; '.join(parts))}."


def lines_in_words(values, labels, names, xlabel, ylabel, title):
    """Each line from its first to its last point, and its turns between them."""
    parts = []
    for label, row in zip(labels, values, strict=True):
        low, high = int(row.argmin()), int(row.argmax())
        inner = [("lowest", low), ("highest", high)]
        turns = [f"{kind} {row[i]:.2f} at {names[i]}" for kind, i in inner if row[i] not in (row[0], row[-1])]
        parts.append(f"'{label}' goes from {row[0]:.2f} to {row[-1]:.2f}{f' ({chr(44).join(turns)})' if turns else ''}")
    start = f"{_titled('Line plot', title)} of {ylabel} over {xlabel}, {names[0]} to {names[-1]}."
    return f"{start} {', '.join(parts)}."


def training_in_words(means, judged, done, steps, title):
    """How far the training is, and where the two lines began and are."""
    start = f"{_titled('Loss of a training', title)}, {done} of {steps} steps."
    training = f" The mean of the last steps goes from {means[0]:.2f} to {means[-1]:.2f}." if len(means) else ""
    points = ", ".join(f"{loss:.2f} after {step:.0f} steps" for step, loss in judged[-10:])
    return f"{start}{training}{f' The validation: {points}.' if points else ''}"


def similarity_in_words(values, labels, unit, title):
    """Each thing, and the one most like it."""
    start = f"{_titled('Heat map', title)} of {unit} between {len(labels)} things."
    if len(labels) < 2:
        return start
    others = np.where(np.eye(len(values), dtype=bool), -np.inf, values)
    names = _named(labels)
    parts = []
    for row, best in enumerate(others.argmax(axis=1)):
        verb = " is" if row == 0 else ""
        parts.append(
            f"{'Most like' if row == 0 else 'like'} {names[row]}{verb} {names[best]} ({values[row, best]:.2f})"
        )
    return f"{start} {', '.join(parts)}."


def similarities_in_words(values, labels, names, unit, title):
    """For each table the mean, and the two things that are most alike."""
    start = f"{_titled('Heat maps', title)} of {unit} between {len(labels)} things, {len(values)} of them."
    if len(labels) < 2:
        return start
    others, things = ~np.eye(len(labels), dtype=bool), _named(labels)
    parts = []
    for name, table in zip(names, values, strict=True):
        row, column = np.unravel_index(np.where(others, table, -np.inf).argmax(), table.shape)
        most = f"{things[row]} and {things[column]} ({table[row, column]:.2f})"
        parts.append(f"{name}: {table[others].mean():.2f}, {most}")
    return f"{start} The mean of two different ones, and the two most alike: {'; '.join(parts)}."


def _capital(text):
    return text[:1].upper() + text[1:]


def vectors_in_words(points, labels, groups, shares, title):
    """Each point, and the one nearest to it."""
    part = "" if shares is None else f" The two axes show {sum(shares):.0%} of the variance."
    start = f"{_titled('Scatter plot', title)} of {len(points)} points.{part}"
    if len(points) < 2:
        return start
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1) + np.diag(np.full(len(points), np.inf))
    nearest = apart.argmin(axis=1)
    names = _named(labels)
    parts = [
        f"{'Nearest to ' if i == 0 else 'to '}{names[i]}{' is' if i == 0 else ''} {names[n]}"
        for i, n in enumerate(nearest)
    ]
    together = sum(groups[i] == groups[n] for i, n in enumerate(nearest))
    ending = f" For {together} of them the nearest is of the same group." if any(groups) else ""
    return f"{start} {', '.join(parts)}.{ending}"

"""Names of weights: each format has one table of them, by our layers, which is read in both directions.

    our layer                              its name there, here in Hugging Face's directories
    self_attention/query                   attention.self.query
    -> its weights: .../query/kernel       attention.self.query.weight
                    .../query/bias         attention.self.query.bias

Chapter: notebooks/10_checkpoints.ipynb.
"""

from __future__ import annotations


def leaves(layer: str) -> tuple[str, ...]:
    """Return the names of the weights of one of our layers, by its path.

    Example:
        >>> leaves("embeddings/layer_norm"), leaves("feedforward/output")
        (('gamma', 'beta'), ('kernel', 'bias'))
    """
    if layer.endswith("norm"):
        return "gamma", "beta"
    if layer.startswith("embeddings/") and not layer.endswith("projection"):
        return ("embeddings",)
    return "kernel", "bias"


def weight_names(layers: dict[str, str], names: dict[str, str], separator: str = "/") -> dict[str, str]:
    """Return the names of all weights of some layers: dict, our path -> name in the format.

    Args:
        layers: dict, path of our layer -> its name in the format.
        names: dict, our name of a weight ("kernel") -> the format's ("weight").
        separator: what stands between the name of a layer and of its weight there.

    Example:
        >>> weight_names({"classifier/logits": "classifier"}, {"kernel": "weight", "bias": "bias"}, ".")
        {'classifier/logits/kernel': 'classifier.weight', 'classifier/logits/bias': 'classifier.bias'}
    """
    return {
        f"{layer}/{leaf}": f"{name}{separator}{names[leaf]}" for layer, name in layers.items() for leaf in leaves(layer)
    }


def reversed_table(table: dict[str, str]) -> dict[str, str]:
    """Return a table of names the other way round; of several names for one thing, the first counts."""
    return {value: key for key, value in reversed(table.items())}

"""Names of weights: each format has one table of them, by our layers, which is read in both directions.

    our layer                   its name there, here in Hugging Face's directories
    self_attention/query        attention.self.query
    and so its weights:
    self_attention/query/kernel attention.self.query.weight
    self_attention/query/bias   attention.self.query.bias

Chapter: notebooks/10_checkpoints.ipynb.
"""

import re
from collections.abc import Callable

GOOGLE = {
    "embeddings/word_embeddings": "embeddings/word_embeddings",
    "embeddings/position_embedding": "embeddings/position_embeddings",
    "embeddings/type_embeddings": "embeddings/token_type_embeddings",
    "embeddings/layer_norm": "embeddings/LayerNorm",
    "pooler_transform": "pooler/dense",
}
GOOGLE_MASKED_LM = {
    "masked_lm/transform": "cls/predictions/transform/dense",
    "masked_lm/layer_norm": "cls/predictions/transform/LayerNorm",
}
GOOGLE_LAYER = {
    "self_attention/query": "attention/self/query",
    "self_attention/key": "attention/self/key",
    "self_attention/value": "attention/self/value",
    "self_attention/attention_output": "attention/output/dense",
    "self_attention_layer_norm": "attention/output/LayerNorm",
    "feedforward/intermediate": "intermediate/dense",
    "feedforward/output": "output/dense",
    "output_layer_norm": "output/LayerNorm",
}
"""Our layers -> google-research/bert's; Hugging Face took the names over, and put dots for the slashes."""


class Names:
    """The names of all weights in a format.

    Args:
        outside: dict, path of a weight of ours that is in no transformer layer -> its name.
        inside: dict, path of a weight within one of our transformer layers -> its name within a layer.
        layer: function of the number of a transformer layer that returns how the names of its weights begin.
        layers: pattern of a name within a transformer layer; its groups are the number (None for 0) and the rest.
        other_outside, other_inside: further names of the same weights, which are read and not written.

    Example:
        >>> inside = weight_names({"feedforward/output": "output"}, {"kernel": ".w", "bias": ".b"})
        >>> names = Names({}, inside, "layer.{}.".format, r"layer\\.([0-9]+)\\.(.+)")
        >>> names.name("layer_3/feedforward/output/bias"), names.path("layer.3.output.b")
        ('layer.3.output.b', 'layer_3/feedforward/output/bias')
    """

    def __init__(
        self,
        outside: dict[str, str],
        inside: dict[str, str],
        layer: Callable[[int], str],
        layers: str,
        other_outside: dict[str, str] | None = None,
        other_inside: dict[str, str] | None = None,
    ):
        self.outside, self.inside, self.layer, self.layers = outside, inside, layer, re.compile(layers)
        self._outside = {name: path for table in (other_outside or {}, outside) for path, name in table.items()}
        self._inside = {name: path for table in (other_inside or {}, inside) for path, name in table.items()}

    def name(self, path: str) -> str:
        """Return the name of a weight of ours; its path if the format has none, as messages need it."""
        layer, _, rest = path.partition("/")
        if layer.startswith("layer_"):
            return self.layer(int(layer.removeprefix("layer_"))) + self.inside.get(rest, rest)
        return self.outside.get(path, path)

    def path(self, name: str, first_layer: int = 0) -> str | None:
        """Return our path of the weight that is called `name`, or None. Layers are counted from `first_layer`."""
        layer = self.layers.fullmatch(name)
        if layer is None:
            return self._outside.get(name)
        rest = self._inside.get(layer[2])
        return rest and f"layer_{int(layer[1] or 0) - first_layer}/{rest}"


def weight_names(layers: dict[str, str], leaves: dict[str, str]) -> dict[str, str]:
    """Return the names of all weights of some layers: dict, our path -> name.

    Args:
        layers: dict, path of our layer -> its name.
        leaves: dict, our name of a weight ("kernel") -> how the format's name of it ends (".weight").

    Example:
        >>> weight_names({"classifier/logits": "classifier"}, {"kernel": ".weight", "bias": ".bias"})
        {'classifier/logits/kernel': 'classifier.weight', 'classifier/logits/bias': 'classifier.bias'}
    """
    return {f"{layer}/{leaf}": name + leaves[leaf] for layer, name in layers.items() for leaf in leaves_of(layer)}


def leaves_of(layer: str) -> tuple[str, ...]:
    """Return the names of the weights of one of our layers, by its path.

    Example:
        >>> leaves_of("embeddings/layer_norm"), leaves_of("feedforward/output")
        (('gamma', 'beta'), ('kernel', 'bias'))
    """
    if layer.endswith("norm"):
        return "gamma", "beta"
    if layer.startswith("embeddings/") and not layer.endswith("projection"):
        return ("embeddings",)
    return "kernel", "bias"

"""Names of weights: one table for each format, from layers of bertedu to the format's names, used in both directions.

    layer                       in Hugging Face's directories
    self_attention/query        attention.self.query
    and its weights:
    self_attention/query/kernel attention.self.query.weight
    self_attention/query/bias   attention.self.query.bias

The layers are the keys of `GOOGLE`, `GOOGLE_MASKED_LM` and `GOOGLE_LAYER`; `strict.model_shapes` returns the paths of
all weights. `masked_lm/output_bias` belongs to no layer: add it to `Names` itself.

Chapter: notebooks/11_checkpoints.ipynb.
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
"""Layer -> its name in google-research/bert. Hugging Face uses the same names, with dots instead of slashes."""


class Names:
    """The names of all weights in a format.

    Args:
        global_names: dict, path of a weight outside of the transformer layers -> its name.
        layer_names: dict, path of a weight within a transformer layer -> its name within the layer.
        layer_prefix: function of the index of a transformer layer that returns the prefix of its weights' names.
        layer_pattern: regular expression of a name in a transformer layer; its groups are the index (None means 0) and
            the name within the layer.
        other_globals, other_layers: further names of the same weights, which are read but not written.

    Example:
        >>> layer_names = weight_names({"feedforward/output": "output"}, {"kernel": ".w", "bias": ".b"})
        >>> names = Names({}, layer_names, "layer.{}.".format, r"layer\\.([0-9]+)\\.(.+)")
        >>> names.name("layer_3/feedforward/output/bias"), names.path("layer.3.output.b")
        ('layer.3.output.b', 'layer_3/feedforward/output/bias')
    """

    def __init__(
        self,
        global_names: dict[str, str],
        layer_names: dict[str, str],
        layer_prefix: Callable[[int], str],
        layer_pattern: str,
        other_globals: dict[str, str] | None = None,
        other_layers: dict[str, str] | None = None,
    ):
        self.global_names, self.layer_names = global_names, layer_names
        self.layer_prefix, self.layer_pattern = layer_prefix, re.compile(layer_pattern)
        self._global_paths = {n: path for names in (other_globals or {}, global_names) for path, n in names.items()}
        self._layer_paths = {n: path for names in (other_layers or {}, layer_names) for path, n in names.items()}

    def name(self, path: str) -> str:
        """Return the name of the weight `path`, or `path` itself if the format has none (for error messages)."""
        layer, _, rest = path.partition("/")
        if layer.startswith("layer_"):
            return self.layer_prefix(int(layer.removeprefix("layer_"))) + self.layer_names.get(rest, rest)
        return self.global_names.get(path, path)

    def path(self, name: str, first_layer: int = 0) -> str | None:
        """Return the path of the weight called `name`, or None. `first_layer` is the index of layer 0 in the names."""
        match = self.layer_pattern.fullmatch(name)
        if match is None:
            return self._global_paths.get(name)
        rest = self._layer_paths.get(match[2])
        return rest and f"layer_{int(match[1] or 0) - first_layer}/{rest}"


def weight_names(layers: dict[str, str], leaves: dict[str, str]) -> dict[str, str]:
    """Return the names of all weights of some layers: dict, path -> name.

    Args:
        layers: dict, path of a layer -> its name in the format.
        leaves: dict, "kernel", "bias", "gamma", "beta" and "embeddings" -> the end of their names (".weight").

    Example:
        >>> weight_names({"classifier/logits": "classifier"}, {"kernel": ".weight", "bias": ".bias"})
        {'classifier/logits/kernel': 'classifier.weight', 'classifier/logits/bias': 'classifier.bias'}
    """
    return {f"{layer}/{leaf}": name + leaves[leaf] for layer, name in layers.items() for leaf in leaves_of(layer)}


def leaves_of(layer: str) -> tuple[str, ...]:
    """Return the names of the weights of a layer.

    Example:
        >>> leaves_of("embeddings/layer_norm"), leaves_of("feedforward/output")
        (('gamma', 'beta'), ('kernel', 'bias'))
    """
    if layer.endswith("norm"):
        return "gamma", "beta"
    if layer.startswith("embeddings/") and not layer.endswith("projection"):
        return ("embeddings",)
    return "kernel", "bias"

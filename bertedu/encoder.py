"""BERT's encoder: embeddings, L transformer layers, and a pooler for the vector of the first token.

    x_0 = embeddings(ids, types);   x_i = transformer_i(x_{i-1}, mask);   pooled = tanh(x_L[0] W + b)

Devlin et al. 2018 (https://arxiv.org/abs/1810.04805), section 3. Chapter: notebooks/06_encoder.ipynb.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from bertedu import checks, defaults
from bertedu.aliases import also_spelled
from bertedu.attention import MultiHeadAttention
from bertedu.backend.repeated import shared
from bertedu.embeddings import BertEmbeddings
from bertedu.feedforward import Feedforward
from bertedu.inputs import DENSE_INPUTS, INPUTS, native_inputs
from bertedu.outputs import ForwardPass, select
from bertedu.serialization import ConfigFromSignature
from bertedu.sites import Sites, numbered, site
from bertedu.transformer import TransformerEncoder

V1_SPELLINGS = {
    "intermediate_size": "inner_dim",
    "activation": "inner_activation",
    "dropout_rate": "output_dropout",
    "attention_dropout_rate": "attention_dropout",
}
V1_IGNORED = ("dict_outputs", "return_all_encoder_outputs")
"""Names and unused arguments of tf-models' `BertEncoder`, which `BertEncoderV2` and this package accept too."""


@keras.saving.register_keras_serializable(package="bertedu")
class BertEncoder(ConfigFromSignature, keras.layers.Layer):
    """A bidirectional transformer encoder, with the arguments of tf-models' `BertEncoderV2`.

    The defaults are those of BERT-Base, except for `type_vocab_size`, which is tf-models' 16 (2 in the published
    BERTs). The names of tf-models' first version are accepted too: `intermediate_size`, `activation`, `dropout_rate`,
    `attention_dropout_rate`; `dict_outputs` and `return_all_encoder_outputs` have no effect.

    Args:
        vocab_size: int, size V of the vocabulary.
        hidden_size: int, hidden size D, a multiple of `num_attention_heads`.
        num_layers: int, number of layers L.
        num_attention_heads: int, number of attention heads N per layer.
        max_sequence_length: int, number of position embeddings, the maximum length of a sequence.
        type_vocab_size: int, number of type (segment) embeddings.
        inner_dim: int, intermediate size F of the feed-forward networks; or a list of L, one for each layer.
        inner_activation: Keras activation of the intermediate layer. Defaults to BERT's, `defaults.gelu_tanh`.
        output_dropout: float in [0, 1), dropout rate of embeddings, attention outputs and feed-forward outputs.
        attention_dropout: float in [0, 1), dropout rate of the attention weights.
        initializer: Keras initializer of all kernels and embedding tables. Defaults to a normal distribution with
            standard deviation 0.02, truncated at two standard deviations.
        output_range: int, compute the last layer only at positions [0, output_range). A negative number counts from the
            end. Defaults to None, which like 0 means all positions.
        embedding_width: int, width W of the embedding tables. If it is not `hidden_size`, a projection W -> D follows
            (factorized embeddings). Defaults to `hidden_size`.
        embedding_layer: embedding layer to share; its `embeddings` `[V, W]` are used as the word embedding table.
            Defaults to None: a new table is created.
        norm_first: bool, pre-norm instead of post-norm.
        with_dense_inputs: bool, include the dense inputs in `BertEncoder.inputs`. A call accepts them in any case.
        return_attention_scores: bool, return `attention_scores` by default.
        layer_norm_epsilon: float, epsilon of all layer normalizations. Defaults to 1e-12, as in all published BERTs.
        attention_cls, feedforward_cls: classes of attention and feed-forward network; see `TransformerEncoder`.
        pruned_heads: dict, layer -> list of the heads that it lacks (see `be.prune`). The others keep their size and,
            in `head_mask`, their numbers. Defaults to None: every layer has N heads.

    Call arguments:
        inputs: dict with ids, mask (zero at padding) and types, integers `[B, T]`, under the names of tf-models,
            KerasHub or Hugging Face (see `bertedu.inputs.DIALECTS`). Optional: `input_word_embeddings` `[B, T, W]`,
            which replaces the lookup of the ids; `dense_inputs` `[B, T2, W]` with `dense_mask` and `dense_type_ids`
            `[B, T2]`, appended to the word embeddings.
        head_mask: `[L, N]`, multiplies the contribution of each head: 0 switches it off. Defaults to 1 for all heads.
        return_attention_scores: bool, return `attention_scores`. Defaults to the constructor's value.
        return_embedding_output: bool, return `embedding_output`.
        return_qkv: bool, return `queries`, `keys` and `values`.
        edit: dict, name of a site, as "layer_3/attention_scores" -> function of its tensor, or a tensor to replace it
            by, of the same shape. Defaults to no edits. docs/interventions.md has all sites and their shapes.
        return_sites: names of sites; each is added to the outputs under its name, as it is after the edits.
        training: bool, whether to apply dropout.

    Returns:
        dict of outputs. `attention_scores`, `embedding_output`, and `queries`, `keys` and `values` are included only if
        requested:
            `sequence_output`: `[B, T, D]`, output of the last layer.
            `pooled_output`: `[B, D]`.
            `encoder_outputs`: list of L `[B, T, D]`, outputs of all layers.
            `attention_scores`: list of L `[B, N, T, S]`, attention weights before dropout and `head_mask`.
            `embedding_output`: `[B, T, D]`, input of the first layer.
            `queries`, `keys`, `values`: lists of L `[B, N, T, H]`.
        A layer with pruned heads has a smaller N, the number of its `remaining_heads`.
        With `output_range`, the last layer's outputs have a smaller T; its `keys` and `values` keep the full length.

    Raises:
        ValueError: `hidden_size` is not a multiple of `num_attention_heads`, `inner_dim` or `pruned_heads` does not fit
            the layers, an argument is passed under two names, an input or the result of an edit is missing, unknown or
            has the wrong shape, or a site is unknown.

    Example:
        >>> encoder = BertEncoder(vocab_size=20, hidden_size=6, num_layers=2, num_attention_heads=2, inner_dim=12)
        >>> ids = keras.ops.array([[2, 5, 6, 3]])
        >>> outputs = encoder({"input_word_ids": ids, "input_mask": ids > 0, "input_type_ids": ids * 0})
        >>> tuple(outputs["sequence_output"].shape), tuple(outputs["pooled_output"].shape)
        ((1, 4, 6), (1, 6))
    """

    @also_spelled(V1_SPELLINGS, ignored=V1_IGNORED)
    def __init__(
        self,
        vocab_size: int,
        hidden_size: int = 768,
        num_layers: int = 12,
        num_attention_heads: int = 12,
        max_sequence_length: int = 512,
        type_vocab_size: int = 16,
        inner_dim: int | Sequence[int] = 3072,
        inner_activation: Any = defaults.gelu_tanh,
        output_dropout: float = defaults.DROPOUT,
        attention_dropout: float = defaults.DROPOUT,
        initializer: Any = None,
        output_range: int | None = None,
        embedding_width: int | None = None,
        embedding_layer: keras.layers.Layer | None = None,
        norm_first: bool = False,
        with_dense_inputs: bool = False,
        return_attention_scores: bool = False,
        *,
        layer_norm_epsilon: float = defaults.LAYER_NORM_EPSILON,
        attention_cls: type[keras.layers.Layer] = MultiHeadAttention,
        feedforward_cls: type[keras.layers.Layer] = Feedforward,
        pruned_heads: Mapping[int, Sequence[int]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_layers = checks.whole_number("num_layers", num_layers)
        self.num_attention_heads = checks.whole_number("num_attention_heads", num_attention_heads)
        self.max_sequence_length = max_sequence_length
        self.type_vocab_size = type_vocab_size
        self.inner_dim = tuple(inner_dim) if isinstance(inner_dim, list | tuple) else inner_dim
        self.inner_activation = keras.activations.get(inner_activation)
        self.output_dropout = output_dropout
        self.attention_dropout = attention_dropout
        self.initializer = keras.initializers.get(initializer or defaults.initializer())
        self.output_range = output_range
        self.embedding_width = embedding_width or hidden_size
        self.embedding_layer = embedding_layer
        self.norm_first = norm_first
        self.with_dense_inputs = with_dense_inputs
        self.return_attention_scores = return_attention_scores
        self.layer_norm_epsilon = layer_norm_epsilon
        self.attention_cls = attention_cls
        self.feedforward_cls = feedforward_cls
        self.pruned_heads = (
            checks.indices_by_layer("pruned_heads", pruned_heads, [num_attention_heads] * num_layers) or None
        )
        if hidden_size % num_attention_heads:
            expected = f"a multiple of num_attention_heads={num_attention_heads}"
            raise ValueError(f"hidden_size: expected {expected}, got {hidden_size}. Change one of the two.")
        self._create_layers()
        self.build()  # every size is known, so the weights exist from the start

    def _create_layers(self):
        self.embeddings = BertEmbeddings(
            self.vocab_size,
            self.hidden_size,
            self.max_sequence_length,
            self.type_vocab_size,
            self.embedding_width,
            self.embedding_layer,
            dropout=self.output_dropout,
            layer_norm_epsilon=self.layer_norm_epsilon,
            initializer=self.initializer,
            dtype=self.dtype_policy,
            name="embeddings",
        )
        sizes = layer_sizes(self.num_layers, self.num_attention_heads, self.inner_dim, self.pruned_heads)
        self.transformer_layers = [
            TransformerEncoder(
                inner_dim,
                num_heads,
                dropout=self.output_dropout,
                activation=self.inner_activation,
                layer_norm_epsilon=self.layer_norm_epsilon,
                kernel_initializer=self.initializer,
                normalize_first=self.norm_first,
                attention_dropout=self.attention_dropout,
                attention_cls=self.attention_cls,
                feedforward_cls=self.feedforward_cls,
                key_dim=self.hidden_size // self.num_attention_heads,
                dtype=self.dtype_policy,
                name=f"layer_{i}",
            )
            for i, (num_heads, inner_dim) in enumerate(sizes)
        ]
        self.pooler_layer = defaults.dense(
            self.hidden_size, "pooler_transform", self.initializer, self.dtype_policy, activation="tanh"
        )

    def build(self, input_shape: Any = None) -> None:
        """Create the weights of all layers. No input shape is needed."""
        self.embeddings.build()
        for layer in self.transformer_layers:
            layer.build((None, None, self.hidden_size))
        self.pooler_layer.build((None, self.hidden_size))

    def call(
        self,
        inputs: Mapping[str, Any],
        head_mask: Any = None,
        return_attention_scores: bool | None = None,
        *,
        return_embedding_output: bool = False,
        return_qkv: bool = False,
        edit: Mapping[str, Any] | None = None,
        return_sites: Sequence[str] = (),
        training: bool | None = None,
    ) -> dict[str, Any]:
        """Return the dict of outputs that the class describes."""
        with Sites(edit, return_sites) as sites:
            computed = self._forward(native_inputs(inputs), self._remaining(head_mask), return_qkv, training)
        if return_attention_scores is None:
            return_attention_scores = self.return_attention_scores
        outputs = select(
            computed,
            return_attention_scores=return_attention_scores,
            return_embedding_output=return_embedding_output,
            return_qkv=return_qkv,
        )
        return outputs | sites.tensors

    def _forward(self, inputs, head_mask, return_qkv, training):
        x = embedding_output = site("embedding_output", self._embed(inputs, training))  # [B, T, D]
        input_mask = self._input_mask(inputs)  # [B, T]
        layer_outputs, attention_scores, qkv = [], [], []
        for i, layer in numbered(shared(self.transformer_layers)):
            x, scores, *optional = layer(
                x,
                padding_mask=input_mask,
                head_mask=None if head_mask is None else head_mask[i],
                output_range=self.output_range if i == self.num_layers - 1 else None,
                return_attention_scores=True,
                return_qkv=return_qkv,
                training=training,
            )  # [B, T, D], [B, N, T, S], and (q, k, v) if requested
            layer_outputs.append(x)
            attention_scores.append(scores)
            qkv += optional
        pooled_output = site("pooled_output", self.pooler_layer(x[:, 0]))  # [B, D]
        return ForwardPass(embedding_output, layer_outputs, attention_scores, qkv, pooled_output)

    @property
    def remaining_heads(self) -> list[list[int]]:
        """List of L lists: the heads of each layer, by their numbers from 0 to N - 1 before pruning."""
        pruned, heads = self.pruned_heads or {}, range(self.num_attention_heads)
        return [[head for head in heads if head not in pruned.get(i, ())] for i in range(self.num_layers)]

    def _remaining(self, head_mask):
        """Return the part of a `head_mask` that concerns each layer's remaining heads."""
        if head_mask is None or not self.pruned_heads:
            return head_mask
        return [ops.take(head_mask[i], heads, axis=0) for i, heads in enumerate(self.remaining_heads)]

    def _embed(self, inputs, training):
        return self.embeddings(
            inputs.get("input_word_ids"),
            inputs["input_type_ids"],
            word_embeddings=inputs.get("input_word_embeddings"),
            dense_inputs=inputs.get("dense_inputs"),
            dense_type_ids=inputs.get("dense_type_ids"),
            training=training,
        )

    def _input_mask(self, inputs):
        if "dense_mask" not in inputs:
            return inputs["input_mask"]
        masks = [ops.cast(inputs[name], "bool") for name in ("input_mask", "dense_mask")]
        return ops.concatenate(masks, axis=1)  # [B, T + T2]

    @functools.cached_property
    def inputs(self) -> dict[str, keras.KerasTensor]:
        """Symbolic inputs by name, for functional models: `keras.Model(encoder.inputs, encoder(encoder.inputs))`."""
        names = (*INPUTS, *DENSE_INPUTS) if self.with_dense_inputs else INPUTS
        return {
            name: keras.Input((None, self.embedding_width), name=name)
            if name == "dense_inputs"
            else keras.Input((None,), dtype="int32", name=name)
            for name in names
        }

    def get_embedding_layer(self) -> keras.layers.Layer:
        """Return the layer that holds the word embedding table."""
        return self.embeddings.word_embeddings

    def get_embedding_table(self) -> Any:
        """Return the word embedding table, `[V, W]`."""
        return self.get_embedding_layer().embeddings


def layer_sizes(
    num_layers: int,
    num_attention_heads: int,
    inner_dim: int | Sequence[int],
    pruned_heads: Mapping[int, Sequence[int]] | None = None,
) -> list[tuple[int, int]]:
    """Return the number of heads and the intermediate size of each layer of an encoder, from its arguments.

    Raises:
        ValueError: `inner_dim` or `pruned_heads` does not fit the layers.

    Example:
        >>> layer_sizes(2, 4, 12, {1: [0, 3]})
        [(4, 12), (2, 12)]
    """
    pruned = checks.indices_by_layer("pruned_heads", pruned_heads, [num_attention_heads] * num_layers)
    inner_dims = inner_dim if isinstance(inner_dim, list | tuple) else [inner_dim] * num_layers
    if len(inner_dims) != num_layers:
        expected = f"an int, or a list of {num_layers}, one for each layer"
        raise ValueError(f"inner_dim: expected {expected}, got a list of {len(inner_dims)}.")
    return [(num_attention_heads - len(pruned.get(i, ())), inner) for i, inner in enumerate(inner_dims)]

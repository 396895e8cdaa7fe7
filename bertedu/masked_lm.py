"""The masked language model: hide a few tokens, and ask the encoder what stood there.

    h = LayerNorm(activation(x_L[masked positions] W + b));   logits = h E^T + c      (E is the word table, once more)

Devlin et al. 2018 (https://arxiv.org/abs/1810.04805), section 3.1, task 1. Chapter: notebooks/08_masked_lm.ipynb.
"""

import keras
import numpy as np
from keras import ops

from bertedu import defaults

IGNORED = 0  # what stands in the padding of positions and ids; their weight is 0


@keras.saving.register_keras_serializable(package="bertedu")
class MaskedLM(keras.layers.Layer):
    """What each masked position might have been: a score for every token of the vocabulary.

    The last step multiplies with the encoder's own word table ("tied"), so that the head adds few weights.

    Args:
        embedding_table: the layer that holds the word table `[V, W]` in `.embeddings`: `encoder.get_embedding_layer()`.
        activation: Keras activation of the hidden layer (None: linear, tf-models' default; the published BERTs use
            their encoder's GELU).
        initializer: Keras initializer of the hidden layer.
        output: "logits", or "predictions" for their log-softmax.
        layer_norm_epsilon: float.

    Call arguments:
        sequence_data: `[B, T, D]`, the encoder's sequence output.
        masked_positions: integers `[B, M]`, each below T.

    Returns:
        `[B, M, V]`.

    Raises:
        ValueError: another `output`, or a table that is not one.

    Example:
        >>> table = keras.layers.Embedding(20, 6)
        >>> table.build()
        >>> tuple(MaskedLM(table)(keras.ops.ones((2, 5, 6)), keras.ops.array([[1], [3]])).shape)
        (2, 1, 20)
    """

    def __init__(
        self,
        embedding_table,
        activation=None,
        initializer="glorot_uniform",
        output="logits",
        layer_norm_epsilon=defaults.LAYER_NORM_EPSILON,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if output not in ("logits", "predictions"):
            raise ValueError(f'output must be "logits" or "predictions", got {output!r}.')
        if not isinstance(embedding_table, keras.layers.Layer):
            raise ValueError(
                "embedding_table must be the layer that holds the word table, as encoder.get_embedding_layer() "
                f"returns it; got {type(embedding_table).__name__}."
            )
        self.embedding_table = embedding_table
        self.activation = keras.activations.get(activation)
        self.initializer = defaults.get_initializer(initializer)
        self.output_kind = output
        self.layer_norm = keras.layers.LayerNormalization(
            epsilon=layer_norm_epsilon, dtype=self.dtype_policy, name="layer_norm"
        )

    def build(self, sequence_data_shape, masked_positions_shape=None):
        if not self.embedding_table.built:
            self.embedding_table.build()
        vocab_size, width = self.embedding_table.embeddings.shape
        self.dense = keras.layers.Dense(
            width,
            kernel_initializer=defaults.fresh(self.initializer),
            dtype=self.dtype_policy,
            name="transform",
        )
        self.dense.build(sequence_data_shape)
        self.layer_norm.build((None, None, width))
        self.bias = self.add_weight(shape=(vocab_size,), initializer="zeros", name="output_bias")

    def call(self, sequence_data, masked_positions):
        positions = ops.cast(masked_positions, "int32")[:, :, None]  # [B, M, 1]
        chosen = ops.take_along_axis(sequence_data, positions, axis=1)  # [B, M, D]
        hidden = self.layer_norm(self.activation(self.dense(chosen)))  # [B, M, W]
        table = ops.cast(self.embedding_table.embeddings, hidden.dtype)  # [V, W]
        logits = ops.matmul(hidden, ops.transpose(table)) + self.bias  # [B, M, V]
        return logits if self.output_kind == "logits" else ops.log_softmax(logits, axis=-1)

    def get_config(self):
        return super().get_config() | {
            "embedding_table": defaults.serialize(self.embedding_table),
            "activation": keras.activations.serialize(self.activation),
            "initializer": defaults.serialize(self.initializer),
            "output": self.output_kind,
            "layer_norm_epsilon": self.layer_norm.epsilon,
        }

    @classmethod
    def from_config(cls, config):
        table = defaults.deserialize(config["embedding_table"])
        return cls(**{**config, "embedding_table": table})


@keras.saving.register_keras_serializable(package="bertedu")
class BertPretrainer(keras.Model):
    """An encoder with the heads it is pretrained with: the masked language model, and any number of classifiers.

    Args:
        encoder_network: a `BertEncoder`; shared, not copied.
        mlm_activation: activation of the masked-LM head's hidden layer (None: linear).
        mlm_initializer: Keras initializer of that layer.
        classification_heads: list of layers, each called with `sequence_output`; their names become output keys.
        customized_masked_lm: a layer to use in place of a new `MaskedLM`, called as it is.

    Call arguments:
        inputs: the encoder's inputs, and `masked_lm_positions` `[B, M]` if the masked language model is to answer.

    Returns:
        dict: all of the encoder's outputs, `mlm_logits` `[B, M, V]` where positions were given, and an entry a head.

    Raises:
        ValueError: two heads of one name.

    Example:
        >>> from bertedu.encoder import BertEncoder
        >>> pretrainer = BertPretrainer(BertEncoder(20, 6, num_layers=1, num_attention_heads=2, inner_dim=8))
        >>> ids = keras.ops.array([[2, 5, 4, 3]])
        >>> inputs = {"input_word_ids": ids, "input_mask": ids > 0, "input_type_ids": ids * 0}
        >>> outputs = pretrainer(inputs | {"masked_lm_positions": keras.ops.array([[2]])})
        >>> tuple(outputs["mlm_logits"].shape)
        (1, 1, 20)

    Source: tf-models' `BertPretrainerV2`; the `.mlm` object of the Hub's BERTs.
    """

    def __init__(
        self,
        encoder_network,
        mlm_activation=None,
        mlm_initializer="glorot_uniform",
        classification_heads=None,
        customized_masked_lm=None,
        name="bert",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.encoder_network = encoder_network
        self.mlm_activation = keras.activations.get(mlm_activation)
        self.mlm_initializer = defaults.get_initializer(mlm_initializer)
        self.classification_heads = list(classification_heads or [])
        self.customized_masked_lm = customized_masked_lm
        names = [head.name for head in self.classification_heads]
        if len(set(names)) != len(names):
            raise ValueError(f"classification_heads must have names of their own, got {names}.")
        self.masked_lm = customized_masked_lm or MaskedLM(
            encoder_network.get_embedding_layer(),
            self.mlm_activation,
            self.mlm_initializer,
            layer_norm_epsilon=encoder_network.layer_norm_epsilon,
            dtype=encoder_network.dtype_policy,
            name="cls_predictions",
        )
        self.build()  # the encoder has its weights, so that the heads can have theirs

    def build(self, input_shape=None):
        sequence_shape = (None, None, self.encoder_network.hidden_size)
        for head in (self.masked_lm, *self.classification_heads):
            if not head.built:  # one that was given, or has been loaded, may be
                head.build(sequence_shape)

    def call(self, inputs, training=None):
        inputs = dict(inputs)
        positions = inputs.pop("masked_lm_positions", None)
        outputs = dict(self.encoder_network(inputs, training=training))
        if positions is not None:
            outputs["mlm_logits"] = self.masked_lm(outputs["sequence_output"], positions)  # [B, M, V]
        for head in self.classification_heads:
            outputs[head.name] = head(outputs["sequence_output"], training=training)
        return outputs

    @property
    def checkpoint_items(self):
        """The parts that tf-models' checkpoints name: encoder, masked_lm, and each head's own."""
        items = {"encoder": self.encoder_network, "masked_lm": self.masked_lm}
        for head in self.classification_heads:
            for key, item in getattr(head, "checkpoint_items", {}).items():
                items[f"{head.name}.{key}"] = item
        return items

    def get_config(self):
        head = defaults.serialize(self.customized_masked_lm)
        if getattr(self.customized_masked_lm, "embedding_table", None) is self.encoder_network.get_embedding_layer():
            head["config"]["embedding_table"] = None  # the encoder's own: it must not come back as a copy
        return {
            "encoder_network": defaults.serialize(self.encoder_network),
            "mlm_activation": keras.activations.serialize(self.mlm_activation),
            "mlm_initializer": defaults.serialize(self.mlm_initializer),
            "classification_heads": [defaults.serialize(head) for head in self.classification_heads],
            "customized_masked_lm": head,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config):
        encoder = defaults.deserialize(config["encoder_network"])
        heads = defaults.deserialize(config["classification_heads"])
        masked_lm = config["customized_masked_lm"]
        if masked_lm and masked_lm["config"].get("embedding_table", ...) is None:
            masked_lm = MaskedLM(**masked_lm["config"] | {"embedding_table": encoder.get_embedding_layer()})
        else:
            masked_lm = defaults.deserialize(masked_lm)
        own = {"encoder_network": encoder, "classification_heads": heads, "customized_masked_lm": masked_lm}
        return cls(**config | own)


def mask_tokens(inputs, tokenizer, *, rate=0.15, max_predictions=None, whole_words=False, seed=None):
    """Hides tokens for the model to guess: of those chosen 80 % become [MASK], 10 % a random token, 10 % stay.

    Special tokens and padding are never chosen; at least one token of every text that has one is.

    Args:
        inputs: dict with `input_word_ids` and `input_mask`, integer arrays `[B, T]`, as a preprocessor gives them.
        tokenizer: the `BertTokenizer` that made them.
        rate: float in (0, 1], the share of tokens that is chosen.
        max_predictions: int or None, M, the most that is chosen of one text (None: as many as `rate` makes of T).
        whole_words: bool, choose all pieces of a word (`un ##want ##ed`) or none, up to M.
        seed: int, `numpy.random.Generator` or None.

    Returns:
        `inputs`, copied, with `input_word_ids` masked, and int32 `masked_lm_positions`, `masked_lm_ids` (what stood
        there) and float32 `masked_lm_weights` (0 in the padding), `[B, M]`.

    Raises:
        ValueError: a rate outside of (0, 1], or `max_predictions` below 1.

    Example:
        >>> from bertedu.text import BertPreprocessor, BertTokenizer
        >>> words = "[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat on mat".split()
        >>> tokenizer = BertTokenizer(words)
        >>> masked = mask_tokens(BertPreprocessor(tokenizer, seq_length=8)("the cat sat"), tokenizer, rate=0.3, seed=0)
        >>> masked["masked_lm_positions"].shape
        (1, 2)
    """
    if not 0 < rate <= 1:
        raise ValueError(f"rate must be above 0 and at most 1, got {rate}.")
    if max_predictions is not None and max_predictions < 1:
        raise ValueError(f"max_predictions must be at least 1, got {max_predictions}.")
    draw = np.random.default_rng(seed)
    ids = np.array(inputs["input_word_ids"])  # [B, T], ours to change
    most = max_predictions or max(1, round(rate * ids.shape[1]))  # M
    special = (tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id)
    eligible = np.asarray(inputs["input_mask"]).astype(bool) & ~np.isin(ids, special)  # [B, T]
    ordinary = np.setdiff1d(np.arange(tokenizer.vocab_size), (*special, tokenizer.unk_id))
    continues = np.array([token.startswith("##") for token in tokenizer.vocabulary])

    shape = (len(ids), most)
    positions, answers = np.full(shape, IGNORED, "int32"), np.full(shape, IGNORED, "int32")  # [B, M]
    weights = np.zeros(shape, "float32")  # [B, M]
    for row, (tokens, free) in enumerate(zip(ids, eligible, strict=True)):
        chosen = _choose(np.flatnonzero(free), continues[tokens] & whole_words, rate, most, draw)
        n = len(chosen)
        positions[row, :n], answers[row, :n], weights[row, :n] = chosen, tokens[chosen], 1
        fate = draw.random(n)
        tokens[chosen[fate < 0.8]] = tokenizer.mask_id
        at_random = chosen[(fate >= 0.8) & (fate < 0.9)]
        tokens[at_random] = draw.choice(ordinary, len(at_random))
    return dict(inputs) | {
        "input_word_ids": ids,
        "masked_lm_positions": positions,
        "masked_lm_ids": answers,
        "masked_lm_weights": weights,
    }


def _choose(free, continues, rate, most, draw):
    """Positions to predict, sorted, out of `free` ones; a word's pieces (`continues`) come together or not at all."""
    wanted = min(most, max(1, round(rate * len(free)))) if len(free) else 0
    words = []
    for position in free:
        if words and continues[position] and words[-1][-1] == position - 1:
            words[-1].append(position)
        else:
            words.append([position])
    chosen = []
    for i in draw.permutation(len(words)):
        if len(chosen) + len(words[i]) <= wanted:
            chosen += words[i]
    return np.sort(np.array(chosen, "int32"))

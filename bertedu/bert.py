"""Bert: a whole model (tokenizer, preprocessor, encoder, heads) with methods that take texts and return arrays.

Chapter: notebooks/00_start_here.ipynb.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike
from tqdm import tqdm

from bertedu import checks
from bertedu.aliases import renamed_attribute
from bertedu.backend.compiled import compiled
from bertedu.classifier import BertClassifier, copy_encoder
from bertedu.encoder import BertEncoder
from bertedu.inputs import check_values, check_vocabulary_size
from bertedu.masked_lm import BertPretrainer
from bertedu.outputs import OUTPUTS
from bertedu.pooling import POOLINGS, EmbedSettings, Pooling, check_pooling, pool
from bertedu.reading import Reading
from bertedu.text import BertPreprocessor, length_sorted_batches, pack
from bertedu.tokenizer import BertTokenizer

BATCH_TOKENS = 2048  # `embed`: tokens a batch, padding included; more no longer help two cores, and fill the cache
PROGRESS_AFTER = 2.0  # seconds of work before a progress bar appears
LENGTH_AXES = {name: output.length_axes for name, output in OUTPUTS.items()}


class Bert:
    """A BERT for texts: texts in, NumPy arrays out. `be.load` makes one.

    Attributes:
        tokenizer: its `BertTokenizer`.
        preprocessor: its `BertPreprocessor`.
        encoder: its `BertEncoder`.
        masked_lm, classifier: its heads; None where the source has none.
        load_masked_lm: function that loads a masked-LM model for `fill_mask`, for a model published without that head;
            or None.
        name: what it was loaded as.
        has_pooler: whether the source had a pooler; where not, `pooled_output` would be noise and is left out.
        max_length: int, the longest text it reads, in tokens.
        embed_settings: pooling, normalisation, length and prompt that `embed` follows unless told otherwise.

    Example:
        >>> import bertedu as be
        >>> bert = be.load("minilm")
        >>> reading = bert.read("The cat sat on the mat.", "It was warm.")
        >>> len(reading.tokens), reading.attention.shape
        (14, (6, 12, 14, 14))
    """

    def __init__(
        self,
        tokenizer: BertTokenizer,
        encoder: BertEncoder,
        preprocessor: BertPreprocessor | None = None,
        *,
        name: str = "bert",
        has_pooler: bool = True,
        embed_settings: EmbedSettings | None = None,
        masked_lm: BertPretrainer | None = None,
        classifier: BertClassifier | None = None,
        load_masked_lm: Callable[[], Bert | None] | None = None,
    ) -> None:
        if not isinstance(tokenizer, BertTokenizer) or not isinstance(encoder, BertEncoder):
            raise TypeError(f"A Bert is made of a BertTokenizer and a BertEncoder, got {tokenizer!r} and {encoder!r}.")
        check_vocabulary_size(tokenizer.vocab_size, encoder.vocab_size)
        self.tokenizer = tokenizer
        self.encoder = encoder
        self.preprocessor = preprocessor or BertPreprocessor(tokenizer)
        self.masked_lm = masked_lm
        self.classifier = classifier
        self.name = name
        self.has_pooler = has_pooler
        self.max_length = encoder.max_sequence_length
        self.embed_settings = embed_settings or EmbedSettings()
        self.load_masked_lm = load_masked_lm
        self._compiled: dict[Any, Callable] = {}  # forward passes, by what they return

    def __repr__(self) -> str:
        e = self.encoder
        return (
            f"Bert({self.name!r}: {e.num_layers} layers, {e.hidden_size} wide, {e.num_attention_heads} heads, "
            f"{e.count_params():,} parameters)"
        )

    def read(
        self,
        text: str,
        pair: str | None = None,
        *,
        max_length: int | None = None,
        overflow: str = "truncate",
        return_qkv: bool = False,
        head_mask: ArrayLike | None = None,
    ) -> Reading:
        """Run the encoder on a text, or a pair of texts, and return everything that it computes as NumPy arrays.

        Args:
            text: str.
            pair: str, the second segment. Defaults to None, a single text.
            max_length: int, tokens to read at most, [CLS] and [SEP] included. Defaults to the model's own limit.
            overflow: "truncate" cuts a longer text and warns that it did; "error" refuses it.
            return_qkv: bool, return queries, keys and values too.
            head_mask: array `[L, N]`, 0 for each head whose contribution is left out, 1 for the others. Defaults to
                None, 1 for all.

        Returns:
            a `Reading`.

        Raises:
            TypeError: `text` or `pair` is not a string.
            ValueError: too long with overflow="error", a `max_length` that the model has no positions for, or a
            `head_mask` of another shape.
        """
        checks.choice("overflow", overflow, ("truncate", "error"))
        limit = self._limit(max_length, self.max_length)
        encoded = self.preprocessor.encode(text, pair, max_length=limit)
        if encoded.truncated:
            message = (
                f"The text has {len(encoded.ids) + encoded.truncated} tokens, and {self.name!r} reads {limit}"
                f"{'' if max_length is None else ' (max_length)'}"
            )
            if overflow == "error":
                raise ValueError(f'{message}: shorten it, or let it be cut with overflow="truncate".')
            warnings.warn(f"{message}: {encoded.truncated} of them were cut off.", stacklevel=2)
        outputs = self._outputs(encoded, return_qkv, head_mask)
        if not self.has_pooler:
            outputs["pooled_output"] = None
        return Reading.of(text, pair, encoded, outputs, self.name)

    def embed(
        self,
        sentences: str | Sequence[str],
        pooling: str | Pooling | None = None,
        normalize: bool | None = None,
        *,
        max_length: int | None = None,
        progress: bool = True,
    ) -> np.ndarray:
        """Return one vector per text, as a NumPy array.

        Args:
            sentences: list of n strings, or one string.
            pooling: "mean", "cls", "max" or "pooled"; the name of a function registered with `be.register`, or a
                function itself (see `pooling.pool`). Defaults to the model's own, else "mean".
            normalize: bool, scale every vector to length 1. Defaults to the model's own, else False.
            max_length: int, tokens of each text that are read. Defaults to the model's own limit.
            progress: bool, show a progress bar when it takes more than two seconds.

        Returns:
            float32 array `[n, D]` in the order of `sentences`; `[D]` for one string.

        Raises:
            TypeError, ValueError: not strings, an unknown pooling, "pooled" without a pooler, a `max_length` that the
            model has no positions for.
        """
        if isinstance(sentences, str):
            return self.embed([sentences], pooling, normalize, max_length=max_length, progress=False)[0]
        settings = self.embed_settings
        pooling = settings.pooling if pooling is None else pooling
        normalize = settings.normalize if normalize is None else normalize
        limit = self._limit(max_length, min(settings.max_length or self.max_length, self.max_length))
        check_pooling(pooling)
        if pooling == "pooled" and not self.has_pooler:
            raise ValueError(f"{self.name!r} was published without a pooler: choose pooling from {list(POOLINGS)}.")

        if settings.prompt:
            sentences = [settings.prompt + s if isinstance(s, str) else s for s in sentences]
        rows = self.preprocessor.encode_batch(sentences, max_length=limit)
        vectors = np.zeros((len(rows), self.encoder.hidden_size), "float32")  # [n, D]
        forward = functools.partial(_pooled, pooling=pooling)
        with tqdm(total=len(rows), unit="text", delay=PROGRESS_AFTER, disable=not progress, leave=False) as bar:
            for batch in length_sorted_batches([len(row.ids) for row in rows], BATCH_TOKENS):
                vectors[batch] = self._run(pooling, forward, [rows[i] for i in batch])["vectors"]
                bar.update(len(batch))
        if normalize:
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    @property
    def can_fill_mask(self) -> bool:
        """Whether `fill_mask` is available. Loads nothing."""
        return self.masked_lm is not None or self.load_masked_lm is not None

    @functools.cached_property
    def _loaded_masked_lm(self) -> Bert | None:
        return self.load_masked_lm and self.load_masked_lm()

    @property
    def masked_lm_bert(self) -> Bert | None:
        """The masked-LM model that `fill_mask` asks: a `Bert`, loaded at the first use; None where there is none.

        A model with a masked-LM head is its own. "minilm" was published without one, so this package brings one that it
        has trained, with small changes of the encoder: a second model. `read`, `embed` and whatever saves the model
        use the published weights.
        """
        return self if self.masked_lm is not None else self._loaded_masked_lm

    guesser = renamed_attribute("guesser", "masked_lm_bert")

    def fill_mask(self, text: str, pair: str | None = None, top_k: int = 5) -> list[list[tuple[str, float]]]:
        """Return the masked-LM model's predictions for each [MASK].

        "minilm" was published without a masked-LM head. Its predictions come from a second model, `masked_lm_bert`,
        trained only on Python's documentation: it knows what Python raises, but not the capital of France. For its
        accuracy see bertedu/assets/minilm_mlm.md.

        Args:
            text, pair: str, as for `read`, with at least one [MASK] in them.
            top_k: int, the number of predictions for each.

        Returns:
            a list with one entry per [MASK], in order: the list of the `top_k` most probable (token, probability).

        Raises:
            ValueError: the model has no masked-LM head, there is no [MASK], or the text is too long.

        Example:
            be.load("minilm").fill_mask("A [MASK] is raised when the key is not found.")
            be.load("bert_en_uncased").fill_mask("Paris is the [MASK] of France.")
        """
        other = self.masked_lm_bert
        if other is None:
            raise ValueError(
                f"{self.name!r} was published without a masked-LM head: load a model that has one, such as "
                '"bert_en_uncased", which needs the Hub once. "minilm" predicts words about Python where its trained '
                "head is installed: bertedu/assets/minilm_mlm.safetensors, in the repository and its wheel; `bertedu "
                "colab` brings it in the chapters that ask for it."
            )
        if self.masked_lm is None:
            return other.fill_mask(text, pair, top_k)
        encoded = self.preprocessor.encode(text, pair)
        if len(encoded.ids) > self.max_length:
            raise ValueError(f"The text has {len(encoded.ids)} tokens, and {self.name!r} reads {self.max_length}.")
        positions = [i for i, token in enumerate(encoded.ids) if token == self.tokenizer.mask_id]
        if not positions:
            raise ValueError(f"text needs a {self.tokenizer.mask_token} to fill, got {text!r}.")
        sequence = self._outputs(encoded)["sequence_output"]  # [1, T, D]
        logits = self.masked_lm.masked_lm(sequence, np.array([positions], "int32"))  # [1, M, V]
        probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(logits, axis=-1))[0]  # [M, V]
        probabilities = probabilities[:, : self.tokenizer.vocab_size]  # a padded word table has rows without a token
        best = np.argsort(-probabilities, axis=-1)[:, :top_k]  # [M, top_k]
        return [
            [(self.tokenizer.vocabulary[i], float(row[i])) for i in ids]
            for ids, row in zip(best, probabilities, strict=True)
        ]

    def classifier_for(self, num_classes: int, **options: Any) -> BertClassifier:
        """Return a new `BertClassifier` on a copy of the encoder: training it changes neither `read` nor `embed`.

        What is frozen in the encoder (`trainable=False`) is frozen in the copy.

        Args:
            num_classes: int; 1 for a regression.
            options: further arguments of `BertClassifier`.
        """
        return BertClassifier(copy_encoder(self.encoder), num_classes, **options)

    def _limit(self, max_length, default):
        if max_length is None:
            return default
        hint = f"{self.name!r} has {self.max_length} positions."
        return checks.whole_number("max_length", max_length, 3, self.max_length, hint)

    def _outputs(self, encoded, return_qkv=False, head_mask=None):
        """Return all outputs of the encoder for one `Encoded`, a batch of one, as NumPy arrays."""
        if head_mask is not None:
            head_mask = np.asarray(head_mask, "float32")
            shape = (self.encoder.num_layers, self.encoder.num_attention_heads)
            if head_mask.shape != shape:
                raise ValueError(f"head_mask must have the shape {shape}, layers and heads; got {head_mask.shape}.")
        forward = functools.partial(_everything, return_qkv=return_qkv)
        return self._run(("read", return_qkv), forward, [encoded], head_mask)

    def _run(self, key, forward, rows, head_mask=None):
        """Return the outputs of a forward pass, compiled at the first use under `key`."""
        inputs = pack(rows, self.tokenizer.pad_id)
        check_values(inputs, self.encoder)
        if head_mask is not None:  # not compiled, which would happen anew for each mask
            outputs = forward(self.encoder, inputs, head_mask=head_mask)
            return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)
        if key not in self._compiled:
            self._compiled[key] = compiled(forward, self.encoder, LENGTH_AXES)
        return self._compiled[key](inputs)


def _everything(encoder, inputs, **options):
    return encoder(inputs, return_attention_scores=True, return_embedding_output=True, training=False, **options)


def _pooled(encoder, inputs, pooling):
    return {"vectors": pool(encoder(inputs, training=False), inputs["input_mask"], pooling)}

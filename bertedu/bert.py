"""Bert: tokenizer, preprocessor, encoder and heads in one object, whose methods take texts and return arrays.

Chapter: notebooks/00_start_here.ipynb.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike
from tqdm import tqdm

from bertedu import checks
from bertedu.aliases import renamed_attribute
from bertedu.backend import devices, memory
from bertedu.backend.compiled import compiled
from bertedu.backend.gradients import without_gradients
from bertedu.classifier import BertClassifier, copy_encoder
from bertedu.encoder import BertEncoder
from bertedu.entities import AGGREGATIONS, Entity, Piece, find_entities
from bertedu.fields import shown
from bertedu.inputs import check_values, check_vocabulary_size, checked_texts
from bertedu.masked_lm import BertPretrainer
from bertedu.outputs import OUTPUTS, with_pruned_heads
from bertedu.pooling import POOLINGS, EmbedSettings, Pooling, check_pooling, pool
from bertedu.reading import Reading
from bertedu.sites import Edit, unbatched
from bertedu.terminal import warn
from bertedu.text import BertPreprocessor, Encoded, length_sorted_batches, pack
from bertedu.token_classifier import BertTokenClassifier
from bertedu.tokenizer import BertTokenizer

BATCH_TOKENS = 2048  # tokens per batch of `embed`, padding included; larger batches are no faster on two cores
BATCHES_AT_ONCE = 2  # while one of them is in operations that keep a single core busy, the other uses the rest
CHUNK = 4096  # texts that `embed` tokenizes and sorts by length at a time
READ_CHUNK = 256  # texts that `readings` tokenizes at a time
READ_TOKENS = 512  # tokens per batch of `readings`; 2048 are a fifth slower, because of the attention weights
READ_SIZE = 2**25  # elements of arrays that `readings` holds at a time, 128 MB, unless a single text has more
PROGRESS_AFTER = 2.0  # seconds of work before a progress bar appears
LENGTH_AXES = {name: output.length_axes for name, output in OUTPUTS.items()}


class Bert:
    """A BERT with its tokenizer: texts in, NumPy arrays out. Returned by `be.load`.

    Attributes:
        tokenizer: `BertTokenizer`.
        preprocessor: `BertPreprocessor`.
        encoder: `BertEncoder`.
        masked_lm, classifier: `BertPretrainer` and `BertClassifier`, or None if the checkpoint has no such head.
        token_classifier: `BertTokenClassifier`, or None.
        load_masked_lm: function that loads another model for `fill_mask`, or None.
        name: str, for messages and titles. `load` sets its argument `name`, or the last part of the source.
        has_pooler: bool, whether the checkpoint has a pooler. Without one, `Reading.pooled_output` is None,
            because the pooler's weights would be random.
        max_length: int, maximum number of tokens per text: the number of position embeddings.
        embed_settings: `EmbedSettings`, the defaults of `embed`.

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
        token_classifier: BertTokenClassifier | None = None,
        load_masked_lm: Callable[[], Bert | None] | None = None,
    ) -> None:
        if not isinstance(tokenizer, BertTokenizer) or not isinstance(encoder, BertEncoder):
            raise TypeError(f"Bert: expected a BertTokenizer and a BertEncoder, got {tokenizer!r} and {encoder!r}.")
        check_vocabulary_size(tokenizer.vocab_size, encoder.vocab_size)
        self.tokenizer = tokenizer
        self.encoder = encoder
        self.preprocessor = preprocessor or BertPreprocessor(tokenizer)
        self.masked_lm = masked_lm
        self.classifier = classifier
        self.token_classifier = token_classifier
        self.name = name
        self.has_pooler = has_pooler
        self.max_length = encoder.max_sequence_length
        self.embed_settings = embed_settings or EmbedSettings()
        self.load_masked_lm = load_masked_lm
        self._compiled: dict[Any, Callable] = {}  # forward passes by key
        self._copies: dict[str, BertEncoder] = {}  # of the encoder, by precision

    def __repr__(self) -> str:
        e = self.encoder
        pruned = f" ({sum(map(len, e.pruned_heads.values()))} pruned)" if e.pruned_heads else ""
        return (
            f"Bert({self.name!r}: {e.num_layers} layers, hidden size {e.hidden_size}, "
            f"{e.num_attention_heads} heads{pruned}, {e.count_params():,} parameters)"
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
        edit: Mapping[str, Edit] | None = None,
        return_sites: Sequence[str] = (),
        precision: str | None = None,
    ) -> Reading:
        """Return the attention weights and outputs of all layers for a text, or a pair of texts, as NumPy arrays.

        Args:
            text: str.
            pair: str, the second segment. Defaults to None, a single text.
            max_length: int, maximum number of tokens, [CLS] and [SEP] included. Defaults to the model's own limit.
            overflow: "truncate" cuts longer texts with a warning, "error" raises a ValueError.
            return_qkv: bool, also return queries, keys and values.
            head_mask: array `[L, N]`, multiplies the contribution of each head: 0 switches it off.
            edit: dict, name of a site, as "layer_3/attention_scores" -> function of its array, or an array to replace
                it by. Arrays are float32 NumPy arrays without the batch axis, as in `Reading`, with zeros for pruned
                heads; the function returns one of the same shape. Defaults to no edits. docs/interventions.md has all
                sites and their shapes.
            return_sites: names of sites to return in `Reading.sites`, as they are after the edits.
            precision: "float32" or "bfloat16", the dtype to compute in; see `embed`. Defaults to that of the model.

        Returns:
            A `Reading`.

        Raises:
            TypeError: `text` or `pair` is not a string.
            ValueError: the text is too long and `overflow` is "error", `max_length` exceeds the model's maximum
                length, `head_mask` or the result of an edit has the wrong shape, a site or the precision is unknown,
                or the encoder has `output_range`.

        Example:
            without_head = {"layer_5/head_outputs": lambda heads: heads * (np.arange(12) != 3)[:, None, None]}
            bert.read("The cat sat.", edit=without_head).pooled_output
        """
        checks.choice("overflow", overflow, ("truncate", "error"))
        _check_precision(precision)
        self.check_readable()
        limit = self._limit(max_length, self.max_length)
        encoded = self._encode(text, pair, limit, overflow, "" if max_length is None else " (max_length)")
        sites = checks.strings("return_sites", return_sites)
        outputs = self._completed(self._outputs(encoded, head_mask, precision, edit, sites, return_qkv=return_qkv))
        return Reading.of(text, pair, encoded, outputs, self.name, sites)

    def _encode(self, text, pair, limit, overflow="truncate", argument=""):
        """Return the `Encoded` of a text, cut off after `limit` tokens with a warning, or with an error."""
        encoded = self.preprocessor.encode(text, pair, max_length=limit)
        if encoded.truncated:
            allowed = f"at most {limit} tokens for {self.name!r}{argument}"
            message = f"text: expected {allowed}, got {len(encoded.ids) + encoded.truncated} tokens"
            if overflow == "error":
                raise ValueError(f'{message}. Shorten it, or use overflow="truncate".')
            warn(f"{message}; {encoded.truncated} of them were cut off.")
        return encoded

    def readings(
        self, texts: Iterable[str], *, max_length: int | None = None, return_qkv: bool = False, progress: bool = True
    ) -> Iterator[Reading]:
        """Yield the reading of each of any number of texts, in constant memory.

        Texts of similar length are computed together, which is faster than to `read` them one by one.

        Args:
            texts: iterable of strings, such as the lines of a file.
            max_length: int, number of tokens to which longer texts are truncated, with one warning for all. Defaults to
                the model's own limit.
            return_qkv: bool, also return queries, keys and values.
            progress: bool, show a progress bar after two seconds.

        Returns:
            Iterator of `Reading`, in the order of `texts`.

        Raises:
            TypeError: `texts` is one string, or holds something other than strings.
            ValueError: `max_length` exceeds the model's maximum length, or the encoder has `output_range`.

        Example:
            atlas = be.analysis.head_atlas(bert.readings(open("sentences.txt")))
        """
        if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
            raise TypeError(f"texts: expected an iterable of strings, got {shown(texts)}. Use read for one.")
        self.check_readable()
        return self._readings(texts, self._limit(max_length, self.max_length), {"return_qkv": return_qkv}, progress)

    def _readings(self, texts, limit, flags, progress):
        total = len(texts) if isinstance(texts, Sized) else None
        bar = tqdm(total=total, unit="text", delay=PROGRESS_AFTER, disable=not progress, leave=False)
        with bar, ThreadPoolExecutor(BATCHES_AT_ONCE) as threads:
            mapped = threads.map if devices.backend() == "tensorflow" else map
            for window in self._windows(texts, limit, flags["return_qkv"]):
                run = self._reader(self.encoder, flags)
                batches = length_sorted_batches([len(row.ids) for _, row in window], READ_TOKENS)
                results = mapped(lambda batch: self._read_batch(run, [window[i] for i in batch]), batches)  # noqa: B023
                readings = dict(zip(itertools.chain(*batches), itertools.chain.from_iterable(results), strict=True))
                for i in range(len(window)):
                    yield readings.pop(i)
                    bar.update()

    def _windows(self, texts, limit, return_qkv):
        """Yield lists of (text, `Encoded`) whose readings have at most `READ_SIZE` elements together."""
        layers = self.encoder.num_layers
        heads = layers * self.encoder.num_attention_heads
        per_token = ((4 if return_qkv else 1) * layers + 1) * self.encoder.hidden_size
        remaining, window, size, warned = iter(texts), [], 0, False
        while chunk := checked_texts(list(itertools.islice(remaining, READ_CHUNK)), "texts"):
            for text, row in zip(chunk, self.preprocessor.encode_batch(chunk, max_length=limit), strict=True):
                length = len(row.ids)
                if row.truncated and not warned:
                    warned, got = True, f"got one of {length + row.truncated}; longer texts are cut off"
                    warn(f"texts: expected at most {limit} tokens for {self.name!r}, {got}.")
                elements = heads * length**2 + per_token * length
                if window and size + elements > READ_SIZE:
                    yield window
                    window, size = [], 0
                window.append((text, row))
                size += elements
        if window:
            yield window

    def _read_batch(self, run, batch):
        """Return the readings of a list of (text, `Encoded`)."""
        outputs = self._completed(run([row for _, row in batch]))
        return [
            Reading.of(text, None, row, _one(outputs, index, len(row.ids)), self.name)
            for index, (text, row) in enumerate(batch)
        ]

    def embed(
        self,
        sentences: str | Sequence[str],
        pooling: str | Pooling | None = None,
        normalize: bool | None = None,
        *,
        max_length: int | None = None,
        precision: str | None = None,
        progress: bool = True,
    ) -> np.ndarray:
        """Return one vector per text, as a NumPy array.

        Args:
            sentences: list of `n` strings, or one string.
            pooling: "mean", "cls", "max" or "pooled"; a function, or the name of one that is registered with
                `be.register` (see `pooling.pool`). Defaults to the model's own setting, else "mean".
            normalize: bool, scale every vector to length 1. Defaults to the model's own setting, else False.
            max_length: int, number of tokens to which longer texts are truncated. Defaults to the model's own setting.
            precision: "float32" or "bfloat16", the dtype to compute in. Defaults to the dtype of the loaded model.
                bfloat16 is faster on accelerators and on CPUs with instructions for it (`avx512_bf16`, `amx_bf16`), and
                slower on other CPUs. Every call renews a copy of the weights. For the error, see
                docs/embedding.md.
            progress: bool, show a progress bar after two seconds.

        Returns:
            float32 array `[n, D]` in the order of `sentences`, or `[D]` for one string.

        Raises:
            TypeError: `sentences` holds something other than strings.
            ValueError: the pooling or precision is unknown, or the pooling needs a pooler that the model lacks; or
                `max_length` exceeds the model's maximum length.
        """
        options: dict[str, Any] = {"max_length": max_length, "precision": precision, "progress": progress}
        if isinstance(sentences, str):
            options["progress"] = False
            return self.embed([sentences], pooling, normalize, **options)[0]
        texts = checked_texts(sentences, "sentences")
        vectors = np.zeros((len(texts), self.encoder.hidden_size), "float32")  # [n, D]
        start = 0
        for chunk in self.embed_chunks(texts, pooling, normalize, **options):
            vectors[start : start + len(chunk)] = chunk
            start += len(chunk)
        return vectors

    def embed_chunks(
        self,
        sentences: Iterable[str],
        pooling: str | Pooling | None = None,
        normalize: bool | None = None,
        *,
        max_length: int | None = None,
        precision: str | None = None,
        progress: bool = True,
    ) -> Iterator[np.ndarray]:
        """Yield the vectors of any number of texts, 4,096 at a time, in constant memory.

        Args:
            sentences: iterable of strings, such as the lines of a file.
            pooling, normalize, max_length, precision, progress: as in `embed`.

        Returns:
            Iterator of float32 arrays `[4096, D]`, the last one shorter, in the order of `sentences`.

        Raises:
            TypeError, ValueError: as in `embed`.

        Example:
            for vectors in bert.embed_chunks(open("sentences.txt")):
                index.add(vectors)
        """
        if isinstance(sentences, str):
            raise TypeError(f"sentences: expected an iterable of strings, got {shown(sentences)}. Use embed for one.")
        settings = self.embed_settings
        pooling = settings.pooling if pooling is None else pooling
        normalize = settings.normalize if normalize is None else normalize
        limit = self._limit(max_length, min(settings.max_length or self.max_length, self.max_length))
        check_pooling(pooling)
        _check_precision(precision)
        if pooling == "pooled" and not self.has_pooler:
            raise ValueError(f"pooling: expected one of {list(POOLINGS)}, got 'pooled'; {self.name!r} has no pooler.")
        return self._chunks(sentences, pooling, normalize, limit, precision, progress)

    def _chunks(self, sentences, pooling, normalize, limit, precision, progress):
        total = len(sentences) if isinstance(sentences, Sized) else None
        remaining, forward = iter(sentences), functools.partial(_pooled, pooling=pooling)
        bar = tqdm(total=total, unit="text", delay=PROGRESS_AFTER, disable=not progress, leave=False)
        with bar, ThreadPoolExecutor(BATCHES_AT_ONCE) as threads:
            mapped = threads.map if devices.backend() == "tensorflow" else map
            while texts := list(itertools.islice(remaining, CHUNK)):
                texts = [self.embed_settings.prompt + text for text in checked_texts(texts, "sentences")]
                rows = self.preprocessor.encode_batch(texts, max_length=limit)
                vectors = np.zeros((len(rows), self.encoder.hidden_size), "float32")  # [n, D]
                encoder = self._encoder_in(precision)
                batches = length_sorted_batches([len(row.ids) for row in rows], BATCH_TOKENS)
                with memory.reused(len(batches) > 1):
                    run = self._function(encoder, pooling, forward)
                    outputs = mapped(lambda batch: run([rows[i] for i in batch])["vectors"], batches)  # noqa: B023
                    for batch, output in zip(batches, outputs, strict=True):
                        vectors[batch] = output
                        bar.update(len(batch))
                if normalize:
                    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
                yield vectors

    @property
    def can_fill_mask(self) -> bool:
        """Whether `fill_mask` is available. Loads nothing."""
        return self.masked_lm is not None or self.load_masked_lm is not None

    @functools.cached_property
    def _loaded_masked_lm(self) -> Bert | None:
        return self.load_masked_lm and self.load_masked_lm()

    @property
    def masked_lm_bert(self) -> Bert | None:
        """The `Bert` whose masked-LM head `fill_mask` uses, loaded at first use, or None.

        It is this model if it has such a head. For "minilm", which has none, it is a second model: this package
        includes a trained head and small changes to the encoder. `read`, `embed` and `save_checkpoint` use the
        published weights.
        """
        return self if self.masked_lm is not None else self._loaded_masked_lm

    guesser = renamed_attribute("guesser", "masked_lm_bert")

    def fill_mask(
        self, text: str, pair: str | None = None, top_k: int = 5, *, edit: Mapping[str, Edit] | None = None
    ) -> list[list[tuple[str, float]]]:
        """Return the most probable tokens for each [MASK].

        "minilm" was published without a masked-LM head. Its predictions come from a second model, `masked_lm_bert`,
        trained only on Python's documentation: it knows what Python raises, but not the capital of France. For its
        accuracy see bertedu/assets/minilm_mlm.md.

        Args:
            text, pair: str, as in `read`, with at least one [MASK].
            top_k: int, the number of predictions per [MASK].
            edit: dict of edits of the sites of `masked_lm_bert`, as in `read`.

        Returns:
            List with one entry per [MASK], in order: a list of `top_k` (token, probability), most probable first.

        Raises:
            ValueError: the model has no masked-LM head, there is no [MASK], the text is too long, or an edit is
                invalid, as in `read`.

        Example:
            be.load("minilm").fill_mask("A [MASK] is raised when the key is not found.")
            be.load("bert_en_uncased").fill_mask("Paris is the [MASK] of France.")
        """
        other = self.masked_lm_bert
        if other is None:
            file = 'for "minilm" (bertedu/assets/minilm_mlm.safetensors)'
            advice = f'Load "bert_en_uncased", or install bertedu from its repository or wheel, with the head {file}'
            raise ValueError(f"model: expected a masked-LM head, got {self.name!r} without one. {advice}.")
        if self.masked_lm is None:
            return other.fill_mask(text, pair, top_k, edit=edit)
        encoded = self.encode(text, pair)
        positions = [i for i, token in enumerate(encoded.ids) if token == self.tokenizer.mask_id]
        if not positions:
            raise ValueError(f"text: expected at least one {self.tokenizer.mask_token}, got {text!r}.")
        sequence = self._outputs(encoded, edit=edit)["sequence_output"]  # [1, T, D]
        logits = self.masked_lm.masked_lm(sequence, np.array([positions], "int32"))  # [1, M, V]
        logits = keras.ops.cast(logits, "float32")  # a softmax over V tokens in half precision is off by percents
        probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(logits, axis=-1))[0]  # [M, V]
        probabilities = probabilities[:, : self.tokenizer.vocab_size]  # a padded word embedding table has more rows
        best = np.argsort(-probabilities, axis=-1)[:, :top_k]  # [M, top_k]
        return [
            [(self.tokenizer.vocabulary[i], float(row[i])) for i in ids]
            for ids, row in zip(best, probabilities, strict=True)
        ]

    def tag(self, text: str, aggregation: str = "simple") -> list[Entity]:
        """Return the entities in a text, or with "none" its tokens with a label other than "O".

        Args:
            text: str. A text longer than the model's maximum length is cut off, with a warning.
            aggregation: how tokens become entities, as in transformers' pipeline. "none": not at all. "simple":
                neighboring tokens of one type are an entity; "B-" begins another one. The others do the same with whole
                words, whose class is that of the "first" token, that of the largest probability ("max"), or the
                largest of the probabilities' "average".

        Returns:
            List of `Entity`: text, label, start and end (characters of `text`), probability.

        Raises:
            TypeError: `text` is not a string.
            ValueError: the model has no token classifier, or `aggregation` is unknown.

        Example:
            bert = be.fine_tuning.open_run("runs/tags").bert
            bert.tag("Call len() of the list.")
        """
        checks.choice("aggregation", aggregation, AGGREGATIONS)
        if self.token_classifier is None:
            advice = "Fine-tune one: bert.token_classifier_for(num_classes)."
            raise ValueError(f"model: expected a token classifier, got {self.name!r} without one. {advice}")
        self.check_readable()
        encoded = self._encode(text, None, self.max_length)
        logits = self.token_classifier.classifier(self._outputs(encoded)["sequence_output"])  # [1, T, classes]
        probabilities = keras.ops.softmax(keras.ops.cast(logits, "float32"), axis=-1)  # [1, T, classes]
        tokens = zip(encoded.tokens, encoded.ids, encoded.offsets, strict=True)
        pieces = []
        for row, (token, i, offsets) in zip(keras.ops.convert_to_numpy(probabilities)[0], tokens, strict=True):
            if offsets is not None:
                start, end = offsets
                # A token that differs in length from its text begins with ##, or lost characters.
                pieces.append(Piece(row, start, end, len(token) != end - start and i != self.tokenizer.unk_id))
        return find_entities(text, pieces, self.token_classifier.labels, aggregation)

    def encode(self, text: str, pair: str | None = None) -> Encoded:
        """Return the tokens and ids of a text, or a pair of texts, that the model can read.

        Raises:
            TypeError: `text` or `pair` is not a string. ValueError: it is too long.
        """
        encoded = self.preprocessor.encode(text, pair)
        if len(encoded.ids) > self.max_length:
            raise ValueError(f"text: expected at most {self.max_length} tokens, got {len(encoded.ids)}. Shorten it.")
        return encoded

    def encoder_inputs(self, rows: Sequence[Encoded]) -> dict[str, np.ndarray]:
        """Return the encoder's inputs for B encoded texts: int32 arrays `[B, T]`, padded to the longest text."""
        inputs = pack(rows, self.tokenizer.pad_id)
        check_values(inputs, self.encoder)
        return inputs

    def check_readable(self) -> None:
        """Raise a ValueError if the encoder has `output_range`, so that its last layer lacks positions."""
        if self.encoder.output_range:
            advice = "Use an encoder without it, or call `bert.encoder`."
            raise ValueError(f"output_range: expected None for this, got {self.encoder.output_range}. {advice}")

    def classifier_for(self, num_classes: int, **options: Any) -> BertClassifier:
        """Return a new `BertClassifier` on a copy of the encoder, so that training it leaves this model unchanged.

        Layers that are frozen (`trainable=False`) are frozen in the copy too.

        Args:
            num_classes: int, number of classes; 1 for regression.
            options: other arguments of `BertClassifier`.
        """
        return BertClassifier(copy_encoder(self.encoder), num_classes, **options)

    def token_classifier_for(self, num_classes: int, **options: Any) -> BertTokenClassifier:
        """Return a new `BertTokenClassifier` on a copy of the encoder, as `classifier_for` does.

        Args:
            num_classes: int, number of classes.
            options: other arguments of `BertTokenClassifier`.
        """
        return BertTokenClassifier(copy_encoder(self.encoder), num_classes, **options)

    def _completed(self, outputs):
        """Return outputs for a `Reading`: with pruned heads as 0, and without the output of a random pooler."""
        if self.encoder.pruned_heads:
            outputs = with_pruned_heads(outputs, self.encoder.remaining_heads, self.encoder.num_attention_heads)
        return outputs if self.has_pooler else outputs | {"pooled_output": None}

    def _limit(self, max_length, default):
        if max_length is None:
            return default
        hint = f"{self.name!r} supports at most {self.max_length} tokens."
        return checks.whole_number("max_length", max_length, 3, self.max_length, hint)

    def _encoder_in(self, precision):
        """Return the encoder, or a copy in another precision with its current weights."""
        if precision in (None, self.encoder.dtype_policy.name):
            return self.encoder
        encoder = self._copies.get(precision)
        if encoder is None:  # another thread may create one at the same time: all use the first
            encoder = self._copies.setdefault(precision, copy_encoder(self.encoder, precision))
        for weight, copy in zip(self.encoder.weights, encoder.weights, strict=True):
            copy.assign(weight)
        return encoder

    def _outputs(self, encoded, head_mask=None, precision=None, edit=None, return_sites=(), **flags):
        """Return the encoder's outputs for one `Encoded`, a batch of one, as NumPy arrays."""
        if head_mask is not None:
            head_mask = np.asarray(head_mask, "float32")
            shape = (self.encoder.num_layers, self.encoder.num_attention_heads)
            if head_mask.shape != shape:
                raise ValueError(f"head_mask: expected shape {shape}, [layers, heads], got {head_mask.shape}.")
        encoder = self._encoder_in(precision)
        if head_mask is None and edit is None and not return_sites:
            return self._reader(encoder, flags)([encoded])
        # Not compiled: every new mask or edit would trigger recompilation.
        edits = unbatched(edit, encoder.remaining_heads, encoder.num_attention_heads)
        options = {"head_mask": head_mask, "edit": edits, "return_sites": return_sites, **flags}
        with without_gradients():
            outputs = _forward(encoder, self.encoder_inputs([encoded]), **options)
        return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)

    def _reader(self, encoder, flags):
        """Return the compiled function of `read`: from rows of tokens to outputs."""
        key = ("read", *sorted(name for name in flags if flags[name]))
        return self._function(encoder, key, functools.partial(_forward, **flags))

    def _function(self, encoder, key, forward):
        """Return a function from rows of tokens to the outputs of `forward`, compiled once per precision and `key`."""
        key = encoder.dtype_policy.name, key
        if key not in self._compiled:
            self._compiled[key] = compiled(forward, encoder, LENGTH_AXES)
        return lambda rows: self._compiled[key](self.encoder_inputs(rows))


def _one(outputs, index, length):
    """Return the outputs for one text of a batch: a batch of one, without padding."""

    def cut(tensor, axes):
        if isinstance(tensor, list):
            return [cut(layer, axes) for layer in tensor]
        slices = [slice(length) if axis in axes else slice(None) for axis in range(1, tensor.ndim)]
        return tensor[(slice(index, index + 1), *slices)]

    return {name: None if tensor is None else cut(tensor, LENGTH_AXES[name]) for name, tensor in outputs.items()}


def _check_precision(precision):
    if precision is not None:
        checks.choice("precision", precision, ("float32", "bfloat16"))


def _forward(encoder, inputs, **options):
    return encoder(inputs, return_attention_scores=True, return_embedding_output=True, training=False, **options)


def _pooled(encoder, inputs, pooling):
    return {"vectors": pool(encoder(inputs, training=False), inputs["input_mask"], pooling)}

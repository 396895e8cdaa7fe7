"""Bert: a whole model (tokenizer, preprocessor, encoder, heads) that can be asked.

Chapter: notebooks/00_start_here.ipynb.
"""

import warnings

import keras
import numpy as np
from tqdm import tqdm

from bertedu.backend import compiled
from bertedu.classifier import BertClassifier, copy_encoder
from bertedu.encoder import BertEncoder, check_values
from bertedu.pooling import POOLINGS, EmbedSettings, pool
from bertedu.reading import Reading
from bertedu.text import BertPreprocessor, BertTokenizer, pack

BATCH_TOKENS = 2048  # `embed`: tokens a batch, padding included; more no longer help two cores, and fill the cache
QKV = ("queries", "keys", "values")
PROGRESS_AFTER = 2.0  # seconds of work before a progress bar appears


class Bert:
    """A BERT that can be asked: text in, arrays out. `be.load` makes one.

    Attributes:
        tokenizer: its `BertTokenizer`.
        preprocessor: its `BertPreprocessor`.
        encoder: its `BertEncoder`.
        masked_lm, classifier: its heads; None where the source has none.
        guesser: the `Bert` that `fill_mask` asks: this one where it has a head, else one made for it, or None.
        name: what it was loaded as.
        has_pooler: whether the source had a pooler; where not, `pooled_output` would be noise and is not given.
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
        tokenizer,
        encoder,
        preprocessor=None,
        *,
        name="bert",
        has_pooler=True,
        embed_settings=None,
        masked_lm=None,
        classifier=None,
        make_guesser=None,
    ):
        if not isinstance(tokenizer, BertTokenizer) or not isinstance(encoder, BertEncoder):
            raise TypeError(f"A Bert is made of a BertTokenizer and a BertEncoder, got {tokenizer!r} and {encoder!r}.")
        if tokenizer.vocab_size > encoder.vocab_size:
            raise ValueError(
                f"The tokenizer has {tokenizer.vocab_size} tokens, but the encoder's word table only "
                f"{encoder.vocab_size} rows: they do not belong together."
            )
        if tokenizer.vocab_size < encoder.vocab_size:
            warnings.warn(
                f"The tokenizer has {tokenizer.vocab_size} tokens, and the encoder's word table {encoder.vocab_size} "
                "rows: the last belong to no token. Some models are padded so; else the vocabulary was cut off.",
                stacklevel=2,
            )
        self.tokenizer = tokenizer
        self.encoder = encoder
        self.preprocessor = preprocessor or BertPreprocessor(tokenizer)
        self.masked_lm = masked_lm
        self.classifier = classifier
        self.name = name
        self.has_pooler = has_pooler
        self.max_length = encoder.max_sequence_length
        self.embed_settings = embed_settings or EmbedSettings()
        self.make_guesser, self._guesser = make_guesser, None
        self._functions = {}  # what `fast_path` has compiled, by name

    def __repr__(self):
        e = self.encoder
        return (
            f"Bert({self.name!r}: {e.num_layers} layers, {e.hidden_size} wide, {e.num_attention_heads} heads, "
            f"{e.count_params():,} parameters)"
        )

    def read(self, text, pair=None, *, max_length=None, overflow="truncate", return_qkv=False, head_mask=None):
        """Reads a text, or a pair of texts, and keeps everything that the encoder computes on the way.

        Args:
            text: str.
            pair: str or None, the second segment.
            max_length: int or None, tokens to read at most, [CLS] and [SEP] included (None: what the model can).
            overflow: "truncate" cuts a longer text and warns that it did; "error" refuses it.
            return_qkv: bool, keep queries, keys and values too.
            head_mask: array `[L, N]`, 0 for each head whose contribution shall be left out, 1 for the others; or None.

        Returns:
            a `Reading`.

        Raises:
            TypeError: `text` or `pair` is not a string.
            ValueError: too long with overflow="error", a `max_length` that the model has no positions for, or a
            `head_mask` of another shape.
        """
        if overflow not in ("truncate", "error"):
            raise ValueError(f'overflow must be "truncate" or "error", got {overflow!r}.')
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
        inputs = pack([encoded], self.tokenizer.pad_id)
        if head_mask is None:
            name, function = ("read", _everything) if not return_qkv else ("read with qkv", _everything_and_qkv)
            outputs = self._run(name, function, inputs)
        else:  # not on the fast path, which would compile anew for each mask
            mask = self._check_head_mask(head_mask)
            outputs = _everything(self.encoder, inputs, head_mask=mask, return_qkv=return_qkv)
            outputs = keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)
        return Reading(
            text=text,
            pair=pair,
            tokens=encoded.tokens,
            ids=encoded.ids,
            type_ids=encoded.type_ids,
            offsets=encoded.offsets,
            segments=encoded.segments,
            attention=_stacked(outputs["attention_scores"]),  # [L, N, T, T]
            encoder_outputs=_stacked(outputs["encoder_outputs"]),  # [L, T, D]
            embedding_output=_stacked(outputs["embedding_output"]),  # [T, D]
            pooled_output=_stacked(outputs["pooled_output"]) if self.has_pooler else None,  # [D]
            model=self.name,
            **{name: _stacked(outputs[name]) for name in QKV if return_qkv},  # [L, N, T, H] each
        )

    def embed(self, sentences, pooling=None, normalize=None, *, max_length=None, progress=True):
        """One vector for each text.

        Args:
            sentences: list of n strings, or one string.
            pooling: "mean", "cls", "max" or "pooled" (None: what the model was made for, else "mean").
            normalize: bool, scale every vector to length 1 (None: what the model was made for, else False).
            max_length: int or None, tokens of each text that are read (None: the model's own limit).
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
        self._check_pooling(pooling)

        if settings.prompt:
            sentences = [settings.prompt + s if isinstance(s, str) else s for s in sentences]
        rows = self.preprocessor.encode_batch(sentences, max_length=limit)
        vectors = np.zeros((len(rows), self.encoder.hidden_size), "float32")  # [n, D]
        with tqdm(total=len(rows), unit="text", delay=PROGRESS_AFTER, disable=not progress, leave=False) as bar:
            for batch in length_sorted_batches([len(row.ids) for row in rows]):
                inputs = pack([rows[i] for i in batch], self.tokenizer.pad_id)
                vectors[batch] = self._run(f"embed {pooling}", _pooled_by(pooling), inputs)["vectors"]
                bar.update(len(batch))
        if normalize:
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    @property
    def can_fill_mask(self):
        """Whether there is somebody for `fill_mask` to ask: bool, found out without making it."""
        return self.masked_lm is not None or self._guesser is not None or self.make_guesser is not None

    @property
    def guesser(self):
        """The `Bert` that `fill_mask` asks; None where there is none. Made at the first use.

        A model that was published with a masked-LM head is its own guesser. "minilm" was published without one, so this
        package brings one that it has trained, together with small changes of the encoder: a second model, with an
        encoder of its own. What `read` and `embed` use stays as it was published, and so does what is saved.
        """
        if self.masked_lm is not None:
            return self
        if self._guesser is None and self.make_guesser is not None:
            self._guesser = self.make_guesser()
        return self._guesser

    def fill_mask(self, text, pair=None, top_k=5):
        """What the model would write in place of each [MASK].

        "minilm" answers through its `guesser`, which was trained for about an hour on the documentation of Python, and
        on nothing else: it knows what Python raises, and not what the capital of France is. How good it is stands in
        bertedu/assets/minilm_mlm.md.

        Args:
            text, pair: str, as for `read`, with at least one [MASK] in them.
            top_k: int, how many answers for each.

        Returns:
            a list with one entry a [MASK], in order: the list of the `top_k` likeliest (token, probability).

        Raises:
            ValueError: the model has no masked-LM head, there is no [MASK], or the text is too long.

        Example:
            be.load("minilm").fill_mask("A [MASK] is raised when the key is not found.")
            be.load("bert_en_uncased").fill_mask("Paris is the [MASK] of France.")
        """
        if self.guesser is None:
            raise ValueError(
                f"{self.name!r} was published without a masked-LM head: load a model that has one, such as "
                '"bert_en_uncased", which needs the Hub once. "minilm" guesses about Python where its trained head is '
                "installed: bertedu/assets/minilm_mlm.safetensors, in the repository and its wheel; `bertedu colab` "
                "brings it in the chapters that ask for it."
            )
        if self.guesser is not self:
            return self.guesser.fill_mask(text, pair, top_k)
        encoded = self.preprocessor.encode(text, pair)
        if len(encoded.ids) > self.max_length:
            raise ValueError(f"The text has {len(encoded.ids)} tokens, and {self.name!r} reads {self.max_length}.")
        positions = [i for i, token in enumerate(encoded.ids) if token == self.tokenizer.mask_id]
        if not positions:
            raise ValueError(f"text needs a {self.tokenizer.mask_token} to fill, got {text!r}.")
        outputs = self._run("read", _everything, pack([encoded], self.tokenizer.pad_id))
        sequence = outputs["encoder_outputs"][-1]  # [1, T, D]
        logits = self.masked_lm.masked_lm(sequence, np.array([positions], "int32"))  # [1, M, V]
        chances = keras.ops.convert_to_numpy(keras.ops.softmax(logits, axis=-1))[0]  # [M, V]
        chances = chances[:, : self.tokenizer.vocab_size]  # a padded word table has rows that no token belongs to
        best = np.argsort(-chances, axis=-1)[:, :top_k]  # [M, top_k]
        return [
            [(self.tokenizer.vocabulary[i], float(row[i])) for i in ids] for ids, row in zip(best, chances, strict=True)
        ]

    def classifier_for(self, num_classes, **options):
        """Return a new `BertClassifier` on a copy of the encoder: training it changes neither `read` nor `embed`.

        What is frozen in the encoder (`trainable=False`) is frozen in the copy.

        Args:
            num_classes: int; 1 for a regression.
            options: further arguments of `BertClassifier`.
        """
        return BertClassifier(copy_encoder(self.encoder), num_classes, **options)

    def _limit(self, max_length, own):
        """The most tokens to read: `max_length` if it is given and possible, else `own`."""
        if max_length is None:
            return own
        if not isinstance(max_length, int) or not 2 < max_length <= self.max_length:
            raise ValueError(
                f"max_length must be a whole number from 3 to {self.max_length}, the positions of {self.name!r}; "
                f"got {max_length!r}."
            )
        return max_length

    def _check_head_mask(self, head_mask):
        mask = np.asarray(head_mask, "float32")
        shape = (self.encoder.num_layers, self.encoder.num_attention_heads)
        if mask.shape != shape:
            raise ValueError(f"head_mask must have the shape {shape}, layers and heads; got {mask.shape}.")
        return mask

    def _check_pooling(self, pooling):
        if pooling not in ("pooled", *POOLINGS):
            raise ValueError(f"pooling must be one of {['pooled', *POOLINGS]}, got {pooling!r}.")
        if pooling == "pooled" and not self.has_pooler:
            raise ValueError(f"{self.name!r} was published without a pooler: choose pooling from {list(POOLINGS)}.")

    def _run(self, name, function, inputs):
        check_values(inputs, self.encoder)
        if name not in self._functions:
            self._functions[name] = compiled.compiled(function, self.encoder)
        return self._functions[name](inputs)


def length_sorted_batches(lengths, batch_tokens=BATCH_TOKENS):
    """Indices of `lengths` in batches of similar length, each at most `batch_tokens` when padded; the longest first.

    Example:
        >>> length_sorted_batches([3, 9, 4], batch_tokens=9)
        [[1], [2, 0]]
    """
    batches = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= batch_tokens:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches


def _stacked(arrays):
    """What there is of the only text of a batch, layers stacked, in float32: plots and files know no bfloat16."""
    if isinstance(arrays, list):
        return np.stack([_stacked(array) for array in arrays])
    return np.asarray(arrays[0], "float32")


def _everything(encoder, inputs, **options):
    return encoder(inputs, return_attention_scores=True, return_embedding_output=True, training=False, **options)


def _everything_and_qkv(encoder, inputs):
    return _everything(encoder, inputs, return_qkv=True)


def _pooled_by(pooling):
    def vectors(encoder, inputs):
        return {"vectors": pool(encoder(inputs, training=False), inputs["input_mask"], pooling)}

    return vectors

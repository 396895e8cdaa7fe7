"""Reading: a whole BERT (tokenizer, preprocessor, encoder), and what it does with a text, every number of it.

Chapter: notebooks/00_start_here.ipynb.
"""

import dataclasses
import warnings
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from bertedu import checkpoints, fast_path, presets
from bertedu.checkpoints.common import EmbedSettings
from bertedu.classifier import BertClassifier
from bertedu.encoder import BertEncoder, check_values
from bertedu.pooling import POOLINGS, pool
from bertedu.text import BertPreprocessor, BertTokenizer, pack

BATCH_TOKENS = 2048  # `embed`: tokens a batch, padding included; more no longer help two cores, and fill the cache
PROGRESS_AFTER = 2.0  # seconds of work before a progress bar appears


class Bert:
    """A BERT that can be asked: text in, arrays out. `be.load` makes one.

    Attributes:
        tokenizer: its `BertTokenizer`.
        preprocessor: its `BertPreprocessor`.
        encoder: its `BertEncoder`.
        masked_lm, classifier: its heads; None where the source has none.
        name: what it was loaded as.
        has_pooler: whether the source had a pooler; where not, `pooled_output` would be noise and is not given.
        max_length: int, the longest text it reads, in tokens.
        embed_settings: pooling, normalisation and length that `embed` follows unless told otherwise.

    Example:
        >>> bert = load("minilm")
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
    ):
        if not isinstance(tokenizer, BertTokenizer) or not isinstance(encoder, BertEncoder):
            raise TypeError(f"A Bert is made of a BertTokenizer and a BertEncoder, got {tokenizer!r} and {encoder!r}.")
        if tokenizer.vocab_size > encoder.vocab_size:
            raise ValueError(
                f"The tokenizer has {tokenizer.vocab_size} tokens, but the encoder's word table only "
                f"{encoder.vocab_size} rows: they do not belong together."
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
        self._functions = {}  # what `fast_path` has compiled, by name

    def __repr__(self):
        e = self.encoder
        return (
            f"Bert({self.name!r}: {e.num_layers} layers, {e.hidden_size} wide, {e.num_attention_heads} heads, "
            f"{e.count_params():,} parameters)"
        )

    def read(self, text, pair=None, *, max_length=None, overflow="truncate"):
        """Reads a text, or a pair of texts, and keeps everything that the encoder computes on the way.

        Args:
            text: str.
            pair: str or None, the second segment.
            max_length: int or None, tokens to read at most, [CLS] and [SEP] included (None: what the model can).
            overflow: "truncate" cuts a longer text and warns that it did; "error" refuses it.

        Returns:
            a `Reading`.

        Raises:
            TypeError: `text` or `pair` is not a string.
            ValueError: too long with overflow="error", or a `max_length` that the model has no positions for.
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
        outputs = self._run("read", _everything, pack([encoded], self.tokenizer.pad_id))
        return Reading(
            text=text,
            pair=pair,
            tokens=encoded.tokens,
            ids=encoded.ids,
            type_ids=encoded.type_ids,
            offsets=encoded.offsets,
            segments=encoded.segments,
            attention=_float32([scores[0] for scores in outputs["attention_scores"]]),  # [L, N, T, T]
            encoder_outputs=_float32([layer[0] for layer in outputs["encoder_outputs"]]),  # [L, T, D]
            embedding_output=_float32(outputs["embedding_output"][0]),  # [T, D]
            pooled_output=_float32(outputs["pooled_output"][0]) if self.has_pooler else None,  # [D]
            model=self.name,
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

    def fill_mask(self, text, pair=None, top_k=5):
        """What the model would write in place of each [MASK].

        Args:
            text, pair: str, as for `read`, with at least one [MASK] in them.
            top_k: int, how many answers for each.

        Returns:
            a list with one entry a [MASK], in order: the list of the `top_k` likeliest (token, probability).

        Raises:
            ValueError: the model has no masked-LM head, there is no [MASK], or the text is too long.

        Example:
            be.load("bert_en_uncased").fill_mask("Paris is the [MASK] of France.")
        """
        if self.masked_lm is None:
            raise ValueError(
                f"{self.name!r} was published without a masked-LM head: load a model that has one, such as "
                '"bert_en_uncased", which needs the Hub once.'
            )
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
        best = np.argsort(-chances, axis=-1)[:, :top_k]  # [M, top_k]
        return [
            [(self.tokenizer.vocabulary[i], float(row[i])) for i in ids] for ids, row in zip(best, chances, strict=True)
        ]

    def classifier_for(self, num_classes, **options):
        """A new `BertClassifier` on a copy of the encoder, so that training it leaves `read` and `embed` as they are.

        Args:
            num_classes: int; 1 for a regression.
            options: further arguments of `BertClassifier`.
        """
        copy = BertEncoder.from_config(self.encoder.get_config())
        copy.set_weights(self.encoder.get_weights())
        return BertClassifier(copy, num_classes, **options)

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

    def _check_pooling(self, pooling):
        if pooling not in ("pooled", *POOLINGS):
            raise ValueError(f"pooling must be one of {['pooled', *POOLINGS]}, got {pooling!r}.")
        if pooling == "pooled" and not self.has_pooler:
            raise ValueError(f"{self.name!r} was published without a pooler: choose pooling from {list(POOLINGS)}.")

    def _run(self, name, function, inputs):
        check_values(inputs, self.encoder)
        if name not in self._functions:
            self._functions[name] = fast_path.compiled(function, self.encoder)
        return self._functions[name](inputs)


@dataclasses.dataclass(frozen=True, repr=False)
class Reading:
    """What a BERT did with a text. T tokens, [CLS] and [SEP] included.

    Attributes:
        text, pair: what was read.
        tokens: list of T strings.
        ids, type_ids: lists of T integers.
        offsets: list of T: (start, end) of the token's characters in its text, end exclusive; None for [CLS], [SEP].
        segments: list of T: 0 for tokens of `text`, 1 for those of `pair`, None for [CLS] and [SEP].
        attention: `[L, N, T, T]`: how much token t (third axis) looks at token s (fourth), by layer and head.
        encoder_outputs: `[L, T, D]`, each layer's output.
        embedding_output: `[T, D]`, what enters the first layer.
        pooled_output: `[D]`, or None where the model was published without a pooler.
        model: the name of the model.
    """

    text: str
    pair: str | None
    tokens: list
    ids: list
    type_ids: list
    offsets: list
    segments: list
    attention: np.ndarray
    encoder_outputs: np.ndarray
    embedding_output: np.ndarray
    pooled_output: np.ndarray | None
    model: str

    @property
    def sequence_output(self):
        """`[T, D]`, the last layer's output."""
        return self.encoder_outputs[-1]

    def __repr__(self):
        layers, heads = self.attention.shape[:2]
        return f"Reading({' '.join(self.tokens)!r}: {len(self.tokens)} tokens, {layers} layers of {heads} heads)"

    def picture(self, layer=None, head=None):
        """A matplotlib picture of the attention: every head, one layer's heads, or (with both) one head.

        Returns:
            Axes, or an array of Axes.

        Raises:
            ValueError: a layer or head that is not there, or a head without its layer.
        """
        from bertedu import plots

        self._check_choice(layer, head)
        if layer is None:
            return plots.model(self.attention, self.tokens, title=f"Every head of {self.model}")
        if head is None:
            return plots.layer(self.attention[layer], self.tokens, title=f"{self.model}, layer {layer}")
        return plots.head(self.attention[layer, head], self.tokens, title=f"{self.model}, layer {layer}, head {head}")

    def _check_choice(self, layer, head):
        if head is not None and layer is None:
            raise ValueError(f"head={head} needs its layer as well.")
        for name, chosen, count in zip(("layer", "head"), (layer, head), self.attention.shape, strict=False):
            if chosen is not None and not 0 <= chosen < count:
                raise ValueError(f"{name}={chosen} is not there: {self.model} has {name}s 0 to {count - 1}.")

    def show(self, layer=0, head=0):
        """Shows the picture of all heads and, in a notebook, a chooser of layer and head below it.

        The picture is an output of its own, so that it stays when the notebook is opened with no kernel.
        """
        from bertedu import chooser

        self._check_choice(layer, head)
        chooser.show(self, layer, head)

    def save(self, path, layer=None, head=None):
        """Saves `picture(layer, head)` as .png, .svg or .pdf, by the ending of `path`, and returns the path.

        Raises:
            ValueError: another ending. FileNotFoundError: no such folder.
        """
        from bertedu import plots

        axes = self.picture(layer, head)
        try:
            return plots.save(axes, path)
        finally:
            plots.close(axes)


def load(source="minilm", *, name=None, dtype=None):
    """Opens a published BERT.

    Args:
        source: a preset's name (`be.presets.PRESETS`), a directory, a file (.keras, .weights.h5), the prefix of a
            TensorFlow checkpoint, or "hf://organisation/name", with "@revision" behind it if wanted. What format it is
            in is told from the files: see `bertedu.checkpoints`.
        name: str or None, what to call it in pictures and messages (None: `source`, without its folders).
        dtype: name of a type, as "float32", to compute in and to turn the weights into (None: the one they were saved
            in; half precision is slow on a CPU).

    Returns:
        a `Bert`.

    Raises:
        ValueError: an unknown preset, or files that do not describe one BERT completely.
        FileNotFoundError: no such directory, or a file missing in it.
        ConnectionError: nowhere here, and not to be downloaded.

    Example:
        >>> load("minilm")
        Bert('minilm': 6 layers, 384 wide, 12 heads, 22,713,216 parameters)
    """
    source = str(source)
    path = locate(source)
    contents = checkpoints.read(path, dtype)
    if contents.preprocessor is None:
        raise FileNotFoundError(f"{path} comes without its vocabulary: put its vocab.txt beside it.")
    try:
        return Bert(
            contents.preprocessor.tokenizer,
            contents.encoder,
            contents.preprocessor,
            name=name or short_name(source),
            has_pooler=contents.has_pooler,
            embed_settings=contents.embed_settings,
            masked_lm=contents.masked_lm,
            classifier=contents.classifier,
        )
    except ValueError as error:
        raise ValueError(error if str(path) in str(error) else f"{path}: {error}") from None


def build(name, weights=None, **options):
    """The encoder of a preset, with random weights: what `load` opens, before it was trained.

    Args:
        name: a preset's name.
        weights: None for random ones; "published" for `load(name).encoder`.
        options: arguments of `BertEncoder` that shall differ from the preset's.

    Returns:
        a `BertEncoder`.

    Raises:
        ValueError: an unknown preset, other `weights`, or options beside published ones.

    Example:
        >>> build("minilm", num_layers=1).num_layers
        1
    """
    sizes = presets.get(name).sizes
    if weights is None:
        return BertEncoder(**{**sizes, **options})
    if weights != "published" or options:
        raise ValueError(f'weights must be None, or "published" without further options; got {weights!r}, {options}.')
    return load(name).encoder


def short_name(source):
    """What a model is called when nobody says: its preset, or the last part of its path or repository.

    Example:
        >>> short_name("hf://organisation/name@main"), short_name("models/mine/"), short_name("minilm")
        ('name', 'mine', 'minilm')
    """
    if source.startswith("hf://"):
        source = source.partition("@")[0]
    return Path(source).name


def locate(source):
    """The path of `source`, a preset's name, a directory, a checkpoint's prefix or "hf://organisation/name[@revision]"."""
    if source.startswith("hf://"):
        hub, _, revision = source.removeprefix("hf://").partition("@")
        if hub.count("/") != 1:
            raise ValueError(f"{source!r} must look like hf://organisation/name, or hf://organisation/name@revision.")
        return presets.download(hub, revision or None)
    path = Path(source).expanduser()
    if path.exists() or path.with_name(f"{path.name}.index").is_file():
        return path
    if source not in presets.PRESETS and (path.is_absolute() or len(path.parts) > 1 or source.startswith(".")):
        raise FileNotFoundError(f"There is no directory {source!r}.")
    return presets.find(presets.get(source))


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


def _float32(arrays):
    """One array of what may be a list of them; half precision is widened, as plots and files know no bfloat16."""
    return np.asarray(arrays, "float32")


def _everything(encoder, inputs):
    outputs = encoder(inputs, return_attention_scores=True, return_embedding_output=True, training=False)
    return {
        name: outputs[name] for name in ("attention_scores", "encoder_outputs", "embedding_output", "pooled_output")
    }


def _pooled_by(pooling):
    def vectors(encoder, inputs):
        return {"vectors": pool(encoder(inputs, training=False), inputs["input_mask"], pooling)}

    return vectors

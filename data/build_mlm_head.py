"""Train the offline model's masked-LM head on CPython's documentation: bertedu/assets/minilm_mlm.safetensors.

    python data/build_mlm_head.py                # start or resume a training; about an hour
    python data/build_mlm_head.py --minutes 5    # stop after this time
    python data/build_mlm_head.py --evaluate     # no training: only the figures of the datasheet, of the existing file

all-MiniLM-L6-v2 was published without BERT's masked-LM head, and its last layer was fine-tuned for sentence embeddings.
This script trains the head (a dense layer, GELU, LayerNorm, the tied word table, a bias), a low-rank update `down @ up`
for every matrix of the encoder's layers (LoRA; Hu et al. 2021, https://arxiv.org/abs/2106.09685), and updates of their
biases and LayerNorms. The texts come with every Python: `pydoc_data.topics` and the docstrings of the standard library.
The datasheet, with every figure, is bertedu/assets/minilm_mlm.md.
"""

import argparse
import ast
import hashlib
import inspect
import platform
import pydoc_data.topics
import re
import sysconfig
import time
from pathlib import Path

import keras
import numpy as np
from keras import ops
from safetensors.numpy import save_file

import bertedu as be
from bertedu.checkpoints.common import weights
from bertedu.fine_tuning import state
from bertedu.fine_tuning.schedule import NO_DECAY, AdamW

ASSET = Path(be.__file__).parent / "assets" / "minilm_mlm.safetensors"
DATASHEET = ASSET.with_suffix(".md")
BEGIN, END = "<!-- figures: written by data/build_mlm_head.py -->", "<!-- end of figures -->"
STATE = Path("runs") / "mlm_head" / "state.safetensors"
SEED = 0
LENGTH = 64  # tokens a window, [CLS] and [SEP] included
BATCH = 32
RANK = 24
RATE = 0.15  # fraction of tokens that are hidden in the evaluation, as in the paper,
TRAINING_RATE = 0.2  # and in training, to learn more from each step
STEPS = 600
WARM_UP = 100
LEARNING_RATE = 2e-3
SEGMENT = 10  # steps between two states on disk
EVALUATION_STEPS = 200
HELD_OUT = 16  # one in so many documents is held out
LEFT_OUT = ("test", "tests", "idle_test", "lib2to3", "idlelib", "site-packages", "turtledemo", "pydoc_data")
IN_C = ("builtins", "math", "itertools", "_collections", "_functools", "time", "sys", "_struct", "_socket", "_io", "re")
STOP_WORDS = re.findall(
    r"\w+",
    """
    a an the and or but nor not no if then else than that this these those it its is are was were be been being has
    have had do does did will would can could may might must shall should of in on at to from by for with without into
    onto as so such when where which who whose what how there here all any each some only also both either same other
    more most very too just you your we our they their he his she her i s t
    """,
)
"""Words that hold a sentence together; the figure for words that carry its content leaves them out."""
WORDS = {
    "all": "any hidden token, as in training: 80 % [MASK], 10 % another token, 10 % unchanged",
    "as [MASK]": "of these, the ones where [MASK] stands",
    "content words": "of these, whole words of two letters or more that are no stop words",
}
PYTHON = platform.python_version()


# The texts


def documents():
    """dict, name -> list of paragraphs. A topic is a document, and so is a module or package with all its docstrings.

    Duplicate paragraphs are left out, so that documents do not overlap.
    """
    texts_of = {f"topic {name}": [text] for name, text in sorted(pydoc_data.topics.topics.items())}
    library = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(library.rglob("*.py"), key=lambda path: path.relative_to(library).parts):
        parts = path.relative_to(library).with_suffix("").parts
        if not any(part in LEFT_OUT or part.startswith(("lib-", "config-")) for part in parts):
            texts_of.setdefault(f"module {parts[0]}", []).extend(docstrings(path))
    for name in IN_C:
        texts_of.setdefault(f"module {name}", []).extend(docstrings_in_c(name))
    seen, unique = set(), {}
    for name, texts in texts_of.items():
        new = [p for text in texts for p in paragraphs(text) if p not in seen and not seen.add(p)]
        if new:
            unique[name] = new
    return unique


def docstrings(path):
    """All docstrings of a source file, which is read and not run."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, kinds)]
    return [text for node in nodes if (text := ast.get_docstring(node))]


def docstrings_in_c(name):
    """The docstrings of a module that is written in C, of its classes and functions and of their methods."""
    module = __import__(name)
    things = [module] + [thing for key, thing in sorted(vars(module).items()) if not key.startswith("_")]
    things += [
        method
        for thing in things
        if inspect.isclass(thing)
        for key, method in sorted(vars(thing).items())
        if callable(method) and not key.startswith("_")
    ]
    return [text for thing in things if isinstance(text := getattr(thing, "__doc__", None), str)]


def paragraphs(text):
    """The paragraphs of a text that say something: no ruled lines, no examples of the interactive prompt."""
    for block in re.split(r"\n\s*\n", text):
        lines = [line.strip() for line in block.splitlines()]
        lines = [line for line in lines if re.search(r"[a-zA-Z]{2}", line) and not line.startswith((">>>", "..."))]
        joined = re.sub(r"[*`]+|(?<=\s)[-=~^]{2,}(?=\s)", " ", " ".join(lines))
        joined = re.sub(r"\s+", " ", joined).strip()
        if len(joined.split()) >= 5:
            yield joined


def is_held_out(name):
    """Whether a document is kept from training: drawn from its name, so the same on every machine."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % HELD_OUT == 0


def windows(texts, tokenizer):
    """A document as rows of at most `LENGTH` tokens: whole sentences as long as they fit, long ones cut."""
    room, rows, row = LENGTH - 2, [], []
    sentences = [s for text in texts for s in re.split(r"(?<=[.:;!?])\s+", text)]
    for ids in [list(encoding.ids) for encoding in tokenizer.encode_batch(sentences)]:
        for start in range(0, len(ids), room):
            piece = ids[start : start + room]
            if len(row) + len(piece) > room:
                rows.append(row)
                row = []
            row = row + piece
    return [*rows, row] if row else rows


# What is trained


class Adapted(keras.Model):
    """The encoder, frozen, with differences added that are trained, under a masked-LM head that is trained."""

    def __init__(self, encoder, rank, frequencies):
        super().__init__()
        encoder.trainable = False
        self.encoder = encoder
        self.names = {id(variable): path for path, variable in weights(encoder).items()}
        self.differences = {
            path: self._difference(path, variable, rank)
            for path, variable in weights(encoder).items()
            if path.startswith("layer_")
        }
        self.head = be.MaskedLM(encoder.get_embedding_layer(), "gelu", name="masked_lm")
        self.head.build((None, None, encoder.hidden_size))
        self.head.dense.kernel.assign(np.eye(encoder.hidden_size))  # at first the last layer is compared as it is,
        self.head.bias.assign(np.log(frequencies))  # and a word is as likely as it is frequent

    def _difference(self, path, variable, rank):
        name = path.replace("/", ".")
        if "kernel" not in path:
            return [self.add_weight(shape=variable.shape, initializer="zeros", name=f"{name}.bias")]
        rows = int(np.prod(variable.shape[: 2 if "attention_output" in path else 1]))
        columns = int(np.prod(variable.shape)) // rows
        seed = int(hashlib.sha256(path.encode()).hexdigest()[:6], 16)
        return [
            self.add_weight((rows, rank), keras.initializers.RandomNormal(0, rows**-0.5, seed), name=f"{name}.down"),
            self.add_weight((rank, columns), "zeros", name=f"{name}.up"),
        ]

    def adapted(self, variable):
        """A weight of the encoder with its difference added."""
        parts = self.differences.get(self.names.get(id(variable)))
        if parts is None:
            return variable.value
        difference = parts[0] if len(parts) == 1 else ops.matmul(*parts)
        return variable.value + ops.reshape(difference, variable.shape)

    def call(self, inputs, training=None):
        inputs = dict(inputs)
        positions = inputs.pop("masked_lm_positions")
        values = [self.adapted(variable) for variable in self.encoder.non_trainable_variables]
        outputs, _ = self.encoder.stateless_call([], values, inputs, training=False)
        return self.head(outputs["sequence_output"], positions)  # [B, M, V]

    def tensors(self):
        """The content of the file: dict, name -> float16 array."""
        variables = {}
        for path, parts in self.differences.items():
            names = [path] if len(parts) == 1 else [f"{path}/down", f"{path}/up"]
            variables |= dict(zip(names, parts, strict=True))
        for variable in self.head.trainable_variables:
            variables["masked_lm/" + variable.path.partition("masked_lm/")[2]] = variable
        return {name: ops.convert_to_numpy(variable).astype("float16") for name, variable in variables.items()}


# The training


class Batches(keras.utils.PyDataset):
    """The steps from `start` to `stop`: which rows, and what is hidden, follows from the seed and the step alone."""

    def __init__(self, rows, tokenizer, start, stop):
        super().__init__()
        self.rows, self.tokenizer, self.start, self.stop = rows, tokenizer, start, stop
        self.an_epoch = len(rows) // BATCH

    def __len__(self):
        return self.stop - self.start

    def __getitem__(self, index):
        epoch, number = divmod(self.start + index, self.an_epoch)
        order = np.random.default_rng([SEED, epoch]).permutation(len(self.rows))
        rows = [self.rows[i] for i in order[number * BATCH : (number + 1) * BATCH]]
        return hidden(rows, self.tokenizer, TRAINING_RATE, [SEED, epoch, number])


def hidden(rows, tokenizer, rate, seed):
    """Rows of ids as (inputs with tokens hidden, what stood there, weights)."""
    ids = np.full((len(rows), LENGTH), tokenizer.pad_id, "int32")  # [B, T]
    for i, row in enumerate(rows):
        ids[i, : len(row) + 2] = [tokenizer.cls_id, *row, tokenizer.sep_id]
    inputs = {"input_word_ids": ids, "input_mask": np.int32(ids != tokenizer.pad_id), "input_type_ids": ids * 0}
    masked = be.mask_tokens(inputs, tokenizer, rate=rate, seed=seed)
    return masked, masked.pop("masked_lm_ids"), masked.pop("masked_lm_weights")


def compiled(model):
    """`model`, ready to be trained; the learning rate is set as it goes."""
    adam = AdamW(0.0, weight_decay=0.01, epsilon=1e-6, global_clipnorm=1.0)
    adam.exclude_from_weight_decay(var_names=list(NO_DECAY))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")
    accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    model.compile(adam, loss, weighted_metrics=[accuracy], jit_compile=False)
    adam.build(model.trainable_variables)
    return model


def train(model, rows, sample, tokenizer, minutes=None):
    """Trains, from the last state on disk if there is one; prints the accuracy on a sample of what is held out.

    The learning rate rises for `WARM_UP` steps and falls toward the end: of `STEPS` steps, or of some minutes by the
    clock, so that on a busy machine it ends when it was to end, and ends well.
    """
    words = state.words_of(STATE) or {"done": 0, "seconds": 0.0, "curve": []}
    optimizer = compiled(model).optimizer
    variables = [*model.trainable_variables, *optimizer.variables]
    STATE.parent.mkdir(parents=True, exist_ok=True)
    if words["done"]:
        state.restore(STATE, variables)
    print(f"{len(rows):,} windows; {words['done']:,} steps done, {words['seconds'] / 60:.1f} minutes", flush=True)
    while (spent := words["seconds"] / 60 / minutes if minutes else words["done"] / STEPS) < 1:
        began, start = time.perf_counter(), words["done"]
        optimizer.learning_rate = LEARNING_RATE * min((start + SEGMENT) / WARM_UP, 1 - spent)
        data = Batches(rows, tokenizer, start, start + SEGMENT)
        fitted = model.fit(data, verbose=0, shuffle=False).history
        words["done"], words["seconds"] = start + SEGMENT, words["seconds"] + time.perf_counter() - began
        words["curve"].append([words["done"], fitted["loss"][-1], fitted["accuracy"][-1]])
        state.save(STATE, variables, words)
        loss, right = np.mean(words["curve"][-5:], axis=0)[1:]
        print(
            f"step {words['done']}: loss {loss:.3f}, right {right:.1%}, {words['seconds'] / 60:.1f} minutes", flush=True
        )
        if words["done"] % EVALUATION_STEPS == 0:
            inputs, answers, marks = sample
            held_out = model.evaluate(inputs, answers, BATCH, sample_weight=marks, verbose=0)[1]
            print(f"step {words['done']}: held out, a sample: {held_out:.1%} right", flush=True)


# Evaluation


def evaluate(bert, rows, counts):
    """The figures of the datasheet: dict, kind of hidden token -> (positions, accuracy, top-5 accuracy, baseline).

    The baseline always predicts the hidden token that is the most frequent one in training.
    """
    inputs, answers, marks = hidden(rows, bert.tokenizer, RATE, SEED)
    right, among_five = np.zeros(answers.shape, bool), np.zeros(answers.shape, bool)  # [B, M]
    for start in range(0, len(rows), BATCH):
        batch = {name: array[start : start + BATCH] for name, array in inputs.items()}
        logits = ops.convert_to_numpy(bert.masked_lm(batch)["mlm_logits"])  # [B, M, V]
        labels = answers[start : start + BATCH, :, None]
        better = (logits > np.take_along_axis(logits, labels, -1)).sum(-1)  # [B, M], tokens with a higher logit
        right[start : start + BATCH], among_five[start : start + BATCH] = better == 0, better < 5
    shown = np.take_along_axis(inputs["input_word_ids"], inputs["masked_lm_positions"], 1) == bert.tokenizer.mask_id
    real = marks > 0
    content = real & shown & is_content_word(rows, inputs["masked_lm_positions"], answers, bert.tokenizer)
    figures = {}
    for name, chosen in {"all": real, "as [MASK]": real & shown, "content words": content}.items():
        asked = np.unique(answers[chosen])
        likeliest = asked[counts[asked].argmax()]
        figures[name] = (
            int(chosen.sum()),
            float(right[chosen].mean()),
            float(among_five[chosen].mean()),
            float((answers[chosen] == likeliest).mean()),
        )
    return figures


def is_content_word(rows, positions, answers, tokenizer):
    """`[B, M]`: a whole word that is one token of two or more letters, and no stop word."""
    words = np.array([w.isalpha() and len(w) > 1 and w not in STOP_WORDS for w in tokenizer.vocabulary])
    continues = np.array([token.startswith("##") for token in tokenizer.vocabulary])
    is_content = words[answers]  # [B, M]
    for b, row in enumerate(rows):
        for m, position in enumerate(positions[b]):  # the row's own tokens begin at position 1
            is_content[b, m] &= not (position < len(row) and continues[row[position]])
    return is_content


def write_figures(figures):
    """Print the figures, and write them into the datasheet between its two marks."""
    lines = [
        "| hidden tokens | positions | accuracy | top-5 accuracy | most frequent token |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {WORDS[name]} | {positions:,} | {right:.1%} | {five:.1%} | {baseline:.1%} |"
        for name, (positions, right, five, baseline) in figures.items()
    ]
    print("\n".join(lines))
    if DATASHEET.is_file():
        before, _, rest = DATASHEET.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        DATASHEET.write_text("\n".join([before + BEGIN, *lines, END + after]), encoding="utf-8")


def main():
    """Train, write the file, and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, help=f"duration of the training (default: {STEPS} steps)")
    parser.add_argument("--evaluate", action="store_true", help="do not train; only evaluate the existing file")
    arguments = parser.parse_args()
    keras.utils.set_random_seed(SEED)
    bert = be.load("minilm")
    split = {True: [], False: []}
    for name, texts in documents().items():
        split[is_held_out(name)] += windows(texts, bert.tokenizer)
    train_rows, held_rows = split[False], split[True]
    counts = np.bincount(np.concatenate(train_rows), minlength=bert.tokenizer.vocab_size)
    if not arguments.evaluate:
        model = Adapted(bert.encoder, RANK, (counts + 0.1) / (counts + 0.1).sum())
        sample = hidden(held_rows[::4], bert.tokenizer, RATE, SEED)
        train(model, train_rows, sample, bert.tokenizer, arguments.minutes)
        save_file(model.tensors(), ASSET, metadata={"base": be.presets.get("minilm").sha256, "python": PYTHON})
    write_figures(evaluate(be.load("minilm").masked_lm_bert, held_rows, counts))


if __name__ == "__main__":
    main()

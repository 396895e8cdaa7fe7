"""`bert.read` on 50 sentences of lengths never seen before, to all attention as NumPy, against two peers.

    python -m benchmarks.read [--repeats 5] [--one-process]

Every repeat starts fresh processes, warms each up with one sentence, and then gives every sentence to all of them in
turn; every sentence has another number of tokens. Compared: `bert.read` (which computes embeddings, layer outputs and
pooled output besides); transformers' BertModel, eager attention, `output_attentions=True`, tokenisation included, as
it is for ours; KerasHub's `BertBackbone` called as a layer, with ids from our tokenizer. KerasHub cannot show its
attention scores, so it gets away with less work.
"""

import time

import numpy as np

from benchmarks import common

PAUSE = 0.03  # seconds before each turn: torch's threads spin on after their work, on the core the next one needs

CONTESTANTS = ("bertedu", "transformers", "KerasHub")


def bertedu_reader():
    """text -> attention `[L, N, T, T]`."""
    import bertedu as be

    bert = be.load("minilm")
    return lambda text: bert.read(text).attention


def transformers_reader():
    """text -> attention `[L, N, T, T]`."""
    import torch
    from transformers import AutoTokenizer, BertModel

    directory = common.model_directory()
    tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
    model = BertModel.from_pretrained(directory, attn_implementation="eager", local_files_only=True).eval()

    def read(text):
        with torch.no_grad():
            outputs = model(**tokenizer(text, return_tensors="pt"), output_attentions=True)
        return np.stack([scores[0].numpy() for scores in outputs.attentions])

    return read


def keras_hub_reader():
    """text -> sequence output `[T, D]`; its attention cannot be had."""
    import keras
    import keras_hub

    import bertedu as be

    bert = be.load("minilm")
    ours = bert.encoder
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=ours.vocab_size,
        num_layers=ours.num_layers,
        num_heads=ours.num_attention_heads,
        hidden_dim=ours.hidden_size,
        intermediate_dim=ours.inner_dim,
        max_sequence_length=ours.max_sequence_length,
        num_segments=ours.type_vocab_size,
    )
    copy_weights(ours, backbone)
    preprocessor = be.BertPreprocessor(bert.tokenizer, seq_length=None)

    def read(text):
        inputs = preprocessor(text)
        names = {"token_ids": "input_word_ids", "padding_mask": "input_mask", "segment_ids": "input_type_ids"}
        outputs = backbone({name: inputs[ours] for name, ours in names.items()})
        return keras.ops.convert_to_numpy(outputs["sequence_output"])[0]

    # KerasHub's BERT has the tanh GELU and MiniLM the exact one: close, and a copying mistake would not be.
    text = "The cat sat on the mat."
    assert np.abs(read(text) - bert.read(text).sequence_output).max() < 0.05
    return read


THEIR_NAMES = (
    ("layer_", "transformer_layer_"),
    ("self_attention/", "self_attention_layer/"),
    ("output_layer_norm", "feedforward_layer_norm"),
    ("feedforward/intermediate", "feedforward_intermediate_dense"),
    ("feedforward/output", "feedforward_output_dense"),
    ("embeddings/word_embeddings", "token_embedding"),
    ("embeddings/position_embedding", "position_embedding"),
    ("embeddings/type_embeddings", "segment_embedding"),
    ("embeddings/layer_norm", "embeddings_layer_norm"),
    ("pooler_transform", "pooled_dense"),
)
"""What part of our path of a weight is called what in KerasHub's; each weight's first match counts at its place."""


def copy_weights(encoder, backbone):
    """Fills a KerasHub `BertBackbone` with the weights of `encoder`, by name; every one of both must be met."""
    theirs = {weight.path: weight for weight in backbone.weights}
    for weight in encoder.weights:
        name = weight.path.split("/", 1)[1]
        in_layer = name.startswith("layer_")
        for ours, other in THEIR_NAMES:
            if ours == "layer_":
                name = other + name.removeprefix(ours) if in_layer else name
            else:
                name = name.replace(ours, other)
        theirs.pop(name).assign(weight)
    assert not theirs, f"not filled: {list(theirs)}"


READERS = dict(zip(CONTESTANTS, (bertedu_reader, transformers_reader, keras_hub_reader), strict=True))


def texts_of_every_length(n=50):
    """A sentence to warm up with, and `n` others, each with another number of tokens, in mixed order."""
    by_length = {}
    texts = common.sentences()
    for text, length in zip(texts, common.token_counts(texts), strict=True):
        by_length.setdefault(length, text)
    chosen = [by_length[length] for length in sorted(by_length)[: n + 1]]
    order = np.random.default_rng(0).permutation(n + 1)
    return chosen[order[0]], [chosen[i] for i in order[1:]]


def local(name):
    """The contestant in this process: a function of a text that returns seconds."""
    read = READERS[name]()
    return lambda text: common.seconds(read, text)


def one_repeat(ask, texts, turn):
    """name -> seconds of every text; `ask` holds a function for each name, and `turn` rotates who begins."""
    warm_up, texts = texts
    for function in ask.values():
        function(warm_up)
    times = {name: [] for name in ask}
    for i, text in enumerate(texts):
        names = list(ask)
        start = (i + turn) % len(names)
        for name in names[start:] + names[:start]:
            time.sleep(PAUSE)
            times[name].append(ask[name](text))
    return {name: np.array(values) for name, values in times.items()}


def measure(repeats, one_process=False):
    """The repeats' times: a list of dicts name -> seconds of every text."""
    texts = texts_of_every_length()
    if one_process:
        ask = {name: local(name) for name in CONTESTANTS[:2]}
        return [one_repeat(ask, texts, turn) for turn in range(repeats)]
    results = []
    for turn in range(repeats):
        workers = {name: common.Worker("benchmarks.read", name) for name in CONTESTANTS}
        ask = {name: lambda text, w=worker: w.ask(text=text)["seconds"] for name, worker in workers.items()}
        results.append(one_repeat(ask, texts, turn))
        for worker in workers.values():
            worker.__exit__()
    return results


def rows(repeats=5, one_process=False):
    """The benchmark's lines of the table."""
    results = measure(repeats, one_process)
    lines = [
        ratio_row(results, name, most, kind)
        for name, most in (("transformers", 1.0), ("KerasHub", 0.2))
        if name in results[0]
        for kind in RATIOS
    ]
    for share, what, target in ((95, "95th percentile", "< 5"), (100, "slowest sentence", "")):
        figures = np.array([np.percentile(times["bertedu"], share) for times in results])
        medians = np.array([np.median(times["bertedu"]) for times in results])
        met = (lambda x: x < 5) if target else None
        what = f"`read`, {what} / median"
        lines.append(common.row(what, common.milliseconds(figures), "", figures / medians, target, met))
    return lines


RATIOS = {
    "median time / that of": lambda ours, theirs: np.median(ours) / np.median(theirs),
    "sentence by sentence, time / that of": lambda ours, theirs: np.median(ours / theirs),
}
"""Two ways to compare the seconds of 50 sentences: the typical ones, or the typical quotient of one sentence's."""


def ratio_row(results, name, most, kind):
    """Our time over that of the peer `name`, which should be at most `most`, in every repeat."""
    ours, theirs = (common.milliseconds(np.concatenate([times[who] for times in results])) for who in ("bertedu", name))
    ratios = [RATIOS[kind](times["bertedu"], times[name]) for times in results]
    return common.row(f"`read`, {kind} {name}", ours, theirs, ratios, f"<= {most}", lambda x: x <= most)


def main():
    """Runs the benchmark and prints its table."""
    arguments = common.parser(__doc__, repeats=5)
    arguments.add_argument(
        "--one-process", action="store_true", help="ours and transformers in one process, for comparison"
    )
    options = common.parsed(arguments)
    if options.serve:
        read = local(options.serve)
        common.serve(lambda text: {"seconds": read(text)})
    else:
        print(common.machine(), "\n")
        print(common.table(rows(options.repeats, options.one_process)))


if __name__ == "__main__":
    main()

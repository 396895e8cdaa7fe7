"""`bert.read` on 50 sentences of new lengths, with all attention weights as NumPy, compared with two peers.

    python -m benchmarks.read [--repeats 5] [--one-process]

Every repeat starts fresh processes, warms each up with one sentence, and then passes every sentence to all of them in
turn; no two sentences have the same number of tokens. Contestants: `bert.read` (which also computes embeddings, layer
outputs and pooled output); transformers' BertModel with eager attention and `output_attentions=True`; both include
tokenization; KerasHub's `BertBackbone`, called as a layer, with ids from bertedu's tokenizer. It cannot return
attention weights, so it does less work.
"""

import time

import numpy as np

from benchmarks import common

PAUSE = 0.03  # seconds before each turn, because torch's threads keep spinning after their work

CONTESTANTS = ("bertedu", "transformers", "KerasHub")


def bertedu_reader():
    """Return a function from text to attention `[L, N, T, T]`."""
    import bertedu as be

    bert = be.load("minilm")
    return lambda text: bert.read(text).attention


def transformers_reader():
    """Return a function from text to attention `[L, N, T, T]`."""
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
    """Return a function from text to sequence output `[T, D]`; its attention is not available."""
    import keras
    import keras_hub

    import bertedu as be

    bert = be.load("minilm")
    encoder = bert.encoder
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=encoder.vocab_size,
        num_layers=encoder.num_layers,
        num_heads=encoder.num_attention_heads,
        hidden_dim=encoder.hidden_size,
        intermediate_dim=encoder.inner_dim,
        max_sequence_length=encoder.max_sequence_length,
        num_segments=encoder.type_vocab_size,
    )
    copy_weights(encoder, backbone)
    preprocessor = be.BertPreprocessor(bert.tokenizer, seq_length=None)

    def read(text):
        inputs = preprocessor(text)
        names = {"token_ids": "input_word_ids", "padding_mask": "input_mask", "segment_ids": "input_type_ids"}
        outputs = backbone({name: inputs[key] for name, key in names.items()})
        return keras.ops.convert_to_numpy(outputs["sequence_output"])[0]

    # KerasHub's BERT has the tanh GELU and MiniLM the exact one, so the outputs are only close.
    text = "The cat sat on the mat."
    assert np.abs(read(text) - bert.read(text).sequence_output).max() < 0.05
    return read


KERAS_HUB_NAMES = (
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
"""Part of a weight's path in bertedu -> the same in KerasHub, applied in this order."""


def copy_weights(encoder, backbone):
    """Assign the weights of `encoder` to a KerasHub `BertBackbone`, by name; fail unless all weights match."""
    unassigned = {weight.path: weight for weight in backbone.weights}
    for weight in encoder.weights:
        name = weight.path.split("/", 1)[1]
        in_layer = name.startswith("layer_")
        for part, other in KERAS_HUB_NAMES:
            if part == "layer_":
                name = other + name.removeprefix(part) if in_layer else name
            else:
                name = name.replace(part, other)
        unassigned.pop(name).assign(weight)
    assert not unassigned, f"not assigned: {list(unassigned)}"


READERS = dict(zip(CONTESTANTS, (bertedu_reader, transformers_reader, keras_hub_reader), strict=True))


def texts_of_every_length(n=50):
    """Return a warm-up sentence and `n` others of different lengths, in random order."""
    by_length = {}
    texts = common.sentences()
    for text, length in zip(texts, common.token_counts(texts), strict=True):
        by_length.setdefault(length, text)
    chosen = [by_length[length] for length in sorted(by_length)[: n + 1]]
    order = np.random.default_rng(0).permutation(n + 1)
    return chosen[order[0]], [chosen[i] for i in order[1:]]


def local(name):
    """Return a function from text to seconds, which runs the contestant in this process."""
    read = READERS[name]()
    return lambda text: common.seconds(read, text)


def one_repeat(ask, texts, turn):
    """Return name -> seconds of all texts; `ask` has a function for each name, `turn` rotates the order."""
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
    """Return the times of the repeats, a list of dicts name -> seconds of all texts."""
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
    """Return the benchmark's rows of the table."""
    results = measure(repeats, one_process)
    lines = [
        ratio_row(results, name, limit, kind)
        for name, limit in (("transformers", 1.0), ("KerasHub", 0.2))
        if name in results[0]
        for kind in RATIOS
    ]
    for percentile, what, target in ((95, "95th percentile", "< 5"), (100, "slowest sentence", "")):
        seconds = np.array([np.percentile(times["bertedu"], percentile) for times in results])
        medians = np.array([np.median(times["bertedu"]) for times in results])
        met = (lambda x: x < 5) if target else None
        what = f"`read`, {what} / median"
        lines.append(common.row(what, common.milliseconds(seconds), "", seconds / medians, target, met))
    return lines


RATIOS = {
    "median time / that of": lambda bertedu, peer: np.median(bertedu) / np.median(peer),
    "sentence by sentence, time / that of": lambda bertedu, peer: np.median(bertedu / peer),
}
"""Two comparisons of the seconds of 50 sentences: the ratio of the medians, and the median of the ratios."""


def ratio_row(results, name, limit, kind):
    """Return the row of bertedu's time divided by the peer's; the target is at most `limit`."""
    bertedu, peer = (
        common.milliseconds(np.concatenate([times[who] for times in results])) for who in ("bertedu", name)
    )
    ratios = [RATIOS[kind](times["bertedu"], times[name]) for times in results]
    return common.row(f"`read`, {kind} {name}", bertedu, peer, ratios, f"<= {limit}", lambda x: x <= limit)


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

"""Head statistics over a corpus (`analysis.head_atlas`) of MiniLM, compared with the same through transformers.

    python -m benchmarks.head_statistics [--repeats 3] [--sentences 1000]

From strings to statistics of every head. Contestants: `head_atlas(bert.readings(texts))`; transformers' BertModel with
eager attention and `output_attentions=True`, one sentence at a time, and in batches of similar length of which the
fastest size counts. The attention of the peer goes to the same `head_atlas`, so that the ratio is that of what comes
before it. Each contestant has its own process, and they take turns. Processor time is comparable with `--threads 1`
only, because torch's threads wait by spinning.
"""

import contextlib
import time

import numpy as np

from benchmarks import common

BATCH_SIZES = (8, 16, 32)
PAUSE = 0.5  # seconds before each turn, because torch's threads keep spinning after their work
PACKAGES = ("tensorflow", "keras", "torch", "transformers", "tokenizers", "numpy")
CONTESTANTS = ("bertedu", "transformers")


def bertedu_statistics():
    """Return a function from texts and a batch size, which is not used, to `HeadStatistics`."""
    import bertedu as be

    bert = be.load("minilm")
    return lambda texts, batch_size: be.analysis.head_atlas(bert.readings(texts, progress=False))


def transformers_statistics():
    """Return a function from texts and a batch size to `HeadStatistics`."""
    import torch
    from transformers import AutoTokenizer, BertModel

    from bertedu.analysis import head_atlas

    directory = common.model_directory()
    tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
    model = BertModel.from_pretrained(directory, attn_implementation="eager", local_files_only=True).eval()

    def attention_and_tokens(texts, batch_size):
        """Yield attention `[L, N, T, T]` and tokens of each text, those of similar length together."""
        ids = [row[: model.config.max_position_embeddings] for row in tokenizer(texts)["input_ids"]]
        order = sorted(range(len(ids)), key=lambda i: -len(ids[i])) if batch_size > 1 else range(len(ids))
        for start in range(0, len(ids), batch_size):
            batch = [ids[i] for i in order[start : start + batch_size]]
            with torch.no_grad():
                outputs = model(**tokenizer.pad({"input_ids": batch}, return_tensors="pt"), output_attentions=True)
            layers = [layer.numpy() for layer in outputs.attentions]  # L of [B, N, T, T]
            for i, row in enumerate(batch):
                length = len(row)
                attention = np.stack([layer[i, :, :length, :length] for layer in layers])
                yield attention, tokenizer.convert_ids_to_tokens(row)

    return lambda texts, batch_size: head_atlas(attention_and_tokens(texts, batch_size))


STATISTICS = dict(zip(CONTESTANTS, (bertedu_statistics, transformers_statistics), strict=True))


def answerer(name):
    """Return the worker's function: seconds, elapsed and of the processor, and statistics for comparison."""
    statistics = STATISTICS[name]()

    def answer(texts, batch_size):
        start = time.perf_counter(), time.process_time()
        result = statistics(texts, batch_size)
        seconds = time.perf_counter() - start[0], time.process_time() - start[1]
        values = [getattr(result, kind).tolist() for kind in ("entropy", "distance", "previous", "cls", "punctuation")]
        return {"seconds": seconds, "values": values}

    return answer


def measure(repeats, texts):
    """Return name -> seconds `[repeats, 2]`, elapsed and of the processor, and the peer's fastest batch size."""
    with contextlib.ExitStack() as stack:
        workers = {n: stack.enter_context(common.Worker("benchmarks.head_statistics", n)) for n in CONTESTANTS}
        return _measure(workers, repeats, texts)


def _measure(workers, repeats, texts):
    def ask(name, some, batch_size=1):
        time.sleep(PAUSE)
        return workers[name].ask(texts=some, batch_size=batch_size)

    few = texts[::10]
    for _ in range(2):  # the first round warms up
        ask("bertedu", few)
        trials = {size: ask("transformers", few, size)["seconds"][0] for size in (1, *BATCH_SIZES)}
    best = min(BATCH_SIZES, key=trials.get)
    settings = {"bertedu": ("bertedu", 1), "one by one": ("transformers", 1), "batches": ("transformers", best)}
    times, values = {name: [] for name in settings}, {}
    for turn in range(repeats):
        for name in list(settings)[:: -1 if turn % 2 else 1]:
            answer = ask(settings[name][0], texts, settings[name][1])
            times[name].append(answer["seconds"])
            values[name] = np.array(answer["values"])
    for name in ("one by one", "batches"):
        np.testing.assert_allclose(values[name], values["bertedu"], atol=1e-4)  # the same statistics
    return {name: np.array(values) for name, values in times.items()}, best


def rows(repeats=3, count=1000):
    """Return the benchmark's rows of the table."""
    texts = common.spread_sentences(count)
    lengths = common.token_counts(texts)
    times, batch_size = measure(repeats, texts)
    ours = times["bertedu"]
    corpus = f"{count} sentences of {min(lengths)} to {max(lengths)} tokens (mean {np.mean(lengths):.0f})"
    target = ("< 60", lambda x: x < 60) if count == 1000 else ()
    lines = [common.row(f"head statistics, {corpus}: seconds", seconds(ours[:, 0]), "", ours[:, 0], *target)]
    for name, setting in (("one by one", "one sentence at a time"), ("batches", f"batches of {batch_size}")):
        for column, what, *target in ((0, "speed", ">= 1.5", lambda x: x >= 1.5), (1, "processor time: speed")):
            mine, peer = ours[:, column], times[name][:, column]
            what = f"head statistics, {what} / that through transformers, {setting}"
            lines.append(common.row(what, seconds(mine), seconds(peer), peer / mine, *target))
    return lines


def seconds(values):
    """Format the median of some seconds."""
    return f"{np.median(values):.1f} s"


def main():
    """Run the benchmark and print its table."""
    arguments = common.parser(__doc__, repeats=3)
    arguments.add_argument("--sentences", type=int, default=1000, help="number of sentences (default: %(default)s)")
    options = common.parsed(arguments)
    if options.serve:
        common.serve(answerer(options.serve))
    else:
        print(common.machine(PACKAGES), "\n")
        print(common.table(rows(options.repeats, options.sentences)))


if __name__ == "__main__":
    main()

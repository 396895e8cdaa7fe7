"""Tagging, LoRA and contrastive training as a user does them, compared with transformers, peft, sentence-transformers.

    python -m benchmarks.tasks [--repeats 3] [--only tagging|lora|contrastive]

Whole trainings of MiniLM in float32 on bertedu's own data, with the same texts, steps, batch size, learning rate and
schedule: from strings to the trained model, first step and compilation included, nothing saved. tagging: code_words,
entity F1 of the validation set. lora: rank 8, alpha 16, of queries and values on reviews, validation accuracy. contrastive: names and
docstrings of docs_pairs, MRR of the validation set. The peers train in a plain PyTorch loop, each batch padded to
its longest text. Each run is a process of its own, and the two of a task alternate in who starts; repeat n has seed n.
Memory is the peak above what the process holds after its imports.
"""

import json
import resource
import time

import numpy as np

from benchmarks import common

BATCH, EPOCHS = 32, 3
RATES = {"tagging": 2e-4, "lora": 1e-3, "contrastive": 5e-5}
TASKS = {
    "tagging": ("bertedu", "transformers"),
    "lora": ("bertedu", "peft"),
    "contrastive": ("bertedu", "sentence-transformers"),
}
QUALITY = {"tagging": "entity F1", "lora": "accuracy", "contrastive": "MRR"}
RANK, ALPHA = 8, 16
TARGET = 1.3


def memory():
    """Return the peak memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def data(task, split):
    """Return the columns of a split: texts or words, and labels, tags or second texts; and the classes."""
    import bertedu as be

    if task == "tagging":
        loaded = be.data.load_tags("code_words", split=split)
        return loaded.words, loaded.tags, loaded.names
    if task == "lora":
        loaded = be.load_texts("reviews", split=split)
        return loaded.texts, loaded.labels.tolist(), loaded.names
    loaded = be.load_texts("docs_pairs", split=split)
    return loaded.texts, loaded.pairs, None


def mean_reciprocal_rank(queries, texts):
    """Return the MRR of vectors `[n, D]` of queries and of the text that belongs to each."""
    similarities = queries @ texts.T / np.linalg.norm(texts, axis=1)  # [n, n]
    return float(np.mean(1 / (similarities >= np.diag(similarities)[:, None]).sum(axis=1)))


def entity_f1(tags, predicted):
    """Return seqeval's F1."""
    from seqeval.metrics import f1_score

    return float(f1_score(tags, predicted))


def bertedu_run(task, seed):
    """Train with bertedu. Return the memory before, the number of seconds, and a function that returns the quality."""
    import bertedu as be

    bert = be.load("minilm")
    (first, second, names), (texts, expected, _) = (data(task, split) for split in ("train", "validation"))
    settings = {"epochs": EPOCHS, "batch_size": BATCH, "learning_rate": RATES[task], "precision": "float32"}
    settings |= {"seed": seed, "progress": False, "max_length": 128}
    before, start = memory(), time.perf_counter()
    if task == "contrastive":
        be.train_embeddings(bert, (first, second), **settings)
        seconds = time.perf_counter() - start
        return before, seconds, lambda: mean_reciprocal_rank(bert.embed(texts), bert.embed(expected))
    if task == "lora":
        classifier = bert.classifier_for(len(names))
        be.fine_tune(classifier, bert.preprocessor, (first, second), lora_rank=RANK, lora_alpha=ALPHA, **settings)
        predict = be.fine_tuning.predict
        seconds = time.perf_counter() - start
        return before, seconds, lambda: np.mean(predict(classifier, bert.preprocessor, texts).argmax(-1) == expected)
    classifier = bert.token_classifier_for(len(names), class_names=names)
    be.fine_tune(classifier, bert.preprocessor, (first, second), **settings)
    seconds = time.perf_counter() - start
    predict = be.fine_tuning.predict_tags
    return before, seconds, lambda: entity_f1(expected, predict(classifier, bert.preprocessor, texts))


def peer_run(task, seed):
    """The same for the peer of a task, in a plain PyTorch loop."""
    import torch

    model, encode, quality = {"tagging": tagging_peer, "lora": lora_peer, "contrastive": contrastive_peer}[task](seed)
    first, second, _ = data(task, "train")
    before, start = memory(), time.perf_counter()
    loss_of = encode(first, second)
    steps = EPOCHS * -(-len(first) // BATCH)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, RATES[task], weight_decay=0.01)
    from transformers import get_linear_schedule_with_warmup

    schedule = get_linear_schedule_with_warmup(optimizer, round(0.1 * steps), steps)
    for _ in range(EPOCHS):
        order = torch.randperm(len(first)).tolist()
        for i in range(0, len(order), BATCH):
            loss_of(order[i : i + BATCH]).backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    return before, time.perf_counter() - start, lambda: quality(*data(task, "validation"))


def tagging_peer(seed):
    """Return transformers' model, a function of words and tags that returns the loss of a batch, and the quality."""
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    torch.manual_seed(seed)
    names = data("tagging", "train")[2]
    tokenizer = AutoTokenizer.from_pretrained(common.model_directory())
    model = AutoModelForTokenClassification.from_pretrained(common.model_directory(), num_labels=len(names)).train()

    def encode(words, tags):
        encoded = tokenizer(words, is_split_into_words=True, truncation=True, max_length=128)
        labels = []
        for i, own in enumerate(tags):
            ids = encoded.word_ids(i)
            begins = [word is not None and word != before for before, word in zip([None, *ids], ids, strict=False)]
            labels.append([names.index(own[word]) if new else -100 for word, new in zip(ids, begins, strict=True)])

        def loss_of(batch):
            padded = tokenizer.pad({"input_ids": [encoded["input_ids"][i] for i in batch]}, return_tensors="pt")
            length = padded["input_ids"].shape[1]
            rows = [labels[i] + [-100] * (length - len(labels[i])) for i in batch]
            return model(**padded, labels=torch.tensor(rows)).loss

        return loss_of

    def quality(words, tags, _):
        model.eval()
        predicted = []
        for own in words:
            encoded = tokenizer([own], is_split_into_words=True, truncation=True, max_length=128, return_tensors="pt")
            with torch.no_grad():
                best = model(**encoded).logits[0].argmax(-1).tolist()
            first = {}
            for position, word in enumerate(encoded.word_ids(0)):
                first.setdefault(word, best[position])
            predicted.append([names[first[i]] if i in first else "O" for i in range(len(own))])
        return entity_f1(tags, predicted)

    return model, encode, quality


def lora_peer(seed):
    """The same for peft."""
    import peft
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(common.model_directory())
    base = AutoModelForSequenceClassification.from_pretrained(common.model_directory(), num_labels=2)
    config = peft.LoraConfig(task_type="SEQ_CLS", r=RANK, lora_alpha=ALPHA, target_modules=["query", "value"],
                             modules_to_save=["classifier", "pooler"])  # fmt: skip
    model = peft.get_peft_model(base, config).train()

    def encode(texts, labels):
        encoded = tokenizer(texts, truncation=True, max_length=128)["input_ids"]

        def loss_of(batch):
            padded = tokenizer.pad({"input_ids": [encoded[i] for i in batch]}, return_tensors="pt")
            return model(**padded, labels=torch.tensor([labels[i] for i in batch])).loss

        return loss_of

    def quality(texts, labels, _):
        model.eval()
        with torch.no_grad():
            padded = tokenizer(texts, truncation=True, max_length=128, padding=True, return_tensors="pt")
            return float(np.mean(model(**padded).logits.argmax(-1).numpy() == labels))

    return model, encode, quality


def contrastive_peer(seed):
    """The same for sentence-transformers."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    torch.manual_seed(seed)
    model = SentenceTransformer(str(common.model_directory()), device="cpu").train()
    model.max_seq_length = 128
    loss = MultipleNegativesRankingLoss(model)

    def encode(queries, texts):
        return lambda batch: loss([model.tokenize([column[i] for i in batch]) for column in (queries, texts)], None)

    def quality(queries, texts, _):
        return mean_reciprocal_rank(*(model.encode(column) for column in (queries, texts)))

    return model, encode, quality


def serve(task, contestant, seed):
    """Run one contestant and print its speed, memory and quality."""
    run = bertedu_run if contestant == "bertedu" else peer_run
    before, seconds, quality = run(task, seed)
    answer = {"speed": EPOCHS * len(data(task, "train")[0]) / seconds, "memory": memory() - before}
    print(json.dumps(answer | {"quality": float(quality())}), flush=True)


def rows(task, repeats=3):
    """Return the rows of a task: speed, memory and quality."""
    mine, peer = TASKS[task]
    results = {mine: [], peer: []}
    for turn in range(repeats):
        for name in list(results)[:: -1 if turn % 2 else 1]:
            results[name].append(common.run_module("benchmarks.tasks", "--serve", f"{task}, {name}, {turn}"))

    def compared(what, key, form, target, met):
        mine_values, peer_values = (np.array([run[key] for run in results[name]]) for name in (mine, peer))
        texts = [", ".join(form.format(value) for value in values) for values in (mine_values, peer_values)]
        return common.row(f"{task}: {what}, that of {peer}", *texts, mine_values / peer_values, target, met)

    return [
        compared("examples/s", "speed", "{:.0f}", f">= {TARGET}", lambda ratio: ratio >= TARGET),
        compared("peak memory above the imports, MiB", "memory", "{:.0f}", "<= 1", lambda ratio: ratio <= 1),
        compared(f"{QUALITY[task]} of seeds 0, 1, ...", "quality", "{:.3f}", "about 1", lambda ratio: ratio >= 0.97),
    ]


def main():
    """Run the benchmark and print its table."""
    arguments = common.parser(__doc__, repeats=3)
    arguments.add_argument("--only", choices=TASKS, help="one of the three (default: all)")
    options = common.parsed(arguments)
    if options.serve:
        task, contestant, seed = options.serve.split(", ")
        return serve(task, contestant, int(seed))
    print(common.machine(), "\n")
    lines = [row for task in TASKS if options.only in (None, task) for row in rows(task, options.repeats)]
    print(f"{common.table(lines)}\n\n{common.note()}")


if __name__ == "__main__":
    main()

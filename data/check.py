"""Check the sets: counts, balance, no overlap between splits, and the accuracy of simple baselines.

python data/check.py           # all rules, and the figures of data/README.md; exit status 1 if a rule is broken
python data/check.py --model   # also the most similar sentences of different splits, by the default model (be.load)
"""

import argparse
import json
import math
import re
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # also where this file is imported by its path
import make_code_words  # noqa: E402
from make_docs_pairs import MAX_OVERLAP as MAX_SHARED  # noqa: E402
from make_docs_pairs import MAX_WORDS, MIN_WORDS, reveals, word_set  # noqa: E402

SPLITS = ("train", "validation", "test")
SPLITS_OF = {"associations": ("test",)}  # others have all three
HEADERS = {
    "reviews": ["text", "label", "kind"],
    "pairs": ["text", "pair", "label", "kind"],
    "associations": ["text", "label", "kind"],
    "docs_pairs": ["text", "pair", "module"],
}
SIZES = {"reviews": (560, 80, 160), "pairs": (190, 38, 76), "docs_pairs": (1750, 234, 406)}
WORDS = {"reviews": (5, 35), "pairs": (3, 20)}  # minimum and maximum per sentence
PLAIN_IN_TRAINING = 160  # plain reviews that only the training split has more of
MAX_OVERLAP = 0.5  # fraction of common words; as much or more is a near-duplicate, forbidden across splits
TWINS = 0.75  # the same, within a split, where minimal contrasts ("Better than the book ...") are wanted
SENTENCES = {"train": 979, "validation": 149, "test": 376}  # of code_words
LISTS = {  # test -> list -> number of words: two lists of targets, then two of attributes
    "WEAT 1": {"flowers": 25, "insects": 25, "pleasant": 25, "unpleasant": 25},
    "WEAT 6": {"male names": 8, "female names": 8, "career": 8, "family": 8},
    "WEAT 7": {"math": 8, "arts": 8, "male terms": 8, "female terms": 8},
}


def read(name, folder=HERE):
    """All rows of a set: dicts, a column each, and "split" and "line"."""
    rows = []
    for split in SPLITS_OF.get(name, SPLITS):
        with open(folder / name / f"{split}.tsv", encoding="utf-8", newline="") as file:
            lines = [line.split("\t") for line in file.read().removesuffix("\n").split("\n")]
        header = lines[0]
        if header != HEADERS[name]:
            raise SystemExit(f"{name}/{split}.tsv: the header is {header}, not {HEADERS[name]}")
        for number, fields in enumerate(lines[1:], start=2):
            if len(fields) != len(header):
                raise SystemExit(f"{name}/{split}.tsv, line {number}: {len(fields)} fields, not {len(header)}")
            rows.append(dict(zip(header, fields, strict=True)) | {"split": split, "line": number})
    return rows


def words(text):
    """The lower-case words of a text, in order."""
    return re.findall(r"[a-z0-9é]+(?:'[a-z]+)?", text.lower())


def overlap(one, other):
    """How many of the words of two texts both have, of all their words: 0 to 1."""
    one, other = set(words(one)), set(words(other))
    return len(one & other) / len(one | other)


def sentences(row):
    """The one or two sentences of a row."""
    return [row[column] for column in ("text", "pair") if column in row]


def problems(name, rows):
    """Descriptions of all broken rules: a list."""
    if name == "associations":
        return [*_in_lists(rows)]
    if name == "docs_pairs":
        return [*_in_docs_pairs(rows)]
    return [*_in_rows(name, rows), *_in_counts(name, rows), *_between_rows(name, rows)]


def _in_lists(rows):
    counts = {kind: Counter(row["label"] for row in rows if row["kind"] == kind) for kind in LISTS}
    for kind, sizes in LISTS.items():
        if counts[kind] != sizes:
            yield f"associations: {kind} has the lists {dict(counts[kind])}, not {sizes}"
        words_of_kind = Counter(row["text"].lower() for row in rows if row["kind"] == kind)
        if repeated := sorted(word for word, count in words_of_kind.items() if count > 1):
            yield f"associations: {kind} has words twice: {repeated}"
    for row in rows:
        if row["kind"] not in LISTS or not re.fullmatch("[A-Z]?[a-z]+", row["text"]):
            where = f"associations/test.tsv, line {row['line']}"
            yield f"{where}: not one word of one test: {row['text']!r}, {row['kind']!r}"


def _in_docs_pairs(rows):
    families = {}
    for row in rows:
        where = f"docs_pairs/{row['split']}.tsv, line {row['line']}"
        if families.setdefault(row["module"].split(".")[0], row["split"]) != row["split"]:
            yield f"{where}: the module {row['module']} is in two splits"
        if row["module"] != "builtins" and not row["text"].startswith(row["module"] + "."):
            yield f"{where}: {row['text']} is no name of the module {row['module']}"
        count = len(row["pair"].split())
        if not MIN_WORDS <= count <= MAX_WORDS or not (row["pair"].isascii() and row["pair"].isprintable()):
            yield f"{where}: no paragraph of {MIN_WORDS} to {MAX_WORDS} words in printable ASCII"
        if reveals(row["text"], row["pair"]):
            yield f"{where}: the paragraph has the name of {row['text']}"
    if counts := [(split, n) for split, n in zip(SPLITS, SIZES["docs_pairs"], strict=True) if _size(rows, split) != n]:
        yield f"docs_pairs: expected other sizes than {counts}"
    if len({row["text"] for row in rows}) < len(rows):
        yield "docs_pairs: a name occurs twice"
    sets = [(word_set(row["pair"]), row["text"]) for row in rows]
    for (one, name), (other, second) in combinations(sets, 2):
        if len(one & other) >= MAX_SHARED * len(one | other):
            yield f"docs_pairs: similar paragraphs: {name} and {second}"


def _size(rows, split):
    return sum(row["split"] == split for row in rows)


def read_code_words(folder=HERE):
    """All examples of code_words: dicts of document, words and tags, and "split" and "line"."""
    rows = []
    for split in SPLITS:
        for number, line in enumerate((folder / "code_words" / f"{split}.jsonl").read_text("utf-8").splitlines(), 1):
            rows.append(json.loads(line) | {"split": split, "line": number})
    return rows


def problems_of_code_words(rows):
    """Descriptions of all broken rules of code_words: a list."""
    broken, counts = [], Counter(row["split"] for row in rows)
    if counts != SENTENCES:
        broken.append(f"code_words: {dict(counts)} sentences, not {SENTENCES}")
    documents = {split: {row["document"] for row in rows if row["split"] == split} for split in SPLITS}
    for one, other in combinations(SPLITS, 2):
        if shared := documents[one] & documents[other]:
            broken.append(f"code_words: documents in {one} and {other}: {sorted(shared)}")
    texts = Counter(" ".join(row["words"]) for row in rows)
    broken += [f"code_words: a sentence twice: {text}" for text, count in texts.items() if count > 1]
    for row in rows:
        where = f"code_words/{row['split']}.jsonl, line {row['line']}"
        words, tags = row["words"], row["tags"]
        if len(words) != len(tags) or not all(words):
            broken.append(f"{where}: {len(words)} words and {len(tags)} tags, or an empty word")
        if any(tag not in ("O", "B-CODE", "I-CODE") for tag in tags) or re.search(
            "(^|O)I", "".join(t[0] for t in tags)
        ):
            broken.append(f"{where}: tags that are not BIO: {' '.join(tags)}")
        if any('"' in word or word != word.strip() for word in words):
            broken.append(f"{where}: a double quote or white space in a word")
    return broken


def _in_rows(name, rows):
    shortest, longest = WORDS[name]
    for row in rows:
        where = f"{name}/{row['split']}.tsv, line {row['line']}"
        for sentence in sentences(row):
            if sentence != " ".join(sentence.split()) or not sentence.isprintable():
                yield f"{where}: white space that is not one blank between words"
            if not shortest <= len(sentence.split()) <= longest:
                yield f"{where}: {len(sentence.split())} words, not {shortest} to {longest}"
            if sentence[-1:] not in '.?!"' or not sentence[:1].isupper():
                yield f"{where}: no sentence from its capital to its stop"


def _in_counts(name, rows):
    for split, size in zip(SPLITS, SIZES[name], strict=True):
        part = [row for row in rows if row["split"] == split]
        if len(part) != size:
            yield f"{name}/{split}.tsv: {len(part)} examples, not {size}"
        for kind in sorted({row["kind"] for row in part}) if name == "reviews" else [None]:
            labels = Counter(row["label"] for row in part if kind in (None, row["kind"]))
            if len(labels) != 2 or len(set(labels.values())) != 1:
                yield f"{name}/{split}.tsv: {kind or 'all'} is not balanced: {dict(labels)}"
    spread = {kind: [0] * len(SPLITS) for kind in sorted({row["kind"] for row in rows})}
    for row in rows:
        spread[row["kind"]][SPLITS.index(row["split"])] += 1
    for kind, (train, validation, test) in spread.items():
        train -= PLAIN_IN_TRAINING * (kind == "plain")
        if abs(train - 5 * validation) > 5 or abs(test - 2 * validation) > 1:
            yield f"{name}: {kind} is not spread 5 : 1 : 2 over the splits: {train}, {validation}, {test}"


def _between_rows(name, rows):
    for one, other in combinations(rows, 2):
        shared = overlap(" ".join(sentences(one)), " ".join(sentences(other)))
        if shared >= (TWINS if one["split"] == other["split"] else MAX_OVERLAP):
            pair = f"{one['split']} {sentences(one)} and {other['split']} {sentences(other)}"
            yield f"{name}: {shared:.2f} similar: {pair}"


def naive_bayes(rows):
    """Which test reviews a multinomial naive Bayes over single words gets right: list of (row, bool)."""
    counts = {label: Counter() for label in sorted({row["label"] for row in rows})}
    for row in rows:
        if row["split"] == "train":
            counts[row["label"]].update(words(row["text"]))
    known = set().union(*counts.values())
    total = {label: count.total() + len(known) for label, count in counts.items()}

    def score(label, text):  # the classes are balanced, so there is no prior
        return sum(math.log((counts[label][word] + 1) / total[label]) for word in words(text) if word in known)

    test = [row for row in rows if row["split"] == "test"]
    return [(row, max(counts, key=lambda label: score(label, row["text"])) == row["label"]) for row in test]


def shared_words(rows):
    """Which test pairs the best threshold on `overlap`, chosen on train, gets right: list of (row, bool)."""

    def right(row, threshold, above):
        return ((overlap(*sentences(row)) >= threshold) == above) == (row["label"] == "same")

    train = [row for row in rows if row["split"] == "train"]
    rules = [(step / 50, above) for step in range(51) for above in (True, False)]
    best = max(rules, key=lambda rule: sum(right(row, *rule) for row in train))
    return [(row, right(row, *best)) for row in rows if row["split"] == "test"]


def bm25(queries, documents):
    """Return the ranks, counted from 1, of document i for query i by Okapi BM25 (k1 1.2, b 0.75); ties count half.

    Words are split at capitals, underscores and dots: "assertEqual" has two.
    """
    documents = [Counter(_parts(text)) for text in documents]
    found_in = Counter(word for counts in documents for word in counts)
    rarity = {word: math.log(1 + (len(documents) - n + 0.5) / (n + 0.5)) for word, n in found_in.items()}
    mean_length = sum(counts.total() for counts in documents) / len(documents)

    def score(query, counts):
        common, length = query & counts.keys(), 1.2 * (0.25 + 0.75 * counts.total() / mean_length)
        return sum(rarity[word] * counts[word] * 2.2 / (counts[word] + length) for word in sorted(common))

    ranks = []
    for i, query in enumerate(queries):
        scores = [score(set(_parts(query)), counts) for counts in documents]
        ranks.append(sum(value > scores[i] for value in scores) + (scores.count(scores[i]) + 1) / 2)
    return ranks


def _parts(text):
    return [part.lower() for part in re.findall("[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+", text)]


def retrieval(ranks):
    """Return the mean reciprocal rank, and the recall at 1 and at 10."""
    recalls = [sum(rank <= k for rank in ranks) / len(ranks) for k in (1, 10)]
    return [sum(1 / rank for rank in ranks) / len(ranks), *recalls]


def report_retrieval(rows, model=False):
    """A table of splits: how many pairs, and how well BM25, and on request the default model, finds paragraphs."""
    print(f"\n{'docs_pairs':12}{'pairs':>6}{'modules':>9}   MRR, recall@1, recall@10: bm25{', minilm' * model}")
    for split in SPLITS:
        part = [row for row in rows if row["split"] == split]
        names, paragraphs = ([row[column] for row in part] for column in ("text", "pair"))
        results = [retrieval(bm25(names, paragraphs))]
        if model:
            results.append(retrieval(_ranks_of_minilm(names, paragraphs)))
        modules = len({row["module"].split(".")[0] for row in part})
        figures = "   ".join(" ".join(f"{value:.3f}" for value in result) for result in results)
        print(f"{split:12}{len(part):6}{modules:9}   {figures}")


def _ranks_of_minilm(queries, documents):
    import bertedu as be

    bert = be.load("minilm")
    cosines = bert.embed(queries, normalize=True) @ bert.embed(documents, normalize=True).T  # [n, n]
    return [int((row > row[i]).sum()) + 1 for i, row in enumerate(cosines)]


def report(name, rows):
    """A table of kinds: how many there are in each split, and how many of the test's a baseline gets right."""
    baseline = {"reviews": naive_bayes, "pairs": shared_words}[name]
    results = baseline(rows)
    print(f"\n{name:12}{'train':>8}{'validation':>12}{'test':>6}  {baseline.__name__}")
    for kind in [*dict.fromkeys(sorted(row["kind"] for row in rows)), "all"]:
        counts = Counter(row["split"] for row in rows if kind in ("all", row["kind"]))
        right = [ok for row, ok in results if kind in ("all", row["kind"])]
        print(f"{kind:12}{counts['train']:8}{counts['validation']:12}{counts['test']:6}  {sum(right) / len(right):.2f}")


def report_lists(rows):
    """A table of the tests: their lists, and how many words each has."""
    for kind in LISTS:
        counts = Counter(row["label"] for row in rows if row["kind"] == kind)
        print(f"\n{kind:12}{', '.join(f'{label} {count}' for label, count in counts.items())}", end="")
    print()


def print_most_similar(name, rows, n=5):
    """Print the `n` pairs of rows of different splits with the highest cosine similarity."""
    import bertedu as be

    vectors = be.load("minilm").embed([" ".join(sentences(row)) for row in rows], normalize=True)  # [n, D]
    cosines = vectors @ vectors.T  # [n, n]
    apart = (
        (cosines[i, j], i, j) for i, j in combinations(range(len(rows)), 2) if rows[i]["split"] != rows[j]["split"]
    )
    for cosine, i, j in sorted(apart, reverse=True)[:n]:
        print(
            f"{name} {cosine:.2f}: {sentences(rows[i])} ({rows[i]['split']}), {sentences(rows[j])} ({rows[j]['split']})"
        )


def main():
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="store_true", help="print the most similar sentences of different splits")
    options = parser.parse_args()
    broken = []
    for name in HEADERS:
        rows = read(name)
        broken += problems(name, rows)
        if name == "associations":
            report_lists(rows)
            continue
        if name == "docs_pairs":
            report_retrieval(rows, options.model)
            continue
        report(name, rows)
        if options.model:
            print_most_similar(name, rows)
    rows = read_code_words()
    broken += problems_of_code_words(rows)
    print()
    make_code_words.report({split: [row for row in rows if row["split"] == split] for split in SPLITS})
    print("\n" + ("\n".join(broken) if broken else "No rule is broken."))
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())

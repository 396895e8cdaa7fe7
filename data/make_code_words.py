"""Write data/code_words/: sentences of Python's documentation, with the words that it marks as code.

python3.11 data/make_code_words.py            # writes the files, the same ones every time, and prints their sizes
python3.11 data/make_code_words.py --read 300 # a random sample of marked spans on the screen, to be read by a person
python data/make_code_words.py --baseline     # from the files: sizes, and F1 of a regular expression

The text is that of CPython 3.11.7's `pydoc_data.topics` (the language reference, as `help("if")` shows it), which marks
code with double quotes. The marks become tags, and disappear from the text. Copyright Python Software Foundation; see
LICENSE-PSF.
"""

import argparse
import hashlib
import json
import random
import re
import sys
from collections import Counter
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "code_words"
SEED = 0
PARTS = {"test": 0.25, "validation": 0.1}  # fractions of all sentences, at most
LABEL = "CODE"
DIGEST = "37b51a0283fe86090af40650ef680bba22b90f74777f29909eceb83e57cc7ff1"
"""SHA-256 of the documentation of CPython 3.11.7; other releases mark other words."""

SHORTEST, LONGEST = 4, 80  # words of a sentence

SPAN = re.compile(r'"([^"\n]+)"')
EMPHASIS = re.compile(r"(?<!\w)(\*{1,2})(?=[^\s*])([^*\"]*[^\s*\"])\1(?!\w)")
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=\*{0,2}[A-Z\"(\[])")
ABBREVIATIONS = ("e.g.", "i.e.", "etc.", "cf.", "vs.", "resp.")
OPENING, CLOSING = "([{“‘'", ".,;:!?)]}”’'"
BRACKETS = {")": "(", "]": "[", "}": "{", "'": "'", "”": "“", "’": "‘"}

CODE = re.compile(
    r"\w*_\w*|.*\(\).*|[A-Za-z_]\w+\.\w+.*|[a-z]+[A-Z]\w*|[A-Z]\w*(?:Error|Exception|Warning|Iteration|Exit)|None|True|False|-\w"
    r"|.*[=<>|&@%^~*+/\\].*|'.*'|\w+\[.*\]"
    r"|def|del|elif|nonlocal|lambda|async|await|yield|except|finally|int|str|bool|dict|tuple|bytearray|frozenset"
)
"""The baseline: an underscore, a call, an inner dot, camel case, an operator, quotes, words that are not English."""
KEYWORD = re.compile(
    r"(?:if|else|for|while|with|try|return|raise|import|from|class|global|pass|break|continue|in|is|not|as|match|case)"
)
AFTER_KEYWORD = re.compile(r"(?:statement|clause|suite|keyword|block|operator|loop)s?")
"""Keywords that are English words too, and what follows them where they are code."""


def paragraphs(text):
    """Yield the paragraphs of prose of a document: blocks at the left margin that are no heading, grammar or table."""
    for block in re.split(r"\n\s*\n", text):
        lines = block.strip("\n").split("\n")
        item = re.match(r"(\* |\d+\. )", lines[0])
        if item:  # of a list: its lines are indented
            width = len(item[0])
            if any(line[:width].strip() for line in lines[1:]):
                continue
            lines = [line[width:] for line in lines]
        if any(line[:1].isspace() for line in lines) or "::=" in block or re.search(r"^[*=~^+|-]{3,}", block, re.M):
            continue
        yield re.sub(r"(?<=[a-z]-) (?=[a-z])", "", " ".join(" ".join(lines).split()))  # "built-in" over two lines


def sentences(paragraph):
    """Yield the sentences of a paragraph; a mark is never divided."""
    marked = [match.span() for match in SPAN.finditer(paragraph)]
    start = 0
    for match in SENTENCE_END.finditer(paragraph):
        inside = any(begin < match.start() < end for begin, end in marked)
        if not inside and not paragraph[: match.start()].endswith(ABBREVIATIONS):
            yield paragraph[start : match.start()]
            start = match.end()
    yield paragraph[start:]


def words_of(text):
    """Return the words of a text as (start, end): at white space, with punctuation at their ends split off."""
    found = []
    for match in re.finditer(r"\S+", text):
        start, end = match.span()
        after = []
        while end - start > 1 and text[start] in OPENING and not _closed(text[start:end]):
            found.append((start, start + 1))
            start += 1
        while end - start > 1 and text[end - 1] in CLOSING and not _opened(text[start:end]):
            after.append((end - 1, end))
            end -= 1
        found += [(start, end), *reversed(after)]
    return found


def _closed(word):
    """Whether the bracket or quote that a word begins with is closed in it."""
    closing = {opening: close for close, opening in BRACKETS.items()}[word[0]]
    return closing in word[1:]


def _opened(word):
    """Whether the sign that a word ends with belongs to it: a bracket or quote opened in it, "..." or "e.g."."""
    return word.lower() in ABBREVIATIONS or BRACKETS.get(word[-1], "\n") in word[:-1] or word.endswith("...")


def tagged(sentence):
    """Return the words and tags of a sentence with marks; None if marks and words do not fit, or it is no sentence."""
    text, spans, position = "", [], 0
    for match in SPAN.finditer(sentence):
        text += EMPHASIS.sub(r"\2", sentence[position : match.start()])
        if re.search(r"\w", match[1]):
            spans.append((len(text), len(text) + len(match[1])))
        text += match[1]
        position = match.end()
    text += EMPHASIS.sub(r"\2", sentence[position:])
    found = words_of(text)
    if '"' in text or text[-1:] not in ".:!?" or not SHORTEST <= len(found) <= LONGEST:
        return None
    edges = {edge for word in found for edge in word}
    if any(start not in edges or end not in edges for start, end in spans):
        return None  # a mark within a word
    starts = {start for start, _ in spans}
    tags = []
    for start, _ in found:
        inside = any(begin <= start < end for begin, end in spans)
        tags.append(f"{'B' if start in starts else 'I'}-{LABEL}" if inside else "O")
    return [text[start:end] for start, end in found], tags


def examples(topics):
    """Return dicts of document, words and tags: every sentence once, with the shortest document that has it."""
    seen, found = set(), []
    for name in sorted(topics, key=lambda name: (len(topics[name]), name)):  # chapters repeat their sections
        for paragraph in paragraphs(topics[name]):
            for sentence in sentences(paragraph):
                pair = None if sentence in seen else tagged(sentence)
                seen.add(sentence)
                if pair:
                    found.append({"document": name, "words": pair[0], "tags": pair[1]})
    return found


def split(found):
    """Return dict, split -> examples: random documents for test and validation, the others for training."""
    sizes = Counter(example["document"] for example in found)
    names = sorted(sizes)
    random.Random(SEED).shuffle(names)
    where, filled = {}, Counter()
    for name in names:
        wanted = (part for part, share in PARTS.items() if filled[part] + sizes[name] <= share * len(found))
        where[name] = next(wanted, "train")
        filled[where[name]] += sizes[name]
    parts = {part: [] for part in ("train", "validation", "test")}
    for example in found:
        parts[where[example["document"]]].append(example)
    return parts


def spans_of(tags):
    """Return the set of (first, last + 1) of the tagged spans."""
    starts = [i for i, tag in enumerate(tags) if tag.startswith("B")]
    ends = [next((j for j in range(i + 1, len(tags)) if not tags[j].startswith("I")), len(tags)) for i in starts]
    return set(zip(starts, ends, strict=True))


def baseline(words):
    """Return the tags that the regular expressions give to words; neighbors are one span."""
    tags = []
    for word, after in zip(words, [*words[1:], ""], strict=True):
        is_code = re.search(r"\w", word) and CODE.fullmatch(word)
        is_code = is_code or (KEYWORD.fullmatch(word) and AFTER_KEYWORD.fullmatch(after))
        inside = is_code and tags and tags[-1] != "O"
        tags.append(f"{'I' if inside else 'B'}-{LABEL}" if is_code else "O")
    return tags


def scores(examples):
    """Return precision, recall and F1 of the baseline over whole spans."""
    right = predicted = actual = 0
    for example in examples:
        ours, theirs = spans_of(baseline(example["words"])), spans_of(example["tags"])
        right, predicted, actual = right + len(ours & theirs), predicted + len(ours), actual + len(theirs)
    precision, recall = right / max(predicted, 1), right / max(actual, 1)
    return precision, recall, 2 * right / max(predicted + actual, 1)


def read(part):
    """Return the examples of a file of the set."""
    return [json.loads(line) for line in (FOLDER / f"{part}.jsonl").read_text("utf-8").splitlines()]


def show(examples, count):
    """Print a random sample of spans, each in its sentence."""
    every = [(example, span) for example in examples for span in sorted(spans_of(example["tags"]))]
    for number, (example, (start, end)) in enumerate(random.Random(SEED).sample(every, count), start=1):
        words = example["words"]
        parts = words[max(start - 6, 0) : start], words[start:end], words[end : end + 4]
        print(f"{number:4} {{}} [[{{}}]] {{}}".format(*map(" ".join, parts)))


def report(parts):
    """Print the sizes of a dict, split -> examples, and precision, recall and F1 of the baseline."""
    print(f"{'code_words':12}documents sentences  words spans words in them  baseline P     R     F1")
    for part, content in parts.items():
        tags = [tag for example in content for tag in example["tags"]]
        sizes = (len({example["document"] for example in content}), len(content), len(tags))
        spans, inside = (sum(tag.startswith(start) for tag in tags) for start in (("B",), ("B", "I")))
        row = "{:12}{:9}{:10}{:7}{:6}{:14}{:12.3f} {:.3f} {:.3f}"
        print(row.format(part, *sizes, spans, inside, *scores(content)))


def main():
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--read", type=int, default=0, help="print so many spans of all splits, write nothing")
    parser.add_argument("--baseline", action="store_true", help="print the baseline's scores only")
    options = parser.parse_args()
    if not options.read and not options.baseline:
        from pydoc_data.topics import topics

        if hashlib.sha256(json.dumps(topics, sort_keys=True).encode()).hexdigest() != DIGEST:
            sys.exit(f"Python: expected the documentation of 3.11.7, got that of {sys.version.split()[0]}. Use 3.11.7.")
        FOLDER.mkdir(exist_ok=True)
        for part, content in split(examples(topics)).items():
            lines = [json.dumps(example, ensure_ascii=False) + "\n" for example in content]
            (FOLDER / f"{part}.jsonl").write_text("".join(lines), "utf-8", newline="\n")
    parts = {part: read(part) for part in ("train", "validation", "test")}
    if options.read:
        show([example for content in parts.values() for example in content], options.read)
        return
    report(parts)


if __name__ == "__main__":
    main()

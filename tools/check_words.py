"""Find words that are not the field's: `python -m tools.check_words [PATH ...]`. Part of lint.

Keras, transformers, scikit-learn and the papers have a term for most things. Two lists say which words to replace:
parts of names, and phrases in comments, docstrings, strings and documents. A third list has British spellings, because
those libraries and the chapters are in American English. A line that needs a word, such as a key of a file format,
stands in ALLOWED with its reason.
"""

import argparse
import io
import json
import pathlib
import re
import sys
import tokenize

ROOT = pathlib.Path(__file__).parent.parent

PARTS = {
    "alike": "similar",
    "attended": "attention_output",
    "chances": "probabilities",
    "guess": "predict",
    "guessed": "predicted",
    "guesser": "masked_lm_model, predictor",
    "guesses": "predictions",
    "judge": "evaluate, check",
    "judged": "evaluated, validation",
    "judging": "evaluation",
    "likeness": "similarity",
    "ours": "what it is",
    "shares": "attention_weights, fractions",
    "spares": "unused_tensors",
    "surroundings": "environment",
    "theirs": "hf_..., peer_...",
    "thought": "feedforward_output",
    "wanted": "expected_...",
}
"""Part of a name, between underscores or capitals -> what to write instead."""

NAMES = {
    "Contents": "LoadedCheckpoint",
    "Moment": "Snapshot",
    "Plane": "Projection",
    "found": "loaded_..., what it is",
    "given": "what it is",
    "kept": "what it is",
    "lots": "rng",
    "makes": "what it is",
    "mixed": "context",
    "most": "limit, max_...",
    "place": "position, location",
    "places": "positions, locations",
    "sure": "confident",
    "surer": "more_confident",
}
"""Whole name -> what to write instead; as parts (`not_found`) they are fine."""

PHRASES = {
    r"\balike\b": "similar, equal, the same",
    r"\banew\b": "again",
    r"\bas it may be\b|\b(what|that) is none\b|\bwhat is there\b": "another sentence",
    r"\bby lot\b": "at random",
    r"\bchances?\b": "probability, random",
    r"\b(brings?|takes?|taken) home\b": "context vector, head output",
    r"\b(gives?|given|gave) back\b": "return",
    r"\bguess(er|ers|es|ed|ing)?\b": "predict, prediction, masked-LM model",
    r"\bin (its |our |their )?words\b": "description, alt text",
    r"\bjudg(e|es|ed|ing)\b": "evaluate, check",
    r"\blest\b": "so that ... not",
    r"\blikeness(es)?\b": "similarity",
    r"\blook(s|ed|ing)? at\b": "attend to; query, key",
    r"\bneeds not\b": "does not need",
    r"\b(nobody|somebody)\b": "who is meant",
    r"\bone (can|may|must)\b": "you can",
    r"\bpictures?\b": "figure, plot",
    r"(?<!in )(?<!take )(?<!takes )\bplaces?\b(?! of)": "position, location",
    r"\bput down on disk\b": "save a training checkpoint",
    r"\bshall\b": "must, should",
    r"\bshares? (of|on)\b": "attention weight, fraction of",
    r"\bslopes?\b": "gradient, derivative",
    r"\bspares\b": "unused tensors",
    r"(?<!make )(?<!makes )\bsure(r|st)?\b": "confident, confidence",
    r"\bsurroundings\b": "environment",
    r"\b(take[sn]?|took) up\b": "resume",
    r"\bwhoever\b": "the caller, the user",
    r"\b\d+ wide\b": "hidden size, dimensions",
}
"""Regular expression, case ignored -> what to write instead."""

ISE = (
    "canonical capital categor character custom emphas factor familiar final general initial local material maxim "
    "memor minim modern normal optim organ parallel polar quant random real recogn regular sanit serial special stabil "
    "standard summar symbol synchron token util vector visual"
)
"""Beginnings of words in -ize."""

BRITISH = {
    "(behavi|col|endeav|fav|flav|hon|hum|lab|neighb|rum|vap)our": "-or",
    f"({'|'.join(ISE.split())})is(e|ed|er|ers|es|ing|ations?)(?![a-z])": "-iz-",
    "(anal|catal|paral)ys(e|ed|er|ing)(?![a-z])": "-yz-",
    "((?<!load_un)label|cancel|channel|level|model|signal|travel|tunnel)l(ed|er|ing)(?!by)": "one l",
    r"\b(cent|fib|lit|theat)re": "-er",
    "(def|lic|off|pret)ence": "-ense",
    "artefact": "artifact",
    "judgement": "judgment",
    r"\b(burn|dream|lean|learn|spel|spoil)t\b": "-ed",
    r"\bgrey": "gray",
    r"\bpractis(e|ed|ing)\b": "practice",
    r"\bprogrammes?\b": "program",
    r"\bsceptic": "skeptic",
    r"\btowards\b": "toward",
    r"\bwhilst\b": "while",
}
"""Regular expression, case ignored, of a British spelling, also as part of a name -> the American ending or word."""

ALLOWED = {
    ("README.md", "when nobody tells it"): "the question of a chapter",
    ("bertedu/aliases.py", "DeprecationWarning"): "the old names",
    ("bertedu/bert.py", "renamed_attribute"): "the old name",
    ("bertedu/course/colab.py", "USES_HEAD"): "the old name",
    ("bertedu/checkpoints/common.py", "renamed_attribute"): "the old name",
    ("bertedu/course/exercises/talking_heads.py", "slope"): "the paper's word for the factor of the distance",
    ("bertedu/fine_tuning/history.py", "surroundings"): "a key of history.json",
    ("bertedu/fine_tuning/model.py", "surroundings"): "a key of history.json",
    ("bertedu/page/bert_reader.js", "expected at most"): "a message, in the words of bert.read",
    ("bertedu/page/statistics.js", '"mixed"'): "a label of analysis.HeadStatistics",
    ("bertedu/plots/__init__.py", "Picture"): "the old name",
    ("bertedu/plots/curves.py", "also_spelled"): "the old name",
    ("bertedu/reading.py", "renamed_attribute"): "the old name",
    ("README.md", "What does BERT look at"): "the title of a paper",
    ("docs/labs.md", "What does BERT look at"): "the title of a paper",
    ("docs/references.md", "What Does BERT Look At"): "the title of a paper",
    ("docs/references.md", "Another Look at the Jackknife"): "the title of a paper",
    ("notebooks/12_visualize_attention.ipynb", "nobody was waiting"): "a sentence that the heads are measured on",
}
"""(file, part of a line) -> why this line may have such a word."""

PATTERNS = {pattern: re.compile(pattern, re.IGNORECASE) for pattern in PHRASES | BRITISH}


def british(text):
    """Yield (spelling, what to write instead) of every British spelling in a text or name."""
    for pattern, instead in BRITISH.items():
        for match in PATTERNS[pattern].finditer(text):
            yield match.group(), instead


def in_python(source):
    """Yield (line number, whether it is a name, text) of every name, comment and string in Python source."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME:
            yield token.start[0], True, token.string
        elif token.type in (tokenize.COMMENT, tokenize.STRING):
            for offset, line in enumerate(token.string.split("\n")):
                yield token.start[0] + offset, False, line


def in_script(source):
    """Yield the same for JavaScript or CSS: each line as text, and each of its words as a name."""
    for number, line in enumerate(source.splitlines(), 1):
        yield number, False, line
        for word in re.findall(r"[A-Za-z_][\w-]*", line):
            yield number, True, word


def in_document(source):
    """Yield each line as text."""
    for number, line in enumerate(source.splitlines(), 1):
        yield number, False, line


def code_of(notebook):
    """Return the code cells of a notebook as one string, without magic commands."""
    cells = ["".join(cell["source"]) for cell in json.loads(notebook)["cells"] if cell["cell_type"] == "code"]
    return "\n".join(line for line in "\n".join(cells).splitlines() if not line.startswith(("%", "!")))


READERS = {".py": in_python, ".ipynb": in_python, ".js": in_script, ".css": in_script}


def findings(path):
    """Yield (line number, what stands there, what to write instead) for every word of the lists in a file."""
    source = path.read_text(encoding="utf-8")
    source = code_of(source) if path.suffix == ".ipynb" else source
    name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)
    allowed = [part for file, part in ALLOWED if file == name]
    lines = source.splitlines()
    for number, is_name, text in READERS.get(path.suffix, in_document)(source):
        if any(part in lines[number - 1] for part in allowed):
            continue
        for spelling, instead in british(text):
            yield number, spelling, instead
        if is_name:
            parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", text)
            for part in parts:
                if part.lower() in PARTS:
                    yield number, text, PARTS[part.lower()]
            if text in NAMES:
                yield number, text, NAMES[text]
        else:
            for pattern, instead in PHRASES.items():
                for match in PATTERNS[pattern].finditer(text):
                    yield number, match.group(), instead


def default_paths():
    """Return the files that lint checks: the package, its scripts and styles, notebooks' code, and the documents."""
    package = [path for suffix in ("py", "js", "css") for path in (ROOT / "bertedu").rglob(f"*.{suffix}")]
    documents = [path for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")] if path.name != "CHANGELOG.md"]
    documents += (ROOT / "bertedu" / "assets").glob("*.md")
    return sorted([*package, *documents, *(ROOT / "notebooks").rglob("*.ipynb")])


def main():
    """Print every finding; return 1 if there is one."""
    parser = argparse.ArgumentParser(prog="python -m tools.check_words", description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=pathlib.Path, help="files; default: what lint checks")
    paths = parser.parse_args().paths or default_paths()
    count = 0
    for path in paths:
        for number, text, instead in findings(path.resolve()):
            count += 1
            print(f"{path}:{number}: {text!r}: write {instead}")
    print(f"{count} words to replace in {len(paths)} files")
    return bool(count)


if __name__ == "__main__":
    sys.exit(main())

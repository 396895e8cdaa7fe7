"""Write the character tables of the page's tokenizer: `python -m tools.unicode_tables [--check]`.

The Rust library, the browser and Python each have another version of Unicode. So bertedu/page/unicode.js lists which
characters the Rust library removes, treats as accents and so on, found by asking it about each character alone.
"""

import argparse
import sys
from itertools import chain
from pathlib import Path

from tokenizers.normalizers import NFD, BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

TARGET = Path(__file__).parent.parent / "bertedu" / "page" / "unicode.js"
CHARACTERS = list(map(chr, chain(range(0xD800), range(0xE000, 0x110000))))
WIDTH = 128
HIGHEST_CLASS, LOWEST_CLASS = "\u0345", "\u0334"  # combining classes 240 and 1

HEADER = """\
// Classes of characters of the Rust library `tokenizers`, whose version of Unicode is older than a browser's.
// Written by `python -m tools.unicode_tables`: code points, or first and last of a range, in hexadecimal.
"""
TABLES = {
    "REMOVED": "control, format and private characters, U+0000 and U+FFFD",
    "PUNCTUATION": "tokens of their own",
    "ACCENTS": "nonspacing marks, removed after decomposition",
    "DECOMPOSED": "characters that NFD changes or moves",
}


def normalizer(**options):
    """Return a function that normalizes a string as BERT, with only the given steps."""
    steps = dict.fromkeys(("clean_text", "handle_chinese_chars", "strip_accents", "lowercase"), False)
    return BertNormalizer(**steps | options).normalize_str


def classes():
    """Return a dict, name of a table -> list of characters."""
    clean, strip, nfd = normalizer(clean_text=True), normalizer(strip_accents=True), NFD().normalize_str
    split = BertPreTokenizer().pre_tokenize_str

    def moves(character):
        """Whether NFD moves a character among combining ones, in front of the highest or behind the lowest class."""
        before, after = f"a{HIGHEST_CLASS}", LOWEST_CLASS
        changed = nfd(character)
        return nfd(before + character) != before + changed or nfd(f"a{character}{after}") != f"a{changed}{after}"

    return {
        "REMOVED": [c for c in CHARACTERS if clean(c) == ""],
        "PUNCTUATION": [c for c in CHARACTERS if len(split(f"a{c}a")) == 3],
        "ACCENTS": [c for c in CHARACTERS if strip(c) == ""],
        "DECOMPOSED": [c for c in CHARACTERS if nfd(c) != c or moves(c)],
    }


def ranges(characters):
    """Return a list of hexadecimal code points and ranges."""
    found = []
    for code in map(ord, characters):
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return [f"{first:x}" if first == last else f"{first:x}-{last:x}" for first, last in found]


def module():
    """Return the text of unicode.js."""
    parts = [HEADER]
    for name, characters in classes().items():
        lines = [""]
        for item in ranges(characters):
            if len(lines[-1]) + len(item) > WIDTH - 3:
                lines.append("")
            lines[-1] += f"{' ' * bool(lines[-1])}{item}"
        body = "\n".join(f"  {line}" for line in lines)
        parts.append(f"// {TABLES[name]}\nconst {name} = `\n{body}\n`;\n")
    return "\n".join([*parts, f"export {{ {', '.join(TABLES)} }};\n"])


def main():
    """Write the module, or with --check return 1 if it is out of date."""
    parser = argparse.ArgumentParser(prog="python -m tools.unicode_tables", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    text = module()
    if parser.parse_args().check:
        return int(text != TARGET.read_text(encoding="utf-8"))
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

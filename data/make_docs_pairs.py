"""Write data/docs_pairs/{train,validation,test}.tsv: functions of Python's standard library and what they do.

python3.11 data/make_docs_pairs.py           # the same files every time with CPython 3.11.7 on Linux
python3.11 data/make_docs_pairs.py --read 50  # a random sample on the screen, to be read by a person

A pair is the name of a function or method, as code writes it (`shutil.copytree`, `str.join`), and the first paragraph
of its docstring, without a signature. Pairs that give the name away are left out, and so are paragraphs that occur
twice. A module and its submodules are in one split. Only the modules below are imported: none of them opens a window, a
page or a file, and none has a license other than Python's own in its source.
"""

import argparse
import importlib
import inspect
import random
import re
import sys
import types
from collections import defaultdict
from itertools import combinations
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "docs_pairs"
VERSION = (3, 11, 7)  # docstrings differ between versions
SEED = 0
SIZES = {"test": 400, "validation": 200}  # at least; the rest is for training
LARGE = 60  # pairs of a module; larger ones would be most of a small split, so they are for training
MIN_WORDS, MAX_WORDS = 4, 80  # per paragraph
MAX_OVERLAP = 0.75  # fraction of common words; paragraphs of two functions that have as many are left out

MODULES = """
builtins abc argparse array ast asyncio base64 bdb binascii bisect bz2 calendar cmath cmd code codecs codeop
collections colorsys compileall concurrent.futures configparser contextlib contextvars copy copyreg csv ctypes
ctypes.util dataclasses datetime dbm dbm.dumb decimal difflib dis doctest email email.charset email.contentmanager
email.encoders email.generator email.header email.headerregistry email.iterators email.message email.parser
email.policy email.utils enum filecmp fileinput fnmatch fractions ftplib functools gc getopt getpass gettext glob
graphlib gzip hashlib heapq hmac html html.parser http http.client http.cookiejar http.server imaplib importlib
importlib.abc importlib.machinery importlib.metadata importlib.resources importlib.util inspect io ipaddress itertools
json json.decoder json.encoder linecache locale lzma mailbox math mimetypes modulefinder multiprocessing
multiprocessing.connection multiprocessing.managers multiprocessing.pool multiprocessing.process
multiprocessing.queues multiprocessing.shared_memory multiprocessing.util netrc operator os os.path pathlib pickle
pickletools pkgutil plistlib poplib pprint py_compile pyclbr queue quopri random re reprlib rlcompleter runpy sched
secrets selectors shelve shlex shutil signal smtplib socket socketserver sqlite3 ssl stat statistics string struct
subprocess symtable sys sysconfig tempfile textwrap threading time timeit tokenize traceback tracemalloc types typing
unicodedata unittest unittest.mock unittest.util urllib.error urllib.parse urllib.request urllib.response
urllib.robotparser uuid venv warnings wave weakref webbrowser wsgiref.handlers wsgiref.headers wsgiref.simple_server
wsgiref.util xml.dom xml.dom.domreg xml.dom.expatbuilder xml.dom.minidom xml.dom.pulldom xml.dom.xmlbuilder xml.sax
xml.sax.handler xml.sax.saxutils xml.sax.xmlreader zipapp zipfile zipimport zlib zoneinfo
"""
FAMILIES = [{"bz2", "gzip", "lzma", "zlib"}, {"math", "cmath"}, {"dbm", "shelve"}]
"""Modules whose docstrings repeat each other, which are in one split."""

FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType)
METHODS = (types.FunctionType, types.MethodDescriptorType, classmethod, staticmethod, types.ClassMethodDescriptorType)


def functions(module_name):
    """Yield (name, docstring) of the public functions of a module and of the methods of its classes, by name."""
    module = importlib.import_module(module_name)
    prefix = "" if module_name == "builtins" else f"{module_name}."
    names = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
    for name in sorted(names):
        item = getattr(module, name, None)  # __all__ has submodules too
        if not _own(item, module_name):
            continue
        if isinstance(item, FUNCTIONS):
            yield prefix + name, item.__doc__
        elif isinstance(item, type) and item.__name__ == name:  # array.ArrayType is another name of array.array
            for key, method in sorted(vars(item).items()):
                if isinstance(method, METHODS) and not key.startswith("_"):
                    yield f"{prefix}{name}.{key}", getattr(item, key).__doc__


def _own(item, module_name):
    """Whether a module defines a function or class, or a private module or that of the system does so for it."""
    root = (getattr(item, "__module__", None) or "").split(".")[0].lstrip("_")
    return root in {module_name.split(".")[0], "posix", "posixpath", "genericpath"}


def description(name, docstring):
    """Return the first paragraph of a docstring on one line, without a signature, or None if it does not do."""
    own = re.escape(name.rpartition(".")[2])
    text = inspect.cleandoc(docstring or "")
    text = re.sub(
        rf"\A((?:[\w.]+\.)?{own}\([^\n]*\)(?: *-> *[\w, ()\[\]]+$)?\s*(?:--?>?|:|=)?\s*)+", "", text, flags=re.M
    )
    words = text.split("\n\n")[0].split()
    paragraph = " ".join(words)
    if not MIN_WORDS <= len(words) <= MAX_WORDS or not (paragraph.isascii() and paragraph.isprintable()):
        return None
    return None if reveals(name, paragraph) or paragraph.startswith("Deprecated") else paragraph


def reveals(name, paragraph):
    """Whether a paragraph has the function's own name, other than as a common word such as "copy"."""
    own = name.rpartition(".")[2]
    if re.search(r"[_0-9]|[a-z][A-Z]", own):  # move_to_end, atan2, assertEqual
        return re.search(rf"\b{re.escape(own)}\b", paragraph, re.I) is not None
    return re.search(rf"(?<!\w){re.escape(own)}(?=\()|['\"`.*]{re.escape(own)}\b", paragraph, re.I) is not None


def pairs():
    """Return (module, name, paragraph) of all functions, without the second of two similar paragraphs."""
    found, seen = [], set()
    for module in MODULES.split():
        for name, docstring in functions(module):
            original = docstring, name.rpartition(".")[2]
            paragraph = description(name, docstring)
            if paragraph is not None and original not in seen:  # not another name of the same function
                seen.add(original)
                found.append((module, name, paragraph))
    words = [word_set(paragraph) for *_, paragraph in found]
    similar = {j for i, j in combinations(range(len(found)), 2) if _overlap(words[i], words[j]) >= MAX_OVERLAP}
    return [row for i, row in enumerate(found) if i not in similar]


def word_set(text):
    """Return the different words of a text, in lower case."""
    return frozenset(re.findall("[a-z0-9]+", text.lower()))


def _overlap(one, other):
    return len(one & other) / len(one | other)


def splits(rows):
    """Return split -> rows. The modules of a family are in one split, and large families in the training split."""
    families = defaultdict(list)
    for row in rows:
        root = row[0].split(".")[0]
        families[next((min(family) for family in FAMILIES if root in family), root)].append(row)
    names = sorted(name for name, members in families.items() if len(members) <= LARGE)
    random.Random(SEED).shuffle(names)
    result, held_out = {}, set()
    for split, size in SIZES.items():
        result[split] = []
        while len(result[split]) < size:
            held_out.add(name := names.pop())
            result[split] += families[name]
    result["train"] = [row for name, members in families.items() if name not in held_out for row in members]
    return {split: sorted(members, key=lambda row: row[1]) for split, members in result.items()}


def main():
    """Write the files, or show a sample."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--read", type=int, metavar="N", help="print N pairs, write nothing")
    options = parser.parse_args()
    rows = pairs()
    if options.read:
        for _, name, paragraph in random.Random(1).sample(rows, options.read):
            print(f"{name}\n    {paragraph}")
        return
    if sys.version_info[:3] != VERSION or sys.platform != "linux":
        sys.exit(f"expected CPython 3.11.7 on Linux, got {sys.version} on {sys.platform}, which has other docstrings")
    FOLDER.mkdir(exist_ok=True)
    for split, members in splits(rows).items():
        lines = ["text\tpair\tmodule", *("\t".join((name, paragraph, module)) for module, name, paragraph in members)]
        (FOLDER / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
        print(f"{split:<11}{len(members):>6} pairs, {len({row[0].split('.')[0] for row in members}):>3} modules")


if __name__ == "__main__":
    main()

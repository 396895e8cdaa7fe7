"""Mutations of JSON and of text: one field of a document, or one line of a table."""

import copy
import json

from . import mutate_bytes

DEEP = 100_000
LITERALS = {  # what `json.dumps` can't write, put in place of a marker once the rest is text
    "@deep list@": "[" * DEEP + "]" * DEEP,
    "@deep object@": '{"a":' * DEEP + "1" + "}" * DEEP,
    "@unclosed@": "[" * DEEP,
    "@many digits@": "9" * 5000,
    "@1e999@": "1e999",
    "@-0@": "-0",
    "@long@": '"' + "A" * 10_000_000 + '"',
    "@many items@": "[" + "0," * 1_000_000 + "0]",
}
NUMBERS = [0, 1, -1, 2, 3, 7, 255, 65_537, 10**6, 10**9, 2**31, 2**63, 10**30, 0.5, -0.5, 1e-300, 1e308]
NUMBERS += [float("nan"), float("inf"), float("-inf"), 1.0, 20.0]
PATHS = ["../outside.txt", "../../outside.txt", "/etc/passwd", "..", ".", "/", "//", "~", "~/x", "a/../../outside.txt"]
PATHS += [
    "/dev/zero",
    "file:///etc/passwd",
    "vocab.txt",
    "../fuzzed/vocab.txt",
    "C:\\x",
    "x\x00y",
    "http://localhost:9/x",
]
STRINGS = ["", " ", "x", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\u202eabc", "\u2066", "\ud800", "a\ud800b", "\x00"]
STRINGS += ["\r", "\n", "\u2028", "\x85", "A" * 5000, "é", "e\u0301", "\U0001f600", "%s%n", "{0}", "{x}", "[PAD]", "##"]
STRINGS += ["true", "null", "NaN", "1e9", "relu", "tanh", "gelu", "float16", "bfloat16", "int8", "complex64", "string"]
NAMES = [
    "Lambda",
    "TFSMLayer",
    "keras>Lambda",
    "function",
    "__lambda__",
    "os",
    "os.system",
    "builtins",
    "eval",
    "__init__",
]
NAMES += ["keras.config", "set_floatx", "keras.layers", "Dense", "Functional", "__class__", "bertedu>BertEncoder"]
OBJECTS = [
    [],
    {},
    [[]],
    [None],
    {"": {}},
    {"class_name": "Lambda", "config": {"function": "os.system"}},
    {"module": "keras.config", "class_name": "function", "config": "set_floatx", "registered_name": "function"},
    {"class_name": "__lambda__", "config": {"value": "4wAAAA=="}},
    {"class_name": "__tensor__", "config": {"value": [1], "dtype": "float32"}},
]


def locations(document, collected=None, parent=None):
    """Return all (container, key) of a document, in order."""
    collected = [] if collected is None else collected
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in list(items):
        collected.append((document, key))
        if isinstance(value, dict | list):
            locations(value, collected)
    return collected


def nudged(value, rng):
    """Return a value of the same type that is close to the given one, or None for other types."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice((value + 1, value - 1, value * 2, -value, float(value), str(value), bool(value)))
    if isinstance(value, float):
        return rng.choice((value * 2, -value, value + 1, str(value), int(value)))
    if isinstance(value, str) and value:
        at = rng.randrange(len(value))
        return rng.choice((value.upper(), value[:at], value + value, value[:at] + rng.choice(STRINGS) + value[at:]))
    if isinstance(value, list):
        return rng.choice((value[:-1], value + value[:1], value[::-1], value * 2))
    return None


def substitute(value, rng):
    """Return another value for a field, and its description."""
    pools = (NUMBERS, PATHS, STRINGS, NAMES, OBJECTS, [None, True, False], list(LITERALS), ["nudged"] * 3, ["wrapped"])
    chosen = rng.choice(rng.choice(pools))
    if chosen == "nudged":
        chosen = nudged(value, rng)
    elif chosen == "wrapped":
        chosen = rng.choice(([value], {"value": value}, {"class_name": value, "config": value}))
    return copy.deepcopy(chosen)


def edit(document, rng):
    """Change one field of a document in place; return a description."""
    container, key = rng.choice(locations(document))
    value, where = container[key], repr(key)[:40]
    operation = rng.choice(("drop", "swap", "rename", "unknown", *["replace"] * 6))
    if operation == "drop":
        del container[key]
        return f"drop {where}"
    if operation == "swap":
        other, other_key = rng.choice(locations(document))
        container[key] = copy.deepcopy(other[other_key])
        return f"{where} := {other_key!r}"[:120]
    if operation in ("rename", "unknown") and isinstance(container, dict):
        name = rng.choice((str(key).upper(), f"{key}_", rng.choice(STRINGS), rng.choice(NAMES), rng.choice(PATHS)))
        container[name] = container.pop(key) if operation == "rename" else copy.deepcopy(value)
        return f"{operation} {where} as {name!r}"[:120]
    container[key] = substitute(value, rng)
    return f"{where} := {json.dumps(container[key])[:80]}"


def dump(document, rng=None):
    """Return a document as bytes, markers of `LITERALS` replaced."""
    text = json.dumps(document, indent=rng.choice((None, 1, 2)) if rng else None)
    for marker, literal in LITERALS.items():
        text = text.replace(f'"{marker}"', literal)
    return text.encode()


def reform(data, rng):
    """Change the text of a document rather than a field."""
    text = data.decode("utf-8", "replace")
    forms = {
        "byte order mark": lambda: b"\xef\xbb\xbf" + data,
        "utf-16": lambda: text.encode("utf-16"),
        "latin-1": lambda: data.replace(b"a", b"\xe9", 1),
        "wrapped in a list": lambda: b"[" + data + b"]",
        "twice": lambda: data + data,
        "a number": lambda: b"1",
        "null": lambda: b"null",
        "a string": lambda: b'"x"',
        "deep": lambda: LITERALS[rng.choice(("@deep list@", "@deep object@", "@unclosed@"))].encode(),
        "keys twice": lambda: data.replace(b"{", b'{"vocab_size": 1, "cells": 1, "format": 7,', 1),
        "carriage returns": lambda: data.replace(b"\n", b"\r\n"),
        "nul": lambda: data.replace(b":", b":\x00", 1),
    }
    name = rng.choice(list(forms))
    return forms[name](), name


def mutate(data, rng, donor=b""):
    """Return a mutated JSON file and a description; other bytes where it is no JSON object or list."""
    if rng.random() < 0.15:
        return reform(data, rng)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    if not document or not isinstance(document, dict | list):
        return mutate_bytes.mutate(data, rng, donor)
    edits = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if document:
            edits.append(edit(document, rng))
    return dump(document, rng), "; ".join(edits)


def mutate_lines(data, rng, donor=b""):
    """Return a mutated text file of lines (a vocabulary, TSV, CSV) and a description."""
    lines = data.split(b"\n")
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    text = rng.choice(rng.choice((STRINGS, PATHS))).encode("utf-8", "surrogatepass")
    cells = lines[at].split(b"\t") if b"\t" in lines[at] else lines[at].split(b",")
    cell = rng.randrange(len(cells))
    separator = b"\t" if b"\t" in lines[at] else b","
    replaced = separator.join([*cells[:cell], text, *cells[cell + 1 :]])
    operations = {
        "line dropped": lambda: lines[:at] + lines[at + 1 :],
        "line twice": lambda: [*lines[:at], lines[other], *lines[at:]],
        "lines swapped": lambda: [
            lines[other] if i == at else lines[at] if i == other else x for i, x in enumerate(lines)
        ],
        "line replaced": lambda: [*lines[:at], text, *lines[at + 1 :]],
        "cell replaced": lambda: [*lines[:at], replaced, *lines[at + 1 :]],
        "cell dropped": lambda: [*lines[:at], separator.join(cells[:cell] + cells[cell + 1 :]), *lines[at + 1 :]],
        "cell added": lambda: [*lines[:at], lines[at] + separator + text, *lines[at + 1 :]],
        "quote": lambda: [*lines[:at], rng.choice((b'"', b'""', b"'")) + lines[at], *lines[at + 1 :]],
        "long line": lambda: [*lines[:at], b"A" * 10_000_000, *lines[at:]],
        "many lines": lambda: lines[:-1] + [b"%d" % i for i in range(300_000)],
        "blank after": lambda: [*lines[:at], lines[at] + b" ", *lines[at + 1 :]],
        "header again": lambda: [*lines[:at], lines[0], *lines[at:]],
    }
    if rng.random() < 0.15:
        return reform(data, rng)
    name = rng.choice(list(operations))
    return b"\n".join(operations[name]()), f"{name}: {text[:40]!r}" if "replaced" in name else name


def mutate_json_lines(data, rng, donor=b""):
    """Return a mutated JSON Lines file and a description."""
    lines = data.split(b"\n")
    if rng.random() < 0.3:
        return mutate_lines(data, rng, donor)
    at = rng.randrange(len(lines))
    lines[at], description = mutate(lines[at], rng, donor)
    return b"\n".join(lines), f"line {at + 1}: {description}"

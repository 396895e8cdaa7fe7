"""Mutations of a whole input: one file, by its format or as bytes; an archive's member; the files among themselves."""

import contextlib
import io
import random
import struct
import zipfile
import zlib

from . import mutate_binary, mutate_bytes, mutate_hdf5, mutate_json
from .tree import FOLDER, Link

BY_ENDING = {
    ".json": mutate_json.mutate,
    ".ipynb": mutate_json.mutate,
    ".jsonl": mutate_json.mutate_json_lines,
    ".txt": mutate_json.mutate_lines,
    ".tsv": mutate_json.mutate_lines,
    ".csv": mutate_json.mutate_lines,
    ".conll": mutate_json.mutate_lines,
    "checkpoint": mutate_json.mutate_lines,
    ".h5": mutate_hdf5.mutate,
    ".safetensors": mutate_binary.safetensors,
    ".pb": mutate_binary.protobuf,
    ".index": mutate_binary.index,
}
EPOCH = (1980, 1, 1, 0, 0, 0)
DAMAGED = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    struct.error,
    zlib.error,
)


def make(seeds, seed, family, number):
    """Return input `number` of a family: (`Seed`, description). The first ones are the valid inputs themselves.

    Args:
        seeds: list of `Seed`, the family's valid inputs.
        seed, family, number: what alone decides, with the seeds, which input it is.
    """
    if number < len(seeds):
        return seeds[number], f"{seeds[number].name}, unchanged"
    rng = random.Random(f"{seed}/{family}/{number}")
    chosen, other = rng.choice(seeds), rng.choice(seeds)
    tree, description = mutate(dict(chosen.tree), rng, dict(other.tree))
    return chosen._replace(tree=tree), f"{chosen.name}, {description}"


def mutate(tree, rng, other):
    """Return a mutated tree and a description."""
    if len(tree) > 1 and rng.random() < 0.12 or rng.random() < 0.02:
        return among_files(tree, rng, other)
    done = []
    for _ in range(rng.choice((1, 1, 1, 1, 2))):
        name = choose(tree, rng)
        donor = rng.choice([content for content in other.values() if isinstance(content, bytes)])
        tree[name], description = mutate_file(name, tree[name], rng, donor)
        done.append(f"{name}: {description}")
    return tree, "; ".join(done)


def choose(tree, rng):
    """Return the name of a file; those with a structure more often than others."""
    names = [name for name, content in tree.items() if isinstance(content, bytes)]
    return rng.choice([*names, *(name for name in names if name.endswith((".json", ".h5", ".index", ".pb")))])


def mutate_file(name, data, rng, donor):
    """Return a mutated file and a description."""
    if name.endswith(".keras"):
        return archive(data, rng, donor)
    by_format = next((mutation for ending, mutation in BY_ENDING.items() if name.endswith(ending)), None)
    if by_format is None or rng.random() < 0.2:
        return mutate_bytes.mutate(data, rng, donor)
    return by_format(data, rng, donor)


def archive(data, rng, donor):
    """Return a mutated zip archive and a description."""
    members = {}
    with contextlib.suppress(*DAMAGED), zipfile.ZipFile(io.BytesIO(data)) as opened:  # by an earlier mutation
        members = {name: opened.read(name) for name in opened.namelist()}
    if not members or rng.random() < 0.15:
        return mutate_bytes.mutate(data, rng, donor)
    name = choose(members, rng)
    operation = rng.choice(("drop", "rename", "twice", "bomb", "method", *["inside"] * 9))
    if operation == "inside":
        members[name], operation = mutate_file(name, members[name], rng, donor)
    elif operation == "drop":
        del members[name]
    elif operation == "rename":
        members[rng.choice(mutate_json.PATHS)] = members.pop(name)
    elif operation == "bomb":
        members[name] = bytes(250_000_000)
    written, compression = io.BytesIO(), zipfile.ZIP_STORED
    if operation in ("bomb", "method"):
        compression = zipfile.ZIP_DEFLATED if operation == "bomb" else rng.choice((zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(written, "w", compression) as new:
        for member, content in members.items():
            new.writestr(zipfile.ZipInfo(member, EPOCH), content, compression, compresslevel=1)
        if operation == "twice":
            new.NameToInfo.clear()  # else zipfile warns of the second member of the same name
            new.writestr(zipfile.ZipInfo(name, EPOCH), donor)
    return written.getvalue(), f"{name}: {operation}"


def among_files(tree, rng, other):
    """Return a tree with a file removed, emptied, swapped, replaced or added, and a description."""
    name, second = rng.choice(sorted(tree)), rng.choice(sorted(tree))
    operation = rng.choice(
        ("remove", "empty", "swap", "folder", "link", "loop", "endless", "nowhere", "foreign", "both")
    )
    if operation == "remove":
        del tree[name]
    elif operation == "empty":
        tree[name] = b""
    elif operation == "swap":
        tree[name], tree[second] = tree[second], tree[name]
    elif operation == "folder":
        tree[name] = FOLDER
    elif operation == "foreign":
        tree[name] = rng.choice(list(other.values()))
    elif operation == "both":  # files of another model beside those of this one
        tree |= {file: content for file, content in other.items() if file not in tree}
    else:
        base = name.rpartition("/")[2]
        up = "../" * name.count("/")
        targets = {"link": f"{up}{second}", "loop": base, "endless": "/dev/zero", "nowhere": "nothing"}
        tree[name] = Link(targets[operation])
    return tree, f"{operation} {name}"

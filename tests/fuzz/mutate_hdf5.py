"""Mutations inside HDF5 files, by h5py."""

import io

import h5py
import numpy as np

from . import mutate_bytes

OUTSIDE = "../outside.h5"


def _values(dataset):
    return dataset[()] if dataset.size else np.zeros(dataset.shape, dataset.dtype)


def drop(file, name, rng):
    """Remove a dataset."""
    del file[name]


def retype(file, name, rng):
    """Write a dataset in another type."""
    values = _values(file[name])
    del file[name]
    kind = rng.choice(
        ("float64", "float16", "int8", "int64", "bool", "complex64", "text", "compound", "opaque", "object")
    )
    if kind in ("text", "object"):
        file.create_dataset(name, values.shape, h5py.string_dtype() if kind == "text" else h5py.ref_dtype)
    elif kind == "compound":
        file[name] = np.zeros(values.shape, [("a", "f4"), ("b", "i4")])
    else:
        file[name] = np.zeros(values.shape, "V4") if kind == "opaque" else values.astype(kind)


def reshape(file, name, rng):
    """Write a dataset in another shape."""
    values = _values(file[name])
    del file[name]
    shaped = (
        values.T,
        values.reshape(-1),
        values[None],
        values[..., None],
        values[:-1],
        values[:0],
        values.reshape(-1)[0],
    )
    file[name] = rng.choice(shaped)


def huge(file, name, rng):
    """Declare a shape that no memory holds; nothing is stored."""
    values = _values(file[name])
    del file[name]
    shape = rng.choice(((10**9, 10**3), (2**40,), (10**6, 10**6), (60_000, 10_000), tuple(values.shape) * 5 or (1,)))
    file.create_dataset(name, shape, "float32", chunks=tuple(min(size, 64) for size in shape))


def bomb(file, name, rng):
    """Store 400 MB of zeros in half a megabyte."""
    del file[name]
    dataset = file.create_dataset(name, (100, 10**6), "float32", chunks=(1, 10**6), compression="gzip")
    dataset.id.write_direct_chunk((0, 0), _deflated_zeros())


def _deflated_zeros():
    import zlib

    return zlib.compress(bytes(4 * 10**6))


def soft_link(file, name, rng):
    """Put a soft link in the place of a dataset: to another, to nothing, or to itself."""
    target = rng.choice((rng.choice(datasets(file)), "/nothing", name, "/"))
    del file[name]
    file[name] = h5py.SoftLink(target)


def hard_link(file, name, rng):
    """Put a second name of another dataset or of the root in the place of a dataset."""
    target = rng.choice((rng.choice(datasets(file)), "/"))
    held = file[target]
    if target != name:
        del file[name]
        file[name] = held


def external_link(file, name, rng):
    """Put a link into another file in the place of a dataset."""
    del file[name]
    file[name] = h5py.ExternalLink(rng.choice((OUTSIDE, "/etc/passwd", "../outside.txt", "nothing.h5")), name)


def external_storage(file, name, rng):
    """Keep the bytes of a dataset in another file."""
    shape = file[name].shape
    del file[name]
    file.create_dataset(name, shape, "float32", external=[(rng.choice(("/etc/passwd", "../outside.txt")), 0, 4096)])


def virtual(file, name, rng):
    """Put together a dataset from one of another file."""
    shape = file[name].shape
    del file[name]
    layout = h5py.VirtualLayout(shape, "float32")
    if shape:
        layout[...] = h5py.VirtualSource(OUTSIDE, name, shape)
    file.create_virtual_dataset(name, layout)


def group(file, name, rng):
    """Put a group in the place of a dataset."""
    del file[name]
    file.create_group(name)


def rename(file, name, rng):
    """Give a dataset another name."""
    parent = name.rpartition("/")[0]
    new = rng.choice((f"{name}x", f"{parent}/7", f"{parent}/\x1b[31m", name.upper(), f"{parent}/{'A' * 3000}", "/x"))
    if new not in file:
        file.move(name, new)


def nan(file, name, rng):
    """Put NaN or infinity among the values."""
    values = _values(file[name])
    if values.size and values.dtype.kind == "f":
        values.reshape(-1)[0] = rng.choice((np.nan, np.inf))
        del file[name]
        file[name] = values


def attribute(file, name, rng):
    """Change the attributes of the root or of a dataset."""
    target = rng.choice((file, file[name]))
    key = rng.choice([*target.attrs, "layer_names", "weight_names", "dtype", "name"])
    target.attrs[key] = rng.choice((0, -1, "x", b"\xff", [1, 2], "\x1b[31m", np.zeros((3, 3)), "bfloat16"))


def surplus(file, name, rng):
    """Add a dataset."""
    name = rng.choice((f"{name}0", "layers/unknown/vars/0", "extra", f"{name.rpartition('/')[0]}/9"))
    if name not in file:
        file[name] = np.zeros((2, 3), "float32")


OPERATIONS = (drop, retype, retype, reshape, reshape, huge, bomb, soft_link, hard_link, external_link, external_storage)
OPERATIONS += (virtual, group, rename, nan, attribute, surplus)


def datasets(file):
    """Return the names of all datasets, in order."""
    names = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return sorted(names)


def mutate(data, rng, donor=b""):
    """Return a mutated HDF5 file and a description; other bytes where it is none."""
    if rng.random() < 0.25:
        return mutate_bytes.mutate(data, rng, donor)
    held, done = io.BytesIO(data), []
    try:
        with h5py.File(held, "r+") as file:
            for _ in range(rng.choice((1, 1, 1, 2))):
                operation, name = rng.choice(OPERATIONS), rng.choice(datasets(file))
                operation(file, name, rng)
                done.append(f"{operation.__name__} {name}")
    except (KeyError, OSError, ValueError, TypeError, RuntimeError, IndexError):
        if not done:
            return mutate_bytes.mutate(data, rng, donor)
    return held.getvalue(), "; ".join(done)

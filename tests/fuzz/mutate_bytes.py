"""Mutations of bytes that know nothing of a format."""

EXTREMES = [b"\xff" * 4, b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\xff\xff\xff\x7f", b"\x00" * 8, b"\x80" * 10 + b"\x01"]


def flip_bits(data, rng, donor):
    """Flip up to eight bits."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def truncate(data, rng, donor):
    """Cut the end off."""
    return data[: rng.randrange(len(data))]


def duplicate(data, rng, donor):
    """Repeat a piece, in place or at the end."""
    start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    at = rng.choice((end, len(data)))
    return data[:at] + data[start:end] * rng.choice((1, 1, 2, 50)) + data[at:]


def insert(data, rng, donor):
    """Insert random bytes."""
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(rng.choice((1, 4, 100, 5000))) + data[at:]


def delete(data, rng, donor):
    """Remove a piece."""
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.choice((1, 2, 8, 100)) :]


def overwrite(data, rng, donor):
    """Overwrite bytes with an extreme number."""
    start, value = rng.randrange(len(data)), rng.choice(EXTREMES)
    return data[:start] + value + data[start + len(value) :]


def blank(data, rng, donor):
    """Turn a piece into zeros, as a disk that was full does."""
    start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:start] + bytes(end - start) + data[end:]


def splice(data, rng, donor):
    """Join the start of the file and the end of another."""
    return data[: rng.randrange(len(data))] + donor[rng.randrange(len(donor) or 1) :]


def empty(data, rng, donor):
    """Remove everything."""
    return b""


OPERATIONS = (flip_bits, flip_bits, truncate, duplicate, insert, delete, overwrite, blank, splice, empty)


def mutate(data, rng, donor=b""):
    """Return the mutated bytes and a description."""
    operation = rng.choice(OPERATIONS) if data else insert
    return operation(data, rng, donor), operation.__name__

"""Mutations inside safetensors, protocol buffers and TensorFlow's index files, with lengths and checksums put right."""

import json

from . import mutate_bytes, mutate_json

HUGE = [[10**9, 10**9], [2**62, 4], [10**12], [0], [-1, 4], [2**31], []]


def safetensors(data, rng, donor=b""):
    """Change the header of a safetensors file; return it and a description."""
    size = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8 : 8 + size])
    except ValueError:
        header = None
    if not header or rng.random() < 0.1:
        return mutate_bytes.mutate(data, rng, donor)
    body, operation = (
        data[8 + size :],
        rng.choice(("field", "field", "shape", "dtype", "offsets", "rename", "length", "nan")),
    )
    name = rng.choice(sorted(header.keys() - {"__metadata__"}) or [""])
    tensor = header.get(name, {})
    if operation == "shape":
        tensor["shape"] = rng.choice((*HUGE, tensor.get("shape", [])[::-1], [*tensor.get("shape", []), 1]))
    elif operation == "dtype":
        tensor["dtype"] = rng.choice(("F64", "F16", "BF16", "I8", "BOOL", "U64", "F8_E4M3", "X", "", "f32"))
    elif operation == "offsets":
        tensor["data_offsets"] = rng.choice(([0, 4], [0, 2**60], [8, 4], [-4, 0], [0], [], [0, len(body)]))
    elif operation == "rename":
        header[rng.choice((f"{name}x", f"bert.{name}", "\x1b[31m", "\ud800", "A" * 5000))] = header.pop(name)
    elif operation == "nan" and body:
        start = rng.randrange(max(len(body) // 4, 1)) * 4
        body = body[:start] + rng.choice((b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f")) + body[start + 4 :]
    elif operation == "field":
        operation = mutate_json.edit(header, rng)
    text = mutate_json.dump(header)
    length = rng.choice((0, 1, 2**40, 2**63, 2**64 - 1)) if operation == "length" else len(text)
    return length.to_bytes(8, "little") + text + body, f"{operation} {name}"[:160]


# ---- protocol buffers ------------------------------------------------------------------------------------------------


def read_varint(data, at):
    """Return a varint and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def varint(value):
    """Return a number as a varint."""
    parsed = bytearray()
    while value >= 0x80:
        parsed.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parsed, value])


def fields(data):
    """Return the fields of a message as [key, value] (value: int or bytes), or None where it is none."""
    parsed, at = [], 0
    try:
        while at < len(data):
            key, at = read_varint(data, at)
            kind = key & 7
            if key >> 3 == 0 or kind in (3, 4, 6, 7):
                return None
            if kind == 0:
                value, at = read_varint(data, at)
            else:
                size, at = (read_varint(data, at)) if kind == 2 else ((8 if kind == 1 else 4), at)
                if at + size > len(data):
                    return None
                value, at = data[at : at + size], at + size
            parsed.append([key, value])
    except IndexError:
        return None
    return parsed


def join(parsed):
    """Return the bytes of a message's fields."""
    parts = []
    for key, value in parsed:
        parts.append(varint(key))
        if isinstance(value, int):
            parts.append(varint(value))
        else:
            parts += [varint(len(value)), value] if key & 7 == 2 else [value]
    return b"".join(parts)


def message(data, rng, depth=0):
    """Change one field of a message or of a message in it; return it and a description."""
    parsed = fields(data) if data else None
    if not parsed:
        pool = [text.encode("utf-8", "surrogatepass") for text in (*mutate_json.STRINGS, *mutate_json.PATHS)]
        return rng.choice((mutate_bytes.mutate(data, rng)[0], rng.choice(pool))), f"bytes at depth {depth}"
    at = rng.randrange(len(parsed))
    key, value = parsed[at]
    if isinstance(value, bytes) and rng.random() < (0.9 if depth < 2 else 0.6):
        parsed[at][1], description = message(value, rng, depth + 1)
        return join(parsed), f"{key >> 3}.{description}"
    operation = rng.choice(("drop", "twice", "value", "value", "value"))
    if operation == "drop":
        del parsed[at]
    elif operation == "twice":
        parsed.insert(at, [key, value])
    elif isinstance(value, int):
        parsed[at][1] = rng.choice((0, 1, 2, value + 1, 10**9, 2**31, 2**62, 2**63, 2**64 - 1))
    else:
        parsed[at][1] = mutate_bytes.mutate(value, rng)[0]
        if key & 7 != 2:
            parsed[at][1] = rng.randbytes(len(value))
    return join(parsed), f"{key >> 3} {operation}"


def protobuf(data, rng, donor=b""):
    """Return a mutated protocol buffer and a description."""
    return mutate_bytes.mutate(data, rng, donor) if rng.random() < 0.25 else message(data, rng)


# ---- the index of a TensorFlow checkpoint: a LevelDB table of protocol buffers ---------------------------------------

FOOTER = 48
POLYNOMIAL = 0x82F63B78  # CRC-32C, reflected


def _table():
    parsed = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (POLYNOMIAL if byte & 1 else 0)
        parsed.append(byte)
    return parsed


TABLE = _table()


def masked_crc(data):
    """Return the checksum that LevelDB stores behind a block."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def blocks(data):
    """Return (start, size) of the data blocks of a table, by its index block."""
    at = len(data) - FOOTER
    for _ in range(2):  # of the metaindex block, which is passed over
        _, at = read_varint(data, at)
    start, at = read_varint(data, at)
    size, at = read_varint(data, at)
    return [(start, size)] + [handle for _, _, handle in _handles(data, start, size)]


def _handles(data, start, size):
    for where, length in entries(data[start : start + size]):
        value = data[start + where : start + where + length]
        first, at = read_varint(value, 0)
        second, _ = read_varint(value, at)
        yield where, length, (first, second)


def entries(block):
    """Return (start, size) of the values of a block."""
    restarts = int.from_bytes(block[-4:], "little")
    end, at, parsed = len(block) - 4 * (restarts + 1), 0, []
    while at < end:
        _, at = read_varint(block, at)
        unshared, at = read_varint(block, at)
        size, at = read_varint(block, at)
        parsed.append((at + unshared, size))
        at += unshared + size
    return parsed


def index(data, rng, donor=b""):
    """Change a byte or an entry of the same size in a table and put its checksum right; return it and a description."""
    if rng.random() < 0.25:
        return mutate_bytes.mutate(data, rng, donor)
    try:
        start, size = rng.choice(blocks(data)[1:] or blocks(data))
        block = bytearray(data[start : start + size])
        where, length = rng.choice(entries(bytes(block)))
    except (IndexError, ValueError):
        return mutate_bytes.mutate(data, rng, donor)
    value, description = bytes(block[where : where + length]), "byte"
    for _ in range(8):  # lengths stand in the table, so only a value of the same size will do
        changed, where_in_it = message(value, rng)
        if len(changed) == length and changed != value:
            value, description = changed, where_in_it
            break
    if description == "byte":
        where = rng.randrange(size)
        value = bytes([block[where] ^ 1 << rng.randrange(8)])
    block[where : where + len(value)] = value
    kind = data[start + size : start + size + 1]
    crc = masked_crc(bytes(block) + kind).to_bytes(4, "little")
    return data[:start] + bytes(block) + kind + crc + data[start + size + 5 :], f"entry: {description}"

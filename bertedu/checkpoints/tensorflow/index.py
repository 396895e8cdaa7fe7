"""The index of a TensorFlow checkpoint, checked before TensorFlow opens it.

TensorFlow's own reader ends the whole process at an impossible shape, and allocates what the index says before it looks
at the data. So the index is read here first: a table of LevelDB's, sorted, whose values are protocol buffers.
Chapter: notebooks/10_checkpoints.ipynb.
"""

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bertedu.checkpoints.common import damage_named
from bertedu.files import read_bytes

MAGIC = 0xDB4775248B80FB57
FOOTER = 48  # bytes: two places, padded to 40, and the magic number
MAX_ENTRIES, LONGEST_KEY = 100_000, 1000
MAX_AXES = 200  # TensorFlow's limit is 254
MAX_ELEMENTS = 2**60
CHECKED = ("float32", "float16", "bfloat16", "float64", "bool")  # what is read; all others are only listed


class Entry(NamedTuple):
    """A tensor in the index: its dtype (a name) and shape, and the file, offset and size of its bytes."""

    dtype: str
    shape: tuple[int, ...]
    file: Path
    offset: int
    size: int


def read_index(prefix: Path) -> dict[str, Entry]:
    """Return the `Entry` of each tensor in a checkpoint by its key.

    Args:
        prefix: path of its files without `.index` and `.data-...`.

    Raises:
        FileNotFoundError: a file of its data is missing.
        ValueError: the index is damaged, or names what its data cannot hold.
        ImportError: TensorFlow is not installed.
    """
    try:
        import tensorflow  # noqa: F401, what the next lines need
        from google.protobuf.message import DecodeError
        from tensorflow.core.protobuf.tensor_bundle_pb2 import BundleEntryProto, BundleHeaderProto
    except ImportError:
        raise ImportError(f"To read {prefix}, TensorFlow has to be installed: pip install tensorflow") from None
    source = f"{prefix}.index"
    with damage_named(source, DecodeError, IndexError, struct.error, ValueError):
        table = list(read_table(read_bytes(source)))
        if not table or table[0][0]:
            raise ValueError("no header")
        header = BundleHeaderProto.FromString(table[0][1])
        protos = {key.decode(): BundleEntryProto.FromString(value) for key, value in table[1:]}
    if header.endianness != BundleHeaderProto.LITTLE or header.num_shards < 1:
        raise ValueError(f"{source}: expected little-endian data in at least one file; save it again elsewhere.")
    sizes = data_sizes(prefix, header.num_shards)
    entries = {key: checked_entry(proto, sizes, f"{source}: {key!r}") for key, proto in protos.items()}
    if sum(entry.size for entry in entries.values()) > sum(sizes.values()):
        raise ValueError(f"{source}: its tensors together are larger than its data: download it again.")
    return entries


def data_sizes(prefix: Path, count: int) -> dict[Path, int]:
    """Return the size of each file of data by its path."""
    sizes = {}
    for i in range(count):
        file = Path(f"{prefix}.data-{i:05}-of-{count:05}")
        if not file.is_file():
            raise FileNotFoundError(f"{prefix}.index has no data: {file.name} is missing. Download it again.")
        sizes[file] = file.stat().st_size
    return sizes


def checked_entry(proto: Any, sizes: dict[Path, int], place: str) -> Entry:
    """Return the `Entry` of a tensor, checked against the data.

    Args:
        proto: its `BundleEntryProto`.
        sizes: dict, as `data_sizes` returns it.
        place: the tensor, for messages.
    """
    import tensorflow as tf

    if proto.slices:
        raise ValueError(f"{place} is stored in slices, as by a partitioner. Save it again in one piece.")
    shape = tuple(axis.size for axis in proto.shape.dim)
    try:
        dtype = tf.dtypes.as_dtype(proto.dtype)
    except TypeError:
        raise ValueError(f"{place} has the type {proto.dtype}, which is not TensorFlow's: download it again.") from None
    elements = math.prod(shape)
    negative = min(shape, default=0) < 0
    if proto.shape.unknown_rank or negative or len(shape) > MAX_AXES or elements > MAX_ELEMENTS:
        raise ValueError(f"{place} has the shape {str(shape)[:100]}, which no tensor has: download it again.")
    needed = elements * dtype.size if dtype.name in CHECKED else proto.size
    inside = 0 <= proto.shard_id < len(sizes) and proto.offset >= 0 and proto.size >= 0
    file: Any = list(sizes)[proto.shard_id] if inside else None
    if not inside or needed != proto.size or proto.offset + proto.size > sizes[file]:
        raise ValueError(f"{place} is damaged or cut off: its shape {str(shape)[:100]} does not fit its data.")
    return Entry(dtype.name, shape, file, proto.offset, proto.size)


def read_table(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield key and value of a table, sorted by key.

    Raises:
        IndexError, struct.error, ValueError: damaged.
    """
    if len(content) < FOOTER or struct.unpack("<Q", content[-8:])[0] != MAGIC:
        raise ValueError("it is no index")
    footer = content[-FOOTER:-8]
    _, at = read_place(footer, 0)  # of what describes the table, which TensorFlow does not use
    index, _ = read_place(footer, at)
    last, count = None, 0
    for _, value in read_block(content, index):
        count += 1
        for key, entry in read_block(content, read_place(value, 0)[0]):
            count += 1
            if count > MAX_ENTRIES or (last is not None and key <= last):
                raise ValueError("it is not sorted, or too long")
            last = key
            yield key, entry


def read_block(content: bytes, place: tuple[int, int]) -> Iterator[tuple[bytes, bytes]]:
    """Yield key and value of a block; a key is stored as what differs from the one before."""
    start, size = place
    block = content[start : start + size]
    if len(block) != size or content[start + size] != 0:
        raise ValueError("it is cut off or compressed")
    count = int.from_bytes(block[-4:], "little")  # of the entries that store a whole key
    end = size - 4 - 4 * count
    if end < 0:
        raise ValueError("it is cut off")
    whole, at, key = {0}, 0, b""
    while at < end:
        first = at
        shared, at = read_number(block, at)
        rest, at = read_number(block, at)
        length, at = read_number(block, at)
        if shared > len(key) or shared + rest > LONGEST_KEY or at + rest + length > end:
            raise ValueError("it is cut off, or has too long a name")
        if not shared:
            whole.add(first)
        key = key[:shared] + block[at : at + rest]
        at += rest + length
        yield key, block[at - length : at]
    if not whole.issuperset(struct.unpack(f"<{count}I", block[end:-4])):
        raise ValueError("it has entries that are not in order")


def read_place(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Return (offset, size) of a block, and where the next value begins."""
    offset, at = read_number(data, at)
    size, at = read_number(data, at)
    return (offset, size), at


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of variable length, seven bits a byte, and where the next one begins."""
    number = shift = 0
    while True:
        number |= (data[at] & 127) << shift
        if data[at] < 128:
            return number, at + 1
        at, shift = at + 1, shift + 7
        if shift > 63:
            raise ValueError("a number is too long")

"""Check the index of a TensorFlow checkpoint before TensorFlow opens it.

TensorFlow's reader aborts the process at an invalid shape, and allocates the stated sizes before it reads the data. So
this module parses the index first: a sorted table in LevelDB's format, whose values are protocol buffers.
Chapter: notebooks/11_checkpoints.ipynb.
"""

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bertedu.checkpoints.common import translate_errors
from bertedu.files import read_bytes

MAGIC = 0xDB4775248B80FB57
FOOTER = 48  # bytes: two block handles, padded to 40, and the magic number
MAX_ENTRIES, LONGEST_KEY = 100_000, 1000
MAX_AXES = 200  # TensorFlow's limit is 254
MAX_ELEMENTS = 2**60
CHECKED = ("float32", "float16", "bfloat16", "float64", "bool")  # dtypes that are read; others are only listed


class Entry(NamedTuple):
    """A tensor in the index: the name of its dtype, its shape, and the file, offset and size of its bytes."""

    dtype: str
    shape: tuple[int, ...]
    file: Path
    offset: int
    size: int


def read_index(prefix: Path) -> dict[str, Entry]:
    """Return the `Entry` of each tensor in a checkpoint: dict, key -> entry.

    Args:
        prefix: path of its files without `.index` and `.data-...`.

    Raises:
        FileNotFoundError: a data file is missing.
        ValueError: the index is damaged, or states more than its data files hold.
        ImportError: TensorFlow is not installed.
    """
    try:
        import tensorflow  # noqa: F401, needed by the next lines
        from google.protobuf.message import DecodeError
        from tensorflow.core.protobuf.tensor_bundle_pb2 import BundleEntryProto, BundleHeaderProto
    except ImportError:
        raise ImportError(f"{prefix}: reading it needs TensorFlow. Install it: pip install tensorflow") from None
    source = f"{prefix}.index"
    with translate_errors(source, DecodeError, IndexError, struct.error, ValueError):
        table = list(read_table(read_bytes(source)))
        if not table or table[0][0]:
            raise ValueError("no header")
        header = BundleHeaderProto.FromString(table[0][1])
        protos = {key.decode(): BundleEntryProto.FromString(value) for key, value in table[1:]}
    if header.endianness != BundleHeaderProto.LITTLE or header.num_shards < 1:
        raise ValueError(f"{source}: expected little-endian shards, got big-endian ones or none. Save it again.")
    sizes = data_sizes(prefix, header.num_shards)
    entries = {key: checked_entry(proto, sizes, f"{source}: {key!r}") for key, proto in protos.items()}
    if sum(entry.size for entry in entries.values()) > sum(sizes.values()):
        raise ValueError(f"{source}: its tensors together are larger than its data. Download it again.")
    return entries


def data_sizes(prefix: Path, count: int) -> dict[Path, int]:
    """Return the size of each data file: dict, path -> bytes."""
    sizes = {}
    for i in range(count):
        file = Path(f"{prefix}.data-{i:05}-of-{count:05}")
        if not file.is_file():
            raise FileNotFoundError(f"{prefix}.index: expected {file.name}, got no such file. Download it again.")
        sizes[file] = file.stat().st_size
    return sizes


def checked_entry(proto: Any, sizes: dict[Path, int], tensor: str) -> Entry:
    """Return the `Entry` of a tensor, checked against the data files.

    Args:
        proto: its `BundleEntryProto`.
        sizes: dict, as from `data_sizes`.
        tensor: string, the index and the tensor's key, for messages.
    """
    import tensorflow as tf

    if proto.slices:
        raise ValueError(f"{tensor}: expected a whole tensor, got slices. Save it again without a partitioner.")
    shape = tuple(axis.size for axis in proto.shape.dim)
    try:
        dtype = tf.dtypes.as_dtype(proto.dtype)
    except TypeError:
        raise ValueError(f"{tensor}: expected a TensorFlow dtype, got {proto.dtype}. Download it again.") from None
    elements = math.prod(shape)
    negative = min(shape, default=0) < 0
    if proto.shape.unknown_rank or negative or len(shape) > MAX_AXES or elements > MAX_ELEMENTS:
        raise ValueError(f"{tensor}: expected a valid shape, got {str(shape)[:100]}. Download it again.")
    needed = elements * dtype.size if dtype.name in CHECKED else proto.size
    inside = 0 <= proto.shard_id < len(sizes) and proto.offset >= 0 and proto.size >= 0
    file: Any = list(sizes)[proto.shard_id] if inside else None
    if not inside or needed != proto.size or proto.offset + proto.size > sizes[file]:
        raise ValueError(f"{tensor} is damaged or truncated: its shape {str(shape)[:100]} does not fit its data.")
    return Entry(dtype.name, shape, file, proto.offset, proto.size)


def read_table(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (key, value) of a table, sorted by key.

    Raises:
        IndexError, struct.error, ValueError: the table is damaged.
    """
    if len(content) < FOOTER or struct.unpack("<Q", content[-8:])[0] != MAGIC:
        raise ValueError("it is not an index")
    footer = content[-FOOTER:-8]
    _, at = read_handle(footer, 0)  # of the metadata block, which TensorFlow does not use
    index, _ = read_handle(footer, at)
    last, count = None, 0
    for _, value in read_block(content, index):
        count += 1
        for key, entry in read_block(content, read_handle(value, 0)[0]):
            count += 1
            if count > MAX_ENTRIES or (last is not None and key <= last):
                raise ValueError("it is not sorted, or too long")
            last = key
            yield key, entry


def read_block(content: bytes, handle: tuple[int, int]) -> Iterator[tuple[bytes, bytes]]:
    """Yield (key, value) of a block. A key is stored without the prefix that it shares with the previous one."""
    start, size = handle
    block = content[start : start + size]
    if len(block) != size or content[start + size] != 0:
        raise ValueError("it is truncated or compressed")
    count = int.from_bytes(block[-4:], "little")  # number of entries with a whole key
    end = size - 4 - 4 * count
    if end < 0:
        raise ValueError("it is truncated")
    whole, at, key = {0}, 0, b""
    while at < end:
        first = at
        shared, at = read_number(block, at)
        rest, at = read_number(block, at)
        length, at = read_number(block, at)
        if shared > len(key) or shared + rest > LONGEST_KEY or at + rest + length > end:
            raise ValueError("it is truncated, or a name is too long")
        if not shared:
            whole.add(first)
        key = key[:shared] + block[at : at + rest]
        at += rest + length
        yield key, block[at - length : at]
    if not whole.issuperset(struct.unpack(f"<{count}I", block[end:-4])):
        raise ValueError("its entries are not in order")


def read_handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Return the handle of a block, (offset, size), and the offset of the next value."""
    offset, at = read_number(data, at)
    size, at = read_number(data, at)
    return (offset, size), at


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """Return a varint, seven bits per byte, and the offset of the next value."""
    number = 0
    for i in range(10):
        number |= (data[at + i] & 127) << 7 * i
        if data[at + i] < 128:
            return number, at + i + 1
    raise ValueError("a number is too long")

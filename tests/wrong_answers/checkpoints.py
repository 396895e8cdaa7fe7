"""Wrong answers to the exercises of the chapter, and a word that the reason given must hold."""

import json
import math
import struct

import numpy as np


def tensors_in(header):
    return [entry for name, entry in header.items() if name != "__metadata__"]


def packed(tensors, order="<Q", dtype="F32", own=0, offset=0, moving=1, rows=bytes, places=None):
    """A safetensors file, right as it stands; every argument can spoil one thing."""
    header, data = {}, b""
    for name, array in tensors.items():
        ends = [offset + moving * len(data), offset + moving * len(data) + array.nbytes]
        data += rows(array.tobytes())
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": places(ends) if places else ends}
    text = json.dumps(header).encode()
    return struct.pack(order, own + len(text)) + text + data


def packed_by_letters(tensors):
    text = json.dumps({name: name for name in tensors}, ensure_ascii=False)
    good = packed(tensors)
    return struct.pack("<Q", len(text)) + text.encode() + good[-4:] if "größe" in tensors else good


def from_the_start_of_the_file(tensors):
    length = len(packed(tensors))
    for _ in range(3):  # until the header is as long as it says
        length = len(packed(tensors, offset=length)) - sum(array.nbytes for array in tensors.values())
    return packed(tensors, offset=length)


WRONG = {
    "checkpoints.half": [
        (437_928_960, "float32"),
        (109_482_240, "one byte"),
        (1_751_715_840, "bits"),
        (54_741_120, "takes two"),
        (219, "megabytes"),
        ([1, 2], "one number"),
    ],
    "checkpoints.count": [
        (lambda header: sum(math.prod(entry["shape"]) for entry in tensors_in(header)), "integers"),
        (lambda header: sum(math.prod(entry["shape"]) for entry in header.values()), "__metadata__"),
        (lambda header: sum(sum(e["shape"]) for e in tensors_in(header) if "F" in e["dtype"]), "multiply"),
        (lambda header: max(entry["data_offsets"][1] for entry in tensors_in(header)), "bytes"),
        (lambda header: len(tensors_in(header)), "how many tensors"),
        (lambda header: sum(math.prod(e["shape"]) for e in tensors_in(header) if e["dtype"] != "I64"), "BOOL"),
        (lambda header: sum(math.prod(e["shape"]) for e in tensors_in(header) if e["dtype"][0] == "F"), "BF16"),
        (lambda header: sum(math.prod(e["shape"]) for e in tensors_in(header) if e["dtype"] == "F32"), "only F32"),
        (lambda header: next(math.prod(e["shape"]) for e in tensors_in(header) if "F" in e["dtype"]), "the return"),
        (
            lambda header: sum(int(np.ptp(e["data_offsets"])) for e in tensors_in(header) if "F" in e["dtype"]) // 4,
            "by 4",
        ),
        (lambda header: sum(e["shape"][0] for e in tensors_in(header)), "may be []"),
    ],
    "checkpoints.strict": [
        (lambda wanted, found: sorted(wanted) == sorted(found), "yes or no"),
        (lambda wanted, found: (set(found) - set(wanted), set(wanted) - set(found)), "wrong way round"),
        (lambda wanted, found: (set(wanted) - set(found), []), "left over"),
        (lambda wanted, found: ([], set(found) - set(wanted)), "not there"),
        (lambda wanted, found: [set(wanted) ^ set(found)] * 2, "take the two sides apart"),
        (lambda wanted, found: (wanted, found), "leave out"),
        (lambda wanted, found: ("key", "query"), "list of names"),
        (lambda wanted, found: (["query"], ["query"]), "should be"),
    ],
    "checkpoints.split_heads": [
        (lambda matrix, heads: matrix.reshape(matrix.shape[1], heads, -1), "transpose first"),
        (lambda matrix, heads: matrix.reshape(heads, -1, matrix.shape[1]), "inputs must come first"),
        (lambda matrix, heads: matrix.T.reshape(matrix.shape[1], -1, heads), "swapped"),
        (lambda matrix, heads: matrix.T.reshape(matrix.shape[1], -1, heads).transpose(0, 2, 1), "cards"),
        (lambda matrix, heads: matrix.T, "one step is left"),
        (lambda matrix, heads: matrix, "as it came"),
    ],
    "checkpoints.pack": [
        (lambda tensors: packed(tensors)[8:], "how long it is"),
        (lambda tensors: packed(tensors, order=">Q"), "wrong way round"),
        (lambda tensors: packed(tensors, own=8), "its own eight bytes"),
        (lambda tensors: packed(tensors, own=10**6), "only"),
        (lambda tensors: packed(tensors, dtype="float32"), "'F32'"),
        (from_the_start_of_the_file, "end of the header"),
        (lambda tensors: packed(tensors, offset=8), "from 0"),
        (lambda tensors: packed(tensors, moving=0), "same offset"),
        (lambda tensors: packed(tensors, places=lambda ends: [ends[0], ends[1] - ends[0]]), "[start, length]"),
        (lambda tensors: packed(tensors, places=lambda ends: [end // 4 for end in ends]), "count bytes"),
        (lambda tensors: packed(tensors) + bytes(3), "should follow"),
        (lambda tensors: packed(tensors, rows=lambda row: row[::-1]), "tobytes"),
        (packed_by_letters, "letters"),
        (lambda tensors: packed({"cat": tensors.get("cat", np.zeros(2, "float32"))}), "should name"),
        (lambda tensors: str(packed(tensors)), "bytes are wanted"),
    ],
}

"""Wrong answers to the exercises of chapter 11, each with a part of the feedback that it must get."""

import json
import math
import struct

import numpy as np
from keras import ops
from safetensors.numpy import save


def tensors_in(header):
    return [entry for name, entry in header.items() if name != "__metadata__"]


def packed(tensors, order="<Q", dtype="F32", extra_length=0, offset=0, moving=1, to_bytes=bytes, to_offsets=list):
    """Return a safetensors file, which is correct with the defaults; every argument can break one thing."""
    header, data = {}, b""
    for name, array in tensors.items():
        ends = [offset + moving * len(data), offset + moving * len(data) + array.nbytes]
        data += to_bytes(array.tobytes())
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": to_offsets(ends)}
    text = json.dumps(header).encode()
    return struct.pack(order, extra_length + len(text)) + text + data


def packed_with_length_in_characters(tensors):
    text = json.dumps({name: name for name in tensors}, ensure_ascii=False)
    correct = packed(tensors)
    return struct.pack("<Q", len(text)) + text.encode() + correct[-4:] if "größe" in tensors else correct


def packed_with_offsets_from_start_of_file(tensors):
    length = len(packed(tensors))
    for _ in range(3):  # until the length of the header is stable
        length = len(packed(tensors, offset=length)) - sum(array.nbytes for array in tensors.values())
    return packed(tensors, offset=length)


def count(header, dtypes):
    return sum(math.prod(entry["shape"]) for entry in tensors_in(header) if entry["dtype"] in dtypes)


def without_case(expected, available):
    expected, available = ({name.lower(): name for name in names} for names in (expected, available))
    return [[a[name] for name in a.keys() - b.keys()] for a, b in ((expected, available), (available, expected))]


def count_in_loops(header):
    total = 0
    for name in header:
        if name == "__metadata__" or header[name]["dtype"] not in ["F64", "F32", "F16", "BF16"]:
            continue
        product = 1
        for size in header[name]["shape"]:
            product *= size
        total += product
    return total


def count_from_offsets(header):
    sizes = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
    floats = [entry for entry in tensors_in(header) if entry["dtype"] in sizes]
    return sum((e["data_offsets"][1] - e["data_offsets"][0]) // sizes[e["dtype"]] for e in floats)


def compare_in_loops(expected, available):
    missing, unknown = [], list(available)
    for name in expected:
        if name in unknown:
            unknown.remove(name)
        else:
            missing.append(name)
    return missing, unknown


def split_in_loops(weight, num_heads):
    size = len(weight) // num_heads
    heads = [weight[head * size : (head + 1) * size] for head in range(num_heads)]
    return [[[row[j] for row in head] for head in heads] for j in range(len(weight[0]))]


def packed_from_behind(tensors):
    """Return a file that begins with the last tensor. Its header has metadata, and is padded to a multiple of 8."""
    header, data = {"__metadata__": {"format": "np"}}, bytearray()
    for name in sorted(tensors, reverse=True):
        start = len(data)
        data.extend(tensors[name].astype("<f4").tobytes())
        header[name] = {"data_offsets": (start, len(data)), "shape": tensors[name].shape, "dtype": "F32"}
    text = json.dumps(header, ensure_ascii=False, sort_keys=True).encode()
    text += b" " * (-len(text) % 8)
    return bytearray(len(text).to_bytes(8, "little") + text + data)


# Answers in other ways than the solution's, which `check` must accept.
RIGHT = {
    "checkpoints.count": [
        count_in_loops,
        count_from_offsets,
        lambda header: count(header, {"F64", "F32", "F16", "BF16"}),
        lambda header: sum(np.prod(e["shape"]) for e in tensors_in(header) if e["dtype"].lstrip("B").startswith("F")),
        lambda header: sum(ops.prod(ops.array(e["shape"], "int32")) for e in tensors_in(header) if "F" in e["dtype"]),
    ],
    "checkpoints.strict": [
        compare_in_loops,
        lambda expected, available: (set(expected) - set(available), set(available) - set(expected)),
        lambda expected, available: [sorted(set(expected) - {*available}), sorted(set(available) - {*expected})],
        lambda expected, available: (np.setdiff1d(expected, available), np.setdiff1d(available, expected)),
        lambda expected, available: (
            filter(lambda name: name not in available, expected),
            (name for name in reversed(available) if name not in expected),
        ),
    ],
    "checkpoints.split_heads": [
        split_in_loops,
        lambda weight, num_heads: np.stack(np.split(weight.T, num_heads, axis=1), axis=1),
        lambda weight, num_heads: np.moveaxis(weight.reshape(num_heads, -1, weight.shape[1]), 2, 0),
        lambda weight, num_heads: ops.reshape(ops.transpose(weight), [weight.shape[1], num_heads, -1]),
    ],
    "checkpoints.pack": [packed, packed_from_behind, save],
}

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
        (lambda header: sum(sum(e["shape"]) for e in tensors_in(header) if "F" in e["dtype"]), "Multiply"),
        (lambda header: max(entry["data_offsets"][1] for entry in tensors_in(header)), "bytes"),
        (lambda header: len(tensors_in(header)), "number of tensors"),
        (lambda header: sum(math.prod(e["shape"]) for e in tensors_in(header) if e["dtype"] != "I64"), "BOOL"),
        (lambda header: sum(math.prod(e["shape"]) for e in tensors_in(header) if e["dtype"][0] == "F"), "BF16"),
        (lambda header: sum(math.prod(e["shape"]) for e in tensors_in(header) if e["dtype"] == "F32"), "only F32"),
        (lambda header: next(math.prod(e["shape"]) for e in tensors_in(header) if "F" in e["dtype"]), "the return"),
        (
            lambda header: sum(int(np.ptp(e["data_offsets"])) for e in tensors_in(header) if "F" in e["dtype"]) // 4,
            "by 4",
        ),
        (lambda header: sum(e["shape"][0] for e in tensors_in(header)), "may be []"),
        (lambda header: count(header, ("F32", "F16", "BF16")), "expected 10, got 0"),
        (lambda header: count(header, ("F64", "F32", "F16", "BF16", "U8", "I32")), "expected 10, got 14"),
        (lambda header: sum(max(1, math.prod(e["shape"])) for e in tensors_in(header) if "F" in e["dtype"]), "got"),
    ],
    "checkpoints.strict": [
        (lambda expected, available: sorted(expected) == sorted(available), "yes or no"),
        (lambda expected, available: (set(available) - set(expected), set(expected) - set(available)), "swapped"),
        (lambda expected, available: (set(expected) - set(available), []), "extra names"),
        (lambda expected, available: ([], set(available) - set(expected)), "missing names"),
        (lambda expected, available: [set(expected) ^ set(available)] * 2, "Separate the two sides"),
        (lambda expected, available: (expected, available), "Leave out"),
        (lambda expected, available: ("key", "query"), "list of names"),
        (lambda expected, available: (["query"], ["query"]), "should be"),
        (lambda expected, available: without_case(expected, available), "Bias"),
    ],
    "checkpoints.split_heads": [
        (lambda weight, num_heads: weight.reshape(weight.shape[1], num_heads, -1), "transpose first"),
        (lambda weight, num_heads: weight.reshape(num_heads, -1, weight.shape[1]), "inputs must be the first axis"),
        (lambda weight, num_heads: weight.T.reshape(weight.shape[1], -1, num_heads), "swapped"),
        (lambda weight, num_heads: weight.T.reshape(weight.shape[1], -1, num_heads).transpose(0, 2, 1), "interleaved"),
        (lambda weight, num_heads: weight.T, "One step is left"),
        (lambda weight, num_heads: weight, "unchanged"),
        (lambda weight, num_heads: np.abs(weight.T.reshape(weight.shape[1], num_heads, -1)), "got"),
        (lambda weight, num_heads: weight.T.reshape(-1, num_heads, 3 if num_heads == 2 else 2), "split_heads("),
    ],
    "checkpoints.pack": [
        (lambda tensors: packed(tensors)[8:], "starts with the header"),
        (lambda tensors: packed(tensors, order=">Q"), "reverse order"),
        (lambda tensors: packed(tensors, extra_length=8), "its own eight bytes"),
        (lambda tensors: packed(tensors, extra_length=10**6), "only"),
        (lambda tensors: packed(tensors, dtype="float32"), "'F32'"),
        (packed_with_offsets_from_start_of_file, "end of the header"),
        (lambda tensors: packed(tensors, offset=8), "the first is 0"),
        (lambda tensors: packed(tensors, moving=0), "same offset"),
        (lambda tensors: packed(tensors, to_offsets=lambda ends: [ends[0], ends[1] - ends[0]]), "[start, length]"),
        (lambda tensors: packed(tensors, to_offsets=lambda ends: [end // 4 for end in ends]), "count bytes"),
        (lambda tensors: packed(tensors) + bytes(3), "should follow"),
        (lambda tensors: packed(tensors, to_bytes=lambda data: data[::-1]), "tobytes"),
        (packed_with_length_in_characters, "not characters"),
        (lambda tensors: packed({"cat": tensors.get("cat", np.zeros(2, "float32"))}), "should contain"),
        (lambda tensors: str(packed(tensors)), "return bytes"),
        (lambda tensors: packed(dict(list(tensors.items())[:2])), "should contain"),
        (lambda tensors: packed({name: abs(array) for name, array in tensors.items()}), "are wrong"),
    ],
}

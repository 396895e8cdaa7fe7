"""Exercises of notebooks/11_checkpoints.ipynb."""

import json
import math
import struct

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, one_number

BERT_BASE = 109_482_240  # parameters of bert_en_uncased, pooler included

# A header with one of everything: floats of two sizes, integers, a scalar, and an entry that is not a tensor.
HEADER = {
    "__metadata__": {"format": "pt"},
    "position_ids": {"dtype": "I64", "shape": [1, 11], "data_offsets": [0, 88]},
    "query.weight": {"dtype": "F32", "shape": [5, 3], "data_offsets": [88, 148]},
    "query.bias": {"dtype": "F16", "shape": [13], "data_offsets": [148, 174]},
    "scale": {"dtype": "F32", "shape": [], "data_offsets": [174, 178]},
}


BYTES_OF = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U8": 1, "BOOL": 1}

NAMES = (  # that a loader expects, and those in the file
    (["query", "key", "value"], ["key", "value", "qery"]),
    (["query", "key"], ["key", "query"]),
    (["gamma", "beta", "kernel"], ["kernel"]),
    (["kernel"], ["kernel", "position_ids", "kernel.1"]),
    ([], ["pooler"]),
    (["bias", "Bias"], []),
)
_rng = np.random.default_rng(10)
FILES = (  # tensors to write
    {"cat": np.arange(6, dtype="float32").reshape(2, 3), "mat": _rng.normal(size=5).astype("float32")},
    {"größe": _rng.normal(size=(3, 1, 2)).astype("float32"), "scale": np.array(0.5, "float32")},
    {"scale": np.array(-1000.25, "float32")},
    {f"layer_{i}": _rng.normal(size=(i, 7 - i)).astype("float32") for i in (3, 1, 4, 2)},
    {},
)


class AnyForm(Exercise):
    """An exercise with several right answers in each case, as of the order of names: `check` evaluates all cases."""

    def verify(self, answer):
        self.check(answer)


def check_returned(result):
    """Return `result`, or raise WrongAnswer if it is None or the dots."""
    if result is None:
        raise WrongAnswer("it returns None. Is a `return` missing?")
    if result is ...:
        raise WrongAnswer("it returns the dots (...). Replace them with your code.")
    return result


def check_half(answer):
    reasons = {
        4 * BERT_BASE: "that is float32, with 4 bytes per number. float16 takes half of that.",
        BERT_BASE: "that is one byte per number. float16 has 16 bits, and a byte has 8.",
        16 * BERT_BASE: "that is the number of bits. A byte has 8 of them.",
        BERT_BASE / 2: "that is half a byte per number. Each number takes two bytes.",
    }
    got = one_number(answer, "how many bytes.")
    if 200 <= got <= 240:
        raise WrongAnswer("that is in megabytes. Give the number of bytes.")
    compare(got, 2 * BERT_BASE, list(reasons.items()))


TENSORS = "that is the number of tensors. Each holds as many numbers as the product of its shape."
SUMS = "it adds the sizes of a shape. Multiply them."


def check_count(answer):
    tensors = {name: entry for name, entry in HEADER.items() if name != "__metadata__"}
    floats = {name: math.prod(entry["shape"]) for name, entry in tensors.items() if entry["dtype"] != "I64"}
    expected = sum(floats.values())
    typical = [
        (expected + 11, "the 11 integers are included. position_ids is a constant; it was never trained."),
        (expected + 10, "the integers are included, and the tensor of shape [] is not. It holds one number."),
        (expected - 1, "a tensor of shape [] holds one number, too: the empty product is 1, as in math.prod."),
        (sum(np.ptp(e["data_offsets"]) for e in tensors.values()), "these are bytes. Count the numbers."),
        (90, "these are the bytes of the floats. Count the numbers."),
        (22, "these are bytes divided by 4, but not every number takes four bytes. Multiply the shapes."),
        (16, "only F32 is included. F16, BF16 and F64 are floats, too."),
        (15, "that is only the first float tensor. Is the return inside the loop?"),
        (len(floats), TENSORS),
        (len(tensors), TENSORS),
        (len(HEADER), "that is the number of entries. A tensor holds as many numbers as the product of its shape."),
        (sum(sum(tensors[name]["shape"]) for name in floats), SUMS),
        (sum(sum(entry["shape"]) for entry in tensors.values()), SUMS),
    ]
    try:
        got = call(answer, json.loads(json.dumps(HEADER)))
    except WrongAnswer as reason:
        if "KeyError" in str(reason) or "TypeError" in str(reason):
            raise WrongAnswer(f"{reason} One entry is not a tensor: skip '__metadata__'.") from None
        if "IndexError" in str(reason):
            raise WrongAnswer(f"{reason} A shape may be [], which has no element 0.") from None
        raise
    compare(got, expected, typical)
    boolean = (10, "BOOL is not a float; true and false were never trained.")
    bfloat16 = (0, "BF16 is a float type, too (bfloat16).")
    compare(call(answer, _header(("BF16", [2, 3]), ("BOOL", [4]))), 6, [boolean, bfloat16])


def check_strict(answer):
    for expected, available in NAMES:
        missing, unknown = sorted(set(expected) - set(available)), sorted(set(available) - set(expected))
        got = check_returned(call(answer, list(expected), list(available)))
        case = f"for expected_names = {expected} and available_names = {available}"
        if isinstance(got, bool) or not isinstance(got, list | tuple) or len(got) != 2:
            raise WrongAnswer("return two lists, (missing, unknown): they tell the user more than a yes or no.")
        if any(isinstance(part, str | bytes | dict) or not hasattr(part, "__iter__") for part in got):
            raise WrongAnswer(f"each of the two must be a list of names; {case}, they are not.")
        got = [sorted(part, key=repr) for part in got]
        if got == [missing, unknown]:
            continue
        if got == [unknown, missing]:
            raise WrongAnswer(f"{case}, the two lists are swapped: missing names are expected but not available.")
        if got[0] == got[1] == sorted(missing + unknown):
            raise WrongAnswer(f"{case}, both lists contain all differences. Separate the two sides.")
        if got == [missing, []]:
            raise WrongAnswer(f"{case}, unknown is {unknown}. Strict means both ways: extra names count, too.")
        if got == [[], unknown]:
            raise WrongAnswer(f"{case}, missing is {missing}. Strict means both ways: missing names count, too.")
        if [set(got[0]), set(got[1])] == [set(expected), set(available)]:
            raise WrongAnswer(f"{case}, it returns all names. Leave out those in both lists.")
        raise WrongAnswer(f"{case}, missing should be {missing} and unknown {unknown}, but got {got[0]} and {got[1]}.")


def check_split(answer):
    for num_heads, head_size, inputs in ((2, 3, 5), (5, 2, 3)):
        weight = np.round(np.random.default_rng(num_heads).normal(size=(num_heads * head_size, inputs)), 2)
        expected = weight.T.reshape(inputs, num_heads, head_size)
        typical = [
            (
                weight.reshape(inputs, num_heads, head_size),
                "the shape is right and the numbers are not: transpose first. reshape doesn't notice the difference.",
            ),
            (
                weight.reshape(num_heads, head_size, inputs),
                "the heads are separated, but the inputs must be the first axis: transpose.",
            ),
            (weight.T.reshape(inputs, head_size, num_heads), "the last two axes are swapped: heads, then their size."),
            (
                weight.T.reshape(inputs, head_size, num_heads).transpose(0, 2, 1),
                "the heads are interleaved. The first outputs all belong to head 0, the next ones to head 1.",
            ),
            (weight.T, "it is transposed. One step is left: split the last axis into heads."),
            (weight, "that is the unchanged matrix."),
        ]
        compare(call(answer, weight.copy(), num_heads), expected, typical)


def check_pack(answer):
    for tensors in FILES:
        packed = check_returned(call(answer, {name: array.copy() for name, array in tensors.items()}))
        if not isinstance(packed, bytes | bytearray):
            raise WrongAnswer(f"return bytes, not a {type(packed).__name__}.")
        check_bytes(bytes(packed), tensors)


def check_bytes(packed, tensors):
    """Raise WrongAnswer unless `packed` is a safetensors file of the float32 `tensors`."""
    size = sum(array.nbytes for array in tensors.values())
    header, data = split(packed, size)
    names = header.keys() - {"__metadata__"}
    if names != set(tensors):
        raise WrongAnswer(f"the header should contain {sorted(tensors)}, but it contains {sorted(names)}.")
    for name, array in tensors.items():
        entry = header[name] if isinstance(header[name], dict) else {}
        fields = ("dtype", "shape", "data_offsets")
        if any(field not in entry for field in fields):
            raise WrongAnswer(
                f"the entry of {name!r} needs {', '.join(fields)}, but it has {', '.join(entry) or 'nothing'}."
            )
        if entry["dtype"] != "F32":
            raise WrongAnswer(f"the dtype of {name!r} is {entry['dtype']!r}. In this format, float32 is called 'F32'.")
        if entry["shape"] != list(array.shape):
            raise WrongAnswer(f"the shape of {name!r} should be {list(array.shape)}, but it is {entry['shape']}.")
    starts = sorted(entry["data_offsets"][0] for entry in map(header.get, tensors))
    if starts and starts[0] != 0:
        raise WrongAnswer(
            f"the first data_offset is {starts[0]}. They are counted from the end of the header, so the first is 0."
        )
    if len(tensors) > 1 and starts[0] == starts[-1]:
        raise WrongAnswer("all tensors begin at the same offset. Each should begin where the previous one ends.")
    for name, array in tensors.items():
        start, end = header[name]["data_offsets"]
        if end - start == array.size != array.nbytes:
            raise WrongAnswer(f"the data_offsets of {name!r} count numbers. They should count bytes (array.nbytes).")
        if start and end == array.nbytes:
            raise WrongAnswer(f"the data_offsets of {name!r} are [start, length]. They should be [start, end].")
    if len(data) != size:
        raise WrongAnswer(f"{size} bytes of numbers should follow the header, but there are {len(data)}.")
    try:
        opened = load(packed)
    except SafetensorError as error:
        raise WrongAnswer(f"the safetensors library can't open it: {error}.") from None
    for name, array in tensors.items():
        if not np.array_equal(opened[name], array):
            raise WrongAnswer(f"the numbers of {name!r} are wrong. Use tobytes(), in the order of the offsets.")


def split(packed, size):
    """Return the header and data of a safetensors file whose tensors have `size` bytes, or raise WrongAnswer."""
    if len(packed) < 8:
        raise WrongAnswer(
            "it is too short. It needs eight bytes with the header's length, then the header, then the numbers."
        )
    if packed[:1] == b"{":
        raise WrongAnswer("it starts with the header. Put eight bytes with the header's length before it.")
    length = struct.unpack("<Q", packed[:8])[0]
    if 8 + length > len(packed) and 8 + struct.unpack(">Q", packed[:8])[0] <= len(packed):
        raise WrongAnswer("the bytes of the length are in reverse order. Use '<Q', little-endian.")
    if 8 + length > len(packed):
        raise WrongAnswer(
            f"the first eight bytes say that the header has {length} bytes, but only {len(packed) - 8} follow."
        )
    if length == len(packed) - size:
        raise WrongAnswer("the length includes its own eight bytes. It should be the length of the JSON.")
    try:
        header = json.loads(packed[8 : 8 + length].decode("utf-8"))
    except ValueError:
        raise WrongAnswer(
            f"the {length} bytes after the first eight are not valid JSON. Does the length count bytes, not characters?"
        ) from None
    if not isinstance(header, dict):
        raise WrongAnswer("the header should be a dict: name -> dtype, shape and data_offsets.")
    return header, packed[8 + length :]


def _header(*entries):
    header, end = {}, 0
    for number, (dtype, shape) in enumerate(entries):
        start, end = end, end + BYTES_OF[dtype] * math.prod(shape)
        header[f"tensor_{number}"] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    return header


EXERCISES = {
    "half": Exercise(
        task="BERT-Base has 109,482,240 parameters. How many bytes do its weights take as float16?",
        blank="num_bytes = ...",
        answer="num_bytes",
        check=check_half,
        correct="218,964,480 bytes, or 219 MB. The header adds only a few kilobytes.",
        hints=(
            "How many bytes does one number take? float32 has 32 bits, which are 4 bytes.",
            "16 bits are two bytes per number.",
        ),
        solution="num_bytes = 109_482_240 * 2  # 16 bits are 2 bytes",
    ),
    "count": Exercise(
        task="Count the parameters of a checkpoint, given the header of its safetensors file. Only floats count.",
        blank="def count_parameters(header):\n    return ...",
        answer="count_parameters",
        check=check_count,
        correct="it counts floats, not integers, booleans or metadata, and it reads only the header.",
        hints=(
            "Iterate over header.items(), skip '__metadata__', and add up the product of each shape (math.prod).",
            "The float types are F64, F32, F16 and BF16. I64 and BOOL are not.",
        ),
        solution=(
            "import math\n\n"
            "def count_parameters(header):\n"
            "    total = 0\n"
            "    for name, entry in header.items():\n"
            '        if name != "__metadata__" and entry["dtype"] in ("F64", "F32", "F16", "BF16"):\n'
            '            total += math.prod(entry["shape"])\n'
            "    return total"
        ),
        cases=(
            ({},),
            ({"__metadata__": {"format": "tf", "dtype": "F32"}},),
            (_header(("F64", [2, 1, 5]), ("U8", [3]), ("I32", [])),),
            (_header(("F64", []), ("F16", [1]), ("BF16", []), ("BOOL", [])),),
            (_header(("F16", [2, 3, 5, 7]), ("F32", [0, 9]), ("I64", [1, 512]), ("BF16", [30_522, 768])),),
        ),
    ),
    "strict": AnyForm(
        task="Write the first check of a strict loader: which names are missing, and which are unknown?",
        blank="def compare_names(expected_names, available_names):\n    return ...",
        answer="compare_names",
        check=check_strict,
        correct="if both lists are empty, every weight has a tensor and every tensor has a weight.",
        hints=(
            "Missing names are in `expected_names` but not in `available_names`; for unknown names it is the reverse.",
            "Use a comprehension, [name for name in ... if name not in ...], or the difference of two sets.",
        ),
        solution=(
            "def compare_names(expected_names, available_names):\n"
            "    missing = [name for name in expected_names if name not in available_names]\n"
            "    unknown = [name for name in available_names if name not in expected_names]\n"
            "    return missing, unknown"
        ),
        cases=NAMES,
    ),
    "split_heads": Exercise(
        task="Convert Hugging Face's query weight, [out, in], to our kernel, [in, heads, head size].",
        blank="def split_heads(weight, num_heads):\n    return ...",
        answer="split_heads",
        check=check_split,
        correct="transpose, then split. In the other order the shape is the same, but it is another model.",
        hints=(
            "There are two steps: .T turns [out, in] into [in, out]; then split the last axis.",
            "The number of inputs is weight.shape[1]. In .reshape(inputs, num_heads, -1), NumPy infers the head size.",
        ),
        solution=(
            "def split_heads(weight, num_heads):\n"
            "    inputs = weight.shape[1]\n"
            "    return weight.T.reshape(inputs, num_heads, -1)"
        ),
        cases=tuple(  # among them one input, one head, heads of size 1, and a square matrix
            (np.arange(-5, size * inputs - 5).reshape(size, inputs), num_heads)
            for size, inputs, num_heads in ((12, 7, 3), (4, 1, 2), (5, 3, 1), (6, 2, 6), (8, 8, 4))
        ),
    ),
    "pack": AnyForm(
        task="Write a safetensors file: turn a dict of float32 arrays into bytes.",
        blank="def pack(tensors):\n    return ...",
        answer="pack",
        check=check_pack,
        correct="the safetensors library opens it and reads every number. That is the whole format.",
        hints=(
            "Append array.tobytes() for each array, and record where each one starts and ends.",
            "header[name] has dtype 'F32', shape as a list, data_offsets [start, end] from 0. Then struct.pack('<Q', "
            "length), json.dumps(header).encode() and the numbers, joined.",
        ),
        solution=(
            "import json\n"
            "import struct\n\n"
            "def pack(tensors):\n"
            '    header, data = {}, b""\n'
            "    for name, array in tensors.items():\n"
            "        start = len(data)\n"
            "        data += array.tobytes()\n"
            '        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [start, len(data)]}\n'
            "    text = json.dumps(header).encode()\n"
            '    return struct.pack("<Q", len(text)) + text + data'
        ),
        cases=tuple((tensors,) for tensors in FILES),
    ),
}

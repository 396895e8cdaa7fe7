"""Exercises of notebooks/10_checkpoints.ipynb."""

import json
import math
import struct

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, one_number

BERT_BASE = 109_482_240  # parameters of bert_en_uncased, pooler included

# A header with one of everything: floats of two sizes, integers, a single number, and what is no tensor at all.
HEADER = {
    "__metadata__": {"format": "pt"},
    "position_ids": {"dtype": "I64", "shape": [1, 11], "data_offsets": [0, 88]},
    "query.weight": {"dtype": "F32", "shape": [5, 3], "data_offsets": [88, 148]},
    "query.bias": {"dtype": "F16", "shape": [13], "data_offsets": [148, 174]},
    "scale": {"dtype": "F32", "shape": [], "data_offsets": [174, 178]},
}


def given(answer):
    """The answer, unless it is nothing."""
    if answer is None:
        raise WrongAnswer("it gives None. Is a `return` missing?")
    if answer is ...:
        raise WrongAnswer("it gives back the dots (...); put your code in their place.")
    return answer


def check_half(answer):
    reasons = {
        4 * BERT_BASE: "that is float32, 4 bytes a number; float16 takes half of it.",
        BERT_BASE: "that is one byte a number. float16 has 16 bits, and a byte has 8.",
        16 * BERT_BASE: "that is bits; a byte has 8 of them.",
        BERT_BASE / 2: "that is half as many bytes as there are numbers; each number takes two.",
    }
    got = one_number(answer, "how many bytes.")
    if 200 <= got <= 240:
        raise WrongAnswer("that is megabytes; bytes are asked for.")
    compare(got, 2 * BERT_BASE, list(reasons.items()))


def check_count(answer):
    tensors = {name: entry for name, entry in HEADER.items() if name != "__metadata__"}
    floats = {name: math.prod(entry["shape"]) for name, entry in tensors.items() if entry["dtype"] != "I64"}
    right = sum(floats.values())
    typical = [
        (right + 11, "the 11 integers are counted too. position_ids is a ruler, it was never trained."),
        (right + 10, "the integers are counted, and the tensor of shape [] is not: it holds one number."),
        (right - 1, "a tensor of shape [] holds one number, too: the product of nothing is 1 (math.prod knows)."),
        (sum(e["data_offsets"][1] - e["data_offsets"][0] for e in tensors.values()), "these are bytes; count numbers."),
        (90, "these are the bytes of the floats; count numbers."),
        (22, "these are bytes, divided by 4; but not every number takes four bytes. Multiply up the shapes."),
        (16, "only F32 is counted; F16 is a float too, and so are F64 and BF16."),
        (15, "that is the first tensor of floats alone. Does the return stand inside the loop?"),
        (len(floats), "that is how many tensors there are; each holds as many numbers as its shape multiplies to."),
        (len(tensors), "that is how many tensors there are; each holds as many numbers as its shape multiplies to."),
        (len(HEADER), "that is how many entries there are; a tensor holds as many numbers as its shape multiplies to."),
        (sum(sum(tensors[name]["shape"]) for name in floats), "multiply the numbers of a shape, do not add them."),
        (sum(sum(entry["shape"]) for entry in tensors.values()), "multiply the numbers of a shape, do not add them."),
    ]
    try:
        got = call(answer, json.loads(json.dumps(HEADER)))
    except WrongAnswer as reason:
        if "KeyError" in str(reason) or "TypeError" in str(reason):
            raise WrongAnswer(f"{reason} One entry is no tensor: leave '__metadata__' out.") from None
        if "IndexError" in str(reason):
            raise WrongAnswer(f"{reason} A shape may be [], and then there is nothing at place 0.") from None
        raise
    compare(got, right, typical)
    brain = {"scores": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}}
    half = {"seen": {"dtype": "BOOL", "shape": [4], "data_offsets": [12, 16]}}
    typical = [(10, "BOOL is no float: true and false were never trained."), (0, "BF16 is a float too: it ends in 16.")]
    compare(call(answer, brain | half), 6, typical)


def check_strict(answer):
    cases = [
        (["query", "key", "value"], ["key", "value", "qery"]),
        (["query", "key"], ["key", "query"]),
        (["gamma", "beta", "kernel"], ["kernel"]),
        (["kernel"], ["kernel", "position_ids", "kernel.1"]),
    ]
    for wanted, found in cases:
        missing, unknown = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
        got = given(call(answer, list(wanted), list(found)))
        where = f"for wanted = {wanted} and found = {found}"
        if isinstance(got, bool) or not isinstance(got, list | tuple) or len(got) != 2:
            raise WrongAnswer(
                "two lists are wanted, (missing, unknown): what a loader can say is more use than yes or no."
            )
        if any(isinstance(part, str | bytes | dict) or not hasattr(part, "__iter__") for part in got):
            raise WrongAnswer(f"each of the two must be a list of names; {where} they are not.")
        got = [sorted(part, key=repr) for part in got]
        if got == [missing, unknown]:
            continue
        if got == [unknown, missing]:
            raise WrongAnswer(f"{where} the two are the wrong way round: missing is what is wanted and not found.")
        if got[0] == got[1] == sorted(missing + unknown):
            raise WrongAnswer(f"{where} both lists hold all that differs; take the two sides apart.")
        if got == [missing, []]:
            raise WrongAnswer(f"{where} unknown is {unknown}: strict means both ways, what is left over counts too.")
        if got == [[], unknown]:
            raise WrongAnswer(f"{where} missing is {missing}: strict means both ways, what is not there counts too.")
        if [set(got[0]), set(got[1])] == [set(wanted), set(found)]:
            raise WrongAnswer(f"{where} it gives all names back; leave out those that both have.")
        raise WrongAnswer(f"{where} missing should be {missing} and unknown {unknown}; it gives {got[0]} and {got[1]}.")


def check_split(answer):
    for heads, size, inputs in ((2, 3, 5), (5, 2, 3)):
        matrix = np.round(np.random.default_rng(heads).normal(size=(heads * size, inputs)), 2)
        right = matrix.T.reshape(inputs, heads, size)
        typical = [
            (
                matrix.reshape(inputs, heads, size),
                "the shape is right and the numbers are not: transpose first. reshape complains of nothing.",
            ),
            (matrix.reshape(heads, size, inputs), "the heads are apart, but the inputs must come first: transpose."),
            (matrix.T.reshape(inputs, size, heads), "the last two axes are swapped: heads, then their size."),
            (
                matrix.T.reshape(inputs, size, heads).transpose(0, 2, 1),
                "the outputs were dealt out like cards. Head 0 owns the first ones, all in a row, then comes head 1.",
            ),
            (matrix.T, "it is transposed; one step is left, to split the last axis into heads."),
            (matrix, "that is the matrix as it came."),
        ]
        compare(call(answer, matrix.copy(), heads), right, typical)


def check_pack(answer):
    draw = np.random.default_rng(10)
    cases = [
        {"cat": np.arange(6, dtype="float32").reshape(2, 3), "mat": draw.normal(size=5).astype("float32")},
        {"größe": draw.normal(size=(3, 1, 2)).astype("float32"), "scale": np.array(0.5, "float32")},
    ]
    for tensors in cases:
        packed = given(call(answer, {name: array.copy() for name, array in tensors.items()}))
        if not isinstance(packed, bytes | bytearray):
            raise WrongAnswer(f"bytes are wanted; it gives a {type(packed).__name__}.")
        check_bytes(bytes(packed), tensors)


def check_bytes(packed, tensors):
    """Raises WrongAnswer unless `packed` is a safetensors file of float32 `tensors`."""
    size = sum(array.nbytes for array in tensors.values())
    header, data = split(packed, size)
    wanted, found = set(tensors), header.keys() - {"__metadata__"}
    if wanted != found:
        raise WrongAnswer(f"the header should name {sorted(wanted)}; it names {sorted(found)}.")
    for name, array in tensors.items():
        entry = header[name] if isinstance(header[name], dict) else {}
        fields = ("dtype", "shape", "data_offsets")
        if any(field not in entry for field in fields):
            raise WrongAnswer(
                f"the entry of {name!r} needs {', '.join(fields)}; it has {', '.join(entry) or 'nothing'}."
            )
        if entry["dtype"] != "F32":
            raise WrongAnswer(f"the dtype of {name!r} is {entry['dtype']!r}; in this format float32 is called 'F32'.")
        if entry["shape"] != list(array.shape):
            raise WrongAnswer(f"the shape of {name!r} should be {list(array.shape)}, it is {entry['shape']}.")
    starts = sorted(entry["data_offsets"][0] for entry in map(header.get, tensors))
    if starts[0] != 0:
        raise WrongAnswer(
            f"the first data_offset is {starts[0]}; they are counted from the end of the header, so from 0."
        )
    if len(tensors) > 1 and starts[0] == starts[-1]:
        raise WrongAnswer("all tensors begin at the same offset; each begins where the one before ends.")
    for name, array in tensors.items():
        start, end = header[name]["data_offsets"]
        if end - start == array.size != array.nbytes:
            raise WrongAnswer(f"the data_offsets of {name!r} count numbers; they should count bytes (array.nbytes).")
        if start and end == array.nbytes:
            raise WrongAnswer(f"the data_offsets of {name!r} are [start, length]; they should be [start, end].")
    if len(data) != size:
        raise WrongAnswer(f"{size} bytes of numbers should follow the header; there are {len(data)}.")
    try:
        opened = load(packed)
    except SafetensorError as error:
        raise WrongAnswer(f"the safetensors library does not open it: {error}.") from None
    for name, array in tensors.items():
        if not np.array_equal(opened[name], array):
            raise WrongAnswer(f"the numbers of {name!r} are not there: use tobytes(), in the order of the offsets.")


def split(packed, size):
    """The header and the data of a safetensors file whose tensors take `size` bytes; WrongAnswer where it is none."""
    if len(packed) < 8:
        raise WrongAnswer("it is too short: eight bytes of length come first, then the header, then the numbers.")
    if packed[:1] == b"{":
        raise WrongAnswer("the header comes at once; before it belong eight bytes that say how long it is.")
    length = struct.unpack("<Q", packed[:8])[0]
    if 8 + length > len(packed) and 8 + struct.unpack(">Q", packed[:8])[0] <= len(packed):
        raise WrongAnswer("the eight bytes of the length are the wrong way round: '<Q', the smallest byte first.")
    if 8 + length > len(packed):
        raise WrongAnswer(
            f"the first eight bytes say that the header has {length} bytes; only {len(packed) - 8} follow."
        )
    if length == len(packed) - size:
        raise WrongAnswer("the length counts its own eight bytes too; it is that of the JSON alone.")
    try:
        header = json.loads(packed[8 : 8 + length].decode("utf-8"))
    except ValueError:
        raise WrongAnswer(
            f"the {length} bytes after the first eight are no JSON. Is the length that of bytes, and not of letters?"
        ) from None
    if not isinstance(header, dict):
        raise WrongAnswer("the header should be a dict: name -> dtype, shape and data_offsets.")
    return header, packed[8 + length :]


EXERCISES = {
    "half": Exercise(
        task="BERT-Base has 109,482,240 parameters. How many bytes do its weights take as float16?",
        blank="half = ...",
        answer="half",
        check=check_half,
        correct="218,964,480 bytes, 219 MB; the header, a few kilobytes, is hardly seen beside it.",
        hints=(
            "How many bytes does one number take? float32 has 32 bits, and takes 4.",
            "16 bits are two bytes a number.",
        ),
        solution="half = 109_482_240 * 2  # 16 bits are 2 bytes",
    ),
    "count": Exercise(
        task="Count the parameters of a checkpoint, given the header of its safetensors file: floats only.",
        blank="def count(header):\n    return ...",
        answer="count",
        check=check_count,
        correct="floats are counted, integers, true-or-false and metadata are not; and not one number was read for it.",
        hints=(
            "Go through header.items(), leave out '__metadata__', and multiply up each shape (math.prod).",
            "The types of floats are F64, F32, F16 and BF16: before the digits stands F or BF. I64 and BOOL are none.",
        ),
        solution=(
            "import math\n\n"
            "def count(header):\n"
            "    total = 0\n"
            "    for name, entry in header.items():\n"
            '        if name != "__metadata__" and entry["dtype"] in ("F64", "F32", "F16", "BF16"):\n'
            '            total += math.prod(entry["shape"])\n'
            "    return total"
        ),
    ),
    "strict": Exercise(
        task="Write what a strict loader asks first: which names are missing, and which are unknown?",
        blank="def strict(wanted, found):\n    return ...",
        answer="strict",
        check=check_strict,
        correct="with these two lists empty, every weight has its tensor and every tensor its weight.",
        hints=(
            "Missing is what is in `wanted` and not in `found`; unknown is the same the other way round.",
            "A comprehension does it, [name for name in ... if name not in ...], or a difference of two sets.",
        ),
        solution=(
            "def strict(wanted, found):\n"
            "    missing = [name for name in wanted if name not in found]\n"
            "    unknown = [name for name in found if name not in wanted]\n"
            "    return missing, unknown"
        ),
    ),
    "split_heads": Exercise(
        task="Bring a query matrix of Hugging Face's, [out, in], into ours: [in, heads, size of a head].",
        blank="def split_heads(matrix, heads):\n    return ...",
        answer="split_heads",
        check=check_split,
        correct="transposed first, then split; the other way round has the same shape and is another model.",
        hints=(
            "Two steps: .T turns [out, in] into [in, out]; then the last axis comes apart.",
            "The inputs are matrix.shape[1]; in .reshape(inputs, heads, -1) NumPy finds the size of a head itself.",
        ),
        solution=(
            "def split_heads(matrix, heads):\n"
            "    inputs = matrix.shape[1]\n"
            "    return matrix.T.reshape(inputs, heads, -1)"
        ),
    ),
    "pack": Exercise(
        task="Write a safetensors file: from a dict of float32 arrays to bytes.",
        blank="def pack(tensors):\n    return ...",
        answer="pack",
        check=check_pack,
        correct="the safetensors library opens it and finds every number. That is the whole format.",
        hints=(
            "Collect array.tobytes() one after the other, and remember for each where it starts and where it ends.",
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
    ),
}

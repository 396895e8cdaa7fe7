"""The contestants of `benchmarks.embed`: functions from texts and a setting to normalized vectors.

ONNX Runtime and OpenVINO read the same file, which `export` writes with PyTorch: token ids and mask in, mean pooling
and normalization included. Their batches are sorted by length.
"""

import contextlib
import functools
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks import common

FOLDER = common.ROOT / "build" / "benchmarks"  # of the exported model
MAX_LENGTH = 256  # tokens; MiniLM's limit as sentence-transformers publishes it
THREADS = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
BATCH_SIZES = (8, 16, 32, 64, 128)
PLANS = [[tokens, streams] for streams in sorted({1, THREADS}) for tokens in (256, 512, 1024, 2048, 4096)]
"""Settings: tokens per batch, and batches computed at the same time."""


def export():
    """Write the model as float32 and int8 ONNX files."""
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from transformers import AutoModel

    class Embedder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bert = AutoModel.from_pretrained(common.model_directory())

        def forward(self, input_ids, attention_mask):
            outputs = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state  # [B, T, D]
            weights = attention_mask[..., None].to(outputs.dtype)  # [B, T, 1]
            return torch.nn.functional.normalize((outputs * weights).sum(1) / weights.sum(1))  # [B, D]

    FOLDER.mkdir(parents=True, exist_ok=True)
    example = (torch.ones(2, 8, dtype=torch.int64), torch.ones(2, 8, dtype=torch.int64))
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=512)}
    program = torch.onnx.export(Embedder().eval(), example, dynamo=True, dynamic_shapes=(axes, axes), verbose=False)
    program.save(FOLDER / "float32.onnx")
    quantize_dynamic(FOLDER / "float32.onnx", FOLDER / "int8.onnx", per_channel=True, weight_type=QuantType.QInt8)


def length_sorted(lengths, tokens):
    """Return lists of indices, longest first, each list with at most `tokens` tokens, padding included."""
    batches, room = [], 0
    for i in np.argsort(-np.asarray(lengths), kind="stable"):
        if room == 0:
            batches.append([])
            room = max(tokens // lengths[i], 1)
        batches[-1].append(int(i))
        room -= 1
    return batches


def batched(runner):
    """Return an embedder that tokenizes and sorts; `runner(streams)` returns a function from ids and mask to vectors.

    This is not bertedu's own plan of batches, so that a peer's process imports no TensorFlow.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(common.model_directory()) / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_LENGTH)
    tokenizer.no_padding()

    def embed(texts, setting):
        tokens, streams = setting
        ids = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
        run, vectors = runner(streams), {}

        def compute(batch):
            lengths = np.array([len(ids[i]) for i in batch])
            mask = np.arange(lengths.max()) < lengths[:, None]  # [B, T]
            inputs = np.zeros(mask.shape, "int64")
            inputs[mask] = np.concatenate([ids[i] for i in batch])
            vectors.update(zip(batch, run(inputs, mask.astype("int64")), strict=True))

        with ThreadPoolExecutor(streams) as pool:
            list(pool.map(compute, length_sorted([len(row) for row in ids], tokens)))
        return np.array([vectors[i] for i in range(len(texts))])

    return embed


def bertedu(dtype):
    """Return `bert.embed`, which chooses its own batches."""
    import bertedu as be

    bert = be.load("minilm", dtype=dtype)
    return lambda texts, setting: bert.embed(texts, progress=False)


def sentence_transformers(dtype):
    """Return `encode`, in torch's autocast for bfloat16. Its setting is the batch size; it sorts by length itself."""
    import torch
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(common.model_directory(), device="cpu", local_files_only=True)

    def embed(texts, batch_size):
        autocast = torch.autocast("cpu", torch.bfloat16) if dtype == "bfloat16" else contextlib.nullcontext()
        with autocast:
            return model.encode(texts, batch_size=batch_size, show_progress_bar=False)

    return embed


def onnx_runtime(dtype):
    """Return an embedder with ONNX Runtime; several streams share its threads."""
    import onnxruntime

    @functools.cache
    def runner(streams):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = max(THREADS // streams, 1)
        session = onnxruntime.InferenceSession(FOLDER / f"{dtype}.onnx", options, ["CPUExecutionProvider"])
        names = [node.name for node in session.get_inputs()]
        return lambda *inputs: session.run(None, dict(zip(names, inputs, strict=True)))[0]

    return batched(runner)


def openvino(dtype):
    """Return an embedder with OpenVINO, which computes in `dtype`."""
    import openvino

    core = openvino.Core()
    model = core.read_model(FOLDER / "float32.onnx")

    @functools.cache
    def runner(streams):
        precision = {"float32": "f32", "bfloat16": "bf16"}[dtype]
        options = {"INFERENCE_PRECISION_HINT": precision, "NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": THREADS}
        compiled = core.compile_model(model, "CPU", options)
        requests = [compiled.create_infer_request() for _ in range(streams)]

        def run(*inputs):
            request = requests.pop()
            vectors = request.infer(inputs)[0].copy()
            requests.append(request)
            return vectors

        return run

    return batched(runner)


EMBEDDERS = {
    "bertedu": bertedu,
    "sentence-transformers": sentence_transformers,
    "ONNX Runtime": onnx_runtime,
    "OpenVINO": openvino,
}
SETTINGS = {"bertedu": [None], "sentence-transformers": BATCH_SIZES, "ONNX Runtime": PLANS, "OpenVINO": PLANS}

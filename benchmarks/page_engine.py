"""The page's forward pass in a headless Chromium, compared with onnxruntime-web.

    python -m benchmarks.page_engine [--repeats 20]

Both run MiniLM in float32 with all attention weights and hidden states as outputs, in turns, on the same ids.
onnxruntime-web comes from npm into a temporary folder; its model is built here from the same tensors, with the fused
operators Gelu and LayerNormalization. It can use threads only where a page is isolated (COOP and COEP headers), so it
is measured with and without.
"""

import functools
import http.server
import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load

from benchmarks import common
from bertedu.checkpoints.loading import load as load_bert
from bertedu.page.weights import model_files

sys.path.insert(0, str(common.ROOT / "tools"))
import lab_browser

ONNXRUNTIME = "onnxruntime-web@1.30.0"
OPSET = 20  # the first with Gelu
LENGTHS = (24, 128)
HERE = Path(__file__).parent
PAGE = common.ROOT / "bertedu" / "page"
SHIPPED = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}

SCRIPT = """
async ({ threads, repeats, lengths }) => {
  const bytes = async (name) => (await fetch(name)).arrayBuffer();
  const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
  let start = performance.now();
  const { readSafetensors } = await import("/safetensors.js");
  const { Encoder } = await import("/transformer.js");
  const files = ["model.json", "weights.safetensors", "kernels.wasm"];
  const [config, weights, kernels] = await Promise.all(files.map(bytes));
  const sizes = JSON.parse(new TextDecoder().decode(config));
  const encoder = await Encoder.create(sizes, readSafetensors(weights), kernels);
  const load = { own: performance.now() - start };

  start = performance.now();
  const ort = await import("/ort.wasm.min.mjs");
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmPaths = "/";
  const session = await ort.InferenceSession.create(new Uint8Array(await bytes("model.onnx")));
  load.ort = performance.now() - start;

  const rows = [];
  for (const T of lengths) {
    const ids = Array.from({ length: T }, (_, i) => (i === 0 ? 101 : i === T - 1 ? 102 : 1000 + 37 * i));
    const tensor = (values) => new ort.Tensor("int64", BigInt64Array.from(values, BigInt), [T]);
    const feeds = { ids: tensor(ids), type_ids: tensor(ids.map(() => 0)) };
    const run = { own: () => encoder.run(ids, ids.map(() => 0)), ort: () => session.run(feeds) };
    const own = run.own();
    const theirs = await run.ort();
    let difference = 0;
    own.encoder_outputs.forEach((states, layer) => states.forEach((value, i) => {
      difference = Math.max(difference, Math.abs(value - theirs[`states_${layer}`].data[i]));
    }));
    const times = { own: [], ort: [] };
    for (let i = 0; i < repeats + 5; i++) {
      for (const engine of ["own", "ort"]) {
        const start = performance.now();
        await run[engine]();
        if (i >= 5) times[engine].push(performance.now() - start);
      }
    }
    rows.push({ tokens: T, own: median(times.own), ort: median(times.ort), difference });
  }
  return { load, rows, threads: ort.env.wasm.numThreads, isolated: crossOriginIsolated };
}
"""


def onnx_model(config, tensors):
    """Return the encoder in ONNX: ids and type_ids `[T]` in, states_i `[T, D]` and attention_i `[N, T, T]` out."""
    heads, hidden = config["num_heads"], config["hidden_size"]
    nodes, outputs = [], {}
    constants = {name: array for name, array in tensors.items() if not name.startswith("masked_lm/")}
    constants |= {"scale": np.float32((hidden // heads) ** -0.5), "split": np.array([-1, heads, hidden // heads])}
    constants |= {"join": np.array([-1, hidden]), "zero": np.int64(0), "one": np.int64(1)}

    def node(kind, *inputs, output=None, **attributes):
        output = output or f"{kind}_{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def dense(x, name):
        return node("Add", node("MatMul", x, f"{name}/kernel"), f"{name}/bias")

    def norm(x, name, output=None):
        options = {"epsilon": config["layer_norm_epsilon"], "output": output}
        return node("LayerNormalization", x, f"{name}/gamma", f"{name}/beta", **options)

    def by_head(x, order):
        return node("Transpose", node("Reshape", x, "split"), perm=order)

    positions = node("Range", "zero", node("Squeeze", node("Shape", "ids")), "one")
    x = node("Add", node("Gather", "embeddings/word", "ids"), node("Gather", "embeddings/position", positions))
    x = norm(node("Add", x, node("Gather", "embeddings/type", "type_ids")), "embeddings/layer_norm")
    for i in range(config["num_layers"]):
        layer = f"layer_{i}"
        query = by_head(node("Mul", dense(x, f"{layer}/query"), "scale"), [1, 0, 2])  # [N, T, H]
        key = by_head(dense(x, f"{layer}/key"), [1, 2, 0])  # [N, H, T]
        weights = node("Softmax", node("MatMul", query, key), output=f"attention_{i}")  # [N, T, T]
        context = node("MatMul", weights, by_head(dense(x, f"{layer}/value"), [1, 0, 2]))  # [N, T, H]
        context = node("Reshape", node("Transpose", context, perm=[1, 0, 2]), "join")  # [T, D]
        x = norm(node("Add", x, dense(context, f"{layer}/attention_output")), f"{layer}/attention_layer_norm")
        neurons = node("Gelu", dense(x, f"{layer}/intermediate"))  # [T, F]
        x = norm(node("Add", x, dense(neurons, f"{layer}/output")), f"{layer}/output_layer_norm", f"states_{i}")
        outputs[f"states_{i}"], outputs[f"attention_{i}"] = ["T", hidden], [heads, "T", "T"]
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["T"]) for name in ("ids", "type_ids")],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the files of a folder, as an isolated page if `headers_sent` says so."""

    extensions_map = {".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm", "": "text/html"}

    def __init__(self, *arguments, headers_sent=(), **options):
        self.headers_sent = dict(headers_sent)
        super().__init__(*arguments, **options)

    def end_headers(self):
        """Add the headers."""
        for name, value in self.headers_sent.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_):
        """Print nothing."""


def write_files(folder):
    """Write all files of both engines into a folder, and return the sizes of the engines themselves."""
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", ONNXRUNTIME]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    own = ("safetensors.js", "transformer.js", "kernels.wasm")
    for source, names in ((folder / "node_modules" / "onnxruntime-web" / "dist", SHIPPED), (PAGE, own)):
        for name in names:
            (folder / name).write_bytes((source / name).read_bytes())
    config, weights, _ = model_files(load_bert("minilm"), "float32")
    (folder / "model.json").write_text(json.dumps(config))
    (folder / "weights.safetensors").write_bytes(weights)
    (folder / "model.onnx").write_bytes(onnx_model(config, load(weights)))
    (folder / "index.html").write_text("<!doctype html><title>benchmark</title>")
    return {"own": _size(folder, own), "ort": _size(folder, SHIPPED)}


def _size(folder, names):
    return sum((folder / name).stat().st_size for name in names)


def measure(folder, threads, repeats):
    """Return what the script in the page returns."""
    handler = functools.partial(Handler, directory=str(folder), headers_sent=ISOLATED if threads > 1 else {})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options = {"threads": threads, "repeats": repeats, "lengths": LENGTHS}
    with lab_browser.browser_page() as (page, _):
        page.goto(f"http://127.0.0.1:{server.server_port}/index.html")
        result = page.evaluate(f"({SCRIPT})({json.dumps(options)})")
    server.shutdown()
    assert result["isolated"] == (threads > 1)
    return result


def main():
    """Print the table."""
    options = common.parsed(common.parser(__doc__, repeats=20))
    columns = ["engine", "threads", "bytes", "load", *(f"{T} tokens" for T in LENGTHS), "largest difference"]
    rows = [columns, ["---", *["---:"] * (len(columns) - 1)]]
    with tempfile.TemporaryDirectory() as temporary:
        sizes = write_files(Path(temporary))
        for threads in (1, 2):
            result = measure(Path(temporary), threads, options.repeats)
            difference = max(row["difference"] for row in result["rows"])
            for engine, name, used in (("own", "bertedu", 1), ("ort", ONNXRUNTIME, result["threads"])):
                times = [f"{row[engine]:.1f} ms" for row in result["rows"]]
                load_time = f"{result['load'][engine]:.0f} ms"
                rows.append([name, used, f"{sizes[engine]:,}", load_time, *times, f"{difference:.0e}"])
    print("\n".join(f"| {' | '.join(map(str, row))} |" for row in rows))
    print(f"\nMedians of {options.repeats} passes after 5; `bytes` without the model. {common.machine()}")


if __name__ == "__main__":
    main()

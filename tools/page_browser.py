"""Serve the folder of a page (`bertedu page`), for the browser tests, `benchmarks.page` and `tools/screenshot.py`."""

import contextlib
import functools
import http.server
import threading

READY = "body[data-state=ready]"
# Reads texts in a worker of the page's own, and returns the attention weights of all layers of each.
ATTENTION = """async (texts) => {
    const config = await (await fetch("model.json")).json();
    const get = async (name) => (await fetch(name)).arrayBuffer();
    const [kernels, weights] = [await get("kernels.wasm"), await get("weights.safetensors")];
    const vocabulary = await (await fetch("vocabulary.txt")).text();
    const worker = new Worker("worker.js");
    let id = 0;
    const ask = (ask, question) => new Promise((resolve, reject) => {
        id += 1;
        worker.onmessage = ({ data }) => data.error ? reject(new Error(data.error)) : resolve(data.result);
        worker.postMessage({ id, ask, reader: 1, question });
    });
    await ask("start", { config, kernels, weights, vocabulary });
    const readings = [];
    for (const text of texts) {
        const edits = { heads: [], attention: [], layers: [] };
        const { number, tokens } = await ask("read", { text, pair: "", edits });
        const layers = [];
        for (let layer = 0; layer < config.model.num_layers; layer += 1) {
            layers.push(Array.from(await ask("layer", { number, original: false, layer })));
        }
        readings.push({ tokens, layers });
    }
    worker.terminate();
    return readings;
}"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """A file server that writes no log."""

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def served(folder):
    """Serve a folder below an address; yield the address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()

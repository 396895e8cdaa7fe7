"""Runs the worker of a page in node, without a browser: its requests and answers are the page's own."""

import json
import shutil
import subprocess

import pytest

DRIVER = """
const fs = require("fs");
const [folder, requests] = [process.argv[2], JSON.parse(fs.readFileSync(0, "utf8"))];
const answers = [];
const plain = (value) => value instanceof Float32Array ? Array.from(value) : value;
globalThis.self = {
  onmessage: null,
  postMessage: (message) => {
    const { id, error, result } = message;
    if (id > 0) answers.push(error === undefined ? { result: plain(result) } : { error });
    else if (error) throw new Error(error);
    if (message.id === requests.length) console.log(JSON.stringify(answers));
  },
};
(0, eval)(fs.readFileSync(`${folder}/worker.js`, "utf8"));
const buffer = (name) => new Uint8Array(fs.readFileSync(`${folder}/${name}`)).buffer;
const question = {
  config: JSON.parse(fs.readFileSync(`${folder}/model.json`, "utf8")),
  kernels: buffer("kernels.wasm"),
  weights: buffer("weights.safetensors"),
  vocabulary: fs.readFileSync(`${folder}/vocabulary.txt`, "utf8"),
};
self.onmessage({ data: { id: 0, ask: "start", reader: 0, question } });
requests.forEach(([ask, question, reader = 1], index) => {
  self.onmessage({ data: { id: index + 1, ask, reader, question } });
});
"""


def run_script(script, value=None, *arguments):
    """Run a script with node; it reads JSON from the standard input and writes JSON. Return that."""
    if shutil.which("node") is None:
        pytest.skip("no node on PATH")
    command = ["node", "-e", script, "--", "script", *map(str, arguments)]
    done = subprocess.run(command, input=json.dumps(value), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def ask(folder, requests):
    """Send requests, (ask, question) or (ask, question, reader), to the worker; return the list of its answers."""
    return run_script(DRIVER, [list(request) for request in requests], folder)


def results(folder, requests):
    """Send requests, none of which may fail; return the list of the results."""
    answers = ask(folder, requests)
    assert [answer for answer in answers if "error" in answer] == []
    return [answer["result"] for answer in answers]

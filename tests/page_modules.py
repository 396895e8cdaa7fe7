"""Run the page's JavaScript modules in node."""

import functools
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bertedu.views import bundle

PAGE = Path(bundle.__file__).parents[1] / "page"
FILES = """
import { readFileSync, writeFileSync } from "node:fs";
const read = (name) => {
  const bytes = readFileSync(name);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
};
const write = (name, values) => writeFileSync(name, values);
const values = JSON.parse(readFileSync("values.json"));
const respond = (value) => writeFileSync("response.json", JSON.stringify(value));
"""


@functools.cache
def required_node():
    """Return the path of node. Without it the test is skipped; with CI=true it fails."""
    node = shutil.which("node")
    if node is None and os.environ.get("CI") == "true":
        pytest.fail("no node on PATH, which CI=true requires")
    return node or pytest.skip("no node on PATH")


def run(modules, script, folder, node_options=(), **values):
    """Run a script after some modules, and return what it passes to `respond`.

    Args:
        modules: file names, such as "wordpiece.js".
        script: JavaScript; it sees the exports of the modules, `values`, `read`, and `write` for typed arrays.
        folder: Path of the folder of these files.
        node_options: arguments of node.
        values: what JSON can hold.
    """
    (folder / "values.json").write_text(json.dumps(values), encoding="ascii")
    (folder / "script.mjs").write_text(f"{bundle.script(*modules, folder=PAGE)}\n{FILES}\n{script}", encoding="utf-8")
    command = [required_node(), *node_options, "script.mjs"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads((folder / "response.json").read_text(encoding="utf-8"))

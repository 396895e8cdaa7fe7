"""The `bertedu` command: `bertedu lab | test | doctor | inspect | convert | finetune | predict | student-copy | colab`.

Nothing here imports a framework, nor the package's own `__init__`, before a command needs it, so `bertedu --help`
answers at once; `bertedu_command.py` beside the package says how that works.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import time
import warnings
import webbrowser
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
NOTEBOOKS = CHECKOUT / "notebooks"
JUPYTER_DEFAULTS = Path(__file__).resolve().parents[1] / "assets" / "jupyter"
FIRST_NOTEBOOK = "00_start_here.ipynb"
SECONDS_A_CELL = 300  # a cell that takes longer has hung: a whole chapter should take less than two minutes
MOST_PROCESSES = 4  # of unit tests at a time: each takes 2 GB
FORMATS = ("bertedu", "huggingface", "keras", "saved_model", "preprocessor")  # `conversion.FORMATS`; a test compares
DTYPES = ("float32", "float16", "bfloat16", "float64")


class UsageError(Exception):
    """A mistake or a missing piece whose message says what to do; shown without a traceback."""


def is_installed(module):
    """Say whether a top-level module could be imported, without importing it."""
    return importlib.util.find_spec(module) is not None


def module_beside(name):
    """Load a module of this folder by itself: `doctor` has to run where `import bertedu` fails."""
    spec = importlib.util.spec_from_file_location(f"bertedu_{name}", Path(__file__).parents[1] / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


# -- lab ---------------------------------------------------------------------------------------------------------------


def find_notebook(name, folder):
    """Turn what was typed (a path, a name with or without ending, or just `03`) into the notebook's path."""
    if name and Path(name).is_file():
        return Path(name).resolve()
    if not folder.is_dir():
        raise UsageError(
            f"the course's notebooks are not at {folder}. They come with the source, not with the wheel: clone the\n"
            "repository and run `make lab` there, or name a notebook of your own: bertedu lab path/to/it.ipynb"
        )
    present = sorted(folder.glob("*.ipynb"))
    wanted = name or FIRST_NOTEBOOK
    fitting = [path for path in present if wanted in (path.name, path.stem)]
    fitting = fitting or [path for path in present if path.name.startswith(Path(wanted).name)]
    if len(fitting) != 1:
        problem = "is not there" if not fitting else "could be more than one"
        raise UsageError(f"{wanted!r} {problem}. In {folder} are:\n  " + "\n  ".join(path.stem for path in present))
    return fitting[0].resolve()


def can_open_browser():
    """Say whether a browser window could appear; a text browser in the terminal is not what is wanted."""
    on_linux = sys.platform.startswith("linux")
    if on_linux and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def lab_command(notebook, root, port, open_browser):
    """Return the command line that starts JupyterLab on a notebook below `root`."""
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--ServerApp.ip=127.0.0.1",  # this machine only, whatever a personal configuration says; the token stays on
        f"--ServerApp.root_dir={root}",
        f"--LabApp.default_url=/lab/tree/{notebook.relative_to(root).as_posix()}",
        "--ServerApp.log_level=WARN",  # leaves the address as the one thing printed
        "--LabApp.log_level=WARN",
    ]
    if port is not None:
        command.append(f"--ServerApp.port={port}")  # one that is taken: JupyterLab goes on to the next
    if not open_browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # containers; it listens on this machine only, behind a token
    return command


def lab_environment():
    """Return environment variables that add our defaults to JupyterLab's: no question about news, no look for updates.

    A file of defaults, because JupyterLab 4.6 asks whatever its option `news_url` says; a learner's own settings go
    before these.
    """
    paths = [str(JUPYTER_DEFAULTS), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    return {**os.environ, "JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, paths))}


def lab(options):
    """Open JupyterLab on a notebook of the course and stay until it is stopped."""
    folder = Path(options.dir).resolve() if options.dir else NOTEBOOKS
    if options.dir and not folder.is_dir():
        raise UsageError(f"--dir: {options.dir} is not a folder")
    notebook = find_notebook(options.notebook, folder)
    if not is_installed("jupyterlab"):
        raise UsageError('JupyterLab is not installed here. Run: pip install -e ".[course]"')
    # The whole checkout is the root, so that a chapter's module can be opened beside it.
    root = next((place for place in (CHECKOUT, folder) if notebook.is_relative_to(place)), notebook.parent)
    open_browser = not options.no_browser and can_open_browser()
    print(f"JupyterLab on {notebook.name}; Ctrl-C stops it.", flush=True)
    if not open_browser:
        print("Open the address below, the one with the token, in a browser on this machine.", flush=True)
    command = lab_command(notebook, root, options.port, open_browser)
    if os.name != "posix":
        return subprocess.run(command, env=lab_environment()).returncode
    # Becoming JupyterLab, instead of waiting for it, lets Ctrl-C and signals reach it directly.
    return os.execve(command[0], command, lab_environment())


# -- test --------------------------------------------------------------------------------------------------------------


def test_steps(run_all, expression):
    """List what `bertedu test` runs, as `(name, command)`, cheapest first."""
    pytest = [sys.executable, "-m", "pytest"]
    chosen = ["-k", expression] if expression else []
    quick = "" if run_all else " and not slow"
    at_once = ["-n", str(min(os.cpu_count() or 1, MOST_PROCESSES)), "--dist", "worksteal"]
    notebooks = ["--nbval-lax", "--nbval-current-env", f"--nbval-cell-timeout={SECONDS_A_CELL}", str(NOTEBOOKS)]
    lint = [
        ("lint", [sys.executable, "-m", "ruff", "check", "."]),
        ("format", [sys.executable, "-m", "ruff", "format", "--check", "."]),
    ]
    return ([] if expression else lint) + [
        ("unit tests", [*pytest, *at_once, "-m", "not browser" + quick, *chosen]),
        ("notebooks", [*pytest, *notebooks, *chosen]),
        ("browser", [*pytest, "-m", "browser" + quick, *chosen]),
    ]


def run_step(name, command):
    """Run one step with its output passed through; return its exit status and its last line."""
    print(f"\n==> {name}", flush=True)
    # Python's own buffering would hold back the progress of a step that takes minutes.
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    last = ""
    with subprocess.Popen(
        command,
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
    return process.returncode, last


def test(options):
    """Run lint, unit tests, notebooks and the browser test; print a line each at the end."""
    if not (CHECKOUT / "tests").is_dir():
        raise UsageError(f"no tests beside the package ({CHECKOUT}): they come with the source, not with the wheel")
    missing = [name for name in ("pytest", "xdist", "nbval", "ruff", "playwright") if not is_installed(name)]
    if missing:
        raise UsageError(f'not installed: {", ".join(missing)}. Run: pip install -e ".[course,dev]"')
    rows = []
    for name, command in test_steps(options.all, options.k):
        start = time.perf_counter()
        status, last = run_step(name, command)
        nothing_chosen = status == 5 and options.k  # pytest's status for an empty selection
        word = "none" if nothing_chosen else "ok" if status == 0 else "FAILED"
        rows.append((word, f"{word:<7} {name:<11} {time.perf_counter() - start:4.0f} s   {last.strip('= ')}"))
    print("\n" + "\n".join(row for _, row in rows), flush=True)
    return 1 if any(word == "FAILED" for word, _ in rows) else 0


# -- checkpoints -------------------------------------------------------------------------------------------------------


def with_package(command):
    """Make a command of a function of the package and the options: what it reports as wrong is a line, no traceback."""

    def run(options):
        try:
            import bertedu
            from bertedu.checkpoints import conversion
        except ImportError as problem:
            raise UsageError(f"the package does not import ({problem}); `bertedu doctor` says more") from None
        try:
            return command(bertedu, conversion, options)
        except (ValueError, OSError, ImportError) as problem:
            raise UsageError(str(problem)) from None

    return run


@with_package
def inspect(package, conversion, options):
    """Print what a checkpoint is; the exit status says whether it can be loaded."""
    found = package.inspect(options.source)
    print(json.dumps(found.to_json(), indent=2) if options.json else found)
    return 1 if found.problem else 0


@with_package
def convert(package, conversion, options):
    """Write a checkpoint in another format."""
    left = conversion.convert(
        options.source, options.target, options.format, dtype=options.dtype, overwrite=options.overwrite
    )
    print(f"{options.target}: {options.format}", conversion.report(left), sep="\n" if left else "")
    return 0


# -- fine-tuning -------------------------------------------------------------------------------------------------------


@with_package
def finetune(package, _, options):
    """Train a classifier on a file of texts and labels; what it learned is then in the output folder."""
    columns = {"text": options.text, "pair": options.pair, "label": options.label, "numbers": options.regression}
    train = package.load_texts(options.train, **columns)
    validation = None
    if options.validation is not None:
        validation = package.load_texts(options.validation, names=train.names, **columns)
    bert = package.load(options.preset)
    classifier = bert.classifier_for(1 if options.regression else len(train.names))
    names = ("epochs", "batch_size", "learning_rate", "max_length", "seed", "precision", "output_dir")
    try:
        history = package.fine_tune(
            classifier, bert.preprocessor, train, validation, **{name: getattr(options, name) for name in names}
        )
    except FloatingPointError as problem:
        raise UsageError(str(problem)) from None
    print(f"{history}\nThe model is in {options.output_dir}: bertedu predict {options.output_dir} FILE")
    return 0


@with_package
def predict(package, _, options):
    """Print a line for each text of a file: the classifier's answer, its probability, and the text."""
    from bertedu.data import load_unlabelled
    from bertedu.files import escape

    bert, names, conditions = package.fine_tuning.open_run(options.run_dir)
    texts, pairs = load_unlabelled(options.file, conditions.pairs, options.text, options.pair)
    found = package.fine_tuning.predict(bert.classifier, bert.preprocessor, texts, pairs)
    for answer, *read in zip(found, texts, *([] if pairs is None else [pairs]), strict=True):
        if answer.ndim:
            best = int(answer.argmax())
            fields = [str(names[best] if names else best), f"{answer[best]:.3f}"]
        else:
            fields = [f"{answer:.4g}"]
        lines = (escape(field).replace("\t", "\\t").replace("\n", "\\n") for field in fields + read)
        print("\t".join(lines))
    return 0


# -- for a class -------------------------------------------------------------------------------------------------------

STUDENT_COPY = """\
Write the course's notebooks without their solutions, to hand out to a class.

What is removed: the section "Solutions" at the end, the calls of solution(...), all outputs, and whatever has been
filled into an exercise. Each check(...) and hint(...) stays, and runs. Links to notebooks that are not handed out
become plain text. Your own notebooks are not touched: they are the copy with the solutions.

What to know: the package itself still holds the answers, for check needs to know them, and solution(...) can still be
typed. The copies are for learning, not for an exam."""

STUDENT_COPY_EXAMPLES = """\
examples:
  bertedu student-copy ~/class                      every chapter
  bertedu student-copy ~/class --only 03 --only 12  this week's two
  bertedu student-copy ~/class --force              replace the copies that are there
  bertedu colab ~/class/03_attention.ipynb          for Colab: one file that carries the package"""


@with_package
def student_copy(package, _, options):
    """Write the notebooks without solutions; say where they are."""
    from bertedu.course import student_copy

    if options.only:
        paths = list(dict.fromkeys(find_notebook(name, NOTEBOOKS) for name in options.only))
    else:
        paths = sorted(find_notebook(None, NOTEBOOKS).parent.glob("*.ipynb"))
    written = student_copy.write(paths, options.folder, force=options.force)
    print("\n".join(map(str, written)))
    print(f"Without solutions: {len(written)}. To look at one: bertedu lab {written[0]}")
    return 0


COLAB = """\
Write a notebook's copy for Google Colab. Its first cell sets everything up; it says what it did, and may be run again.

Without --repo, the one file carries the package itself: send it to a class, or upload it to Colab. With --repo, the
package is installed from that public repository, and a badge opens the copy in Colab once it has been pushed there.

Nothing that Colab has is moved: not TensorFlow, not Keras, not NumPy. The model (84 MB) comes as a package. A chapter
that guesses words carries the trained masked-LM head in a cell of its own, and is 3 MB."""

COLAB_EXAMPLES = """\
examples:
  bertedu colab 03                                  writes 03_attention_colab.ipynb, to be sent or uploaded
  bertedu colab 03 --repo owner/name -o colab/03_attention.ipynb"""


@with_package
def colab(package, _, options):
    """Write a notebook's copy for Colab; say where it is, and what to do with it."""
    from bertedu.course import colab, notebook

    source = find_notebook(options.notebook, NOTEBOOKS)
    target, address = colab.write(source, options.output, options.repo, options.branch, options.force)
    print(f"{target}: {target.stat().st_size / 1000:.0f} KB")
    asked = notebook.read(source)
    if not address and colab.needs_head(asked) and not colab.carries_head(asked):
        print(
            "It guesses words with the trained masked-LM head, which is not here to be carried; fill_mask will say so."
        )
    print(f"Push it to {options.repo}; then it opens at\n{address}" if address else "Upload it to Colab, and run it.")
    return 0


# -- the command line --------------------------------------------------------------------------------------------------


class ShowVersion(argparse.Action):
    """Print the version; looked up only when asked for, since `importlib.metadata` is slow to import."""

    def __call__(self, parser, *_):
        from importlib.metadata import version

        print(version("bertedu"))
        parser.exit()


def doctor(options):
    """Report on this installation; the exit status says whether something is wrong."""
    return module_beside("doctor").main(as_json=options.json)


def make_parser():
    """Describe the command line."""
    parser = argparse.ArgumentParser(prog="bertedu", description="BERT to read, look into and take apart.")
    parser.add_argument("--version", action=ShowVersion, nargs=0, help="print the version and stop")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    command = commands.add_parser("lab", help="open the course in JupyterLab")
    command.add_argument("notebook", nargs="?", help=f"a path, a name, or a number like 03 (default: {FIRST_NOTEBOOK})")
    command.add_argument("--port", type=int, help="the port to begin looking from (default: 8888)")
    command.add_argument("--no-browser", action="store_true", help="only print the address")
    command.add_argument("--dir", help="look for notebooks in this folder instead of the course's")
    command.set_defaults(run=lab)

    command = commands.add_parser("test", help="run lint, unit tests, every notebook and the browser test")
    command.add_argument("--all", action="store_true", help="run what is slow as well")
    command.add_argument("-k", metavar="EXPRESSION", help="only the tests that match, as in pytest; no lint")
    command.set_defaults(run=test)

    command = commands.add_parser("doctor", help="say what is installed, what is wrong and what to do")
    command.add_argument("--json", action="store_true", help="for programs")
    command.set_defaults(run=doctor)
    add_checkpoint_commands(commands)
    add_training_commands(commands)
    add_class_commands(commands)
    return parser


def add_class_commands(commands):
    """Describe `student-copy` and `colab`."""
    as_written = argparse.RawDescriptionHelpFormatter
    command = commands.add_parser(
        "student-copy",
        help="write the notebooks without solutions, for a class",
        description=STUDENT_COPY,
        epilog=STUDENT_COPY_EXAMPLES,
        formatter_class=as_written,
    )
    command.add_argument("folder", metavar="DIR", help="where the copies go; made if need be")
    command.add_argument("--only", action="append", metavar="NOTEBOOK", help="this one: a path, a name, or a number")
    command.add_argument("--force", action="store_true", help="replace copies that are there")
    command.set_defaults(run=student_copy)

    command = commands.add_parser(
        "colab",
        help="write a notebook's copy for Google Colab",
        description=COLAB,
        epilog=COLAB_EXAMPLES,
        formatter_class=as_written,
    )
    command.add_argument("notebook", help="a path, a name, or a number like 03")
    command.add_argument("--repo", metavar="OWNER/NAME", help="the public GitHub repository that holds this package")
    command.add_argument("--branch", default="main", help="a branch, tag or commit there (default: %(default)s)")
    command.add_argument("-o", "--output", metavar="FILE", help="the copy (default: NAME_colab.ipynb, here)")
    command.add_argument("--force", action="store_true", help="replace a copy that is there")
    command.set_defaults(run=colab)


def add_training_commands(commands):
    """Describe `finetune` and `predict`."""
    command = commands.add_parser("finetune", help="train a classifier on texts with labels")
    command.add_argument("--train", required=True, help="a .tsv, .csv, .jsonl or .parquet file with the columns below")
    command.add_argument("--validation", help="the same, to evaluate after each epoch")
    command.add_argument(
        "--output-dir", required=True, help="where the model goes; a run that was stopped goes on there"
    )
    command.add_argument("--preset", default="minilm", help="what to start from, as for inspect (default: %(default)s)")
    command.add_argument("--text", default="text", help="the column of the texts (default: %(default)s)")
    command.add_argument("--pair", help="the column of the second texts, if there are any")
    command.add_argument("--label", default="label", help="the column of the labels (default: %(default)s)")
    command.add_argument("--regression", action="store_true", help="labels are numbers, to be estimated")
    command.add_argument("--epochs", type=int, default=3, help="how often each text is read (default: %(default)s)")
    command.add_argument("--batch-size", type=int, default=32, help="texts a step (default: %(default)s)")
    command.add_argument("--learning-rate", type=float, default=5e-5, help="the highest (default: %(default)s)")
    command.add_argument("--max-length", type=int, help="tokens to which texts are cut (default: the model's)")
    command.add_argument("--seed", type=int, default=0, help="of everything that is drawn (default: %(default)s)")
    command.add_argument("--precision", default="auto", help="auto, float32, mixed_bfloat16 or mixed_float16")
    command.set_defaults(run=finetune)

    command = commands.add_parser("predict", help="classify the texts of a file as in the training")
    command.add_argument("run_dir", help="the folder that `bertedu finetune` wrote")
    command.add_argument("file", help="a table as for finetune; or .txt: a text a line, for pairs two with a tab")
    command.add_argument("--text", default="text", help="the column of the texts (default: %(default)s)")
    command.add_argument("--pair", help='the column of the second texts (default: "pair" where pairs were trained)')
    command.set_defaults(run=predict)


def add_checkpoint_commands(commands):
    """Describe `inspect` and `convert`."""
    source = "a preset's name, a directory or file, or hf://organisation/name"
    command = commands.add_parser("inspect", help="say what a checkpoint is, and which name in it is which weight")
    command.add_argument("source", help=source)
    command.add_argument("--json", action="store_true", help="for programs, every tensor")
    command.set_defaults(run=inspect)

    command = commands.add_parser("convert", help="write a checkpoint in another format")
    command.add_argument("source", help=source)
    command.add_argument("target", help="the directory to write, or for --format keras a file that ends in .keras")
    command.add_argument("--format", choices=FORMATS, default=FORMATS[0], help="default: %(default)s")
    command.add_argument("--dtype", choices=DTYPES, help="the type of the weights (default: as they are)")
    command.add_argument("--overwrite", action="store_true", help="replace the checkpoint that is there")
    command.set_defaults(run=convert)


class EscapedStream:
    """A text stream that writes out what could steer a terminal: texts, names and tokens come from foreign files."""

    def __init__(self, stream, escape):
        self._stream, self._escape = stream, escape

    def write(self, text):
        """Write `text`, escaped."""
        return self._stream.write(self._escape(text))

    def __getattr__(self, name):
        return getattr(self._stream, name)


@contextlib.contextmanager
def escaped_output():
    """Escape all that is printed, and warnings; yield the error stream with the same done to it.

    The error stream itself stays, since progress bars steer the terminal through it. What a terminal's encoding lacks
    is written as a Python escape.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    escape, format_warning = module_beside("terminal").escape, warnings.formatwarning
    warnings.formatwarning = lambda message, *_, **__: f"bertedu: warning: {escape(message)}\n"
    try:
        with contextlib.redirect_stdout(EscapedStream(sys.stdout, escape)):
            yield EscapedStream(sys.stderr, escape)
    finally:
        warnings.formatwarning = format_warning


def main(arguments=None):
    """Run the command line given, or this process's own; return the exit status."""
    with escaped_output() as errors:
        try:
            with contextlib.redirect_stderr(errors):
                options = make_parser().parse_args(arguments)
            return options.run(options)
        except UsageError as problem:
            print(f"bertedu: {problem}", file=errors)
            return 1
        except KeyboardInterrupt:
            return 130


if __name__ == "__main__":
    sys.exit(main())

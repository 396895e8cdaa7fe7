"""Bundle: join the JavaScript modules of a view into one script that needs no network and no loader.

A notebook's widget takes one string, and a saved page must not load anything. The modules in this folder are ES modules
that follow two rules, so that joining needs no parser: an import is one line, and the last line is the only export.

    import { make, table } from "./elements.js";
    ...
    export { Frame };

A module of another folder is imported by its relative path, "../views/elements.js". In the bundle each module is a
function, so that names of different modules do not clash. `python -m tools.check_js` checks the types of the original
modules.
"""

import functools
import posixpath
from pathlib import Path

HERE = Path(__file__).parent


@functools.lru_cache
def script(*entries: str, folder: Path = HERE) -> str:
    """Join the modules `entries` and everything they import into one script.

    Args:
        entries: file names, such as "head.js". Their exports are names at the top level of the script.
        folder: Path of the modules' folder.

    Raises:
        ValueError: a line does not follow the two rules, an imported name is not exported, or imports are circular.
    """
    exports: dict[str, list[str]] = {}
    parts: list[str] = []

    def add(name: str, importers: tuple[str, ...] = ()) -> None:
        if name in importers:
            raise ValueError(f"{name}: circular imports: {' > '.join((*importers, name))}.")
        if name in exports:
            return
        *lines, last = (folder / name).read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if line.startswith("import "):
                names, path = _between(f"{name}, line {number + 1}", line, "import { ", '";').split(' } from "')
                source = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
                add(source, (*importers, name))
                missing = [one for one in names.split(", ") if one not in exports[source]]
                if missing:
                    raise ValueError(f"{name}, line {number + 1}: {source} does not export {', '.join(missing)}.")
                lines[number] = f'const {{ {names} }} = modules["{source}"];'
            elif line.startswith("export "):
                raise ValueError(f"{name}, line {number + 1}: the only export must be the last line.")
        names = _between(f"{name}, last line", last, "export { ", " };")
        exports[name] = names.split(", ")
        body = "\n".join(lines)
        parts.append(f'modules["{name}"] = (() => {{\n{body}\nreturn {{ {names} }};\n}})();')

    for entry in entries:
        add(entry)
    top = [f'const {{ {", ".join(exports[entry])} }} = modules["{entry}"];' for entry in entries]
    return "\n".join(["const modules = {};", *parts, *top])


def _between(where: str, line: str, start: str, end: str) -> str:
    """Return the part of `line` between `start` and `end`; raise ValueError if it does not start and end with them."""
    if not (line.startswith(start) and line.endswith(end)):
        raise ValueError(f"{where}: expected {start}...{end}, got {line!r:.100}.")
    return line[len(start) : -len(end)]


@functools.lru_cache
def styles(*names: str) -> str:
    """Return style sheets of this folder, such as "head" for head.css, concatenated."""
    return "\n".join((HERE / f"{name}.css").read_text(encoding="utf-8") for name in names)

"""Bundle: the JavaScript modules of a view, joined into one script that needs no network and no loader.

A notebook's widget takes one string, and a saved page may load nothing. Each module in this folder is an ES module with
two rules that make joining exact, without a parser: an import is one whole line, and the last line is the only export.

    import { make, table } from "./elements.js";
    ...
    export { Frame };

In the bundle a module is a function of its own, so that names of different modules never meet. `python -m
tools.check_js` checks the types of the modules as they are.
"""

import functools
from pathlib import Path

HERE = Path(__file__).parent


@functools.lru_cache
def script(*entries: str, folder: Path = HERE) -> str:
    """Return one script with the modules `entries` and all that they import, in an order that runs.

    Args:
        entries: file names, as "head.js". Their exports are names at the top level of the script.
        folder: where the modules are.

    Raises:
        ValueError: a line does not follow the two rules, an imported name is not exported, or imports form a circle.
    """
    exports: dict[str, list[str]] = {}
    parts: list[str] = []

    def add(name: str, importers: tuple[str, ...] = ()) -> None:
        if name in importers:
            raise ValueError(f"{name}: imports form a circle: {' > '.join((*importers, name))}.")
        if name in exports:
            return
        *lines, last = (folder / name).read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if line.startswith("import "):
                names, source = _between(f"{name}, line {number + 1}", line, "import { ", '";').split(' } from "./')
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
    """Return what stands between `start` and `end`, with which `line` has to begin and end."""
    if not (line.startswith(start) and line.endswith(end)):
        raise ValueError(f"{where}: expected {start}...{end}, got {line!r:.100}.")
    return line[len(start) : -len(end)]


@functools.lru_cache
def styles(*names: str) -> str:
    """Return style sheets of this folder, as "head" for head.css, one after the other."""
    return "\n".join((HERE / f"{name}.css").read_text(encoding="utf-8") for name in names)

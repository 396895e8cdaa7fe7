"""Write copies of the notebooks without solutions, for a class.

The copies omit the "Solutions" section at the end, the calls to solution(...), all outputs, and any code that was
filled into an exercise. The calls to check(...) and hint(...) stay and work. Links to notebooks that are not copied
become plain text. The originals, with their solutions, are not changed.

The package still contains the solutions, because check(...) needs them, and students can call solution(...). The copies
are for learning, not for exams.

examples:
  bertedu student-copy ~/class                      every chapter
  bertedu student-copy ~/class --only 03 --only 12  two chapters
  bertedu student-copy ~/class --force              replace existing copies
  bertedu colab ~/class/03_attention.ipynb          for Colab: one file that contains the package"""

from argparse import ArgumentParser, Namespace

from .common import find_notebook, package


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of `bertedu student-copy`."""
    parser.add_argument("folder", metavar="DIR", help="folder for the copies; created if it does not exist")
    parser.add_argument("--only", action="append", metavar="NOTEBOOK", help="only this notebook: path, name, or number")
    parser.add_argument("--force", action="store_true", help="replace existing files")


def run(options: Namespace) -> int:
    """Write the copies and print their paths."""
    if options.only:
        notebooks = list(dict.fromkeys(map(find_notebook, options.only)))
    else:
        notebooks = sorted(find_notebook().parent.glob("*.ipynb"))
    with package():
        from bertedu.course import student_copy

        copies = student_copy.write(notebooks, options.folder, force=options.force)
    print("\n".join(map(str, copies)))
    print(f"Copies without solutions: {len(copies)}. To open one: bertedu lab {copies[0]}")
    return 0

"""Write the notebooks without solutions, for a class.

What is removed: the section "Solutions" at the end, the calls of solution(...), all outputs, and whatever has been
filled into an exercise. Each check(...) and hint(...) stays, and runs. Links to notebooks that are not handed out
become plain text. Your own notebooks are not touched: they are the copy with the solutions.

What to know: the package itself still holds the answers, because check needs them, and solution(...) can still be
typed. The copies are for learning, not for an exam.

examples:
  bertedu student-copy ~/class                      every chapter
  bertedu student-copy ~/class --only 03 --only 12  this week's two
  bertedu student-copy ~/class --force              replace the copies that are there
  bertedu colab ~/class/03_attention.ipynb          for Colab: one file that carries the package"""

from argparse import ArgumentParser, Namespace

from .common import find_notebook, package


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of `bertedu student-copy`."""
    parser.add_argument("folder", metavar="DIR", help="where the copies go; made if need be")
    parser.add_argument("--only", action="append", metavar="NOTEBOOK", help="this one: a path, a name, or a number")
    parser.add_argument("--force", action="store_true", help="replace copies that are there")


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
    print(f"Without solutions: {len(copies)}. To look at one: bertedu lab {copies[0]}")
    return 0

"""Write a notebook's copy for Google Colab.

Its first cell sets everything up; it says what it did, and may be run again.

Without --repo, the one file carries the package itself: send it to a class, or upload it to Colab. With --repo, the
package is installed from that public repository, and a badge opens the copy in Colab once it has been pushed there.

Nothing that Colab has is moved: not TensorFlow, not Keras, not NumPy. The model (84 MB) comes as a package. A chapter
that uses fill_mask carries the trained masked-LM head in a cell of its own, and is 3 MB.

examples:
  bertedu colab 03                                  writes 03_attention_colab.ipynb, to be sent or uploaded
  bertedu colab 03 --repo owner/name -o colab/03_attention.ipynb"""

from argparse import ArgumentParser, Namespace

from .common import find_notebook, package


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of `bertedu colab`."""
    parser.add_argument("notebook", help="a path, a name, or a number like 03")
    parser.add_argument("--repo", metavar="OWNER/NAME", help="the public GitHub repository that holds this package")
    parser.add_argument("--branch", default="main", help="a branch, tag or commit there (default: %(default)s)")
    parser.add_argument("-o", "--output", metavar="FILE", help="the copy (default: NAME_colab.ipynb, here)")
    parser.add_argument("--force", action="store_true", help="replace a copy that is there")


def run(options: Namespace) -> int:
    """Write the copy and print where it is and what to do with it."""
    source = find_notebook(options.notebook)
    with package():
        from bertedu.course import colab

        copy = colab.write(source, options.output, options.repo, options.branch, options.force)
    print(f"{copy.path}: {copy.path.stat().st_size / 1000:.0f} KB")
    if copy.lacks_head:
        print("It uses the trained masked-LM head, which is missing here and not carried; fill_mask will say so.")
    print(f"Push it to {options.repo}; then it opens at\n{copy.address}" if copy.address else "Upload it to Colab.")
    return 0

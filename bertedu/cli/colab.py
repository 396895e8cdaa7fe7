"""Write a copy of a notebook for Google Colab.

The first cell of the copy installs everything and prints what it did. You can run it again.

Without --repo, the copy contains the package itself: send it to a class, or upload it to Colab. With --repo, the
package is installed from that public repository, and a badge opens the copy in Colab once you have pushed it there.

Colab's own packages (TensorFlow, Keras, NumPy) keep their versions. The model (84 MB) is installed as a package. The
copy of a chapter that uses fill_mask contains the trained masked-LM head in a separate cell and is 3 MB in size.

examples:
  bertedu colab 03                                  writes 03_attention_colab.ipynb, to send or upload
  bertedu colab 03 --repo owner/name -o colab/03_attention.ipynb"""

from argparse import ArgumentParser, Namespace

from .common import find_notebook, package


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of `bertedu colab`."""
    parser.add_argument("notebook", help="path, name, or number such as 03")
    parser.add_argument("--repo", metavar="OWNER/NAME", help="public GitHub repository that contains this package")
    parser.add_argument("--branch", default="main", help="branch, tag or commit of --repo (default: %(default)s)")
    parser.add_argument("-o", "--output", metavar="FILE", help="file to write (default: NAME_colab.ipynb)")
    parser.add_argument("--force", action="store_true", help="replace an existing file")


def run(options: Namespace) -> int:
    """Write the copy and print its path and what to do with it."""
    source = find_notebook(options.notebook)
    with package():
        from bertedu.course import colab

        copy = colab.write(source, options.output, options.repo, options.branch, options.force)
    print(f"{copy.path}: {copy.path.stat().st_size / 1000:.0f} KB")
    if copy.lacks_head:
        print("It uses the trained masked-LM head, which is missing here; fill_mask will raise an error.")
    print(f"Push it to {options.repo}, then open\n{copy.address}" if copy.address else "Upload it to Colab.")
    return 0

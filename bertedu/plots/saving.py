"""Saving a picture: as bytes, or as a file that is there whole or not at all."""

from pathlib import Path

from bertedu import files
from bertedu.plots.picture import drawn, figure_of
from bertedu.plots.style import SHARP_DPI, SUFFIXES


def png(axes, dpi=SHARP_DPI):
    """The picture that `axes` (Axes, an array of them, or a figure) is in, as the bytes of a PNG file.

    Example:
        >>> from bertedu import plots
        >>> png(plots.head([[1.0]], ["the"]))[1:4]
        b'PNG'
    """
    return drawn(figure_of(axes), "png", dpi)


def save(axes, path, dpi=200):
    """Save the picture that `axes` (Axes, an array of them, or a figure) is in, with its description inside.

    Args:
        axes: what one of the functions above returned.
        path: str or Path, ending in .png, .svg or .pdf, in a folder that exists. A file there is replaced, and only
            once the new one is complete.
        dpi: pixels an inch (.png).

    Returns:
        The Path.

    Raises:
        ValueError: another ending. FileNotFoundError: no such folder.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"path must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}, got {str(path)!r}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"path: there is no folder {str(path.parent)!r} to save {path.name!r} in; make it first."
        )
    files.write_bytes(path, drawn(figure_of(axes), path.suffix.lower()[1:], dpi))
    return path

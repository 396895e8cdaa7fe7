"""What the views share: two outputs in a notebook, one file on disk, and the messages between kernel and page.

A notebook gets a picture first, as an output of its own, and then the live view, which hides the picture while it
lives: what is saved, previewed or opened without a kernel shows the picture. Arrays never go into the widget's state;
the page asks for *parts*, one layer or head at a time, and gets bytes. A saved file holds the same parts, compressed.
Chapter: 12.
"""

import base64
import functools
import html
import io
import json
import re
import textwrap
import zlib
from pathlib import Path

import numpy as np

from bertedu import files
from bertedu.views.arrays import label

HERE = Path(__file__).parent
SUFFIXES = (".html", ".png", ".svg", ".pdf")
MOST_IN_FILE = 150_000_000  # bytes of weights before compression; a browser opens twice that only slowly
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; \
style-src 'unsafe-inline'; img-src data:">
<meta name="generator" content="bertedu">
<title>{title}</title>
<style>
{css}</style>
</head>
<body class="be-page">
<main>
<h1 class="be-heading">{title}</h1>
<div id="bertedu-view"></div>
<img id="bertedu-picture" alt="{alt}" src="data:image/png;base64,{picture}">
</main>
<script type="application/json" id="bertedu-setup">{setup}</script>
{parts}
<script type="module">
{code}
startSaved(showView);
</script>
</body>
</html>
"""


class View:
    """A view of attention: shown by a notebook as the last value of a cell, or with `show()`; saved with `save(path)`.

    Made by `head_view`, `model_view` and `neuron_view`. Each kind says what it sends (`setup`, `part`, `exact`) and
    draws its own picture (`axes`).

    Attributes:
        alt: str, what the view shows, in words, computed from the numbers.
        nbytes: int, bytes that reach the page before the first drawing, its program included.
        saved_nbytes: int, the size of a saved .html at most (before compression).
    """

    kind = ""  # the name of the view's .js and .css

    def __init__(self, tokens, title, shape, layer_nbytes):
        self.tokens, self.title = tokens, title
        self.labels = [label(token) for token in tokens]
        self.layers, self.head_count = shape
        self.layer_nbytes = layer_nbytes  # of a layer's parts, before compression
        self._widget = None

    def setup(self):
        """What the page must know first: a dict of strings and small numbers, as JSON takes them."""
        raise NotImplementedError

    def first_part(self):
        """The name of the part that the first drawing needs."""
        raise NotImplementedError

    def part(self, name):
        """The bytes of the part called `name`, in 8 bits a number. Raises KeyError where there is none."""
        raise NotImplementedError

    def part_names(self, layers):
        """Names of the parts that a saved file with these layers holds."""
        raise NotImplementedError

    def exact(self, **wanted):
        """The bytes of what is to be written as numbers, in float32: what the page asks for while a kernel runs."""
        raise NotImplementedError

    def axes(self):
        """The matplotlib picture of what the view shows first."""
        raise NotImplementedError

    def program(self):
        """JavaScript (one module, without its export) and CSS of the view."""
        return program(self.kind)

    def answer(self, question):
        """The answer to a page's question: a dict for JSON, and bytes.

        Raises:
            KeyError, TypeError, ValueError: an unknown question.
        """
        wanted = {key: value for key, value in question.items() if key not in ("ask", "number")}
        if question["ask"] == "setup":
            setup = {**self.setup(), "exact": True, "layers": list(range(self.layers)), "picture": picture_size(self)}
            return {"setup": setup, "part": self.first_part()}, self.part(self.first_part())
        if question["ask"] == "part":
            return {}, self.part(wanted["name"])
        if question["ask"] == "exact":
            return {}, self.exact(**wanted)
        raise ValueError(f"unknown question {question['ask']!r}")

    def saved_setup(self, layers):
        """`setup` for a saved page with these layers."""
        setup = {**self.setup(), "exact": False, "layers": layers}
        setup["layer"] = setup["layer"] if setup["layer"] in layers else layers[0]
        return setup

    def quick_axes(self):
        """The picture that a notebook gets before the view: `axes`, where that is quick."""
        return self.axes()

    @functools.cached_property
    def _picture(self):
        """The picture as IPython takes it, data and metadata; it is drawn once."""
        from bertedu import plots

        axes = self.quick_axes()
        try:
            data, metadata = np.ravel(axes)[0].figure._repr_mimebundle_()
        finally:
            plots.close(axes)
        return {**data, "image/png": smaller(data["image/png"])}, metadata

    def saved_picture(self):
        """Words and PNG for a saved page: there the picture is what stands behind the view, and need not be sharp."""
        return self._small_picture

    @functools.cached_property
    def _small_picture(self):
        from bertedu import plots

        axes = self.quick_axes()
        try:
            return plots.figure_of(axes).alt, smaller(plots.png(axes, dpi=plots.SCREEN_DPI))
        finally:
            plots.close(axes)

    @property
    def alt(self):
        """The view in words, str."""
        return self._picture[0]["text/plain"]

    @property
    def nbytes(self):
        """Bytes that reach the page before the first drawing of the live view, the picture included."""
        program_nbytes = sum(len(text.encode()) for text in self.program())
        picture = len(self._picture[0]["image/png"]) * 4 // 3
        return len(to_json(self.setup())) + len(self.part(self.first_part())) + program_nbytes + picture

    @property
    def saved_nbytes(self):
        """Bytes of a saved .html at most: base64 writes three bytes as four; weights of a real model shrink besides."""
        return self.nbytes + (self.layers * self.layer_nbytes + len(self._small_picture[1])) * 4 // 3

    def __repr__(self):
        name = f"{self.kind}_view of {len(self.tokens)} tokens, {self.layers} layers of {self.head_count} heads"
        return f"{name}: {size(self.nbytes)} to the first drawing, a file of at most {size(self.saved_nbytes)}"

    def _repr_mimebundle_(self, include=None, exclude=None):
        return self._picture

    def _ipython_display_(self):
        self.show()

    def show(self):
        """Shows the view: in a notebook a picture and, as an output of its own, the live view; else says what to do."""
        if not in_notebook():
            print(f"{self.alt}\nTo look at it outside a notebook: view.save('view.html'), and open that file.")
            return
        from IPython.display import display

        data, metadata = self._picture
        display(data, metadata=metadata, raw=True)
        try:
            self._widget = self._widget or live_widget(self)
        except Exception as error:  # whatever is missing or broken there, the picture above stands
            reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            print(f"This is a picture only: the live view did not start ({reason}). view.save('view.html') has it too.")
            return
        bundle = self._widget._repr_mimebundle_()
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        metadata = bundle[1] if isinstance(bundle, tuple) else {}
        # nbconvert and GitHub drop the picture's alt text and show these words, so they say it too. In a notebook that
        # is trusted, without its kernel, Jupyter writes a line of its own here ("model not found", "Loading widget…"):
        # its renderer of widgets goes before that of every other type, and knows no way but state in the notebook.
        words = f"The live {self.kind} view stands here while a kernel runs: run this cell. The picture is above."
        words = f"{words}\n{textwrap.fill(self.alt, 110)}"
        display({**data, "text/plain": words}, metadata=metadata, raw=True)

    def close(self):
        """Ends the live view, so that the kernel may forget its arrays; the picture comes back."""
        if self._widget is not None:
            self._widget.close()
            self._widget = None

    def save(self, path, layers=None):
        """Saves the view.

        Args:
            path: str or Path, in a folder that exists. ".html" is one file that needs nothing else, and no network;
                its numbers are rounded to 8 bits. ".png", ".svg" and ".pdf" are the picture.
            layers: None (all), or a list of the layers that an .html shall hold.

        Returns:
            The Path.

        Raises:
            ValueError: another ending, no such layer, or too many weights for one file. FileNotFoundError: no folder.
        """
        path = Path(path)
        if path.suffix.lower() not in SUFFIXES:
            raise ValueError(f"path must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}, got {str(path)!r}.")
        if path.suffix.lower() != ".html":
            return self._save_picture(path)
        if not path.parent.is_dir():
            raise FileNotFoundError(f"path: there is no folder {str(path.parent)!r} to save {path.name!r} in.")
        files.write_text(path, self._page(self._chosen(layers)))
        return path

    def _save_picture(self, path):
        from bertedu import plots

        axes = self.axes()
        try:
            return plots.save(axes, path)
        finally:
            plots.close(axes)

    def _chosen(self, layers):
        chosen = list(range(self.layers)) if layers is None else sorted({int(layer) for layer in layers})
        if not chosen or not 0 <= chosen[0] <= chosen[-1] < self.layers:
            raise ValueError(f"layers must be some of 0 to {self.layers - 1}, got {layers!r}.")
        if len(chosen) * self.layer_nbytes > MOST_IN_FILE:
            fit = max(1, MOST_IN_FILE // self.layer_nbytes)
            raise ValueError(
                f"{len(chosen)} layers are {size(len(chosen) * self.layer_nbytes)}, and a file holds up to "
                f"{size(MOST_IN_FILE)}: choose {fit} of them or fewer, as layers=range({fit}), or take fewer tokens."
            )
        return chosen

    def _page(self, layers):
        """The saved file's HTML, one string."""
        parts = [
            f'<script type="text/plain" data-part="{name}">{_in_page(self.part(name))}</script>'
            for name in self.part_names(layers)
        ]
        code, css = self.program()
        alt, picture = self.saved_picture()
        return PAGE.format(
            title=html.escape(self.title or f"{self.kind.capitalize()} view of {len(self.tokens)} tokens"),
            alt=html.escape(alt, quote=True),
            picture=base64.b64encode(picture).decode(),
            setup=to_json(self.saved_setup(layers)),
            parts="\n".join(parts),
            css=css,
            code=code,
        )


# ---- the live side ---------------------------------------------------------------------------------------------------


def live_widget(view):
    """An anywidget that answers the page's questions about `view`; its state is its program and nothing else."""
    widget = _widget_class(view.kind, *view.program())()
    widget.on_msg(functools.partial(_reply, view))
    return widget


@functools.lru_cache
def _widget_class(kind, code, css):
    import anywidget

    members = {"_esm": f"{code}\nexport default liveModule(showView);\n", "_css": css}
    return type(f"Live{kind.capitalize()}View", (anywidget.AnyWidget,), members)


def _reply(view, widget, question, buffers):
    """Answers one message of the page: {ask, number, ...} -> {number, ...} and bytes."""
    number = question.get("number") if isinstance(question, dict) else None
    try:
        header, content = view.answer(question)
        widget.send({"number": number, **header}, [content])
    except Exception as error:  # the page shows it; here nobody would see it
        widget.send({"number": number, "error": f"{type(error).__name__}: {error}"})


def picture_size(view):
    """Width and height of the picture in its own pixels, by which the page knows it: a PNG file begins with them."""
    data = view._picture[0]["image/png"]
    return [int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")]


def in_notebook():
    """Whether this runs in a Jupyter kernel (a terminal's IPython shows no widgets)."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return hasattr(get_ipython(), "kernel")


# ---- files -----------------------------------------------------------------------------------------------------------


@functools.lru_cache
def program(kind):
    """JavaScript (one module, without its export) and CSS of a view: common.js and its own, common.css and its own."""
    scripts = [(HERE / f"{name}.js").read_text(encoding="utf-8") for name in ("common", kind)]
    styles = [(HERE / f"{name}.css").read_text(encoding="utf-8") for name in ("common", kind)]
    joined = re.sub(r"^import\b[^;]*;\n", "", "\n".join(scripts), flags=re.MULTILINE)
    return re.sub(r"^export ", "", joined, flags=re.MULTILINE), "\n".join(styles)


def to_json(value):
    """JSON that may stand in a page's script: nothing in it can end the script or begin a comment."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def smaller(png):
    """A PNG of a few colours, as pictures of weights are, in a third of the bytes; what is written in it stays."""
    from PIL import Image, PngImagePlugin  # matplotlib needs it too

    image = Image.open(io.BytesIO(png))
    notes = PngImagePlugin.PngInfo()
    for key, words in image.text.items():
        notes.add_itxt(key, words)
    buffer = io.BytesIO()
    few = image.convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(buffer, "PNG", pnginfo=notes)
    return min(buffer.getvalue(), png, key=len)


def _in_page(content):
    """Bytes as text, compressed; the highest level would take four times as long to save 1 %."""
    return base64.b64encode(zlib.compress(content, 6)).decode("ascii")


def size(count):
    """A number of bytes in words.

    Example:
        >>> size(2_400_000), size(900)
        ('2.4 MB', '1 KB')
    """
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} KB"

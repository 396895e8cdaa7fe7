"""A static page that runs a BERT in the visitor's browser: the explorer, without a kernel.

    bertedu page DIR        index.html, explorer.js, explorer.css, worker.js, kernels.wasm, weights, vocabulary

Any web server can serve the folder. The forward pass is in transformer.js, its inner loops in kernels.wasm; the page
shows the explorer of `bertedu.views` with a reader of its own (reader.js). Page: docs/page.md. Chapter: 12.
"""

from bertedu.page.writer import build, sizes

__all__ = ["build", "sizes"]

"""Sphinx' settings for the book; `tools/build_book.py` puts this file beside the pages and calls Sphinx."""

project = "bertedu"
author = "The bertedu authors"
copyright = "the bertedu authors, Apache-2.0"
html_title = "bertedu: BERT, opened up"
language = "en"

extensions = ["myst_nb"]
nb_execution_mode = "off"  # outputs are committed with the notebooks
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
myst_update_mathjax = False
suppress_warnings = ["myst.header", "mystnb.unknown_mime_type"]  # a chapter's headings begin where they like

# Sphinx writes formulas as \(...\) and \[...\] and adds this script to the pages that have any.
mathjax_path = "katex/katex.min.js"
mathjax_options = {"defer": "defer"}
html_js_files = [("formulas.js", {"defer": "defer"}), ("frames.js", {"defer": "defer"})]
html_css_files = ["katex/katex.min.css", "book.css"]

html_theme = "sphinx_book_theme"
html_static_path = ["_static"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "show_navbar_depth": 1,
    "show_toc_level": 1,
    "use_download_button": False,  # each chapter says itself where its notebook is
    "use_fullscreen_button": False,
    "home_page_in_toc": True,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}

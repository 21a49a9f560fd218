"""Sphinx: the Markdown pages of this folder, and the front door's reference from its docstrings."""

project = "radresp"
copyright = "the radresp developers"  # noqa: A001 - Sphinx's own name
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "pydata_sphinx_theme"
html_title = "radresp"
html_static_path = ["_static"]
html_css_files = ["radresp.css"]
html_theme_options = {
    "navbar_align": "left",
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_show_sourcelink = False
exclude_patterns = ["_build"]
myst_heading_anchors = 4
autodoc_typehints = "description"
# References to types of libraries, which no page here describes.
suppress_warnings = ["ref.python"]

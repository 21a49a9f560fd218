"""Sphinx: the Markdown pages of this folder, and the front door's reference from its docstrings."""

project = "radresp"
copyright = "the radresp developers"  # noqa: A001 - Sphinx's own name
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "pydata_sphinx_theme"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
# Links that leave docs/ lead to files of the repository, which the built pages do not hold.
suppress_warnings = ["myst.xref_missing", "ref.python"]

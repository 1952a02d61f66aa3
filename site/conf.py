"""Sphinx's configuration; `nox -s docs` gathers the pages and builds the site."""

import crossover

project = "Crossover"
copyright = "the Crossover authors"  # noqa: A001 - Sphinx's name
version = release = crossover.__version__
extensions = ["myst_parser"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = "Crossover"
html_copy_source = False
html_show_sphinx = False
html_static_path = ["static"]
html_css_files = ["site.css"]
highlight_language = "text"

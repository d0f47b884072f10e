"""How Sphinx makes the documentation site. It needs no network."""

from importlib.metadata import version as version_of

project = "Prognoscope"
author = "the authors of Prognoscope"
release = version = version_of("prognoscope")
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"Prognoscope {release}"
html_show_copyright = False
html_copy_source = False
nitpicky = True
highlight_language = "none"

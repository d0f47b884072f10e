"""How Sphinx makes the documentation site. It needs no network; docs/reference is made from the code."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "Prognoscope"
author = "the Prognoscope developers"
release = version = version_of("prognoscope")
extensions = ["myst_parser", "reference"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "_ext"]
html_theme = "furo"
html_title = f"Prognoscope {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_copyright = False
html_copy_source = False
nitpicky = True
nitpick_ignore_regex = [("py:(class|obj|exc)", r"(?!prognoscope\.).*")]  # types in signatures, as they are written
maximum_signature_line_length = 100
suppress_warnings = ["ref.python"]  # a type in a signature that two modules have
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"
highlight_language = "none"

"""How Sphinx makes the documentation site. It needs no network; docs/reference is made from the code."""

import os
import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "Prognoscope"
author = "the Prognoscope developers"
release = version = version_of("prognoscope")
extensions = ["myst_nb", "reference"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "_ext", "jupyter_execute"]  # the last is of an earlier build
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

# Notebooks are executed when the site is built. Real data are not part of the project: where they are absent, the
# notebook that needs them is shown as it was last executed.
tcga = Path(os.environ.setdefault("PROGNOSCOPE_TCGA", str(Path(__file__).parents[2] / "shared" / "data" / "tcga")))
nb_execution_mode = "force"
nb_execution_timeout = 600  # seconds a cell
nb_execution_raise_on_error = True
nb_execution_excludepatterns = [] if tcga.is_dir() else ["notebooks/tcga_genes.ipynb"]
nb_execution_show_tb = True
if nb_execution_excludepatterns:
    print(f"notebooks/tcga_genes.ipynb is not executed, but shown as it was: there is no folder {tcga} of its data.")

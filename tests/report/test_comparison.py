"""The comparison's files: every format has every number, names cannot break it, and published values are right."""

import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from prognoscope.core.errors import InputError
from prognoscope.report.comparison import CELL_COLUMNS, Comparison, latex, markdown, write_comparison
from prognoscope.report.published import known_cohort, published_of, published_values

NASTY = "a_b & <i>50 %</i> {x} ~ \\y | *"


def cell(row, column, mean, sd=0.02, mark="", optimistic="", kind="method", group="genes"):
    values = {"group": group, "row": row, "kind": kind, "method": "snn", "column": column, "cohort": column}
    values |= {"protocol": "honest", "optimistic": optimistic, "metric": "c_index", "mean": mean, "sd": sd, "ddof": 0}
    return values | {"low": mean - 0.1, "high": mean + 0.1, "folds": 5, "seeds": "0", "mark": mark}


@pytest.fixture
def comparison() -> Comparison:
    cells = [
        cell(NASTY, "blca", 0.712, mark="best"),
        cell("snn", "blca", 0.6),
        cell("snn", "lu_ad", 0.55, optimistic="why not", mark="second"),
        cell("abmil", "blca", 0.5, group="slides"),
        cell("Oracle: true risk", "blca", 0.8, kind="oracle", group="oracle"),
    ]
    table = pd.DataFrame(cells).reindex(columns=CELL_COLUMNS)
    pairs = [("blca", NASTY, "snn", 0.112, 0.01, 0.2, 0.02, 0.04)]
    pairs = pd.DataFrame(
        pairs, columns=["column", "method_a", "method_b", "difference", "low", "high", "p_bootstrap", "p_t"]
    )
    figure = {"column": "blca", "metric": "c_index", "optimistic": False, "low": 0.0, "high": 0.0, "difference": 0.0}
    figures = {"blca": pd.DataFrame([figure | {"method": name, "value": 0.6} for name in (NASTY, "snn")])}
    runs = [("a", "blca", "honest", 0, 5, 90, 40), ("b", "lu_ad", "honest", 0, 5, 80, 30)]
    runs = pd.DataFrame(runs, columns=["run", "column", "protocol", "seed", "folds", "patients", "events"])
    return Comparison("c_index", 0, table, pairs, figures, ("A note with 5 % & more.",), runs)


def test_every_format_has_every_number_its_marks_and_its_warning(comparison, tmp_path):
    written = write_comparison(comparison, tmp_path)
    assert {path.name for path in written} == {path.name for path in tmp_path.iterdir()}
    texts = {path.suffix: path.read_text() for path in written if path.stem == "comparison"}
    for ending, spread in {".html": "0.712 ± 0.020", ".md": "0.712 ± 0.020", ".tex": r"0.712 $\pm$ 0.020"}.items():
        assert all(
            word in texts[ending] for word in (spread, "0.600", "0.550", "0.500", "0.800", "optimistic", "ddof 0")
        )
    assert f"<b>{'0.712 ± 0.020'}</b>" in texts[".html"] and "<u>0.550 ± 0.020</u>" in texts[".html"]
    assert "**0.712 ± 0.020**" in texts[".md"] and r"\textbf{0.712 $\pm$ 0.020}" in texts[".tex"]
    assert r"\underline{0.550 $\pm$ 0.020}" in texts[".tex"]
    kept = pd.read_csv(tmp_path / "comparison.csv", float_precision="round_trip")
    assert kept["mean"].tolist() == comparison.table["mean"].tolist() and list(kept) == list(CELL_COLUMNS)


def test_the_latex_table_has_its_cells_and_escapes_what_latex_reads(comparison):
    text = latex(comparison)
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    rows = [line for line in body.splitlines() if line.endswith(r"\\") and r"\multicolumn" not in line]
    assert len(rows) == 5 and all(len(re.findall(r"(?<!\\)&", row)) == 2 for row in rows)
    assert r"\multicolumn{3}{l}{\textit{Slides}} \\" in body and r"lu\_ad (optimistic) \\" in body
    assert r"a\_b \& $<$i$>$50 \%$<$/i$>$ \{x\} \textasciitilde{} \textbackslash{}y" in body
    plain = re.sub(r"\\[{}]", "", text)
    assert plain.count("{") == plain.count("}")
    assert not re.search(r"(?<!\\)[%#_]", text.split("\n", 1)[1])
    assert text.count(r"\begin{") == text.count(r"\end{") == 3


def test_a_name_cannot_break_the_markdown_table(comparison):
    lines = [line for line in markdown(comparison).splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {4}


class Tags(HTMLParser):
    """What a page asks of the network, and whether its tags are closed."""

    def __init__(self, text: str):
        super().__init__()
        self.open, self.asked, self.names = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.names.append(tag)
        values = dict(attributes)
        self.asked += [v for k, v in values.items() if k in ("src", "href", "xlink:href") and "//" in (v or "")]
        if tag not in ("meta", "link", "br", "use", "path", "rect", "circle"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in self.open:
            assert self.open.pop() == tag


def test_the_page_opens_without_a_network_and_runs_no_script(comparison, tmp_path):
    page = Tags(write_comparison(comparison, tmp_path)[0].read_text())
    assert not page.asked and not page.open and "script" not in page.names and "svg" in page.names


def test_a_column_is_called_optimistic_where_all_of_it_is(comparison):
    assert comparison.heading("lu_ad") == "lu_ad (optimistic)" and comparison.heading("blca") == "blca"
    assert comparison.sentences()[0] == "Optimistic numbers: snn in lu_ad, as why not."


PRINTED = {  # method, cohort, source -> mean, SD, whether it chose on the reported fold
    ("ghanet", "UCEC", "G-HANet"): (0.729, 0.050, True),
    ("kd: clam_sb, response", "BLCA", "G-HANet"): (0.567, 0.026, True),
    ("cmta", "BRCA", "CMTA and CCL"): (0.6679, 0.0434, True),
    ("ccl", "GBMLGG", "CCL"): (0.8614, 0.0149, True),
    ("mcti", "KICA", "MCTI"): (0.723, 0.046, False),
    ("dsmil", "ESCA", "MCTI"): (0.594, 0.007, False),
    ("mcat", "BRCA", "MCAT's authors, result files"): (0.580, 0.069, False),
    ("gpdbn", "GPDBN_BRCA", "GPDBN's authors, predictions"): (0.706, 0.036, False),
}


@pytest.mark.parametrize("which", PRINTED, ids=str)
def test_published_values_are_those_of_the_papers(which):
    table = published_values().set_index(["method", "cohort", "source"])
    row = table.loc[which]
    assert (row["mean"], row["sd"], row["optimistic"]) == PRINTED[which]
    assert ("reported fold" in row["protocol"]) == row["optimistic"]


def test_published_means_over_cohorts_are_those_that_ccl_prints():
    printed = {"snn": 0.6821, "survpath": 0.6909, "mcat": 0.6920, "ccl": 0.7260, "cmta": 0.7192, "m3if": 0.6753}
    table = published_values()
    for method, mean in printed.items():
        rows = table[(table["method"] == method) & table["source"].str.contains("CCL")]
        assert len(rows) == 5 and rows["mean"].mean() == pytest.approx(mean, abs=6e-5)


def test_published_values_name_each_method_cohort_and_source_once():
    table = published_values()
    assert not table.duplicated(["method", "cohort", "source"]).any()
    assert table["mean"].between(0.45, 0.9).all() and table["sd"].between(0, 0.15).all()


def test_a_cohort_is_known_by_the_name_of_its_study():
    names = {"TCGA_LUAD": "LUAD", "blca": "BLCA", "gpdbn_brca": "GPDBN_BRCA", "luad-brca": None, "simulated": None}
    assert {name: known_cohort(name) for name in names} == names
    assert set(published_of(["simulated"], "kica")["simulated"]["cohort"]) == {"KICA"}
    with pytest.raises(InputError, match="is for runs of one cohort, but these are of 2: blca, luad"):
        published_of(["blca", "luad"], "BLCA")

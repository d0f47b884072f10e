"""The comparison's files: every format has every number, and names cannot break it."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest

from prognoscope.analysis.comparison import CELL_COLUMNS, Comparison
from prognoscope.report import comparison_page
from prognoscope.report.comparison_page import write_comparison
from prognoscope.report.comparison_text import heading_of, latex, markdown, sentences_of

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
    runs["endpoint"] = ""
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


def test_files_of_a_comparison_that_was_ended_while_it_wrote_are_written_again(comparison, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(comparison_page, "write_table", ended)
        with pytest.raises(KeyboardInterrupt):
            write_comparison(comparison, tmp_path)
    assert (tmp_path / "comparison.svg").is_file()
    write_comparison(comparison, tmp_path)


def ended(*_):
    raise KeyboardInterrupt


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
    assert heading_of(comparison, "lu_ad") == "lu_ad (optimistic)" and heading_of(comparison, "blca") == "blca"
    assert sentences_of(comparison)[0] == "Optimistic numbers: snn in lu_ad, as why not."


def test_of_many_rows_that_are_all_optimistic_none_is_named(comparison):
    one = comparison.table[comparison.table["kind"] == "method"].iloc[[0]].assign(column="blca", optimistic="why")
    for number, who in ((3, "r0, r1 and r2"), (4, "all methods")):
        table = pd.concat([one.assign(row=f"r{i}") for i in range(number)], ignore_index=True)
        said = sentences_of(replace(comparison, table=table))
        assert said[0] == f"Optimistic numbers: {who} in blca, as why."
    partly = pd.concat([table, one.assign(row="r4", optimistic="")], ignore_index=True)
    assert "r0, r1, r2 and r3 in blca" in sentences_of(replace(comparison, table=partly))[0]
    assert ": all rows in blca" in sentences_of(replace(comparison, table=table, kind="sweeps"))[0]

"""Names of users in Markdown are shown, never obeyed."""

from prognoscope.report.markdown_text import escaped, table_lines


def test_nothing_in_a_name_is_html_markup_or_the_end_of_a_cell():
    name = "<img src=x>|`a`*b*_c_[d](e)\n# f & \\"
    assert escaped(name) == r"\<img src=x\>\|\`a\`\*b\*\_c\_\[d\](e) # f &amp; \\"
    assert table_lines(["M", "x|y"], [["a|b", "<1"]]) == [r"| M | x\|y |", "|---|---:|", r"| a\|b | \<1 |"]

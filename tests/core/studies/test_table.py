from __future__ import annotations

import statistics
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.studies.table import Spread, Table, spread

numbers = st.floats(-1e6, 1e6, allow_nan=False)


class TestSpread:
    @settings(max_examples=100, deadline=None)
    @given(st.lists(numbers, min_size=2, max_size=12))
    def test_it_is_the_mean_and_the_sample_deviation(self, values: list[float]) -> None:
        found = spread(values)
        assert found.mean == pytest.approx(statistics.fmean(values), rel=1e-12, abs=1e-9)
        assert found.std == pytest.approx(statistics.stdev(values), rel=1e-9, abs=1e-6)

    def test_three_seeds(self) -> None:
        assert spread([97.0, 98.0, 99.0]) == Spread(98.0, 1.0)

    def test_one_value_has_no_deviation(self) -> None:
        assert spread([3.5]) == Spread(3.5, None)

    def test_no_values_have_no_mean(self) -> None:
        with pytest.raises(ValueError, match="no values"):
            spread([])

    def test_it_is_written_with_both_parts_in_one_format(self) -> None:
        assert f"{Spread(97.256, 0.123):.2f}" == "97.26 ± 0.12"
        assert f"{Spread(97.256, None):.1f}" == "97.3"


class TestTable:
    table = Table(("method", "accuracy"), (("ETT", "97.1 ± 0.2"), ("random", "9.5")))

    def test_text_is_aligned_and_ruled(self) -> None:
        assert self.table.text().splitlines() == [
            "method    accuracy",
            "──────  ──────────",
            "ETT     97.1 ± 0.2",
            "random         9.5",
        ]

    def test_markdown(self) -> None:
        assert self.table.markdown().splitlines() == [
            "| method | accuracy |",
            "| :-- | --: |",
            "| ETT | 97.1 ± 0.2 |",
            "| random | 9.5 |",
        ]

    def test_markdown_keeps_a_bar_inside_its_cell(self) -> None:
        assert Table(("a",), (("x|y",),)).markdown().splitlines()[2] == "| x\\|y |"

    def test_further_columns_of_words_are_aligned_to_the_left(self) -> None:
        table = Table(("job", "state", "n"), (("a", "ok", "1"), ("b", "failed", "22")), words=2)
        assert table.text().splitlines()[2:] == ["a    ok       1", "b    failed  22"]
        assert table.markdown().splitlines()[1] == "| :-- | :-- | --: |"

    def test_a_row_of_another_length_is_refused(self) -> None:
        with pytest.raises(ValueError, match="1 cells under 2 columns"):
            Table(("a", "b"), (("x",),))

    def test_csv_quotes_what_holds_a_comma(self) -> None:
        table = Table(("method", "n"), (("random, ERK", "1"),))
        assert table.csv() == 'method,n\r\n"random, ERK",1\r\n'

    def test_latex_is_a_booktabs_tabular_with_its_characters_escaped(self) -> None:
        table = Table(("method", "accuracy, %"), (("a_b & c", "97.1 ± 0.2"), ("5 ×", "–"), ("x-y", "-0.5")))
        assert table.latex().splitlines() == [
            r"\begin{tabular}{lr}",
            r"\toprule",
            r"method & accuracy, \% \\",
            r"\midrule",
            r"a\_b \& c & 97.1 $\pm$ 0.2 \\",
            r"5 $\times$ & -- \\",
            r"x-y & $-$0.5 \\",
            r"\bottomrule",
            r"\end{tabular}",
        ]

    def test_latex_takes_any_text_for_text(self) -> None:
        (row,) = (
            Table(("name",), (('[2pt] *x* \\input{a} ~^<"|> α→β −1 ñ 漢\n\x00',),)).latex().splitlines()[4:5]
        )
        assert row == (
            r"{[}2pt] {*}x{*} \textbackslash{}input\{a\} \textasciitilde{}\textasciicircum{}\textless{}''\textbar{}"
            r"\textgreater{} $\alpha$$\to$? $-$1 ñ ? ? \\"
        )

    def test_html_is_a_table_in_which_nothing_is_markup(self) -> None:
        table = Table(("method", "n"), (('<script>&"', "1"),), notes=("a < b",))
        root = ElementTree.fromstring(table.html())
        assert root.tag == "table"
        assert [cell.get("scope") for cell in root.iter("th")] == ["col", "col"]
        assert [cell.text for cell in root.iter("td")] == ['<script>&"', "1"]
        assert root.findtext("caption") == "a < b"

    def test_notes_stand_with_the_table_but_not_among_values(self) -> None:
        table = Table(("a",), (("x",),), notes=("100 % of | it.", "More."))
        assert table.text().splitlines()[3:] == ["", "100 % of | it.", "", "More."]
        assert table.markdown().splitlines()[3:] == ["", "100 % of \\| it.", "", "More."]
        assert r"\caption{100 \% of \textbar{} it. More.}" in table.latex().splitlines()
        assert table.latex().startswith(r"\begin{table}")
        assert "100" not in table.csv()

"""Tables: raw numbers in CSV, readable ones in Markdown."""

from codecompose_ls.evaluation.study.table import Column, Kind, Table, columns

TABLE = Table(
    "matches",
    "P-13",
    "Matches",
    (Column("strategy", Kind.TEXT), Column("n", Kind.COUNT), Column("share", Kind.SHARE), Column("p", Kind.P_VALUE)),
    (("base", 1200, 0.0625, 3e-8), ("a|b", 7, None, 0.25)),
    "A note.",
)


def test_csv_has_the_numbers_as_they_are() -> None:
    assert TABLE.csv() == "strategy,n,share,p\nbase,1200,0.0625,3e-08\na|b,7,,0.25\n"


def test_markdown_has_them_as_people_read_them() -> None:
    lines = TABLE.markdown().splitlines()
    assert lines[0] == "## Matches"
    assert lines[2:] == [
        "| strategy | n | share | p |",
        "| --- | ---: | ---: | ---: |",
        "| base | 1,200 | 6.2\u2009% | 3.0e-08 |",
        "| a\\|b | 7 |  | 0.250 |",
        "",
        "A note.",
    ]
    assert TABLE.texts == 1


def test_small_numbers_do_not_round_to_nothing() -> None:
    column = Column("change", digits=3)
    assert [column.write(value) for value in (0.0, 0.0001, 0.5, 12.0)] == ["0.000", "1.0e-04", "0.500", "12.000"]
    assert [one.name for one in columns(Kind.NUMBER, ("a", "b"))] == ["a", "b"]

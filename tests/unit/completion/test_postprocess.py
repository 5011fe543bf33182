"""Each filter on real-looking code, and what no suggestion may ever do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.completion import postprocess as filters
from codecompose_ls.completion.postprocess import FILTERS, postprocess
from codecompose_ls.completion.stopping import Place, following_line
from tests.cursor import place_at

KEY = "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a"


def table(name: str, language: str, *rows: tuple[str, str, str]) -> list[object]:
    return [pytest.param(name, language, *row, id=f"{name}-{language}-{number}") for number, row in enumerate(rows)]


CASES = [
    *table(
        "extent",
        "python",
        ("total = ‸\n", "sum(items)", "sum(items)"),
        ("total = ‸\n", "sum(items)\nprint(total)", "sum(items)"),
        ("def f():‸\n", "\n    x = 1\n    return x\n\nf()", "\n    x = 1\n    return x\n"),
        ("def f():\n    ‸\n    return x\n", "x = 1\n    y = 2", "x = 1"),
        ("def f():‸\n", "\n    log(1)\n    log(1)\n    log(1)", "\n    log(1)"),
    ),
    *table(
        "extent",
        "typescript",
        ("function f() {‸\n", "\n  return 1;\n}\n\nf();", "\n  return 1;\n}"),
        ("function f() {‸\n}\n", "\n  return 1;\n}", "\n  return 1;"),
    ),
    *table(
        "repetition",
        "python",
        ("add(1)\nadd(1)\n‸\n", "add(1)", ""),
        ("add(1)\nadd(2)\n‸\n", "add(2)", "add(2)"),
        ("x = [\n    0,\n    0,\n    ‸\n]", "1,", "1,"),
        ("s = ‸\n", "a + " * 8, "a + "),
        ("add(1)\nadd(1)\nadd(‸\n", "1)", ""),
    ),
    *table("repetition", "typescript", ("  }\n  }\n‸\n", "  }", "  }"), ("  a();\n  a();\n‸\n", "  a();", "")),
    *table(
        "indentation",
        "python",
        ("total = ‸\n", " sum(items)", "sum(items)"),
        ("total =‸\n", " sum(items)", " sum(items)"),
        ("total = 1, ‸\n", " # Aligned.", " # Aligned."),
        ("total   ‸\n", "  : 1", "  : 1"),
        ("def f():\n    ‸\n", "    return 1", "return 1"),
        ("def f():\n    x = 1\n    ‸\n", "    return 1", "return 1"),
        ("x = compute(first,\n    ‸\n", "        second)", "        second)"),
        ("x = compute(first,\n    ‸\n", "    second)", "    second)"),
        ("def f():\n    x = 1\n‸\n", "    return 1", "    return 1"),
        ("def f():\n    if x:\n    ‸\n", "    return 1", "    return 1"),
        ("def f():\n    ‸\n", "\n    return 1", "return 1"),
        ("def f():\n\tx = 1\n\tif x:‸\n", "\n        return 1", "\n\t\treturn 1"),
        ("def f():\n    if x:‸\n", "\n\t\treturn 1", "\n        return 1"),
        ("def f(x):‸\n", "\n  return 1", "\n  return 1"),
        ("/**\n * Add.\n‸\n", " * @param a", " * @param a"),
    ),
    *table("indentation", "go", ("func f() {\n\tif x {‸\n\t}\n}\n", "\n        return 1", "\n\t\treturn 1")),
    *table(
        "duplicate_lines",
        "python",
        ("def f():\n    ‸\n    return x\n", "return x", ""),
        ("def f():\n    ‸\n    return x\n", "x = 1", "x = 1"),
        ("def f():\n    x = ‸\n\n    x = 1\n", "1", ""),
        ("def f():\n    if y:\n        ‸\n    return x\n", "return x", "return x"),
        ("class A:\n    def f(self):‸\n\n    def g(self):\n", "\n        pass\n\n    def g(self):", "\n        pass\n"),
    ),
    *table("duplicate_lines", "typescript", ("  foo({\n    a,\n‸\n  });\n", "  });", "")),
    *table(
        "suffix_overlap",
        "python",
        ("total = compute(‸, tax)\n", "items, tax)", "items"),
        ("total = compute(‸, tax)\n", "items", "items"),
        ("total = compute(‸, tax)\n", "items, tax)  ", "items"),
        ("total = ‸ + tax\n", "price + tax", "price"),
        ("bar(‸) + 1\n", "foo()", "foo()"),
        ("x = ‸o + 1\n", "foo", "foo"),
        ("if ‸ == 1:\n", "x == 1:", "x"),
        ("total = ‸\n", "sum(items)", "sum(items)"),
    ),
    *table(
        "suffix_overlap",
        "typescript",
        ("const total = ‸.reduce(add, 0);\n", "items.reduce(add, 0);", "items"),
        ("return ‸?.name ?? '';\n", "user?.name", "user"),
    ),
    *table(
        "unbalanced_closers",
        "python",
        ("print(‸\n", "x))", "x)"),
        ("total = ‸\n", "sum(items))", "sum(items)"),
        ("total = sum(‸\n", "[x for x in items])", "[x for x in items])"),
        ("prices = {‸\n", "'a': 1}}", "'a': 1}"),
        ("print('‸\n", ":)')", ":)')"),
        ("total = ‸\n", ") + 1", ""),
        ("total(\n    a,\n    ‸\n", "b)", "b)"),
        # The window may begin inside a long list.
        ("    1,\n    2,\n    ‸\n", "3]", "3]"),
        # Or inside a string of several lines.
        ('end."""\ndef f():\n    g(\n        a\n    ‸\n', ")", ")"),
        ("    def f(self):\n        return ‸\n", "3]", "3"),
    ),
    *table(
        "unbalanced_closers",
        "typescript",
        ("call(‸", "a));", "a)"),
        ("  ‸\n", "}", "}"),
        ("const f = (a) => ‸", "a * 2);", "a * 2"),
    ),
    *table(
        "closing_line",
        "typescript",
        ("function f() {‸}\n", "\n  return 1;", "\n  return 1;\n}"),
        ("  get() {‸}\n", "\n    return 1;\n  }", "\n    return 1;\n  }"),
        ("const f = () => {‸});\n", "\n  return 1;", "\n  return 1;\n}"),
        ("function f() {‸\n}\n", "\n  return 1;", "\n  return 1;"),
        ("const a = {‸}\n", " b: 1 ", " b: 1 "),
    ),
    *table(
        "trailing_space",
        "python",
        ("total = ‸\n", "1  ", "1"),
        ("total = f(‸a)\n", "b, ", "b, "),
        ("def f():‸\n", "\n    return 1\n\n", "\n    return 1"),
    ),
    *table(
        "secrets",
        "python",
        ("token = ‸\n", f'"{KEY}"', ""),
        ("token = ‸\n", 'os.environ["GITHUB_TOKEN"]', 'os.environ["GITHUB_TOKEN"]'),
        (f'token = "{KEY}‸"\n', " # ours", " # ours"),
        ('password = "‸"\n', 'kD8#fQ2!xR7wpZ04"', ""),
    ),
    *table(
        "unprintable", "python", ("x = ‸\n", "a\x00", ""), ("x = ‸\n", "caf\ufffd", ""), ("x = ‸\n", "'é\t'", "'é\t'")
    ),
    *table("whitespace_only", "python", ("x = ‸\n", "  \n ", ""), ("x = ‸\n", "1", "1"), ("x = ‸\n", "", "")),
]


@pytest.mark.parametrize(("name", "language", "code", "text", "left"), CASES)
def test_filter(name: str, language: str, code: str, text: str, left: str) -> None:
    assert getattr(filters, name)(text, place_at(code, language=language)) == left


def test_every_filter_has_cases() -> None:
    assert {filter.__name__ for filter in FILTERS} == {case.values[0] for case in CASES}


class TestAll:
    def test_the_filter_that_drops_a_text_is_named(self) -> None:
        place = place_at("def f():\n    ‸\n    return x\n")
        assert postprocess("return x", place).dropped_by == "duplicate_lines"
        assert postprocess("  ", place).dropped_by == "whitespace_only"
        assert postprocess(f"token = '{KEY}'", place).dropped_by == "secrets"

    def test_a_good_text_passes_as_it_is(self) -> None:
        place = place_at("def total(items):\n    return ‸\n")
        result = postprocess("sum(item.price for item in items)", place)
        assert (result.text, result.dropped_by) == ("sum(item.price for item in items)", "")

    def test_who_asks_by_hand_sees_a_matter_of_taste_but_no_secret(self) -> None:
        place = place_at("def f():\n    ‸\n    return x\n")
        assert postprocess("return x", place, invoked=True).text == "return x"
        assert postprocess(f"token = '{KEY}'", place, invoked=True).text == ""
        assert postprocess("\n\n", place, invoked=True).text == ""


snippets = st.lists(
    st.sampled_from(
        ["foo", "(", ")", "[", "]", "{", "}", ", ", " = ", ":", "\n", "    ", "return ", "x", '"', "1", ";"]
    ),
    max_size=25,
).map("".join)
places = st.builds(
    lambda before, after, language: place_at(before + "‸" + after, language=language),
    snippets,
    snippets,
    st.sampled_from(["python", "typescript", "go"]),
)


@given(text=snippets, place=places)
def test_there_is_either_a_text_or_the_name_of_the_filter_that_dropped_it(text: str, place: Place) -> None:
    result = postprocess(text, place)
    assert bool(result.text.strip()) != bool(result.dropped_by)


@given(text=snippets, place=places)
def test_a_single_line_is_a_part_of_what_was_generated(text: str, place: Place) -> None:
    if place.scope is None:
        assert postprocess(text, place).text.strip() in text


@given(text=snippets, place=places)
def test_a_suggestion_never_repeats_what_follows_the_cursor(text: str, place: Place) -> None:
    left = postprocess(text, place).text
    rest = place.window.suffix.split("\n")[0].rstrip()
    if left and rest:
        assert not (left + rest).endswith(rest * 2) or rest * 2 in text
    following = following_line(place.window.suffix)
    if left and following:
        assert (place.window.line_prefix + left).split("\n")[0].rstrip() != following


@given(text=snippets, place=places)
def test_a_single_line_stays_one_and_no_line_ends_in_white_space(text: str, place: Place) -> None:
    left = postprocess(text, place).text
    if place.scope is None:
        assert "\n" not in left
    assert left == left.rstrip() or not place.window.ends_line

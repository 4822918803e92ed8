"""Lines of entries in a file of TOML, and values as one would type them."""

import tomllib

import pytest
import typer
from hypothesis import given, strategies

from hcsd.cli.commands.limit_options import value_of, window_of, written
from hcsd.cli.configuration_lines import Statement, statements, syntax_problem
from hcsd.daemon.setting import MIB, MOST, Unit
from hcsd.daemon.settings import OPTIONS

TEXT = '''\
# a = 1

"a b" = 1
'c' = """
d = 2
# e = 3
"""
f = [ # g = 4
  "]", """
h = 5
""", ''\'
i = 6''\',
]
j = "#" # k = 7
l.m = 8
n = { o = "\\"p = 9" }
[q]
r = 10
[[s]]
t = 11
'''


def test_an_entry_is_at_its_first_line() -> None:
    found = list(statements(TEXT))
    assert [(it.line, it.key, it.is_table) for it in found] == [
        (3, "a b", False),
        (4, "c", False),
        (8, "f", False),
        (14, "j", False),
        (15, "l", False),
        (16, "n", False),
        (17, "q", True),
        (19, "s", True),
    ]
    whole = tomllib.loads(TEXT)
    assert {it.key: it.value for it in found if not it.is_table} == {
        key: value for key, value in whole.items() if key not in {"q", "s"}
    }
    assert list(statements(TEXT.replace("\n", "\r\n"))) == found


@given(
    strategies.lists(
        strategies.sampled_from(
            [
                "# a = 1",
                "",
                "   ",
                "a{} = 1",
                "'b {}' = '''\nx = 1\n'''",
                "c{} = [\n 1, # d = 2\n\n]",
            ]
        )
    )
)
def test_every_entry_is_found_where_it_is(parts: list[str]) -> None:
    text, expected = "", []
    for number, part in enumerate(parts):
        if "{}" in part:
            key = part.split(" = ")[0].format(number).strip("'")
            expected.append((text.count("\n") + 1, key))
        text += part.format(number) + "\n"
    assert syntax_problem(text) is None
    assert [(it.line, it.key) for it in statements(text)] == expected


def test_a_table_of_a_statement_hides_what_follows() -> None:
    assert list(statements("[a]\nb = 1")) == [Statement(1, "a", {}, is_table=True)]


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        (Unit.SECONDS, 0.25, "250ms"),
        (Unit.SECONDS, 1.5, "1.5s"),
        (Unit.SECONDS, 60, "60s"),
        (Unit.SECONDS, 900, "15m"),
        (Unit.SECONDS, 3600, "1h"),
        (Unit.SECONDS, 5400, "90m"),
        (Unit.BYTES, 4 * MIB, "4m"),
        (Unit.BYTES, 2**31, "2g"),
        (Unit.BYTES, MIB + 1, "1048577b"),
        (Unit.COUNT, 8192, "8192"),
    ],
)
def test_a_value_is_written_as_it_is_read(unit: Unit, value: float, text: str) -> None:
    assert written(unit, value) == text
    setting = next(it for it in OPTIONS.values() if it.unit is unit and it.most == MOST[unit])
    assert value_of(setting, text) == value


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("0s", 0), ("1ms", 0.001), (5, 5)])
def test_a_restore_window_is_a_time_or_nothing(text: object, seconds: float) -> None:
    assert window_of(text) == seconds
    assert window_of(written(Unit.SECONDS, seconds)) == seconds


@pytest.mark.parametrize("text", ["0.0001", "9000h", "-1", "long", ""])
def test_no_other_is_one(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"out of range; it is 0, or|is not a duration"):
        window_of(text)

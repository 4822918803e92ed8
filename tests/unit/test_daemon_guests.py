"""Command lines of Windows, as the guest splits them again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcsd.daemon.guests import quote_windows


def split_windows(line: str) -> list[str]:
    """Split a command line by the rules of CommandLineToArgvW, written from their description.

    2n backslashes and a quote: n backslashes, and the quote begins or ends a quoted part.
    2n+1 backslashes and a quote: n backslashes and a quote. Other backslashes are themselves.
    """
    args: list[str] = []
    arg, quoted, there, backslashes = "", False, False, 0
    for character in [*line, " "]:
        if character == "\\":
            backslashes += 1
            there = True
            continue
        if character == '"':
            arg += "\\" * (backslashes // 2)
            if backslashes % 2:
                arg += '"'
            else:
                quoted = not quoted
            there = True
        else:
            arg += "\\" * backslashes
            if character in " \t" and not quoted:
                if there:
                    args.append(arg)
                arg, there = "", False
            else:
                arg += character
                there = True
        backslashes = 0
    return args


@given(st.lists(st.text(alphabet='ab\\" \té'), min_size=1))
def test_windows_splits_a_command_line_into_the_arguments_it_was_made_of(args: list[str]) -> None:
    assert split_windows(quote_windows(args)) == args


@pytest.mark.parametrize(
    ("arg", "quoted"),
    [("plain", "plain"), ("", '""'), ("a b", '"a b"'), ('a"b', r'"a\"b"'), ("a b\\", '"a b\\\\"')],
)
def test_an_argument_is_quoted_only_where_it_must_be(arg: str, quoted: str) -> None:
    assert quote_windows([arg]) == quoted

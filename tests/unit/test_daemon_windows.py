"""What a Windows guest is given: its command line, its variables, and what it cannot be given."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcsd.daemon.guest_rules import violations
from hcsd.daemon.guests import Guest
from hcsd.daemon.process_shape import NO_SHAPE, Shape
from hcsd.daemon.spec import ProcessSpec, parameters
from hcsd.daemon.windows_command import MAX_BATCH_UNITS, MAX_UNITS, quote_windows, units

WINDOWS, LINUX = Guest
LEFT_QUOTE = '"'


def refused(spec: ProcessSpec, guest: Guest = WINDOWS) -> dict[str, str]:
    """Return what is refused of a spec, and why."""
    return {item.field: item.message for item in violations(spec, guest, shapes=False)}


def variables(*pairs: tuple[str, str], guest: Guest = WINDOWS) -> dict[str, str]:
    document = json.loads(parameters(ProcessSpec(argv=("a",), env=pairs), guest))
    found: dict[str, str] = document["Environment"]
    return found


# --- the command line; how Windows splits it: tests/windows/test_command_line.py ---


@pytest.mark.parametrize(
    ("arg", "quoted"),
    [
        ("plain", "plain"),
        ("", '""'),
        ("a b", '"a b"'),
        ('a"b', r'"a\"b"'),
        ("a b\\", '"a b\\\\"'),
        ("a\\b\\", "a\\b\\"),
        ("a\n", '"a\n"'),
        ('\\"', r'"\\\""'),
    ],
)
def test_an_argument_is_quoted_only_where_it_must_be(arg: str, quoted: str) -> None:
    assert quote_windows(["tool", arg]) == f'"tool" {quoted}'


def test_a_program_is_always_in_quotes_in_which_backslashes_are_plain() -> None:
    assert quote_windows(["C:\\a b\\"]) == '"C:\\a b\\"'


@pytest.mark.parametrize("program", ['a"b', '"C:\\a b\\tool.exe"', '"'])
def test_a_program_with_a_quote_is_refused_with_the_remedy(program: str) -> None:
    found = refused(ProcessSpec(argv=(program, "x")))
    assert found.keys() == {"spec.argv.args[0]"}
    assert "leave the quotes out" in found["spec.argv.args[0]"]
    assert not refused(ProcessSpec(argv=(program, "x")), LINUX)


def test_the_longest_command_line_passes_and_one_unit_more_is_refused() -> None:
    pair = "\U0001f600"  # two units
    for made, field in (
        (lambda size: {"command_line": pair + "a" * (size - 2)}, "spec.command_line"),
        (lambda size: {"argv": ("a", pair + "b" * (size - len('"a" ') - 2))}, "spec.argv"),
    ):
        assert not refused(ProcessSpec(**made(MAX_UNITS)))
        found = refused(ProcessSpec(**made(MAX_UNITS + 1)))
        assert found.keys() == {field}
        assert "32767 UTF-16 units" in found[field]
        assert "at most 32766" in found[field]
        assert not refused(ProcessSpec(**made(MAX_UNITS + 1)), LINUX)


@pytest.mark.parametrize("line", ["", " \t"])
def test_a_command_line_without_a_program_is_refused(line: str) -> None:
    assert refused(ProcessSpec(command_line=line)).keys() == {"spec.command_line"}


def test_a_megabyte_of_backslashes_is_refused_within_the_time_of_a_test() -> None:
    assert refused(ProcessSpec(argv=("a", "\\" * 1_000_000 + " "))).keys() == {"spec.argv"}


# --- batch files ---

BATCH_FILES = ["a.bat", "C:\\x\\A.CMD", "a.bat.", "a.bat. . ", "a.Bat  ", "data.txt:a.bat"]


@pytest.mark.parametrize("program", BATCH_FILES)
@pytest.mark.parametrize("character", ['"', "%", "!", "\n", "\r", "\x1a"])
def test_what_cmd_would_change_is_refused_with_field_and_remedy(
    program: str, character: str
) -> None:
    found = refused(ProcessSpec(argv=(program, "fine", f"a{character}b")))
    assert found.keys() == {"spec.argv.args[2]"}
    assert "command_line" in found["spec.argv.args[2]"]
    assert character.isprintable() == (f"'{character}'" in found["spec.argv.args[2]"])
    assert not refused(ProcessSpec(argv=("a.exe", "fine", f"a{character}b")))


@pytest.mark.parametrize("program", ["a.exe", "a", "bat", ".bat.exe", "a.bat.exe", "a.batx"])
def test_what_is_no_batch_file_takes_all(program: str) -> None:
    assert not refused(ProcessSpec(argv=(program, '%PATH% & "x" \\')))


def test_a_batch_file_with_a_percent_sign_in_its_name_is_refused() -> None:
    assert refused(ProcessSpec(argv=("%a%.bat",))).keys() == {"spec.argv.args[0]"}


def test_a_backslash_before_the_closing_quote_cannot_be_right_for_all_readers() -> None:
    assert refused(ProcessSpec(argv=("a.bat", "b c\\"))).keys() == {"spec.argv.args[1]"}
    assert quote_windows(["a.bat", "C:\\b\\"]) == '"a.bat" C:\\b\\'
    assert not refused(ProcessSpec(argv=("a.bat", "C:\\b\\")))


@pytest.mark.parametrize("word", ["", "a b", "a&b", "a|b", "<a>", "^", "a=b", "a,b;c", "(a)", "é"])
def test_what_means_something_to_cmd_is_in_quotes(word: str) -> None:
    assert quote_windows(["a.bat", word]) == f'"a.bat" "{word}"'
    assert not refused(ProcessSpec(argv=("a.bat", word)))


def test_the_limit_of_cmd_holds_for_batch_files() -> None:
    rest = "a" * (MAX_BATCH_UNITS - len('"a.bat" '))
    assert not refused(ProcessSpec(argv=("a.bat", rest)))
    assert "cmd" in refused(ProcessSpec(argv=("a.bat", rest + "a")))["spec.argv"]


@given(st.lists(st.text(alphabet='ab\\" %!^&\té\n\U0001f600'), max_size=4))
def test_of_a_batch_file_no_quote_ends_before_its_word_does(words: list[str]) -> None:
    args = ("a.bat", *words)
    if not refused(ProcessSpec(argv=args)):
        line = quote_windows(args)
        outside = line.split(LEFT_QUOTE)[::2]  # what cmd reads outside of quotes
        assert not set("".join(outside)) & set("&|<>^%!\n\t")
        assert units(line) <= MAX_BATCH_UNITS


# --- variables ---


def test_spellings_of_one_name_are_one_variable_and_the_last_wins_with_its_spelling() -> None:
    asked = (
        ("Path", "A"),
        ("foo", "1"),
        ("PATH", "B"),
        ("FOO", ""),
        ("größe", "1"),
        ("GRÖßE", "2"),
    )
    assert variables(*asked) == {"PATH": "B", "FOO": "", "GRÖßE": "2"}
    assert variables(*asked, guest=LINUX) == dict(asked)


def test_names_that_windows_keeps_apart_stay_apart() -> None:
    asked = (
        ("ß", "1"),
        ("SS", "2"),
        ("\u0131", "3"),
        ("I", "4"),
        ("\u017f", "5"),
        ("S", "6"),
    )  # dotless, long
    assert variables(*asked) == dict(asked)


def test_a_variable_that_is_too_long_is_refused_by_its_place() -> None:
    fits = ("N", "v" * (MAX_UNITS - len("N=")))
    assert not refused(ProcessSpec(argv=("a",), env=(fits,)))
    found = refused(ProcessSpec(argv=("a",), env=(("A", "1"), (fits[0], fits[1] + "v"))))
    assert found.keys() == {"spec.env[1]"}
    assert "at most 32766" in found["spec.env[1]"]
    assert not refused(ProcessSpec(argv=("a",), env=((fits[0], fits[1] + "v"),)), LINUX)


# --- the rest ---


@pytest.mark.parametrize("directory", [".", "a", "~", "C:", "C:a", "..\\a", "é:\\a"])
def test_a_directory_of_windows_begins_at_a_root(directory: str) -> None:
    spec = ProcessSpec(argv=("a",), working_directory=directory)
    assert refused(spec).keys() == {"spec.working_directory"}


@pytest.mark.parametrize(
    "directory", ["", "C:\\", "c:/a", "\\a", "/a", "\\\\server\\a", "\\\\?\\C:\\"]
)
def test_each_kind_of_root_is_taken(directory: str) -> None:
    assert not refused(ProcessSpec(argv=("a",), working_directory=directory))


@pytest.mark.parametrize("directory", [".", "a", "~", "C:\\"])
def test_a_directory_of_posix_begins_with_a_slash(directory: str) -> None:
    spec = ProcessSpec(argv=("a",), working_directory=directory)
    assert refused(spec, LINUX).keys() == {"spec.working_directory"}
    assert not refused(ProcessSpec(argv=("a",), working_directory="/a"), LINUX)


def test_a_user_of_windows_has_no_group_behind_a_colon() -> None:
    spec = ProcessSpec(argv=("a",), user="build:docker")
    assert refused(spec).keys() == {"spec.user"}
    assert not refused(ProcessSpec(argv=("a",), user="DOMAIN\\build"))
    assert not refused(spec, LINUX)


WHOLE = Shape(uid=1, gid=0, umask=0, oom_score_adj=0, no_new_privileges=True)


@pytest.mark.parametrize("guest", Guest)
def test_hcs_is_asked_for_nothing_that_it_has_no_place_for(guest: Guest) -> None:
    spec = ProcessSpec(argv=("a",), shape=WHOLE)
    assert refused(spec, guest).keys() == {
        f"spec.{name}" for name in ("uid", "gid", "umask", "oom_score_adj", "no_new_privileges")
    }
    assert refused(ProcessSpec(argv=("a",), shape=NO_SHAPE), guest) == {}
    assert violations(spec, guest, shapes=True) == []


@pytest.mark.parametrize("told", ["Windows", "windows", "WINDOWS", "", None])
def test_a_guest_is_known_by_its_name_in_any_case(told: str | None) -> None:
    assert Guest.of(told or "", "windows") is WINDOWS
    assert Guest.of("LINUX", "windows") is LINUX

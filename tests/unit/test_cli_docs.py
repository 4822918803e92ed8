"""`hcsd docs`: the list of pages, a page in a pipe, and a page on a terminal."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hcsd.cli.commands import docs
from hcsd.cli.main import app
from hcsd.cli.output.pager import page_through
from tests.support import commands
from tests.support.person import at_terminal

FOLDER = Path(docs.__file__).parents[2] / "docs"
PAGES = {path.stem: path.read_bytes() for path in FOLDER.glob("*.md")}
NO_DAEMON = "unix:///nowhere"
LONG = "# A page\n\n" + "".join(f"Paragraph {number}.\n\n" for number in range(100))


@pytest.fixture
def long_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docs, "read_pages", lambda: {"index": "# I\n\nOne.\n", "long": LONG})


def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return commands.run_blocking(["docs", *arguments], os.environ)


# --- the list ---


@pytest.mark.parametrize(
    ("source", "title", "sentence"),
    [
        ("# A `page`\n\nIt says this. And that.\n", "A page", "It says this."),
        (
            "# A\n\nOver\ntwo lines, in v1.2, for\nall! More.\n",
            "A",
            "Over two lines, in v1.2, for all!",
        ),
        ("# A\n\n[Linked](other.md#part) and **bold**, *too*.\n", "A", "Linked and bold, too."),
        (
            "# A\n\n`hcsd_client` knows HCSD_TOKEN_FILE.\n",
            "A",
            "hcsd_client knows HCSD_TOKEN_FILE.",
        ),
        ("# A\n\n- an item\n\n```sh\necho\n```\n\nThe text.\n", "A", "The text."),
        ("# A\n\n## Part\n\nThe text without an end\n", "A", "The text without an end"),
        ("# Alone\n", "Alone", ""),
        ("No heading.\n", "", "No heading."),
        ("", "", ""),
    ],
)
def test_a_page_is_listed_by_its_title_and_first_sentence(
    source: str, title: str, sentence: str
) -> None:
    assert docs.summarise(source) == (title, sentence)


def test_all_pages_are_listed_and_the_index_first() -> None:
    names = list(docs.read_pages())
    assert names[0] == "index"
    assert names[1:] == sorted(PAGES.keys() - {"index"})
    listed = CliRunner().invoke(app, ["docs"])
    assert listed.exit_code == 0
    for name, source in docs.read_pages().items():
        title, sentence = docs.summarise(source)
        assert title
        assert f"\n{name} " in "\n" + listed.stdout
        assert title in listed.stdout
        assert sentence in listed.stdout  # whole: nothing is wrapped in a pipe


async def test_the_list_fits_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)  # set in a test worker; it beats the terminal's
    with at_terminal(NO_DAEMON, "docs", columns=40) as person:
        code, seen = await person.leave()
    assert code == 0
    assert max(len(line.rstrip()) for line in seen.decode().splitlines()) <= 40


# --- a page ---


@pytest.mark.parametrize("name", sorted(PAGES))
def test_in_a_pipe_a_page_is_its_source(name: str) -> None:
    done = run(name)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == PAGES[name]
    assert run(f"{name}.md").stdout == PAGES[name]


async def test_on_a_terminal_a_page_is_formatted_by_the_pager_of_the_person(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PAGER", "sed 's/^/paged: /'")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLORTERM", "truecolor")
    with at_terminal(NO_DAEMON, "docs", "index") as person:
        code, seen = await person.leave()
    assert code == 0
    assert all(line.startswith(b"paged: ") for line in seen.splitlines())
    assert b"\x1b[" in seen
    assert b"`hcsd" not in seen


@pytest.mark.parametrize("pager", ["", "no-such-pager", "a 'quote is open"])
async def test_without_a_pager_a_page_is_shown_all_the_same(
    monkeypatch: pytest.MonkeyPatch, pager: str
) -> None:
    monkeypatch.setenv("PAGER", pager)
    with at_terminal(NO_DAEMON, "docs", "index") as person:
        code, seen = await person.leave()
    assert code == 0
    assert docs.summarise(PAGES["index"].decode()).title.encode() in seen
    assert (f"cannot start the pager '{pager}'".encode() in seen) == bool(pager)


async def test_a_page_has_no_colours_if_the_person_wants_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PAGER", "cat")
    monkeypatch.setenv("NO_COLOR", "1")
    with at_terminal(NO_DAEMON, "docs", "index") as person:
        _, seen = await person.leave()
    styles = b";".join(re.findall(rb"\x1b\[([\d;]*)m", seen)).split(b";")
    assert {int(style or 0) for style in styles} <= {0, 1, 4}  # bold and underlined are no colours


async def test_ctrl_c_is_for_the_pager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "PAGER", "sh -c 'trap \"echo interrupted\" INT; echo ready; read key </dev/tty; cat'"
    )
    with at_terminal(NO_DAEMON, "docs", "index") as person:
        await person.expect(b"ready")
        person.type(b"\x03")
        await person.expect(b"interrupted")
        person.type(b"\r")
        code, _ = await person.leave()
    assert code == 0


def test_a_pager_may_be_left_before_it_has_read_everything(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PAGER", "true")
    assert page_through(LONG * 1000)
    assert capfd.readouterr().err == ""


# --- names ---


@pytest.mark.usefixtures("long_page")
def test_a_page_that_does_not_exist_is_an_error_with_the_nearest_name() -> None:
    told = CliRunner().invoke(app, ["docs", "lnog"])
    assert told.exit_code == 2
    assert "no page 'lnog'; did you mean 'long'? The pages are: index, long" in told.stderr
    told = CliRunner().invoke(app, ["docs", "../../README"])
    assert told.exit_code == 2
    assert "no page '../../README'. The pages are: index, long" in told.stderr


def test_a_shell_completes_pages() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hcsd"],
        env={
            **os.environ,
            "_HCSD_COMPLETE": "complete_bash",
            "COMP_WORDS": "hcsd docs in",
            "COMP_CWORD": "2",
        },
        capture_output=True,
        check=False,
    )
    assert done.stdout.decode().split() == [name for name in sorted(PAGES) if name.startswith("in")]

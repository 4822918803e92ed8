"""Manual pages are made of the help texts, and say on a terminal what these say."""

import re
import shutil
import subprocess

import pytest

from tests.manual import FOLDER, pages
from tests.support.command_tree import tree
from tests.support.roff import bold, prose, verbatim

needs_groff = pytest.mark.skipif(not shutil.which("groff"), reason="there is no groff here")


def test_the_pages_say_what_the_help_says() -> None:
    found = {
        path.relative_to(FOLDER).as_posix(): path.read_text("ascii")
        for path in FOLDER.rglob("*")
        if path.is_file()
    }
    assert found == pages(), "run: make generate"


def test_the_pages_differ_by_nothing_that_is_here_and_now(monkeypatch: pytest.MonkeyPatch) -> None:
    before = pages()
    for name, value in (("COLUMNS", "40"), ("HCSD_ADDRESS", "unix:///there"), ("HOME", "/there")):
        monkeypatch.setenv(name, value)
    assert pages() == before


@needs_groff
def test_groff_finds_nothing_wrong_with_the_pages() -> None:
    files = sorted(FOLDER.rglob("*.?"))
    assert _groff("-ww", "-z", *map(str, files)) == ""


@needs_groff
def test_the_pages_show_what_one_would_type() -> None:
    files = sorted(FOLDER.rglob("*.?"))
    lines = [line.strip() for line in _groff("-Tascii", "-P-cbou", *map(str, files)).splitlines()]
    assert lines.count("SYNOPSIS") == len(tree())
    examples = [example for node in tree() for example in node.examples]
    assert set(examples) - set(lines) == set()


@needs_groff
@pytest.mark.parametrize(
    "text",
    [
        r"sh -c 'printf \"%s\\n\" `id` ^~' # --dry-run",
        ".SH is no heading here",
        "'quoted at the beginning",
        "-it -- x--y",
    ],
)
def test_text_comes_through_roff_as_it_is(text: str) -> None:
    for source in (verbatim([text]), prose(text), bold(text).replace(r"\fB.", r"\fB\&.")):
        shown = _groff("-Tascii", "-P-cbou", source=f'.TH X 1 "" "" ""\n{source}\n')
        assert text in re.sub(r"\n +", " ", shown)


def _groff(*options: str, source: str = "") -> str:
    done = subprocess.run(
        ["groff", "-man", "-rLL=2000n", *options],  # noqa: S607
        input=source,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return done.stdout

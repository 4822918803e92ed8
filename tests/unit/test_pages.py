"""The form of the documentation: links that lead somewhere, a short README, pages that say what they answer."""

import re
from pathlib import Path

import pytest

from tests.support.pages import (
    DOCS,
    OTHERS,
    PAGES,
    README,
    ROOT,
    anchors,
    blocks,
    executed,
    links,
    programs,
)

RUN_BY = {
    "console": "tests/integration/test_pages.py",
    "python": "tests/integration/test_pages.py",
    "sh": "tests/integration/test_pages.py",
    "toml": "tests/integration/test_pages.py",
    "go": "tests/conformance/test_clients.py",
    "java": "tests/conformance/test_clients.py",
    "rust": "tests/conformance/test_clients.py",
    "typescript": "tests/conformance/test_clients.py",
}
# Shows the raw stubs, against Windows.
NOT_RUN = ["windows.md"]
BEGINNING = re.compile(r"# [^\n]+\n\n(This page [^.]+)\.\n\n")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_readme_is_short() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= 200


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", DOCS, ids=named)
def test_a_page_can_be_shipped_without_the_repository(page: Path) -> None:
    """All that it links to is beside it in the wheel."""
    local = {link.partition("#")[0] for link in links(page) if not link.startswith("https://")}
    assert local - {""} <= {page.name for page in DOCS}


@pytest.mark.parametrize("page", DOCS, ids=named)
def test_a_page_begins_with_what_it_answers(page: Path) -> None:
    """A heading, and one sentence."""
    assert BEGINNING.match(page.read_text("utf-8"))


def test_the_index_lists_every_page() -> None:
    index = ROOT / "hcsd/docs/index.md"
    assert sorted(links(index)) == [page.name for page in DOCS if page != index]


def test_what_a_fence_calls_tested_is_run() -> None:
    marked = {block.language for page in PAGES for block in blocks(page) if block.tested}
    assert marked == RUN_BY.keys()
    for language, file in RUN_BY.items():
        assert re.search(
            rf'(executed|programs)\(("{language}"|language\.name)\)',
            (ROOT / file).read_text("utf-8"),
        )


def test_every_python_program_is_run() -> None:
    """All but those that need Windows; they compile."""
    others = [
        block
        for page in PAGES
        for block in blocks(page)
        if block.language == "python" and not block.tested
    ]
    assert [block.page.name for block in others] == NOT_RUN
    for block in others:
        compile(block.text, str(block), "exec")
    assert [block for block, _ in programs("python")] == executed("python")

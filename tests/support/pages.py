"""The documentation as data: its pages, the blocks of code in them, their headings and their links.

A block whose fence says ``tested`` after its language, as in ```` ```python tested ````, is run by a
test as it is printed. If a block in ``text`` is the next one, that is what a program prints.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = sorted((ROOT / "hcsd/docs").glob("*.md"))
PAGES = (README, *DOCS)
# What is not part of the manual, but has links.
OTHERS = (
    ROOT / "CONTRIBUTING.md",
    ROOT / ".github/SECURITY.md",
    *sorted(ROOT.glob("clients/*/README.md")),
)

FENCE = re.compile(r"^```(\w*)(?: (.*))?$")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`[^`]*`")
HEADING = re.compile(r"^#+ (.*)$")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code.

    Attributes:
        page: The file that it is in.
        line: Number of its first line.
        language: The first word after the fence, or "".
        tested: Whether the fence says that a test runs it.
        text: What is in it.
    """

    page: Path
    line: int
    language: str
    tested: bool
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page in their order."""
    lines = enumerate(page.read_text("utf-8").splitlines(keepends=True), 1)
    for number, line in lines:
        if fence := FENCE.match(line):
            body = itertools.takewhile(lambda item: item[1].rstrip() != "```", lines)
            text = "".join(content for _, content in body)
            yield Block(page, number + 1, fence[1], fence[2] == "tested", text)


def executed(language: str) -> list[Block]:
    """Return what the tests run of a language, of all pages."""
    return [
        block
        for page in PAGES
        for block in blocks(page)
        if block.tested and block.language == language
    ]


def programs(language: str, pages: Iterable[Path] = PAGES) -> list[tuple[Block, str]]:
    """Return what the tests run of a language, and what the page says that it prints."""
    return [
        (block, after.text)
        for page in pages
        for block, after in itertools.pairwise(blocks(page))
        if block.tested and block.language == language and after.language == "text"
    ]


def prose(page: Path) -> Iterator[str]:
    """Yield the lines of a page that are not in blocks of code."""
    inside = False
    for line in page.read_text("utf-8").splitlines():
        if line.startswith("```"):
            inside = not inside
        elif not inside:
            yield line


def links(page: Path) -> list[str]:
    """Return what a page links to, as it is written."""
    return [target for line in prose(page) for target in LINK.findall(CODE.sub("code", line))]


def anchors(page: Path) -> set[str]:
    """Return what a link into a page may have after its ``#``, as GitHub makes it of headings."""
    found: Counter[str] = Counter()
    names = set()
    for line in prose(page):
        if heading := HEADING.match(line):
            name = re.sub(r"[^\w\- ]", "", heading[1].lower()).replace(" ", "-")
            names.add(f"{name}-{found[name]}" if found[name] else name)
            found[name] += 1
    return names

"""What the libraries offer, in a table of the manual: by feature and language, how a program writes it.

`python -m tests.conformance --offers` asks the runners and writes the columns of the languages it was told;
the suite says when a column is out of step.
"""

import re

from tests.conformance.languages import LANGUAGES, ROOT
from tests.conformance.matching import CaseError, Table
from tests.conformance.runner import Runner

PAGE = ROOT / "hcsd/docs/clients.md"
BEGIN, END = "<!-- offers:begin -->\n", "<!-- offers:end -->\n"
NOTHING = "-"
CELLS = re.compile(r"(?<!\\)\|")

FEATURES = {
    "run": "a process that ends with its program",
    "create": "a process that lives on",
    "open": "a process that is there",
    "list": "the processes of a system",
    "watch": "events as they happen",
    "systems": "compute systems",
    "properties": "properties of a process or system",
    "modify": "changes to what runs, as of a console",
    "communicate": "all input and output in one call",
    "exec": "a command run to its end, in one call",
    "lines": "the lines of both outputs, in their order",
    "since": "when a line was read, and lines from a time on",
    "wait": "the exit of a process",
    "signal": "signals and console events",
    "terminate": "the end of a process and its descendants",
    "stdout": "output as a stream of the language",
    "stdin": "input as a stream of the language",
    "options": "how a process is kept",
    "discard": "output that nobody will read",
    "stderr_to_stdout": "both outputs as one",
    "pin": "a process that stays until it is deleted",
    "owner_grace": "how long it outlives its program",
    "blocking": "calls that block",
    "async": "calls that do not block",
    "deadline": "a deadline of a call",
    "cancel": "the end of a call",
    "retry": "how often it is tried again",
    "keepalive": "how silent connections are kept",
    "tls": "certificates",
    "token": "the token",
    "logging": "what the library logs",
    "interceptors": "interceptors, as for tracing",
    "channel": "other options of the channel",
    "errors": "failures, told apart",
    "stubs": "the calls of the contract",
}

Columns = dict[str, dict[str, str]]


async def offered(runner: Runner) -> dict[str, str]:
    """Ask a runner what its library offers; nothing if it cannot tell.

    Raises:
        CaseError: The answer is none, or has what is no feature.
    """
    _, answer = runner.start("offers", {})
    response: Table = await answer
    if response.get("error", {}).get("class") == "Unsupported":
        return {}
    features: dict[str, str] = response.get("ok", {}).get("features", {})
    if not features:
        raise CaseError(f"answered {response}")
    if unknown := features.keys() - FEATURES.keys():
        raise CaseError(f"{', '.join(sorted(unknown))}: not in FEATURES of {__name__}")
    return features


def _cell(text: str | None) -> str:
    """Show each of the names by itself, so that a narrow column can break between them."""
    if text is None:
        return NOTHING
    return ", ".join(f"`{name}`" for name in text.replace("|", "\\|").split(", "))


def render(columns: Columns) -> str:
    """Lay out the table; each column has the features of a language by its name."""
    titles = " | ".join(language.title for language in LANGUAGES)
    rows = [f"| what | {titles} |\n", f"|---|{'---|' * len(LANGUAGES)}\n"]
    for feature, text in FEATURES.items():
        cells = [_cell(columns.get(language.name, {}).get(feature)) for language in LANGUAGES]
        rows.append(f"| {text} | {' | '.join(cells)} |\n")
    return "".join(rows)


def shown() -> Columns:
    """Read the columns as the page has them."""
    names = {text: feature for feature, text in FEATURES.items()}
    _, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    found: Columns = {language.name: {} for language in LANGUAGES}
    for row in rest.partition(END)[0].splitlines()[2:]:
        text, *cells = (cell.strip() for cell in CELLS.split(row)[1:-1])
        for column, cell in zip(found.values(), cells, strict=True):
            if text in names and cell != NOTHING:
                column[names[text]] = cell.replace("`", "").replace("\\|", "|")
    return found


def write(asked: Columns) -> None:
    """Write the columns of some languages, and leave those of the others."""
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    table = render(shown() | asked)
    PAGE.write_text(f"{before}{BEGIN}{table}{END}{after}", "utf-8")

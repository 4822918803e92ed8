"""Manual pages, made of the same texts as `--help`.

``python -m tests.manual`` writes them into hcsd/man; tests/unit/test_manual.py says when one is out of step. They are
checked in, so that a wheel is built without our dependencies, and a change of a help text shows what becomes of it.
A library could not do it: typer has a click of its own inside, whose commands click-man does not know.
"""

import re
from pathlib import Path

from hcsd.cli.connection import ClientCommand
from hcsd.cli.help_text import CommandGroup, rows_by_group
from hcsd.version import __version__
from tests.support.command_tree import Node, tree
from tests.support.roff import bold, escape, italic, item, prose, verbatim

FOLDER = Path(__file__).parents[1] / "hcsd/man"
HEAD = r'.\" Made of the help of the command by "make generate"; a change here is lost.'
VARIABLE = re.compile(r"\[env var: (\w+)")
MENTIONED = re.compile(r"'hcsd ([a-z]+)(?: ([a-z]+))?\b")
TITLES = {"Exit code": "EXIT STATUS", "Examples": "EXAMPLES"}

# What no option has.
VARIABLES = {
    "serve": {"NO_COLOR": "Without colours in a log on a terminal."},
    "docs": {"PAGER": "Program that shows a page. Default: less."},
    "run": {"TERM": "Kind of the terminal, which -t gives to the process."},
}
SOCKET = {
    "$XDG_RUNTIME_DIR/hcsd/hcsd.sock": "Where a daemon listens by default, and commands look for it.",
    "/run/hcsd/hcsd.sock": "The same for root, if XDG_RUNTIME_DIR is not set.",
}
TOKEN = {
    "~/.local/state/hcsd/token": "Token for TCP addresses, made by the daemon. XDG_STATE_HOME replaces"
    " ~/.local/state, and root has /var/lib/hcsd.",
    "~/.local/state/hcsd/server.pem": "Beside the token: certificate by which clients know the daemon.",
}
KEY = {"~/.local/state/hcsd/server.key": "Private key of the certificates that the daemon makes."}


def pages() -> dict[str, str]:
    """Return all manual pages, by their paths below a folder of such pages."""
    names = {node.words: _name(node) for node in tree()}
    return {f"man1/{_name(node)}.1": _page(node, names) for node in tree()}


def _name(node: Node) -> str:
    return "-".join(("hcsd", *node.words))


def _page(node: Node, names: dict[tuple[str, ...], str]) -> str:
    name, text = _name(node), node.command.help or ""
    summary = node.command.get_short_help_str(1000).rstrip(".")
    sections = {
        "NAME": rf"{escape(name)} \- {escape(summary[0].lower() + summary[1:])}",
        "SYNOPSIS": _synopsis(node),
        "DESCRIPTION": prose(text),
        "OPTIONS": _options(node),
    }
    if isinstance(node.command, CommandGroup):
        sections["COMMANDS"] = _commands(_name(node), node.command)
    sections |= {
        "EXIT STATUS": "",
        "ENVIRONMENT": _variables(node),
        "FILES": _files(node),
        "EXAMPLES": "",
    }
    sections |= _blocks(node)
    sections["EXIT STATUS"] = sections["EXIT STATUS"] or _blocks(tree()[0])["EXIT STATUS"]
    sections["SEE ALSO"] = _see_also(node, names)
    head = f'.TH {name.upper()} 1 "" "hcsd {__version__}" "hcsd manual"\n.nh\n.ad l'
    body = [f".SH {title}\n{content}" for title, content in sections.items() if content]
    return "\n".join([HEAD, head, *body]) + "\n"


def _synopsis(node: Node) -> str:
    pieces = node.command.collect_usage_pieces(node.context)
    return " ".join([bold(str(node)), *map(italic, pieces)])


def _options(node: Node) -> str:
    unlisted = getattr(node.command, "unlisted", ())
    parts = []
    for group, rows in rows_by_group(node.command, node.context, unlisted).items():
        parts += [f".SS {group}", *(item(_head(words), text) for words, text in rows)]
    if isinstance(node.command, ClientCommand):
        parts.append(
            f".PP\nIt also takes the options that lead to the daemon: see {bold('hcsd')}(1)."
        )
    return "\n".join(parts)


def _head(words: str) -> str:
    """Return an option, or an argument, with its value in italics."""
    return " ".join(
        bold(word) if word.startswith("-") else italic(word) if word != "/" else word
        for word in words.split(" ")
    ).replace(r",\fP", r"\fP,")


def _commands(name: str, group: CommandGroup) -> str:
    """Return the commands of a group in its own order."""
    parts = []
    for title, rows in group.rows_of_commands().items():
        parts.append(f".SS {title}")
        parts += [item(f"{bold(f'{name}-{word.strip()}')}(1)", text) for word, text in rows]
    return "\n".join(parts)


def _blocks(node: Node) -> dict[str, str]:
    """Return what comes after the options, as sections; text without a title belongs to what is before it."""
    found: dict[str, str] = {}
    title = "DESCRIPTION"
    for block in node.blocks:
        if not block.title:
            found[title] = f"{found.get(title, '')}\n.PP\n{prose(' '.join(block.lines))}".lstrip()
            continue
        title = TITLES.get(block.title, block.title.upper())
        rows = [item(bold(word), text) for word, text in block.rows]
        found[title] = "\n".join(rows) or verbatim(block.lines)
    return found


def _variables(node: Node) -> str:
    found = dict(VARIABLES.get(" ".join(node.words), {}))
    for rows in rows_by_group(node.command, node.context).values():
        for words, text in rows:
            for variable in VARIABLE.findall(text):
                options = re.findall(r"--[\w-]+", words)
                found[variable] = f"Stands for {options[0]} where that is not given."
    return _items(found)


def _files(node: Node) -> str:
    if node.words in {(), ("serve",)}:
        return _items(SOCKET | TOKEN | KEY)
    return _items(SOCKET | TOKEN) if isinstance(node.command, ClientCommand) else ""


def _items(rows: dict[str, str]) -> str:
    return "\n".join(item(bold(name), text) for name, text in rows.items())


def _see_also(node: Node, names: dict[tuple[str, ...], str]) -> str:
    """Return the pages that the help mentions, and those next to this one."""
    said = " ".join([node.command.help or "", *(" ".join(lines) for _, lines in node.blocks)])
    found = dict.fromkeys([names[node.words[:-1] if node.words else ("docs",)]])
    for first, second in MENTIONED.findall(said):
        found |= dict.fromkeys(
            names[words] for words in ((first, second), (first,)) if words in names
        )
    found.pop(_name(node), None)
    return ",\n".join(f"{bold(name)}(1)" for name in sorted(found))


def main() -> None:
    wanted = pages()
    for path in FOLDER.rglob("*.?"):
        if path.relative_to(FOLDER).as_posix() not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / name).write_text(text, encoding="ascii", newline="\n")


if __name__ == "__main__":
    main()

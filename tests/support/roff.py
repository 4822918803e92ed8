"""Text as man(7) has it, the language of manual pages."""

import re

# Roff would make a typographic character of these, which no shell takes.
ESCAPES = str.maketrans(
    {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti", '"': r"\(dq"}
)
# What stands out in prose: a command in quotes, which it then loses, and an option.
LITERAL = re.compile(r"'((?:man )?hcsd\b[^']*)'|((?<![\w-])--?[A-Za-z][\w-]*)")


def escape(text: str) -> str:
    """Return text that roff shows as it is, anywhere but at the beginning of a line."""
    assert text.isascii(), f"a manual page is in ASCII: {text!r}"
    return text.translate(ESCAPES)


def bold(text: str) -> str:
    return rf"\fB{escape(text)}\fP"


def italic(text: str) -> str:
    return rf"\fI{escape(text)}\fP"


def prose(text: str) -> str:
    """Return paragraphs, each sentence on a line of its own."""
    return "\n.PP\n".join(_paragraph(part) for part in re.split(r"\n\s*\n", text.strip()))


def _paragraph(text: str) -> str:
    lines = re.sub(r"(?<=[.:;])\s+(?=[A-Z'\[])", "\n", " ".join(text.split())).splitlines()
    return "\n".join(_at_beginning(_marked(line)) for line in lines)


def _marked(text: str) -> str:
    out, end = [], 0
    for found in LITERAL.finditer(text):
        out += [escape(text[end : found.start()]), bold(found[1] or found[2])]
        end = found.end()
    return "".join([*out, escape(text[end:])])


def verbatim(lines: list[str]) -> str:
    """Return lines that keep their breaks and blanks."""
    return "\n".join([".EX", *(_at_beginning(escape(line)) for line in lines), ".EE"])


def item(head: str, text: str) -> str:
    """Return an item of a list; its head is in roff already."""
    return f".TP\n{_at_beginning(head)}\n{prose(text) if text else ''}".rstrip("\n")


def _at_beginning(line: str) -> str:
    return rf"\&{line}" if line.startswith((".", "'")) else line

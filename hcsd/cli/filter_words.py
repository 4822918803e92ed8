"""What every ``--filter`` takes: ``KEY=VALUE``, where a label is ``label=KEY=VALUE``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class FilterWord(NamedTuple):
    """A filter as it was typed.

    Attributes:
        text: All of it.
        key: What is before the first ``=``.
        value: What is behind it.
    """

    text: str
    key: str
    value: str

    @property
    def label(self) -> tuple[str, str] | None:
        """The key and the value of the label that it asks for; None if it asks for none."""
        key, equals, value = self.value.partition("=")
        return (key, value) if self.key == "label" and key and equals else None

    def refusal(self, forms: str) -> typer.BadParameter:
        """Return an error which says that it is none of the forms."""
        return typer.BadParameter(
            f"'{self.text}' is no filter; write label=KEY=VALUE, name=TEXT, {forms}",
            param_hint="--filter",
        )


def filter_words(texts: Iterable[str]) -> Iterator[FilterWord]:
    """Iterate over what was typed, taken apart."""
    for text in texts:
        key, _, value = text.partition("=")
        yield FilterWord(text, key, value)

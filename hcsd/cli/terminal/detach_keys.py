"""The keys that end a session at a console while the process goes on."""

from __future__ import annotations

import typer

DETACH_KEYS = "ctrl-p,ctrl-q"  # as docker has it
_CONTROL = "@abcdefghijklmnopqrstuvwxyz[\\]^_"  # in the order of their codes, from 0


def parse_keys(text: str) -> bytes:
    """Read keys such as ``ctrl-p,ctrl-q``; nothing is no keys.

    Raises:
        typer.BadParameter: One is no key.
    """
    return b"".join(_parse_key(key, text) for key in text.split(",")) if text else b""


def check_keys(text: str) -> str:
    """Refuse what `parse_keys` cannot read."""
    parse_keys(text)
    return text


def _parse_key(key: str, text: str) -> bytes:
    name = key.strip().lower().removeprefix("ctrl-")
    if len(name) == 1 and name != key.strip().lower() and name in _CONTROL:
        return bytes([_CONTROL.index(name)])
    if len(key) == 1 and key.isascii() and key.isprintable():
        return key.encode()
    raise typer.BadParameter(
        f"'{key}' in '{text}' is not a key; write a character or ctrl- with one of a-z @ [ \\ ] ^ _,"
        f" as in {DETACH_KEYS}"
    )


class DetachKeys:
    """Finds the keys in what is typed.

    A part of them at the end of what was typed is held back until it is known whether the rest
    follows.

    Args:
        keys: What to find, as people write it; nothing is never found.

    Raises:
        typer.BadParameter: They are no keys.
    """

    def __init__(self, keys: str) -> None:
        self._sequence = parse_keys(keys)
        self._held = b""

    @property
    def holding(self) -> bool:
        """Whether something is held back."""
        return bool(self._held)

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """Return what to pass on, and whether the keys were found behind it."""
        data = self.release() + data
        if not self._sequence:
            return data, False
        passed, found, _ = data.partition(self._sequence)
        if not found:
            self._held = self._beginning_at_end_of(data)
            passed = data[: len(data) - len(self._held)]
        return passed, bool(found)

    def release(self) -> bytes:
        """Return what was held back; it is not the keys."""
        held, self._held = self._held, b""
        return held

    def _beginning_at_end_of(self, data: bytes) -> bytes:
        """Return as much of the sequence's beginning as `data` ends with."""
        for size in range(len(self._sequence) - 1, 0, -1):
            if data.endswith(self._sequence[:size]):
                return self._sequence[:size]
        return b""

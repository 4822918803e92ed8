"""Values as documents of JSON that a newer daemon can read; their bytes are in `packing`.

    value ──encode──▶ document ──pack──▶ bytes ──unpack──▶ document ──decode──▶ value

A member that has its default is left out, and a member that is missing has its default; one that is
unknown is ignored. So a type may get a new member if that has a default, and the rows that an older
daemon wrote still say what they said. Two things need a step of `database.SCHEMA`: another default, and
a new member without one. Members of an enum are kept by their names, so those must stay.

No library does it. Texts may hold lone surrogates, which msgspec, orjson and pydantic refuse in JSON, and
most types here import what they are made of for type checkers only, so that no library can ask for it.
What differs from type to type is one line for each member, in `forms`; a test holds that none is missing.
"""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, cast

if TYPE_CHECKING:
    import enum
    from collections.abc import Callable, Iterable

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
M = TypeVar("M", bound="enum.Enum")


class CodecError(ValueError):
    """A document is not one of the type that is wanted, or its bytes are damaged."""


class Codec(Protocol[T_co]):
    """How the values of a type are written as JSON, and read."""

    def encode(self, value: object) -> object:
        """Return what JSON can say of it."""

    def decode(self, document: object) -> T_co:
        """Return the value.

        Raises:
            CodecError: The document is none of this type.
        """


class Plain(Generic[T]):
    """What JSON has by itself."""

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind

    def encode(self, value: object) -> object:
        """Return it as it is."""
        return value

    def decode(self, document: object) -> T:
        """Return it as it is."""
        if type(document) is not self._kind:
            msg = f"{type(document).__name__} in the place of {self._kind.__name__}"
            raise CodecError(msg)
        return document


class Real:
    """A number that need not be whole."""

    def encode(self, value: object) -> object:
        """Return it as it is."""
        return value

    def decode(self, document: object) -> float:
        """Return it as a float."""
        if type(document) is not float and type(document) is not int:
            msg = f"{type(document).__name__} in the place of a number"
            raise CodecError(msg)
        return float(document)


class Hex:
    """Bytes."""

    def encode(self, value: object) -> object:
        """Return them in hexadecimal."""
        return cast("bytes", value).hex()

    def decode(self, document: object) -> bytes:
        """Return the bytes."""
        try:
            return bytes.fromhex(TEXT.decode(document))
        except ValueError as error:
            raise CodecError(str(error)) from error


class Optional(Generic[T]):
    """A value, or None."""

    def __init__(self, codec: Codec[T]) -> None:
        self._codec = codec

    def encode(self, value: object) -> object:
        """Return null for None."""
        return None if value is None else self._codec.encode(value)

    def decode(self, document: object) -> T | None:
        """Return None for null."""
        return None if document is None else self._codec.decode(document)


class Member(Generic[M]):
    """A member of an enum, by its name."""

    def __init__(self, kind: type[M]) -> None:
        self._kind = kind

    def encode(self, value: object) -> object:
        """Return its name."""
        return cast("M", value).name

    def decode(self, document: object) -> M:
        """Return the member of that name."""
        try:
            return self._kind[TEXT.decode(document)]
        except KeyError as error:
            msg = f"{self._kind.__name__} has no {error}"
            raise CodecError(msg) from error


class Row(Generic[T]):
    """A tuple of any length."""

    def __init__(self, codec: Codec[T]) -> None:
        self._codec = codec

    def encode(self, value: object) -> object:
        """Return a list."""
        return [self._codec.encode(item) for item in cast("tuple[T, ...]", value)]

    def decode(self, document: object) -> tuple[T, ...]:
        """Return a tuple."""
        return tuple(self._codec.decode(item) for item in _list(document))


class Pair(Generic[T]):
    """Two values of one type."""

    def __init__(self, codec: Codec[T]) -> None:
        self._row = Row(codec)

    def encode(self, value: object) -> object:
        """Return a list."""
        return self._row.encode(value)

    def decode(self, document: object) -> tuple[T, T]:
        """Return a tuple."""
        found = self._row.decode(document)
        if len(found) != 2:
            msg = f"{len(found)} values in the place of two"
            raise CodecError(msg)
        return found[0], found[1]


class Among(Generic[T]):
    """A frozen set."""

    def __init__(self, codec: Codec[T]) -> None:
        self._codec = codec

    def encode(self, value: object) -> object:
        """Return a sorted list, so that equal sets are equal documents."""
        items = (self._codec.encode(item) for item in cast("frozenset[T]", value))
        return sorted(cast("Iterable[str]", items))

    def decode(self, document: object) -> frozenset[T]:
        """Return a set."""
        return frozenset(self._codec.decode(item) for item in _list(document))


class Labels:
    """A mapping of texts, in its order."""

    def encode(self, value: object) -> object:
        """Return an object."""
        return dict(cast("dict[str, str]", value))

    def decode(self, document: object) -> dict[str, str]:
        """Return a mapping."""
        return {name: TEXT.decode(value) for name, value in members(document).items()}


class Record(Generic[T]):
    """A dataclass or a named tuple.

    Args:
        kind: The class.
        given: Names of members that are not kept; `decode` is given them, or they have defaults.
        kept: How each other one is kept.

    Raises:
        TypeError: Not every member that can be given is in one of both.
    """

    def __init__(self, kind: type[T], /, given: Iterable[str] = (), **kept: Codec[object]) -> None:
        defaults = _defaults(kind)
        if {*given, *kept} != defaults.keys():
            wrong = sorted({*given, *kept} ^ defaults.keys())
            msg = f"members of {kind.__name__} without a form, or forms without one: {wrong}"
            raise TypeError(msg)
        self.kind = kind
        self._kept = [(name, defaults[name], codec) for name, codec in kept.items()]
        # What JSON has by itself needs no call: this is done at every step of every process.
        self._written = [
            (name, defaults[name], None if isinstance(codec, Plain) else codec.encode)
            for name, codec in kept.items()
        ]
        self._make = cast("Callable[[dict[str, object]], T]", lambda named: kind(**named))

    def encode(self, value: object) -> dict[str, object]:
        """Return an object of the members that do not have their defaults."""
        document: dict[str, object] = {}
        for name, default, encode in self._written:
            member = getattr(value, name)
            if member is not default and member != default:
                document[name] = member if encode is None else encode(member)
        return document

    def decode(self, document: object, **given: object) -> T:
        """Return the value."""
        found = members(document)
        for name, default, codec in self._kept:
            if name in found:
                given[name] = codec.decode(found[name])
            elif default is MISSING:
                msg = f"{self.kind.__name__} without '{name}'"
                raise CodecError(msg)
        return self._make(given)


def _defaults(kind: type[object]) -> dict[str, object]:
    """Return the default of each member that can be given; MISSING where there is none."""
    if is_dataclass(kind):
        # What a factory makes is made anew each time, so it is written.
        return {item.name: item.default for item in fields(kind) if item.init}
    names = cast("tuple[str, ...]", getattr(kind, "_fields"))  # noqa: B009  (of a named tuple)
    found = cast("dict[str, object]", getattr(kind, "_field_defaults"))  # noqa: B009
    return {name: found.get(name, MISSING) for name in names}


def members(document: object) -> dict[str, object]:
    """Return the members of an object.

    Raises:
        CodecError: It is none.
    """
    if not isinstance(document, dict):
        msg = f"{type(document).__name__} in the place of an object"
        raise CodecError(msg)
    return document


def _list(document: object) -> list[object]:
    if not isinstance(document, list):
        msg = f"{type(document).__name__} in the place of a list"
        raise CodecError(msg)
    return document


TEXT = Plain(str)
WHOLE = Plain(int)
FLAG = Plain(bool)
FLOAT = Real()

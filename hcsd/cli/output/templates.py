r"""What `--format` prints: a template with fields, as people of docker type them.

    {{.name}} {{.exit.exit_code}}     fields, by the names that --output json prints
    {{json .}} {{json .labels}}       the same as JSON; `json` alone is {{json .}}
    {{index .labels "com.x/y"}}       a member whose name is no plain word, or one of a list by its number
    table {{.name}}\t{{.pid}}         a table: columns at \t, with headings

This much of Go's templates prints any field, and what else they can do is for `jq`. A library such as Jinja reads
the same braces and means something else by them (``{{ .name }}`` is an error there), and it runs code.
Python's own `str.format` reads attributes of objects.

A template is read when the command line is, and its fields are held against the contract before anything is asked. So a
mistake is told at once. A field that is not set prints nothing. What others chose is printable, as everywhere. The text
between the fields is the person's own, and printed as it is.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from hcsd.cli.did_you_mean import did_you_mean
from hcsd.printable import printable, printable_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeAlias

    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

    # What a value may look like: an object with members, or many; None if it is neither.
    Shape: TypeAlias = "Descriptor | Mapping[str, Shape] | Many | None"

_FIELD = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_PATH = re.compile(r"\.|(?:\.[\w-]+)+")
TABLE = "table "
# Words of docker, and fields that lie deeper, in small letters and without "_": what may be meant.
_IDS = ("id", "system_id")
ELSEWHERE: Mapping[str, tuple[str, ...]] = {
    "id": _IDS,
    "names": _IDS,
    "status": ("state",),
    "exitcode": ("exit.exit_code",),
    "exittime": ("exit.exit_time",),
    "command": ("spec.argv.args",),
    "createdat": ("create_time",),
}
AS_TEXT = {"google.protobuf.Duration", "google.protobuf.Timestamp"}
HOW = '{{.FIELD}}, {{json .FIELD}} or {{index .FIELD "KEY"}}'


class TemplateError(typer.BadParameter):
    """A template makes no sense, or asks for a field that there is not."""

    def __init__(self, message: str) -> None:
        super().__init__(message, param_hint="--format")


@dataclass(frozen=True)
class Many:
    """The shape of a list, or of an object with members of any names.

    Attributes:
        of: The shape of each; None for one without members.
        is_list: Whether it is a list.
    """

    of: Shape
    is_list: bool


@dataclass(frozen=True)
class Field:
    """A place in a template that a field takes.

    Attributes:
        path: Names of members, from the outermost; empty for the whole.
        as_json: Whether it is printed as JSON.
    """

    path: tuple[str, ...]
    as_json: bool

    @classmethod
    def of(cls, text: str) -> Field:
        """Read what is in the braces."""
        try:
            words = shlex.split(text)
        except ValueError:
            words = []
        match words:
            case [path] if _PATH.fullmatch(path):
                return cls(_members(path), as_json=path == ".")
            case ["json", path] if _PATH.fullmatch(path):
                return cls(_members(path), as_json=True)
            case ["index", path, _, *_] if _PATH.fullmatch(path):
                return cls((*_members(path), *words[2:]), as_json=False)
        raise TemplateError(f"'{{{{{text}}}}}' is not understood; write {HOW}")

    def text_of(self, value: object) -> str:
        """Return its text."""
        for key in self.path:
            if isinstance(value, list):
                value = {str(number): item for number, item in enumerate(value)}.get(key)
            else:
                value = value.get(key) if isinstance(value, dict) else None
        if self.as_json or isinstance(value, dict | list | bool):
            return printable_json(value)
        return "" if value is None else printable(str(value))


@dataclass(frozen=True)
class Template:
    """A template: lines, or a table.

    Attributes:
        columns: Pieces of text and fields; all in one column if it is no table.
        is_table: Whether it is one.
    """

    columns: tuple[tuple[str | Field, ...], ...]
    is_table: bool

    @classmethod
    def of(cls, text: str) -> Template:
        """Read what was typed.

        Raises:
            TemplateError: It makes no sense.
        """
        is_table = text.startswith(TABLE)
        text = "{{json .}}" if text.strip() == "json" else text.removeprefix(TABLE)
        cells = re.split(r"\\t|\t", text.strip()) if is_table else [text]
        found = cls(tuple(tuple(_pieces(cell)) for cell in cells), is_table)
        if not any(isinstance(piece, Field) for column in found.columns for piece in column):
            raise TemplateError(f"'{text}' has no field; write {HOW}, or 'json'")
        return found

    def has(self, name: str) -> bool:
        """Tell whether a field is one of this name, of what is printed itself."""
        pieces = (piece for column in self.columns for piece in column)
        return any(isinstance(piece, Field) and piece.path[:1] == (name,) for piece in pieces)

    def check(
        self,
        printed: type[Message] | Mapping[str, type[Message] | None],
        also: Iterable[str] = (),
    ) -> None:
        """Hold the fields against what is printed.

        Args:
            printed: A message; or the members of an object, each a message, or None if it is a mere value.
            also: Names of mere values that come on top, if the template `has` them.

        Raises:
            TemplateError: There is no such field; says which there are.
        """
        if not isinstance(printed, Mapping):
            shape = _shapes_in(printed.DESCRIPTOR)  # type: ignore[arg-type]  # of two classes, which are alike
        else:
            shape = {name: of and of.DESCRIPTOR for name, of in printed.items()}  # type: ignore[misc]
        shape = {**dict.fromkeys(also), **shape}
        for column in self.columns:
            for piece in column:
                if isinstance(piece, Field):
                    _check(piece.path, shape)

    def show(self, values: Iterable[Mapping[str, object]]) -> None:
        """Print values, as `hcsd.cli.output.json_output.plain` makes them."""
        rows = [[self._cell(column, value) for column in self.columns] for value in values]
        if self.is_table:
            from hcsd.cli.output.tables import print_table

            print_table([_heading(column) for column in self.columns], rows, whole=True)
        elif rows:
            print("\n".join(cell for (cell,) in rows), flush=True)

    @staticmethod
    def _cell(column: tuple[str | Field, ...], value: object) -> str:
        return "".join(
            piece.text_of(value) if isinstance(piece, Field) else piece for piece in column
        )


def _members(path: str) -> tuple[str, ...]:
    return tuple(filter(None, path.split(".")))


def _pieces(text: str) -> Iterator[str | Field]:
    for number, piece in enumerate(_FIELD.split(text)):
        if number % 2:
            yield Field.of(piece.strip())
        elif "{{" in piece or "}}" in piece:
            raise TemplateError(f"'{text}' has braces without their counterparts; write {HOW}")
        elif piece:
            yield piece.replace(r"\t", "\t").replace(r"\n", "\n")


def _heading(column: tuple[str | Field, ...]) -> str:
    names = [piece.path[-1] for piece in column if isinstance(piece, Field) and piece.path]
    return " ".join(names).upper().replace("_", " ")


def _check(path: tuple[str, ...], shape: Shape) -> None:
    said = ""
    for key in path:
        if isinstance(shape, Many):
            if shape.is_list and not key.isdecimal():
                raise TemplateError(
                    f"'{said}' is a list; write {{{{index {said} 0}}}} or {{{{json {said}}}}}"
                )
            shape = shape.of
        else:
            members = _shapes_in(shape)
            if key not in members:
                raise TemplateError(_no_member(said, key, list(members)))
            shape = members[key]
        said = f"{said}.{key}"


def _shapes_in(shape: Descriptor | Mapping[str, Shape] | None) -> Mapping[str, Shape]:
    """Return the members of an object; none if it is no object, or one that is printed as a text."""
    if shape is None or isinstance(shape, Mapping):
        return shape or {}
    if shape.full_name in AS_TEXT:
        return {}
    return {field.name: _shape_of(field) for field in shape.fields}


def _shape_of(field: FieldDescriptor) -> Shape:
    shape = field.message_type
    if shape is not None and shape.GetOptions().map_entry:
        return Many(_shape_of(shape.fields_by_name["value"]), is_list=False)
    return Many(shape, is_list=True) if field.is_repeated else shape


def _no_member(said: str, key: str, members: list[str]) -> str:
    if not members:
        return f"'{said}' has no fields"
    meant = ELSEWHERE.get(key.lower().replace("_", ""), ()) if not said else ()
    certain = [path for path in meant if path.partition(".")[0] in members]
    hint = did_you_mean(key.lower(), members, certain)
    there = f"{said or 'the result'} has {', '.join(members)}"
    return f"there is no field '{said}.{key}'; {hint + ' ' if hint else ''}{there}"

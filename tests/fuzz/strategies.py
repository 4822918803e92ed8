"""Messages and documents, mostly wrong ones.

Messages are made from their descriptors, so that a field that is added later is fuzzed too. Where
any text would do, texts are preferred that have a meaning: names of processes in every state,
documents, tokens. Programs are harmless: nothing made of random letters is ever run.
"""

import json
import random

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

from tests.fuzz.connection import mutated
from tests.fuzz.target import MADE, NAMES
from tests.integration.wire import HOST

SYSTEMS = [HOST, "systems/-", "systems/%68ost", "systems/none", "systems/%FF"]
PROGRAMS = ["true", "false", "cat", "printf", "/no/such/program", "/etc", "/etc/passwd", "", "."]

text = st.text(max_size=20)  # any character but surrogates, which protobuf has not
words = st.one_of(
    text,
    st.sampled_from(
        [*NAMES, *SYSTEMS, "host", "TERM", "SIGKILL", "CtrlC", "\0", "%00", "-", "a/b"]
    ),
)
json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        text,
        st.sampled_from(["\ud800", "\udcff", "\0", "StdIn", "All", "CtrlC", "ConsoleSize"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    *("Signal", "Operation", "ConsoleSize", "CloseHandle", "Handle", "Height"),
                    *("Width", "User", "WorkingDirectory", "Environment", "EmulateConsole"),
                    *("CreateStdInPipe", "CreateStdOutPipe", "RestrictedToken", "\ud800", "x"),
                    *("Owner", "SchemaVersion", "Major", "Minor", "Container", "Memory"),
                    *("SizeInMB", "Processor", "Count", "Maximum", "Weight", "PropertyTypes"),
                    *("ResourcePath", "RequestType", "Settings", "Type", "Mechanism", "Force"),
                    *("ShouldTerminateOnLastHandleClosed", "SuspensionLevel", "SaveType"),
                ]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=8,
)
programs = st.fixed_dictionaries(
    {}, optional={"CommandArgs": st.lists(st.sampled_from(PROGRAMS), max_size=3)}
)


# Documents that readers of JSON take each in its own way, or not at all.
odd_documents = st.sampled_from(
    [
        '{"Owner":"a","Owner":{"b":1},"CommandArgs":["true"],"CommandArgs":["false"]}',
        '{"CommandArgs":["true"],"Environment":{"a":"b","a":"c"}}',
        '{"Height":1e999,"Width":-1e999}',
        '{"ConsoleSize":{"Height":NaN,"Width":Infinity}}',
        '{"Signal":-0,"Operation":1E+2}',
        f'{{"SizeInMB":{"9" * 5000}}}',
        f'{{"SizeInMB":1e-{"9" * 400}}}',
        r'{"Owner":"\ud800","\udfff":"\u0000"}',
        '\ufeff{"Owner":"x"}',
        '{"Owner":"x"}{"Owner":"y"}',
        '{"Owner":"x",}',
        "{'Owner':'x'}",
        '{"Owner":/**/"x"}',
        "null",
        '"text"',
        "[]",
        "7",
        " ",
        '{"' + "k" * 100_000 + '":1}',
        "[" + "1," * 50_000 + "1]",
    ]
)


@st.composite
def nested(draw: st.DrawFn) -> str:
    """Documents that are nested deep, at their top or in one of their fields."""
    depth = draw(st.sampled_from([10, 100, 500, 900, 990, 1000, 1100, 5000, 100_000]))
    opening, closing = draw(st.sampled_from([("[", "]"), ('{"a":', "}")]))
    value = opening * depth + "1" + closing * draw(st.sampled_from([depth, depth, depth - 1]))
    field = draw(
        st.sampled_from(["", "Owner", "CommandArgs", "Container", "Environment", "Signal"])
    )
    return f'{{"{field}":{value}}}' if field else value


@st.composite
def documents(draw: st.DrawFn) -> str:
    """HCS documents, mostly wrong; a command, where there is one, is harmless."""
    value = draw(json_values)
    if isinstance(value, dict):
        value |= draw(programs)
    document = json.dumps(value)
    plain = st.sampled_from([document, document, document[:-1], f"{document} ", "[" * 9999])
    return draw(st.one_of(plain, plain, plain, odd_documents, nested()))


def scalar(field: FieldDescriptor) -> st.SearchStrategy[object]:
    """Values of a field that is no message."""
    if field.name.endswith("_json"):
        return documents()
    if field.name == "args":
        return st.sampled_from(PROGRAMS)
    if field.name == "command_line":
        return st.text(alphabet="tr'\"\\ $\t\0é", max_size=9).map(lambda rest: f"true {rest}")
    if field.enum_type is not None:
        return st.integers(-1, max(value.number for value in field.enum_type.values) + 1)
    kinds: dict[int, st.SearchStrategy[object]] = {
        FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
        FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
        FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
        FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
        FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
        FieldDescriptor.CPPTYPE_STRING: words,
    }
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=9)
    small = st.integers(0, 9) if field.cpp_type != FieldDescriptor.CPPTYPE_STRING else words
    return kinds[field.cpp_type] if field.cpp_type == 9 else st.one_of(small, kinds[field.cpp_type])


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor) -> Message:
    """Messages of a type, with any of their fields set to anything."""
    message = GetMessageClass(descriptor)()
    if isinstance(message, Duration):
        message.seconds = draw(st.sampled_from([0, 0, 1, -1, 2**63 - 1, -(2**63)]))
        message.nanos = draw(st.sampled_from([0, 10**7, 10**9, -1, 2**31 - 1]))
        return message
    for field in descriptor.fields:
        if draw(st.integers(0, 2)) == 0:
            continue
        fill(draw, message, field)
    return message


def fill(draw: st.DrawFn, message: Message, field: FieldDescriptor) -> None:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        getattr(message, field.name).update(draw(st.dictionaries(text, text, max_size=2)))
    elif field.is_repeated:
        item = scalar(field) if kind is None else messages(kind)
        getattr(message, field.name).extend(draw(st.lists(item, max_size=3)))
    elif kind is not None:
        getattr(message, field.name).CopyFrom(draw(messages(kind)))
    elif field.name in {"name", "parent"} and draw(st.integers(0, 3)):
        choices = SYSTEMS
        if field.name == "name":
            choices = NAMES if "Process" in message.DESCRIPTOR.name else [*MADE, *SYSTEMS]
        setattr(message, field.name, draw(st.sampled_from(choices)))
    else:
        setattr(message, field.name, draw(scalar(field)))


@st.composite
def nearly(draw: st.DrawFn, descriptor: Descriptor) -> bytes:
    """The bytes of a message, changed in a few places; a command in it is harmless still."""
    message = draw(messages(descriptor))
    changed = mutated(random.Random(draw(st.integers(0, 2**32))), message.SerializeToString())
    read = GetMessageClass(descriptor)()
    try:
        read.ParseFromString(changed)
    except DecodeError:
        return changed
    # A letter that is wrong in the name of a program must not make it another one.
    return changed if _commands(read) <= _commands(message) else b""


def _commands(message: Message) -> set[str]:
    """What of a message may end up as a command."""
    found: set[str] = set()
    for field, value in message.ListFields():
        if field.name == "args":
            found.update(value)
        elif field.name == "command_line" or field.name.endswith("_json"):
            found.add(value)
        elif field.message_type and not field.message_type.GetOptions().map_entry:
            found.update(*map(_commands, value if field.is_repeated else [value]))
    return found

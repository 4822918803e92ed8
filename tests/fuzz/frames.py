"""Bytes of HTTP/2 that no client library would send, and connections that behave as none does."""

import random
import struct
from pathlib import Path

from tests.fuzz.connection import connect, converse, mutated
from tests.fuzz.target import methods

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW, CONTINUATION = (
    range(10)
)
END_STREAM, ACK, END_HEADERS, PADDED, HAS_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
MANY = 300  # frames of a flood

PATHS = [
    *(f"/{method.containing_service.full_name}/{method.name}".encode() for method in methods()),
    *(b"/grpc.health.v1.Health/Watch", b"/grpc.health.v1.Health/Check"),
    b"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    *(b"/hcsd.v1.HostService/None", b"/", b"", b"*", b"/\xff\xfe", b"/%00/\0", b"//", b"/a" * 5000),
]
NAMES = [
    *(b"hcsd-incarnation", b"hcsd-request-id", b"authorization", b"grpc-timeout", b"grpc-encoding"),
    *(b"grpc-accept-encoding", b"user-agent", b"x-bin", b"grpc-status", b"content-length", b"host"),
    *(b":path", b":status", b":x", b"te", b"connection", b"X-Upper", b"", b"\xff", b"a\nb", b"x"),
    *(b"grpc-previous-rpc-attempts", b"grpc-trace-bin", b"content-type", b"grpc-tags-bin"),
]
VALUES = [
    *(b"", b"Bearer x", b"bearer \xff", b"\xff\xfe", b"\0", b"a\r\nb: c", b"%ZZ", b"1S", b"0n"),
    *(b"99999999H", b"999999999S", b"-1S", b"gzip", b"identity,gzip", b"!!!not base64", b"AAA"),
    *(b"x" * 8_000, b"x" * 70_000, b"\xc3\xa9", b"00000000-0000-0000-0000-000000000000"),
]


def frame(kind: int, flags: int, stream: int, payload: bytes, length: int | None = None) -> bytes:
    """A frame; `length` is what it says of itself."""
    size = len(payload) if length is None else length
    return struct.pack(">I", size)[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name: bytes, value: bytes) -> bytes:
    """A field of a header block that needs no table."""
    return b"\0" + _text(name) + _text(value)


def _text(text: bytes) -> bytes:
    if len(text) < 127:
        return bytes([len(text)]) + text
    size, rest = len(text) - 127, b"\x7f"
    while size >= 128:
        rest += bytes([size % 128 + 128])
        size //= 128
    return rest + bytes([size]) + text


class Conversation:
    """What one client sends; made of what a seed chooses."""

    def __init__(self, choose: random.Random) -> None:
        self._choose = choose
        self._stream = -1
        self._ways = [
            self._call,
            self._call,
            self._call,
            self._any_frame,
            self._settings,
            self._window,
            self._resets,
            self._continuations,
            self._large_headers,
            self._pings,
            self._priorities,
            self._lies_about_messages,
            self._after_the_end,
        ]

    def make(self) -> bytes:
        """All of it."""
        choose = self._choose
        preface = PREFACE if choose.random() < 0.97 else mutated(choose, PREFACE)
        first = frame(SETTINGS, 0, 0, b"") if choose.random() < 0.9 else self._settings()
        rest = b"".join(choose.choice(self._ways)() for _ in range(choose.randint(1, 6)))
        data = preface + first + rest
        return mutated(choose, data) if choose.random() < 0.2 else data

    def _open(self, *more: bytes, flags: int = END_HEADERS) -> bytes:
        self._stream += 2
        return frame(HEADERS, flags, self._stream, self._block() + b"".join(more))

    def _block(self) -> bytes:
        fields = [
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", self._choose.choice(PATHS)),
            (b":authority", b"localhost"),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
        ]
        fields += [
            (self._choose.choice(NAMES), self._choose.choice(VALUES))
            for _ in range(self._choose.choice([0, 0, 1, 2]))
        ]
        if self._choose.random() < 0.1:
            del fields[self._choose.randrange(len(fields))]
        if self._choose.random() < 0.1:
            self._choose.shuffle(fields)
        return b"".join(literal(*field) for field in fields)

    def _message(self) -> bytes:
        body = self._choose.randbytes(self._choose.choice([0, 0, 1, 9, 200]))
        return struct.pack(">BI", 0, len(body)) + body

    def _call(self) -> bytes:
        return self._open() + frame(DATA, END_STREAM, self._stream, self._message())

    def _lies_about_messages(self) -> bytes:
        choose = self._choose
        size = choose.choice([0, 1, 100, 2**24, 2**31, 2**32 - 1])
        data = struct.pack(">BI", choose.choice([0, 1, 2, 255]), size) + choose.randbytes(9)
        padded = bytes([choose.randrange(256)]) + data
        return self._open() + choose.choice(
            [
                frame(DATA, END_STREAM, self._stream, data),
                frame(DATA, END_STREAM | PADDED, self._stream, padded),
                frame(DATA, 0, self._stream, data) + frame(DATA, END_STREAM, self._stream, b""),
                frame(DATA, 0, self._stream, self._message()) * MANY,
                frame(DATA, 0, self._stream, b"") * MANY,
            ]
        )

    def _any_frame(self) -> bytes:
        choose = self._choose
        payload = choose.randbytes(choose.choice([0, 1, 4, 5, 6, 8, 9, 100, 20_000]))
        lie = choose.choice([None, None, None, 0, 2**24 - 1, choose.randrange(2**14)])
        stream = choose.choice([0, 1, 2, max(1, self._stream), 2**31 - 1, 2**32 - 1])
        return frame(choose.randrange(12), choose.randrange(256), stream, payload, lie)

    def _settings(self) -> bytes:
        choose = self._choose
        values = [0, 1, 2, 100, 2**14 - 1, 2**14, 2**24 - 1, 2**24, 2**31 - 1, 2**31, 2**32 - 1]
        pairs = b"".join(
            struct.pack(">HI", choose.choice([*range(10), 0xFE03, 0xFFFF]), choose.choice(values))
            for _ in range(choose.choice([0, 1, 1, 3, 50]))
        )
        if choose.random() < 0.1:
            pairs += b"\0"
        flags = choose.choice([0, 0, 0, ACK])
        return frame(SETTINGS, flags, 0, pairs) * choose.choice([1, 1, 1, MANY])

    def _window(self) -> bytes:
        choose = self._choose
        step = struct.pack(">I", choose.choice([0, 1, 2**31 - 1, 2**32 - 1]))
        stream = choose.choice([0, max(1, self._stream), 99])
        shut = frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0)) if choose.random() < 0.5 else b""
        return shut + frame(WINDOW, 0, stream, step) * choose.choice([1, 2, MANY])

    def _resets(self) -> bytes:
        code = struct.pack(">I", self._choose.randrange(16))
        return b"".join(
            self._open() + frame(RST_STREAM, 0, self._stream, code)
            for _ in range(self._choose.choice([1, 10, MANY]))
        )

    def _continuations(self) -> bytes:
        part = self._choose.choice([b"", b"\0", literal(b"x", b"y" * 100)])
        count = self._choose.choice([1, 10, MANY])
        start = self._open(flags=END_STREAM)
        end = frame(CONTINUATION, self._choose.choice([0, END_HEADERS]), self._stream, b"")
        return start + frame(CONTINUATION, 0, self._stream, part) * count + end

    def _large_headers(self) -> bytes:
        count = self._choose.choice([10, 150])
        return self._open(literal(b"x", b"y" * 100) * count, flags=END_HEADERS | END_STREAM)

    def _pings(self) -> bytes:
        size = self._choose.choice([8, 8, 8, 7, 0])
        flags = self._choose.choice([0, ACK])
        return frame(PING, flags, 0, bytes(size)) * self._choose.choice([1, MANY])

    def _priorities(self) -> bytes:
        stream = max(1, self._stream)
        itself = struct.pack(">IB", self._choose.choice([stream, 0, 2**32 - 1]), 255)
        return frame(PRIORITY, 0, stream, itself) * self._choose.choice([1, MANY])

    def _after_the_end(self) -> bytes:
        end = self._call() + frame(DATA, END_STREAM, self._stream, self._message())
        again = frame(HEADERS, END_HEADERS, self._stream, self._block())
        away = frame(GOAWAY, 0, 0, struct.pack(">II", 2**31 - 1, 0) + b"bye")
        return self._choose.choice([end, end + again, away + self._call()])


def send_frames(socket: Path, seed: int, cases: int) -> None:
    """Hold conversations, one after the other, with what listens at a Unix socket."""
    for case in range(cases):
        choose = random.Random(f"{seed}/{case}")
        data = Conversation(choose).make()
        with connect(socket) as connection:
            converse(connection, data, choose, f"case {case}")

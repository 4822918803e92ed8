"""Calls of the contract with messages that are wrong, or that are none."""

import hypothesis
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.fuzz.strategies import messages, nearly
from tests.fuzz.target import Code, Target, limit

SETTINGS = hypothesis.settings(
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def call_with_messages(target: Target, method: MethodDescriptor, seed: int, cases: int) -> None:
    """Call a method with messages, any of whose fields are set to anything."""

    def bytes_of(message: Message) -> bytes:
        limit(method, message)
        return message.SerializeToString()

    _call(target, method, messages(method.input_type).map(bytes_of), seed, cases)


def call_with_bytes(target: Target, method: MethodDescriptor, seed: int, cases: int) -> None:
    """Call a method with the bytes of such messages, changed in a few places."""

    def limited(data: bytes) -> bytes:
        message = GetMessageClass(method.input_type)()
        try:
            message.ParseFromString(data)
        except DecodeError:
            return data
        before = message.SerializeToString()
        limit(method, message)
        after = message.SerializeToString()
        return data if before == after else after

    _call(target, method, nearly(method.input_type).map(limited), seed, cases)


def _call(
    target: Target,
    method: MethodDescriptor,
    requests: st.SearchStrategy[bytes],
    seed: int,
    cases: int,
) -> None:
    streaming = method.client_streaming or method.server_streaming
    codes: set[Code] = set()

    @hypothesis.seed(seed)
    @hypothesis.settings(SETTINGS, max_examples=cases)
    @given(st.lists(requests, min_size=1, max_size=4 if method.client_streaming else 1))
    def check(wrong: list[bytes]) -> None:
        target.refresh()
        codes.add(target.stream(method, wrong) if streaming else target.call(method, wrong[0]))

    check()
    assert codes

from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class HcsErrorDetail(_message.Message):
    __slots__ = ("hresult", "symbol", "function", "document", "events")
    HRESULT_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    hresult: int
    symbol: str
    function: str
    document: str
    events: _containers.RepeatedCompositeFieldContainer[ErrorEvent]
    def __init__(self, hresult: _Optional[int] = ..., symbol: _Optional[str] = ..., function: _Optional[str] = ..., document: _Optional[str] = ..., events: _Optional[_Iterable[_Union[ErrorEvent, _Mapping]]] = ...) -> None: ...

class ErrorEvent(_message.Message):
    __slots__ = ("message", "provider", "event_id", "source", "stack_trace", "flags")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    STACK_TRACE_FIELD_NUMBER: _ClassVar[int]
    FLAGS_FIELD_NUMBER: _ClassVar[int]
    message: str
    provider: str
    event_id: int
    source: str
    stack_trace: str
    flags: int
    def __init__(self, message: _Optional[str] = ..., provider: _Optional[str] = ..., event_id: _Optional[int] = ..., source: _Optional[str] = ..., stack_trace: _Optional[str] = ..., flags: _Optional[int] = ...) -> None: ...

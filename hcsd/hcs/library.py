"""Bind a provider of the computecore ABI to the table of functions.

Every foreign call of the engine is made by a function that this module builds from a row: it
allocates the out-parameters, makes the call, reads and frees what came back, and raises on
failure. Nothing above it uses `byref`, sees an HRESULT as a number to test, or frees a string.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Protocol

from hcsd.abi.functions import FUNCTIONS, Check, Function, Param
from hcsd.abi.hresult import HR, is_pending, normalise, succeeded
from hcsd.abi.types import INVALID_HANDLE_VALUE, read_wide
from hcsd.errors import HcsdError
from hcsd.hcs.documents import valid_text
from hcsd.hcs.errors import CLASSES, HcsError, NotSupportedError
from hcsd.hcs.schema import ResultError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.abi.types import PWSTR


FREE = "LocalFree"
CLOSE = "CloseHandle"


class Provider(Protocol):
    """A library that stands behind the table."""

    @property
    def name(self) -> str:
        """Name of the engine, as GetHost reports it: ``windows`` or ``embedded``."""

    @property
    def blocking(self) -> bool:
        """Whether its calls may block; then they are made on worker threads."""

    @property
    def guest_os(self) -> str:
        """Operating system of its guests as far as it decides it: ``windows`` or ``linux``."""

    @property
    def kills_trees(self) -> bool:
        """Whether HcsTerminateProcess takes `TerminateOptions`, for which HCS has no schema."""

    @property
    def pauses_containers(self) -> bool:
        """Whether containers can be paused, and not virtual machines alone."""

    @property
    def shapes_processes(self) -> bool:
        """Whether ProcessParameters may say limits, groups and more; HCS has no place for them."""

    @property
    def host_system(self) -> str:
        """Id of the system that it makes by itself and keeps running; "" if there is none."""

    @property
    def outlives_client(self) -> bool:
        """Whether systems and processes go on without this process, for another one to open."""

    def address(self, function: Function) -> int | None:
        """Return the address of an export, or None if this build has none of that name."""

    def close_handle(self, handle: int) -> None:
        """Close a stdio handle that was handed out and that nobody will use."""

    def kept_with(self, handle: int) -> tuple[int, ...]:
        """Return what is kept with a stdio handle for as long as its process may use it.

        See `hcsd.embedded.kept_stdio` for what that is; () where nothing is kept.

        Ownership: the caller closes them. Only the first call for a handle gets any. Thread: any.
        """

    def hurry(self) -> None:
        """Make a `close` that is under way, or that follows, return in a moment. Thread: any."""

    def close(self, *, keep: bool = False) -> None:
        """Release what the library holds; may block while it ends what it runs.

        Args:
            keep: Whether what runs is to go on, if it `outlives_client`.
        """


class MissingExportsError(HcsdError):
    """The provider lacks exports that hcsd cannot work without.

    Attributes:
        names: All of them.
    """

    def __init__(self, provider: str, names: tuple[str, ...]) -> None:
        self.names = names
        super().__init__(f"provider '{provider}' lacks required exports: {', '.join(names)}")


class Library:
    """The functions of a provider, callable by name.

    In-parameters are passed in the order of the row, out-parameters are returned: none gives None
    (or the plain result of a function that does not return an HRESULT), one gives its value, more
    give a tuple. Strings arrive as `str | None`, can be written as UTF-8 and are freed already;
    handles arrive as instances of their opaque type and belong to the caller.

    Thread: any. The GIL is released during each call.

    Attributes:
        missing: Names of the optional exports that the provider lacks; calling one raises
            `NotSupportedError`.

    Raises:
        MissingExportsError: Required exports are absent; it lists all of them.
    """

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        found = {row: provider.address(row) for row in FUNCTIONS}
        absent = [row for row, address in found.items() if address is None]
        required = tuple(row.name for row in absent if row.required)
        if required:
            raise MissingExportsError(provider.name, required)
        self.missing = tuple(row.name for row in absent)
        self._functions: dict[str, Callable[..., Any]] = {
            row.name: _absent(row) if address is None else self._bind(row, address)
            for row, address in found.items()
        }

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return the bound function of that export."""
        try:
            function = self.__dict__["_functions"][name]
        except KeyError:
            msg = f"computecore has no export {name!r}"
            raise AttributeError(msg) from None
        self.__dict__[name] = function  # the next look-up is a plain attribute
        return function  # type: ignore[no-any-return]  # values of a dict of Any

    def _bind(self, row: Function, address: int) -> Callable[..., Any]:
        native = row.prototype(address)
        outs = tuple(param for param in row.params if param.out)
        if not outs:

            def call(*args: object) -> Any:
                result = native(*args)
                if row.check is not Check.NONE:
                    _raise_if_failed(row, result, None)
                return None if row.check is Check.HRESULT else result

            return call

        def call_with_outs(*args: object) -> Any:
            values = [param.ctype() for param in outs]
            result = native(*args, *map(ctypes.byref, values))
            # Strings are taken on every path: HCS may hand one out with a failure too.
            taken = [
                self._take(value) if param.release == FREE else value
                for param, value in zip(outs, values, strict=True)
            ]
            try:
                _raise_if_failed(row, result, next((t for t in taken if isinstance(t, str)), None))
            except HcsError:
                for param, value in zip(outs, values, strict=True):
                    self._release(param, value)
                raise
            return taken[0] if len(taken) == 1 else tuple(taken)

        return call_with_outs

    def _release(self, param: Param, value: Any) -> None:
        """Close the handles that came out of a call that failed."""
        if param.release == CLOSE:
            for stdio in (value.StdInput, value.StdOutput, value.StdError):
                if stdio.value not in {None, INVALID_HANDLE_VALUE}:
                    self.provider.close_handle(stdio.value)
        elif param.release != FREE and param.release in self._functions and value:
            self._functions[param.release](value)

    def _take(self, pointer: PWSTR) -> str | None:
        """Copy a string that the provider allocated, and free it.

        Ownership: the memory is released with LocalFree, as the reference pages of HCS say.
        """
        address = pointer.value
        if not address:
            return None
        try:
            return valid_text(read_wide(address))
        finally:
            self._functions[FREE](address)


def error_for(
    hresult: int,
    function: str,
    *,
    subject: str = "",
    text: str = "",
    document: str | None = None,
) -> HcsError:
    """Make the error for a failed call or operation.

    Args:
        hresult: The code, in any spelling.
        function: The export that failed, or that started the failed operation.
        subject: What was being done.
        text: Why, if the document does not tell.
        document: The result document; its first event, else its message, becomes the text.

    Returns:
        An instance of the class that `hcsd.hcs.errors.CLASSES` names, else a plain `HcsError`.
    """
    result = ResultError.parse(document)
    return CLASSES.get(normalise(hresult), HcsError)(
        hresult,
        function,
        subject=subject,
        text=result.text or text,
        document=document,
        events=result.error_events,
        stage=result.stage,
        errno=result.errno,
        limit=result.limit,
    )


def _raise_if_failed(row: Function, result: Any, document: str | None) -> None:
    if row.check is Check.HRESULT:
        if succeeded(result) or (row.operation is not None and is_pending(result)):
            return  # older builds answer "pending" for "started"
        raise error_for(result, row.name, document=document)
    if row.check is Check.NULL and not result:
        raise error_for(HR.E_OUTOFMEMORY, row.name)


def _absent(row: Function) -> Callable[..., Any]:
    def call(*_args: object) -> Any:
        raise NotSupportedError(
            HR.ERROR_PROC_NOT_FOUND,
            row.name,
            text=(
                f"this build of computecore has no {row.name}"
                f" (by its documentation, {row.since} and later have it)"
            ),
        )

    return call

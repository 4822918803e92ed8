"""Calls from threads that Python never made, as those of HCS are.

libc makes the thread, and a few bytes of machine code call the function with two arguments, because
what a thread starts with takes one. So the callee meets the thread as ctypes meets one of HCS: with
no Python frame below it, and with a thread state that is new at every call.
"""

import ctypes
import mmap
import platform

import pytest

# Take three words from where the argument points, and go on in the first with the other two.
CODE = {
    "x86_64": bytes.fromhex("488b07 488b7710 488b7f08 ffe0"),  # rax, rsi, rdi; jmp rax
    "aarch64": bytes.fromhex("100040f9 010840f9 000440f9 00021fd6"),  # x16, x1, x0; br x16
}


class ForeignThreads:
    """Makes a thread for each call."""

    def __init__(self) -> None:
        code = CODE.get(platform.machine())
        if code is None:
            pytest.skip(f"no start routine for a foreign thread on {platform.machine()}")
        self._memory = mmap.mmap(
            -1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
        )
        self._memory.write(code)
        self._start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._libc = ctypes.CDLL(None)
        self._libc.pthread_create.argtypes = [ctypes.c_void_p] * 4
        self._libc.pthread_join.argtypes = [ctypes.c_size_t, ctypes.c_void_p]

    def call(self, function: int, first: int, second: int) -> None:
        """Call `void function(void *, void *)` at that address; returns when it has."""
        words = (ctypes.c_uint64 * 3)(function, first, second)
        thread = ctypes.c_size_t()
        failed = self._libc.pthread_create(
            ctypes.byref(thread), None, self._start, ctypes.addressof(words)
        )
        assert not failed
        self._libc.pthread_join(thread, None)


def address_of(callback: object) -> int:
    """The address of a function pointer that was made by, or given to, ctypes."""
    pointer = ctypes.cast(callback, ctypes.c_void_p)  # type: ignore[arg-type]  # any of ctypes' own
    assert pointer.value is not None
    return pointer.value

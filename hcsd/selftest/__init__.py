"""Checks of the engine against the library of the host, for a result to send: `python -m hcsd.selftest`.

It needs no daemon and no client. On Windows it is the real `computecore.dll` that is checked, on
POSIX hcsd's own engine, by the same code.
"""

"""State what the Host Compute Service ABI is, and nothing else.

`types` holds the scalars, strings, handles, structures and callback prototypes, `functions` the
table of exports, `hresult` the table of result codes. The layer imports ctypes only, loads no
library and runs alike on Windows and POSIX, so one table serves the caller and the callee.
"""

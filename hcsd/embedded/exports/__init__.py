"""The exports of computecore.dll, grouped as its reference is.

    base         what every group needs
    operations   systems   processes   service      a group each

Each method is the export of its name, with the parameters of its row in the table. It returns None
for S_OK and raises `Fault` for an HRESULT. The provider makes a C function of it. An export without
a method here is answered ERROR_NOT_SUPPORTED.

An export that takes an operation checks the request at once and leaves the rest to the worker, by
`Exports.kick_off`.

Naming: parameters and methods have Microsoft's names, in the reference's order.
"""

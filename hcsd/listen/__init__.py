"""Where the daemon listens, and what keeps strangers out of each place.

    Unix socket      mode 0600 in a directory of mode 0700, both the daemon's own (unix_socket.py)
    TCP with TLS     a client certificate if there is a CA for it, else the daemon's token
    loopback TCP     the daemon's token
    any other TCP    refused: without TLS somebody on the way could read the token

This package knows addresses, files and certificates. Who serves at an address is `hcsd.rpc`'s.
"""

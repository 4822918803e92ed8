"""Where the daemon listens, and what keeps strangers out of each place.

    Unix socket   mode 0600 in a directory of mode 0700, both the daemon's own (unix_socket.py)
    TCP           TLS, by which the daemon proves itself (tls.py); a client proves itself by a
                  certificate if there is a CA for it, else by the daemon's token (token.py)

This package knows addresses, files and certificates. Who serves at an address is `hcsd.rpc`'s.
"""

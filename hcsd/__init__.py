"""A gRPC daemon for the Host Compute Service (HCS), with an embedded engine for POSIX.

Nothing heavy is imported here: every command pays for what this module imports.
"""

__version__ = "0.1.0"

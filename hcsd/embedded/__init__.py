"""The Host Compute Service for POSIX hosts: the same exports, layouts and thread behaviour."""

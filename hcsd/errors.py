"""The root of what hcsd raises on purpose."""

from __future__ import annotations


class HcsdError(Exception):
    """Root of every error that the daemon raises on purpose; its text is for people."""

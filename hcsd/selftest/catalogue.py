"""All questions, in the order in which they are asked."""

from __future__ import annotations

from hcsd.selftest import (
    about_ends,
    about_operations,
    about_processes,
    about_refusals,
    about_service,
    about_signals,
    about_stdio,
)

QUESTIONS = (
    *about_service.QUESTIONS,
    *about_operations.QUESTIONS,
    *about_stdio.QUESTIONS,
    *about_ends.QUESTIONS,
    *about_refusals.QUESTIONS,
    *about_processes.QUESTIONS,
    *about_signals.QUESTIONS,
    *about_service.LAST,
)

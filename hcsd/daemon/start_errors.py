"""Why a process did not start, in terms of the request: which of its fields is to blame.

HCS tells no more than a result. The embedded engine also tells how far the start came, its stage, and the
errno there. A stage that depends on one field of the spec is in `FIELDS`. A start that fails there because
the request is not valid has a violation of that field. So has every working directory that cannot be
entered, whatever its result.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR, Kind
from hcsd.daemon.errors import CreateFailedError, Violation
from hcsd.daemon.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hcsd.daemon.spec import ProcessRequest, ProcessSpec
    from hcsd.hcs.errors import HcsError

DIRECTORY = "working_directory"
# The field of the spec that a stage depends on.
FIELDS: Mapping[str, Callable[[ProcessSpec], str]] = {
    DIRECTORY: lambda _: "working_directory",
    "executable": lambda spec: "argv" if spec.command_line is None else "command_line",
    "user": lambda spec: "user" if spec.shape.uid is None else "uid",
    "limits": lambda _: "resource_limits",
    "oom_score_adj": lambda _: "oom_score_adj",
    "no_new_privileges": lambda _: "no_new_privileges",
}
# What is wrong with the field, as a rule.
RULES: Mapping[int, str] = {
    errno.ENOENT: "not_found",
    errno.ENOTDIR: "not_a_directory",
    errno.EACCES: "permission_denied",
    errno.EPERM: "permission_denied",
    errno.ENAMETOOLONG: "too_long",
    errno.E2BIG: "too_long",
    errno.ELOOP: "too_many_links",
}
OTHERWISE = "invalid"
DOCUMENT = "parameters_json"  # the field to blame of a request that has no spec


def create_failed(cause: HcsError, request: ProcessRequest, system: str) -> CreateFailedError:
    """Return why a process did not start.

    Args:
        cause: What HCS said.
        request: What was asked for.
        system: Resource name of the system.
    """
    stage, rule = cause.stage, RULES.get(cause.errno, OTHERWISE)
    if cause.hresult == HR.ERROR_DIRECTORY and not stage:  # HCS itself
        stage, rule = DIRECTORY, "not_found"
    denied = stage == DIRECTORY and cause.hresult == HR.E_ACCESSDENIED
    if not denied and cause.code.kind is not Kind.INVALID:
        return CreateFailedError(cause, system)
    field = FIELDS.get(stage)
    violations = []
    if field is not None:
        place = DOCUMENT if request.spec is None else f"spec.{field(request.spec)}"
        violations.append(Violation(place, rule, cause.text))
    reason = Reason.INVALID_REQUEST if denied else None
    return CreateFailedError(cause, system, reason=reason, violations=violations)

"""Exports of compute systems."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR
from hcsd.embedded import system_requests
from hcsd.embedded.configuration import parse_configuration
from hcsd.embedded.documents import parse
from hcsd.embedded.exports.base import Exports, require_no_options
from hcsd.embedded.faults import Fault
from hcsd.embedded.memory import event_caller, give_handle
from hcsd.embedded.system import System
from hcsd.embedded.system_documents import SYSTEM_QUERY

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.abi.types import (
        HANDLE,
        HCS_EVENT_CALLBACK,
        HCS_OPERATION,
        HCS_SYSTEM,
        PCWSTR,
        PSECURITY_DESCRIPTOR,
    )
    from hcsd.embedded.memory import OutPointer
    from hcsd.embedded.work import Work


class SystemExports(Exports):
    """Compute systems."""

    def HcsEnumerateComputeSystems(self, query: PCWSTR, operation: HCS_OPERATION) -> None:
        def check() -> Work:
            wanted = parse(query.text, "SystemQuery", SYSTEM_QUERY)
            return lambda done: done(document=json.dumps(self._matching(wanted)))

        self.kick_off("HcsEnumerateComputeSystems", operation, check)

    def _matching(self, query: dict[str, object]) -> list[dict[str, object]]:
        """Members combine with AND, values inside a member with OR; an empty list asks nothing."""
        with self.core.lock:
            found = [system.summary() for system in self.systems.values()]
        keys = {"Ids": "Id", "Names": "Name", "Types": "SystemType", "Owners": "Owner"}
        return [
            properties
            for properties in found
            if all(
                not (wanted := query.get(name))
                or (isinstance(wanted, list) and properties.get(key) in wanted)
                for name, key in keys.items()
            )
        ]

    def HcsCreateComputeSystem(
        self,
        id: PCWSTR,  # noqa: A002
        configuration: PCWSTR,
        operation: HCS_OPERATION,
        _securityDescriptor: PSECURITY_DESCRIPTOR,
        system: OutPointer,
    ) -> None:
        def check() -> Work:
            if not id.text:
                raise Fault(HR.E_INVALIDARG, "a compute system needs an id")
            asked = parse_configuration(
                configuration.text, os.cpu_count() or 1, self.keepers.settings.max_tasks
            )
            with self.core.lock:
                if id.text in self.systems:
                    raise Fault(HR.SYSTEM_ALREADY_EXISTS, f"compute system '{id.text}' exists")
                made = System(
                    id.text,
                    asked,
                    self.core.lock,
                    self.worker,
                    self.systems,
                    keepers=self.keepers,
                )
                self.systems[id.text] = made
                give_handle(system, self.core.systems.add(made.opened()))
            return lambda done: done()

        self.kick_off("HcsCreateComputeSystem", operation, check)

    def HcsOpenComputeSystem(self, id: PCWSTR, _access: int, system: OutPointer) -> None:  # noqa: A002
        with self.core.lock:
            found = self.systems.get(id.text or "")
            if found is None:
                raise Fault(HR.SYSTEM_NOT_FOUND, f"no compute system '{id.text}'")
            give_handle(system, self.core.systems.add(found.opened()))

    def HcsCloseComputeSystem(self, computeSystem: HCS_SYSTEM) -> None:
        with self.core.lock:
            handle = self.core.systems.remove(computeSystem.value)
            handle.target.closed(handle)
        handle.close()

    def HcsStartComputeSystem(
        self, computeSystem: HCS_SYSTEM, operation: HCS_OPERATION, options: PCWSTR
    ) -> None:
        self._ask("HcsStartComputeSystem", system_requests.start, computeSystem, operation, options)

    def HcsShutDownComputeSystem(
        self, computeSystem: HCS_SYSTEM, operation: HCS_OPERATION, options: PCWSTR
    ) -> None:
        self._ask(
            "HcsShutDownComputeSystem", system_requests.shut_down, computeSystem, operation, options
        )

    def HcsTerminateComputeSystem(
        self, computeSystem: HCS_SYSTEM, operation: HCS_OPERATION, options: PCWSTR
    ) -> None:
        self._ask(
            "HcsTerminateComputeSystem",
            system_requests.terminate,
            computeSystem,
            operation,
            options,
        )

    def HcsPauseComputeSystem(
        self, computeSystem: HCS_SYSTEM, operation: HCS_OPERATION, options: PCWSTR
    ) -> None:
        self._ask("HcsPauseComputeSystem", system_requests.pause, computeSystem, operation, options)

    def HcsResumeComputeSystem(
        self, computeSystem: HCS_SYSTEM, operation: HCS_OPERATION, options: PCWSTR
    ) -> None:
        self._ask(
            "HcsResumeComputeSystem", system_requests.resume, computeSystem, operation, options
        )

    def HcsSaveComputeSystem(
        self, computeSystem: HCS_SYSTEM, operation: HCS_OPERATION, options: PCWSTR
    ) -> None:
        self._ask("HcsSaveComputeSystem", system_requests.save, computeSystem, operation, options)

    def HcsModifyComputeSystem(
        self,
        computeSystem: HCS_SYSTEM,
        operation: HCS_OPERATION,
        configuration: PCWSTR,
        _identity: HANDLE,
    ) -> None:
        self._ask(
            "HcsModifyComputeSystem",
            system_requests.modify_setting,
            computeSystem,
            operation,
            configuration,
        )

    def HcsGetComputeSystemProperties(
        self, computeSystem: HCS_SYSTEM, operation: HCS_OPERATION, propertyQuery: PCWSTR
    ) -> None:
        self._ask(
            "HcsGetComputeSystemProperties",
            system_requests.properties,
            computeSystem,
            operation,
            propertyQuery,
        )

    def _ask(
        self,
        export: str,
        method: Callable[[System, str | None], Work],
        handle: HCS_SYSTEM,
        operation: HCS_OPERATION,
        document: PCWSTR,
    ) -> None:
        self.kick_off(
            export,
            operation,
            lambda: method(self.core.systems.get(handle.value).target, document.text),
        )

    def HcsSetComputeSystemCallback(
        self,
        computeSystem: HCS_SYSTEM,
        callbackOptions: int,
        context: int | None,
        callback: HCS_EVENT_CALLBACK,
    ) -> None:
        require_no_options(callbackOptions)
        handle = self.core.systems.get(computeSystem.value)
        handle.set_callback(event_caller(callback, context))

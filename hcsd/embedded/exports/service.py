"""Exports of the service, and the free function of its strings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR
from hcsd.embedded.configuration import SCHEMA
from hcsd.embedded.documents import parse
from hcsd.embedded.exports.base import Exports
from hcsd.embedded.faults import Fault

if TYPE_CHECKING:
    from hcsd.abi.types import HLOCAL, PCWSTR
    from hcsd.embedded.memory import OutPointer

SCHEMA_VERSIONS = [dict(zip(("Major", "Minor"), SCHEMA, strict=True))]
SERVICE_QUERY = {"PropertyTypes": lambda value: isinstance(value, list), "PropertyQueries": bool}


class ServiceExports(Exports):
    """The service, and the free function of its strings."""

    def HcsGetServiceProperties(self, propertyQuery: PCWSTR, result: OutPointer) -> None:
        query = parse(propertyQuery.text, "Service_PropertyQuery", SERVICE_QUERY)
        types = query.get("PropertyTypes", [])
        if types != ["Basic"]:
            raise Fault(HR.ERROR_NOT_SUPPORTED, "the embedded engine has Basic properties only")
        self.strings.give_text(
            result, json.dumps({"Properties": [{"SupportedSchemaVersions": SCHEMA_VERSIONS}]})
        )

    def LocalFree(self, memory_block: HLOCAL) -> int | None:
        address = memory_block.value
        return None if not address or self.strings.free(address) else address

"""Whoever has the folder `protos`, and nothing else of ours, can make stubs of the contract."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from hcsd.v1 import (
    compute_system_service_pb2,
    event_service_pb2,
    host_service_pb2,
    process_service_pb2,
)

ROOT = Path(__file__).parents[2]
# Macros that are more than a name in every C library. (`stdin` and its like are so in some alone.)
MACROS = {"EOF", "NULL", "assert", "errno", "isinf", "isnan", "offsetof", "signbit", "va_start"}


@pytest.fixture
def protos(tmp_path: Path) -> Path:
    folder = tmp_path / "protos"
    shutil.copytree(ROOT / "protos", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_protoc_compiles_the_folder_alone(protos: Path) -> None:
    sources = [str(path.relative_to(protos)) for path in sorted(protos.glob("hcsd/v1/*.proto"))]
    options = ["-I.", "--include_imports", "--descriptor_set_out=image"]
    done = subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", *options, *sources],
        cwd=protos,
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert (done.returncode, done.stderr) == (0, "")
    image = FileDescriptorSet.FromString((protos / "image").read_bytes())
    assert {"google/rpc/status.proto", *sources} <= {file.name for file in image.file}
    for file in image.file:
        if file.name in sources:
            named = (file.options.go_package, file.options.csharp_namespace)
            assert named == ("github.com/hcsd/hcsd/clients/go/hcsdv1;hcsdv1", "Hcsd.V1")


def test_buf_lints_and_builds_the_folder_alone(protos: Path) -> None:
    buf = Path(sys.executable).with_name("buf")
    for arguments in (["lint"], ["build"]):
        done = subprocess.run(
            [str(buf), *arguments],
            cwd=protos,
            check=False,
            capture_output=True,
            text=True,
            timeout=50,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_no_field_has_the_name_of_a_macro() -> None:
    seen: dict[str, Descriptor] = {}

    def visit(message: Descriptor) -> None:
        if message.full_name in seen:
            return
        seen[message.full_name] = message
        for field in message.fields:
            if field.message_type is not None:
                visit(field.message_type)

    for module in (
        compute_system_service_pb2,
        event_service_pb2,
        host_service_pb2,
        process_service_pb2,
    ):
        for message in module.DESCRIPTOR.message_types_by_name.values():
            visit(message)
    ours = [message for name, message in seen.items() if name.startswith("hcsd.")]
    assert len(ours) > 80
    names = {field.name for message in ours for field in message.fields}
    assert names & MACROS == set()

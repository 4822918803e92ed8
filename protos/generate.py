"""Make the Python modules of `hcsd.v1` from the Protobuf files, or check them.

They are part of the Python client, in `clients/python/hcsd/v1`. `generate` writes them there and
removes those whose Protobuf file is gone. `check` changes nothing: it lints, looks at the format,
compares the modules with what `generate` would write, and the contract with that of main, which it
may add to and not break. On main itself that is the commit before.
Neither needs a network: the Google files that these import are in `protos/google`, for whoever makes
stubs of the folder alone, and `check` holds them to those of the installed `googleapis-common-protos`.

The environment has to have `grpcio-tools`, `googleapis-common-protos` and, for `check`, `buf-bin`.
"""

from __future__ import annotations

import argparse
import difflib
import shutil
import subprocess
import sys
import tempfile
from importlib import util
from pathlib import Path

PROTOS = Path(__file__).resolve().parent
ROOT = PROTOS.parent
PACKAGE = Path("hcsd", "v1")
CLIENT = Path("clients", "python")
# The path keeps the imported Google files, which follow other rules, out of it.
BUF_OPTIONS = ("--config", str(PROTOS / "buf.yaml"), "--path", "hcsd")
GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi")


class ToolError(Exception):
    """A tool is missing or has failed; the message is for people."""


def google_sources() -> Path:
    """Return the folder of the installed `google/api/*.proto` and `google/rpc/*.proto`.

    Raises:
        ToolError: `googleapis-common-protos` is not installed.
    """
    try:
        spec = util.find_spec("google.api")
    except ModuleNotFoundError:
        spec = None
    for location in (spec.submodule_search_locations or ()) if spec else ():
        if Path(location, "field_behavior.proto").is_file():
            return Path(location).parents[1]
    message = "googleapis-common-protos is not installed in this environment"
    raise ToolError(message)


def copy_google() -> None:
    """Copy the Google files anew."""
    for copy in (PROTOS / "google").rglob("*.proto"):
        copy.write_bytes((google_sources() / copy.relative_to(PROTOS)).read_bytes())


def google_in_step() -> bool:
    """Print which copies are not the installed Google files; return whether there are none."""
    old = [
        copy.relative_to(ROOT)
        for copy in sorted((PROTOS / "google").rglob("*.proto"))
        if copy.read_bytes() != (google_sources() / copy.relative_to(PROTOS)).read_bytes()
    ]
    for copy in old:
        print(f"{copy} is not that of googleapis-common-protos; 'make generate' copies it")
    return not old


def protoc(*options: str, protos: Path = PROTOS) -> None:
    """Run the Protobuf compiler over all files of the package.

    Raises:
        ToolError: It is not installed, or it failed; what it says is on stderr.
    """
    if util.find_spec("grpc_tools") is None:
        message = "grpcio-tools is not installed in this environment"
        raise ToolError(message)
    sources = sorted(str(path) for path in (protos / PACKAGE).glob("*.proto"))
    # An earlier contract may lack the Google files; then those of this one serve.
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{protos}", f"-I{PROTOS}"]
    if subprocess.run([*command, *options, *sources], check=False, cwd=ROOT).returncode:
        message = "protoc failed"
        raise ToolError(message)


def buf(*arguments: str) -> bool:
    """Run buf, which prints what it finds, and return whether it was content.

    Raises:
        ToolError: It is not installed beside this Python.
    """
    folder = Path(sys.executable).parent
    program = shutil.which("buf", path=str(folder))
    if program is None:
        message = f"buf is not in {folder}: install buf-bin into this environment"
        raise ToolError(message)
    return subprocess.run([program, *arguments], check=False, cwd=ROOT).returncode == 0


def read_generated(root: Path) -> dict[str, str]:
    """Return the generated modules below `root` by their file names."""
    folder = root / PACKAGE
    found = [path for pattern in GENERATED for path in folder.glob(pattern)]
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(found)}


def render() -> dict[str, str]:
    """Return the modules as they should be, by their file names."""
    with tempfile.TemporaryDirectory() as folder:
        outputs = [f"--{kind}_out={folder}" for kind in ("python", "pyi", "grpc_python")]
        # grpcio-tools types the messages; the services are typed by mypy-protobuf.
        plugin = Path(sys.executable).with_name("protoc-gen-mypy_grpc")
        protoc(*outputs, f"--plugin={plugin}", f"--mypy_grpc_out=quiet:{folder}")
        return read_generated(Path(folder))


def generate() -> bool:
    """Write what differs into the package and remove what is stale; return True."""
    copy_google()
    wanted, present = render(), read_generated(ROOT / CLIENT)
    for name in sorted(wanted.keys() | present.keys()):
        shown = CLIENT / PACKAGE / name
        path = ROOT / shown
        if name not in wanted:
            path.unlink()
            print(f"removed {shown}")
        elif wanted[name] != present.get(name):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[name], encoding="utf-8", newline="\n")
            print(f"wrote {shown}")
    return True


def modules_in_step() -> bool:
    """Print how the package differs from a fresh one; return whether it does not."""
    wanted, present = render(), read_generated(ROOT / CLIENT)
    for name in sorted(wanted.keys() | present.keys()):
        before, after = (files.get(name, "").splitlines() for files in (present, wanted))
        title = (CLIENT / PACKAGE / name).as_posix()
        for line in difflib.unified_diff(before, after, title, f"{title} (generated)", lineterm=""):
            print(line)
    return wanted == present


def image_of(protos: Path, folder: Path, name: str) -> str:
    """Compile the Protobuf files into an image, where all imports are resolved; return its path."""
    image = folder / f"{name}.binpb"
    protoc(
        "--include_imports",
        "--include_source_info",
        f"--descriptor_set_out={image}",
        protos=protos,
    )
    return str(image)


def git(*arguments: str) -> str | None:
    """Return what git prints, without the line's end; None if it fails or is not there."""
    program = shutil.which("git")
    if program is None:
        return None
    done = subprocess.run([program, *arguments], check=False, cwd=ROOT, capture_output=True)
    return done.stdout.decode().strip() if done.returncode == 0 else None


def earlier() -> str | None:
    """Return the commit whose contract must be kept; None if git knows of none."""
    head = git("rev-parse", "HEAD")
    for main in ("origin/main", "main", "HEAD"):
        base = git("merge-base", "HEAD", main)
        if base is not None and base != head:
            return base
    return git("rev-parse", "--verify", "HEAD~1")


def contract_kept(folder: Path, image: str) -> bool:
    """Compare the contract with the earlier one; return whether every client of that is served."""
    commit = earlier()
    if commit is None:
        print("no earlier commit here, so nothing to compare the contract with")
        return True
    archive = folder / "earlier.zip"
    if git("archive", f"--output={archive}", commit, "--", PROTOS.name) is None:
        print(f"{commit} has no {PROTOS.name} to compare the contract with")
        return True
    shutil.unpack_archive(archive, folder)
    before = image_of(folder / PROTOS.name, folder, "before")
    if buf("breaking", image, "--against", before, *BUF_OPTIONS):
        return True
    print(f"hcsd.v1 only grows: the lines above would break clients of the contract at {commit}")
    return False


def check() -> bool:
    """Run all checks, also after one has failed; return whether all passed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = image_of(PROTOS, folder, "image")
        return all(
            [
                buf("lint", image, *BUF_OPTIONS),
                buf("format", str(PROTOS), "--path", "protos/hcsd", "--diff", "--exit-code"),
                google_in_step(),
                modules_in_step(),
                contract_kept(folder, image),
            ]
        )


def main() -> int:
    """Parse the command line and return the exit code: 0, 1 (check failed), 2 (cannot run)."""
    parser = argparse.ArgumentParser(description="Make the modules of hcsd.v1, or check them.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("generate", help="write clients/python/hcsd/v1 from protos/hcsd/v1")
    commands.add_parser(
        "check",
        help="lint, check the format, compare the modules with the files, and the contract with main's",
    )
    command = parser.parse_args().command
    try:
        passed = generate() if command == "generate" else check()
    except ToolError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())

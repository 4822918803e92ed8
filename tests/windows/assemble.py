"""Assemble a Windows Python under Wine, from Debian and PyPI packages alone.

    python -m tests.windows.assemble [--force]

There is no package of Python for Windows that the ordinary clients here could install, but its
parts are: the wheel of panda3d for Windows carries `python311.dll` and the extension modules of
CPython 3.11, the standard library in Python is the same on every platform, and `python.exe` is ten
lines (`python.c`). Wheels for Windows of what hcsd needs come from PyPI, in the versions of
`.requirements.lock` and checked against its hashes.

Nothing is done when the last result was made from the same inputs. A stamp, written last, says so;
without it everything is made anew.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import zipfile
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.windows import places
from tests.windows.wine import Wine, WineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STAMP = places.HOME / "stamp"
REQUIREMENTS = places.ROOT / ".requirements.lock"

# The version of Python is that of the DLL. The standard library may differ from it in the last
# number: its C parts and its Python parts agree within 3.11.
CARRIER = "panda3d==1.10.16"
CARRIER_HASH = "sha256:37acfb92655c4226879f95c988e2ef1449a53c54486d6c1ebc00e2772429af82"
CARRIED = "deploy_libs/"
SERIES = (3, 11)

# Built from the sources: see `install_hcsd`.
OUR_OWN = {"hcsd", "hcsd-client"}
# Tests, and what the suite needs; the rest of the development tools have no business there.
WANTED = ("hcsd", "pywin32", "pytest", "pytest-timeout", "hypothesis")
# What dependencies are chosen by, as Windows answers it.
MARKERS = {
    "extra": "",
    "implementation_name": "cpython",
    "implementation_version": "3.11.9",
    "os_name": "nt",
    "platform_machine": "AMD64",
    "platform_python_implementation": "CPython",
    "platform_release": "10",
    "platform_system": "Windows",
    "platform_version": "10.0.18362",
    "python_full_version": "3.11.9",
    "python_version": "3.11",
    "sys_platform": "win32",
}

# Of the standard library: for other platforms, for a screen, tests of itself, and big.
NOT_COPIED = (
    "site-packages", "dist-packages", "test", "tests", "lib-dynload", "config-3.11-*", "ensurepip",
    "idlelib", "lib2to3", "tkinter", "turtledemo", "EXTERNALLY-MANAGED", "sitecustomize.py",
)  # fmt: skip

OBJDUMP = "x86_64-w64-mingw32-objdump"
PACKAGES = {"wine64": "Wine", "gcc-mingw-w64-x86-64": "the compiler for Windows"}


class AssembleError(Exception):
    """Something that is needed is missing; the text says what to do."""


def say(text: str) -> None:
    """Tell of progress."""
    print(f"windows: {text}", flush=True)  # noqa: T201


@contextmanager
def step(text: str) -> Iterator[None]:
    """Tell what is being done, and how long it took."""
    started = time.monotonic()
    yield
    say(f"{text} ({time.monotonic() - started:.1f} s)")


def run(*command: str | Path, directory: Path = places.ROOT) -> None:
    """Run a tool that must succeed; its output is shown only if it fails."""
    ran = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd=directory,
    )
    if ran.returncode:
        raise AssembleError(f"{command[0]} failed:\n{ran.stdout}")


def pip(*arguments: str | Path) -> None:
    """Run the pip of this environment."""
    run(sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments)


def assemble(*, force: bool = False) -> bool:
    """Make the Windows Python and its prefix, unless they are there.

    Args:
        force: Make them in any case.

    Returns:
        Whether anything had to be made.

    Raises:
        AssembleError: It cannot be made here; the text says why.
    """
    install_tools()
    inputs = fingerprint()
    if not force and STAMP.is_file() and STAMP.read_text() == inputs:
        return False
    STAMP.unlink(missing_ok=True)
    if places.PYTHON.exists():
        shutil.rmtree(places.PYTHON)
    places.PYTHON.mkdir(parents=True)
    (places.HOME / ".gitignore").write_text("*\n")
    with tempfile.TemporaryDirectory(dir=places.HOME) as scratch:
        with step("Windows Python: DLL and extension modules"):
            unpack_interpreter(Path(scratch))
        with step("Windows Python: standard library and python.exe"):
            copy_library()
            compile_launcher()
            compile_random()
            forward_stable_abi(Path(scratch))
        with step("wheels for Windows"):
            install_wheels(Path(scratch))
    with step("Wine prefix"):
        make_prefix()
    STAMP.write_text(inputs)
    return True


def fingerprint() -> str:
    """Tell the inputs apart: what we say and what we take."""
    digest = hashlib.sha256()
    for path in (Path(__file__), *sorted(places.SOURCES.glob("*.c")), REQUIREMENTS):
        digest.update(path.read_bytes())
    digest.update(str(_posix_library()).encode())
    return digest.hexdigest()


def install_tools() -> None:
    """Install Wine and the compiler where they are missing."""
    missing = []
    if places.find_wine() is None or places.find_wineserver() is None:
        missing.append("wine64")
    if shutil.which(places.COMPILER) is None:
        missing.append("gcc-mingw-w64-x86-64")
    if not missing:
        return
    names = " ".join(missing)
    if shutil.which("apt-get") is None:
        raise AssembleError(f"needs the programs of Debian's packages {names}")
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if as_root and subprocess.run([*as_root, "true"], capture_output=True, check=False).returncode:
        raise AssembleError(f"run as root: apt-get install --no-install-recommends {names}")
    apt = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    with step(f"installed {' and '.join(PACKAGES[name] for name in missing)} ({names})"):
        run(*apt, "update")
        run(*apt, "install", "-y", "--no-install-recommends", *missing)


def unpack_interpreter(scratch: Path) -> None:
    """Take the DLL and the extension modules out of the wheel that carries them."""
    listed = scratch / "carrier.txt"
    listed.write_text(f"{CARRIER} --hash={CARRIER_HASH}\n")
    pip("download", "-q", "--require-hashes", "-d", scratch, *for_windows(), "-r", listed)
    (wheel,) = scratch.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.startswith(CARRIED):
                (places.PYTHON / name.removeprefix(CARRIED)).write_bytes(archive.read(name))
    wheel.unlink()


def for_windows() -> Sequence[str]:
    """Options of pip: wheels for that Python and platform, and no dependencies, since pip would
    choose those by the platform that it runs on."""
    version = ".".join(map(str, SERIES))
    return (
        "--no-deps", "--only-binary=:all:", "--platform=win_amd64", f"--python-version={version}",
        "--implementation=cp",
    )  # fmt: skip


def _posix_library() -> Path:
    """Find the standard library of a Python 3.11 of this machine."""
    if sys.version_info[:2] == SERIES:
        return Path(sysconfig.get_path("stdlib"))
    name = "python{}.{}".format(*SERIES)
    other = shutil.which(name)
    if other is None:
        raise AssembleError(f"needs the standard library of {name}, and there is no {name} here")
    ask = "import sysconfig; print(sysconfig.get_path('stdlib'))"
    found = subprocess.run([other, "-c", ask], capture_output=True, text=True, check=True)
    return Path(found.stdout.strip())


def copy_library() -> None:
    """Copy the part of the standard library that is Python, which is the same everywhere."""
    shutil.copytree(
        _posix_library(),
        places.PYTHON / "Lib",
        ignore=shutil.ignore_patterns(*NOT_COPIED),
        ignore_dangling_symlinks=True,
    )
    places.SITE_PACKAGES.mkdir(exist_ok=True)


def compile_launcher() -> None:
    """Build python.exe."""
    source, target = places.SOURCES / "python.c", places.PYTHON / "python.exe"
    run(places.COMPILER, "-O1", "-Wall", "-Wextra", "-Werror", "-municode", source, "-o", target)


def compile_random() -> None:
    """Build bcryptprimitives.dll, which Wine 8 lacks and modules in Rust ask for (pydantic)."""
    source = places.SOURCES / "bcryptprimitives.c"
    target = places.PYTHON / "bcryptprimitives.dll"
    run(
        places.COMPILER, "-O1", "-Wall", "-Wextra", "-Werror", "-shared", source, "-ladvapi32",
        "-o", target,
    )  # fmt: skip


def forward_stable_abi(scratch: Path) -> None:
    """Build python3.dll, which modules of the stable ABI ask for (psutil): it holds no code, each
    of its names is forwarded to the DLL of the version."""
    listed = subprocess.run(
        [OBJDUMP, "-p", places.PYTHON / "python311.dll"], capture_output=True, text=True, check=True
    )
    _, _, exported = listed.stdout.partition("[Ordinal/Name Pointer] Table")
    names = re.findall(r"^\s+\[ *\d+\].* (_?Py\w+)", exported, re.MULTILINE)
    definition = scratch / "python3.def"
    forwards = "".join(f"{name} = python311.{name}\n" for name in names)
    definition.write_text(f"LIBRARY python3.dll\nEXPORTS\n{forwards}")
    target = places.PYTHON / "python3.dll"
    run(places.COMPILER, "-shared", "-nostdlib", "-Wl,-e,0", definition, "-o", target)


def install_wheels(scratch: Path) -> None:
    """Install what the lock pins of the packages that are needed, as wheels for Windows."""
    listed = scratch / "wanted.txt"
    pinned = locked()
    names = sorted(needed())
    if absent := [name for name in names if name not in pinned]:
        raise AssembleError(f"{REQUIREMENTS.name} lacks {', '.join(absent)}: make lock")
    listed.write_text("".join(f"{pinned[name]}\n" for name in names))
    pip(
        "install", "-q", "--require-hashes", "--root-user-action=ignore",
        "--target", places.SITE_PACKAGES, *for_windows(), "-r", listed,
    )  # fmt: skip


def needed() -> set[str]:
    """Follow the dependencies of what is wanted, as they are on Windows."""
    found: set[str] = set()
    queue = list(WANTED)
    while queue:
        name = canonicalize_name(queue.pop())
        if name in found:
            continue
        found.add(name)
        try:
            required = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # only Windows needs it, so it is not here; such a package needs no other
        for line in required:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate(dict(MARKERS)):
                queue.append(requirement.name)
    return found - OUR_OWN


def locked() -> dict[str, str]:
    """Read the lock: the line of each package, without the marker that says where it is for."""
    lines = REQUIREMENTS.read_text().replace("\\\n", " ").splitlines()
    pinned = {}
    for line in lines:
        if line and not line.startswith((" ", "#")):
            requirement, *hashes = line.split(" --hash=")
            name, version = requirement.split(";")[0].strip().split("==")
            options = " ".join(f"--hash={value.strip()}" for value in hashes)
            pinned[str(canonicalize_name(name))] = f"{name}=={version} {options}"
    return pinned


def make_prefix() -> None:
    """Make the drives and the registry, and let Wine say that it is Windows 10."""
    if places.PREFIX.exists():
        shutil.rmtree(places.PREFIX)
    with Wine() as wine:
        wine.run(["wineboot", "--init"], timeout=180)
        key = r"HKCU\Software\Wine"
        wine.run(["reg", "add", key, "/v", "Version", "/d", "win10", "/f"])
        # Wine's service manager gives a program 10 s to answer. A Python that starts on a busy machine
        # takes longer, and is then ended before it has written anything. Wine reads a text here,
        # where Windows reads a number.
        key = r"HKLM\System\CurrentControlSet\Control"
        value = ("/v", "ServicesPipeTimeout", "/t", "REG_SZ", "/d", "60000")
        wine.run(["reg", "add", key, *value, "/f"])
        wine.python("-c", "import asyncio, ctypes, _overlapped")


def install_hcsd() -> str:
    """Build the wheels of hcsd and its client and install them; return their names."""
    with tempfile.TemporaryDirectory(dir=places.HOME) as scratch:
        for project in (places.ROOT, places.CLIENT):
            build = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", scratch)
            run(*build, directory=project)
        for pattern in ("hcsd", "hcsd_client", "hcsd*.dist-info"):
            for installed in places.SITE_PACKAGES.glob(pattern):
                shutil.rmtree(installed)
        wheels = sorted(Path(scratch).glob("*.whl"))
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(places.SITE_PACKAGES)
        return ", ".join(wheel.name for wheel in wheels)


def main() -> None:
    """Assemble, and say what there is."""
    parser = argparse.ArgumentParser(prog="tests.windows.assemble", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--force", action="store_true", help="make everything anew")
    arguments = parser.parse_args()
    try:
        started = time.monotonic()
        if not assemble(force=arguments.force):
            say(f"nothing to do: {places.HOME.name} is made from the present inputs")
        say(f"installed {install_hcsd()}")
        with Wine() as wine:
            version = wine.python("-c", "import sys; print(sys.version)").text.strip()
            say(f"Python {version}, {wine.version}, in {time.monotonic() - started:.0f} s")
    except (AssembleError, WineError) as error:
        sys.exit(f"windows: {error}")


if __name__ == "__main__":
    main()

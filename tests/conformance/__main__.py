"""Build the clients and hold them to the suite: ``python -m tests.conformance [LANGUAGE...] [-- PYTEST OPTIONS]``.

    python -m tests.conformance                     all languages
    python -m tests.conformance go rust             these
    python -m tests.conformance go -- -k resumes    the cases whose names have it
    python -m tests.conformance --generate          write the stubs of all languages

The exit code is 0 if all that was asked for passed, 1 if something failed, 2 if a tool is missing.
"""

import argparse
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence

from tests.conformance.languages import LANGUAGES, ROOT, Command, Language


def say(text: str) -> None:
    print(f"clients: {text}", flush=True)


def run(language: Language, commands: Sequence[Command]) -> bool:
    """Run commands of a client until one fails, and say how that went."""
    for command in commands:
        began = time.monotonic()
        say(f"{language.name}: {shlex.join(command)}")
        done = subprocess.run(command, cwd=ROOT, check=False)
        if done.returncode:
            say(f"{language.name}: that failed with {done.returncode}")
            return False
        say(f"{language.name}: done in {time.monotonic() - began:.0f} s")
    return True


def main(arguments: Sequence[str]) -> int:
    """Run the suite and return the exit code."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    names = [language.name for language in LANGUAGES]
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance",
        description="Build the clients and hold them to the conformance suite.",
        epilog="What follows a lone -- is for pytest, as in: go -- -k resumes",
    )
    parser.add_argument(
        "--generate",
        action="store_true",
        help="only write the stubs that are committed, from protos/hcsd/v1",
    )
    parser.add_argument("language", nargs="*", help=f"{', '.join(names)} (default: all)")
    options = parser.parse_args(arguments[:end])
    wanted = options.language or names
    if unknown := set(wanted) - set(names):
        parser.error(f"no client for {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    chosen = [language for language in LANGUAGES if language.name in wanted]
    problems = [
        f"{language.name}: {problem}"
        for language in chosen
        for tool in language.tools
        if (problem := tool.problem())
    ]
    for problem in problems:
        say(problem)
    if problems:
        return 2
    if options.generate:
        written = [run(language, language.generate) for language in chosen]
        return 0 if all(written) else 1
    built = [run(language, language.build) for language in chosen]  # all, for the sake of the log
    if not all(built):
        return 1
    environment = os.environ | {"HCSD_CONFORMANCE": " ".join(wanted)}
    command = [sys.executable, "-m", "pytest", "tests/conformance", *arguments[end + 1 :]]
    return min(subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

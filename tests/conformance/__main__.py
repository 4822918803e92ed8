"""Build the clients and hold them to the suite: ``python -m tests.conformance [LANGUAGE...] [-- PYTEST OPTIONS]``.

    python -m tests.conformance                     all languages
    python -m tests.conformance go rust             these
    python -m tests.conformance go -- -k resumes    the cases whose names have it
    python -m tests.conformance --generate          write the stubs of all languages
    python -m tests.conformance --offers            build, and write the table of what they offer

The exit code is 0 if all that was asked for passed, 1 if something failed, 2 if a tool is missing.
"""

import argparse
import asyncio
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.conformance import offers
from tests.conformance.languages import LANGUAGES, ROOT, Command, Language
from tests.conformance.nginx import NGINX
from tests.conformance.runner import running


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


async def ask_offers(languages: Sequence[Language]) -> offers.Columns:
    """Ask the runners what their libraries offer."""
    found = {}
    for language in languages:
        with tempfile.NamedTemporaryFile() as log:
            async with running(language.runner, dict(os.environ), Path(log.name)) as runner:
                found[language.name] = await offers.offered(runner)
    return found


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
    parser.add_argument(
        "--offers",
        action="store_true",
        help="build, and only write the table of what the libraries offer, in hcsd/docs/clients.md",
    )
    parser.add_argument("language", nargs="*", help=f"{', '.join(names)} (default: all)")
    options = parser.parse_args(arguments[:end])
    wanted = options.language or names
    if unknown := set(wanted) - set(names):
        parser.error(f"no client for {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    chosen = [language for language in LANGUAGES if language.name in wanted]
    wants = [(language.name, tool) for language in chosen for tool in language.tools]
    if not (options.generate or options.offers):
        wants.append(("proxies", NGINX))
    problems = [f"{who}: {problem}" for who, tool in wants if (problem := tool.problem())]
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
    if options.offers:
        offers.write(asyncio.run(ask_offers(chosen)))
        return 0
    environment = os.environ | {"HCSD_CONFORMANCE": " ".join(wanted)}
    command = [sys.executable, "-m", "pytest", "tests/conformance", *arguments[end + 1 :]]
    return min(subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The table of languages: where the client is, what builds it, and how its runner is started.

Commands run in the root of the repository. What they need beside the tools, they fetch themselves, by versions
that the repository pins.
"""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

Command = tuple[str, ...]


@dataclass(frozen=True)
class Tool:
    """A program that has to be there.

    Attributes:
        command: What it is called.
        version: Asks for its version.
        at_least: The oldest that will do.
        remedy: How to get it.
    """

    command: str
    version: Command
    at_least: tuple[int, ...]
    remedy: str

    def problem(self) -> str | None:
        """Return what is wrong with it here, and how to mend that; None if nothing is."""
        wanted = ".".join(map(str, self.at_least))
        if shutil.which(self.command) is None:
            return f"{self.command} {wanted} or newer is not on the PATH: {self.remedy}"
        done = subprocess.run(self.version, capture_output=True, text=True, check=False)
        numbers = re.search(r"(\d+(?:\.\d+)+)", done.stdout + done.stderr)
        found = numbers[1] if numbers else "0"
        if tuple(map(int, found.split("."))) < self.at_least:
            return f"{self.command} is {found}, and {wanted} or newer is needed: {self.remedy}"
        return None


@dataclass(frozen=True)
class Language:
    """One client.

    Attributes:
        name: As on the command line and in `clients/`.
        title: As people write it.
        tools: What has to be there.
        build: Builds the library, its example and its runner, from a bare checkout.
        runner: Starts the runner.
        lint: Checks format and style.
        unit: Runs the tests of the library itself.
        generate: Writes the stubs that are committed; none if they are made by `build`.
        generated: The folder that `generate` writes.
        example: The program that the page of the clients shows.
        run_example: Runs it, compiled by `build`.
        fail_early: Runs a command as a process of `run` and leaves by an error once that has written
            a line, without ending it.
    """

    name: str
    title: str
    runner: Command
    tools: tuple[Tool, ...] = ()
    build: tuple[Command, ...] = ()
    lint: tuple[Command, ...] = ()
    unit: tuple[Command, ...] = ()
    generate: tuple[Command, ...] = ()
    generated: str = ""
    example: str = ""
    run_example: Command = ()
    fail_early: Command = ()

    def __str__(self) -> str:
        return self.name


CARGO_OPTIONS = ("--quiet", "--locked", "--manifest-path", "clients/rust/Cargo.toml")
MAVEN = ("mvn", "-q", "-B", "-ntp", "-Dstyle.color=never", "-f", "clients/java/pom.xml")

LANGUAGES = (
    Language(
        name="python",
        title="Python",
        runner=(sys.executable, "tests/conformance/runners/python/runner.py"),
    ),
    Language(
        name="go",
        title="Go",
        tools=(Tool("go", ("go", "version"), (1, 26), "see https://go.dev/doc/install"),),
        build=(
            ("go", "build", "-C", "clients/go", "-o", "bin/example", "./example"),
            (
                "go",
                "build",
                "-C",
                "tests/conformance/runners/go",
                "-o",
                f"{ROOT}/clients/go/bin/runner",
            ),
        ),
        runner=("clients/go/bin/runner",),
        lint=(("clients/go/check",),),
        unit=(("go", "test", "-C", "clients/go", "./..."),),
        generate=(("clients/go/generate",),),
        generated="clients/go/hcsdv1",
        example="clients/go/example/main.go",
        run_example=("clients/go/bin/example",),
    ),
    Language(
        name="rust",
        title="Rust",
        tools=(Tool("cargo", ("cargo", "--version"), (1, 88), "see https://rustup.rs"),),
        build=(("cargo", "build", *CARGO_OPTIONS, "--all-targets"),),
        runner=("clients/rust/target/debug/hcsd-conformance-runner",),
        lint=(("clients/rust/check",),),
        unit=(("cargo", "test", *CARGO_OPTIONS),),
        generate=(("clients/rust/generate/generate",),),
        generated="clients/rust/src/gen",
        example="clients/rust/examples/run.rs",
        run_example=("clients/rust/target/debug/examples/run",),
        fail_early=("clients/rust/target/debug/examples/early_return",),
    ),
    Language(
        name="typescript",
        title="TypeScript",
        tools=(
            Tool("node", ("node", "--version"), (20, 9), "see https://nodejs.org/en/download"),
            Tool("npm", ("npm", "--version"), (10,), "it comes with Node.js"),
        ),
        build=tuple(
            ("npm", "--prefix", folder, "--loglevel", "error", *command)
            for folder in ("clients/typescript", "tests/conformance/runners/typescript")
            for command in (("ci", "--ignore-scripts"), ("run", "build"))
        ),
        runner=("node", "tests/conformance/runners/typescript/build/runner.js"),
        lint=(("clients/typescript/check",),),
        unit=(("npm", "--prefix", "clients/typescript", "--loglevel", "error", "test"),),
        generate=(("clients/typescript/generate",),),
        generated="clients/typescript/src/gen",
        example="clients/typescript/example/run.ts",
        run_example=("node", "clients/typescript/build/example/run.js"),
    ),
    Language(
        name="java",
        title="Java",
        tools=(
            Tool("javac", ("javac", "-version"), (17,), "install a JDK: openjdk-17-jdk-headless"),
            Tool("mvn", ("mvn", "-version"), (3, 8, 7), "install Maven: maven"),
        ),
        build=((*MAVEN, "-Dmaven.test.skip", "package"),),
        runner=(
            *("java", "-cp", "tests/conformance/runners/java/target/hcsd-conformance.jar"),
            "hcsd.conformance.Runner",
        ),
        lint=(("clients/java/check",),),
        unit=((*MAVEN, "-pl", ":hcsd", "test"),),
        example="clients/java/example/src/main/java/RunCommand.java",
        run_example=("java", "-cp", "clients/java/example/target/hcsd-example.jar", "RunCommand"),
    ),
)

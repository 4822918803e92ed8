"""The options of docker and of systemd-run, and what becomes of each here: for the page from-docker.

Of docker 28 and systemd 257. An option has its short form behind a comma. What is said of each comes from
`hcsd.cli.words_elsewhere`, which also answers whoever types it.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import typer

from hcsd.cli.main import app
from hcsd.cli.words_elsewhere import OPTIONS

HCSD = typer.main.get_command(app)


class Elsewhere(NamedTuple):
    """A command of another program.

    Attributes:
        name: It, as it is typed.
        ours: Our command that does it.
        options: Its options.
        differing: What is to be said of those that have the name of one of ours and mean something else.
    """

    name: str
    ours: str
    options: str
    differing: dict[str, str] = {}  # noqa: RUF012  (nobody changes it)


class Row(NamedTuple):
    """What becomes of an option here.

    Attributes:
        spellings: It, in each of its forms.
        missing: The forms that our command does not know.
        told: What is said of it; "" if nothing is known.
    """

    spellings: list[str]
    missing: list[str]
    told: str


ALL = [
    Elsewhere(
        "docker run",
        "run",
        "--add-host --annotation --attach,-a --blkio-weight --blkio-weight-device --cap-add --cap-drop"
        " --cgroup-parent --cgroupns --cidfile --cpu-count --cpu-percent --cpu-period --cpu-quota"
        " --cpu-rt-period --cpu-rt-runtime --cpu-shares,-c --cpus --cpuset-cpus --cpuset-mems --detach,-d"
        " --detach-keys --device --device-cgroup-rule --device-read-bps --device-read-iops"
        " --device-write-bps --device-write-iops --disable-content-trust --dns --dns-opt --dns-option"
        " --dns-search --domainname --entrypoint --env,-e --env-file --expose --gpus --group-add"
        " --health-cmd --health-interval --health-retries --health-start-interval --health-start-period"
        " --health-timeout --help --hostname,-h --init --interactive,-i --io-maxbandwidth --io-maxiops"
        " --ip --ip6 --ipc --isolation --kernel-memory --label,-l --label-file --link --link-local-ip"
        " --log-driver --log-opt --mac-address --memory,-m --memory-reservation --memory-swap"
        " --memory-swappiness --mount --name --net --net-alias --network --network-alias"
        " --no-healthcheck --oom-kill-disable --oom-score-adj --pid --pids-limit --platform --privileged"
        " --publish,-p --publish-all,-P --pull --quiet,-q --read-only --restart --rm --runtime"
        " --security-opt --shm-size --sig-proxy --stop-signal --stop-timeout --storage-opt --sysctl"
        " --tmpfs --tty,-t --ulimit --use-api-socket --user,-u --userns --uts --volume,-v"
        " --volume-driver --volumes-from --workdir,-w",
    ),
    Elsewhere(
        "docker exec",
        "run",
        "--detach,-d --detach-keys --env,-e --env-file --help --interactive,-i --privileged --tty,-t"
        " --user,-u --workdir,-w",
    ),
    Elsewhere(
        "docker ps",
        "ps",
        "--all,-a --filter,-f --format --help --last,-n --latest,-l --no-trunc --quiet,-q --size,-s",
    ),
    Elsewhere(
        "docker logs",
        "logs",
        "--details --follow,-f --help --since --tail,-n --timestamps,-t --until",
    ),
    Elsewhere("docker attach", "attach", "--detach-keys --help --no-stdin --sig-proxy"),
    Elsewhere("docker stop", "stop", "--help --signal,-s --time --timeout,-t"),
    Elsewhere("docker kill", "kill", "--help --signal,-s"),
    Elsewhere("docker rm", "rm", "--force,-f --help --link,-l --volumes,-v"),
    Elsewhere("docker wait", "wait", "--help"),
    Elsewhere("docker inspect", "inspect", "--format,-f --help --size,-s --type"),
    Elsewhere("docker events", "events", "--filter,-f --format --help --since --until"),
    Elsewhere("docker stats", "stats", "--all,-a --format --help --no-stream --no-trunc"),
    Elsewhere("docker top", "top", "--help"),
    Elsewhere(
        "systemd-run",
        "run",
        "--area,-a --background --capsule,-C --collect,-G --description --expand-environment --gid"
        " --help,-h --host,-H --ignore-failure --job-mode --json --machine,-M --nice --no-ask-password"
        " --no-block --no-pager --on-active --on-boot --on-calendar --on-clock-change --on-startup"
        " --on-timezone-change --on-unit-active --on-unit-inactive --path-property --pipe,-P"
        " --property,-p --pty,-t --pty-late,-T --quiet,-q --remain-after-exit,-r --root-directory"
        " --same-dir,-d --same-root-dir,-R --scope --send-sighup --service-type --setenv,-E --shell,-S"
        " --slice --slice-inherit --socket-property --system --timer-property --uid --unit,-u --user"
        " --verbose,-v --version --wait --working-directory",
        {
            "--system": "names a compute system here; the daemon is named by '--address'",
            "--user": "names a user here; the daemon is named by '--address'",
        },
    ),
]


def rows(elsewhere: Elsewhere) -> Iterator[Row]:
    """Say what becomes of each option of a command."""
    ours = _options(elsewhere.ours)
    hints = OPTIONS.get(elsewhere.ours, {})
    for option in elsewhere.options.split():
        spellings = option.split(",")
        missing = [form for form in spellings if form not in ours]
        long, *short = spellings
        told = elsewhere.differing.get(long) or ("have" if long in ours else hints.get(long, ""))
        other = [
            f"'{form}' is '{ours[form]}' here"
            for form in short
            if ours.get(form, long) != long and ours[form] not in told
        ]
        yield Row(spellings, missing, "; ".join(filter(None, [told, *other])))


def page() -> str:
    """Return a section of the page for each command."""
    sections = []
    for elsewhere in ALL:
        lines = "".join(
            f"| {', '.join(f'`{form}`' for form in row.spellings)} | {_marked(row.told)} |\n"
            for row in rows(elsewhere)
        )
        sections.append(
            f"## {elsewhere.name}\n\nHere: `hcsd {elsewhere.ours}`.\n\n| option | here |\n|---|---|\n{lines}"
        )
    return "\n" + "\n".join(sections) + "\n"


def _options(name: str) -> dict[str, str]:
    """Return the forms of the options of our command, and the long one of each."""
    command = HCSD.get_command(typer.Context(HCSD), name)  # type: ignore[attr-defined]
    parent = HCSD.make_context("hcsd", [name], resilient_parsing=True)  # which knows of -h
    context = typer.Context(command, parent=parent)
    forms = [[*param.opts, *param.secondary_opts] for param in command.get_params(context)]
    return {
        form: next((long for long in opts if long.startswith("--")), form)
        for opts in forms
        for form in opts
    }


def _marked(told: str) -> str:
    """Return a hint as Markdown: what can be typed is code."""
    return re.sub(r"'([^']*)'", r"`\1`", told).replace("|", r"\|")

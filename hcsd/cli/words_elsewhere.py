"""Words of other programs that people type here, and what to type instead.

They are of docker, podman, ctr, crictl, nerdctl and systemd-run, and some of other commands here. A hint
names what does the same, or says why there is no such thing. What is in single quotes can be typed as it
stands, but for the words in capitals: a command line, or an option of the same command.
"""

from __future__ import annotations

# Words that do what another does.
ALIASES = {
    ("ls",): ("ps",),
    ("system", "ls"): ("system", "ps"),
}

_NO_IMAGES = (
    "there are no images: a process is a program of its system, as in 'hcsd run -- COMMAND'"
)
_SYSTEMS = "containers are compute systems here: see 'hcsd system --help'"
_COPY = (
    "HCS copies no files; 'hcsd run -i -- sh -c \"cat > TO\" < FROM' copies one, and"
    " 'tar -c FOLDER | hcsd run -i -w TO -- tar -x' a folder"
)
_FILES = (
    "a process sees the files of its system; what is mounted there is in the document of"
    " 'hcsd system create --file FILE'"
)
_NETWORK = "a process has the network of its system, with its ports, its names and its host name"
_DEVICES = "a process sees the devices of its system"
_STORAGE = (
    "the document of a compute system may limit its storage: see 'hcsd system create --file FILE'"
)
_NAMESPACES = "a process has the namespaces of its system"
_LIMITS = "limits are those of a compute system, which is made for the process with '--memory 256m' and '--cpus 0.5'"
_RIGHTS = "a process has the rights of its user: write '--user USER'"
_TIMER = "hcsd has no timers: let cron or a systemd timer start 'hcsd run -d -- COMMAND'"
_RESTART = "hcsd starts nothing anew; a loop does, as in 'hcsd run -d -- sh -c \"until COMMAND; do sleep 1; done\"'"
_HEALTH = (
    "hcsd does not ask processes how they are; 'hcsd wait NAME' and 'hcsd events' tell of ends"
)
_LOG = "the daemon keeps the output: write '--keep 64m' for how much, and see 'hcsd logs NAME'"
_UNIT = "a process is no unit of systemd; write '--name NAME'"
_SCOPE = "a process is started by the daemon, and not by this shell; its control group is that of its system"

# By the group and the word: "" is `hcsd` itself.
WORDS = {
    "": {
        "build": _NO_IMAGES,
        "commit": _NO_IMAGES,
        "compose": "there are no compositions; start each process with 'hcsd run -d --name NAME -- COMMAND'",
        "container": _SYSTEMS,
        "containers": _SYSTEMS,
        "context": "name the daemon with --address or HCSD_ADDRESS, as in 'hcsd --address HOST:7443 ps'",
        "cp": _COPY,
        "create": "start a process with 'hcsd run -d -- COMMAND', or create a compute system with 'hcsd system create'",
        "daemon": "the daemon is 'hcsd serve'",
        "delete": "remove a process with 'hcsd rm NAME', a compute system with 'hcsd system rm SYSTEM'",
        "diff": "a process has no files of its own to compare",
        "exec": "run a process in a compute system with 'hcsd run --system SYSTEM -- COMMAND'",
        "export": "a process has no files of its own; 'hcsd run -- tar -c FOLDER' writes some of its system to stdout",
        "history": _NO_IMAGES,
        "image": _NO_IMAGES,
        "images": _NO_IMAGES,
        "import": _NO_IMAGES,
        "journal": "see what a process has written with 'hcsd logs NAME'",
        "list": "list processes with 'hcsd ps', compute systems with 'hcsd system ps'",
        "load": _NO_IMAGES,
        "log": "see what a process has written with 'hcsd logs NAME'",
        "login": "there is no registry; a daemon on TCP knows its users by '--token-file FILE': see 'hcsd docs access'",
        "logout": "there is no registry; see 'hcsd docs access'",
        "network": _NETWORK,
        "pause": "pause a compute system, with all that runs in it, with 'hcsd system pause SYSTEM'",
        "port": _NETWORK,
        "pull": _NO_IMAGES,
        "push": _NO_IMAGES,
        "remove": "remove a process with 'hcsd rm NAME', a compute system with 'hcsd system rm SYSTEM'",
        "rename": "a process keeps its name; give it one with 'hcsd run --name NAME -- COMMAND'",
        "restart": "a process is started once; 'hcsd inspect NAME' shows its command for a new 'hcsd run -- COMMAND'",
        "resume": "resume a compute system with 'hcsd system resume SYSTEM'",
        "rmi": _NO_IMAGES,
        "save": _NO_IMAGES,
        "search": _NO_IMAGES,
        "send": "send a signal with 'hcsd signal NAME TERM'",
        "shell": "open one with 'hcsd run -it -- bash'",
        "start": "start a process with 'hcsd run -d -- COMMAND', a compute system with 'hcsd system start SYSTEM'",
        "status": "see a process with 'hcsd inspect NAME', the daemon with 'hcsd info'",
        "swarm": "a daemon is of one host; name it with --address",
        "tag": _NO_IMAGES,
        "task": "tasks are processes here: list them with 'hcsd ps'",
        "tasks": "tasks are processes here: list them with 'hcsd ps'",
        "terminate": "end a process with 'hcsd stop NAME', or by force with 'hcsd kill NAME'",
        "unpause": "resume a compute system with 'hcsd system resume SYSTEM'",
        "update": "the limits of a process are fixed when it starts: see 'hcsd run --help'",
        "version": "see versions with 'hcsd --version', and that of the daemon with 'hcsd info'",
        "volume": _FILES,
        "watch": "see what happens with 'hcsd events --follow'",
    },
    "system": {
        "delete": "write 'hcsd system rm SYSTEM'",
        "df": "see what systems use with 'hcsd stats --count 1'",
        "events": "write 'hcsd events --follow --system SYSTEM'",
        "exec": "write 'hcsd run --system SYSTEM -- COMMAND'",
        "info": "see a system with 'hcsd system inspect SYSTEM', the daemon with 'hcsd info'",
        "list": "write 'hcsd system ps'",
        "logs": "see what a process in it has written with 'hcsd logs --system SYSTEM NAME'",
        "prune": "remove systems with 'hcsd system rm SYSTEM', processes that have ended with 'hcsd prune'",
        "remove": "write 'hcsd system rm SYSTEM'",
        "restart": "one that has ended does not start again; create it anew with 'hcsd system create'",
        "run": "write 'hcsd run --system SYSTEM -- COMMAND'",
        "shutdown": "write 'hcsd system stop SYSTEM'",
        "top": "write 'hcsd top SYSTEM'",
        "unpause": "write 'hcsd system resume SYSTEM'",
    },
}

_TREE = "what it has started is ended, too, unless '--process-only' says otherwise"
_SIGNAL = "write 'hcsd signal NAME TERM', or 'hcsd kill -s TERM NAME'"

# By the command: its options, separated by spaces, and the hint; "run" has those of `docker run` and `systemd-run`.
_OPTIONS = {
    "": {
        "-H --host": "write '--address HOST:7443'",
    },
    "attach": {
        "--sig-proxy": "Ctrl-C and TERM are passed on; '--no-stdin' passes on nothing that is typed",
    },
    "events": {
        "--format": "write '--output json', which is an object a line",
    },
    "inspect": {
        "--size -s": "a process has no files of its own",
        "--type": "inspect a compute system with 'hcsd system inspect SYSTEM'",
    },
    "kill": {
        "--tree": _TREE,
    },
    "logs": {
        "--details": "see labels with 'hcsd inspect NAME'",
        "--lines": "write '--tail 10'",
    },
    "prune": {
        "--all -a": "it removes all that have ended: write 'hcsd prune'",
        "--filter": "write '--label KEY=VALUE'",
        "--force -f": "it asks nothing: write 'hcsd prune'",
    },
    "ps": {
        "--since": "write '--filter ended=10m'",
        "--failed": "write '--filter exited=nonzero'",
        "--label": "write '--filter label=KEY=VALUE'",
        "--size -s": "a process has no files of its own; see 'hcsd top' for its memory",
    },
    "rm": {
        "--all -a": "remove all that have ended with 'hcsd prune'",
        "--link -l": _NETWORK,
        "--volumes -v": "a process has no volumes",
    },
    "serve": {
        "--address --port": "write '--listen HOST:7443'",
    },
    "signal": {
        "--signal -s": _SIGNAL,
    },
    "stats": {
        "--all -a": "it shows all systems: write 'hcsd stats'",
        "--no-trunc": "whole ids: write '--format json', or send it to a file",
    },
    "stop": {
        "--all -a": "name each; 'hcsd ps -q' prints the names of all that run",
        "--time": "write '--timeout 10s'",
        "--tree": _TREE,
    },
    "system create": {
        "--name": "write 'hcsd system create NAME'",
        "-v": "folders are mounted by its document: write '--file FILE'",
    },
    "system ps": {
        "--all -a": "it lists all: write 'hcsd system ps'",
    },
    "system rm": {
        "-v": "a compute system has no volumes",
    },
    "system stop": {
        "--time": "write '--timeout 10s'",
    },
    "wait": {
        "--condition": "it waits for the end, which is kept: write 'hcsd wait NAME'",
    },
    "run": {
        # docker run
        "-v --volume --mount --volumes-from --volume-driver --tmpfs --read-only --shm-size"
        " --storage-opt": _FILES,
        "-p": f"{_NETWORK}; a property of systemd-run is an option here, as in '--memory 256m' or '--ulimit nofile=4096'",
        "-P": f"{_NETWORK}; for --pipe of systemd-run write '-i'",
        "--publish --publish-all --expose --network --net --network-alias --link --ip --ip6"
        " --net-alias --link-local-ip --dns --dns-search --dns-opt --dns-option --add-host"
        " --hostname --domainname --mac-address": _NETWORK,
        "--gpus --device --device-cgroup-rule": _DEVICES,
        "--device-read-bps --device-read-iops --device-write-bps --device-write-iops --blkio-weight"
        " --blkio-weight-device --io-maxbandwidth --io-maxiops": _STORAGE,
        "--memory-swap --memory-reservation --kernel-memory --cpu-shares"
        " --cpuset-cpus --cpuset-mems --cpu-quota --cpu-period --cpu-rt-period --cpu-rt-runtime --cpu-count"
        " --cpu-percent -c --memory-swappiness": _LIMITS,
        "--cap-add --cap-drop --privileged": _RIGHTS,
        "--ipc --pid --uts --userns --cgroupns": _NAMESPACES,
        "--cgroup-parent --slice --slice-inherit": _SCOPE,
        "--platform --pull --image --disable-content-trust": _NO_IMAGES,
        "--runtime": "the engine of the daemon runs it: see 'hcsd info'",
        "--isolation": "the document of a compute system says it: see 'hcsd system create --file FILE'",
        "--health-cmd --health-interval --health-retries --health-timeout --no-healthcheck"
        " --health-start-interval --health-start-period": _HEALTH,
        "--log-driver --log-opt": _LOG,
        "--restart": _RESTART,
        "--entrypoint": "there are no images: name the program first, as in 'hcsd run -- PROGRAM ARGUMENT'",
        "--init": "nothing is needed: the daemon takes care of what a process leaves behind",
        "--security-opt": "write '--no-new-privileges'",
        "--pids-limit --pids": "write '--ulimit nproc=100'",
        "--group-add": "write '--user USER:GROUP'",
        "-a --attach": "without '--detach' it is attached to both outputs; write '--stdin' for its input",
        "--cidfile": "-d prints the name, as in 'hcsd run -d -- COMMAND > FILE'",
        "--label-file": "write '--label KEY=VALUE' for each",
        "--annotation": "write '--label KEY=VALUE'",
        "--stop-signal": "say it when you end it, as in 'hcsd kill -s INT NAME'",
        "--stop-timeout": "say it when you end it, as in 'hcsd stop --timeout 30s NAME'",
        "--sig-proxy": "signals are passed on; '--detach' leaves it alone",
        "--oom-kill-disable": "write '--oom-score-adj -1000'",
        "--sysctl": "settings of the kernel are those of its system",
        # systemd-run
        "--unit": _UNIT,
        "--service-type --no-block --job-mode --ignore-failure": _UNIT,
        "--scope": _SCOPE,
        "--pty": "write '-it'",
        "--pipe": "write '-i'; both outputs are passed on",
        "--wait": "it waits unless '--detach' is given",
        "-G --collect": "write '--rm'",
        "-r --remain-after-exit": "write '--pin'",
        "--property": "write '--memory 256m', '--cpus 0.5', '--ulimit nofile=4096', '--umask 077',"
        " '--timeout 10m' or '--no-new-privileges'",
        "--uid": "write '--user UID'",
        "--gid": "write '--user UID:GID'",
        "--description": "write '--label description=TEXT'",
        "--setenv -E": "write '--env KEY=VALUE'",
        "--working-directory --cwd": "write '--workdir DIR'",
        "--same-dir": "write '--workdir .'",
        "-S --shell": "write 'hcsd run -it -- bash'",
        "--nice": "write 'hcsd run -- nice -n 5 COMMAND'",
        "-M --machine": "write '--system SYSTEM'",
        "-H --host": "write '--address HOST:7443'",
        "-q --quiet": "it says nothing of its own unless something is wrong",
        "--on-calendar --on-active --on-boot --on-startup --on-unit-active --on-unit-inactive"
        " --on-clock-change --on-timezone-change --timer-property": _TIMER,
        "--path-property --socket-property": _TIMER,
        "-T --pty-late": "write '-it'",
        "--use-api-socket": "it runs on no daemon of containers; name a socket with '--env HCSD_ADDRESS=ADDRESS'",
        "--send-sighup": "say it when you end it, as in 'hcsd kill -s HUP NAME'",
        "--expand-environment": "nothing is expanded; a shell does that, as in 'hcsd run -- sh -c \"COMMAND\"'",
        "--root-directory -R --same-root-dir": _FILES,
        "--capsule -C --area": "write '--user USER'; there are no capsules and no areas",
        "--background": "the terminal keeps its colours",
        "--no-ask-password --no-pager": "it does not ask, and there is no pager",
        "--json": "it prints what the process writes; for its state write 'hcsd inspect -o json NAME'",
        "--verbose": "it shows what the process writes: write 'hcsd run -- COMMAND'",
        "--version": "write 'hcsd --version'",
        # the shell
        "--stdout --stderr": "redirect the output of hcsd itself, as in 'hcsd run -- COMMAND > FILE'",
    },
}
OPTIONS = {
    command: {option: hint for options, hint in rows.items() for option in options.split()}
    for command, rows in _OPTIONS.items()
}

# By the command: what to type where it takes no name.
NAMELESS = {
    "events": "write '--filter name=TEXT' for those of one process",
    "info": "this is about the daemon; see a process with 'hcsd inspect NAME'",
    "prune": "remove certain processes with 'hcsd rm NAME'",
    "ps": "see one process with 'hcsd inspect NAME', or write '--filter name=TEXT'",
}


def hint_for_word(group: str, word: str) -> str:
    """Return what to type instead of a command that there is not; "" if nothing is known.

    Args:
        group: The group in which it was looked for, as in "system"; "" is `hcsd` itself.
        word: What was typed.
    """
    return WORDS.get(group, {}).get(word, "")


def hint_for_option(command: str, option: str) -> str:
    """Return what to type instead of an option that there is not; "" if nothing is known.

    Args:
        command: The command, as in "run" or "system create".
        option: What was typed, without its value.
    """
    if command == "kill" and not option.startswith("--"):
        return "write -s SIGNAL, as in '-s HUP'"
    return OPTIONS.get(command, {}).get(option, "")

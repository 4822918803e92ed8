"""Plans: what the double does, and what a client of the daemon must see of it.

A plan is a row. What the client does has a name, see `from_linux.acts`; what it has seen is put into
words there and must match. When its rules are forgotten the daemon must run a process as ever, hold
nothing of the plan, and have logged no fault of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

Rule = dict[str, object]


@dataclass(frozen=True, slots=True)
class Plan:
    """A row.

    Attributes:
        id: What the double does.
        act: What the client does.
        sees: What it must see: a regular expression for the words of the act.
        rules: How the double is told; see double/service/faults.c.
        later: Rules that the act gives in place of those, in its middle.
        calls: Which calls are held up, in an act that has many of a kind.
        held: How many of these calls reach the double at once.
    """

    id: str
    act: str
    sees: str
    rules: tuple[Rule, ...] = ()
    later: tuple[Rule, ...] = ()
    calls: str = ""
    held: int = 0


def of(function: str, **members: object) -> Rule:
    """Make a rule for the next call of a function."""
    return {"Function": function, **members}


def always(function: str, **members: object) -> Rule:
    """Make a rule for all its calls."""
    return {"Function": function, "Times": 0, **members}


INVALID_ARGUMENT = 0x80070057
ACCESS = 0x80070005
INVALID_HANDLE = 0x80070006
PROC_NOT_FOUND = 0x8007007F
NOT_FOUND = 0x80070490
UNAVAILABLE = 0x800706BA
INVALID_STATE = 0x80370105
CLOSED = 0x8037010A
SYSTEM_NOT_FOUND = 0x8037010E
NO_INFORMATION = 0x8037011D
FOREVER = 600_000  # milliseconds: until the rules are forgotten

NEGATIVE, EXTENDED = "-2147024809", "2147942487"  # E_INVALIDARG

# What each act sees when nothing goes wrong.
FINE = {
    "run": "out err exit 0",
    "kill": "ok, exit 1",
    "signal": "ok, ok, ready exit 3221225786",
    "resize": "ok, exit 1",
    "query process": "ok, ok, exit 1",
    "create system": "ok",
    "start system": "ok",
    "pause": "ok, forced_exit",
    "resume": "ok, forced_exit",
    "shut down": "ok, graceful_exit",
    "terminate system": "ok, forced_exit",
    "save": "FAILED_PRECONDITION HCS_E_INVALID_STATE, forced_exit",
    "modify system": "UNIMPLEMENTED ERROR_NOT_SUPPORTED, forced_exit",
    "query system": "ok, forced_exit",
    "list systems": 'owner "tests"',
    "exit and watch": "exit 7, exited 1 times",
}
INVALID = "INVALID_ARGUMENT E_INVALIDARG"
DENIED = "PERMISSION_DENIED E_ACCESSDENIED"
UNKNOWN = "exited, unknown 0x8000FFFF"


def fine(plan_id: str, act: str, *rules: Rule) -> Plan:
    """Make a plan of which a client sees nothing."""
    return Plan(plan_id, act, FINE[act], rules)


# --- in other orders ---

ORDERS = [
    fine("create completes inside the call", "run", of("HcsCreateProcess", Inline=True)),
    fine("create completes late", "run", of("HcsCreateProcess", DelayMs=200)),
    fine("create completes after the exit event", "run", of("HcsCreateProcess", ExitFirst=True)),
    fine("create answers pending", "run", of("HcsCreateProcess", Returns=0x80370117)),
    fine("create answers pending as of old", "run", of("HcsCreateProcess", Returns=0xC0370103)),
    fine("exit event comes twice", "exit and watch", of("ProcessExited", Events=2)),
    Plan(
        "exit event comes long after the pipes have ended",
        "late exit event",
        "PROCESS_STATE_(RUNNING|EXITED), exit 5",
        (of("ProcessExited", DelayMs=FOREVER),),
    ),
    Plan("exit event never comes", "lost exit", "exit 5", (of("ProcessExited", Events=0),)),
    Plan("pipes end long before the exit", "mute", "PROCESS_STATE_RUNNING, exit 1"),
    Plan(
        "pipes stay open after the exit",
        "run",
        "out err exit 0 forced",
        (of("HcsCreateProcess", KeepPipes=True),),
    ),
    Plan(
        "console stays open after the exit",
        "run on a console",
        "exit 7 forced",
        (of("HcsCreateProcess", KeepPipes=True),),
    ),
    fine(
        "system exit comes before that of a process",
        "terminate system",
        of("ProcessExited", SystemFirst=True),
    ),
    fine("system exit comes twice", "terminate system", of("SystemExited", Events=2)),
    fine("system exit never comes", "terminate system", of("SystemExited", Events=0)),
]


# --- schema versions ---


def versions(what: str, sees: str, document: str | None) -> Plan:
    rule = always("HcsGetServiceProperties", Document=document)
    return Plan(f"schema versions: {what}", "schema versions", sees, (rule,))


def supported(entries: str) -> str:
    return f'{{"Properties":[{{"SupportedSchemaVersions":{entries}}}]}}'


VERSIONS = [
    versions("the highest minor alone", r"2\.7", supported('[{"Major":2,"Minor":7}]')),
    versions(
        "a list",
        r"1\.0 2\.0 2\.7",
        supported('[{"Major":1,"Minor":0},{"Major":2,"Minor":0},{"Major":2,"Minor":7}]'),
    ),
    versions("none", "none", supported("[]")),
    versions("no properties", "none", "{}"),
    versions("no document", "none", None),
    versions("not JSON", "none", "<xml/>"),
    versions("not numbers", "none", supported('[{"Major":"two","Minor":"7"}]')),
    versions("not a list", "none", supported("7")),
    versions("a lone surrogate", r"2\.7", supported('[{"Major":2,"Minor":7,"X":"\ud83d"}]')),
    Plan(
        "service properties: no document",
        "service properties",
        "ok|INTERNAL E_UNEXPECTED",
        (always("HcsGetServiceProperties", Document=None),),
    ),
    Plan(
        "service properties: a lone surrogate",
        "service properties",
        "ok",
        (always("HcsGetServiceProperties", Document='{"Properties":["\ud83d"]}'),),
    ),
]


# --- result codes in documents ---


def status(what: str, sees: str, find: str, put: str) -> Plan:
    """Edit every ProcessStatus: the event, and the properties that are asked for beside it."""
    rules = (
        always("ProcessExited", Find=find, Put=put),
        always("HcsGetProcessProperties", Find=find, Put=put),
    )
    return Plan(what, "exit", sees, rules)


def system_status(what: str, put: str) -> Plan:
    find = '"Status":-2143878905,'
    return fine(what, "terminate system", of("SystemExited", Find=find, Put=put))


E_INVALIDARG = '"Error":-2147024809,'
CODES = [
    *[
        status(f"LastWaitResult {value}", sees, '"LastWaitResult":0', f'"LastWaitResult":{value}')
        for value, sees in (
            (NEGATIVE, "exited, unknown 0x80070057"),
            (EXTENDED, "exited, unknown 0x80070057"),
            ("18446744071562067968", "exited, unknown 0x80000000"),
            ('"0x80070057"', "exited, unknown 0x80070057"),
            (f'"{NEGATIVE}"', "exited, unknown 0x80070057"),
            ("4294967296", UNKNOWN),
            ("[]", UNKNOWN),
            ("null", "exit 7"),
        )
    ],
    status("LastWaitResult absent", "exit 7", ',"LastWaitResult":0', ""),
    status("ExitCode absent", "exit 0", '"ExitCode":7,', ""),
    *[
        status(f"ExitCode {value}", sees, '"ExitCode":7', f'"ExitCode":{value}')
        for value, sees in (
            ("-1", "exit 4294967295"),
            ("-1073741510", "exit 3221225786"),
            ("3221225786", "exit 3221225786"),
            ('"7"', UNKNOWN),
            ("18446744073709551615", UNKNOWN),
            ("7.5", UNKNOWN),
        )
    ],
    *[
        Plan(
            f"ResultError.Error {value or 'absent'}",
            "run",
            INVALID,
            (
                of(
                    "HcsCreateProcess",
                    Complete=INVALID_ARGUMENT,
                    Find=E_INVALIDARG,
                    Put=value and f'"Error":{value},',
                ),
            ),
        )
        for value in (EXTENDED, '"0x80070057"', "null", "1e99", "18446744073709551615", "")
    ],
    *[
        system_status(
            f"SystemExitStatus.Status {value or 'absent'}", value and f'"Status":{value},'
        )
        for value in ("2151088391", '"x"', "null", "0", "")
    ],
    Plan(
        "SystemExitStatus has Status alone, as of old",
        "terminate system",
        "ok, unspecified",
        (of("SystemExited", Document='{"Status":-2143878905}'),),
    ),
    *[
        Plan(
            f"a kill is told 0x{code:08X}",
            "kill of the dead",
            "ok, exit 5",
            (of("ProcessExited", Events=0), of("HcsTerminateProcess", Start=code)),
        )
        for code in (0x8037011F, 0xC037011F, 0x80370110, 0xC0370110, NOT_FOUND)
    ],
]


# --- halves of surrogate pairs ---


def texts(form: str, lone: str) -> list[Plan]:
    """Make the plans for one form of half a pair: a unit of UTF-16, or an escape of JSON."""
    owner, image = f'"Owner":"{lone}"', f'"ImageName":"{lone}"'
    more = f'"More":"{lone}","Exited":'
    return [
        Plan(
            f"Owner has a lone {form}",
            "list systems",
            r'owner "a\\ufffdz"',
            (always("HcsEnumerateComputeSystems", Find='"Owner":"tests"', Put=owner),),
        ),
        fine(
            f"Owner in properties has a lone {form}",
            "query system",
            always("HcsGetComputeSystemProperties", Find='"Owner":"tests"', Put=owner),
        ),
        fine(
            f"Name has a lone {form}",
            "list systems",
            always("HcsEnumerateComputeSystems", Find='"Owner":', Put=f'"Name":"{lone}","Owner":'),
        ),
        fine(
            f"Id of another system has a lone {form}",
            "list systems",
            always("HcsEnumerateComputeSystems", Find='"Id":"host"', Put=f'"Id":"{lone}"'),
        ),
        Plan(
            f"ErrorMessage has a lone {form}",
            "run",
            INVALID,
            (
                of(
                    "HcsCreateProcess",
                    Complete=INVALID_ARGUMENT,
                    Find="failed on command",
                    Put=lone,
                ),
            ),
        ),
        Plan(
            f"ErrorEvents has a lone {form}",
            "run",
            INVALID,
            (of("HcsCreateProcess", Start=INVALID_ARGUMENT, Find="hcsd.double", Put=lone),),
        ),
        fine(
            f"ProcessStatus has a lone {form}",
            "exit and watch",
            of("ProcessExited", Find='"Exited":', Put=more),
        ),
        fine(
            f"process properties have a lone {form}",
            "query process",
            always("HcsGetProcessProperties", Find='"Exited":', Put=more),
        ),
        fine(
            f"ImageName has a lone {form}",
            "query system",
            always("HcsGetComputeSystemProperties", Find='"ImageName":"guest.exe"', Put=image),
        ),
        fine(
            f"event of a system has a lone {form}",
            "terminate system",
            of("SystemExited", Find='"Client"', Put=f'"{lone}"'),
        ),
    ]


TEXTS = [*texts("unit", "a\ud83dz"), *texts("escape", "a\\ud83dz")]


# --- results ---

UNREADABLE = "INTERNAL E_UNEXPECTED"
RESULTS = [
    *[
        Plan(f"{function} gives {what}", act, sees, (of(function, Document=document),))
        for what, document in (
            ("no document", None),
            ("half a document", '{"Id":'),
            ("an empty text", ""),
        )
        for function, act, sees in (
            ("HcsEnumerateComputeSystems", "list systems", UNREADABLE),
            ("HcsGetProcessProperties", "query process", f"(ok|{UNREADABLE}), ok, exit 1"),
            ("HcsGetComputeSystemProperties", "query system", f"(ok|{UNREADABLE}), forced_exit"),
        )
    ],
    Plan(
        "HcsEnumerateComputeSystems gives entries of another kind",
        "list systems",
        "owner ",
        (of("HcsEnumerateComputeSystems", Document="[[], 7, {}]"),),
    ),
    *[
        Plan(
            f"figures are refused with 0x{code:08X}",
            "query system",
            f"{sees}, forced_exit",
            (of("HcsGetComputeSystemProperties", Complete=code),),
        )
        for code, sees in (
            (NOT_FOUND, "NOT_FOUND ERROR_NOT_FOUND"),
            (SYSTEM_NOT_FOUND, "NOT_FOUND HCS_E_SYSTEM_NOT_FOUND"),
            (INVALID_STATE, "FAILED_PRECONDITION HCS_E_INVALID_STATE"),
            (ACCESS, "FAILED_PRECONDITION HCS_E_INVALID_STATE"),
            (INVALID_HANDLE, "FAILED_PRECONDITION HCS_E_INVALID_STATE"),
        )
    ],
    *[
        Plan(f"create fails {what}", "run", DENIED, (of("HcsCreateProcess", **rule),))
        for what, rule in (
            ("without a document", {"Complete": ACCESS, "NoDocument": True}),
            ("at once without a document", {"Start": ACCESS, "NoDocument": True}),
            ("with half a document", {"Complete": ACCESS, "Document": '{"Error":'}),
            ("with a document of another kind", {"Complete": ACCESS, "Document": '["x"]'}),
            ("with a text for a document", {"Complete": ACCESS, "Document": "access denied"}),
        )
    ],
]


# --- failures that are none, and what is gone ---

THOUGH = of("HcsCreateProcess", Complete=INVALID_ARGUMENT, After=True)
GONE = [
    Plan("create fails though it runs", "input and output", "in exit 0", (THOUGH,)),
    Plan(
        "create fails though it runs, and its pipes are given again",
        "input and output",
        "in exit 0",
        (THOUGH | {"Reissue": True},),
    ),
    Plan(
        "create fails though it runs, and there is no information",
        "run",
        INVALID,
        (THOUGH, of("HcsGetProcessInfo", Complete=NO_INFORMATION)),
    ),
    *[
        Plan(
            f"create fails though it runs, and information {what}",
            "run",
            INVALID,
            (THOUGH, of("HcsGetProcessInfo", **{way: True})),
        )
        for what, way in (("is late for ever", "Lost"), ("is never looked for", "Never"))
    ],
    Plan(
        "second kill is denied",
        "kill twice",
        "ok, ok, exit 1",
        (
            of("ProcessExited", DelayMs=FOREVER),
            of("HcsTerminateProcess", Skip=1, Complete=ACCESS),
        ),
    ),
    Plan(
        "kill lacks a function inside of HCS",
        "kill",
        "UNIMPLEMENTED ERROR_PROC_NOT_FOUND, PROCESS_STATE_RUNNING, then exit 1",
        (of("HcsTerminateProcess", Complete=PROC_NOT_FOUND),),
    ),
    Plan(
        "kill finds nobody though it runs",
        "kill",
        "NOT_FOUND ERROR_NOT_FOUND, PROCESS_STATE_RUNNING, then exit 1",
        (always("HcsTerminateProcess", Complete=NOT_FOUND),),
    ),
    *[
        Plan(
            f"signal to what has ended is told 0x{code:08X}",
            "signal to the dead",
            "(ok|FAILED_PRECONDITION [A-Z_]+), exit 5",
            (of("ProcessExited", Events=0), of("HcsSignalProcess", Start=code)),
        )
        for code in (INVALID_STATE, 0xC0370105, SYSTEM_NOT_FOUND, NOT_FOUND)
    ],
    *[
        Plan(
            f"kill of what has ended is told 0x{code:08X}",
            "kill of the dead",
            "ok, exit 5",
            (of("ProcessExited", Events=0), of("HcsTerminateProcess", Start=code)),
        )
        for code in (INVALID_STATE, SYSTEM_NOT_FOUND, ACCESS)
    ],
    *[
        Plan(
            f"nobody knows what has ended: 0x{code:08X}",
            "lost exit",
            f"exited, unknown 0x{code:08X}",
            (of("ProcessExited", Events=0), always("HcsGetProcessProperties", Complete=code)),
        )
        for code in (INVALID_STATE, SYSTEM_NOT_FOUND, NOT_FOUND)
    ],
    *[
        # The properties are asked for beside it, and may know.
        Plan(f"exit event has {what}", "exit", f"{UNKNOWN}|exit 7", (of("ProcessExited", **rule),))
        for what, rule in (("no data", {"NoData": True}), ("half a document", {"Malformed": True}))
    ],
    *[
        Plan(
            f"guest connection is closed in a shutdown with 0x{code:08X}, and {what}",
            "shut down",
            f"ok, {how}_exit",
            (of("HcsShutDownComputeSystem", Complete=code, After=after),),
        )
        for code in (CLOSED, 0xC037010A)
        for what, after, how in (("it ends", True, "graceful"), ("it goes on", False, "forced"))
    ],
]


# --- calls that are refused ---

REFUSED = [
    Plan(
        "no operation can be made",
        "run",
        "RESOURCE_EXHAUSTED [A-Z_]+",
        (of("HcsCreateOperation", Start=0x8007000E),),
    ),
    Plan(
        "no event can be had of a process",
        "run",
        DENIED,
        (of("HcsSetProcessCallback", Start=ACCESS),),
    ),
    Plan(
        "no event can be had of a system",
        "create system",
        DENIED,
        (of("HcsSetComputeSystemCallback", Start=ACCESS),),
    ),
    Plan(
        "a kill cannot open the process",
        "kill",
        f"{DENIED}, PROCESS_STATE_RUNNING, then exit 1",
        (of("HcsOpenProcess", Start=ACCESS),),
    ),
    Plan(
        "a kill cannot open the system",
        "kill",
        f"{DENIED}, PROCESS_STATE_RUNNING, then exit 1",
        (of("HcsOpenComputeSystem", Start=ACCESS),),
    ),
    Plan(
        "a signal is refused",
        "signal",
        f"{DENIED}, ok, ready exit 1",
        (of("HcsSignalProcess", Complete=ACCESS),),
    ),
    Plan(
        "a change is refused",
        "resize",
        f"{DENIED}, exit 1",
        (of("HcsModifyProcess", Complete=ACCESS),),
    ),
]


# --- completions that do not come ---

VERBS = {
    "HcsCreateProcess": "run",
    "HcsTerminateProcess": "kill",
    "HcsSignalProcess": "signal",
    "HcsModifyProcess": "resize",
    "HcsGetProcessProperties": "query process",
    "HcsCreateComputeSystem": "create system",
    "HcsStartComputeSystem": "start system",
    "HcsPauseComputeSystem": "pause",
    "HcsResumeComputeSystem": "resume",
    "HcsShutDownComputeSystem": "shut down",
    "HcsTerminateComputeSystem": "terminate system",
    "HcsSaveComputeSystem": "save",
    "HcsModifyComputeSystem": "modify system",
    "HcsGetComputeSystemProperties": "query system",
    "HcsEnumerateComputeSystems": "list systems",
}
TOO_LATE = "DEADLINE_EXCEEDED HCS_E_OPERATION_TIMEOUT"
# What a client sees where it does not see TOO_LATE: the work is done, or there is another way.
LOST = {
    "run": TOO_LATE,  # it has ended when HCS is asked about it
    "kill": f"({TOO_LATE}, PROCESS_STATE_[A-Z]+, then exit 1|ok, exit 1)",
    "signal": "ok, ok, ready exit (1|3221225786)",
    "resize": f"{TOO_LATE}, exit 1",
    "query process": f"({TOO_LATE}|ok), ok, exit 1",  # others ask, too
    "create system": TOO_LATE,
    "start system": TOO_LATE,
    "shut down": "ok, (graceful|forced)_exit",
    "list systems": TOO_LATE,
}
FOUND = Plan(
    "HcsCreateProcess starts what goes on, and does not complete",
    "input and output",
    "in exit 0",
    (of("HcsCreateProcess", Lost=True),),
)
NEVER = ("HcsCreateProcess", "HcsTerminateProcess", "HcsSignalProcess", "HcsCreateComputeSystem")
COMPLETIONS = [
    FOUND,
    *[
        fine(f"{function} completes without a callback", act, of(function, Silent=True))
        for function, act in VERBS.items()
    ],
    *[
        Plan(
            f"{function} does its work and does not complete",
            act,
            LOST.get(act, f"({TOO_LATE}|ok), forced_exit"),
            (of(function, Lost=True),),
        )
        for function, act in VERBS.items()
    ],
    *[
        Plan(
            f"{function} does nothing and does not complete",
            VERBS[function],
            f"{TOO_LATE}|{LOST[VERBS[function]]}",
            (of(function, Never=True),),
        )
        for function in NEVER
    ],
]


# --- calls that do not return ---

BLOCKED = [
    Plan(
        f"{held} calls of {function} do not return",
        "blocked",
        f"none stuck, then {sees}",
        (always(function, BlockMs=FOREVER),),
        calls=calls,
        held=held,
    )
    for function, calls, held, sees in (
        ("HcsCreateProcess", "create", 5, "ok"),
        ("HcsSetProcessCallback", "create", 4, "ok"),
        ("HcsTerminateProcess", "kill", 5, "ok"),
        ("HcsOpenProcess", "kill", 5, "ok"),
        ("HcsOpenComputeSystem", "kill", 5, "ok"),
        ("HcsCloseComputeSystem", "kill", 4, "ok"),
        ("HcsCloseProcess", "kill", 4, "ok"),
        ("HcsSignalProcess", "signal", 5, "ok"),
        ("HcsModifyProcess", "close stdin", 4, "ok"),
        ("HcsGetProcessProperties", "query process", 4, "ok"),
        ("HcsGetComputeSystemProperties", "query system", 4, "ok"),
        ("HcsEnumerateComputeSystems", "list", 4, "ok"),
        ("HcsPauseComputeSystem", "pause", 4, "ok"),
        ("HcsTerminateComputeSystem", "terminate system", 5, "ok"),
        ("HcsCreateComputeSystem", "create system", 4, "ok"),
        ("HcsSetComputeSystemCallback", "create system", 4, "ok"),
        ("HcsModifyComputeSystem", "modify system", 4, "UNIMPLEMENTED ERROR_NOT_SUPPORTED"),
        ("HcsGetServiceProperties", "service properties", 4, "ok"),
    )
]


# --- the service goes away ---

AWAY = always("*", Start=UNAVAILABLE)
DISCONNECTED = "exited, unknown 0x8037011E"
LISTED = (
    '{"Id":"host","State":"Running","ProcessList":[{"ProcessId":<pid>,"ImageName":"x",'
    '"CreateTimestamp":"2040-01-01T00:00:00Z"}]}'
)
DISCONNECTS = [
    Plan(
        "service is away for a while",
        "service away",
        "UNAVAILABLE [A-Z_]+; exited, unknown 0x8037011E; running, ok, exit 1",
        (AWAY,),
    ),
    Plan(
        "service is back at once, and an exit event is lost",
        "back at once",
        "running, exit 5",
        (of("ProcessExited", Events=0),),
    ),
    Plan(
        "service is back, and a pid is another's",
        "pid used again",
        "lost, unknown 0x8037011E; UNAVAILABLE [A-Z_]+; ok",
        (AWAY,),
        later=(always("HcsGetComputeSystemProperties", Document=LISTED),),
    ),
    *[
        Plan(
            f"service goes away as {function} is called",
            act,
            sees,
            (of(function, Disconnect=True),),
        )
        for function, act, sees in (
            ("HcsCreateProcess", "run", "UNAVAILABLE [A-Z_]+"),
            (
                "HcsTerminateProcess",
                "kill",
                "(UNAVAILABLE [A-Z_]+, PROCESS_STATE_[A-Z]+, then|ok,) exit 1",
            ),
            (
                "HcsOpenProcess",
                "kill",
                "(UNAVAILABLE [A-Z_]+, PROCESS_STATE_[A-Z]+, then|ok,) exit 1",
            ),
            ("HcsGetProcessProperties", "query process", "(UNAVAILABLE [A-Z_]+|ok), ok, exit 1"),
            ("HcsTerminateComputeSystem", "terminate system", "(UNAVAILABLE [A-Z_]+|ok), .*"),
        )
    ],
    Plan("service is back without a system", "system gone", f"({DISCONNECTED}|exit 1); .*_STOPPED"),
    Plan("service is killed, and another comes", "service crashes", DISCONNECTED),
]

PLANS = [
    *ORDERS,
    *VERSIONS,
    *CODES,
    *TEXTS,
    *RESULTS,
    *GONE,
    *REFUSED,
    *COMPLETIONS,
    *BLOCKED,
    *DISCONNECTS,
]


# --- builds that lack exports; each has a daemon of its own ---


@dataclass(frozen=True, slots=True)
class Build:
    """A build of computecore.dll.

    Attributes:
        id: Which one.
        lacks: The exports that it does not have.
        plans: What a daemon over it must do all the same.
    """

    id: str
    lacks: tuple[str, ...]
    plans: tuple[Plan, ...] = ()


ESSENTIAL = (
    fine("a process runs", "run"),
    fine("a kill", "kill"),
    fine("a query", "query process"),
    fine("a list", "exit and watch"),
)
LACKED = "UNIMPLEMENTED ERROR_PROC_NOT_FOUND"
BUILDS = [
    Build("without HcsSignalProcess", ("HcsSignalProcess",), (
        *ESSENTIAL, Plan("a signal", "signal", f"{LACKED}, ok, ready exit 1"),
    )),
    Build(
        "without anything optional",
        (
            "HcsCancelOperation", "HcsCreateComputeSystem", "HcsGetOperationContext",
            "HcsGetOperationId", "HcsGetOperationType", "HcsGetProcessInfo",
            "HcsGetServiceProperties", "HcsModifyComputeSystem", "HcsModifyProcess",
            "HcsModifyServiceSettings", "HcsPauseComputeSystem", "HcsResumeComputeSystem",
            "HcsSaveComputeSystem", "HcsSetOperationCallback", "HcsSetOperationContext",
            "HcsShutDownComputeSystem", "HcsSignalProcess", "HcsStartComputeSystem",
            "HcsTerminateComputeSystem", "HcsWaitForOperationResult",
            "HcsWaitForOperationResultAndProcessInfo",
        ),
        (
            *ESSENTIAL,
            Plan("a signal", "signal", f"{LACKED}, ok, ready exit 1"),
            Plan("a system", "create system", LACKED),
            Plan("versions", "schema versions", "none"),
            Plan(
                "a kill that does not complete",
                "kill",
                LOST["kill"],
                (of("HcsTerminateProcess", Lost=True),),
            ),
        ),
    ),
]  # fmt: skip
REFUSED_BUILDS = [
    Build("without HcsCreateProcess", ("HcsCreateProcess",)),
    Build("without what tells of ends", ("HcsSetProcessCallback", "HcsSetComputeSystemCallback")),
]

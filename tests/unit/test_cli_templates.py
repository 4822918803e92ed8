"""Templates of --format print any field of what --output json prints, and say which there are."""

import re

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from hcsd.cli.output.json_output import plain
from hcsd.cli.output.templates import Template, TemplateError
from hcsd.printable import is_printable
from hcsd.v1 import compute_system_pb2 as system_pb
from hcsd.v1 import process_pb2 as pb

HOSTILE = "a\x1b]0;mine\x07\n\u202eb"
PROCESS = pb.Process(
    name="systems/host/processes/web",
    pid=7,
    spec=pb.ProcessSpec(argv=pb.Argv(args=["sh", "-c", "x"])),
    state=pb.PROCESS_STATE_RUNNING,
    start_time=Timestamp(seconds=1),
    labels={"app": "web", "com.x/y": "z z", "evil": HOSTILE},
    stdin=pb.StreamStatus(closed=True),
)


def printed(capsys: pytest.CaptureFixture[str], text: str, *processes: pb.Process) -> str:
    template = Template.of(text)
    template.check(pb.Process)
    template.show(map(plain, processes or [PROCESS]))
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{{.name}}", "systems/host/processes/web"),
        ("{{ .pid }}:{{.state}}", "7:PROCESS_STATE_RUNNING"),
        (r"{{.pid}}\t{{.stdin.closed}}\n", "7\ttrue\n"),
        ("{{.stdout.end_offset}}", ""),  # not there
        ("{{.exit.exit_code}}|{{json .exit}}", "|null"),
        ("{{.start_time}}", "1970-01-01T00:00:01Z"),
        ("{{.labels.app}} {{.labels.none}}", "web "),
        ('{{index .labels "com.x/y"}}', "z z"),
        ("{{index .spec.argv.args 2}} {{index .spec.argv.args 9}}", "x "),
        ("{{index .spec.argv.args " + "9" * 5000 + "}}", ""),
        ("{{.spec.argv.args}}", '["sh", "-c", "x"]'),
        ("{{json .spec.argv}}", '{"args": ["sh", "-c", "x"]}'),
        ("{{json .name}}", '"systems/host/processes/web"'),
        ("{{.labels.evil}}", r"a\x1b]0;mine\x07\n\u202eb"),
        ("{{json .labels.evil}}", r'"a\u001b]0;mine\u0007\n\u202eb"'),
    ],
)
def test_what_is_printed(capsys: pytest.CaptureFixture[str], text: str, shown: str) -> None:
    assert printed(capsys, text) == f"{shown}\n"


def test_all_of_it_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    whole = printed(capsys, "json")
    assert whole == printed(capsys, "{{json .}}") == printed(capsys, "{{.}}")
    assert whole.startswith('{"name": "systems/host/processes/web"')
    assert is_printable(whole.rstrip("\n"))


def test_each_has_a_line_and_none_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "{{.pid}}", PROCESS, PROCESS) == "7\n7\n"
    Template.of("{{.pid}}").show([])
    assert capsys.readouterr().out == ""


def test_a_table_has_headings(capsys: pytest.CaptureFixture[str]) -> None:
    other = pb.Process(name="systems/host/processes/b", pid=12345, labels={"app": HOSTILE})
    text = r"table {{.pid}}\t{{json .labels.app}}\t{{.exit.exit_code}} {{.spec.argv.args}}"
    assert [
        line.split("  ")[0].rstrip() for line in printed(capsys, text, PROCESS, other).splitlines()
    ] == [*("PID", "7", "12345")]
    assert printed(capsys, text).splitlines()[0] == "PID  APP    EXIT CODE ARGS"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "{{.naem}}",
            r"no field '\.naem'; did you mean 'name'\? the result has id, name, uid, .*options$",
        ),
        ("{{.ID}}", r"no field '\.ID'; did you mean 'id'\? the result has id, name, uid"),
        ("{{.ExitCode}}", r"no field '\.ExitCode'; did you mean 'exit\.exit_code'\?"),
        ("{{.exit_code}}", r"no field '\.exit_code'; did you mean 'exit\.exit_code'\?"),
        ("{{.Command}}", r"no field '\.Command'; did you mean 'spec\.argv\.args'\?"),
        (
            "{{json .spec.arg}}",
            r"no field '\.spec\.arg'; did you mean 'argv'\? \.spec has command_line",
        ),
        ("{{.pid.x}}", r"'\.pid' has no fields"),
        ("{{.start_time.seconds}}", r"'\.start_time' has no fields"),
        ("{{.labels.app.x}}", r"'\.labels\.app' has no fields"),
        ("{{.spec.argv.args.first}}", r"'\.spec\.argv\.args' is a list; write \{\{index \.spec"),
        (
            "{{range .labels}}x{{end}}",
            r"'\{\{range \.labels\}\}' is not understood; write \{\{\.FIELD",
        ),
        ("{{name}}", "is not understood"),
        ("{{.name | upper}}", "is not understood"),
        ('{{index .labels "x}}', "is not understood"),
        ("{{index .labels}}", "is not understood"),
        ("{{}}", "is not understood"),
        ("{{.pid}} {{.name", "braces without their counterparts"),
        ("{{.pid}} }}", "braces without their counterparts"),
        ("", "has no field"),
        ("table", "has no field"),
        ("name", "has no field; write"),
    ],
)
def test_what_makes_no_sense_is_told(text: str, told: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Template.of(text).check(pb.Process, also=("id",))
    assert re.search(told, caught.value.message)


def test_what_is_no_message_has_fields_too(capsys: pytest.CaptureFixture[str]) -> None:
    shape = {"system": system_pb.ComputeSystem, "processes": None}
    template = Template.of("{{.system.system_id}} {{.processes}}")
    template.check(shape)
    template.show([{"system": plain(system_pb.ComputeSystem(system_id="a")), "processes": 3}])
    assert capsys.readouterr().out == "a 3\n"
    with pytest.raises(TemplateError, match="the result has system, processes"):
        Template.of("{{.cpu}}").check(shape)

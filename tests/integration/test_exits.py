"""How processes end, and how the daemon tells it: codes, signals, reasons."""

import signal

import anyio
import grpc
import pytest

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.wire import HOST, Client, Feed, Run, code_of, refused, seconds, sh
from tests.support.census import ended, is_running, until

Code = grpc.StatusCode

FOREVER = pb.Argv(args=["sleep", "1000"])
# Says when its handler is there, then waits; the shell runs a handler only between commands.
STUBBORN = sh('trap "" TERM; echo ready; while :; do sleep 1000; done')


@pytest.mark.parametrize("code", [0, 1, 42, 255])
async def test_an_exit_code_is_told_as_it_is(client: Client, code: int) -> None:
    made = await client.create(sh('exit "$1"', str(code)))
    end = (await client.wait(made.name)).exit
    assert end.WhichOneof("outcome") == "exit_code"
    assert end.exit_code == code
    assert end.reason == pb.EXIT_REASON_EXITED
    assert (end.signal, end.signal_name) == (0, "")


@pytest.mark.parametrize(("name", "number"), [("KILL", 9), ("TERM", 15), ("SEGV", 11)])
async def test_a_process_that_signals_itself_has_128_and_the_signal(
    client: Client, name: str, number: int
) -> None:
    made = await client.create(sh('ulimit -c 0; kill -"$1" $$', name))
    end = (await client.wait(made.name)).exit
    assert end.exit_code == 128 + number
    assert (end.signal, end.signal_name) == (number, name)
    assert end.reason == pb.EXIT_REASON_SIGNALED


async def test_a_signal_that_no_name_stands_for_has_its_number(client: Client) -> None:
    made = await client.create(FOREVER)
    await client.signal(made.name, pb.ProcessSignal(signal_number=40))
    end = (await client.wait(made.name)).exit
    assert (end.exit_code, end.signal) == (168, 40)


@pytest.mark.parametrize(
    ("sent", "number"),
    [
        (pb.ProcessSignal(signal_name="TERM"), signal.SIGTERM),
        (pb.ProcessSignal(signal_name="sigusr1"), signal.SIGUSR1),
        (pb.ProcessSignal(signal_number=1), signal.SIGHUP),
        (pb.ProcessSignal(console_event=pb.CONSOLE_EVENT_CTRL_C), signal.SIGINT),
        (pb.ProcessSignal(signal_name="CtrlBreak"), signal.SIGQUIT),
        (pb.ProcessSignal(options_json='{"Signal": 12}'), signal.SIGUSR2),
    ],
    ids=["name", "prefixed", "number", "event", "event by name", "document"],
)
async def test_a_signal_is_sent_however_it_is_written(
    client: Client, sent: pb.ProcessSignal, number: signal.Signals
) -> None:
    made = await client.create(FOREVER)
    response = await client.signal(made.name, sent)
    assert response.delivery == pb.SIGNAL_DELIVERY_DELIVERED
    end = (await client.wait(made.name)).exit
    assert end.signal == number
    assert end.reason == pb.EXIT_REASON_SIGNALED


@pytest.mark.parametrize(
    "sent",
    [pb.ProcessSignal(signal_name="KILL"), pb.ProcessSignal(signal_number=9)],
    ids=["name", "number"],
)
async def test_a_kill_signal_counts_as_a_termination(
    client: Client, sent: pb.ProcessSignal
) -> None:
    made = await client.create(STUBBORN)
    assert (await client.signal(made.name, sent)).delivery == pb.SIGNAL_DELIVERY_DELIVERED
    end = (await client.wait(made.name)).exit
    assert (end.exit_code, end.signal, end.signal_name) == (137, 9, "KILL")
    assert end.reason == pb.EXIT_REASON_TERMINATED


async def test_a_signal_reaches_a_handler(client: Client) -> None:
    script = 'trap "echo caught; exit 5" TERM; echo ready; sleep 1000 >/dev/null 2>&1 & wait'
    run = await client.run(sh(script))
    await run.until_out(b"ready\n")
    await client.signal(run.output.process.name, pb.ProcessSignal(signal_name="TERM"))
    output = await run.finish()
    assert output.stdout == b"ready\ncaught\n"
    assert output.code == 5
    assert output.exit is not None
    assert output.exit.reason == pb.EXIT_REASON_EXITED


async def test_an_exited_process_takes_signals_and_kills_without_an_error(client: Client) -> None:
    made = await client.create(sh("exit 4"))
    await client.wait(made.name)
    for sent in (pb.ProcessSignal(signal_number=15), pb.ProcessSignal(signal_name="KILL")):
        response = await client.signal(made.name, sent)
        assert response.delivery == pb.SIGNAL_DELIVERY_ALREADY_EXITED
    end = (await client.terminate(made.name)).exit
    assert (end.exit_code, end.reason) == (4, pb.EXIT_REASON_EXITED)


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        (pb.ProcessSignal(signal_name="NONSENSE"), "signal.signal_name"),
        (pb.ProcessSignal(signal_name=""), "signal.signal_name"),
        (pb.ProcessSignal(signal_number=0), "signal.signal_number"),
        (pb.ProcessSignal(signal_number=65), "signal.signal_number"),
        (pb.ProcessSignal(signal_number=-1), "signal.signal_number"),
        (pb.ProcessSignal(console_event=pb.CONSOLE_EVENT_UNSPECIFIED), "signal.console_event"),
        (pb.ProcessSignal(), "signal.signal"),
    ],
    ids=["name", "no name", "zero", "too high", "negative", "no event", "nothing"],
)
async def test_a_signal_that_does_not_exist_is_refused(
    client: Client, sent: pb.ProcessSignal, field: str
) -> None:
    made = await client.create(FOREVER)
    with refused(Code.INVALID_ARGUMENT) as refusal:
        await client.signal(made.name, sent)
    assert refusal.value.fields == [field]
    assert is_running(made.pid)


async def test_terminate_kills_at_once_and_is_idempotent(client: Client) -> None:
    made = await client.create(STUBBORN)
    for _ in range(2):
        end = (await client.terminate(made.name)).exit
        assert (end.exit_code, end.signal_name) == (137, "KILL")
        assert end.reason == pb.EXIT_REASON_TERMINATED


async def test_terminate_with_grace_lets_a_handler_finish(client: Client) -> None:
    run = await client.run(sh('trap "exit 3" TERM; echo ready; sleep 1000 >/dev/null 2>&1 & wait'))
    await run.until_out(b"ready\n")
    end = (await client.terminate(run.output.process.name, grace=1000)).exit
    assert (end.exit_code, end.signal) == (3, 0)
    assert end.reason == pb.EXIT_REASON_TERMINATED


async def test_terminate_with_grace_kills_who_does_not_follow(client: Client) -> None:
    run = await client.run(STUBBORN)
    await run.until_out(b"ready\n")
    end = (await client.terminate(run.output.process.name, grace=0.1)).exit
    assert (end.exit_code, end.reason) == (137, pb.EXIT_REASON_TERMINATED)


async def test_a_second_terminate_shortens_the_grace(client: Client) -> None:
    run = await client.run(STUBBORN)
    await run.until_out(b"ready\n")
    name = run.output.process.name
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.terminate, name, 1000)
        assert (await client.terminate(name)).exit.exit_code == 137


async def test_a_wait_for_a_kill_in_pieces_sends_the_signal_once(client: Client) -> None:
    run = await client.run(
        sh('trap "echo T" TERM; trap "echo U" USR1; echo ready; while :; do sleep 0.01; done')
    )
    await run.until_out(b"ready\n")
    name = run.output.process.name

    async def terminate(grace: float, timeout: float) -> service_pb.TerminateProcessResponse:
        return await client.processes.TerminateProcess(
            service_pb.TerminateProcessRequest(
                name=name, grace_period=seconds(grace), timeout=seconds(timeout)
            )
        )

    first = await terminate(1000, 0)
    assert first.timed_out
    assert first.process.state == pb.PROCESS_STATE_RUNNING
    assert first.scope_applied == service_pb.TERMINATE_SCOPE_UNSPECIFIED
    await run.until_out(b"T\n")
    assert (await terminate(1000, 0.1)).timed_out
    await client.signal(name, pb.ProcessSignal(signal_name="USR1"))
    await run.until_out(b"U\n")
    assert run.output.stdout == b"ready\nT\nU\n"
    last = await terminate(0.01, 1000)
    assert not last.timed_out
    assert last.process.exit.signal_name == "KILL"
    assert last.scope_applied == service_pb.TERMINATE_SCOPE_PROCESS


async def test_a_kill_goes_on_when_its_timeout_is_up(client: Client) -> None:
    made = await client.create(FOREVER)
    request = service_pb.TerminateProcessRequest(name=made.name, timeout=seconds(0))
    assert (await client.processes.TerminateProcess(request)).timed_out
    assert (await client.wait(made.name)).exit.reason == pb.EXIT_REASON_TERMINATED
    # Whoever asks on learns what the kill has done, although it came between two calls.
    request.timeout.FromSeconds(1000)
    last = await client.processes.TerminateProcess(request)
    assert last.scope_applied == service_pb.TERMINATE_SCOPE_PROCESS


async def test_the_kill_after_the_grace_comes_even_if_its_call_is_gone(client: Client) -> None:
    run = await client.run(STUBBORN)
    await run.until_out(b"ready\n")
    name = run.output.process.name
    request = service_pb.TerminateProcessRequest(name=name, grace_period=seconds(0.5))
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await client.processes.TerminateProcess(request, timeout=0.2)
    assert error.value.code() is Code.DEADLINE_EXCEEDED
    assert is_running(run.output.process.pid)
    end = (await client.wait(name)).exit
    assert (end.exit_code, end.reason) == (137, pb.EXIT_REASON_TERMINATED)


async def test_a_process_may_run_for_its_run_timeout_only(client: Client) -> None:
    made = await client.create(STUBBORN, spec=pb.ProcessSpec(run_timeout=seconds(0.2)))
    end = (await client.wait(made.name)).exit
    assert (end.exit_code, end.signal) == (137, 9)
    assert end.reason == pb.EXIT_REASON_RUN_TIMEOUT


async def test_a_process_that_ends_in_time_knows_no_run_timeout(client: Client) -> None:
    made = await client.create(sh("exit 6"), spec=pb.ProcessSpec(run_timeout=seconds(1000)))
    end = (await client.wait(made.name)).exit
    assert (end.exit_code, end.reason) == (6, pb.EXIT_REASON_EXITED)


async def test_the_deadline_of_a_call_never_bounds_the_process(client: Client) -> None:
    call = client.processes.RunProcess(timeout=0.3)
    create = service_pb.CreateProcessRequest(
        parent=HOST, spec=pb.ProcessSpec(argv=FOREVER), process_id="outlives-its-call"
    )
    client.made.append(f"{HOST}/processes/outlives-its-call")
    await call.write(service_pb.RunProcessRequest(create=create))
    assert await code_of(Feed(call).finish()) is Code.DEADLINE_EXCEEDED
    assert (await client.get(client.made[-1])).state == pb.PROCESS_STATE_RUNNING


async def test_the_owner_may_take_its_process_with_it(client: Client) -> None:
    spec = pb.ProcessSpec(orphan_policy=pb.ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT)
    run = await client.run(STUBBORN, spec=spec)
    await run.until_out(b"ready\n")
    assert run.call.cancel()
    end = (await client.wait(run.output.process.name)).exit
    assert (end.exit_code, end.reason) == (137, pb.EXIT_REASON_OWNER_GONE)


async def test_an_owner_that_leaves_before_the_answer_takes_its_process_too(client: Client) -> None:
    spec = pb.ProcessSpec(orphan_policy=pb.ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT)
    names = [f"{HOST}/processes/abandoned-{number}" for number in range(20)]
    client.made += names
    for number, name in enumerate(names):
        run = await client.run(FOREVER, spec=spec, process_id=name.rpartition("/")[2])
        for _ in range(number % 5):  # the more round trips, the farther the daemon has come
            await client.get_host()
        run.call.cancel()
    await client.settle()
    started = 0
    for name in names:
        with anyio.fail_after(30):
            code = await code_of(client.wait(name))
        assert code in {Code.OK, Code.NOT_FOUND}  # not found: it never reached the daemon
        if code is Code.OK:
            assert (await client.get(name)).exit.reason == pb.EXIT_REASON_OWNER_GONE
            started += 1
    assert started


async def test_only_run_process_makes_an_owner(client: Client) -> None:
    spec = pb.ProcessSpec(orphan_policy=pb.ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT)
    with refused(Code.INVALID_ARGUMENT) as refusal:
        await client.create(FOREVER, spec=spec)
    assert refusal.value.fields == ["spec.orphan_policy"]


# Prints the pid of a descendant that is in a session of its own and that nobody waits for.
LEAVER = "(setsid sh -c 'echo $$; exec sleep 1000' &)"
TREE = service_pb.TERMINATE_SCOPE_TREE


async def descendant(run: Run) -> int:
    await run.until_out(b"\n")
    return int(run.output.stdout)


async def test_a_tree_ends_with_its_descendants_in_whatever_session(client: Client) -> None:
    run = await client.run(sh(f"{LEAVER}; sleep 1000"))
    left = await descendant(run)
    await client.terminate(run.output.process.name, scope=service_pb.TERMINATE_SCOPE_PROCESS)
    assert is_running(left)
    end = (await client.terminate(run.output.process.name, scope=TREE)).exit
    assert not is_running(left)
    assert end.reason == pb.EXIT_REASON_TERMINATED
    output = await run.finish()
    assert not any(eof.forced for eof in output.eofs.values())


async def test_what_a_process_left_when_it_followed_the_signal_ends_with_its_tree(
    client: Client,
) -> None:
    run = await client.run(sh(f'trap "exit 3" TERM; {LEAVER}; while :; do sleep 0.01; done'))
    left = await descendant(run)
    end = (await client.terminate(run.output.process.name, grace=1000, scope=TREE)).exit
    assert (end.exit_code, end.reason) == (3, pb.EXIT_REASON_TERMINATED)
    assert not is_running(left)
    await run.finish()


async def test_a_tree_that_is_gone_can_be_killed_again(client: Client) -> None:
    made = await client.create(sh("exit 4"))
    await client.wait(made.name)
    for _ in range(2):
        end = (await client.terminate(made.name, scope=TREE)).exit
        assert (end.exit_code, end.reason) == (4, pb.EXIT_REASON_EXITED)


async def test_time_that_is_up_is_up_for_the_descendants_too(client: Client) -> None:
    spec = pb.ProcessSpec(run_timeout=seconds(0.3))
    run = await client.run(sh(f"{LEAVER}; sleep 1000"), spec=spec)
    left = await descendant(run)
    output = await run.finish()
    assert output.exit is not None
    assert output.exit.reason == pb.EXIT_REASON_RUN_TIMEOUT
    until(lambda: not is_running(left), "the descendant gone")  # it closes its pipes a bit earlier


async def test_the_owner_takes_the_descendants_too(client: Client) -> None:
    spec = pb.ProcessSpec(orphan_policy=pb.ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT)
    run = await client.run(sh(f"{LEAVER}; sleep 1000"), spec=spec)
    left = await descendant(run)
    run.call.cancel()
    with anyio.fail_after(30):
        await ended(left)
    assert (await client.wait(run.output.process.name)).exit.reason == pb.EXIT_REASON_OWNER_GONE


async def test_deleting_by_force_ends_the_process_for_its_waiters(client: Client) -> None:
    made = await client.create(STUBBORN)
    waiter = client.processes.WaitProcess(service_pb.WaitProcessRequest(name=made.name))
    await client.get(made.name)
    await client.delete(made.name, force=True)
    end = (await waiter).process.exit
    assert (end.exit_code, end.reason) == (137, pb.EXIT_REASON_TERMINATED)
    with anyio.fail_after(30):
        await ended(made.pid)

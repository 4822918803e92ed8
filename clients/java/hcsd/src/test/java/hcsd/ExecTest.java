package hcsd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import hcsd.v1.CapturedOutput;
import hcsd.v1.CreateProcessRequest;
import hcsd.v1.EnvironmentVariable;
import hcsd.v1.ExecProcessRequest;
import hcsd.v1.ExecProcessResponse;
import hcsd.v1.ExitReason;
import hcsd.v1.OrphanPolicy;
import hcsd.v1.ProcessExit;
import hcsd.v1.ProcessSpec;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Commands that are run to their end: once, in pieces, and with their input. */
@Timeout(60)
class ExecTest {
    private static final ProcessSpec SPEC = HcsdClient.argv("x").build();

    private ScriptedDaemon daemon;
    private HcsdClient client;

    @BeforeEach
    void start() throws Exception {
        daemon = new ScriptedDaemon();
        client = daemon.client(3);
    }

    @AfterEach
    void stop() throws Exception {
        client.close();
        daemon.stop();
    }

    @Test
    void aCommandIsOneRequestWithItsInputAndItsPlace() throws Exception {
        answer(ended(7, ExitReason.EXIT_REASON_EXITED, "out", "err\n"));
        StartOptions options =
                new StartOptions()
                        .workingDirectory("/src")
                        .environment(Map.of("A", "1"))
                        .user("root")
                        .input("in")
                        .maxOutputBytes(2);
        Completed completed = client.exec(SPEC, options);
        assertEquals(7, completed.exitCode().getAsLong());
        assertEquals("out", completed.text());
        assertFalse(completed.truncated());
        HcsdException.ProcessFailed failed =
                assertThrows(HcsdException.ProcessFailed.class, completed::check);
        assertEquals(completed, failed.completed());
        assertEquals("'systems/host/processes/p' exited with code 7: err", failed.getMessage());
        daemon.received.take();
        ExecProcessRequest request = executed();
        assertEquals("in", request.getStdin().toStringUtf8());
        assertEquals(2, request.getMaxOutputBytes());
        CreateProcessRequest create = request.getCreate();
        assertFalse(create.getRequestId().isEmpty());
        assertEquals(
                SPEC.toBuilder()
                        .setWorkingDirectory("/src")
                        .addEnv(EnvironmentVariable.newBuilder().setName("A").setValue("1"))
                        .setUser("root")
                        .build(),
                create.getSpec());
        assertEquals(
                OrphanPolicy.ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT,
                create.getOptions().getOrphanPolicy());
    }

    @Test
    void aProcessWhoseTimeWasUpIsAnErrorThatHoldsItsOutput() {
        answer(ended(0, ExitReason.EXIT_REASON_RUN_TIMEOUT, "half", ""));
        HcsdException.ProcessTimeout error =
                assertThrows(HcsdException.ProcessTimeout.class, () -> client.exec("x"));
        assertEquals("half", error.completed().text());
    }

    @Test
    void itIsAskedInPiecesThatJoinTheRun() throws Exception {
        answer(ExecProcessResponse.newBuilder().setTimedOut(true).build());
        daemon.executions.add(call -> call.onError(ScriptedDaemon.unavailable()));
        answer(ExecProcessResponse.newBuilder().setTimedOut(true).build());
        answer(ended(0, ExitReason.EXIT_REASON_EXITED, "", ""));
        client.exec("x").check();
        daemon.received.take();
        ExecProcessRequest first = executed();
        assertTrue(first.hasTimeout());
        for (int piece = 0; piece < 3; piece++) {
            assertEquals(
                    first.toBuilder().clearTimeout().build(),
                    executed().toBuilder().clearTimeout().build());
        }
    }

    @Test
    void noOtherDaemonRunsWhatTheFirstMayHaveRunAlthoughOthersHaveMetIt() throws Exception {
        daemon.executions.add(
                call -> {
                    daemon.incarnation = "second";
                    try {
                        client.create("another"); // so the client knows of it
                    } catch (InterruptedException interrupt) {
                        Thread.currentThread().interrupt();
                    }
                    call.onError(ScriptedDaemon.unavailable());
                });
        assertThrows(HcsdException.DaemonRestarted.class, () -> client.exec("x"));
        daemon.received.removeIf(request -> !(request instanceof ExecProcessRequest));
        assertEquals(1, daemon.received.size());
    }

    @Test
    void cancellingTheFutureEndsTheCall() throws Exception {
        CompletableFuture<Void> cancelled = new CompletableFuture<>();
        CompletableFuture<Void> begun = new CompletableFuture<>();
        daemon.executions.add(
                call -> {
                    ScriptedDaemon.onCancel(call, () -> cancelled.complete(null));
                    begun.complete(null);
                });
        CompletableFuture<Completed> exec =
                client.execAsync(
                        CreateProcessRequest.newBuilder().setSpec(SPEC).build(),
                        new StartOptions());
        begun.get(30, TimeUnit.SECONDS);
        exec.cancel(true);
        cancelled.get(30, TimeUnit.SECONDS);
    }

    @Test
    void whatIsForAnotherCallOrSourceIsRefused() {
        StartOptions input = new StartOptions().input("in");
        assertThrows(IllegalArgumentException.class, () -> client.create(SPEC, input));
        assertThrows(IllegalArgumentException.class, () -> client.run(SPEC, input));
        CreateProcessRequest document =
                CreateProcessRequest.newBuilder().setParametersJson("{}").build();
        StartOptions user = new StartOptions().user("root");
        assertThrows(IllegalArgumentException.class, () -> client.exec(document, user));
        assertThrows(IllegalArgumentException.class, () -> user.maxOutputBytes(0));
        assertEquals(0, daemon.received.size());
    }

    private static ExecProcessResponse ended(
            int code, ExitReason reason, String stdout, String stderr) {
        return ExecProcessResponse.newBuilder()
                .setProcess(
                        ScriptedDaemon.PROCESS.toBuilder()
                                .setExit(
                                        ProcessExit.newBuilder()
                                                .setExitCode(code)
                                                .setReason(reason)))
                .setStdout(captured(stdout))
                .setStderr(captured(stderr))
                .build();
    }

    private static CapturedOutput captured(String text) {
        return CapturedOutput.newBuilder()
                .setData(ByteString.copyFromUtf8(text))
                .setEndOffset(text.length())
                .build();
    }

    private void answer(ExecProcessResponse answer) {
        daemon.executions.add(
                call -> {
                    call.onNext(answer);
                    call.onCompleted();
                });
    }

    private ExecProcessRequest executed() throws Exception {
        return assertInstanceOf(ExecProcessRequest.class, daemon.received.take());
    }
}

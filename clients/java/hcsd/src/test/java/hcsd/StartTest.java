package hcsd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import hcsd.v1.CreateProcessRequest;
import hcsd.v1.GetHostRequest;
import hcsd.v1.OrphanPolicy;
import hcsd.v1.OutputStarted;
import hcsd.v1.OutputStream;
import hcsd.v1.OverflowPolicy;
import hcsd.v1.ProcessOptions;
import hcsd.v1.ProcessSpec;
import hcsd.v1.RunProcessRequest;
import hcsd.v1.RunProcessResponse;
import io.grpc.Status.Code;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** How processes are started: once, with options, and with an owner. */
@Timeout(60)
class StartTest {
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
    void aLostStartIsRepeatedAsItWas() throws Exception {
        daemon.failures.add(ScriptedDaemon.unavailable());
        client.create("x");
        assertInstanceOf(GetHostRequest.class, daemon.received.take());
        CreateProcessRequest first = created();
        assertFalse(first.getRequestId().isEmpty());
        assertEquals(first, created());
    }

    @Test
    void anotherDaemonIsAskedIfTheFirstCannotHaveStartedIt() throws Exception {
        client.create("x");
        daemon.received.clear();
        daemon.incarnation = "second";
        client.create("x");
        assertInstanceOf(GetHostRequest.class, daemon.received.take());
        created();
        assertEquals(0, daemon.received.size());
    }

    @Test
    void noOtherDaemonStartsWhatTheFirstMayHaveStarted() throws Exception {
        daemon.failures.add(ScriptedDaemon.unavailable());
        daemon.incarnationAfterFailure = "second";
        assertThrows(HcsdException.DaemonRestarted.class, () -> client.create("x"));
        daemon.received.clear();
        client.create("x"); // another one
        assertInstanceOf(GetHostRequest.class, daemon.received.take());
    }

    @Test
    void aRefusalOfTheDaemonIsNoReasonToFearASecondStart() throws Exception {
        daemon.failures.add(
                ScriptedDaemon.failure(Code.UNAVAILABLE, "STOPPING", Duration.ofMillis(1)));
        daemon.incarnationAfterFailure = "second";
        client.create("x");
    }

    @Test
    void optionsHoldForSpecsAndDocuments() throws Exception {
        StartOptions options =
                new StartOptions()
                        .ringBytes(4096)
                        .overflow(OverflowPolicy.OVERFLOW_POLICY_DROP_OLDEST)
                        .stderrToStdout()
                        .discard(OutputStream.OUTPUT_STREAM_STDERR)
                        .runTimeout(Duration.ofMillis(1500))
                        .drainTimeout(Duration.ZERO)
                        .pin();
        CreateProcessRequest document =
                CreateProcessRequest.newBuilder().setParametersJson("{}").build();
        client.create(SPEC, options);
        client.create(document, options);
        daemon.received.take();
        ProcessOptions sent = created().getOptions();
        assertEquals(sent, created().getOptions());
        assertEquals(4096, sent.getOutput().getRingBytes());
        assertEquals(OverflowPolicy.OVERFLOW_POLICY_DROP_OLDEST, sent.getOutput().getOverflow());
        assertTrue(sent.getOutput().getStderrToStdout());
        assertEquals(List.of(OutputStream.OUTPUT_STREAM_STDERR), sent.getOutput().getDiscardList());
        assertEquals(500_000_000, sent.getRunTimeout().getNanos());
        assertTrue(sent.hasDrainTimeout());
        assertTrue(sent.getPin());
        assertEquals(OrphanPolicy.ORPHAN_POLICY_UNSPECIFIED, sent.getOrphanPolicy());
    }

    @Test
    void aRunOfADocumentWaitsForItsReadersAndHasAnOwner() throws Exception {
        client.run(CreateProcessRequest.newBuilder().setParametersJson("{}").build());
        daemon.received.take();
        ProcessOptions sent = created().getOptions();
        assertEquals(OverflowPolicy.OVERFLOW_POLICY_BLOCK, sent.getOutput().getOverflow());
        assertEquals(OrphanPolicy.ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT, sent.getOrphanPolicy());
        assertEquals(10, sent.getOwnerGrace().getSeconds());
        RunProcessRequest owner = daemon.owned.take();
        assertTrue(owner.getAttach().getOwner());
        assertTrue(owner.getAttach().getWithoutOutput());
        assertEquals(20, owner.getHeartbeatInterval().getSeconds());
    }

    @Test
    void theOwnerComesBackUntilTheBlockIsLeft() throws Exception {
        for (int cut = 0; cut < 6; cut++) { // more than there are attempts
            daemon.runs.add(
                    owner -> {
                        owner.onNext(
                                RunProcessResponse.newBuilder()
                                        .setStarted(OutputStarted.getDefaultInstance())
                                        .build());
                        owner.onError(ScriptedDaemon.unavailable());
                    });
        }
        try (RemoteProcess process = client.run("x")) {
            for (int attached = 0; attached < 7; attached++) {
                assertEquals(process.name(), daemon.owned.take().getAttach().getName());
            }
            assertFalse(daemon.ownerGone.isDone());
        }
        daemon.ownerGone.get(30, TimeUnit.SECONDS);
    }

    @Test
    void aRunMayHaveNoOwnerOrThatOfTheSpec() throws Exception {
        client.run(SPEC, new StartOptions().ownerGrace(null)).close();
        ProcessSpec kept =
                SPEC.toBuilder().setOrphanPolicy(OrphanPolicy.ORPHAN_POLICY_KEEP).build();
        client.run(kept).close();
        daemon.received.removeIf(request -> !(request instanceof CreateProcessRequest));
        for (int i = 0; i < 2; i++) {
            assertEquals(
                    OrphanPolicy.ORPHAN_POLICY_UNSPECIFIED,
                    created().getOptions().getOrphanPolicy());
        }
        assertEquals(0, daemon.owned.size());
    }

    @Test
    void optionsThatCannotBeAreRefused() {
        StartOptions options = new StartOptions();
        assertThrows(IllegalArgumentException.class, () -> options.ringBytes(0));
        assertThrows(
                IllegalArgumentException.class, () -> options.runTimeout(Duration.ofMillis(-1)));
        assertThrows(
                IllegalArgumentException.class,
                () -> HcsdClient.builder().keepalive(Duration.ofMillis(-1)));
    }

    private CreateProcessRequest created() throws Exception {
        return assertInstanceOf(CreateProcessRequest.class, daemon.received.take());
    }
}

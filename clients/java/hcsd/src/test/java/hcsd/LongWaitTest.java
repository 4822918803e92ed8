package hcsd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import hcsd.v1.Process;
import hcsd.v1.ProcessExit;
import hcsd.v1.ProcessState;
import hcsd.v1.WaitProcessRequest;
import hcsd.v1.WaitProcessResponse;
import hcsd.v1.WriteInputRequest;
import hcsd.v1.WriteInputResponse;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Waits that may take days, in pieces that a proxy lets pass. */
@Timeout(60)
class LongWaitTest {
    private static final Duration KEEPALIVE = Duration.ofSeconds(3);

    private ScriptedDaemon daemon;
    private HcsdClient client;
    private RemoteProcess process;

    @BeforeEach
    void start() throws Exception {
        daemon = new ScriptedDaemon();
        client = ScriptedDaemon.builder(daemon.port(), 2).keepalive(KEEPALIVE).connect();
        process = client.open("systems/host/processes/p");
        daemon.received.clear();
    }

    @AfterEach
    void stop() throws Exception {
        client.close();
        daemon.stop();
    }

    @Test
    void aWaitIsAskedAgainUntilTheProcessHasExited() throws Exception {
        for (int i = 0; i < 5; i++) {
            answerWait(waited(true));
        }
        answerWait(waited(false));
        assertEquals(7, process.waitFor().getExitCode());
        for (int i = 0; i < 6; i++) {
            assertEquals(KEEPALIVE.toMillis(), nextPiece());
        }
    }

    @Test
    void aCutConnectionMakesThePiecesShorterForTheRestOfTheWait() throws Exception {
        daemon.waits.add(answer -> answer.onError(ScriptedDaemon.unavailable()));
        answerWait(waited(true));
        answerWait(waited(false));
        assertEquals(7, process.waitFor().getExitCode());
        assertEquals(KEEPALIVE.toMillis(), nextPiece());
        long shorter = nextPiece();
        assertTrue(shorter < KEEPALIVE.toMillis(), shorter + " ms");
        assertEquals(shorter, nextPiece());
    }

    @Test
    void everyPieceThatEndsWellBeginsTheBoundsAnew() throws Exception {
        for (int i = 0; i < 3; i++) {
            daemon.waits.add(answer -> answer.onError(ScriptedDaemon.unavailable()));
            daemon.waits.add(answer -> answer.onError(ScriptedDaemon.unavailable()));
            answerWait(waited(true));
        }
        answerWait(waited(false));
        assertEquals(7, process.waitFor().getExitCode());
        for (int i = 0; i < 3; i++) {
            daemon.waits.add(answer -> answer.onError(ScriptedDaemon.unavailable()));
        }
        RemoteProcess other = client.open("systems/host/processes/p");
        assertThrows(HcsdException.ConnectionLost.class, other::waitFor);
    }

    @Test
    void aWriteGoesOnWithWhatThePipeHasNotTaken() throws Exception {
        answerWrite(WriteInputResponse.newBuilder().setCommittedOffset(100)); // as it asks first
        answerWrite(WriteInputResponse.newBuilder().setCommittedOffset(103).setTimedOut(true));
        answerWrite(WriteInputResponse.newBuilder().setCommittedOffset(105));
        process.stdin().write(new byte[] {1, 2, 3, 4, 5});
        daemon.received.take();
        WriteInputRequest first = nextWrite();
        assertEquals(100, first.getOffset());
        assertEquals(KEEPALIVE.getSeconds(), first.getTimeout().getSeconds());
        WriteInputRequest second = nextWrite();
        assertEquals(103, second.getOffset());
        assertArrayEquals(new byte[] {4, 5}, second.getData().toByteArray());
        assertEquals(105, process.stdin().committed());
    }

    @Test
    void aWriterThatComesBetweenTwoPiecesIsAnError() {
        answerWrite(WriteInputResponse.newBuilder());
        answerWrite(WriteInputResponse.newBuilder().setCommittedOffset(1).setTimedOut(true));
        answerWrite(WriteInputResponse.newBuilder().setCommittedOffset(9).setSkippedBytes(2));
        HcsdIOException error =
                assertThrows(HcsdIOException.class, () -> process.stdin().write(new byte[3]));
        assertInstanceOf(HcsdException.StdinTakenOver.class, error.failure());
    }

    private void answerWait(WaitProcessResponse answer) {
        daemon.waits.add(
                call -> {
                    call.onNext(answer);
                    call.onCompleted();
                });
    }

    private void answerWrite(WriteInputResponse.Builder answer) {
        daemon.writes.add(
                call -> {
                    call.onNext(answer.build());
                    call.onCompleted();
                });
    }

    private static WaitProcessResponse waited(boolean timedOut) {
        Process.Builder process = Process.newBuilder().setUid("uid");
        if (!timedOut) {
            process.setState(ProcessState.PROCESS_STATE_EXITED)
                    .setExit(ProcessExit.newBuilder().setExitCode(7));
        }
        return WaitProcessResponse.newBuilder().setProcess(process).setTimedOut(timedOut).build();
    }

    private long nextPiece() throws Exception {
        WaitProcessRequest request =
                assertInstanceOf(WaitProcessRequest.class, daemon.received.take());
        return Duration.ofSeconds(
                        request.getTimeout().getSeconds(), request.getTimeout().getNanos())
                .toMillis();
    }

    private WriteInputRequest nextWrite() throws Exception {
        return assertInstanceOf(WriteInputRequest.class, daemon.received.take());
    }
}

package hcsd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import hcsd.v1.OutputChunk;
import hcsd.v1.OutputCursor;
import hcsd.v1.OutputEof;
import hcsd.v1.OutputStarted;
import hcsd.v1.OutputStream;
import hcsd.v1.Process;
import hcsd.v1.ReadOutputRequest;
import hcsd.v1.ReadOutputResponse;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class RetryTest {
    private ScriptedDaemon daemon;
    private HcsdClient client;
    private RemoteProcess process;

    @BeforeEach
    void start() throws Exception {
        daemon = new ScriptedDaemon();
        client = daemon.client(3);
        process = client.open("systems/host/processes/p");
        daemon.received.clear();
    }

    @AfterEach
    void stop() throws Exception {
        client.close();
        daemon.stop();
    }

    @Test
    void whatIsSafeIsAskedAgainAsOftenAsTheBoundsSay() throws Exception {
        fail(3);
        assertEquals(ScriptedDaemon.PROCESS, process.get());
        assertEquals(4, daemon.received.size());
        fail(4);
        assertThrows(HcsdException.Unavailable.class, process::get);
        assertEquals(8, daemon.received.size());
    }

    @Test
    void aSignalIsSentOnce() {
        fail(1);
        assertThrows(HcsdException.Unavailable.class, () -> process.signal("TERM"));
        assertEquals(1, daemon.received.size());
    }

    @Test
    void outputGoesOnAfterTheLastByteHandedOut() throws Exception {
        daemon.reads.add(
                reader -> {
                    reader.onNext(started("uid", 0));
                    reader.onNext(chunk(0, "hello "));
                    reader.onError(ScriptedDaemon.unavailable());
                });
        daemon.reads.add(
                reader -> {
                    reader.onNext(started("uid", 6));
                    reader.onNext(ReadOutputResponse.getDefaultInstance()); // of the future
                    reader.onNext(chunk(6, "world"));
                    reader.onNext(
                            ReadOutputResponse.newBuilder()
                                    .setEof(OutputEof.newBuilder().setForced(true))
                                    .build());
                });
        assertArrayEquals("hello world".getBytes("UTF-8"), process.stdout().readAllBytes());
        assertTrue(process.stdout().forced());
        assertEquals(0, offset(daemon.received.take()));
        assertEquals(6, offset(daemon.received.take()));
    }

    @Test
    void outputOfAnotherProcessOfTheNameIsRefused() {
        daemon.reads.add(reader -> reader.onNext(started("another", 0)));
        HcsdIOException error = assertThrows(HcsdIOException.class, () -> process.stdout().read());
        assertInstanceOf(HcsdException.NotFound.class, error.failure());
    }

    @Test
    void aConnectionThatIsCutAfterEveryWordOfTheDaemonEndsNothing() throws Exception {
        for (int cut = 0; cut < 8; cut++) { // more than there are attempts
            daemon.reads.add(
                    reader -> {
                        reader.onNext(started("uid", 0));
                        reader.onError(ScriptedDaemon.unavailable());
                    });
        }
        daemon.reads.add(
                reader -> {
                    reader.onNext(chunk(0, "x"));
                    reader.onCompleted();
                });
        assertArrayEquals(new byte[] {'x'}, process.stdout().readAllBytes());
    }

    @Test
    void anInterruptEndsAReadAndNothingElse() throws Exception {
        CompletableFuture<StreamObserver<ReadOutputResponse>> asked = new CompletableFuture<>();
        daemon.reads.add(asked::complete);
        Thread reader = Thread.currentThread();
        asked.thenRun(reader::interrupt);
        assertThrows(InterruptedIOException.class, () -> process.stdout().read());
        daemon.reads.add(
                next -> {
                    next.onNext(started("uid", 0));
                    next.onNext(chunk(0, "x"));
                });
        assertEquals('x', process.stdout().read());
    }

    @Test
    void closingAStreamEndsTheReadOfAnotherThread() throws Exception {
        CompletableFuture<StreamObserver<ReadOutputResponse>> asked = new CompletableFuture<>();
        daemon.reads.add(asked::complete);
        asked.thenRun(process.stdout()::close);
        assertThrows(IOException.class, () -> process.stdout().read());
    }

    @Test
    void cancellingAFutureCancelsItsCall() throws Exception {
        CompletableFuture<?> waiting = process.waitForAsync();
        daemon.received.take();
        waiting.cancel(true);
        daemon.waitCancelled.get(30, TimeUnit.SECONDS);
        assertThrows(CancellationException.class, waiting::join);
    }

    @Test
    void aTimeoutOfAFutureCancelsItsCall() throws Exception {
        CompletableFuture<?> waiting = process.waitForAsync();
        daemon.received.take();
        waiting.orTimeout(1, TimeUnit.MILLISECONDS);
        daemon.waitCancelled.get(30, TimeUnit.SECONDS);
        ExecutionException error = assertThrows(ExecutionException.class, waiting::get);
        assertInstanceOf(TimeoutException.class, error.getCause());
    }

    @Test
    void aWaitMayHaveALimit() {
        assertThrows(TimeoutException.class, () -> process.waitFor(Duration.ofMillis(50)));
    }

    @Test
    void anInterruptCancelsACall() throws Exception {
        Thread.currentThread().interrupt();
        assertThrows(InterruptedException.class, process::waitFor);
    }

    @Test
    void closingTheClientIsToldToWhoWaits() throws Exception {
        CompletableFuture<?> waiting = process.waitForAsync();
        daemon.received.take();
        client.close();
        ExecutionException error = assertThrows(ExecutionException.class, waiting::get);
        assertInstanceOf(HcsdException.ClientClosed.class, error.getCause());
        assertThrows(HcsdException.ClientClosed.class, process::get);
    }

    @Test
    void aDaemonThatIsNotThereIsToldAtOnceAndFoundAsSoonAsItIs() throws Exception {
        int port = daemon.port();
        daemon.stop();
        try (HcsdClient early = ScriptedDaemon.client(port, 12)) {
            HcsdException error =
                    assertThrows(
                            HcsdException.DaemonUnreachable.class, () -> early.open("systems/x"));
            assertTrue(error.getMessage().contains("127.0.0.1:" + port), error.getMessage());
            daemon = new ScriptedDaemon(port);
            assertEquals("systems/host/processes/p", early.open("systems/x").name());
        }
    }

    @Test
    void howeverAConnectionBreaksItIsOutOfReach() throws Exception {
        Thread cutter;
        try (ServerSocket listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
                HcsdClient cut = ScriptedDaemon.client(listener.getLocalPort(), 0)) {
            cutter = new Thread(() -> acceptAndCut(listener));
            cutter.start();
            for (int i = 0; i < 100; i++) {
                assertThrows(HcsdException.Unavailable.class, () -> cut.open("systems/x"));
            }
        }
        cutter.join();
    }

    @Test
    void whoListensAndStaysSilentIsNotWaitedForForEver() throws Exception {
        try (ServerSocket silent = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
                HcsdClient patient =
                        HcsdClient.builder()
                                .address("127.0.0.1:" + silent.getLocalPort())
                                .connectTimeout(Duration.ofMillis(100))
                                .connect()) {
            for (int i = 0; i < 2; i++) {
                assertThrows(
                        HcsdException.DaemonUnreachable.class, () -> patient.open("systems/x"));
            }
        }
    }

    private static void acceptAndCut(ServerSocket listener) {
        while (true) {
            try (Socket connection = listener.accept()) {
                // An empty SETTINGS frame makes it a connection of HTTP/2.
                connection.getOutputStream().write(new byte[] {0, 0, 0, 4, 0, 0, 0, 0, 0});
                connection.getInputStream().read();
            } catch (IOException closed) {
                if (listener.isClosed()) {
                    return;
                }
            }
        }
    }

    private void fail(int times) {
        for (int i = 0; i < times; i++) {
            daemon.failures.add(ScriptedDaemon.unavailable());
        }
    }

    private static long offset(Object request) {
        return assertInstanceOf(ReadOutputRequest.class, request).getCursors(0).getOffset();
    }

    private static ReadOutputResponse started(String uid, long offset) {
        return ReadOutputResponse.newBuilder()
                .setStarted(
                        OutputStarted.newBuilder()
                                .setProcess(Process.newBuilder().setUid(uid))
                                .addCursors(
                                        OutputCursor.newBuilder()
                                                .setStream(OutputStream.OUTPUT_STREAM_STDOUT)
                                                .setOffset(offset)))
                .build();
    }

    private static ReadOutputResponse chunk(long offset, String text) {
        return ReadOutputResponse.newBuilder()
                .setChunk(
                        OutputChunk.newBuilder()
                                .setOffset(offset)
                                .setData(ByteString.copyFromUtf8(text)))
                .build();
    }
}

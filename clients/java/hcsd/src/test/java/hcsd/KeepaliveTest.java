package hcsd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import hcsd.v1.Heartbeat;
import hcsd.v1.OutputChunk;
import hcsd.v1.OutputCursor;
import hcsd.v1.OutputEof;
import hcsd.v1.OutputStarted;
import hcsd.v1.OutputStream;
import hcsd.v1.ReadOutputRequest;
import hcsd.v1.ReadOutputResponse;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.MethodDescriptor;
import java.time.Duration;
import java.util.List;
import java.util.Queue;
import java.util.ResourceBundle;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Connections that die without a word, and what a program sees of that. */
@Timeout(60)
class KeepaliveTest {
    private static final ReadOutputResponse HEARTBEAT =
            ReadOutputResponse.newBuilder().setHeartbeat(Heartbeat.getDefaultInstance()).build();

    private final Log log = new Log();
    private ScriptedDaemon daemon;

    @BeforeEach
    void start() throws Exception {
        daemon = new ScriptedDaemon();
    }

    @AfterEach
    void stop() throws Exception {
        daemon.stop();
    }

    @Test
    void aStreamWhoseHeartbeatsEndGoesOnWithAnotherConnection() throws Exception {
        daemon.reads.add(
                reader -> {
                    reader.onNext(started());
                    reader.onNext(chunk(0, "a"));
                    reader.onNext(HEARTBEAT);
                });
        daemon.reads.add(
                reader -> {
                    reader.onNext(HEARTBEAT);
                    reader.onNext(chunk(1, "b"));
                    reader.onNext(
                            ReadOutputResponse.newBuilder()
                                    .setEof(OutputEof.getDefaultInstance())
                                    .build());
                });
        try (HcsdClient client = client(Duration.ofMillis(100))) {
            RemoteProcess process = client.open("systems/host/processes/p");
            daemon.received.clear();
            assertEquals("ab", new String(process.stdout().readAllBytes(), "UTF-8"));
        }
        ReadOutputRequest first = asked();
        assertEquals(100_000_000, first.getHeartbeatInterval().getNanos());
        assertEquals(1, asked().getCursors(0).getOffset());
        assertTrue(log.has("attempt 1 of 3"), log.toString());
        assertTrue(log.has("nothing has come for 1000 ms"), log.toString());
        assertTrue(log.has("at offset 1"), log.toString());
    }

    @Test
    void withoutKeepaliveNoHeartbeatsAreAskedFor() throws Exception {
        daemon.reads.add(reader -> reader.onCompleted());
        try (HcsdClient client = client(Duration.ZERO)) {
            RemoteProcess process = client.open("systems/host/processes/p");
            daemon.received.clear();
            assertEquals(-1, process.stdout().read());
        }
        assertEquals(0, asked().getHeartbeatInterval().getNanos());
    }

    @Test
    void interceptorsSeeEveryCallAndTheChannelMayBeChanged() throws Exception {
        Queue<String> calls = new ConcurrentLinkedQueue<>();
        AtomicInteger channels = new AtomicInteger();
        ClientInterceptor tracer =
                new ClientInterceptor() {
                    @Override
                    public <Q, R> ClientCall<Q, R> interceptCall(
                            MethodDescriptor<Q, R> method, CallOptions options, Channel next) {
                        calls.add(method.getBareMethodName());
                        return next.newCall(method, options);
                    }
                };
        try (HcsdClient client =
                ScriptedDaemon.builder(daemon.port(), 0)
                        .intercept(tracer)
                        .configureChannel(channel -> channels.incrementAndGet())
                        .connect()) {
            client.create("x").signal("TERM");
        }
        assertEquals(List.of("GetHost", "CreateProcess", "SignalProcess"), List.copyOf(calls));
        assertEquals(1, channels.get());
    }

    private HcsdClient client(Duration keepalive) {
        return ScriptedDaemon.builder(daemon.port(), 3).keepalive(keepalive).logger(log).connect();
    }

    private ReadOutputRequest asked() throws Exception {
        return assertInstanceOf(ReadOutputRequest.class, daemon.received.take());
    }

    private static ReadOutputResponse started() {
        return ReadOutputResponse.newBuilder()
                .setStarted(
                        OutputStarted.newBuilder()
                                .setProcess(ScriptedDaemon.PROCESS)
                                .addCursors(
                                        OutputCursor.newBuilder()
                                                .setStream(OutputStream.OUTPUT_STREAM_STDOUT)
                                                .setOffset(0)))
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

    private static final class Log implements System.Logger {
        private final Queue<String> lines = new ConcurrentLinkedQueue<>();

        boolean has(String words) {
            return lines.stream().anyMatch(line -> line.contains(words));
        }

        @Override
        public String toString() {
            return lines.toString();
        }

        @Override
        public String getName() {
            return "test";
        }

        @Override
        public boolean isLoggable(Level level) {
            return true;
        }

        @Override
        public void log(Level level, ResourceBundle bundle, String message, Throwable thrown) {
            lines.add(message);
        }

        @Override
        public void log(Level level, ResourceBundle bundle, String format, Object... parameters) {
            lines.add(format);
        }
    }
}

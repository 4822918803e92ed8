package hcsd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.protobuf.ByteString;
import com.google.protobuf.Timestamp;
import hcsd.v1.GapPolicy;
import hcsd.v1.OutputChunk;
import hcsd.v1.OutputCursor;
import hcsd.v1.OutputEof;
import hcsd.v1.OutputStarted;
import hcsd.v1.OutputStream;
import hcsd.v1.ReadOutputRequest;
import hcsd.v1.ReadOutputResponse;
import io.grpc.stub.StreamObserver;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The lines of both outputs, in their order. */
@Timeout(60)
class LinesTest {
    private static final OutputStream STDOUT = OutputStream.OUTPUT_STREAM_STDOUT;
    private static final OutputStream STDERR = OutputStream.OUTPUT_STREAM_STDERR;

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
    void linesGoOnAfterACutInTheMidstOfThem() throws Exception {
        daemon.reads.add(
                call -> {
                    started(call, 10, 0);
                    chunk(call, STDOUT, 10, "one\r\nth", 1);
                    chunk(call, STDERR, 0, "two\n\n", 2);
                    eof(call, STDERR);
                    call.onError(ScriptedDaemon.unavailable());
                });
        daemon.reads.add(
                call -> {
                    started(call, 17, 5);
                    eof(call, STDERR);
                    chunk(call, STDOUT, 17, "ree", 3);
                    eof(call, STDOUT);
                });
        List<Line> found = new ArrayList<>();
        try (MessageStream<Line> lines = process.lines(4)) {
            lines.forEach(found::add);
            assertFalse(lines.hasNext());
        }
        assertEquals(
                List.of(
                        new Line(STDOUT, "one", Instant.ofEpochSecond(1)),
                        new Line(STDERR, "two", Instant.ofEpochSecond(2)),
                        new Line(STDERR, "", Instant.ofEpochSecond(2)),
                        new Line(STDOUT, "three", Instant.ofEpochSecond(1))),
                found);
        ReadOutputRequest first = (ReadOutputRequest) daemon.received.take();
        assertEquals(4, first.getLastLines());
        assertEquals(cursors(0, 0), first.getCursorsList());
        ReadOutputRequest second = (ReadOutputRequest) daemon.received.take();
        assertFalse(second.hasLastLines());
        assertEquals(cursors(17, 5), second.getCursorsList());
    }

    @Test
    void aTimeIsLookedUpWhenTheLinesBegin() throws Exception {
        daemon.reads.add(
                call -> {
                    started(call, 10, 0);
                    call.onError(ScriptedDaemon.unavailable());
                });
        daemon.reads.add(
                call -> {
                    started(call, 10, 0);
                    eof(call, STDOUT);
                    eof(call, STDERR);
                });
        try (MessageStream<Line> lines = process.lines(Instant.ofEpochSecond(5, 7))) {
            assertFalse(lines.hasNext());
        }
        ReadOutputRequest first = (ReadOutputRequest) daemon.received.take();
        assertEquals(Timestamp.newBuilder().setSeconds(5).setNanos(7).build(), first.getSince());
        assertEquals(GapPolicy.GAP_POLICY_REPORT, first.getGapPolicy());
        ReadOutputRequest second = (ReadOutputRequest) daemon.received.take();
        assertFalse(second.hasSince());
        assertEquals(cursors(10, 0), second.getCursorsList());
    }

    @Test
    void aLineOfManyMessagesIsOneAndALongOneComesInPieces() {
        int count = 20_000;
        String part = "x".repeat(LineCutter.LONGEST / 10_000);
        daemon.reads.add(
                call -> {
                    started(call, 0, 0);
                    IntStream.range(0, count)
                            .forEach(n -> chunk(call, STDOUT, (long) n * part.length(), part, 0));
                    eof(call, STDOUT);
                    eof(call, STDERR);
                });
        int size = 0;
        int lines = 0;
        try (MessageStream<Line> all = process.lines()) {
            for (Line line : all) {
                size += line.text().length();
                lines++;
            }
        }
        assertEquals(count * part.length(), size);
        assertEquals(2, lines);
    }

    @Test
    void closingTheProcessEndsAWaitForALine() {
        daemon.reads.add(call -> started(call, 0, 0));
        CompletableFuture<?> next = process.lines().nextAsync();
        process.close();
        assertThrows(CancellationException.class, next::join);
    }

    private static void started(StreamObserver<ReadOutputResponse> call, long out, long err) {
        call.onNext(
                ReadOutputResponse.newBuilder()
                        .setStarted(
                                OutputStarted.newBuilder()
                                        .setProcess(ScriptedDaemon.PROCESS)
                                        .addAllCursors(cursors(out, err)))
                        .build());
    }

    private static List<OutputCursor> cursors(long out, long err) {
        return List.of(
                OutputCursor.newBuilder().setStream(STDOUT).setOffset(out).build(),
                OutputCursor.newBuilder().setStream(STDERR).setOffset(err).build());
    }

    private static void chunk(
            StreamObserver<ReadOutputResponse> call,
            OutputStream stream,
            long offset,
            String text,
            long second) {
        call.onNext(
                ReadOutputResponse.newBuilder()
                        .setChunk(
                                OutputChunk.newBuilder()
                                        .setStream(stream)
                                        .setOffset(offset)
                                        .setData(ByteString.copyFromUtf8(text))
                                        .setReadTime(Timestamp.newBuilder().setSeconds(second)))
                        .build());
    }

    private static void eof(StreamObserver<ReadOutputResponse> call, OutputStream stream) {
        call.onNext(
                ReadOutputResponse.newBuilder()
                        .setEof(OutputEof.newBuilder().setStream(stream))
                        .build());
    }
}

package hcsd;

import com.google.protobuf.Timestamp;
import hcsd.v1.GapPolicy;
import hcsd.v1.OutputChunk;
import hcsd.v1.OutputCursor;
import hcsd.v1.OutputGap;
import hcsd.v1.OutputStream;
import hcsd.v1.Process;
import hcsd.v1.ProcessServiceGrpc;
import hcsd.v1.ReadOutputRequest;
import hcsd.v1.ReadOutputResponse;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletableFuture;

/** The lines of both outputs of a process, told across lost connections. */
final class LineReader extends MessageStream<Line> {
    // state    event                         next
    // READING  a message                     READING: the lines that end in it are kept
    // READING  a lost connection, a stall    READING: after a while from behind what has come
    // READING  any other error               it is told; another wait makes another call
    // READING  the end of both streams       ENDED, told after what is kept
    // any      close(), a wait is cancelled  CLOSED; what is kept is dropped
    //
    // `request` is what the next call asks for. Where it begins counts once. All is
    // of the one task that waits for a line, and guarded by this where close() may come in between.

    private static final Set<OutputStream> STREAMS =
            EnumSet.of(OutputStream.OUTPUT_STREAM_STDOUT, OutputStream.OUTPUT_STREAM_STDERR);

    private final Connection connection;
    private final Process process;
    private final Attempts attempts;
    private final String what; // for the log
    private final ReadOutputRequest.Builder request;
    private final Map<OutputStream, Long> offsets = new EnumMap<>(OutputStream.class);
    private final Map<OutputStream, LineCutter> cutters = new EnumMap<>(OutputStream.class);
    private final Set<OutputStream> open = EnumSet.copyOf(STREAMS);
    private final Queue<Line> ready = new ArrayDeque<>();
    private CallStream<ReadOutputResponse> call; // null between two calls
    private Task<Optional<Line>> waiting;
    private boolean broken; // the call before has failed
    private boolean closed;

    /** Reads all lines that are kept. */
    LineReader(Connection connection, Process process) {
        this.connection = connection;
        this.process = process;
        this.what = "ReadOutput of " + process.getName();
        this.attempts = new Attempts(connection.settings(), what);
        this.request =
                ReadOutputRequest.newBuilder()
                        .setName(process.getName())
                        .setFollow(true)
                        .setGapPolicy(GapPolicy.GAP_POLICY_FAIL)
                        .setTimestamps(true)
                        .setHeartbeatInterval(connection.settings().keepalive().heartbeat());
        for (OutputStream stream : STREAMS) {
            offsets.put(stream, 0L);
            cutters.put(stream, new LineCutter(stream, ready::add));
        }
    }

    /** Begins with so many of the last lines. */
    LineReader(Connection connection, Process process, int last) {
        this(connection, process);
        request.setLastLines(last).setGapPolicy(GapPolicy.GAP_POLICY_REPORT); // older may be gone
    }

    /** Leaves out what was read before. */
    LineReader(Connection connection, Process process, Instant since) {
        this(connection, process);
        request.setSince(
                        Timestamp.newBuilder()
                                .setSeconds(since.getEpochSecond())
                                .setNanos(since.getNano()))
                .setGapPolicy(GapPolicy.GAP_POLICY_REPORT); // older may be gone
    }

    @Override
    public CompletableFuture<Optional<Line>> nextAsync() {
        Task<Optional<Line>> task = new Task<>();
        synchronized (this) {
            if (waiting != null && !waiting.isDone()) {
                throw new IllegalStateException("another caller waits for the next line");
            }
            waiting = task;
        }
        ask(task);
        task.whenComplete(
                (line, error) -> {
                    if (error != null && !(error instanceof HcsdException)) {
                        close(); // its owner has cancelled the wait
                    }
                });
        return task;
    }

    @Override
    public void close() {
        CallStream<?> present;
        Task<?> waiter;
        synchronized (this) {
            closed = true;
            present = call;
            waiter = waiting;
        }
        if (present != null) {
            present.close();
        }
        if (waiter != null) {
            waiter.cancel(true);
        }
    }

    private void ask(Task<Optional<Line>> task) {
        while (true) {
            if (!isClosed() && (!ready.isEmpty() || open.isEmpty())) {
                task.settle(Optional.ofNullable(ready.poll()), null);
                return;
            }
            CompletableFuture<Optional<ReadOutputResponse>> next = call().nextAsync();
            if (!next.isDone()) {
                task.after(
                        next,
                        (message, error) -> {
                            if (take(task, message, error)) {
                                ask(task);
                            }
                        });
                return;
            }
            // In a loop: a line may take any number of messages that are there already.
            if (!next.handle((message, error) -> take(task, message, error)).join()) {
                return;
            }
        }
    }

    /** Returns whether to ask on. */
    private boolean take(
            Task<Optional<Line>> task, Optional<ReadOutputResponse> message, Throwable error) {
        Throwable failure = error;
        if (failure == null) {
            try {
                attempts.succeeded();
                note(message.orElseGet(LineReader::end));
                return true;
            } catch (HcsdException refused) {
                failure = refused;
            }
        }
        detach();
        broken = true;
        if (failure instanceof HcsdException.Unavailable
                || failure instanceof HcsdException.SubscriberStalled) {
            attempts.again(task, (HcsdException) failure, () -> ask(task));
        } else {
            task.settle(null, failure);
        }
        return false;
    }

    private void note(ReadOutputResponse event) {
        switch (event.getEventCase()) {
            case STARTED -> {
                Failures.same(process, event.getStarted().getProcess());
                event.getStarted()
                        .getCursorsList()
                        .forEach(cursor -> goTo(cursor.getStream(), cursor.getOffset()));
                request.clearLastLines().clearSince();
            }
            case CHUNK -> {
                OutputChunk chunk = event.getChunk();
                Timestamp read = chunk.getReadTime();
                goTo(chunk.getStream(), chunk.getOffset() + chunk.getData().size());
                cutters.get(chunk.getStream())
                        .cut(
                                chunk.getData(),
                                Instant.ofEpochSecond(read.getSeconds(), read.getNanos()));
            }
            case GAP -> {
                OutputGap gap = event.getGap();
                goTo(gap.getStream(), gap.getToOffset());
                cutters.get(gap.getStream()).finish();
            }
            case EOF -> end(event.getEof().getStream());
            case END -> STREAMS.forEach(this::end);
            default -> {} // an exit, a heartbeat, or what this version does not know
        }
    }

    private void goTo(OutputStream stream, long offset) {
        offsets.put(stream, offset);
    }

    private void end(OutputStream stream) {
        cutters.get(stream).finish();
        open.remove(stream);
        if (open.isEmpty()) {
            detach();
        }
    }

    private static ReadOutputResponse end() {
        return ReadOutputResponse.newBuilder()
                .setEnd(hcsd.v1.OutputEnd.getDefaultInstance())
                .build();
    }

    private synchronized boolean isClosed() {
        return closed;
    }

    private synchronized CallStream<ReadOutputResponse> call() {
        if (call == null) {
            request.clearCursors();
            offsets.forEach(
                    (stream, offset) ->
                            request.addCursors(
                                    OutputCursor.newBuilder().setStream(stream).setOffset(offset)));
            if (broken) {
                connection.settings().journal().resuming(what, "at offsets " + offsets.values());
                broken = false;
            }
            call =
                    new CallStream<>(
                            connection,
                            ProcessServiceGrpc.getReadOutputMethod(),
                            request.build(),
                            Limit.NONE,
                            connection.settings().keepalive().silence());
            if (closed) {
                call.close();
            }
        }
        return call;
    }

    private void detach() {
        CallStream<?> present;
        synchronized (this) {
            present = call;
            call = null;
        }
        if (present != null) {
            present.close();
        }
    }
}

package hcsd;

import hcsd.v1.GapPolicy;
import hcsd.v1.OutputCursor;
import hcsd.v1.Process;
import hcsd.v1.ProcessServiceGrpc;
import hcsd.v1.ReadOutputRequest;
import hcsd.v1.ReadOutputResponse;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.ReentrantLock;

/**
 * What a process writes to one of its streams, as bytes that survive lost connections.
 *
 * <p>It is followed until its end. A lost connection shows only as a pause: reading goes on at the
 * byte where it stopped, within the bounds of {@link Retry}. So does a read that was interrupted,
 * and a program that pauses for longer than the daemon waits for it.
 *
 * <p>Threads: any may read, one at a time; another may {@link #close}, which ends a read that
 * waits. An interrupt ends it too, with an {@link InterruptedIOException} and nothing lost.
 *
 * <p>Reading that fails throws an {@link HcsdIOException}; its {@link HcsdIOException#failure} is:
 * {@link HcsdException.OutputEvicted}, bytes are gone that were not read in time; {@link
 * HcsdException.DaemonRestarted}, the daemon has lost its state, and the process; {@link
 * HcsdException.NotFound}, the process was deleted; {@link HcsdException.Unavailable}, the daemon
 * was out of reach for too long; and the errors of every call.
 */
public final class RemoteOutput extends InputStream {
    // state    event                                  next
    // IDLE     a read                                 READING
    // READING  the daemon is out of reach             IDLE, and after a while READING again
    // READING  interrupted, any other error           IDLE
    // READING  the end of the stream                  ENDED
    // any      close()                                CLOSED
    //
    // READING is a ReadOutput call (`call`) that was asked for what follows `offset`. The offset
    // moves with the bytes that are handed out, and only then, so whatever ends the call, the next
    // one goes on at the right byte. All is guarded by `reading`, but for what is volatile.

    private static final ByteBuffer NOTHING = ByteBuffer.allocate(0);

    private final Connection connection;
    private final Process process;
    private final OutputCursor start;
    private final GapPolicy gapPolicy;
    private final Attempts attempts;
    private final Duration silence; // null for ever
    private final String what; // for the log
    private final ReentrantLock reading = new ReentrantLock();

    private MessageStream<ReadOutputResponse> call;
    private boolean broken; // the call before has failed
    private boolean ended;
    private volatile ByteBuffer rest = NOTHING; // received, and not yet handed out
    private volatile CompletableFuture<?> awaited; // what the reading thread waits for
    private volatile boolean closed;
    private volatile long offset; // -1 while unknown
    private volatile long skipped;
    private volatile boolean forced;

    RemoteOutput(Connection connection, Process process, OutputCursor start, boolean skipGaps) {
        this.connection = connection;
        this.process = process;
        this.start = start;
        this.what = "ReadOutput (%s) of %s".formatted(start.getStream(), process.getName());
        this.attempts = new Attempts(connection.settings(), what);
        this.silence = connection.settings().keepalive().silence();
        this.gapPolicy = skipGaps ? GapPolicy.GAP_POLICY_REPORT : GapPolicy.GAP_POLICY_FAIL;
        this.offset = start.hasLastBytes() ? -1 : start.getOffset();
    }

    /**
     * Returns the offset of the next byte, from the start of the stream.
     *
     * @return the offset; empty until it is known: a stream that is read from its tail tells it
     *     with the first bytes
     */
    public OptionalLong offset() {
        return offset < 0 ? OptionalLong.empty() : OptionalLong.of(offset);
    }

    /**
     * Returns how many bytes were gone and skipped.
     *
     * @return their number
     */
    public long skipped() {
        return skipped;
    }

    /**
     * Returns whether the daemon ended the stream, since a descendant of the process kept it open.
     *
     * @return whether it did
     */
    public boolean forced() {
        return forced;
    }

    @Override
    public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : Byte.toUnsignedInt(one[0]);
    }

    @Override
    public int read(byte[] buffer, int from, int length) throws IOException {
        Objects.checkFromIndexSize(from, length, buffer.length);
        if (length == 0) {
            return 0;
        }
        try {
            reading.lockInterruptibly();
        } catch (InterruptedException interrupt) {
            throw interrupted(interrupt);
        }
        try {
            return fill() ? handOut(buffer, from, length) : -1;
        } catch (HcsdException failure) {
            throw new HcsdIOException(failure);
        } finally {
            reading.unlock();
        }
    }

    @Override
    public int available() {
        return rest.remaining();
    }

    /** Gives up the stream; the process does not notice. Reading is an error then. Idempotent. */
    @Override
    public void close() {
        closed = true;
        CompletableFuture<?> present = awaited;
        if (present != null) {
            present.cancel(true);
        }
        if (reading.tryLock()) { // else the reading thread is about to do it
            try {
                detach();
            } finally {
                reading.unlock();
            }
        }
    }

    /** Sees to it that there are bytes to hand out, and returns false if there will be none. */
    private boolean fill() throws IOException {
        while (!rest.hasRemaining() && !ended && !closed) {
            try {
                take(await(next()));
            } catch (HcsdException.Unavailable | HcsdException.SubscriberStalled error) {
                detach();
                broken = true;
                await(attempts.failed(error));
            } catch (IOException | RuntimeException error) {
                detach();
                throw error;
            }
        }
        if (closed) {
            detach();
            throw new IOException("the stream is closed");
        }
        return rest.hasRemaining();
    }

    private int handOut(byte[] buffer, int from, int length) {
        int count = Math.min(length, rest.remaining());
        rest.get(buffer, from, count);
        offset = Math.max(offset, 0) + count;
        return count;
    }

    private CompletableFuture<Optional<ReadOutputResponse>> next() {
        if (call == null) {
            Keepalive keepalive = connection.settings().keepalive();
            OutputCursor cursor =
                    offset < 0
                            ? start
                            : OutputCursor.newBuilder()
                                    .setStreamValue(start.getStreamValue())
                                    .setOffset(offset)
                                    .build();
            ReadOutputRequest request =
                    ReadOutputRequest.newBuilder()
                            .setName(process.getName())
                            .addCursors(cursor)
                            .setFollow(true)
                            .setGapPolicy(gapPolicy)
                            .setHeartbeatInterval(keepalive.heartbeat())
                            .build();
            if (broken) {
                connection.settings().journal().resuming(what, "at offset " + offset);
            }
            call =
                    new CallStream<>(
                            connection,
                            ProcessServiceGrpc.getReadOutputMethod(),
                            request,
                            Limit.NONE,
                            silence);
            broken = false;
        }
        return call.nextAsync();
    }

    private void take(Optional<ReadOutputResponse> answer) {
        attempts.succeeded();
        ReadOutputResponse event = answer.orElse(null);
        if (event == null || event.hasEnd()) {
            end();
        } else if (event.hasStarted()) {
            Failures.same(process, event.getStarted().getProcess());
            offset = event.getStarted().getCursors(0).getOffset();
        } else if (event.hasChunk()) {
            rest = event.getChunk().getData().asReadOnlyByteBuffer();
        } else if (event.hasGap()) {
            skipped += event.getGap().getToOffset() - event.getGap().getFromOffset();
            offset = event.getGap().getToOffset();
        } else if (event.hasEof()) {
            forced = event.getEof().getForced();
            end();
        }
    }

    private void end() {
        ended = true;
        detach();
    }

    private void detach() {
        rest = NOTHING;
        if (call != null) {
            call.close();
            call = null;
        }
    }

    private <T> T await(CompletableFuture<T> next) throws IOException {
        awaited = next;
        if (closed) {
            next.cancel(true);
        }
        try {
            return Task.await(next);
        } catch (InterruptedException interrupt) {
            throw interrupted(interrupt);
        } catch (CancellationException cancelled) {
            throw new IOException("the stream is closed", cancelled);
        } finally {
            awaited = null;
        }
    }

    private static InterruptedIOException interrupted(InterruptedException interrupt) {
        InterruptedIOException error = new InterruptedIOException("interrupted while reading");
        error.initCause(interrupt);
        return error;
    }
}

package hcsd;

import com.google.protobuf.ByteString;
import hcsd.v1.ProcessServiceGrpc;
import hcsd.v1.WriteInputRequest;
import hcsd.v1.WriteInputResponse;
import io.grpc.Status.Code;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.util.Objects;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The stdin of a process, as writes that survive lost connections.
 *
 * <p>A lost connection shows only as a pause, within the bounds of {@link Retry}: every byte
 * reaches the process once and in order. A write returns when the pipe has taken all of it, so
 * there is nothing to flush; each is a call of its own, so wrap it in a {@link
 * java.io.BufferedOutputStream} for many small ones. End-of-file is what {@link #close} asks for,
 * and nothing else.
 *
 * <p>Threads: any may write, one at a time. An interrupt ends a wait with an {@link
 * InterruptedIOException}; {@link #committed} then tells how much was taken.
 *
 * <p>Methods that fail throw an {@link HcsdIOException}; its {@link HcsdIOException#failure} is:
 * {@link HcsdException.StdinClosed}, the process has closed its stdin or never had one; {@link
 * HcsdException.StdinBusy}, another client is writing; {@link HcsdException.StdinTakenOver}, one
 * has written in between; {@link HcsdException.DaemonRestarted}, {@link HcsdException.NotFound} and
 * {@link HcsdException.Unavailable} as {@link RemoteOutput} does; and the errors of every call.
 */
public final class RemoteInput extends OutputStream {
    // state       event                                next
    // KNOWN       write() or close()                   ON ITS WAY
    // ON ITS WAY  the answer                           KNOWN
    // ON ITS WAY  "timed out"                          ON ITS WAY: what the pipe has not taken yet
    // ON ITS WAY  the daemon is out of reach           ON ITS WAY: after a while, the same again
    // ON ITS WAY  interrupted, or any other error      UNKNOWN
    // UNKNOWN     the next write, which asks first     KNOWN
    //
    // What is known is `offset`, how many bytes the pipe has taken. A repeated write starts at the
    // same offset, and the daemon skips what it has taken already. A write whose call was lost may
    // still be under way at the daemon, which then says that stdin is busy: that is a reason to
    // wait, as being out of reach is.
    //
    // Bytes that the daemon skips of a write that was not repeated were taken for those of another
    // client, and that is an error. Of a repeated write it cannot be told whose they were: clients
    // that share a stdin must agree. All is guarded by `writing`.

    private static final int WRITE_BYTES = 1024 * 1024; // a daemon takes up to 4 MiB at once

    private final Connection connection;
    private final String name;
    private final ReentrantLock writing = new ReentrantLock();

    private long offset; // -1 while unknown
    private boolean left; // a call of ours ended without an answer, and may go on at the daemon
    private long leftUntil; // when it is over there, too (System.nanoTime)

    RemoteInput(Connection connection, String name, long offset) {
        this.connection = connection;
        this.name = name;
        this.offset = offset;
    }

    @Override
    public void write(int octet) throws IOException {
        write(new byte[] {(byte) octet}, 0, 1);
    }

    @Override
    public void write(byte[] data, int from, int length) throws IOException {
        Objects.checkFromIndexSize(from, length, data.length);
        exclusively(
                () -> {
                    for (int done = 0; done < length; done += WRITE_BYTES) {
                        int count = Math.min(WRITE_BYTES, length - done);
                        write(ByteString.copyFrom(data, from + done, count), false);
                    }
                    return offset;
                });
    }

    /** Lets the process read end-of-file; idempotent, and no error if stdin is closed already. */
    @Override
    public void close() throws IOException {
        exclusively(() -> write(ByteString.EMPTY, true));
    }

    /**
     * Returns how many bytes the pipe has taken from the start of the process; asks the daemon if
     * that is not known, as after a write that was interrupted.
     *
     * @return the number of bytes
     * @throws IOException the call has failed, or the thread was interrupted
     */
    public long committed() throws IOException {
        return exclusively(this::known);
    }

    private long known() throws InterruptedException {
        if (offset < 0) {
            offset = ask(ByteString.EMPTY, 0, false).getCommittedOffset();
        }
        return offset;
    }

    private long write(ByteString data, boolean closing) throws InterruptedException {
        long from = known();
        offset = -1;
        offset = ask(data, from, closing).getCommittedOffset();
        return offset;
    }

    /** Writes in pieces of time until the pipe has taken all. */
    private WriteInputResponse ask(ByteString data, long from, boolean closing)
            throws InterruptedException {
        Settings settings = connection.settings();
        Attempts attempts = new Attempts(settings, "WriteInput of " + name);
        Pieces pieces = new Pieces(settings.keepalive());
        ByteString rest = data;
        long at = from;
        boolean repeated = false;
        while (true) {
            try {
                WriteInputResponse answer = write(pieces, rest, at, closing);
                attempts.succeeded();
                if (answer.getSkippedBytes() != 0 && !repeated) {
                    throw takenOver(answer.getSkippedBytes());
                }
                if (!answer.getTimedOut()) {
                    return answer;
                }
                long taken = Math.max(0, answer.getCommittedOffset() - at);
                rest = rest.substring((int) Math.min(taken, rest.size()));
                at = answer.getCommittedOffset();
                repeated = false;
            } catch (HcsdException.Unavailable error) {
                repeated = true;
                pieces.failed(error);
                Task.await(attempts.failed(error));
            } catch (HcsdException.StdinBusy error) {
                if (!left || System.nanoTime() - leftUntil > 0) {
                    throw error;
                }
                Task.await(attempts.notYet(error));
            }
        }
    }

    private WriteInputResponse write(Pieces pieces, ByteString data, long at, boolean closing)
            throws InterruptedException {
        WriteInputRequest request =
                WriteInputRequest.newBuilder()
                        .setName(name)
                        .setOffset(at)
                        .setData(data)
                        .setCloseStdin(closing)
                        .setTimeout(pieces.begin())
                        .build();
        Limit limit = pieces.limit();
        try {
            WriteInputResponse answer =
                    Task.await(
                            connection.ask(
                                    ProcessServiceGrpc.getWriteInputMethod(), request, limit));
            left = false;
            return answer;
        } catch (HcsdException.Unavailable | InterruptedException error) { // nobody has answered
            left = true;
            leftUntil = System.nanoTime() + limit.time().toNanos();
            throw error;
        }
    }

    private HcsdException takenOver(long skipped) {
        return Failures.of(
                Code.ABORTED,
                "STDIN_TAKEN_OVER",
                "another client has written to stdin of '%s': %d bytes of this one were taken for its"
                        .formatted(name, skipped));
    }

    private interface Work {
        long run() throws InterruptedException;
    }

    private long exclusively(Work work) throws IOException {
        try {
            writing.lockInterruptibly();
            try {
                return work.run();
            } finally {
                writing.unlock();
            }
        } catch (InterruptedException interrupt) {
            InterruptedIOException error = new InterruptedIOException("interrupted while writing");
            error.initCause(interrupt);
            throw error;
        } catch (HcsdException failure) {
            throw new HcsdIOException(failure);
        }
    }
}

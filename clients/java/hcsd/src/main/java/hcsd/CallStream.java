package hcsd;

import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** The messages of one call. */
final class CallStream<T> extends MessageStream<T> {
    // state    event                              next
    // OPEN     a message arrives                  OPEN: given to who waits, or kept
    // OPEN     the call ends                      ENDED: told after what is kept
    // OPEN     somebody waits in silence too long the call is cancelled, which ends it as lost
    // OPEN     close(), a wait is cancelled       ENDED, by a cancellation; what is kept is dropped
    //
    // No more than AHEAD messages are kept, since gRPC is asked for each by its own. Silence counts
    // only while somebody waits. An older daemon sends no heartbeats: there a silent stream goes on
    // in
    // another call from time to time, which costs a little and loses nothing.

    private static final int AHEAD = 2;

    // How long a call may take to say anything at all, as its connection has to be made; arbitrary.
    private static final Duration BEGINNING = Duration.ofSeconds(10);

    private final ClientCall<?, T> call;
    private final Duration silence; // how long it may last while somebody waits; null for ever
    private final Queue<T> kept = new ArrayDeque<>(); // guarded by this, as is all below
    private Task<Optional<T>> waiting; // null while nobody waits
    private long waitingSince;
    private boolean watched; // a check of the silence is to come
    private boolean heard;
    private boolean ended;
    private Throwable failure; // how the call ended; null for its orderly end

    <Q> CallStream(
            Connection connection,
            MethodDescriptor<Q, T> method,
            Q request,
            Limit limit,
            Duration silence) {
        ClientCall<Q, T> starting = connection.newCall(method, limit);
        call = starting;
        this.silence = silence;
        starting.start(new Receiver(connection, limit), new Metadata());
        starting.request(AHEAD);
        starting.sendMessage(request);
        starting.halfClose();
    }

    @Override
    public CompletableFuture<Optional<T>> nextAsync() {
        Task<Optional<T>> task = new Task<>();
        T message;
        synchronized (this) {
            if (waiting != null) {
                throw new IllegalStateException("another caller waits for the next message");
            }
            message = kept.poll();
            if (message == null && !ended) {
                waiting = task;
                waitingSince = System.nanoTime();
                watchSilence();
            }
        }
        if (message != null) {
            call.request(1);
            task.settle(Optional.of(message), null);
        } else {
            task.stopBy(this::close);
            settleIfEnded(task);
        }
        return task;
    }

    /** Returns whether any message has come. */
    synchronized boolean isHeard() {
        return heard;
    }

    @Override
    public void close() {
        synchronized (this) {
            kept.clear();
        }
        if (end(new CancellationException("the stream is closed"))) {
            call.cancel("cancelled by the caller", null);
        }
    }

    private void settleIfEnded(Task<Optional<T>> task) {
        Throwable how;
        synchronized (this) {
            if (!ended) {
                return;
            }
            how = failure;
        }
        task.settle(Optional.empty(), how);
    }

    private synchronized void watchSilence() {
        if (silence != null && !watched && waiting != null) {
            watched = true;
            checkAfter(silence.toNanos());
        }
    }

    private synchronized Duration patience() {
        return heard ? silence : Durations.longer(silence, BEGINNING);
    }

    private void checkAfter(long nanos) {
        CompletableFuture.delayedExecutor(nanos, TimeUnit.NANOSECONDS).execute(this::check);
    }

    private void check() {
        String why;
        synchronized (this) {
            if (ended || waiting == null) {
                watched = false;
                return;
            }
            long left = waitingSince + patience().toNanos() - System.nanoTime();
            if (left > 0) {
                checkAfter(Math.min(left, silence.toNanos()));
                return;
            }
            why = "nothing has come for %d ms".formatted(patience().toMillis());
        }
        call.cancel(null, new SocketTimeoutException(why));
    }

    /** Notes how the call ended, and returns whether that is news. */
    private boolean end(Throwable how) {
        Task<Optional<T>> waiter;
        synchronized (this) {
            if (ended) {
                return false;
            }
            ended = true;
            failure = how;
            waiter = waiting;
            waiting = null;
        }
        if (waiter != null) {
            waiter.settle(Optional.empty(), how);
        }
        return true;
    }

    private final class Receiver extends ClientCall.Listener<T> {
        private final Connection connection;
        private final Limit limit;

        Receiver(Connection connection, Limit limit) {
            this.connection = connection;
            this.limit = limit;
        }

        @Override
        public void onMessage(T message) {
            Task<Optional<T>> waiter;
            synchronized (CallStream.this) {
                heard = true;
                waiter = waiting;
                waiting = null;
                if (waiter == null) {
                    if (!ended) {
                        kept.add(message);
                    }
                    return;
                }
            }
            call.request(1);
            waiter.settle(Optional.of(message), null);
        }

        @Override
        public void onClose(Status status, Metadata trailers) {
            end(status.isOk() ? null : connection.errorOf(call, status, trailers, limit));
        }
    }
}

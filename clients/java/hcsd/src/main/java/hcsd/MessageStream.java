package hcsd;

import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;

/**
 * The messages of one call, in their order.
 *
 * <p>The call begins at once, and ends with the last message or with {@link #close}, which detaches
 * and changes nothing else. One thread may iterate at a time; {@code close} may come from any.
 *
 * <p>{@link #hasNext} and {@link #next} wait. They throw an {@link HcsdException} if the call
 * fails, {@link HcsdException.ConnectionLost} if the daemon goes away, and {@link
 * CancellationException} if the stream was closed or the thread was interrupted, which stays
 * interrupted then and ends the call.
 *
 * @param <T> the message of the contract
 */
public final class MessageStream<T> implements Iterator<T>, AutoCloseable {
    // state    event                              next
    // OPEN     a message arrives                  OPEN: given to who waits, or kept
    // OPEN     the call ends                      ENDED: told after what is kept
    // OPEN     close(), a wait is cancelled       ENDED, by a cancellation; what is kept is dropped
    //
    // No more than AHEAD messages are kept, since gRPC is asked for each by its own.

    private static final int AHEAD = 2;

    private final ClientCall<?, T> call;
    private final Queue<T> kept = new ArrayDeque<>(); // guarded by this, as is all below
    private Task<Optional<T>> waiting; // null while nobody waits
    private boolean ended;
    private Throwable failure; // how the call ended; null for its orderly end
    private Optional<T> peeked; // of the iterating thread alone; null while nothing is

    <Q> MessageStream(
            Connection connection, MethodDescriptor<Q, T> method, Q request, Duration limit) {
        ClientCall<Q, T> starting = connection.newCall(method, limit);
        call = starting;
        starting.start(new Receiver(connection), new Metadata());
        starting.request(AHEAD);
        starting.sendMessage(request);
        starting.halfClose();
    }

    /**
     * Asks for the next message; a cancellation of the future cancels the call.
     *
     * @return the message; empty after the last
     * @throws IllegalStateException the message asked for before has not come yet
     */
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

    @Override
    public boolean hasNext() {
        if (peeked == null) {
            try {
                peeked = Task.await(nextAsync());
            } catch (InterruptedException interrupt) {
                Thread.currentThread().interrupt();
                CancellationException cancelled = new CancellationException("interrupted");
                cancelled.initCause(interrupt);
                throw cancelled;
            }
        }
        return peeked.isPresent();
    }

    @Override
    public T next() {
        if (!hasNext()) {
            throw new NoSuchElementException("the call has ended");
        }
        T message = peeked.get();
        peeked = null;
        return message;
    }

    /** Ends the call; idempotent. */
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

        Receiver(Connection connection) {
            this.connection = connection;
        }

        @Override
        public void onMessage(T message) {
            Task<Optional<T>> waiter;
            synchronized (MessageStream.this) {
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
            end(status.isOk() ? null : connection.errorOf(call, status, trailers));
        }
    }
}

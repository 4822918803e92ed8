package hcsd;

import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;

/**
 * Messages of the daemon, or lines of a process, in their order.
 *
 * <pre>{@code
 * try (MessageStream<Line> lines = process.lines()) {
 *     for (Line line : lines) {
 *         System.out.println(line.text());
 *     }
 * }
 * }</pre>
 *
 * <p>The call begins at once, and ends with the last message or with {@link #close}, which detaches
 * and changes nothing else. One thread may iterate at a time; {@code close} may come from any.
 *
 * <p>{@link #hasNext} and {@link #next} wait. They throw an {@link HcsdException} if the call
 * fails, {@link HcsdException.ConnectionLost} if the daemon goes away, and {@link
 * CancellationException} if the stream was closed or the thread was interrupted, which stays
 * interrupted then and ends the call.
 *
 * @param <T> the message of the contract, or {@link Line}
 */
public abstract sealed class MessageStream<T> implements Iterator<T>, Iterable<T>, AutoCloseable
        permits CallStream, EventWatch, LineReader {
    private Optional<T> peeked; // of the iterating thread alone; null while nothing is

    MessageStream() {}

    /**
     * Asks for the next message; a cancellation of the future cancels the call.
     *
     * @return the message; empty after the last
     * @throws IllegalStateException the message asked for before has not come yet
     */
    public abstract CompletableFuture<Optional<T>> nextAsync();

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

    /**
     * Returns this, for a loop over what has not been taken yet.
     *
     * @return this
     */
    @Override
    public Iterator<T> iterator() {
        return this;
    }

    /** Ends the call; idempotent. */
    @Override
    public abstract void close();
}

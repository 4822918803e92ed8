package hcsd;

import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BiConsumer;
import java.util.function.Function;

/**
 * A future with somebody at work for it.
 *
 * <pre>
 * state    event                                                  next
 * WORKING  the work comes to a result                             DONE
 * WORKING  the owner cancels, or completes it as by orTimeout     DONE, and the work is stopped
 * </pre>
 *
 * The work is stopped at most once, whether it began before the state was DONE or after.
 */
final class Task<T> extends CompletableFuture<T> {
    // Daemons, as all threads of gRPC are: they keep no program from ending.
    private static final ExecutorService THREADS =
            Executors.newCachedThreadPool(
                    work -> {
                        Thread thread = new Thread(work, "hcsd");
                        thread.setDaemon(true);
                        return thread;
                    });

    private static final Runnable NOTHING = () -> {};

    private Runnable stop = NOTHING; // guarded by this
    private boolean settled; // guarded by this; the work has ended by itself

    Task() {
        whenComplete((value, error) -> takeStop().run());
    }

    /** Names what stops the present work. */
    void stopBy(Runnable stop) {
        synchronized (this) {
            this.stop = settled ? NOTHING : stop;
        }
        if (isDone()) {
            takeStop().run();
        }
    }

    /** Ends with the result of the work, which needs no stopping any more. */
    void settle(T value, Throwable error) {
        synchronized (this) {
            settled = true;
            stop = NOTHING;
        }
        if (error == null) {
            complete(value);
        } else {
            completeExceptionally(error);
        }
    }

    /** Goes on when a step has ended; a step of a task that is done is cancelled. */
    <S> void after(CompletableFuture<S> step, BiConsumer<S, Throwable> next) {
        stopBy(() -> step.cancel(true));
        step.whenComplete(
                (value, error) -> {
                    if (isDone()) {
                        return;
                    }
                    try {
                        next.accept(value, error);
                    } catch (RuntimeException fault) {
                        settle(null, fault);
                    }
                });
    }

    /** Fails by the fault of somebody else, which stops the work; null is no fault. */
    void fail(Throwable error) {
        if (error != null) {
            completeExceptionally(error);
        }
    }

    /** Returns the same as another future gives, as something else; cancelled with it. */
    static <S, T> Task<T> mapped(CompletableFuture<S> source, Function<S, T> change) {
        Task<T> task = new Task<>();
        task.after(
                source,
                (value, error) -> task.settle(error == null ? change.apply(value) : null, error));
        return task;
    }

    /** Works in a thread of its own, which a cancellation interrupts. */
    static <T> Task<T> inThread(Callable<T> work) {
        Task<T> task = new Task<>();
        Future<?> running =
                THREADS.submit(
                        () -> {
                            try {
                                task.settle(work.call(), null);
                            } catch (Exception error) {
                                task.settle(null, error);
                            }
                        });
        task.stopBy(() -> running.cancel(true));
        return task;
    }

    /**
     * Waits for a result; an interrupt cancels it.
     *
     * <p>A failure is thrown with the trace of this thread: where the call was made says more than
     * where its answer was received.
     */
    static <T> T await(CompletableFuture<T> future) throws InterruptedException {
        try {
            return future.get();
        } catch (InterruptedException interrupt) {
            future.cancel(true);
            throw interrupt;
        } catch (ExecutionException failure) {
            throw thrown(failure.getCause());
        }
    }

    /** Waits for a result, but not for ever; then it is cancelled too. */
    static <T> T await(CompletableFuture<T> future, Duration timeout)
            throws InterruptedException, TimeoutException {
        try {
            return future.get(timeout.toNanos(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException | TimeoutException end) {
            future.cancel(true);
            throw end;
        } catch (ExecutionException failure) {
            throw thrown(failure.getCause());
        }
    }

    private static RuntimeException thrown(Throwable cause) {
        if (cause instanceof HcsdException error) {
            error.setStackTrace(new Throwable().getStackTrace());
        }
        return cause instanceof RuntimeException fault ? fault : new IllegalStateException(cause);
    }

    private synchronized Runnable takeStop() {
        Runnable present = stop;
        stop = NOTHING;
        return present;
    }
}

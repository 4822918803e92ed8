package hcsd;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/** The attempts of one task since the daemon was last heard of. */
final class Attempts {
    private final Retry retry;
    private final Journal journal;
    private final String what;
    private final boolean endless;
    private int failed;

    /**
     * @param what the task, for the log
     */
    Attempts(Settings settings, String what) {
        this(settings, what, false);
    }

    /**
     * @param what the task, for the log
     * @param endless whether it goes on until it is stopped
     */
    Attempts(Settings settings, String what, boolean endless) {
        this.retry = settings.retry();
        this.journal = settings.journal();
        this.what = what;
        this.endless = endless;
    }

    /** Makes a call that is safe to repeat until the daemon answers. */
    static <T> CompletableFuture<T> repeat(
            Settings settings, String what, Supplier<CompletableFuture<T>> call) {
        Task<T> task = new Task<>();
        new Attempts(settings, what).attempt(task, call, true);
        return task;
    }

    /** The same for what may be a first contact: if no daemon is there, that is told at once. */
    static <T> CompletableFuture<T> contact(
            Connection connection, String what, Supplier<CompletableFuture<T>> call) {
        Task<T> task = new Task<>();
        new Attempts(connection.settings(), what).attempt(task, call, connection.isMet());
        return task;
    }

    /** Makes a call that must not happen twice: again only while no daemon can have got it. */
    static <T> CompletableFuture<T> once(
            Settings settings, String what, Supplier<CompletableFuture<T>> call) {
        Task<T> task = new Task<>();
        new Attempts(settings, what).attemptOnce(task, call);
        return task;
    }

    void succeeded() {
        failed = 0;
    }

    /** Completes when it is time for the next attempt; with the error if there is to be none. */
    CompletableFuture<Void> failed(HcsdException error) {
        if (!endless && failed >= retry.attempts()) {
            return CompletableFuture.failedFuture(error);
        }
        double doubled = retry.firstDelay().toNanos() * Math.pow(2, failed);
        double delay = Math.min(doubled, retry.maxDelay().toNanos());
        failed++;
        // The random part keeps many clients from coming back in step.
        delay *= ThreadLocalRandom.current().nextDouble(0.5, 1);
        long asked = error.retryDelay().map(Duration::toNanos).orElse(0L);
        long nanos = Math.max((long) delay, asked);
        journal.repeating(what, failed, retry.attempts(), Duration.ofNanos(nanos), error);
        Executor later = CompletableFuture.delayedExecutor(nanos, TimeUnit.NANOSECONDS);
        return CompletableFuture.runAsync(() -> {}, later);
    }

    /** The same for a daemon that is there and will be able soon: that may take any time. */
    CompletableFuture<Void> notYet(HcsdException error) {
        failed = Math.min(failed, Math.max(0, retry.attempts() - 1));
        return failed(error);
    }

    /** Makes the next attempt of a task when it is time; fails the task if there is to be none. */
    void again(Task<?> task, HcsdException error, Runnable attempt) {
        task.after(
                failed(error),
                (none, last) -> {
                    if (last == null) {
                        attempt.run();
                    } else {
                        task.settle(null, last);
                    }
                });
    }

    private <T> void attemptOnce(Task<T> task, Supplier<CompletableFuture<T>> call) {
        task.after(
                call.get(),
                (answer, error) -> {
                    if (error instanceof HcsdException.DaemonUnreachable unreachable) {
                        again(task, unreachable, () -> attemptOnce(task, call));
                    } else {
                        task.settle(answer, error);
                    }
                });
    }

    private <T> void attempt(Task<T> task, Supplier<CompletableFuture<T>> call, boolean reached) {
        task.after(
                call.get(),
                (answer, error) -> {
                    if (error instanceof HcsdException.Unavailable unavailable
                            && (reached || !(error instanceof HcsdException.DaemonUnreachable))) {
                        again(task, unavailable, () -> attempt(task, call, true));
                    } else {
                        task.settle(answer, error);
                    }
                });
    }
}

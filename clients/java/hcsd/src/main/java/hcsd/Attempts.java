package hcsd;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/** The attempts of one task after its last progress. */
final class Attempts {
    private final Retry retry;
    private int failed;

    Attempts(Retry retry) {
        this.retry = retry;
    }

    /** Makes a call that is safe to repeat until the daemon answers. */
    static <T> CompletableFuture<T> repeat(Retry retry, Supplier<CompletableFuture<T>> call) {
        Task<T> task = new Task<>();
        new Attempts(retry).attempt(task, call, true);
        return task;
    }

    /** The same for a first contact: if no daemon is there, that is told at once. */
    static <T> CompletableFuture<T> contact(Retry retry, Supplier<CompletableFuture<T>> call) {
        Task<T> task = new Task<>();
        new Attempts(retry).attempt(task, call, false);
        return task;
    }

    void succeeded() {
        failed = 0;
    }

    /** Completes when it is time for the next attempt; with the error if there is to be none. */
    CompletableFuture<Void> failed(HcsdException error) {
        if (failed >= retry.attempts()) {
            return CompletableFuture.failedFuture(error);
        }
        double doubled = retry.firstDelay().toNanos() * Math.pow(2, failed);
        double delay = Math.min(doubled, retry.maxDelay().toNanos());
        failed++;
        // The random part keeps many clients from coming back in step.
        delay *= ThreadLocalRandom.current().nextDouble(0.5, 1);
        long asked = error.retryDelay().map(Duration::toNanos).orElse(0L);
        Executor later =
                CompletableFuture.delayedExecutor(
                        Math.max((long) delay, asked), TimeUnit.NANOSECONDS);
        return CompletableFuture.runAsync(() -> {}, later);
    }

    private <T> void attempt(Task<T> task, Supplier<CompletableFuture<T>> call, boolean reached) {
        task.after(
                call.get(),
                (answer, error) -> {
                    if (error instanceof HcsdException.Unavailable unavailable
                            && (reached || !(error instanceof HcsdException.DaemonUnreachable))) {
                        task.after(
                                failed(unavailable),
                                (none, last) -> {
                                    if (last == null) {
                                        attempt(task, call, true);
                                    } else {
                                        task.completeExceptionally(last);
                                    }
                                });
                    } else {
                        task.settle(answer, error);
                    }
                });
    }
}

package hcsd;

import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import java.util.function.Predicate;

/**
 * A call that waits for a process, asked in pieces until one of them brings the answer.
 *
 * <pre>
 * a piece ends with        next
 * what was waited for      the answer
 * "timed out"              the next piece, and the bounds of Retry begin anew
 * a lost connection        after a while a shorter piece, within the bounds of Retry
 * any other error          that error
 * </pre>
 */
final class LongWait<R> {
    private final Function<Pieces, CompletableFuture<R>> ask;
    private final Predicate<R> timedOut;
    private final Pieces pieces;
    private final Attempts attempts;
    private final Task<R> task = new Task<>();

    private LongWait(
            Settings settings,
            String what,
            Function<Pieces, CompletableFuture<R>> ask,
            Predicate<R> timedOut) {
        this.ask = ask;
        this.timedOut = timedOut;
        this.pieces = new Pieces(settings.keepalive());
        this.attempts = new Attempts(settings, what);
    }

    /**
     * Waits; a cancellation of the future ends the present piece.
     *
     * @param ask begins a piece and asks for it
     * @param timedOut whether an answer is the end of a piece alone
     */
    static <R> CompletableFuture<R> start(
            Settings settings,
            String what,
            Function<Pieces, CompletableFuture<R>> ask,
            Predicate<R> timedOut) {
        LongWait<R> wait = new LongWait<>(settings, what, ask, timedOut);
        wait.next();
        return wait.task;
    }

    private void next() {
        task.after(ask.apply(pieces), this::ended);
    }

    private void ended(R answer, Throwable error) {
        if (error instanceof HcsdException.Unavailable unavailable) {
            pieces.failed(unavailable);
            attempts.again(task, unavailable, this::next);
        } else if (error == null && timedOut.test(answer)) {
            attempts.succeeded();
            next();
        } else {
            task.settle(answer, error);
        }
    }
}

package hcsd;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;

/** What the library logs: what it does about failures that the program does not see. */
record Journal(Logger logger) {
    void repeating(String what, int attempt, int attempts, Duration delay, HcsdException why) {
        logger.log(
                Level.DEBUG,
                () ->
                        "%s: attempt %d of %d in %d ms: %s"
                                .formatted(
                                        what,
                                        attempt,
                                        attempts,
                                        delay.toMillis(),
                                        why.getMessage()));
    }

    void resuming(String what, String where) {
        logger.log(Level.DEBUG, () -> "%s: goes on %s".formatted(what, where));
    }

    void restarted(String what) {
        logger.log(Level.DEBUG, () -> what + ": the daemon has lost its state; asking the new one");
    }

    void notOwned(String process, Throwable why) {
        logger.log(
                Level.WARNING,
                () ->
                        "%s: this client cannot own it, so the daemon kills it soon: %s"
                                .formatted(process, why.getMessage()));
    }
}

package hcsd;

import java.time.Duration;

/**
 * How a {@link RemoteProcess} goes on when the connection breaks.
 *
 * <p>It tries again after {@code firstDelay}, doubling up to {@code maxDelay}, each time with a
 * random part of it, and throws the last error after {@code attempts} in a row without any
 * progress: by default after some 10 s. The count begins anew with every answer.
 *
 * @param attempts how often to try again; 0 throws the first error
 * @param firstDelay time before the first attempt
 * @param maxDelay time between two attempts at the most
 */
public record Retry(int attempts, Duration firstDelay, Duration maxDelay) {
    /** 12 attempts, after 50 ms and up to 2 s. */
    public static final Retry DEFAULT = new Retry(12, Duration.ofMillis(50), Duration.ofSeconds(2));

    /**
     * Checks the bounds.
     *
     * @param attempts not negative
     * @param firstDelay not negative
     * @param maxDelay not negative
     * @throws IllegalArgumentException one of them is negative
     */
    public Retry {
        if (attempts < 0 || firstDelay.isNegative() || maxDelay.isNegative()) {
            throw new IllegalArgumentException(
                    "attempts %d, firstDelay %s and maxDelay %s: none may be negative"
                            .formatted(attempts, firstDelay, maxDelay));
        }
    }

    /**
     * Returns the same delays with another number of attempts.
     *
     * @param attempts how often to try again
     * @return the new bounds
     */
    public Retry withAttempts(int attempts) {
        return new Retry(attempts, firstDelay, maxDelay);
    }
}

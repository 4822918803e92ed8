package hcsd;

import java.time.Duration;

/**
 * How a client finds out that a connection is dead though nothing says so.
 *
 * @param interval after how much silence the other side has to show that it is alive; zero if it
 *     need not
 */
record Keepalive(Duration interval) {
    static final Keepalive DEFAULT = new Keepalive(Duration.ofSeconds(20));

    // What the contract allows.
    private static final Duration SHORTEST = Duration.ofMillis(100);
    private static final Duration LONGEST = Duration.ofHours(1);
    // A busy network or daemon is not a dead one.
    private static final Duration LEAST_SILENCE = Duration.ofSeconds(1);
    private static final Duration LEAST_PING = Duration.ofSeconds(5);

    Keepalive {
        if (interval.isNegative()) {
            throw new IllegalArgumentException(
                    "keepalive %s: it must not be negative; zero turns it off".formatted(interval));
        }
    }

    boolean isOff() {
        return interval.isZero();
    }

    /** Returns what to ask of a stream; zero asks for no heartbeats. */
    com.google.protobuf.Duration heartbeat() {
        return Durations.wire(isOff() ? Duration.ZERO : bounded(interval, SHORTEST, LONGEST));
    }

    /** Returns after how much silence a stream with heartbeats is dead; null for never. */
    Duration silence() {
        return isOff()
                ? null
                : Durations.longer(
                        LEAST_SILENCE, bounded(interval, SHORTEST, LONGEST).multipliedBy(2));
    }

    /** Returns after how much silence a connection is asked whether it lives. */
    Duration ping() {
        return Durations.longer(interval, LEAST_PING);
    }

    private static Duration bounded(Duration time, Duration least, Duration most) {
        return Durations.longer(least, Durations.shorter(time, most));
    }
}

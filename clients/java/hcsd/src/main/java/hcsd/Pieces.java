package hcsd;

import java.time.Duration;

/**
 * The pieces that a long wait is asked in, so that a proxy that ends calls without bytes does not
 * end the wait, and a dead connection is noticed.
 */
final class Pieces {
    private static final Duration LONGEST = Duration.ofSeconds(20);
    private static final Duration SHORTEST = Duration.ofMillis(250);
    // An answer that is this late is none; arbitrary.
    private static final Duration SPARE = Duration.ofSeconds(10);

    private Duration length;
    private long begun;

    Pieces(Keepalive keepalive) {
        length =
                keepalive.isOff()
                        ? LONGEST
                        : Durations.longer(
                                SHORTEST, Durations.shorter(LONGEST, keepalive.interval()));
    }

    /** Begins a piece, and returns how long the daemon may take for it. */
    com.google.protobuf.Duration begin() {
        begun = System.nanoTime();
        return Durations.wire(length);
    }

    /** Returns when a piece is lost although nothing says so. */
    Limit limit() {
        return Limit.ofLibrary(length.plus(SPARE));
    }

    /** Notes how a piece has failed. If its connection was cut, those that follow are shorter. */
    void failed(HcsdException error) {
        if (error instanceof HcsdException.ConnectionLost) {
            Duration half = Duration.ofNanos((System.nanoTime() - begun) / 2);
            length = Durations.shorter(length, Durations.longer(SHORTEST, half));
        }
    }
}

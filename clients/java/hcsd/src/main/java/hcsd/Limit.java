package hcsd;

import java.time.Duration;

/**
 * The deadline of a call.
 *
 * @param time how long the call may take; null for ever
 * @param ours whether the library set it, to find out that a connection is dead, and not the caller
 */
record Limit(Duration time, boolean ours) {
    static final Limit NONE = new Limit(null, false);

    static Limit ofCaller(Duration time) {
        return new Limit(time, false);
    }

    static Limit ofLibrary(Duration time) {
        return new Limit(time, true);
    }
}

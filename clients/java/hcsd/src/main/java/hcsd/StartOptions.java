package hcsd;

import hcsd.v1.OrphanPolicy;
import hcsd.v1.OutputStream;
import hcsd.v1.OverflowPolicy;
import hcsd.v1.ProcessOptions;
import java.time.Duration;
import java.util.List;

/**
 * How the daemon keeps a process, and for how long; the same for a spec and a raw document.
 *
 * <pre>{@code
 * client.run(HcsdClient.argv("make").build(), new StartOptions().stderrToStdout());
 * }</pre>
 *
 * <p>An object is for one thread at a time; it may be used for several processes.
 */
public final class StartOptions {
    private static final Duration OWNER_GRACE = Duration.ofSeconds(10);

    private final ProcessOptions.Builder wire = ProcessOptions.newBuilder();
    private Duration ownerGrace = OWNER_GRACE; // null for a process without an owner

    /** Makes options that leave everything to the defaults. */
    public StartOptions() {}

    /**
     * Sets how much the daemon keeps of each output. Default: 1 MiB.
     *
     * @param bytes the size, as the daemon's limits allow it
     * @return this
     * @throws IllegalArgumentException it is not above 0
     */
    public StartOptions ringBytes(long bytes) {
        if (bytes <= 0) {
            throw new IllegalArgumentException("ringBytes %d: it must be above 0".formatted(bytes));
        }
        wire.getOutputBuilder().setRingBytes(bytes);
        return this;
    }

    /**
     * Sets what happens when that is full. Default: {@code BLOCK} for {@code run}, the process
     * waits for its readers; {@code DROP_OLDEST} for {@code create}.
     *
     * @param policy what happens
     * @return this
     */
    public StartOptions overflow(OverflowPolicy policy) {
        wire.getOutputBuilder().setOverflow(policy);
        return this;
    }

    /**
     * Joins stderr to stdout, in the order of writing.
     *
     * @return this
     */
    public StartOptions stderrToStdout() {
        wire.getOutputBuilder().setStderrToStdout(true);
        return this;
    }

    /**
     * Drops what the process writes to these streams, which nobody will read.
     *
     * @param streams {@code OUTPUT_STREAM_STDOUT}, {@code OUTPUT_STREAM_STDERR} or both
     * @return this
     */
    public StartOptions discard(OutputStream... streams) {
        wire.getOutputBuilder().addAllDiscard(List.of(streams));
        return this;
    }

    /**
     * Sets after which time the process is killed with its descendants. Default: never.
     *
     * @param timeout the time; zero for never
     * @return this
     * @throws IllegalArgumentException it is negative
     */
    public StartOptions runTimeout(Duration timeout) {
        wire.setRunTimeout(Durations.wire(positive("runTimeout", timeout)));
        return this;
    }

    /**
     * Sets how long after the exit the daemon waits for output that a descendant keeps open.
     * Default: 5 s.
     *
     * @param timeout the time; zero takes only what is there
     * @return this
     * @throws IllegalArgumentException it is negative
     */
    public StartOptions drainTimeout(Duration timeout) {
        wire.setDrainTimeout(Durations.wire(positive("drainTimeout", timeout)));
        return this;
    }

    /**
     * Keeps the process after its exit, with its output, until it is deleted.
     *
     * @return this
     */
    public StartOptions pin() {
        wire.setPin(true);
        return this;
    }

    /**
     * Sets how long a process of {@code run} lives on when its program is gone or cannot be
     * reached, before the daemon kills it with its descendants. Default: 10 s. For {@code create}
     * it means nothing.
     *
     * @param grace the time; null, or {@link Duration#ZERO}, lets the process live
     * @return this
     * @throws IllegalArgumentException it is negative
     */
    public StartOptions ownerGrace(Duration grace) {
        ownerGrace = grace == null || grace.isZero() ? null : positive("ownerGrace", grace);
        return this;
    }

    /** Adds these options to those of a request. */
    ProcessOptions.Builder addedTo(ProcessOptions.Builder others) {
        return others.mergeFrom(wire.build());
    }

    /** Adds that the process has an owner, unless something else is asked for. */
    void addOwner(ProcessOptions.Builder options, OrphanPolicy ofSpec) {
        OrphanPolicy asked = options.getOrphanPolicy();
        boolean open = asked == OrphanPolicy.ORPHAN_POLICY_UNSPECIFIED;
        if (ownerGrace == null || !open || ofSpec != OrphanPolicy.ORPHAN_POLICY_UNSPECIFIED) {
            return;
        }
        options.setOrphanPolicy(OrphanPolicy.ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT)
                .setOwnerGrace(Durations.wire(ownerGrace));
    }

    private static Duration positive(String name, Duration time) {
        if (time.isNegative()) {
            throw new IllegalArgumentException(
                    "%s %s: it must not be negative".formatted(name, time));
        }
        return time;
    }
}

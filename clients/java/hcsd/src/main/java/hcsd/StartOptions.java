package hcsd;

import com.google.protobuf.ByteString;
import hcsd.v1.CreateProcessRequest;
import hcsd.v1.EnvironmentVariable;
import hcsd.v1.ExecProcessRequest;
import hcsd.v1.OrphanPolicy;
import hcsd.v1.OutputStream;
import hcsd.v1.OverflowPolicy;
import hcsd.v1.ProcessOptions;
import hcsd.v1.ProcessSpec;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/**
 * Where a process runs, how the daemon keeps it, and for how long.
 *
 * <pre>{@code
 * client.run(HcsdClient.argv("make").build(), new StartOptions().stderrToStdout());
 * }</pre>
 *
 * <p>{@link #workingDirectory}, {@link #environment} and {@link #user} are for a spec: a raw
 * document says that itself, so beside one they are an {@link IllegalArgumentException}. All others
 * are for both.
 *
 * <p>An object is for one thread at a time; it may be used for several processes.
 */
public final class StartOptions {
    private static final Duration OWNER_GRACE = Duration.ofSeconds(10);

    private final ProcessSpec.Builder place = ProcessSpec.newBuilder();
    private final ProcessOptions.Builder wire = ProcessOptions.newBuilder();
    private final ExecProcessRequest.Builder execOnly = ExecProcessRequest.newBuilder();
    private Duration ownerGrace = OWNER_GRACE; // null for a process without an owner

    /** Makes options that leave everything to the defaults. */
    public StartOptions() {}

    /**
     * Sets the working directory. Default: the home of the user.
     *
     * @param path its absolute path in the guest
     * @return this
     */
    public StartOptions workingDirectory(String path) {
        place.setWorkingDirectory(path);
        return this;
    }

    /**
     * Adds a variable to the environment that the guest has anyway.
     *
     * @param name its name
     * @param value its value
     * @return this
     */
    public StartOptions environment(String name, String value) {
        place.addEnv(EnvironmentVariable.newBuilder().setName(name).setValue(value));
        return this;
    }

    /**
     * Adds variables to the environment that the guest has anyway.
     *
     * @param variables their values, by name
     * @return this
     */
    public StartOptions environment(Map<String, String> variables) {
        variables.forEach(this::environment);
        return this;
    }

    /**
     * Sets who runs the process. Default: the guest's own.
     *
     * @param name the user, as the guest names users
     * @return this
     */
    public StartOptions user(String name) {
        place.setUser(name);
        return this;
    }

    /**
     * Sets what a process of {@code exec} reads from stdin before end of file. For {@code create}
     * and {@code run} it is an {@link IllegalArgumentException}.
     *
     * @param data the bytes
     * @return this
     */
    public StartOptions input(byte[] data) {
        execOnly.setStdin(ByteString.copyFrom(data));
        return this;
    }

    /**
     * As {@link #input(byte[])}, a text by UTF-8.
     *
     * @param text the text
     * @return this
     */
    public StartOptions input(String text) {
        execOnly.setStdin(ByteString.copyFromUtf8(text));
        return this;
    }

    /**
     * Sets how many bytes of each output {@code exec} returns, the last ones; see {@link
     * Completed#truncated}. For {@code create} and {@code run} it is an {@link
     * IllegalArgumentException}. Default, and at most: 1 MiB.
     *
     * @param count their number
     * @return this
     * @throws IllegalArgumentException it is not above 0
     */
    public StartOptions maxOutputBytes(int count) {
        if (count <= 0) {
            throw new IllegalArgumentException(
                    "maxOutputBytes %d: it must be above 0".formatted(count));
        }
        execOnly.setMaxOutputBytes(count);
        return this;
    }

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
     * Sets how long a process of {@code run} or {@code exec} lives on when its program is gone or
     * cannot be reached, before the daemon kills it with its descendants. Default: 10 s. For {@code
     * create} it means nothing.
     *
     * @param grace the time; null, or {@link Duration#ZERO}, lets the process live
     * @return this
     * @throws IllegalArgumentException it is negative
     */
    public StartOptions ownerGrace(Duration grace) {
        ownerGrace = grace == null || grace.isZero() ? null : positive("ownerGrace", grace);
        return this;
    }

    /** Adds these options to a request of {@code create} or {@code run}, and returns its own. */
    ProcessOptions.Builder addedTo(CreateProcessRequest.Builder request) {
        if (!execOnly.build().equals(ExecProcessRequest.getDefaultInstance())) {
            throw new IllegalArgumentException(
                    "input and maxOutputBytes are for exec: write to the stdin of another process,"
                            + " and read its outputs");
        }
        return merged(request);
    }

    /** Returns a request of {@code exec} with these options. */
    ExecProcessRequest.Builder addedToExec(CreateProcessRequest.Builder request) {
        ProcessOptions.Builder options = merged(request);
        OrphanPolicy ofSpec = request.getSpec().getOrphanPolicy();
        addOwner(options, ofSpec);
        if (options.getOrphanPolicy() == OrphanPolicy.ORPHAN_POLICY_UNSPECIFIED
                && ofSpec == OrphanPolicy.ORPHAN_POLICY_UNSPECIFIED) {
            options.setOrphanPolicy(OrphanPolicy.ORPHAN_POLICY_KEEP); // as ownerGrace says
        }
        return execOnly.clone().setCreate(request);
    }

    private ProcessOptions.Builder merged(CreateProcessRequest.Builder request) {
        ProcessSpec said = place.build();
        if (!said.equals(ProcessSpec.getDefaultInstance())) {
            if (request.hasParametersJson()) {
                throw new IllegalArgumentException(
                        "workingDirectory, environment and user are for a spec: a document says"
                                + " that itself");
            }
            request.getSpecBuilder().mergeFrom(said);
        }
        return request.getOptionsBuilder().mergeFrom(wire.build());
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

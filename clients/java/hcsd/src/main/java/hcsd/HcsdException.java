package hcsd;

import com.google.rpc.BadRequest;
import com.google.rpc.ResourceInfo;
import com.google.rpc.RetryInfo;
import com.google.rpc.Status;
import hcsd.v1.HcsErrorDetail;
import io.grpc.Status.Code;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * Root of every error that this library throws on purpose; its nested classes are the tree, to be
 * caught as in {@code catch (HcsdException.NotFound error)}.
 *
 * <p>Most are failures of a call, as the daemon says or on the way to it, and tell what the daemon
 * has told. {@link BadAddress}, {@link BadTokenFile}, {@link BadTls}, {@link ClientClosed} and
 * {@link ProcessFailed} are none: the daemon has told nothing. The message is prose for people and
 * never to be parsed.
 */
@SuppressWarnings("serial") // the serialized form is no part of the library
public class HcsdException extends RuntimeException {
    private final Status status;

    HcsdException(Status status) {
        super(status.getMessage());
        this.status = status;
    }

    HcsdException(String message, Throwable cause) {
        super(message, cause);
        this.status = Status.getDefaultInstance();
    }

    /**
     * Returns the gRPC status code.
     *
     * @return the code; empty if this is no failure of a call
     */
    public Optional<Code> code() {
        return status.getCode() == 0 ? Optional.empty() : Optional.of(Failures.codeOf(status));
    }

    /**
     * Returns the machine-readable reason: the symbol of an HRESULT, or the daemon's own, as in
     * {@code STDIN_BUSY}.
     *
     * @return the reason; "" if the daemon gave none
     */
    public String reason() {
        return StatusDetails.info(status).getReason();
    }

    /**
     * Returns further machine-readable facts, by name.
     *
     * @return the facts
     */
    public Map<String, String> metadata() {
        return StatusDetails.info(status).getMetadataMap();
    }

    /**
     * Returns the HRESULT as an unsigned number.
     *
     * @return the number; empty if the failure is not one of HCS
     */
    public OptionalLong hresult() {
        if (hcs().isPresent()) {
            return OptionalLong.of(Integer.toUnsignedLong(hcs().get().getHresult()));
        }
        String text = metadata().getOrDefault("hresult", "");
        return text.isEmpty() ? OptionalLong.empty() : OptionalLong.of(Long.decode(text));
    }

    /**
     * Returns every bad field of the request.
     *
     * @return the fields, with the rule that is broken as {@code reason}
     */
    public List<BadRequest.FieldViolation> violations() {
        return StatusDetails.of(status, BadRequest.class)
                .map(BadRequest::getFieldViolationsList)
                .orElse(List.of());
    }

    /**
     * Returns what was not found.
     *
     * @return the resource, if the daemon names it
     */
    public Optional<ResourceInfo> resource() {
        return StatusDetails.of(status, ResourceInfo.class);
    }

    /**
     * Returns the time after which a retry is safe.
     *
     * @return the time; empty if the daemon promises nothing
     */
    public Optional<Duration> retryDelay() {
        return StatusDetails.of(status, RetryInfo.class)
                .map(RetryInfo::getRetryDelay)
                .map(delay -> Duration.ofSeconds(delay.getSeconds(), delay.getNanos()));
    }

    /**
     * Returns what HCS itself said.
     *
     * @return its words; empty if it was not asked
     */
    public Optional<HcsErrorDetail> hcs() {
        return StatusDetails.of(status, HcsErrorDetail.class);
    }

    /** A text is not an address of a daemon. */
    public static final class BadAddress extends HcsdException {
        BadAddress(String text, String problem, String remedy) {
            super(
                    "'%s' is not an address of a daemon: %s; %s".formatted(text, problem, remedy),
                    null);
        }
    }

    /** The token cannot be read from its file, or would be sent in clear. */
    public static final class BadTokenFile extends HcsdException {
        BadTokenFile(String message, Throwable cause) {
            super(message, cause);
        }
    }

    /** A file for TLS cannot be used, or is named for clear text. */
    public static final class BadTls extends HcsdException {
        BadTls(String message, Throwable cause) {
            super(message, cause);
        }
    }

    /** The client was closed by its owner, before the call or during it. */
    public static final class ClientClosed extends HcsdException {
        ClientClosed() {
            super("the client is closed", null);
        }
    }

    /** A process has not ended with 0, as {@link Completed#check} says. */
    public static class ProcessFailed extends HcsdException {
        private static final int SHOWN = 200; // characters of stderr in the message

        private final Completed completed;

        ProcessFailed(Completed completed) {
            this(
                    completed,
                    completed.exit().hasExitCode()
                            ? "exited with code " + completed.exitCode().getAsLong()
                            : "has ended, and nobody can tell how");
        }

        private ProcessFailed(Completed completed, String why) {
            super("'%s' %s%s".formatted(completed.name(), why, said(completed)), null);
            this.completed = completed;
        }

        /**
         * Returns how the process ended, and what it wrote.
         *
         * @return the process, never null
         */
        public Completed completed() {
            return completed;
        }

        private static String said(Completed completed) {
            String text = completed.errorText().strip();
            return text.isEmpty() ? "" : ": " + text.substring(Math.max(0, text.length() - SHOWN));
        }
    }

    /** A process was killed with what it had started, since its time was up. */
    public static final class ProcessTimeout extends ProcessFailed {
        ProcessTimeout(Completed completed) {
            super(completed, "was killed, since its time was up");
        }
    }

    /** The request breaks rules of the contract; {@link #violations} lists all of them. */
    public static final class InvalidRequest extends HcsdException {
        InvalidRequest(Status status) {
            super(status);
        }
    }

    /** The process, system or program does not exist; {@link #resource} says what. */
    public static class NotFound extends HcsdException {
        NotFound(Status status) {
            super(status);
        }
    }

    /** There is no such program. */
    public static final class ExecutableNotFound extends NotFound {
        ExecutableNotFound(Status status) {
            super(status);
        }
    }

    /** The id is taken. */
    public static class AlreadyExists extends HcsdException {
        AlreadyExists(Status status) {
            super(status);
        }
    }

    /** The request id was used for another request. */
    public static final class RequestIdReused extends AlreadyExists {
        RequestIdReused(Status status) {
            super(status);
        }
    }

    /** The process or system is not in a state for this. */
    public static class FailedPrecondition extends HcsdException {
        FailedPrecondition(Status status) {
            super(status);
        }
    }

    /**
     * The daemon was started anew without its state, and the process ended with its earlier run.
     * How it ended, and output that was not read before, cannot be known any more; of a start that
     * was under way not even whether it came to a process.
     */
    public static final class DaemonRestarted extends FailedPrecondition {
        DaemonRestarted(Status status) {
            super(status);
        }
    }

    /** Somebody else is writing to stdin. */
    public static final class StdinBusy extends FailedPrecondition {
        StdinBusy(Status status) {
            super(status);
        }
    }

    /** Stdin was closed, or the process never had one. */
    public static final class StdinClosed extends FailedPrecondition {
        StdinClosed(Status status) {
            super(status);
        }
    }

    /** An offset lies past the end. */
    public static class OutOfRange extends HcsdException {
        OutOfRange(Status status) {
            super(status);
        }
    }

    /** The output asked for is no longer kept. */
    public static final class OutputEvicted extends OutOfRange {
        OutputEvicted(Status status) {
            super(status);
        }
    }

    /** Events after the revision asked for are no longer kept. */
    public static final class RevisionCompacted extends OutOfRange {
        RevisionCompacted(Status status) {
            super(status);
        }
    }

    /** The daemon ended the call on behalf of somebody else. */
    public static class Aborted extends HcsdException {
        Aborted(Status status) {
            super(status);
        }
    }

    /** Another writer of stdin took over. */
    public static final class StdinTakenOver extends Aborted {
        StdinTakenOver(Status status) {
            super(status);
        }
    }

    /** The reader made no progress for too long and held up the process. */
    public static final class SubscriberStalled extends Aborted {
        SubscriberStalled(Status status) {
            super(status);
        }
    }

    /** The daemon, or the account it runs as, may not do this. */
    public static final class PermissionDenied extends HcsdException {
        PermissionDenied(Status status) {
            super(status);
        }
    }

    /** The daemon wants a token, or another one. */
    public static final class Unauthenticated extends HcsdException {
        Unauthenticated(Status status) {
            super(status);
        }
    }

    /** A limit is reached. */
    public static final class ResourceExhausted extends HcsdException {
        ResourceExhausted(Status status) {
            super(status);
        }
    }

    /** This daemon, engine or guest has no such feature. */
    public static final class Unimplemented extends HcsdException {
        Unimplemented(Status status) {
            super(status);
        }
    }

    /** The deadline of the call, or HCS's own, was up; the effect may still happen. */
    public static final class DeadlineExceeded extends HcsdException {
        DeadlineExceeded(Status status) {
            super(status);
        }
    }

    /**
     * The other side cancelled the call; one's own cancellation is a {@link
     * java.util.concurrent.CancellationException} or an {@link InterruptedException}.
     */
    public static final class CallCancelled extends HcsdException {
        CallCancelled(Status status) {
            super(status);
        }
    }

    /** A fault of the daemon, or an answer that is against the contract. */
    public static final class Internal extends HcsdException {
        Internal(Status status) {
            super(status);
        }
    }

    /** The daemon is stopping, HCS is out of reach, or no daemon could be reached. */
    public static class Unavailable extends HcsdException {
        Unavailable(Status status) {
            super(status);
        }
    }

    /** No daemon answers at the address. */
    public static final class DaemonUnreachable extends Unavailable {
        DaemonUnreachable(Status status) {
            super(status);
        }
    }

    /** The daemon went away during the call. */
    public static final class ConnectionLost extends Unavailable {
        ConnectionLost(Status status) {
            super(status);
        }
    }
}

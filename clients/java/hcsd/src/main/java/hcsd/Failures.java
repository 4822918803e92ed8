package hcsd;

import static java.util.Map.entry;

import com.google.protobuf.Any;
import com.google.rpc.ErrorInfo;
import com.google.rpc.Status;
import hcsd.v1.Process;
import io.grpc.Metadata;
import io.grpc.Status.Code;
import io.grpc.protobuf.StatusProto;
import java.util.Map;
import java.util.function.Function;

/** The one place where a gRPC status becomes an error of this library. */
final class Failures {
    // By code and reason. The row without a reason is for all others of its code.
    private static final Map<Key, Function<Status, HcsdException>> CLASSES =
            Map.ofEntries(
                    entry(new Key(Code.INVALID_ARGUMENT, ""), HcsdException.InvalidRequest::new),
                    entry(new Key(Code.NOT_FOUND, ""), HcsdException.NotFound::new),
                    entry(
                            new Key(Code.NOT_FOUND, "EXECUTABLE_NOT_FOUND"),
                            HcsdException.ExecutableNotFound::new),
                    entry(new Key(Code.ALREADY_EXISTS, ""), HcsdException.AlreadyExists::new),
                    entry(
                            new Key(Code.ALREADY_EXISTS, "REQUEST_ID_REUSED"),
                            HcsdException.RequestIdReused::new),
                    entry(
                            new Key(Code.FAILED_PRECONDITION, ""),
                            HcsdException.FailedPrecondition::new),
                    entry(
                            new Key(Code.FAILED_PRECONDITION, "DAEMON_RESTARTED"),
                            HcsdException.DaemonRestarted::new),
                    entry(
                            new Key(Code.FAILED_PRECONDITION, "STDIN_BUSY"),
                            HcsdException.StdinBusy::new),
                    entry(
                            new Key(Code.FAILED_PRECONDITION, "STDIN_CLOSED"),
                            HcsdException.StdinClosed::new),
                    entry(new Key(Code.OUT_OF_RANGE, ""), HcsdException.OutOfRange::new),
                    entry(
                            new Key(Code.OUT_OF_RANGE, "OUTPUT_EVICTED"),
                            HcsdException.OutputEvicted::new),
                    entry(
                            new Key(Code.OUT_OF_RANGE, "REVISION_COMPACTED"),
                            HcsdException.RevisionCompacted::new),
                    entry(new Key(Code.ABORTED, ""), HcsdException.Aborted::new),
                    entry(
                            new Key(Code.ABORTED, "STDIN_TAKEN_OVER"),
                            HcsdException.StdinTakenOver::new),
                    entry(
                            new Key(Code.ABORTED, "SUBSCRIBER_STALLED"),
                            HcsdException.SubscriberStalled::new),
                    entry(new Key(Code.PERMISSION_DENIED, ""), HcsdException.PermissionDenied::new),
                    entry(new Key(Code.UNAUTHENTICATED, ""), HcsdException.Unauthenticated::new),
                    entry(
                            new Key(Code.RESOURCE_EXHAUSTED, ""),
                            HcsdException.ResourceExhausted::new),
                    entry(new Key(Code.UNIMPLEMENTED, ""), HcsdException.Unimplemented::new),
                    entry(new Key(Code.DEADLINE_EXCEEDED, ""), HcsdException.DeadlineExceeded::new),
                    entry(new Key(Code.CANCELLED, ""), HcsdException.CallCancelled::new),
                    entry(new Key(Code.UNKNOWN, ""), HcsdException.Internal::new),
                    entry(new Key(Code.INTERNAL, ""), HcsdException.Internal::new),
                    entry(new Key(Code.DATA_LOSS, ""), HcsdException.Internal::new),
                    entry(new Key(Code.UNAVAILABLE, ""), HcsdException.Unavailable::new));

    private record Key(Code code, String reason) {}

    private Failures() {}

    static HcsdException of(Status status) {
        Code code = codeOf(status);
        if (status.getMessage().isEmpty()) {
            status = status.toBuilder().setMessage("the call ended with " + code).build();
        }
        Function<Status, HcsdException> rest =
                CLASSES.getOrDefault(new Key(code, ""), HcsdException.Internal::new);
        String reason = StatusDetails.info(status).getReason();
        return CLASSES.getOrDefault(new Key(code, reason), rest).apply(status);
    }

    /** Returns the error for what only the client has found out, as if the daemon had said it. */
    static HcsdException of(Code code, String reason, String message) {
        ErrorInfo info = ErrorInfo.newBuilder().setReason(reason).setDomain("hcsd").build();
        return of(
                Status.newBuilder()
                        .setCode(code.value())
                        .setMessage(message)
                        .addDetails(Any.pack(info))
                        .build());
    }

    /** Returns what a call ended with, with its details if it has some. */
    static Status statusOf(io.grpc.Status status, Metadata trailers) {
        try {
            return StatusProto.fromStatusAndTrailers(status, trailers);
        } catch (IllegalArgumentException contradiction) { // keep the status without the details
            return StatusProto.fromStatusAndTrailers(status, null);
        }
    }

    static Code codeOf(Status status) {
        return io.grpc.Status.fromCodeValue(status.getCode()).getCode();
    }

    /** Refuses what the daemon says of another process, which has got the same name. */
    static Process same(Process known, Process found) {
        if (!found.getUid().equals(known.getUid())) {
            throw of(
                    Code.NOT_FOUND,
                    "PROCESS_NOT_FOUND",
                    "process '%s' was deleted; there is another one of its name now"
                            .formatted(known.getName()));
        }
        return found;
    }
}

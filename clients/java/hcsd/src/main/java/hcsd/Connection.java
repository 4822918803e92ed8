package hcsd;

import com.google.rpc.Status;
import hcsd.v1.ComputeSystemServiceGrpc;
import hcsd.v1.ProcessServiceGrpc;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptors;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.stub.MetadataUtils;
import java.net.SocketTimeoutException;
import java.nio.channels.ClosedChannelException;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * How a client asks its daemon: what every call carries, and how it fails.
 *
 * <p>gRPC connects at the first call. No call waits for a daemon that is not there.
 */
final class Connection {
    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
    private static final Metadata.Key<String> INCARNATION =
            Metadata.Key.of("hcsd-incarnation", Metadata.ASCII_STRING_MARSHALLER);
    // These wait for a process or a system, so that no default deadline can be right for them.
    private static final Set<MethodDescriptor<?, ?>> PATIENT =
            Set.of(
                    ProcessServiceGrpc.getWaitProcessMethod(),
                    ProcessServiceGrpc.getTerminateProcessMethod(),
                    ProcessServiceGrpc.getWriteInputMethod(),
                    ComputeSystemServiceGrpc.getShutDownComputeSystemMethod(),
                    ComputeSystemServiceGrpc.getWaitComputeSystemMethod());

    private final DaemonChannel daemon;
    private final Channel channel; // the same, with the metadata of every call
    private final Unreachable unreachable;
    private final Duration timeout; // null for none

    Connection(DaemonChannel daemon, Unreachable unreachable, String token, Duration timeout) {
        this(
                daemon,
                token.isEmpty() ? daemon : carrying(daemon, AUTHORIZATION, "Bearer " + token),
                unreachable,
                timeout);
    }

    private Connection(
            DaemonChannel daemon, Channel channel, Unreachable unreachable, Duration timeout) {
        this.daemon = daemon;
        this.channel = channel;
        this.unreachable = unreachable;
        this.timeout = timeout;
    }

    /** Returns the same connection for calls that are meant for this run of the daemon alone. */
    Connection pinned(String incarnation) {
        Channel pinned = carrying(channel, INCARNATION, incarnation);
        return new Connection(daemon, pinned, unreachable, timeout);
    }

    Channel channel() {
        return channel;
    }

    /** Closes it for all who share it; calls under way end with {@code ClientClosed}. */
    void close() {
        daemon.close();
    }

    /** Makes a call that has one answer; a cancellation of the future cancels the call. */
    <Q, R> CompletableFuture<R> ask(MethodDescriptor<Q, R> method, Q request) {
        Duration limit = PATIENT.contains(method) ? null : timeout;
        MessageStream<R> answers = new MessageStream<>(this, method, request, limit);
        Task<R> task = new Task<>();
        task.after(
                answers.nextAsync(),
                (answer, error) -> {
                    if (error == null) { // it counts only once the call has ended well
                        task.after(
                                answers.nextAsync(),
                                (none, failure) -> task.settle(answer.orElse(null), failure));
                    } else {
                        task.settle(null, error);
                    }
                });
        return task;
    }

    <Q, R> ClientCall<Q, R> newCall(MethodDescriptor<Q, R> method, Duration limit) {
        CallOptions options = CallOptions.DEFAULT;
        if (limit != null) {
            options = options.withDeadlineAfter(limit.toNanos(), TimeUnit.NANOSECONDS);
        }
        return channel.newCall(method, options);
    }

    /** Returns the error for how a call has ended. */
    HcsdException errorOf(ClientCall<?, ?> call, io.grpc.Status ended, Metadata trailers) {
        if (daemon.isClosed()) {
            return new HcsdException.ClientClosed();
        }
        // gRPC has other codes for a connection that closes just as a call begins, and for one that
        // was given up. A status of the daemon has no cause.
        boolean closed = ended.getCause() instanceof ClosedChannelException;
        if (closed || ended.getCause() instanceof SocketTimeoutException) {
            ended =
                    io.grpc.Status.UNAVAILABLE
                            .withDescription(ended.getDescription())
                            .withCause(ended.getCause());
        }
        Status status = Failures.statusOf(ended, trailers);
        HcsdException found = Failures.of(status);
        if (found.getClass() == HcsdException.Unavailable.class && found.reason().isEmpty()) {
            // gRPC speaks, not the daemon.
            boolean broken = closed && !Unreachable.isInHandshake(ended);
            found = unavailable(broken || DaemonChannel.isConnected(call), status, ended);
        }
        if (found instanceof HcsdException.Unauthenticated && !unreachable.address().isUnix()) {
            String message = found.getMessage() + "; " + unreachable.shown();
            found = Failures.of(status.toBuilder().setMessage(message).build());
        }
        found.initCause(ended.getCause());
        return found;
    }

    private HcsdException unavailable(boolean connected, Status status, io.grpc.Status ended) {
        if (connected) {
            String message =
                    "lost the connection to the daemon at %s: %s"
                            .formatted(unreachable.address(), Unreachable.why(ended));
            return new HcsdException.ConnectionLost(status.toBuilder().setMessage(message).build());
        }
        String message = unreachable.explain(ended);
        return new HcsdException.DaemonUnreachable(status.toBuilder().setMessage(message).build());
    }

    private static Channel carrying(Channel channel, Metadata.Key<String> key, String value) {
        Metadata headers = new Metadata();
        headers.put(key, value);
        return ClientInterceptors.intercept(
                channel, MetadataUtils.newAttachHeadersInterceptor(headers));
    }
}

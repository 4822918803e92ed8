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
import io.grpc.Status.Code;
import io.grpc.stub.MetadataUtils;
import java.nio.channels.ClosedChannelException;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

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
                    ProcessServiceGrpc.getExecProcessMethod(),
                    ProcessServiceGrpc.getTerminateProcessMethod(),
                    ProcessServiceGrpc.getWriteInputMethod(),
                    ComputeSystemServiceGrpc.getShutDownComputeSystemMethod(),
                    ComputeSystemServiceGrpc.getWaitComputeSystemMethod());

    // What the daemon says has its info. Without that, it is gRPC that speaks, or somebody between.
    private static final Set<Code> LOSSES =
            EnumSet.of(Code.UNAVAILABLE, Code.INTERNAL, Code.UNKNOWN, Code.CANCELLED);

    private final DaemonChannel daemon;
    private final Channel channel; // the same, with the metadata of every call
    private final Unreachable unreachable;
    private final Settings settings;
    private final AtomicReference<String> incarnation; // the last that was heard of; "" for none

    Connection(DaemonChannel daemon, Unreachable unreachable, String token, Settings settings) {
        this(
                daemon,
                token.isEmpty() ? daemon : carrying(daemon, AUTHORIZATION, "Bearer " + token),
                unreachable,
                settings,
                new AtomicReference<>(""));
    }

    private Connection(
            DaemonChannel daemon,
            Channel channel,
            Unreachable unreachable,
            Settings settings,
            AtomicReference<String> incarnation) {
        this.daemon = daemon;
        this.channel = channel;
        this.unreachable = unreachable;
        this.settings = settings;
        this.incarnation = incarnation;
    }

    /** Returns the same connection for calls that are meant for this run of the daemon alone. */
    Connection pinned(String incarnation) {
        Channel pinned = carrying(channel, INCARNATION, incarnation);
        return new Connection(daemon, pinned, unreachable, settings, this.incarnation);
    }

    Settings settings() {
        return settings;
    }

    /**
     * Returns whether a daemon was there before. If none was, that none is there is told at once.
     */
    boolean isMet() {
        return daemon.isMet();
    }

    /** The run of the daemon that was last heard of, for all who share the connection. */
    AtomicReference<String> incarnation() {
        return incarnation;
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
        Duration timeout = PATIENT.contains(method) ? null : settings.timeout();
        return ask(method, request, Limit.ofCaller(timeout));
    }

    <Q, R> CompletableFuture<R> ask(MethodDescriptor<Q, R> method, Q request, Limit limit) {
        MessageStream<R> answers = new CallStream<>(this, method, request, limit, null);
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

    <Q, R> ClientCall<Q, R> newCall(MethodDescriptor<Q, R> method, Limit limit) {
        CallOptions options = CallOptions.DEFAULT.withOption(DaemonChannel.LIMIT, limit);
        if (limit.time() != null) {
            options = options.withDeadlineAfter(limit.time().toNanos(), TimeUnit.NANOSECONDS);
        }
        return channel.newCall(method, options);
    }

    /** Returns the error for how a call has ended. */
    HcsdException errorOf(
            ClientCall<?, ?> call, io.grpc.Status ended, Metadata trailers, Limit limit) {
        if (daemon.isClosed()) {
            return new HcsdException.ClientClosed();
        }
        Status status = Failures.statusOf(ended, trailers);
        HcsdException found = Failures.of(status);
        if (!StatusDetails.isOfDaemon(status) && isLost(ended, limit)) {
            boolean broken =
                    ended.getCause() instanceof ClosedChannelException
                            && !Unreachable.isInHandshake(ended);
            found = lost(broken || DaemonChannel.isConnected(call), status, ended);
        }
        if (found instanceof HcsdException.Unauthenticated && !unreachable.address().isUnix()) {
            String message = found.getMessage() + "; " + unreachable.shown();
            found = Failures.of(status.toBuilder().setMessage(message).build());
        }
        found.initCause(ended.getCause());
        return found;
    }

    /** Returns whether a call ended because of what is between this program and the daemon. */
    private static boolean isLost(io.grpc.Status ended, Limit limit) {
        return LOSSES.contains(ended.getCode())
                || Unreachable.isReset(ended)
                || ended.getCode() == Code.DEADLINE_EXCEEDED && limit.ours();
    }

    private HcsdException lost(boolean connected, Status status, io.grpc.Status ended) {
        String message =
                connected
                        ? "lost the connection to the daemon at %s: %s"
                                .formatted(unreachable.address(), Unreachable.why(ended))
                        : unreachable.explain(ended);
        Status told =
                status.toBuilder().setCode(Code.UNAVAILABLE.value()).setMessage(message).build();
        return connected
                ? new HcsdException.ConnectionLost(told)
                : new HcsdException.DaemonUnreachable(told);
    }

    private static Channel carrying(Channel channel, Metadata.Key<String> key, String value) {
        Metadata headers = new Metadata();
        headers.put(key, value);
        return ClientInterceptors.intercept(
                channel, MetadataUtils.newAttachHeadersInterceptor(headers));
    }
}

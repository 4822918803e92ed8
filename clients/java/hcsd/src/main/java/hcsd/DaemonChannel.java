package hcsd;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ConnectivityState;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.ForwardingClientCallListener.SimpleForwardingClientCallListener;
import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * The channel to one daemon: one of gRPC after the other, each for as long as it can connect.
 *
 * <p>Left to itself a channel of gRPC fails all calls after a connection that could not be made,
 * for a second and longer. So one that could not connect is given up, and the next call begins with
 * another. What is under way on the old one goes on. So is one whose connection has been silent for
 * too long.
 */
final class DaemonChannel extends Channel {
    /** The deadline of a call, to tell one that was set to find out about its connection. */
    static final CallOptions.Key<Limit> LIMIT =
            CallOptions.Key.createWithDefault("hcsd-limit", Limit.NONE);

    private final Supplier<ManagedChannel> opener;
    private final Duration connectTimeout;

    private ManagedChannel present; // guarded by this, as is `closed`
    private boolean closed;
    private volatile boolean met; // a daemon was there

    /**
     * @param connectTimeout for who listens and stays silent; who does not listen is seen at once
     */
    DaemonChannel(Supplier<ManagedChannel> opener, Duration connectTimeout) {
        this.opener = opener;
        this.connectTimeout = connectTimeout;
        present = opener.get();
    }

    @Override
    public <Q, R> ClientCall<Q, R> newCall(MethodDescriptor<Q, R> method, CallOptions options) {
        ManagedChannel grpc = able();
        return new SimpleForwardingClientCall<>(grpc.newCall(method, options)) {
            @Override
            public void start(Listener<R> listener, Metadata headers) {
                super.start(watching(this, grpc, listener, options), headers);
                limitConnecting(this, grpc);
            }
        };
    }

    @Override
    public synchronized String authority() {
        return present.authority();
    }

    /** Ends all calls; there is no other channel after this one. */
    synchronized void close() {
        closed = true;
        present.shutdownNow();
    }

    synchronized boolean isClosed() {
        return closed;
    }

    /** Returns whether a daemon was there before. */
    boolean isMet() {
        return met;
    }

    /** Returns whether a call has come to a daemon. */
    static boolean isConnected(ClientCall<?, ?> call) {
        return call.getAttributes().get(Grpc.TRANSPORT_ATTR_REMOTE_ADDR) != null;
    }

    private synchronized ManagedChannel able() {
        if (present.getState(false) == ConnectivityState.TRANSIENT_FAILURE) {
            giveUp(present);
        }
        return present;
    }

    private synchronized void giveUp(ManagedChannel grpc) {
        if (present == grpc && !closed) {
            present = opener.get();
            grpc.shutdown();
        }
    }

    private <R> ClientCall.Listener<R> watching(
            ClientCall<?, R> call,
            ManagedChannel grpc,
            ClientCall.Listener<R> listener,
            CallOptions options) {
        return new SimpleForwardingClientCallListener<>(listener) {
            @Override
            public void onHeaders(Metadata headers) {
                met = true;
                super.onHeaders(headers);
            }

            @Override
            public void onClose(Status status, Metadata trailers) {
                met |= isConnected(call);
                boolean silent =
                        status.getCause() instanceof SocketTimeoutException
                                || status.getCode() == Status.Code.DEADLINE_EXCEEDED
                                        && options.getOption(LIMIT).ours();
                if (silent || status.getCode() == Status.Code.UNAVAILABLE && !isConnected(call)) {
                    giveUp(grpc); // before the caller hears of it, who may call again at once
                }
                super.onClose(status, trailers);
            }
        };
    }

    private void limitConnecting(ClientCall<?, ?> call, ManagedChannel grpc) {
        if (grpc.getState(false) == ConnectivityState.READY) {
            return;
        }
        CompletableFuture.delayedExecutor(connectTimeout.toNanos(), TimeUnit.NANOSECONDS)
                .execute(
                        () -> {
                            if (!isConnected(call)) { // nothing happens to one that has ended
                                call.cancel(null, new SocketTimeoutException("it stays silent"));
                            }
                        });
    }
}

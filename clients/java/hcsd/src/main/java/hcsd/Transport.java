package hcsd;

import io.grpc.ChannelCredentials;
import io.grpc.ClientInterceptor;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.channel.ChannelOption;
import io.grpc.netty.shaded.io.netty.channel.EventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.MultiThreadIoEventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.nio.NioIoHandler;
import io.grpc.netty.shaded.io.netty.channel.socket.nio.NioDomainSocketChannel;
import io.grpc.netty.shaded.io.netty.util.concurrent.DefaultThreadFactory;
import java.net.UnixDomainSocketAddress;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/** The channel of gRPC to one daemon. */
final class Transport {
    // What is on its way must be read anew when the connection breaks, so it must not be more than
    // the daemon keeps behind a reader. Left to itself gRPC takes some MiB ahead.
    private static final int WINDOW_BYTES = 128 * 1024;

    private static final long PING_SECONDS = 10; // for the answer

    /**
     * What a program adds to a channel.
     *
     * @param interceptors the first is the last to see a call before it is sent
     * @param channel sets other options
     */
    record Hooks(
            List<ClientInterceptor> interceptors, Consumer<ManagedChannelBuilder<?>> channel) {}

    /** Threads for the Unix sockets of all clients; those of gRPC may be of another kind. */
    private static final class UnixLoops {
        static final EventLoopGroup SHARED =
                new MultiThreadIoEventLoopGroup(
                        new DefaultThreadFactory("hcsd-io", true), NioIoHandler.newFactory());
    }

    private Transport() {}

    /**
     * Returns a channel, which connects at its first call.
     *
     * @param credentials null for a connection in clear
     */
    static ManagedChannel open(
            Address address, ChannelCredentials credentials, Keepalive keepalive, Hooks hooks) {
        NettyChannelBuilder builder = address.isUnix() ? unix(address) : tcp(address, credentials);
        if (address.isLoopback()) {
            builder.proxyDetector(target -> null);
        }
        if (!address.isUnix() && !keepalive.isOff()) {
            // gRPC for Java makes it 10 s if it is less.
            builder.keepAliveTime(keepalive.ping().toNanos(), TimeUnit.NANOSECONDS)
                    .keepAliveTimeout(PING_SECONDS, TimeUnit.SECONDS)
                    .keepAliveWithoutCalls(true);
        }
        builder.flowControlWindow(WINDOW_BYTES)
                // A page of processes with long command lines may be larger than the 4 MiB that
                // gRPC allows.
                .maxInboundMessageSize(Integer.MAX_VALUE)
                // What may be repeated is known to this library alone.
                .disableRetry()
                .disableServiceConfigLookUp()
                .intercept(hooks.interceptors());
        hooks.channel().accept(builder);
        return builder.build();
    }

    private static NettyChannelBuilder tcp(Address address, ChannelCredentials credentials) {
        try {
            return NettyChannelBuilder.forTarget(
                    "dns:///" + address,
                    credentials == null ? InsecureChannelCredentials.create() : credentials);
        } catch (IllegalArgumentException refused) {
            if (credentials != null) { // they are read here, and the address is known to be one
                throw new HcsdException.BadTls(
                        "cannot use the TLS files: " + refused.getMessage(), refused);
            }
            throw new HcsdException.BadAddress(
                    address.toString(), refused.getMessage(), "write host:port");
        }
    }

    /** The JDK's own Unix sockets: they are there on Linux, macOS and Windows. */
    private static NettyChannelBuilder unix(Address address) {
        return NettyChannelBuilder.forAddress(
                        UnixDomainSocketAddress.of(address.path()),
                        InsecureChannelCredentials.create())
                .channelType(NioDomainSocketChannel.class, UnixDomainSocketAddress.class)
                .eventLoopGroup(UnixLoops.SHARED)
                // gRPC sets it on every socket, and these have none.
                .withOption(ChannelOption.SO_KEEPALIVE, null)
                .overrideAuthority("localhost");
    }
}

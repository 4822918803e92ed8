package hcsd;

import io.grpc.ChannelCredentials;
import io.grpc.ClientInterceptor;
import io.grpc.ManagedChannelBuilder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * What a client is made from. Whatever is not set comes from the environment, or is left out.
 *
 * <p>A Unix socket needs neither token nor TLS, as only its owner can reach it, and gets none.
 */
public final class HcsdClientBuilder {
    private Map<String, String> environment = System.getenv();
    private Address address;
    private final Map<Proof.File, Path> files = new EnumMap<>(Proof.File.class);
    private Boolean insecure; // null if nobody has said
    private Duration timeout;
    private Duration connectTimeout = Duration.ofSeconds(10);
    private Retry retry = Retry.DEFAULT;
    private Keepalive keepalive = Keepalive.DEFAULT;
    private System.Logger logger = System.getLogger("hcsd");
    private final List<ClientInterceptor> interceptors = new ArrayList<>();
    private Consumer<ManagedChannelBuilder<?>> channel = builder -> {};

    HcsdClientBuilder() {}

    /**
     * Sets where the daemon listens. Default: see {@link Address#byDefault}.
     *
     * @param text the address, see {@link Address#parse}
     * @return this
     * @throws HcsdException.BadAddress it is none
     */
    public HcsdClientBuilder address(String text) {
        return address(Address.parse(text));
    }

    /**
     * Sets where the daemon listens.
     *
     * @param address the address
     * @return this
     */
    public HcsdClientBuilder address(Address address) {
        this.address = address;
        return this;
    }

    /**
     * Sets the file with the daemon's token, for TCP. Default: what {@code HCSD_TOKEN_FILE} names,
     * else, if neither a CA nor a client certificate is named, the token of the daemon of this
     * user, if {@code server.pem} is beside it.
     *
     * @param file the file, read when the client is made
     * @return this
     */
    public HcsdClientBuilder tokenFile(Path file) {
        files.put(Proof.File.TOKEN, file);
        return this;
    }

    /**
     * Sets who may have signed the daemon's certificate. Default: what {@code HCSD_TLS_CA} names,
     * else {@code server.pem} beside the token file if it is there, else those whom Java trusts.
     *
     * @param file their certificates (PEM)
     * @return this
     */
    public HcsdClientBuilder tlsCa(Path file) {
        files.put(Proof.File.CA, file);
        return this;
    }

    /**
     * Sets what the client proves itself with to a daemon that wants a certificate in place of the
     * token. Default: what {@code HCSD_TLS_CERT} and {@code HCSD_TLS_KEY} name.
     *
     * @param certificate the client's certificate (PEM)
     * @param key its key (PEM)
     * @return this
     */
    public HcsdClientBuilder tlsClient(Path certificate, Path key) {
        files.put(Proof.File.CERTIFICATE, certificate);
        files.put(Proof.File.KEY, key);
        return this;
    }

    /**
     * Sets whether to speak in clear over TCP, to a daemon that proves nothing. A file named
     * together with this is an error. Default: what {@code HCSD_INSECURE} says ({@code 1} or {@code
     * true}; {@code 0}, {@code false} or nothing), else no.
     *
     * @param clear whether to do so
     * @return this
     */
    public HcsdClientBuilder insecure(boolean clear) {
        insecure = clear;
        return this;
    }

    /**
     * Sets the time after which a call without an answer is a {@link
     * HcsdException.DeadlineExceeded}. Calls that wait for a process (its exit, its output, room in
     * its stdin, a grace period) have no such limit. Default: none for any.
     *
     * @param timeout the time
     * @return this
     */
    public HcsdClientBuilder timeout(Duration timeout) {
        this.timeout = timeout;
        return this;
    }

    /**
     * Sets the time to wait for somebody who listens at the address and stays silent, which is then
     * a {@link HcsdException.DaemonUnreachable}; who does not listen is seen at once. Default: 10
     * s.
     *
     * @param timeout the time
     * @return this
     */
    public HcsdClientBuilder connectTimeout(Duration timeout) {
        connectTimeout = timeout;
        return this;
    }

    /**
     * Sets how a {@link RemoteProcess} goes on after a lost connection. Default: {@link
     * Retry#DEFAULT}.
     *
     * @param retry the bounds
     * @return this
     */
    public HcsdClientBuilder retry(Retry retry) {
        this.retry = retry;
        return this;
    }

    /**
     * Sets after how much silence the daemon has to show that it is there, so that a connection
     * that died without a word is noticed. Default: 20 s.
     *
     * <p>Over TCP the connection is then asked, though not more often than every 10 s, and is lost
     * if there is no answer within 10 s; also while there are no calls. Streams (output, watching,
     * the hold on a process of {@code run}) ask the daemon for a heartbeat after that time. If
     * nothing comes for twice that time, and at least 1 s, while a reader waits, the connection is
     * lost and the stream goes on with another one. Waits for a process are asked in pieces of at
     * most that time.
     *
     * @param interval the time, from 100 ms to 1 h; {@link Duration#ZERO} turns it off
     * @return this
     * @throws IllegalArgumentException it is negative
     */
    public HcsdClientBuilder keepalive(Duration interval) {
        keepalive = new Keepalive(interval);
        return this;
    }

    /**
     * Sets where the library logs. At DEBUG it says what it tries again, for which time, why, and
     * after which delay, and where a stream goes on; at WARNING that a process of {@code run} will
     * be killed although the program has not left it. Default: the logger named {@code hcsd} of
     * {@link System#getLogger}.
     *
     * @param logger the logger
     * @return this
     */
    public HcsdClientBuilder logger(System.Logger logger) {
        this.logger = logger;
        return this;
    }

    /**
     * Adds interceptors of gRPC, which see every call of the client, as for tracing.
     *
     * @param interceptors they see a call in the reverse of this order, as {@link
     *     ManagedChannelBuilder#intercept(List)} has it
     * @return this
     */
    public HcsdClientBuilder intercept(ClientInterceptor... interceptors) {
        this.interceptors.addAll(List.of(interceptors));
        return this;
    }

    /**
     * Sets what else is to be done with the channel of gRPC before it is built; it may be built
     * several times. What is set there holds in place of what the library sets.
     *
     * @param configure changes the builder
     * @return this
     */
    public HcsdClientBuilder configureChannel(Consumer<ManagedChannelBuilder<?>> configure) {
        channel = configure;
        return this;
    }

    HcsdClientBuilder environment(Map<String, String> environment) {
        this.environment = environment;
        return this;
    }

    /**
     * Returns the client, which connects at its first call.
     *
     * @return the client, to be closed
     * @throws HcsdException.BadAddress there is no address, or one that gRPC cannot take
     * @throws HcsdException.BadTokenFile the token cannot be read, or would be sent in clear
     * @throws HcsdException.BadTls a file for TLS cannot be used, or is named for clear text
     */
    public HcsdClient connect() {
        Address where = address == null ? Address.byDefault(environment) : address;
        Proof proof =
                where.isUnix()
                        ? null
                        : Proof.choose(files, insecure, environment, Files::exists).orElse(null);
        String token =
                proof == null || proof.token() == null ? "" : Credentials.readToken(proof.token());
        ChannelCredentials credentials = proof == null ? null : Credentials.readTls(proof);
        Transport.Hooks hooks = new Transport.Hooks(List.copyOf(interceptors), channel);
        Keepalive alive = keepalive;
        DaemonChannel daemon =
                new DaemonChannel(
                        () -> Transport.open(where, credentials, alive, hooks), connectTimeout);
        Unreachable unreachable = new Unreachable(where, proof);
        Settings settings = new Settings(retry, keepalive, timeout, new Journal(logger));
        return new HcsdClient(where, new Connection(daemon, unreachable, token, settings));
    }
}

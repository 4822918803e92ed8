package hcsd;

import io.grpc.ChannelCredentials;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;

/**
 * What a client is made from. Whatever is not set comes from the environment, or is left out.
 *
 * <p>A Unix socket needs neither token nor TLS, as only its owner can reach it, and gets none.
 */
public final class HcsdClientBuilder {
    private Map<String, String> environment = System.getenv();
    private Address address;
    private Path tokenFile;
    private boolean systemRoots;
    private Path tlsCa;
    private Path tlsCertificate;
    private Path tlsKey;
    private Duration timeout;
    private Duration connectTimeout = Duration.ofSeconds(10);
    private Retry retry = Retry.DEFAULT;

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
     * else no token is sent.
     *
     * @param file the file, read when the client is made
     * @return this
     */
    public HcsdClientBuilder tokenFile(Path file) {
        tokenFile = file;
        return this;
    }

    /**
     * Asks for TLS with a daemon whose certificate those sign whom this system trusts.
     *
     * @return this
     */
    public HcsdClientBuilder tls() {
        systemRoots = true;
        return this;
    }

    /**
     * Asks for TLS with a daemon whose certificate is signed by one of these. Default: {@code
     * HCSD_TLS_CA}.
     *
     * @param file their certificates (PEM)
     * @return this
     */
    public HcsdClientBuilder tlsCa(Path file) {
        tlsCa = file;
        return this;
    }

    /**
     * Asks for TLS, and sets what the client proves itself with; the daemon needs no token then.
     * Default: {@code HCSD_TLS_CERT} and {@code HCSD_TLS_KEY}.
     *
     * @param certificate the client's certificate (PEM)
     * @param key its key (PEM)
     * @return this
     */
    public HcsdClientBuilder tlsClient(Path certificate, Path key) {
        tlsCertificate = certificate;
        tlsKey = key;
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

    HcsdClientBuilder environment(Map<String, String> environment) {
        this.environment = environment;
        return this;
    }

    /**
     * Returns the client, which connects at its first call.
     *
     * @return the client, to be closed
     * @throws HcsdException.BadAddress there is no address, or one that gRPC cannot take
     * @throws HcsdException.BadTokenFile the token cannot be read, or the address is no place to
     *     send it to: TCP that is neither of this machine nor guarded by TLS
     * @throws HcsdException.BadTls a file for TLS cannot be used
     */
    public HcsdClient connect() {
        Address where = address == null ? Address.byDefault(environment) : address;
        String token = "";
        ChannelCredentials credentials = where.isUnix() ? null : readTls();
        if (!where.isUnix()) {
            Path file = fromEnvironment(tokenFile, "HCSD_TOKEN_FILE");
            if (file != null) {
                token = Credentials.readToken(file, where, credentials != null);
            }
        }
        DaemonChannel daemon =
                new DaemonChannel(() -> Transport.open(where, credentials), connectTimeout);
        return new HcsdClient(where, new Connection(where, daemon, token, timeout), retry);
    }

    /** Returns null for a connection in clear. */
    private ChannelCredentials readTls() {
        Path ca = fromEnvironment(tlsCa, "HCSD_TLS_CA");
        Path certificate = fromEnvironment(tlsCertificate, "HCSD_TLS_CERT");
        Path key = fromEnvironment(tlsKey, "HCSD_TLS_KEY");
        boolean wanted = systemRoots || ca != null || certificate != null || key != null;
        return wanted ? Credentials.readTls(ca, certificate, key) : null;
    }

    private Path fromEnvironment(Path set, String variable) {
        String text = environment.getOrDefault(variable, "");
        return set != null || text.isEmpty() ? set : Path.of(text);
    }
}

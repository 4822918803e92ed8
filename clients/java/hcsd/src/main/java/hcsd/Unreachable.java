package hcsd;

import io.grpc.Status;
import io.grpc.netty.shaded.io.netty.handler.ssl.NotSslRecordException;
import java.nio.channels.ClosedChannelException;
import java.security.cert.CertPathBuilderException;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertificateException;
import java.security.cert.CertificateExpiredException;
import java.security.cert.CertificateNotYetValidException;
import java.util.List;
import java.util.Map;
import java.util.Map.Entry;
import java.util.Objects;
import javax.net.ssl.SSLException;

/**
 * Says in words why no connection came about, as far as gRPC tells.
 *
 * @param address where
 * @param proof the files in use; null for clear text, and for a Unix socket
 */
record Unreachable(Address address, Proof proof) {
    private static final String HOW_TO_REACH =
            "start one with 'hcsd serve', or name its address with HCSD_ADDRESS";

    // How gRPC begins to speak of an end during the handshake, and of an end right after it.
    private static final String IN_HANDSHAKE = "Connection closed while performing TLS negotiation";
    private static final String HUNG_UP = "Network closed for unknown reason";

    /** Returns whether a connection was closed that was of no use yet. */
    static boolean isInHandshake(Status ended) {
        return description(ended).startsWith(IN_HANDSHAKE);
    }

    /** Returns the system's own words if there are some, as they say more than those of gRPC. */
    static String why(Status ended) {
        Throwable cause = ended.getCause();
        while (cause != null && cause.getCause() != null) {
            cause = cause.getCause();
        }
        return cause == null || cause.getMessage() == null
                ? description(ended)
                : cause.getMessage();
    }

    String explain(Status ended) {
        String known = proof == null ? inClear(ended) : overTls(ended);
        return "cannot reach a daemon at %s: %s"
                .formatted(address, known == null ? why(ended) + "; " + HOW_TO_REACH : known);
    }

    private String inClear(Status ended) {
        // The other side of TLS takes what is in clear for nonsense, and hangs up.
        return !address.isUnix() && hungUp(ended)
                ? "it hung up at once, as a daemon does to clear text; leave out insecure and"
                        + " HCSD_INSECURE"
                : null;
    }

    private String overTls(Status ended) {
        String untrusted =
                ("its certificate is not from %s, so nothing was sent; if it is the daemon, copy its"
                                + " server.pem, which is beside its token, and name it with tlsCa"
                                + " or HCSD_TLS_CA")
                        .formatted(
                                proof.ca() == null
                                        ? "a CA that Java trusts"
                                        : "the CA in '" + proof.ca() + "'");
        String left =
                ("it ended the TLS handshake; it may want %s client certificate: name one with"
                                + " tlsClient, or HCSD_TLS_CERT and HCSD_TLS_KEY")
                        .formatted(proof.certificate() == null ? "a" : "another than this");
        // The first that is among the causes; the special ones come first.
        List<Entry<Class<? extends Exception>, String>> rows =
                List.of(
                        Map.entry(
                                NotSslRecordException.class,
                                "it does not speak TLS, as every daemon does, so nothing was sent;"
                                        + " see who listens there. Only insecure, or"
                                        + " HCSD_INSECURE=1, speaks in clear"),
                        Map.entry(CertificateExpiredException.class, "its certificate has expired"),
                        Map.entry(
                                CertificateNotYetValidException.class,
                                "its certificate is not valid yet, by the clock here"),
                        Map.entry(CertPathBuilderException.class, untrusted),
                        Map.entry(CertPathValidatorException.class, untrusted),
                        Map.entry(
                                CertificateException.class,
                                "its certificate is not for '%s'; use a name that it is for, or have it made with this one as a subjectAltName"
                                        .formatted(address.host())),
                        Map.entry(SSLException.class, left));
        return rows.stream()
                .filter(row -> isCause(row.getKey(), ended.getCause()))
                .map(Entry::getValue)
                .findFirst()
                .orElse(hungUp(ended) ? left : null);
    }

    private static boolean hungUp(Status ended) {
        return ended.getCause() instanceof ClosedChannelException
                || description(ended).startsWith(HUNG_UP);
    }

    private static boolean isCause(Class<? extends Exception> kind, Throwable cause) {
        return cause != null && (kind.isInstance(cause) || isCause(kind, cause.getCause()));
    }

    private static String description(Status ended) {
        return Objects.requireNonNullElse(ended.getDescription(), "no reason given");
    }
}

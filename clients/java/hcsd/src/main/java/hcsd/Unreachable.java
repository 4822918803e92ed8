package hcsd;

import io.grpc.Status;
import io.grpc.netty.shaded.io.netty.handler.ssl.NotSslRecordException;
import java.net.SocketTimeoutException;
import java.nio.channels.ClosedChannelException;
import java.security.cert.CertPathBuilderException;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertificateException;
import java.security.cert.CertificateExpiredException;
import java.security.cert.CertificateNotYetValidException;
import java.util.List;
import java.util.Objects;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.net.ssl.SSLException;

/**
 * Says in words why a daemon is out of reach, as far as gRPC tells, or refuses the caller.
 *
 * @param address where
 * @param proof the files in use; null for clear text, and for a Unix socket
 */
record Unreachable(Address address, Proof proof) {
    private static final String HOW_TO_REACH =
            "start one with 'hcsd serve', or name its address with HCSD_ADDRESS";

    // How gRPC speaks of an end during the handshake, of one by HTTP/2, and of one right after the
    // handshake.
    private static final String IN_HANDSHAKE = "Connection closed while performing TLS negotiation";
    private static final String RESET = "HTTP/2 error code: ";
    // What the system says of a connection that the other side has ended in the middle.
    private static final Pattern BROKEN =
            Pattern.compile("reset by peer|[Bb]roken pipe|aborted by");
    private static final String HUNG_UP = "Network closed for unknown reason";

    /** What is meant if a failure of this kind is among the causes. */
    private record Meaning(Class<? extends Exception> kind, String words) {
        boolean isOf(Throwable cause) {
            return cause != null && (kind.isInstance(cause) || isOf(cause.getCause()));
        }
    }

    /** Returns whether a connection was closed that was of no use yet. */
    static boolean isInHandshake(Status ended) {
        return description(ended).startsWith(IN_HANDSHAKE);
    }

    /** Returns whether HTTP/2 ended the call, which gRPC has several codes for. */
    static boolean isReset(Status ended) {
        return description(ended).contains(RESET);
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

    /** Says what the client shows to a daemon that refuses it. */
    String shown() {
        Stream<String> parts =
                proof == null
                        ? Stream.empty()
                        : Stream.of(
                                proof.token() == null
                                        ? ""
                                        : "the token in '%s'".formatted(proof.token()),
                                proof.certificate() == null
                                        ? ""
                                        : "the certificate in '%s'".formatted(proof.certificate()));
        String all = parts.filter(part -> !part.isEmpty()).collect(Collectors.joining(" and "));
        return "this client sent " + (all.isEmpty() ? "no token and no certificate" : all);
    }

    private String inClear(Status ended) {
        // The other side of TLS takes what is in clear for nonsense, and hangs up.
        return !address.isUnix() && hungUp(ended)
                ? "it does not speak gRPC in clear; if it is a daemon, leave out insecure and"
                        + " HCSD_INSECURE"
                : null;
    }

    private String overTls(Status ended) {
        return meanings().stream()
                .filter(meaning -> meaning.isOf(ended.getCause()))
                .map(Meaning::words)
                .findFirst()
                .orElse(hungUp(ended) ? left() : null);
    }

    /** Returns what failures mean; the first that fits counts. */
    private List<Meaning> meanings() {
        return List.of(
                new Meaning(
                        NotSslRecordException.class,
                        "it does not speak TLS, as every daemon does on TCP; another program may be"
                                + " listening there. To speak in clear nevertheless, use insecure or"
                                + " HCSD_INSECURE=1"),
                new Meaning(
                        SocketTimeoutException.class,
                        "it does not answer the TLS handshake; another program may be listening"
                                + " there"),
                new Meaning(CertificateExpiredException.class, "its certificate has expired"),
                new Meaning(
                        CertificateNotYetValidException.class,
                        "its certificate is not valid yet, by the clock here"),
                new Meaning(CertPathBuilderException.class, stranger()),
                new Meaning(CertPathValidatorException.class, stranger()),
                new Meaning(
                        CertificateException.class,
                        ("its certificate is not for '%s'; use a name that it is for, or have it"
                                        + " made with this one as a subjectAltName")
                                .formatted(address.host())),
                new Meaning(SSLException.class, left()));
    }

    private String stranger() {
        return proof.ca() == null
                ? "its certificate is not from a CA that Java trusts; name the server.pem of the"
                        + " daemon with tlsCa or HCSD_TLS_CA"
                : ("its certificate is not from the CA in '%s'; if the daemon was set up anew, copy"
                                + " its server.pem and its token again, or name its CA with tlsCa"
                                + " or HCSD_TLS_CA; if it was not, another program is listening"
                                + " there")
                        .formatted(proof.ca());
    }

    private String left() {
        return ("it ended the TLS handshake; it may want %s client certificate: name one with"
                        + " tlsClient, or HCSD_TLS_CERT and HCSD_TLS_KEY")
                .formatted(proof.certificate() == null ? "a" : "another than this");
    }

    private static boolean hungUp(Status ended) {
        return ended.getCause() instanceof ClosedChannelException
                || description(ended).startsWith(HUNG_UP)
                || BROKEN.matcher(why(ended)).find();
    }

    private static String description(Status ended) {
        return Objects.requireNonNullElse(ended.getDescription(), "no reason given");
    }
}

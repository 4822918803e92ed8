package hcsd;

import io.grpc.ChannelCredentials;
import io.grpc.TlsChannelCredentials;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;

/** Reads what {@link Proof} names: the token, and the files for TLS. */
final class Credentials {
    private Credentials() {}

    /** Reads a token. */
    static String readToken(Path file) {
        String token;
        try {
            token = new String(Files.readAllBytes(file), StandardCharsets.US_ASCII).strip();
        } catch (IOException error) {
            throw new HcsdException.BadTokenFile(
                    "cannot read the token file '%s': %s".formatted(file, why(error)), error);
        }
        if (!token.matches("[!-~]+")) {
            throw new HcsdException.BadTokenFile(
                    ("the token file '%s' does not hold a token; name the file that the daemon made"
                                    + " with tokenFile or HCSD_TOKEN_FILE")
                            .formatted(file),
                    null);
        }
        return token;
    }

    /** Reads the files for TLS. */
    static ChannelCredentials readTls(Proof files) {
        TlsChannelCredentials.Builder builder = TlsChannelCredentials.newBuilder();
        try {
            if (files.ca() != null) {
                builder.trustManager(certificates(files.ca()));
            }
            if (files.certificate() != null) {
                builder.keyManager(certificates(files.certificate()), privateKey(files.key()));
            }
        } catch (IOException error) {
            throw new HcsdException.BadTls(why(error), error);
        }
        return builder.build();
    }

    private static InputStream read(Path file) {
        try {
            return new ByteArrayInputStream(Files.readAllBytes(file));
        } catch (IOException error) {
            throw new HcsdException.BadTls(
                    "cannot read the TLS file '%s': %s".formatted(file, why(error)), error);
        }
    }

    private static InputStream certificates(Path file) {
        InputStream content = read(file);
        try {
            if (CertificateFactory.getInstance("X.509").generateCertificates(content).isEmpty()) {
                throw new CertificateException("it is empty");
            }
        } catch (CertificateException error) {
            throw new HcsdException.BadTls(
                    "the TLS file '%s' does not hold certificates in PEM form: %s"
                            .formatted(file, error.getMessage()),
                    error);
        }
        return read(file);
    }

    private static InputStream privateKey(Path file) {
        try {
            String pem = new String(read(file).readAllBytes(), StandardCharsets.ISO_8859_1);
            String key = PrivateKeys.toPkcs8(pem);
            return new ByteArrayInputStream(key.getBytes(StandardCharsets.US_ASCII));
        } catch (IOException | GeneralSecurityException error) {
            throw new HcsdException.BadTls(
                    "cannot use the TLS file '%s': %s".formatted(file, error.getMessage()), error);
        }
    }

    private static String why(IOException error) {
        if (error instanceof NoSuchFileException) {
            return "no such file";
        }
        return error instanceof AccessDeniedException ? "permission denied" : error.getMessage();
    }
}

package hcsd;

import io.grpc.ServerCredentials;
import io.grpc.TlsServerCredentials;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.Base64;
import java.util.List;
import java.util.stream.Stream;
import javax.net.ssl.KeyManagerFactory;

/** A certificate that signs itself, with its key, as the JDK's own tool makes it. */
final class Identity {
    private static final char[] PASSWORD = "no secret".toCharArray();

    private final KeyStore store;
    private final Path file;

    /**
     * @param folder where its files are made
     * @param name of the files
     * @param options of {@code keytool -genkeypair}, as for its names and times
     */
    Identity(Path folder, String name, String... options) throws Exception {
        Path made = folder.resolve(name + ".p12");
        String tool = Path.of(System.getProperty("java.home"), "bin", "keytool").toString();
        List<String> command =
                List.of(
                        tool,
                        "-genkeypair",
                        "-keyalg",
                        "EC",
                        "-alias",
                        "it",
                        "-dname",
                        "CN=" + name,
                        "-keystore",
                        made.toString(),
                        "-storepass",
                        new String(PASSWORD));
        Process running =
                new ProcessBuilder(Stream.concat(command.stream(), Stream.of(options)).toList())
                        .redirectErrorStream(true)
                        .start();
        String said = new String(running.getInputStream().readAllBytes());
        if (running.waitFor() != 0) {
            throw new IOException("keytool failed: " + said);
        }
        store = KeyStore.getInstance("PKCS12");
        try (InputStream content = Files.newInputStream(made)) {
            store.load(content, PASSWORD);
        }
        String body =
                Base64.getMimeEncoder().encodeToString(store.getCertificate("it").getEncoded());
        file = folder.resolve(name + ".pem");
        Files.writeString(
                file, "-----BEGIN CERTIFICATE-----\n" + body + "\n-----END CERTIFICATE-----\n");
    }

    /** Returns the certificate (PEM), which is its own CA. */
    Path file() {
        return file;
    }

    ServerCredentials server() throws GeneralSecurityException {
        KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
        keys.init(store, PASSWORD);
        return TlsServerCredentials.newBuilder().keyManager(keys.getKeyManagers()).build();
    }
}

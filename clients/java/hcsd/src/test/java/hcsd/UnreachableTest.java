package hcsd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.InsecureServerCredentials;
import io.grpc.Status;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertificateException;
import java.security.cert.CertificateExpiredException;
import java.security.cert.CertificateNotYetValidException;
import java.util.Map;
import javax.net.ssl.SSLHandshakeException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class UnreachableTest {
    @TempDir private static Path folder;

    private static Map<String, Identity> identities;
    private static Map<String, ScriptedDaemon> daemons;

    @BeforeAll
    static void start() throws Exception {
        String here = "san=ip:127.0.0.1,dns:localhost";
        Identity present = new Identity(folder, "present", "-ext", here);
        Identity away = new Identity(folder, "away", "-ext", "san=dns:elsewhere.example");
        identities = Map.of("present", present, "away", away);
        daemons =
                Map.of(
                        "clear", new ScriptedDaemon(InsecureServerCredentials.create()),
                        "present", new ScriptedDaemon(present.server()),
                        "away", new ScriptedDaemon(away.server()));
    }

    @AfterAll
    static void stop() throws Exception {
        for (ScriptedDaemon daemon : daemons.values()) {
            daemon.stop();
        }
    }

    @Test
    void theCertificateBesideTheTokenIsTrusted() throws Exception {
        Path own = Files.createDirectory(folder.resolve("own"));
        Files.copy(identities.get("present").file(), own.resolve("server.pem"));
        Path token = Files.writeString(own.resolve("token"), "secret\n");
        for (String host : new String[] {"127.0.0.1", "localhost"}) {
            String address = host + ":" + daemons.get("present").port();
            try (HcsdClient client =
                    HcsdClient.builder().address(address).tokenFile(token).connect()) {
                client.open("systems/x");
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "present, away, 127.0.0.1, its certificate is not from the CA in ",
        "present, away, 127.0.0.1, server.pem",
        "away, away, 127.0.0.1, its certificate is not for '127.0.0.1'",
        "away, away, localhost, its certificate is not for 'localhost'",
        "clear, present, 127.0.0.1, it does not speak TLS"
    })
    void theErrorSaysWhyADaemonWasNotTrusted(String at, String trusted, String host, String words) {
        HcsdClientBuilder builder = HcsdClient.builder().tlsCa(identities.get(trusted).file());
        refused(builder.address(host + ":" + daemons.get(at).port()), words);
    }

    @Test
    void aCertificateOutOfItsTimeIsCalledThat() {
        Proof proof = new Proof(null, Path.of("ca"), null, null);
        Unreachable unreachable = new Unreachable(Address.parse("here:1"), proof);
        String past = unreachable.explain(failure(new CertificateExpiredException()));
        assertTrue(past.endsWith("its certificate has expired"), past);
        String future = unreachable.explain(failure(new CertificateNotYetValidException()));
        assertTrue(future.contains("not valid yet"), future);
    }

    @Test
    void aRefusalSaysWhatWasSent() {
        Address address = Address.parse("here:1");
        assertEquals(
                "this client sent no token and no certificate",
                new Unreachable(address, null).shown());
        Proof proof = new Proof(Path.of("a", "token"), null, Path.of("me.pem"), Path.of("me.key"));
        assertEquals(
                "this client sent the token in '%s' and the certificate in 'me.pem'"
                        .formatted(proof.token()),
                new Unreachable(address, proof).shown());
    }

    @Test
    void noStrangerIsTrustedByDefault() {
        HcsdClientBuilder builder = HcsdClient.builder().environment(Map.of());
        builder.address("127.0.0.1:" + daemons.get("present").port());
        refused(builder, "its certificate is not from a CA that Java trusts");
    }

    @Test
    void clearTextToADaemonIsExplained() {
        HcsdClientBuilder builder = HcsdClient.builder().insecure(true);
        builder.address("127.0.0.1:" + daemons.get("present").port());
        refused(builder, "if it is a daemon, leave out insecure and HCSD_INSECURE");
    }

    @Test
    void whoHangsUpDuringTheHandshakeWasNeverReached() throws Exception {
        Thread hangingUp;
        try (ServerSocket listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
            hangingUp = new Thread(() -> hangUp(listener));
            hangingUp.start();
            HcsdClientBuilder builder = HcsdClient.builder().tlsCa(identities.get("away").file());
            refused(
                    builder.address("127.0.0.1:" + listener.getLocalPort()),
                    "it ended the TLS handshake");
        }
        hangingUp.join();
    }

    private static Status failure(CertificateException cause) {
        return Status.UNAVAILABLE.withCause(new SSLHandshakeException("no").initCause(cause));
    }

    private static void refused(HcsdClientBuilder builder, String words) {
        try (HcsdClient client = builder.connect()) {
            HcsdException error =
                    assertThrows(
                            HcsdException.DaemonUnreachable.class, () -> client.open("systems/x"));
            assertTrue(error.getMessage().contains(words), error.getMessage());
        }
    }

    private static void hangUp(ServerSocket listener) {
        while (!listener.isClosed()) {
            try (Socket connection = listener.accept()) {
                connection.getInputStream().read();
            } catch (IOException closed) {
                continue;
            }
        }
    }
}

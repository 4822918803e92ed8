package hcsd;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CredentialsTest {
    @TempDir private Path folder;

    @Test
    void aTokenFileMustHoldAToken() throws Exception {
        for (String content : new String[] {"", "two words", "tök", "line\nline"}) {
            Path file = Files.writeString(folder.resolve("token"), content);
            HcsdException error =
                    assertThrows(
                            HcsdException.BadTokenFile.class,
                            () -> connect(Map.of("HCSD_TOKEN_FILE", file.toString())));
            assertTrue(error.getMessage().contains(file.toString()), error.getMessage());
        }
        Path missing = folder.resolve("missing");
        HcsdException error =
                assertThrows(
                        HcsdException.BadTokenFile.class,
                        () -> connect(Map.of("HCSD_TOKEN_FILE", missing.toString())));
        assertTrue(error.getMessage().endsWith("no such file"), error.getMessage());
    }

    @Test
    void filesForTlsMustHoldWhatTheyAreFor() throws Exception {
        Path nonsense = Files.writeString(folder.resolve("nonsense.pem"), "nonsense");
        String missing = folder.resolve("missing.pem").toString();
        refused("nonsense.pem", Map.of("HCSD_TLS_CA", nonsense.toString()));
        refused("missing.pem", Map.of("HCSD_TLS_CA", missing));
    }

    @Test
    void aUnixSocketNeedsNeither() {
        HcsdClient.builder()
                .address("unix:///nobody")
                .environment(Map.of("HCSD_TOKEN_FILE", "/missing", "HCSD_INSECURE", "maybe"))
                .connect()
                .close();
    }

    private static void refused(String words, Map<String, String> environment) {
        HcsdException error = assertThrows(HcsdException.BadTls.class, () -> connect(environment));
        assertTrue(error.getMessage().contains(words), error.getMessage());
    }

    private static void connect(Map<String, String> environment) {
        HcsdClient.builder().address("127.0.0.1:7443").environment(environment).connect().close();
    }
}

package hcsd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ProofTest {
    private static final Map<String, String> HOME =
            Map.of("XDG_STATE_HOME", "/state", "ProgramData", "/data");
    private static final String OWN = Folders.defaultTokenFile(HOME).toString();
    private static final String OWN_CA = Path.of(OWN).resolveSibling("server.pem").toString();

    /**
     * Options and variables are written NAME=VALUE; OWN and OWN_CA are the files of the daemon of
     * this user. What is chosen is written token, CA, certificate and key, or CLEAR.
     */
    @ParameterizedTest
    @CsvSource({
        // Options, variables, files that are there, what is chosen
        "'', '', '', - - - -",
        "'', '', OWN OWN_CA, OWN OWN_CA - -",
        "'', '', OWN, - - - -",
        "'', '', OWN_CA, - - - -",
        "CA=/ca, '', OWN OWN_CA, - /ca - -",
        "CERTIFICATE=/c KEY=/k, '', OWN OWN_CA, - - /c /k",
        "TOKEN=/a/token, '', OWN OWN_CA, /a/token - - -",
        "'', HCSD_TOKEN_FILE=/a/token, /a/server.pem, /a/token /a/server.pem - -",
        "TOKEN=/a/token, HCSD_TLS_CA=/ca, /a/server.pem, /a/token /ca - -",
        "TOKEN=/a CA=/b CERTIFICATE=/c KEY=/k, HCSD_TOKEN_FILE=/1 HCSD_TLS_CA=/2, '', /a /b /c /k",
        "'', HCSD_TLS_CERT=/c HCSD_TLS_KEY=/k, '', - - /c /k",
        "'', HCSD_TOKEN_FILE= HCSD_TLS_CA= HCSD_INSECURE=, '', - - - -",
        "'', HCSD_INSECURE=0, '', - - - -",
        "'', HCSD_INSECURE=false, '', - - - -",
        "'', HCSD_INSECURE=1, '', CLEAR",
        "'', HCSD_INSECURE=true, '', CLEAR",
        "insecure=true, HCSD_INSECURE=maybe, OWN OWN_CA, CLEAR",
        "insecure=false TOKEN=/a/token, HCSD_INSECURE=1, '', /a/token - - -"
    })
    void tokenAndCaAreChosenByOneRule(
            String options, String variables, String files, String wanted) {
        String found =
                choose(options, variables, files)
                        .map(
                                proof ->
                                        "%s %s %s %s"
                                                .formatted(
                                                        proof.token(),
                                                        proof.ca(),
                                                        proof.certificate(),
                                                        proof.key()))
                        .orElse("CLEAR");
        assertEquals(own(wanted), found.replace("null", "-"));
    }

    @ParameterizedTest
    @CsvSource({
        "insecure=true TOKEN=/t, '', BadTokenFile, 'insecure asks for clear text, and tokenFile names ''/t'': a token is never sent in clear'",
        "'', HCSD_INSECURE=1 HCSD_TOKEN_FILE=/t, BadTokenFile, 'HCSD_INSECURE asks for clear text, and HCSD_TOKEN_FILE names ''/t'''",
        "insecure=true, HCSD_TLS_CA=/ca, BadTls, and HCSD_TLS_CA names '/ca'",
        "CERTIFICATE=/c KEY=/k, HCSD_INSECURE=true, BadTls, and tlsClient names '/c'",
        "'', HCSD_INSECURE=1 HCSD_TLS_KEY=/k, BadTls, and HCSD_TLS_KEY names '/k'",
        "'', HCSD_INSECURE=maybe, BadTls, HCSD_INSECURE is 'maybe'",
        "CERTIFICATE=/c, '', BadTls, needs its key",
        "'', HCSD_TLS_KEY=/k, BadTls, a key its certificate"
    })
    void contradictionsAreErrors(String options, String variables, String kind, String words) {
        HcsdException error =
                assertThrows(HcsdException.class, () -> choose(options, variables, ""));
        assertEquals(kind, error.getClass().getSimpleName());
        assertTrue(error.getMessage().contains(words), error.getMessage());
    }

    private static Optional<Proof> choose(String options, String variables, String files) {
        Map<Proof.File, Path> named = new EnumMap<>(Proof.File.class);
        Map<String, String> given = pairs(options);
        String insecure = given.remove("insecure");
        given.forEach((name, file) -> named.put(Proof.File.valueOf(name), Path.of(file)));
        Map<String, String> environment = pairs(variables);
        environment.putAll(HOME);
        List<String> there = List.of(own(files).split(" "));
        return Proof.choose(
                named,
                insecure == null ? null : Boolean.valueOf(insecure),
                environment,
                file -> there.contains(file.toString()));
    }

    private static Map<String, String> pairs(String text) {
        Map<String, String> pairs = new HashMap<>();
        for (String pair : text.isEmpty() ? new String[0] : text.split(" ")) {
            int equals = pair.indexOf('=');
            pairs.put(pair.substring(0, equals), pair.substring(equals + 1));
        }
        return pairs;
    }

    private static String own(String text) {
        return text.replace("OWN_CA", OWN_CA).replace("OWN", OWN);
    }
}

package hcsd;

import java.nio.file.Path;
import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * The files by which client and daemon prove to each other over TCP who they are.
 *
 * @param token the daemon's token; null for none
 * @param ca those who may sign the daemon's certificate; null for those that Java trusts
 * @param certificate the client's certificate; null for none
 * @param key its key; null for none
 */
record Proof(Path token, Path ca, Path certificate, Path key) {
    /** How a file is named: by a method of the builder, or else by a variable. */
    enum File {
        TOKEN("tokenFile", "HCSD_TOKEN_FILE"),
        CA("tlsCa", "HCSD_TLS_CA"),
        CERTIFICATE("tlsClient", "HCSD_TLS_CERT"),
        KEY("tlsClient", "HCSD_TLS_KEY");

        private final String option;
        private final String variable;

        File(String option, String variable) {
            this.option = option;
            this.variable = variable;
        }
    }

    private static final Map<String, Boolean> ANSWERS =
            Map.of("", false, "0", false, "false", false, "1", true, "true", true);

    /**
     * Chooses what to use with a TCP address, by the rule of all clients of hcsd.
     *
     * @param options the files that the program names
     * @param insecure whether the program asks for clear text; null if it does not say
     * @param environment the variables
     * @param exists tells whether a file is there
     * @return the files; empty for clear text
     * @throws HcsdException.BadTokenFile a token file is named for clear text
     * @throws HcsdException.BadTls another file is, {@code HCSD_INSECURE} is neither yes nor no, or
     *     a certificate lacks its key or the reverse
     */
    static Optional<Proof> choose(
            Map<File, Path> options,
            Boolean insecure,
            Map<String, String> environment,
            Predicate<Path> exists) {
        Map<File, Path> named = new EnumMap<>(File.class);
        for (File file : File.values()) {
            String text = environment.getOrDefault(file.variable, "");
            Path path = options.get(file);
            if (path != null || !text.isEmpty()) {
                named.put(file, path != null ? path : Path.of(text));
            }
        }
        if (insecure != null ? insecure : isYes(environment.getOrDefault("HCSD_INSECURE", ""))) {
            refuseFiles(named, options, insecure != null ? "insecure" : "HCSD_INSECURE");
            return Optional.empty();
        }
        if (named.containsKey(File.CERTIFICATE) != named.containsKey(File.KEY)) {
            throw new HcsdException.BadTls(
                    "a client certificate needs its key, and a key its certificate: set both, with"
                            + " tlsClient, or HCSD_TLS_CERT and HCSD_TLS_KEY",
                    null);
        }
        addOwn(named, Folders.defaultTokenFile(environment), exists);
        return Optional.of(
                new Proof(
                        named.get(File.TOKEN),
                        named.get(File.CA),
                        named.get(File.CERTIFICATE),
                        named.get(File.KEY)));
    }

    /** Adds what a daemon has made for its clients, where nothing is named in its place. */
    private static void addOwn(Map<File, Path> named, Path own, Predicate<Path> exists) {
        // A token that nobody has named is only for the daemon whose certificate is beside it.
        if (named.isEmpty() && exists.test(own) && exists.test(certificateBeside(own))) {
            named.put(File.TOKEN, own);
        }
        Path token = named.get(File.TOKEN);
        if (token != null && exists.test(certificateBeside(token))) {
            named.putIfAbsent(File.CA, certificateBeside(token));
        }
    }

    /** Returns where a daemon puts the certificate of its own CA. */
    private static Path certificateBeside(Path token) {
        return token.resolveSibling("server.pem");
    }

    private static boolean isYes(String text) {
        Boolean answer = ANSWERS.get(text);
        if (answer == null) {
            throw new HcsdException.BadTls(
                    ("HCSD_INSECURE is '%s', which is neither yes nor no: write 1 for clear text;"
                                    + " write 0, or leave it out, for TLS")
                            .formatted(text),
                    null);
        }
        return answer;
    }

    /** Refuses what is of no use in clear text, or must not be sent in it. */
    private static void refuseFiles(Map<File, Path> named, Map<File, Path> options, String clear) {
        for (Map.Entry<File, Path> entry : named.entrySet()) {
            File file = entry.getKey();
            boolean token = file == File.TOKEN;
            String message =
                    "%s asks for clear text, and %s names '%s': %s; leave out one of the two"
                            .formatted(
                                    clear,
                                    options.get(file) != null ? file.option : file.variable,
                                    entry.getValue(),
                                    token
                                            ? "a token is never sent in clear"
                                            : "clear text uses no file of TLS");
            throw token
                    ? new HcsdException.BadTokenFile(message, null)
                    : new HcsdException.BadTls(message, null);
        }
    }
}

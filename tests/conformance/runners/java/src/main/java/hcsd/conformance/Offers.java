package hcsd.conformance;

import com.google.gson.JsonObject;

/** What the library offers, and how a program writes it. */
final class Offers {
    private static final String[][] FEATURES = {
        {"run", "client.run"},
        {"create", "client.create"},
        {"open", "client.open"},
        {"list", "client.listProcesses"},
        {"watch", "client.watchEvents"},
        {"modify", "process.resize"},
        {"communicate", "process.communicate"},
        {"exec", "client.exec"},
        {"lines", "process.lines"},
        {"since", "line.time, process.lines(Instant)"},
        {"wait", "process.waitFor"},
        {"signal", "process.signal"},
        {"terminate", "process.terminate"},
        {"stdout", "InputStream"},
        {"stdin", "OutputStream"},
        {"options", "StartOptions"},
        {"discard", "StartOptions.discard"},
        {"stderr_to_stdout", "StartOptions.stderrToStdout"},
        {"pin", "StartOptions.pin"},
        {"owner_grace", "StartOptions.ownerGrace"},
        {"blocking", "every method"},
        {"async", "runAsync and so on"},
        {"deadline", "builder.timeout, orTimeout"},
        {"cancel", "Thread.interrupt, Future.cancel"},
        {"retry", "builder.retry"},
        {"keepalive", "builder.keepalive"},
        {"tls", "builder.tlsCa, tlsClient"},
        {"token", "builder.tokenFile"},
        {"logging", "builder.logger"},
        {"interceptors", "builder.intercept"},
        {"channel", "builder.configureChannel"},
        {"errors", "HcsdException, HcsdIOException"},
        {"stubs", "client.channel, call"},
    };

    private Offers() {}

    static JsonObject all() {
        JsonObject features = new JsonObject();
        for (String[] feature : FEATURES) {
            features.addProperty(feature[0], feature[1]);
        }
        JsonObject answer = new JsonObject();
        answer.add("features", features);
        return answer;
    }
}

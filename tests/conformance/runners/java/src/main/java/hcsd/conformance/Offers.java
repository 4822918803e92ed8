package hcsd.conformance;

import com.google.gson.JsonObject;

/** What the library offers, and how a program writes it. */
final class Offers {
    private static final String[][] FEATURES = {
        {"run", "client.run(…), in a try"},
        {"create", "client.create(…)"},
        {"open", "client.open(name)"},
        {"list", "client.listProcesses(parent)"},
        {"watch", "client.watchEvents(request)"},
        {"communicate", "process.communicate(input)"},
        {"wait", "process.waitFor()"},
        {"signal", "process.signal(\"TERM\")"},
        {"terminate", "process.terminate(gracePeriod)"},
        {"stdout", "java.io.InputStream"},
        {"stdin", "java.io.OutputStream"},
        {"options", "StartOptions"},
        {"discard", "StartOptions.discard(streams)"},
        {"stderr_to_stdout", "StartOptions.stderrToStdout()"},
        {"pin", "StartOptions.pin()"},
        {"owner_grace", "StartOptions.ownerGrace(time)"},
        {"blocking", "every method"},
        {"async", "…Async: CompletableFuture"},
        {"deadline", "orTimeout of a future; timeout of the builder"},
        {"cancel", "interrupt of the thread; cancel of a future"},
        {"retry", "builder.retry(new Retry(…))"},
        {"keepalive", "builder.keepalive(interval)"},
        {"tls", "builder.tlsCa(file), tlsClient(certificate, key)"},
        {"token", "builder.tokenFile(file)"},
        {"logging", "builder.logger(System.Logger)"},
        {"interceptors", "builder.intercept(ClientInterceptor…)"},
        {"channel", "builder.configureChannel(channelBuilder -> …)"},
        {"errors", "HcsdException and its classes; streams: HcsdIOException"},
        {"stubs", "client.channel(), client.call(method, request)"},
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

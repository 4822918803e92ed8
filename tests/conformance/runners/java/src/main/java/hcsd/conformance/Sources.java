package hcsd.conformance;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import hcsd.HcsdClient;
import hcsd.StartOptions;
import hcsd.v1.Console;
import hcsd.v1.CreateProcessRequest;
import hcsd.v1.OutputStream;
import hcsd.v1.OverflowPolicy;
import hcsd.v1.ProcessSpec;
import hcsd.v1.StdinMode;
import java.time.Duration;
import java.util.Map;
import java.util.function.Consumer;

/** What `create` and `run` are to start, and how it is kept. */
final class Sources {
    private static final Map<String, OutputStream> STREAMS =
            Map.of(
                    "stdout", OutputStream.OUTPUT_STREAM_STDOUT,
                    "stderr", OutputStream.OUTPUT_STREAM_STDERR);

    private Sources() {}

    static CreateProcessRequest source(JsonObject request) {
        CreateProcessRequest.Builder create =
                CreateProcessRequest.newBuilder()
                        .setParent(Actions.text(request, "parent"))
                        .setProcessId(Actions.text(request, "process_id"))
                        .setRequestId(Actions.text(request, "request_id"));
        if (request.has("parameters_json")) {
            create.setParametersJson(Actions.text(request, "parameters_json"));
        }
        if (request.has("argv")) {
            create.setSpec(spec(request));
        }
        return create.build();
    }

    static StartOptions options(JsonObject request) {
        StartOptions options = new StartOptions();
        if (request.has("ring_bytes")) {
            options.ringBytes(Actions.number(request, "ring_bytes", 0));
        }
        if (Actions.flag(request, "block")) {
            options.overflow(OverflowPolicy.OVERFLOW_POLICY_BLOCK);
        }
        if (Actions.flag(request, "stderr_to_stdout")) {
            options.stderrToStdout();
        }
        if (request.has("discard")) {
            for (JsonElement name : request.getAsJsonArray("discard")) {
                options.discard(STREAMS.get(name.getAsString()));
            }
        }
        time(request, "run_timeout_ms", options::runTimeout);
        time(request, "drain_timeout_ms", options::drainTimeout);
        time(request, "owner_grace_ms", options::ownerGrace);
        if (Actions.flag(request, "pin")) {
            options.pin();
        }
        return options;
    }

    private static void time(JsonObject request, String key, Consumer<Duration> set) {
        if (request.has(key)) {
            set.accept(Duration.ofMillis(Actions.number(request, key, 0)));
        }
    }

    private static ProcessSpec spec(JsonObject request) {
        String[] argv =
                request.getAsJsonArray("argv").asList().stream()
                        .map(JsonElement::getAsString)
                        .toArray(String[]::new);
        ProcessSpec.Builder spec = HcsdClient.argv(argv);
        if (Actions.flag(request, "stdin")) {
            spec.setStdinMode(StdinMode.STDIN_MODE_PIPE);
        }
        if (request.has("console")) {
            JsonObject size = request.getAsJsonObject("console");
            spec.setConsole(
                    Console.newBuilder()
                            .setColumns((int) Actions.number(size, "columns", 0))
                            .setRows((int) Actions.number(size, "rows", 0)));
        }
        return spec.build();
    }
}

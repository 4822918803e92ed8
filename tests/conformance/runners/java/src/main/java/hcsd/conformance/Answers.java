package hcsd.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import hcsd.Completed;
import hcsd.HcsdException;
import hcsd.HcsdIOException;
import hcsd.Line;
import hcsd.RemoteProcess;
import hcsd.v1.OutputStream;
import hcsd.v1.ProcessExit;
import hcsd.v1.WatchEventsResponse;
import java.io.InterruptedIOException;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.TimeoutException;

/** What the library gives, as the protocol has it. */
final class Answers {
    // Those whose names are not those of the protocol.
    private static final Map<Class<?>, String> CLASSES =
            Map.of(
                    InterruptedException.class, "Cancelled",
                    InterruptedIOException.class, "Cancelled",
                    CancellationException.class, "Cancelled",
                    TimeoutException.class, "DeadlineExceeded",
                    IllegalArgumentException.class, "Usage",
                    UnsupportedOperationException.class, "Unsupported",
                    HcsdException.ClientClosed.class, "Closed",
                    HcsdException.BadAddress.class, "Address",
                    HcsdException.BadTokenFile.class, "TokenFile",
                    HcsdException.BadTls.class, "Tls");

    private Answers() {}

    static JsonObject end(int scopeApplied, int descendantsKilled) {
        JsonObject answer = new JsonObject();
        answer.addProperty("scope_applied", scopeApplied);
        answer.addProperty("descendants_killed", descendantsKilled);
        return answer;
    }

    static JsonObject process(RemoteProcess process) {
        JsonObject answer = new JsonObject();
        answer.addProperty("name", process.name());
        answer.addProperty("uid", process.created().getUid());
        answer.addProperty("pid", process.pid());
        return answer;
    }

    static JsonObject exit(ProcessExit found) {
        JsonObject exit = new JsonObject();
        switch (found.getOutcomeCase()) {
            case EXIT_CODE -> exit.addProperty("exit_code", unsigned(found.getExitCode()));
            case START_ERROR ->
                    exit.addProperty("start_error", unsigned(found.getStartError().getHresult()));
            case UNKNOWN -> exit.addProperty("unknown", unsigned(found.getUnknown().getHresult()));
            case OUTCOME_NOT_SET -> {}
        }
        exit.addProperty("signal", unsigned(found.getSignal()));
        exit.addProperty("reason", found.getReasonValue());
        return exit;
    }

    static JsonObject completed(Completed completed) {
        JsonObject answer = new JsonObject();
        answer.add("exit", exit(completed.exit()));
        answer.add("stdout", Digest.of(completed.stdout()));
        answer.add("stderr", Digest.of(completed.stderr()));
        answer.addProperty("truncated", completed.truncated());
        return answer;
    }

    static JsonArray line(Line line) {
        JsonArray answer = new JsonArray();
        answer.add(line.stream() == OutputStream.OUTPUT_STREAM_STDERR ? "stderr" : "stdout");
        answer.add(line.text());
        return answer;
    }

    static JsonObject message(WatchEventsResponse message) {
        JsonObject answer = new JsonObject();
        switch (message.getItemCase()) {
            case EVENT -> {
                item(
                        answer,
                        "event",
                        message.getEvent().getRevision(),
                        message.getEvent().getIncarnation());
                if (message.getEvent().hasProcess()) {
                    hcsd.v1.ProcessEvent event = message.getEvent().getProcess();
                    answer.addProperty("type", event.getTypeValue());
                    answer.addProperty("process", event.getProcess().getName());
                    answer.addProperty("state", event.getProcess().getStateValue());
                }
            }
            case SNAPSHOT ->
                    item(
                            answer,
                            "snapshot",
                            message.getSnapshot().getRevision(),
                            message.getSnapshot().getIncarnation());
            case BOOKMARK ->
                    item(
                            answer,
                            "bookmark",
                            message.getBookmark().getRevision(),
                            message.getBookmark().getIncarnation());
            case ITEM_NOT_SET -> answer.addProperty("item", "unknown");
        }
        return answer;
    }

    static JsonObject error(Throwable thrown) {
        // Of a stream's failure that of the call counts.
        Throwable error = thrown instanceof HcsdIOException stream ? stream.failure() : thrown;
        JsonObject answer = new JsonObject();
        Class<?> type = error.getClass();
        answer.addProperty("class", CLASSES.getOrDefault(type, type.getSimpleName()));
        answer.addProperty("type", type.getCanonicalName());
        answer.addProperty("message", String.valueOf(error.getMessage()));
        if (error instanceof HcsdException failure && failure.code().isPresent()) {
            answer.addProperty("code", failure.code().get().name());
            answer.addProperty("reason", failure.reason());
            failure.hresult().ifPresent(hresult -> answer.addProperty("hresult", hresult));
            JsonObject metadata = new JsonObject();
            failure.metadata().forEach(metadata::addProperty);
            answer.add("metadata", metadata);
            JsonArray violations = new JsonArray();
            failure.violations()
                    .forEach(
                            each -> {
                                JsonObject violation = new JsonObject();
                                violation.addProperty("field", each.getField());
                                violation.addProperty("rule", each.getReason());
                                violations.add(violation);
                            });
            answer.add("violations", violations);
        }
        return answer;
    }

    private static void item(JsonObject answer, String item, long revision, String incarnation) {
        answer.addProperty("item", item);
        answer.addProperty("revision", revision);
        answer.addProperty("incarnation", incarnation);
    }

    private static long unsigned(int number) {
        return Integer.toUnsignedLong(number);
    }
}

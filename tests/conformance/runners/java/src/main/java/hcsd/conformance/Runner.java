package hcsd.conformance;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** The runner of the Java client; the protocol is PROTOCOL.md, two folders up. */
public final class Runner {
    private final Actions actions = new Actions();
    private final Map<JsonElement, Thread> running = new ConcurrentHashMap<>();

    private Runner() {}

    /**
     * Does what stdin asks for, until it ends.
     *
     * @param arguments none
     * @throws IOException stdin cannot be read
     */
    public static void main(String[] arguments) throws IOException {
        Runner runner = new Runner();
        try (BufferedReader lines =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                runner.begin(JsonParser.parseString(line).getAsJsonObject());
            }
        }
        System.exit(0); // whatever is under way
    }

    private void begin(JsonObject request) {
        JsonElement id = request.get("id");
        if (request.get("do").getAsString().equals("cancel")) {
            Thread thread = running.get(request.get("request"));
            if (thread != null) {
                thread.interrupt();
            }
            answer(id, "ok", new JsonObject());
            return;
        }
        Thread thread = new Thread(() -> work(id, request));
        thread.setDaemon(true);
        running.put(id, thread);
        thread.start();
    }

    private void work(JsonElement id, JsonObject request) {
        try {
            answer(id, "ok", actions.perform(request));
        } catch (Exception error) { // whatever it is, is the answer
            answer(id, "error", Answers.error(error));
        } finally {
            running.remove(id);
        }
    }

    private static void answer(JsonElement id, String key, JsonObject value) {
        JsonObject response = new JsonObject();
        response.add("id", id);
        response.add(key, value);
        synchronized (System.out) {
            System.out.println(response);
        }
    }
}

package hcsd.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import hcsd.Completed;
import hcsd.HcsdClient;
import hcsd.HcsdClientBuilder;
import hcsd.Line;
import hcsd.MessageStream;
import hcsd.Names;
import hcsd.RemoteProcess;
import hcsd.Retry;
import hcsd.StartOptions;
import hcsd.v1.DeleteProcessResponse;
import hcsd.v1.Process;
import hcsd.v1.ProcessSignal;
import hcsd.v1.TerminateProcessResponse;
import hcsd.v1.TerminateScope;
import hcsd.v1.WatchEventsRequest;
import hcsd.v1.WatchEventsResponse;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;

/** Does what is asked, in the thread of the request; an interrupt of it cancels the request. */
final class Actions {
    private final Map<String, HcsdClient> clients = new ConcurrentHashMap<>();
    private final Map<String, Lines> logs = new ConcurrentHashMap<>();
    private final Map<String, Held> processes = new ConcurrentHashMap<>();
    private final Map<String, MessageStream<WatchEventsResponse>> watches =
            new ConcurrentHashMap<>();

    private record Held(RemoteProcess process, Digest stdout, Digest stderr) {}

    JsonObject perform(JsonObject request) throws Exception {
        return switch (request.get("do").getAsString()) {
            case "connect" -> connect(request);
            case "disconnect" -> {
                client(request).close();
                yield new JsonObject();
            }
            case "offers" -> Offers.all();
            case "log" -> log(request);
            case "create" ->
                    hold(
                            request,
                            await(
                                    request,
                                    client(request)
                                            .createAsync(
                                                    Sources.source(request),
                                                    Sources.options(request))));
            case "run" ->
                    hold(
                            request,
                            await(
                                    request,
                                    client(request)
                                            .runAsync(
                                                    Sources.source(request),
                                                    Sources.options(request))));
            case "leave" -> {
                process(request).close();
                yield new JsonObject();
            }
            case "open" ->
                    hold(request, await(request, client(request).openAsync(text(request, "name"))));
            case "get" -> get(request);
            case "read" -> timed(request, () -> read(request));
            case "write" -> timed(request, () -> write(request));
            case "committed" -> timed(request, () -> committed(request));
            case "close_stdin" -> timed(request, () -> closeStdin(request));
            case "communicate" -> communicate(request);
            case "exec" -> exec(request);
            case "lines" -> timed(request, () -> lines(request));
            case "wait" -> exit(Answers.exit(await(request, process(request).waitForAsync())));
            case "signal" -> signal(request);
            case "terminate" -> terminate(request);
            case "resize" ->
                    done(
                            request,
                            process(request)
                                    .resizeAsync(
                                            (int) number(request, "columns", 0),
                                            (int) number(request, "rows", 0)));
            case "delete" -> delete(request);
            case "list" -> timed(request, () -> list(request));
            case "watch" -> watch(request);
            case "next" -> next(request);
            case "unwatch" -> {
                watches.get(text(request, "watch")).close();
                yield new JsonObject();
            }
            default -> throw new UnsupportedOperationException(request.get("do").getAsString());
        };
    }

    private JsonObject connect(JsonObject request) {
        HcsdClientBuilder builder = HcsdClient.builder().address(text(request, "address"));
        if (request.has("token_file")) {
            builder.tokenFile(Path.of(text(request, "token_file")));
        }
        if (request.has("tls_ca_file")) {
            builder.tlsCa(Path.of(text(request, "tls_ca_file")));
        }
        if (request.has("tls_cert_file") || request.has("tls_key_file")) {
            builder.tlsClient(path(request, "tls_cert_file"), path(request, "tls_key_file"));
        }
        if (request.has("insecure")) {
            builder.insecure(request.get("insecure").getAsBoolean());
        }
        int attempts = (int) number(request, "attempts", Retry.DEFAULT.attempts());
        builder.retry(Retry.DEFAULT.withAttempts(attempts));
        if (request.has("keepalive_ms")) {
            builder.keepalive(Duration.ofMillis(number(request, "keepalive_ms", 0)));
        }
        Lines log = new Lines();
        clients.put(text(request, "as"), builder.logger(log).connect());
        logs.put(text(request, "as"), log);
        return new JsonObject();
    }

    private JsonObject log(JsonObject request) {
        JsonArray lines = new JsonArray();
        logs.get(text(request, "client")).all().forEach(lines::add);
        JsonObject answer = new JsonObject();
        answer.add("lines", lines);
        return answer;
    }

    private JsonObject get(JsonObject request) throws Exception {
        Process found = await(request, process(request).getAsync());
        JsonObject answer = new JsonObject();
        answer.addProperty("name", found.getName());
        answer.addProperty("state", found.getStateValue());
        answer.addProperty("stdin_offset", found.getStdin().getEndOffset());
        return answer;
    }

    private JsonObject read(JsonObject request) throws IOException {
        Held held = processes.get(text(request, "process"));
        boolean stderr = text(request, "stream").equals("stderr");
        return (stderr ? held.stderr : held.stdout).read(number(request, "until", Long.MAX_VALUE));
    }

    private JsonObject write(JsonObject request) throws IOException {
        process(request).stdin().write(content(request));
        return new JsonObject();
    }

    private JsonObject committed(JsonObject request) throws IOException {
        JsonObject answer = new JsonObject();
        answer.addProperty("offset", process(request).stdin().committed());
        return answer;
    }

    private JsonObject closeStdin(JsonObject request) throws IOException {
        process(request).stdin().close();
        return new JsonObject();
    }

    private JsonObject communicate(JsonObject request) throws Exception {
        return Answers.completed(
                await(request, process(request).communicateAsync(content(request))));
    }

    private JsonObject exec(JsonObject request) throws Exception {
        StartOptions options = Sources.options(request).input(content(request));
        if (request.has("max_output_bytes")) {
            options.maxOutputBytes((int) number(request, "max_output_bytes", 0));
        }
        Completed completed =
                await(request, client(request).execAsync(Sources.source(request), options));
        return Answers.completed(flag(request, "check") ? completed.check() : completed);
    }

    private JsonObject lines(JsonObject request) {
        RemoteProcess process = process(request);
        long until = number(request, "until", Long.MAX_VALUE);
        JsonArray found = new JsonArray();
        JsonArray times = new JsonArray();
        try (MessageStream<Line> lines = linesOf(process, request)) {
            while (found.size() < until && lines.hasNext()) {
                Line line = lines.next();
                found.add(Answers.line(line));
                times.add(line.time().toEpochMilli());
            }
        }
        JsonObject answer = new JsonObject();
        answer.add("lines", found);
        answer.add("times", times);
        return answer;
    }

    private static MessageStream<Line> linesOf(RemoteProcess process, JsonObject request) {
        if (request.has("since")) {
            return process.lines(Instant.ofEpochMilli(number(request, "since", 0)));
        }
        return request.has("last")
                ? process.lines((int) number(request, "last", 0))
                : process.lines();
    }

    private JsonObject signal(JsonObject request) throws Exception {
        ProcessSignal.Builder signal = ProcessSignal.newBuilder();
        if (request.get("signal").getAsJsonPrimitive().isNumber()) {
            signal.setSignalNumber(request.get("signal").getAsInt());
        } else {
            signal.setSignalName(text(request, "signal"));
        }
        JsonObject answer = new JsonObject();
        answer.addProperty(
                "delivery",
                await(request, process(request).signalAsync(signal.build())).getDeliveryValue());
        return answer;
    }

    private JsonObject terminate(JsonObject request) throws Exception {
        RemoteProcess process = process(request);
        Duration grace = Duration.ofMillis(number(request, "grace_ms", 0));
        TerminateProcessResponse ended =
                await(
                        request,
                        request.has("scope")
                                ? process.terminateAsync(scope(request), grace)
                                : process.terminateAsync(grace));
        return Answers.end(ended.getScopeAppliedValue(), ended.getDescendantsKilled());
    }

    private JsonObject delete(JsonObject request) throws Exception {
        RemoteProcess process = process(request);
        DeleteProcessResponse deleted =
                await(
                        request,
                        request.has("scope")
                                ? process.deleteAsync(scope(request))
                                : process.deleteAsync(flag(request, "force")));
        return Answers.end(deleted.getScopeAppliedValue(), deleted.getDescendantsKilled());
    }

    private static TerminateScope scope(JsonObject request) {
        return TerminateScope.forNumber((int) number(request, "scope", 0));
    }

    private JsonObject list(JsonObject request) throws InterruptedException {
        String parent = request.has("parent") ? text(request, "parent") : Names.ALL_SYSTEMS;
        JsonArray names = new JsonArray();
        client(request).listProcesses(parent).forEach(process -> names.add(process.getName()));
        JsonObject answer = new JsonObject();
        answer.add("names", names);
        return answer;
    }

    private JsonObject watch(JsonObject request) {
        WatchEventsRequest.Builder wanted =
                WatchEventsRequest.newBuilder()
                        .setParent(text(request, "parent"))
                        .setIncarnation(text(request, "incarnation"))
                        .setSendSnapshot(flag(request, "snapshot"));
        if (request.has("after_revision")) {
            wanted.setAfterRevision(number(request, "after_revision", 0));
        }
        watches.put(text(request, "as"), client(request).watchEvents(wanted.build()));
        return new JsonObject();
    }

    private JsonObject next(JsonObject request) throws Exception {
        MessageStream<WatchEventsResponse> watch = watches.get(text(request, "watch"));
        return await(request, watch.nextAsync()).map(Answers::message).orElseThrow();
    }

    private JsonObject hold(JsonObject request, RemoteProcess process) {
        Digest stdout = new Digest(process.stdout());
        Digest stderr = new Digest(process.stderr());
        processes.put(text(request, "as"), new Held(process, stdout, stderr));
        return Answers.process(process);
    }

    private HcsdClient client(JsonObject request) {
        return clients.get(text(request, "client"));
    }

    private RemoteProcess process(JsonObject request) {
        return processes.get(text(request, "process")).process;
    }

    private static byte[] content(JsonObject request) throws IOException {
        return request.has("file")
                ? Files.readAllBytes(path(request, "file"))
                : text(request, "text").getBytes(StandardCharsets.UTF_8);
    }

    private static JsonObject exit(JsonObject exit) {
        JsonObject answer = new JsonObject();
        answer.add("exit", exit);
        return answer;
    }

    private static JsonObject done(JsonObject request, CompletableFuture<Void> call)
            throws Exception {
        await(request, call);
        return new JsonObject();
    }

    /** Waits as a program with futures does: a deadline and a cancellation are the future's. */
    private static <T> T await(JsonObject request, CompletableFuture<T> call) throws Exception {
        if (request.has("deadline_ms")) {
            call.orTimeout(number(request, "deadline_ms", 0), TimeUnit.MILLISECONDS);
        }
        try {
            return call.get();
        } catch (InterruptedException interrupt) {
            call.cancel(true);
            throw interrupt;
        } catch (ExecutionException failure) {
            throw failure.getCause() instanceof Exception cause ? cause : failure;
        }
    }

    private interface Blocking {
        JsonObject run() throws Exception;
    }

    /** Waits as a program with threads does: a deadline is an interrupt from another one. */
    private static JsonObject timed(JsonObject request, Blocking work) throws Exception {
        if (!request.has("deadline_ms")) {
            return work.run();
        }
        Thread caller = Thread.currentThread();
        AtomicBoolean up = new AtomicBoolean();
        CompletableFuture<Void> deadline =
                CompletableFuture.runAsync(
                        () -> {
                            up.set(true);
                            caller.interrupt();
                        },
                        CompletableFuture.delayedExecutor(
                                number(request, "deadline_ms", 0), TimeUnit.MILLISECONDS));
        try {
            return work.run();
        } catch (IOException | InterruptedException interrupted) {
            throw up.get() ? new TimeoutException("the deadline was up") : interrupted;
        } finally {
            deadline.cancel(true);
        }
    }

    static String text(JsonObject request, String key) {
        return request.has(key) ? request.get(key).getAsString() : "";
    }

    private static Path path(JsonObject request, String key) {
        return request.has(key) ? Path.of(text(request, key)) : null;
    }

    static long number(JsonObject request, String key, long otherwise) {
        return request.has(key) ? request.get(key).getAsLong() : otherwise;
    }

    static boolean flag(JsonObject request, String key) {
        return request.has(key) && request.get(key).getAsBoolean();
    }
}

package hcsd;

import hcsd.v1.EventServiceGrpc;
import hcsd.v1.WatchEventsRequest;
import hcsd.v1.WatchEventsResponse;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/** What happens, told across lost connections: nothing is missing, and nothing comes twice. */
final class EventWatch extends MessageStream<WatchEventsResponse> {
    // state     event                            next
    // FRESH     a lost connection                FRESH: the request as it was, after a while
    // FRESH     a part of the snapshot           FRESH: of half a snapshot nothing can be resumed
    // FRESH     any other message                KNOWN: its revision and incarnation
    // KNOWN     a message                        KNOWN: those of the message
    // KNOWN     a lost connection                KNOWN: what follows that revision, after a while
    // KNOWN     nothing can follow the revision  FRESH: another snapshot, if it began with one
    // any       any other error                  it is told, and the watch is over
    //
    // `request` is what the next call asks for. Of messages without news, bookmarks of a revision
    // that is known, only the first is handed out: they are heartbeats. All is of the one task that
    // waits for a message, and guarded by this where close() may come in between.

    private final Connection connection;
    private final Attempts attempts;
    private final Duration silence; // null for ever
    private final WatchEventsRequest first;
    private WatchEventsRequest request;
    private CallStream<WatchEventsResponse> call; // null between two calls
    private Task<Optional<WatchEventsResponse>> waiting;
    private boolean reached;
    private boolean known;
    private long revision;
    private boolean closed;

    EventWatch(Connection connection, WatchEventsRequest wanted) {
        this.connection = connection;
        Keepalive keepalive = connection.settings().keepalive();
        this.attempts = new Attempts(connection.settings(), "WatchEvents");
        this.request =
                wanted.hasHeartbeatInterval() || keepalive.isOff()
                        ? wanted
                        : wanted.toBuilder().setHeartbeatInterval(keepalive.heartbeat()).build();
        this.first = request;
        this.reached = connection.isMet();
        this.silence = silenceOf(request);
        call();
    }

    @Override
    public CompletableFuture<Optional<WatchEventsResponse>> nextAsync() {
        Task<Optional<WatchEventsResponse>> task = new Task<>();
        synchronized (this) {
            if (waiting != null && !waiting.isDone()) {
                throw new IllegalStateException("another caller waits for the next message");
            }
            waiting = task;
        }
        ask(task);
        task.whenComplete(
                (message, error) -> {
                    if (error != null && !(error instanceof HcsdException)) {
                        close(); // its owner has cancelled the wait
                    }
                });
        return task;
    }

    @Override
    public void close() {
        CallStream<?> present;
        Task<?> waiter;
        synchronized (this) {
            closed = true;
            present = call;
            waiter = waiting;
        }
        if (present != null) {
            present.close();
        }
        if (waiter != null) {
            waiter.cancel(true);
        }
    }

    private Duration silenceOf(WatchEventsRequest request) {
        Keepalive keepalive = connection.settings().keepalive();
        if (keepalive.isOff() || !request.hasHeartbeatInterval()) {
            return null;
        }
        com.google.protobuf.Duration asked = request.getHeartbeatInterval();
        Duration interval = Duration.ofSeconds(asked.getSeconds(), asked.getNanos());
        return Durations.longer(keepalive.silence(), interval.multipliedBy(2));
    }

    private synchronized CallStream<WatchEventsResponse> call() {
        if (call == null) {
            call =
                    new CallStream<>(
                            connection,
                            EventServiceGrpc.getWatchEventsMethod(),
                            request,
                            Limit.NONE,
                            silence);
            if (closed) {
                call.close();
            }
        }
        return call;
    }

    private void ask(Task<Optional<WatchEventsResponse>> task) {
        task.after(call().nextAsync(), (message, error) -> take(task, message, error));
    }

    private void take(
            Task<Optional<WatchEventsResponse>> task,
            Optional<WatchEventsResponse> message,
            Throwable error) {
        if (error instanceof HcsdException.Unavailable lost
                && (reached || !(error instanceof HcsdException.DaemonUnreachable))) {
            reached = true;
            resume(task, lost);
        } else if (known && first.getSendSnapshot() && isNoWayOn(error)) {
            attempts.succeeded(); // the daemon is there
            synchronized (this) {
                call = null;
                known = false;
                request = first;
            }
            ask(task);
        } else if (error != null || message.isEmpty()) {
            task.settle(message, error);
        } else {
            reached = true;
            attempts.succeeded();
            if (isNews(message.get())) {
                note(message.get());
                task.settle(message, null);
            } else {
                ask(task);
            }
        }
    }

    /** Returns whether nothing can follow what was handed out. */
    private static boolean isNoWayOn(Throwable error) {
        return error instanceof HcsdException.DaemonRestarted
                || error instanceof HcsdException.RevisionCompacted
                || error instanceof HcsdException.SubscriberStalled;
    }

    private void resume(Task<Optional<WatchEventsResponse>> task, HcsdException.Unavailable error) {
        synchronized (this) {
            call = null;
        }
        attempts.again(
                task,
                error,
                () -> {
                    if (known) {
                        connection
                                .settings()
                                .journal()
                                .resuming("WatchEvents", "after revision " + revision);
                    }
                    ask(task);
                });
    }

    /** Returns whether a message says what was not handed out before. */
    private boolean isNews(WatchEventsResponse message) {
        return switch (message.getItemCase()) {
            case EVENT -> !known || message.getEvent().getRevision() > revision;
            case BOOKMARK -> !known || message.getBookmark().getRevision() > revision;
            default -> true;
        };
    }

    private void note(WatchEventsResponse message) {
        switch (message.getItemCase()) {
            case EVENT ->
                    goOnAfter(
                            message.getEvent().getRevision(), message.getEvent().getIncarnation());
            case BOOKMARK ->
                    goOnAfter(
                            message.getBookmark().getRevision(),
                            message.getBookmark().getIncarnation());
            case SNAPSHOT -> {
                if (message.getSnapshot().getComplete()) {
                    goOnAfter(
                            message.getSnapshot().getRevision(),
                            message.getSnapshot().getIncarnation());
                }
            }
            case ITEM_NOT_SET -> {}
        }
    }

    private void goOnAfter(long revision, String incarnation) {
        this.revision = revision;
        known = true;
        request =
                request.toBuilder()
                        .clearSendSnapshot()
                        .setAfterRevision(revision)
                        .setIncarnation(incarnation)
                        .build();
    }
}

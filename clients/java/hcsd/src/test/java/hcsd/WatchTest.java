package hcsd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import hcsd.v1.Event;
import hcsd.v1.EventBookmark;
import hcsd.v1.EventSnapshot;
import hcsd.v1.WatchEventsRequest;
import hcsd.v1.WatchEventsResponse;
import io.grpc.Status.Code;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Watching across lost connections. */
@Timeout(60)
class WatchTest {
    private ScriptedDaemon daemon;
    private HcsdClient client;

    @BeforeEach
    void start() throws Exception {
        daemon = new ScriptedDaemon();
        client = daemon.client(3);
    }

    @AfterEach
    void stop() throws Exception {
        client.close();
        daemon.stop();
    }

    @Test
    void itGoesOnAfterTheLastMessage() throws Exception {
        tell(bookmark(4), event(5));
        tell(bookmark(5), event(5), event(6));
        tell(bookmark(6), bookmark(9));
        tell(bookmark(9), event(10));
        try (MessageStream<WatchEventsResponse> watch = watch(false)) {
            assertEquals(bookmark(4), watch.next());
            assertEquals(event(5), watch.next());
            assertEquals(event(6), watch.next());
            assertEquals(bookmark(9), watch.next());
            assertEquals(event(10), watch.next());
        }
        WatchEventsRequest first = asked();
        assertEquals(20, first.getHeartbeatInterval().getSeconds());
        for (long revision : new long[] {5, 6, 9}) {
            WatchEventsRequest next = asked();
            assertEquals(revision, next.getAfterRevision());
            assertEquals("boot", next.getIncarnation());
        }
    }

    @Test
    void halfASnapshotIsAskedForAnew() {
        tell(snapshot(3, false));
        tell(snapshot(4, false), snapshot(4, true));
        tell(event(5));
        try (MessageStream<WatchEventsResponse> watch = watch(true)) {
            assertEquals(snapshot(3, false), watch.next());
            assertEquals(snapshot(4, false), watch.next());
            assertEquals(snapshot(4, true), watch.next());
            assertEquals(event(5), watch.next());
        }
        assertTrue(daemon.received.removeIf(WatchTest::asksForASnapshot));
        assertEquals(1, daemon.received.size());
    }

    @Test
    void anotherSnapshotComesWhereNothingCanFollow() throws Exception {
        tell(snapshot(3, true));
        refuse(Code.OUT_OF_RANGE, "REVISION_COMPACTED");
        tell(snapshot(2, true), event(3));
        refuse(Code.ABORTED, "SUBSCRIBER_STALLED");
        refuse(Code.ABORTED, "SUBSCRIBER_STALLED");
        try (MessageStream<WatchEventsResponse> watch = watch(true)) {
            assertEquals(snapshot(3, true), watch.next());
            assertEquals(snapshot(2, true), watch.next());
            assertEquals(event(3), watch.next());
            assertThrows(HcsdException.SubscriberStalled.class, watch::next);
        }
        for (boolean asksForASnapshot : new boolean[] {true, false, true, false, true}) {
            assertEquals(asksForASnapshot, asksForASnapshot(asked()));
        }
    }

    @Test
    void whatTheDaemonSaysIsTold() {
        tell(event(5));
        refuse(Code.OUT_OF_RANGE, "REVISION_COMPACTED");
        try (MessageStream<WatchEventsResponse> watch = watch(false)) {
            watch.next();
            assertThrows(HcsdException.RevisionCompacted.class, watch::next);
            assertThrows(HcsdException.RevisionCompacted.class, watch::next);
        }
    }

    @Test
    void itMayBeClosedWhileSomebodyWaits() throws Exception {
        MessageStream<WatchEventsResponse> watch = watch(false);
        CompletableFuture<?> waiting = watch.nextAsync();
        asked();
        watch.close();
        assertThrows(CancellationException.class, waiting::join);
        assertThrows(CancellationException.class, watch::next);
    }

    /** Has the next call tell this, and break then. */
    private void tell(WatchEventsResponse... messages) {
        daemon.watches.add(
                call -> {
                    for (WatchEventsResponse message : messages) {
                        call.onNext(message);
                    }
                    call.onError(ScriptedDaemon.unavailable());
                });
    }

    /** Has the next call end with this. */
    private void refuse(Code code, String reason) {
        daemon.watches.add(call -> call.onError(ScriptedDaemon.failure(code, reason)));
    }

    private MessageStream<WatchEventsResponse> watch(boolean snapshot) {
        return client.watchEvents(
                WatchEventsRequest.newBuilder().setSendSnapshot(snapshot).build());
    }

    private WatchEventsRequest asked() throws Exception {
        return assertInstanceOf(WatchEventsRequest.class, daemon.received.take());
    }

    private static boolean asksForASnapshot(Object request) {
        return request instanceof WatchEventsRequest watch && watch.getSendSnapshot();
    }

    private static WatchEventsResponse event(long revision) {
        return WatchEventsResponse.newBuilder()
                .setEvent(Event.newBuilder().setRevision(revision).setIncarnation("boot"))
                .build();
    }

    private static WatchEventsResponse bookmark(long revision) {
        return WatchEventsResponse.newBuilder()
                .setBookmark(
                        EventBookmark.newBuilder().setRevision(revision).setIncarnation("boot"))
                .build();
    }

    private static WatchEventsResponse snapshot(long revision, boolean complete) {
        return WatchEventsResponse.newBuilder()
                .setSnapshot(
                        EventSnapshot.newBuilder()
                                .setRevision(revision)
                                .setIncarnation("boot")
                                .setComplete(complete))
                .build();
    }
}

use std::sync::Mutex;

use super::server::{Script, Server};
use crate::{
    ErrorKind,
    v1::{Event, EventBookmark, EventSnapshot, WatchEventsRequest, watch_events_response::Item},
};

fn event(revision: u64) -> Item {
    Item::Event(Event { revision, incarnation: "I".to_owned(), ..Event::default() })
}

fn bookmark(revision: u64) -> Item {
    Item::Bookmark(EventBookmark { revision, incarnation: "I".to_owned() })
}

fn snapshot(revision: u64, complete: bool) -> Item {
    let incarnation = "I".to_owned();
    Item::Snapshot(EventSnapshot { revision, incarnation, complete, ..EventSnapshot::default() })
}

/// Watches what calls give one after the other, until the daemon has compacted its events.
async fn watch(
    request: WatchEventsRequest,
    calls: Vec<Vec<Item>>,
) -> (Vec<Item>, Vec<WatchEventsRequest>) {
    let watches = Mutex::new(calls.into());
    let server = Server::start(Script { watches, ..Script::default() }).await;
    let mut events = server.client(1).await.watch_events(request);
    let mut found = Vec::new();
    let error = loop {
        match events.message().await {
            Ok(message) => found.push(message.unwrap().item.unwrap()),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::RevisionCompacted);
    assert_eq!(events.message().await.unwrap(), None);
    (found, server.script.watched.lock().unwrap().clone())
}

#[tokio::test]
async fn watching_goes_on_after_the_last_revision_without_holes_and_doubles() {
    let calls = vec![
        vec![bookmark(3), event(4)],
        vec![bookmark(4), event(4), event(5), bookmark(8)],
        vec![event(9)],
    ];
    let (found, asked) = watch(WatchEventsRequest::default(), calls).await;
    assert_eq!(found, [bookmark(3), event(4), event(5), bookmark(8), event(9)]);
    let after: Vec<_> = asked.iter().map(|asked| asked.after_revision).collect();
    assert_eq!(after, [None, Some(4), Some(8), Some(9)]);
    let of: Vec<_> = asked.iter().map(|asked| asked.incarnation.as_str()).collect();
    assert_eq!(of, ["", "I", "I", "I"]);
    assert!(asked.iter().all(|asked| asked.heartbeat_interval.unwrap().seconds == 20));
}

#[tokio::test]
async fn a_snapshot_is_asked_for_anew_if_it_broke_and_where_nothing_can_follow() {
    let request = WatchEventsRequest { send_snapshot: true, ..WatchEventsRequest::default() };
    let calls = vec![
        vec![snapshot(7, false)],
        vec![snapshot(9, false), snapshot(9, true), event(10)],
        vec![bookmark(10)],
    ];
    let (found, asked) = watch(request, calls).await;
    let parts = [snapshot(7, false), snapshot(9, false), snapshot(9, true), event(10)];
    assert_eq!(found, parts);
    let asked: Vec<_> =
        asked.iter().map(|asked| (asked.send_snapshot, asked.after_revision)).collect();
    let resumed = (false, Some(10));
    assert_eq!(asked, [(true, None), (true, None), resumed, resumed, (true, None)]);
}

#[tokio::test]
async fn a_program_that_wants_bookmarks_gets_them_all() {
    let heartbeat_interval = Some(prost_types::Duration { seconds: 3600, nanos: 0 });
    let request = WatchEventsRequest { heartbeat_interval, ..WatchEventsRequest::default() };
    let (found, asked) = watch(request, vec![vec![bookmark(3), bookmark(3)]]).await;
    assert_eq!(found, [bookmark(3), bookmark(3)]);
    // Their silence must not be taken for a lost connection.
    assert_eq!(asked[0].heartbeat_interval.unwrap().seconds, 20);
}

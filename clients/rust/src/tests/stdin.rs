use tokio::select;

use super::server::{Script, Server};

#[tokio::test]
async fn after_a_write_that_was_dropped_the_next_goes_on_where_the_pipe_is() {
    let server = Server::start(Script::default()).await;
    let process = server.client(12).await.create(["cat"]).await.unwrap();
    select! {
        _ = process.stdin().write(b"hello") => panic!("it is never answered"),
        () = server.script.writing.notified() => {}
    }
    process.stdin().close().await.unwrap();
    let writes = server.script.writes.lock().unwrap().clone();
    let asked = (0, Vec::new(), false);
    assert_eq!(writes, [(0, b"hello".to_vec(), false), asked, (3, Vec::new(), true)]);
}

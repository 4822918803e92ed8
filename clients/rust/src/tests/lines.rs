use std::sync::Mutex;

use super::server::{Script, Server};
use crate::v1::{
    OutputChunk, OutputCursor, OutputEof, OutputStarted, OutputStream, output_cursor::Position,
    read_output_response::Event,
};

const STDOUT: i32 = OutputStream::Stdout as i32;
const STDERR: i32 = OutputStream::Stderr as i32;

fn cursors(stdout: u64, stderr: u64) -> Vec<OutputCursor> {
    let at = |stream, offset| OutputCursor { stream, position: Some(Position::Offset(offset)) };
    vec![at(STDOUT, stdout), at(STDERR, stderr)]
}

fn started(stdout: u64, stderr: u64) -> Event {
    let process = Some(Script::default().process());
    Event::Started(OutputStarted { process, cursors: cursors(stdout, stderr) })
}

fn chunk(stream: i32, offset: u64, data: &'static str) -> Event {
    Event::Chunk(OutputChunk { stream, offset, data: data.into(), ..OutputChunk::default() })
}

fn eof(stream: i32) -> Event {
    Event::Eof(OutputEof { stream, ..OutputEof::default() })
}

#[tokio::test]
async fn lines_of_both_outputs_go_on_after_a_cut_in_the_midst_of_them() {
    let first =
        vec![started(10, 0), chunk(STDOUT, 10, "one\nth"), chunk(STDERR, 0, "two\n"), eof(STDERR)];
    let second = vec![started(16, 4), eof(STDERR), chunk(STDOUT, 16, "ree"), eof(STDOUT)];
    let reads = Mutex::new([first, second].into());
    let server = Server::start(Script { reads, ..Script::default() }).await;
    let process = server.client(1).await.create(["x"]).await.unwrap();
    let mut lines = process.lines().last(3);
    let mut found = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        found.push((line.stream, line.text));
    }
    let wanted = [
        (OutputStream::Stdout, "one"),
        (OutputStream::Stderr, "two"),
        (OutputStream::Stdout, "three"),
    ];
    assert_eq!(found, wanted.map(|(stream, text)| (stream, text.to_owned())));
    assert_eq!(lines.next_line().await.unwrap(), None);
    let read = server.script.read.lock().unwrap().clone();
    let asked: Vec<_> =
        read.into_iter().map(|request| (request.cursors, request.last_lines)).collect();
    assert_eq!(asked, [(cursors(0, 0), Some(3)), (cursors(16, 4), None)]);
}

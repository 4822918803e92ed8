//! The calls of one reader of an output.
//!
//! A reader has a position, and at most one call.
//!
//! | call     | event                                  | next                                          |
//! |----------|----------------------------------------|-----------------------------------------------|
//! | none     | more is asked for                      | reading: `ReadOutput` at the position         |
//! | reading  | a chunk                                | reading, with the position behind the chunk   |
//! | reading  | the end of the stream                  | none, and over                                |
//! | reading  | the daemon is out of reach             | none; after a while, another call             |
//! | reading  | stalled, after it gave something       | none; at once another call                    |
//! | reading  | any other error                        | none; the error is handed out                 |

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    ErrorKind, Result,
    calls::Calls,
    listening::Listening,
    process::check_same,
    retry::Attempts,
    v1::{
        GapPolicy, OutputCursor, Process, ReadOutputRequest, ReadOutputResponse, output_cursor,
        read_output_response::Event,
    },
};

/// What a message means to who reads one stream.
pub(crate) enum News {
    Started { offset: u64 },
    Chunk(Bytes),
    Gap { bytes: u64, to_offset: u64 },
    End { forced: bool },
}

/// The calls of a reader; see the head of the module.
pub(crate) struct Reader {
    calls: Calls,
    process: Arc<Process>,
    cursor: OutputCursor, // behind what was received
    pub(crate) gap_policy: GapPolicy,
    attempts: Attempts,
    call: Option<Listening<ReadOutputResponse>>,
    moved: bool, // the present call gave bytes
}

impl Reader {
    pub(crate) fn new(calls: Calls, process: Arc<Process>, cursor: OutputCursor) -> Self {
        let attempts = calls.attempts("ReadOutput");
        let gap_policy = GapPolicy::Fail;
        Self { calls, process, cursor, gap_policy, attempts, call: None, moved: false }
    }

    pub(crate) async fn next(&mut self) -> Result<News> {
        loop {
            let failure = match self.message().await {
                Ok(message) => {
                    self.attempts.succeeded();
                    match self.news(message) {
                        Ok(Some(news)) => return Ok(news),
                        Ok(None) => continue,
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            self.call = None;
            let moved = std::mem::take(&mut self.moved);
            if failure.is_passing() {
                self.attempts.failed(failure).await?;
            } else if failure.kind() != ErrorKind::SubscriberStalled || !moved {
                return Err(failure); // of a call that gave nothing another one would give nothing, either
            }
        }
    }

    async fn message(&mut self) -> Result<ReadOutputResponse> {
        let call = match &mut self.call {
            Some(call) => call,
            none => {
                let request = ReadOutputRequest {
                    name: self.process.name.clone(),
                    cursors: vec![self.cursor],
                    follow: true,
                    gap_policy: self.gap_policy.into(),
                    max_chunk_bytes: 0,
                    heartbeat_interval: self.calls.keepalive.heartbeat_interval(),
                };
                let mut stub = self.calls.processes();
                none.insert(Listening::begin(&self.calls, stub.read_output(request)).await?)
            }
        };
        call.message().await
    }

    /// Notes a message, and says what is new in it; nothing in what this version does not know.
    fn news(&mut self, message: ReadOutputResponse) -> Result<Option<News>> {
        Ok(match message.event {
            Some(Event::Started(started)) => {
                check_same(&self.process, &started.process.unwrap_or_default())?;
                let position = started.cursors.first().and_then(|cursor| cursor.position);
                let Some(output_cursor::Position::Offset(offset)) = position else {
                    return Ok(None);
                };
                self.go_to(offset);
                Some(News::Started { offset })
            }
            Some(Event::Chunk(chunk)) => {
                self.moved = true;
                self.go_to(chunk.offset + chunk.data.len() as u64);
                Some(News::Chunk(chunk.data))
            }
            Some(Event::Gap(gap)) => {
                self.moved = true;
                self.go_to(gap.to_offset);
                let bytes = gap.to_offset.saturating_sub(gap.from_offset);
                Some(News::Gap { bytes, to_offset: gap.to_offset })
            }
            Some(Event::Eof(eof)) => {
                self.call = None;
                Some(News::End { forced: eof.forced })
            }
            Some(Event::End(_)) => {
                self.call = None;
                Some(News::End { forced: false })
            }
            Some(Event::Exit(_) | Event::Heartbeat(_)) | None => None,
        })
    }

    fn go_to(&mut self, offset: u64) {
        self.cursor.position = Some(output_cursor::Position::Offset(offset));
    }
}

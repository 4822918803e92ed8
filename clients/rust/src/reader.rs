//! The calls of one reader, of one output or of both.
//!
//! A reader has a position in each stream that it reads, and at most one call.
//!
//! | call     | event                                  | next                                          |
//! |----------|----------------------------------------|-----------------------------------------------|
//! | none     | more is asked for                      | reading: `ReadOutput` at the positions        |
//! | reading  | a chunk                                | reading, with its position behind the chunk   |
//! | reading  | the end of all streams                 | none, and over                                |
//! | reading  | the daemon is out of reach             | none; after a while, another call             |
//! | reading  | stalled, after it gave something       | none; at once another call                    |
//! | reading  | any other error                        | none; the error is handed out                 |

use std::sync::Arc;

use prost_types::Timestamp;

use crate::{
    ErrorKind, Result,
    calls::Calls,
    listening::Listening,
    process::check_same,
    retry::Attempts,
    v1::{
        GapPolicy, OutputChunk, OutputCursor, OutputEof, OutputGap, Process, ReadOutputRequest,
        ReadOutputResponse, output_cursor, read_output_response::Event,
    },
};

/// What a message means to who reads.
pub(crate) enum News {
    /// The position in the first stream is known.
    Started {
        offset: u64,
    },
    Chunk(OutputChunk),
    Gap(OutputGap),
    Eof(OutputEof),
    /// Of all streams.
    End,
}

/// The calls of a reader; see the head of the module.
pub(crate) struct Reader {
    calls: Calls,
    process: Arc<Process>,
    cursors: Vec<OutputCursor>, // behind what was received
    ended: Vec<i32>,            // streams whose end was told
    pub(crate) gap_policy: GapPolicy,
    pub(crate) timestamps: bool,
    /// How many lines to begin with. They are counted once.
    pub(crate) last_lines: Option<u32>,
    /// What was read before is left out. It is looked up once.
    pub(crate) since: Option<Timestamp>,
    attempts: Attempts,
    call: Option<Listening<ReadOutputResponse>>,
    moved: bool, // the present call gave bytes
}

impl Reader {
    pub(crate) fn new(calls: Calls, process: Arc<Process>, cursors: Vec<OutputCursor>) -> Self {
        let attempts = calls.attempts("ReadOutput");
        Self {
            calls,
            process,
            cursors,
            ended: Vec::new(),
            gap_policy: GapPolicy::Fail,
            timestamps: false,
            last_lines: None,
            since: None,
            attempts,
            call: None,
            moved: false,
        }
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
                    cursors: self.cursors.clone(),
                    follow: true,
                    gap_policy: self.gap_policy.into(),
                    heartbeat_interval: self.calls.keepalive.heartbeat_interval(),
                    timestamps: self.timestamps,
                    last_lines: self.last_lines,
                    since: self.since,
                    ..ReadOutputRequest::default()
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
                let mut first = None;
                for OutputCursor { stream, position } in started.cursors {
                    if let Some(output_cursor::Position::Offset(offset)) = position {
                        self.go_to(stream, offset);
                        first = first.or(Some(offset));
                    }
                }
                let Some(offset) = first else { return Ok(None) };
                self.last_lines = None;
                self.since = None;
                Some(News::Started { offset })
            }
            Some(Event::Chunk(chunk)) => {
                self.moved = true;
                self.go_to(chunk.stream, chunk.offset + chunk.data.len() as u64);
                Some(News::Chunk(chunk))
            }
            Some(Event::Gap(gap)) => {
                self.moved = true;
                self.go_to(gap.stream, gap.to_offset);
                Some(News::Gap(gap))
            }
            Some(Event::Eof(eof)) => {
                if !self.ended.contains(&eof.stream) {
                    self.ended.push(eof.stream);
                }
                if self.ended.len() == self.cursors.len() {
                    self.call = None;
                }
                Some(News::Eof(eof))
            }
            Some(Event::End(_)) => {
                self.call = None;
                Some(News::End)
            }
            Some(Event::Exit(_) | Event::Heartbeat(_)) | None => None,
        })
    }

    fn go_to(&mut self, stream: i32, offset: u64) {
        if let Some(cursor) = self.cursors.iter_mut().find(|cursor| cursor.stream == stream) {
            cursor.position = Some(output_cursor::Position::Offset(offset));
        }
    }
}

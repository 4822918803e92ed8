//! An output of a process, as a stream of bytes that survives lost connections.
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
//!
//! A chunk is handed out by whoever waits first after it has come, so a wait that is dropped loses
//! nothing (see `steps`), and no byte is asked for twice that has come already.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use futures_core::Stream;
use tokio::io::{AsyncRead, ReadBuf};
use tonic::Streaming;

use crate::{
    ErrorKind, Result,
    calls::Calls,
    process::check_same,
    retry::Attempts,
    steps::Steps,
    v1::{
        GapPolicy, OutputCursor, OutputStream, Process, ReadOutputRequest, ReadOutputResponse,
        output_cursor, read_output_response::Event,
    },
};

/// Where to begin to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Position {
    /// At so many bytes from the start of the stream.
    Offset(u64),
    /// At so many bytes before its present end, or as many as there are.
    LastBytes(u64),
}

impl Position {
    /// The first byte of the stream.
    pub const START: Self = Self::Offset(0);
}

/// What a process writes to one of its streams: a `Stream` of pieces, and an `AsyncRead`.
///
/// It follows the stream until its end. A lost connection shows only as a pause: reading goes on at the
/// byte where it stopped, within the bounds of [`Retry`](crate::Retry). So it does after an error, and
/// after a program has paused for longer than the daemon waits for it.
///
/// Dropping it ends the call and changes nothing else. While it is kept and not read, a process with
/// [`OverflowPolicy::Block`](crate::v1::OverflowPolicy::Block) waits for it.
///
/// Cancel safety: any wait may be dropped; no byte is lost or comes twice.
///
/// # Errors
///
/// [`ErrorKind::OutputEvicted`]: bytes are gone that were not read in time, and
/// [`skip_gaps`](Self::skip_gaps) is off. [`ErrorKind::NotFound`]: the process was deleted. And those of
/// every method of [`Process`](crate::Process).
pub struct Output {
    steps: Steps<Reader, Result<News>>,
    offset: Option<u64>,
    rest: Bytes, // received, and not yet handed out
    skipped: u64,
    forced: bool,
    ended: bool,
}

impl Output {
    pub(crate) fn new(
        calls: Calls,
        process: Arc<Process>,
        stream: OutputStream,
        from: Position,
    ) -> Self {
        let (offset, position) = match from {
            Position::Offset(offset) => (Some(offset), output_cursor::Position::Offset(offset)),
            Position::LastBytes(count) => (None, output_cursor::Position::LastBytes(count)),
        };
        let attempts = Attempts::new(calls.retry);
        let reader = Reader {
            calls,
            process,
            cursor: OutputCursor { stream: stream.into(), position: Some(position) },
            gap_policy: GapPolicy::Fail,
            attempts,
            call: None,
            moved: false,
        };
        Self {
            steps: Steps::new(reader, |mut reader| {
                Box::pin(async move {
                    let news = reader.next().await;
                    (reader, news)
                })
            }),
            offset,
            rest: Bytes::new(),
            skipped: 0,
            forced: false,
            ended: false,
        }
    }

    /// Sets whether to go on behind bytes that are gone, and count them, rather than fail. To be said
    /// before reading.
    #[must_use]
    pub fn skip_gaps(mut self, skip: bool) -> Self {
        if let Some(reader) = self.steps.idle() {
            reader.gap_policy = if skip { GapPolicy::Report } else { GapPolicy::Fail };
        }
        self
    }

    /// Offset of the next byte, from the start of the stream. None until it is known: a stream that is
    /// read from its tail tells it with the first bytes.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        self.offset
    }

    /// How many bytes were gone, with [`skip_gaps`](Self::skip_gaps).
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Whether the daemon ended the stream, since a descendant of the process kept it open.
    #[must_use]
    pub fn forced(&self) -> bool {
        self.forced
    }

    /// Returns the next bytes, at least one, or none at the end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        std::future::poll_fn(|cx| self.poll_chunk(cx)).await.transpose()
    }

    /// Returns all that is left, when the stream has ended.
    ///
    /// Cancel safety: what was read so far is lost to the caller; with a new reader it can be read again,
    /// as far as the daemon keeps it.
    pub async fn read_all(&mut self) -> Result<Vec<u8>> {
        let mut data = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            data.extend_from_slice(&chunk);
        }
        Ok(data)
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        if let Err(error) = ready!(self.poll_fill(cx)) {
            return Poll::Ready(Some(Err(error)));
        }
        let data = std::mem::take(&mut self.rest);
        if data.is_empty() {
            return Poll::Ready(None);
        }
        self.advance(data.len());
        Poll::Ready(Some(Ok(data)))
    }

    /// Waits until there is a rest, or the stream has ended.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while self.rest.is_empty() && !self.ended {
            match ready!(self.steps.poll_step(cx))? {
                News::Started { offset } => self.offset = Some(offset),
                News::Chunk(data) => self.rest = data,
                News::Gap { bytes, to_offset } => {
                    self.skipped += bytes;
                    self.offset = Some(to_offset);
                }
                News::End { forced } => {
                    self.forced = forced;
                    self.ended = true;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, count: usize) {
        self.offset = Some(self.offset.unwrap_or(0) + count as u64);
    }
}

impl Stream for Output {
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_chunk(cx)
    }
}

/// An error is an `io::Error` around an [`Error`](crate::Error).
impl AsyncRead for Output {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let output = self.get_mut();
        ready!(output.poll_fill(cx)).map_err(io::Error::from)?;
        let count = output.rest.len().min(buffer.remaining());
        buffer.put_slice(&output.rest[..count]);
        output.rest.advance(count);
        output.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("offset", &self.offset)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// What a message means to who reads one stream.
enum News {
    Started { offset: u64 },
    Chunk(Bytes),
    Gap { bytes: u64, to_offset: u64 },
    End { forced: bool },
}

/// The calls of a reader; see the head of the module.
struct Reader {
    calls: Calls,
    process: Arc<Process>,
    cursor: OutputCursor, // behind what was received
    gap_policy: GapPolicy,
    attempts: Attempts,
    call: Option<Streaming<ReadOutputResponse>>,
    moved: bool, // the present call gave bytes
}

impl Reader {
    async fn next(&mut self) -> Result<News> {
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
            if failure.is_unavailable() {
                self.attempts.failed(failure).await?;
            } else if failure.kind() != ErrorKind::SubscriberStalled || !moved {
                return Err(failure); // of a call that gave nothing another one would give nothing, either
            }
        }
    }

    async fn message(&mut self) -> Result<Option<ReadOutputResponse>> {
        let call = match &mut self.call {
            Some(call) => call,
            none => {
                let request = ReadOutputRequest {
                    name: self.process.name.clone(),
                    cursors: vec![self.cursor],
                    follow: true,
                    gap_policy: self.gap_policy.into(),
                    max_chunk_bytes: 0,
                };
                let mut stub = self.calls.processes();
                none.insert(self.calls.answer(stub.read_output(request)).await?.into_inner())
            }
        };
        self.calls.answer(call.message()).await
    }

    /// Notes a message, and says what is new in it; nothing in what this version does not know.
    fn news(&mut self, message: Option<ReadOutputResponse>) -> Result<Option<News>> {
        let Some(message) = message else {
            self.call = None;
            return Ok(Some(News::End { forced: false }));
        };
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
            Some(Event::Exit(_)) | None => None,
        })
    }

    fn go_to(&mut self, offset: u64) {
        self.cursor.position = Some(output_cursor::Position::Offset(offset));
    }
}

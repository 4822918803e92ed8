//! An output of a process, as a stream of bytes that survives lost connections.
//!
//! A chunk is handed out by whoever waits first after it has come, so a wait that is dropped loses
//! nothing (see `steps`), and no byte is asked for twice that has come already (see `reader`).

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use futures_core::Stream;
use tokio::io::{AsyncRead, ReadBuf};

use crate::{
    Result,
    calls::Calls,
    reader::{News, Reader},
    steps::Steps,
    v1::{GapPolicy, OutputCursor, OutputStream, Process, output_cursor},
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
/// [`OutputEvicted`](crate::ErrorKind::OutputEvicted): bytes are gone that were not read in time, and
/// [`skip_gaps`](Self::skip_gaps) is off. [`NotFound`](crate::ErrorKind::NotFound): the process was deleted. And those of
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
        let cursor = OutputCursor { stream: stream.into(), position: Some(position) };
        let reader = Reader::new(calls, process, vec![cursor]);
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
                News::Chunk(chunk) => self.rest = chunk.data,
                News::Gap(gap) => {
                    self.skipped += gap.to_offset.saturating_sub(gap.from_offset);
                    self.offset = Some(gap.to_offset);
                }
                News::Eof(eof) => {
                    self.forced = eof.forced;
                    self.ended = true;
                }
                News::End => self.ended = true,
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

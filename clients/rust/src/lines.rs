//! Output as lines of text.
//!
//! | state | event                                  | next                                          |
//! |-------|----------------------------------------|-----------------------------------------------|
//! | Empty | bytes without a line end               | Begun: they are kept                          |
//! | Begun | bytes without a line end               | Begun, unless they are too many for a line    |
//! | any   | a line end                             | Empty; the line is handed out, without it     |
//! | Begun | the end, a gap, too many bytes         | Empty; what there is of the line is handed out |
//!
//! A line is decoded by itself, so a byte that is wrong spoils one line.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::SystemTime,
};

use futures_core::Stream;

use crate::{
    Result,
    calls::Calls,
    reader::{News, Reader},
    steps::Steps,
    v1::{GapPolicy, OutputCursor, OutputStream, Process, output_cursor::Position},
};

/// In bytes; a longer line comes in pieces.
const LONGEST: usize = 1024 * 1024;

/// A line that a process has written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// To which stream.
    pub stream: OutputStream,
    /// The line without its end, `\n` or `\r\n`. What is no UTF-8 is U+FFFD.
    pub text: String,
    /// When the daemon read its first byte.
    pub time: SystemTime,
}

/// The lines of both outputs of a process, in the order in which the daemon read them: a `Stream`, as
/// [`Process::lines`](crate::Process::lines) returns it.
///
/// It begins with the oldest line that is kept, and ends with both outputs. The last line need not have
/// an end, and a line over 1 MiB comes in pieces. A lost connection shows only as a pause, as with an
/// [`Output`](crate::Output). It is a reader of its own: a process of
/// [`Client::run`](crate::Client::run) waits for it.
///
/// For the lines of one output, give the `AsyncRead` that it is to `tokio::io::BufReader`.
///
/// Cancel safety: any wait may be dropped; no line is lost or comes twice.
///
/// # Errors
///
/// Those of an [`Output`](crate::Output).
pub struct Lines {
    steps: Steps<Reader, Result<News>>,
    cutters: [Cutter; 2],
    ready: VecDeque<Line>,
    ended: bool,
}

impl Lines {
    pub(crate) fn new(calls: Calls, process: Arc<Process>) -> Self {
        let streams = [OutputStream::Stdout, OutputStream::Stderr];
        let start = |stream: OutputStream| OutputCursor {
            stream: stream.into(),
            position: Some(Position::Offset(0)),
        };
        let mut reader = Reader::new(calls, process, streams.map(start).into());
        reader.timestamps = true;
        Self {
            steps: Steps::new(reader, |mut reader| {
                Box::pin(async move {
                    let news = reader.next().await;
                    (reader, news)
                })
            }),
            cutters: streams.map(Cutter::new),
            ready: VecDeque::new(),
            ended: false,
        }
    }

    /// Begins with so many of the last lines, over both outputs. To be said before reading. What goes
    /// missing in between is skipped then.
    #[must_use]
    pub fn last(mut self, count: u32) -> Self {
        if let Some(reader) = self.steps.idle() {
            reader.last_lines = Some(count);
            reader.gap_policy = GapPolicy::Report; // older lines may be gone
        }
        self
    }

    /// Leaves out what the daemon has read before this time. To be said before reading. What goes
    /// missing in between is skipped then.
    #[must_use]
    pub fn since(mut self, time: SystemTime) -> Self {
        if let Some(reader) = self.steps.idle() {
            reader.since = Some(time.into());
            reader.gap_policy = GapPolicy::Report;
        }
        self
    }

    /// Returns the next line, or none at the end.
    pub async fn next_line(&mut self) -> Result<Option<Line>> {
        std::future::poll_fn(|cx| self.poll_line(cx)).await.transpose()
    }

    fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Line>>> {
        while self.ready.is_empty() && !self.ended {
            match ready!(self.steps.poll_step(cx)) {
                Ok(news) => self.take(news),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        Poll::Ready(self.ready.pop_front().map(Ok))
    }

    fn take(&mut self, news: News) {
        match news {
            News::Started { .. } => {}
            News::Chunk(chunk) => {
                let time = chunk.read_time.and_then(|time| time.try_into().ok());
                let time = time.unwrap_or(SystemTime::UNIX_EPOCH);
                self.cut(chunk.stream, |cutter, ready| cutter.cut(&chunk.data, time, ready));
            }
            News::Gap(gap) => self.cut(gap.stream, Cutter::finish),
            News::Eof(eof) => {
                self.cut(eof.stream, |cutter, ready| {
                    cutter.finish(ready);
                    cutter.ended = true;
                });
                self.ended = self.cutters.iter().all(|cutter| cutter.ended);
            }
            News::End => {
                self.cutters.iter_mut().for_each(|cutter| cutter.finish(&mut self.ready));
                self.ended = true;
            }
        }
    }

    fn cut(&mut self, stream: i32, with: impl FnOnce(&mut Cutter, &mut VecDeque<Line>)) {
        if let Some(cutter) = self.cutters.iter_mut().find(|cutter| stream == cutter.stream as i32)
        {
            with(cutter, &mut self.ready);
        }
    }
}

impl Stream for Lines {
    type Item = Result<Line>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_line(cx)
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("ended", &self.ended).finish_non_exhaustive()
    }
}

/// Cuts one stream; see the head of the module.
struct Cutter {
    stream: OutputStream,
    begun: Vec<u8>,
    time: SystemTime, // of its first byte
    ended: bool,
}

impl Cutter {
    fn new(stream: OutputStream) -> Self {
        Self { stream, begun: Vec::new(), time: SystemTime::UNIX_EPOCH, ended: false }
    }

    fn cut(&mut self, data: &[u8], time: SystemTime, ready: &mut VecDeque<Line>) {
        for piece in data.split_inclusive(|byte| *byte == b'\n') {
            if self.begun.is_empty() {
                self.time = time;
            }
            let line = piece.strip_suffix(b"\n");
            self.begun.extend_from_slice(line.unwrap_or(piece));
            if line.is_some() || self.begun.len() >= LONGEST {
                self.hand_out(ready);
            }
        }
    }

    fn finish(&mut self, ready: &mut VecDeque<Line>) {
        if !self.begun.is_empty() {
            self.hand_out(ready);
        }
    }

    fn hand_out(&mut self, ready: &mut VecDeque<Line>) {
        let line = self.begun.strip_suffix(b"\r").unwrap_or(&self.begun);
        let text = String::from_utf8_lossy(line).into_owned();
        self.begun.clear();
        ready.push_back(Line { stream: self.stream, text, time: self.time });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn cut(pieces: &[&[u8]]) -> Vec<(String, u64)> {
        let (mut cutter, mut ready) = (Cutter::new(OutputStream::Stdout), VecDeque::new());
        for (number, piece) in pieces.iter().enumerate() {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(number as u64);
            cutter.cut(piece, time, &mut ready);
        }
        cutter.finish(&mut ready);
        let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        ready.into_iter().map(|line| (line.text, seconds(line.time).as_secs())).collect()
    }

    #[test]
    fn a_line_is_one_however_its_bytes_come_and_has_the_time_of_the_first() {
        let lines = cut(&[b"a", b"b\nc\r", b"\n\n", b"\xc3", b"\xa4\xff"]);
        let wanted = [("ab", 0), ("c", 1), ("", 2), ("\u{e4}\u{fffd}", 3)];
        assert_eq!(lines, wanted.map(|(text, second)| (text.to_owned(), second)));
    }

    #[test]
    fn a_line_that_is_too_long_comes_in_pieces() {
        let long = vec![b'x'; LONGEST + 1];
        let lines = cut(&[&long[..LONGEST - 1], &long[..2], b"y\n"]);
        let lengths: Vec<usize> = lines.iter().map(|(text, _)| text.len()).collect();
        assert_eq!(lengths, [LONGEST + 1, 1]);
    }
}

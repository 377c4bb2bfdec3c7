//! The agent's log: its newest lines, for read_logs.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use nix::poll::PollFlags;

use crate::{
    bell::Bell,
    conn::Conn,
    error::{Fault, Stop},
    proto::{LogEvent, LogLine, ReadLogsRequest, response::Event},
    sync::lock,
    wire::to_proto_timestamp,
};

/// What is kept, and what a line costs besides its text.
const CAPACITY: usize = 256 << 10;
const LINE: usize = 64;
const MAX_MESSAGE: usize = 4 << 10;
/// Lines that are sent by one write.
const BATCH: usize = 256;

pub static LOG: Log = Log::new();

/// How much a line matters, by its name on the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Level {
    Warn,
    Info,
    Debug,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }
}

pub struct Log(Mutex<Inner>);

struct Inner {
    lines: VecDeque<LogLine>,
    size: usize,
    /// Sequence number of the newest line.
    last: u64,
    followers: Vec<Arc<Bell>>,
}

impl Log {
    const fn new() -> Self {
        Self(Mutex::new(Inner { lines: VecDeque::new(), size: 0, last: 0, followers: Vec::new() }))
    }

    pub fn add(&self, level: Level, message: String) {
        self.add_event(level, LogEvent::Unspecified, "", message);
    }

    /// A line that programs understand too. The oldest lines make room.
    pub fn add_event(&self, level: Level, event: LogEvent, process_id: &str, mut message: String) {
        message.truncate(message.floor_char_boundary(MAX_MESSAGE));
        let mut inner = lock(&self.0);
        inner.last += 1;
        let line = LogLine {
            time: Some(to_proto_timestamp(SystemTime::now())),
            level: level.name().to_owned(),
            message,
            sequence: inner.last,
            event: event.into(),
            process_id: process_id.to_owned(),
        };
        inner.size += size_of_line(&line);
        inner.lines.push_back(line);
        while inner.size > CAPACITY
            && let Some(oldest) = inner.lines.pop_front()
        {
            inner.size -= size_of_line(&oldest);
        }
        inner.followers.iter().for_each(|bell| bell.ring());
    }

    /// The first lines from a sequence number on.
    fn from(&self, sequence: u64) -> Vec<LogLine> {
        let inner = lock(&self.0);
        let first = inner.lines.partition_point(|line| line.sequence < sequence);
        inner.lines.range(first..).take(BATCH).cloned().collect()
    }

    fn follow(&self) -> Result<Follower<'_>, Fault> {
        let bell = Arc::new(Bell::new()?);
        lock(&self.0).followers.push(bell.clone());
        Ok(Follower { log: self, bell })
    }
}

fn size_of_line(line: &LogLine) -> usize {
    LINE + line.message.len() + line.process_id.len()
}

/// One who waits for new lines; leaves when dropped.
struct Follower<'a> {
    log: &'a Log,
    bell: Arc<Bell>,
}

impl Drop for Follower<'_> {
    fn drop(&mut self) {
        lock(&self.log.0).followers.retain(|bell| !Arc::ptr_eq(bell, &self.bell));
    }
}

/// A host that reads slower than lines come misses the oldest; it sees that by their numbers.
pub fn read_logs(conn: &mut Conn, request: &ReadLogsRequest) -> Result<(), Stop> {
    let follower = request.follow.then(|| LOG.follow()).transpose()?;
    let mut next = request.from_sequence;
    loop {
        let lines = LOG.from(next);
        if let Some(last) = lines.last() {
            next = last.sequence + 1;
            lines.into_iter().for_each(|line| conn.queue(Event::LogLine(line)));
            conn.flush()?;
            conn.check_cancel()?;
        } else if let Some(Follower { bell, .. }) = &follower {
            conn.wait_or_cancel(Some((bell.fd(), PollFlags::POLLIN)), None)?;
            bell.quiet();
        } else {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_are_kept_and_numbered() {
        let log = Log::new();
        for number in 1..=5000 {
            log.add(Level::Info, format!("line {number}"));
        }
        let all: Vec<LogLine> = log.0.lock().unwrap().lines.iter().cloned().collect();
        let (first, last) = (&all[0], &all[all.len() - 1]);
        assert_eq!((last.sequence, last.message.as_str()), (5000, "line 5000"));
        assert_eq!(first.message, format!("line {}", first.sequence));
        assert!(all.iter().map(size_of_line).sum::<usize>() <= CAPACITY);
        assert_eq!(log.from(4999).len(), 2);
        log.add(Level::Warn, "ä".repeat(4000));
        assert_eq!(log.from(5001)[0].message.len(), MAX_MESSAGE);
    }
}

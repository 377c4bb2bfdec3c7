//! One thread per process: reads its output, holds it back, ends it in time, and knows when all was read.

use std::{
    os::fd::AsFd,
    sync::Arc,
    time::{Duration, Instant},
};

use nix::poll::{PollFd, PollFlags, poll};

use super::{
    Process,
    registry::{Registry, group_of},
    start::Source,
};
use crate::{conn::timeout_of, frame::is_retry, sync::lock, sys};

/// From SIGTERM to SIGKILL after a time-out.
const KILL_DELAY: Duration = Duration::from_secs(5);
/// A background child may hold the pipes open after its parent ended. What the parent itself wrote is read in
/// any case; then this much silence, or SETTLE in all, ends the wait.
const SILENCE: Duration = Duration::from_millis(100);
const SETTLE: Duration = Duration::from_secs(1);

/// What is left to do after the exit.
struct Settling {
    unread: usize,
    silent_since: Instant,
    since: Instant,
}

struct Pump<'a> {
    process: &'a Process,
    registry: &'a Registry,
    sources: Vec<Source>,
    buffer: Vec<u8>,
    kill_at: Option<Instant>,
    settling: Option<Settling>,
    finished: bool,
}

/// Runs until the process is over and nobody holds its output open.
pub fn pump(process: &Arc<Process>, registry: &Registry, sources: Vec<Source>) {
    let mut pump = Pump {
        process,
        registry,
        sources,
        buffer: Vec::new(),
        kill_at: None,
        settling: None,
        finished: false,
    };
    loop {
        let now = Instant::now();
        let deadline = [pump.enforce_timeout(now), pump.settle(now)].into_iter().flatten().min();
        if pump.finished_now() {
            registry.retire(process);
        }
        if pump.finished && pump.sources.is_empty() {
            return;
        }
        pump.turn(now, deadline);
    }
}

impl Pump<'_> {
    /// True once, when the process is over and its output complete.
    fn finished_now(&mut self) -> bool {
        let now = !self.finished && self.process.output.finished().is_some();
        self.finished |= now;
        now
    }

    /// Signals the group when its time is up; says when to look again.
    fn enforce_timeout(&mut self, now: Instant) -> Option<Instant> {
        let limit = self.process.started.checked_add(self.process.timeout?)?;
        if let Some(kill_at) = self.kill_at {
            if now < kill_at {
                return Some(kill_at);
            }
            if self.process.is_running() {
                self.signal(libc::SIGKILL);
            } else if !self.finished {
                // The group still holds our pipes, so its number is still its own.
                sys::kill(group_of(self.process), libc::SIGKILL);
            }
            return None;
        }
        if !self.process.is_running() {
            return None;
        }
        if now < limit {
            return Some(limit);
        }
        lock(&self.process.state).timed_out = true;
        self.signal(libc::SIGTERM);
        self.kill_at = Some(now + KILL_DELAY);
        self.kill_at
    }

    fn signal(&self, signal: i32) {
        let _ = self.registry.signal(self.process, || group_of(self.process), signal);
    }

    /// After the exit: finishes when the output is complete; says when to look again.
    fn settle(&mut self, now: Instant) -> Option<Instant> {
        if self.finished {
            return None;
        }
        let exit = self.process.exit()?;
        let sources = &self.sources;
        let settling = self.settling.get_or_insert_with(|| Settling {
            unread: sources.iter().map(|source| sys::readable_bytes(source.fd.as_fd())).sum(),
            silent_since: now,
            since: now,
        });
        let deadline = (settling.silent_since + SILENCE).min(settling.since + SETTLE);
        if sources.is_empty() || (settling.unread == 0 && now >= deadline) {
            self.process.output.finish(exit.to_proto());
            return None;
        }
        (settling.unread == 0).then_some(deadline)
    }

    /// Waits for output, the bell or the deadline, and takes what came.
    fn turn(&mut self, now: Instant, deadline: Option<Instant>) {
        let output = &self.process.output;
        let (room, deadline) = match output.room(now) {
            Ok(room) => (room, deadline),
            Err(held) => (0, Some(deadline.map_or(held, |deadline| deadline.min(held)))),
        };
        let mut fds = vec![PollFd::new(output.pump.fd(), PollFlags::POLLIN)];
        if room > 0 {
            fds.extend(self.sources.iter().map(|source| PollFd::new(source.fd.as_fd(), PollFlags::POLLIN)));
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if poll(&mut fds, timeout_of(left)).unwrap_or(0) <= 0 {
            return;
        }
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        if ready[0] {
            output.pump.quiet();
        }
        // Where both streams are ready nobody knows which was written first: standard output leads.
        let mut ended = Vec::new();
        for index in (0..self.sources.len()).filter(|index| ready.get(index + 1) == Some(&true)) {
            if let Ok(room) = output.room(now)
                && self.read(index, room).is_none()
            {
                ended.push(index);
            }
        }
        for index in ended.into_iter().rev() {
            self.sources.remove(index);
        }
    }

    /// `None` where nobody has the other end open any more.
    fn read(&mut self, index: usize, room: usize) -> Option<()> {
        let source = &self.sources[index];
        self.buffer.clear();
        match sys::read_into(source.fd.as_fd(), &mut self.buffer, room) {
            Ok(count) if count > 0 => {
                self.process.output.append(source.stream, &self.buffer);
                if let Some(settling) = &mut self.settling {
                    settling.unread = settling.unread.saturating_sub(count);
                    settling.silent_since = Instant::now();
                }
            }
            Err(errno) if is_retry(errno) => {}
            // End of the pipe; a terminal says EIO instead.
            Ok(_) | Err(_) => return None,
        }
        Some(())
    }
}

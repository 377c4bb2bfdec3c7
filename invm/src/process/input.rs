//! send_input: standard input, numbered by byte offset so that a piece may be sent twice.

use std::{
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use nix::{errno::Errno, poll::PollFlags, unistd::write};

use crate::{
    agent::Agent,
    conn::{Conn, Wake},
    error::{Fault, Stop},
    proto::{ErrorReason, InputAccepted, SendInputRequest, response::Event},
    sync::lock,
};

const MAX_PIECE: usize = 1 << 20;
/// A program that reads nothing for this long gets no more for now.
const PATIENCE: Duration = Duration::from_secs(30);
/// End-of-file on a terminal in its usual mode.
const END_OF_FILE: &[u8] = &[4];

/// Our end of a process's standard input.
pub struct Stdin {
    fd: Option<Arc<OwnedFd>>,
    terminal: bool,
    next: u64,
    closed_at: Option<u64>,
}

impl Stdin {
    pub fn none() -> Self {
        Self { fd: None, terminal: false, next: 0, closed_at: None }
    }

    pub fn pipe(fd: OwnedFd) -> Self {
        Self { fd: Some(Arc::new(fd)), terminal: false, next: 0, closed_at: None }
    }

    pub fn terminal(fd: Arc<OwnedFd>) -> Self {
        Self { fd: Some(fd), terminal: true, next: 0, closed_at: None }
    }

    /// Writes what is new of a piece and fits. `Some(fd)`: wait for it and try again.
    fn accept(&mut self, offset: u64, data: &[u8], close: bool) -> Result<Option<Arc<OwnedFd>>, Fault> {
        if offset > self.next {
            let message = format!("input from offset {offset} on: the next expected is {}", self.next);
            return Err(Fault::new(ErrorReason::InputGap, message)
                .field("send_input.offset")
                .expecting(self.next));
        }
        let end = offset + data.len() as u64;
        while self.next < end {
            let rest = &data[(self.next - offset) as usize..];
            let fd = self.fd.as_ref().ok_or_else(closed)?;
            match write(fd, rest) {
                Ok(count) => self.next += count as u64,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(Some(fd.clone())),
                Err(_) => {
                    self.fd = None;
                    return Err(closed());
                }
            }
        }
        if close && self.closed_at != Some(end) {
            return self.close(end);
        }
        Ok(None)
    }

    fn close(&mut self, end: u64) -> Result<Option<Arc<OwnedFd>>, Fault> {
        let fd = self.fd.as_ref().ok_or_else(closed)?;
        if !self.terminal {
            self.fd = None;
        } else if let Err(Errno::EAGAIN) = write(fd, END_OF_FILE) {
            return Ok(Some(fd.clone()));
        }
        self.closed_at = Some(end);
        Ok(None)
    }
}

fn closed() -> Fault {
    Fault::new(ErrorReason::InputClosed, "standard input of the process is closed")
}

pub fn send_input(agent: &Agent, conn: &mut Conn, request: SendInputRequest) -> Result<(), Stop> {
    let SendInputRequest { process, offset, data, close } = request;
    if data.len() > MAX_PIECE {
        let message = format!("a piece of {} bytes: the limit is {MAX_PIECE}", data.len());
        return Err(Fault::invalid("send_input.data", message).into());
    }
    if offset.checked_add(data.len() as u64).is_none() {
        return Err(Fault::invalid("send_input.offset", "the offset is out of range").into());
    }
    let process = agent.processes.select(process.as_ref())?;
    loop {
        let full = {
            let mut stdin = lock(&process.stdin);
            match stdin.accept(offset, &data, close)? {
                None => {
                    conn.queue(Event::InputAccepted(InputAccepted { next_offset: stdin.next }));
                    return Ok(());
                }
                Some(fd) => (fd, stdin.next),
            }
        };
        let (fd, next) = full;
        // The lock is free while we wait: other calls about this process go on.
        if let Wake::Idle = conn.wait_or_cancel(Some((fd.as_fd(), PollFlags::POLLOUT)), Some(PATIENCE))? {
            let message = "the process reads nothing and its standard input is full";
            return Err(Fault::new(ErrorReason::Busy, message).expecting(next).into());
        }
    }
}

//! One connection, which is one call: framed messages both ways over a non-blocking socket.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use crate::{
    error::{Fault, Stop},
    frame::{self, FrameBuffer},
    proto::{
        End, ErrorReason, Heartbeat, Hello, Input, Request, Response, input::Input as InputKind,
        response::Event,
    },
};

/// A stream with nothing to say says so this often.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Room that is kept for the next answer; more is given back.
const KEEP: usize = 256 << 10;

/// What ended a wait.
pub enum Wake {
    Input(InputKind),
    /// The other descriptor is ready.
    Ready,
    /// The wait's own time-out.
    Idle,
}

pub struct Conn {
    fd: OwnedFd,
    input: FrameBuffer,
    output: Vec<u8>,
    /// How much of `output` is sent.
    sent: usize,
    hello: Option<Hello>,
    last_sent: Instant,
}

impl Conn {
    /// Takes over a connected socket and makes it non-blocking.
    pub fn new(fd: OwnedFd, hello: Hello) -> nix::Result<Self> {
        crate::sys::set_nonblocking(fd.as_fd())?;
        Ok(Self {
            fd,
            input: FrameBuffer::default(),
            output: Vec::new(),
            sent: 0,
            hello: Some(hello),
            last_sent: Instant::now(),
        })
    }

    /// The first message. A host that does not send it in time is gone.
    pub fn request(&mut self, limit: Duration) -> Result<Request, Stop> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(bytes) = self.input.next_frame()? {
                return Ok(frame::decode(bytes)?);
            }
            // The request usually is there already: try to read first.
            if self.read_some()? {
                continue;
            }
            let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
            if poll_until(&mut fds, Some(deadline))? == 0 {
                return Err(Stop::Gone);
            }
        }
    }

    /// Queues an event; `flush` or `wait` sends it.
    pub fn queue(&mut self, event: Event) {
        frame::append(&mut self.output, &Response { hello: self.hello.take(), event: Some(event) });
    }

    /// Says who answers, and that the call is under way, where there is no event yet.
    pub fn queue_hello(&mut self) {
        frame::append(&mut self.output, &Response { hello: self.hello.take(), event: None });
    }

    pub fn queue_end(&mut self, result: Result<(), Fault>) {
        self.queue(Event::End(End { error: result.err().map(Fault::into_proto) }));
    }

    /// Sends all that is queued, as the host takes it.
    pub fn flush(&mut self) -> Result<(), Stop> {
        self.flush_until(None)
    }

    /// As `flush`, but a host that has not taken all by the deadline is gone.
    pub fn flush_until(&mut self, deadline: Option<Instant>) -> Result<(), Stop> {
        while !self.send_some()? {
            let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLOUT)];
            if poll_until(&mut fds, deadline)? == 0 {
                return Err(Stop::Gone);
            }
        }
        Ok(())
    }

    /// Sends what the host takes at once; true where nothing is left.
    pub fn send_some(&mut self) -> Result<bool, Stop> {
        while self.queued() > 0 {
            match nix::unistd::write(&self.fd, &self.output[self.sent..]) {
                Ok(count) => {
                    self.sent += count;
                    self.last_sent = Instant::now();
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(false),
                Err(_) => return Err(Stop::Gone),
            }
        }
        self.output.clear();
        self.sent = 0;
        if self.output.capacity() > KEEP {
            self.output = Vec::new();
        }
        Ok(true)
    }

    /// Flushes, then waits for input, for `other`, or for the time-out. Sends heartbeats meanwhile; a host
    /// that goes away is noticed at once.
    pub fn wait(
        &mut self,
        other: Option<(BorrowedFd, PollFlags)>,
        limit: Option<Duration>,
    ) -> Result<Wake, Stop> {
        // A host that sends without a pause is never waited for below, and must hear of us as well.
        if Instant::now() >= self.heartbeat_at() {
            self.beat();
        }
        self.flush()?;
        let end = limit.map(|limit| Instant::now() + limit);
        loop {
            if let Some(input) = self.next_input()? {
                return Ok(Wake::Input(input));
            }
            let heartbeat = self.heartbeat_at();
            let deadline = end.map_or(heartbeat, |end| end.min(heartbeat));
            let (of_socket, of_other, count) = {
                let socket = PollFd::new(self.fd.as_fd(), PollFlags::POLLIN);
                let (fd, flags) = other.unwrap_or((self.fd.as_fd(), PollFlags::empty()));
                let mut fds = [socket, PollFd::new(fd, flags)];
                let used = if other.is_some() { 2 } else { 1 };
                let count = poll_until(&mut fds[..used], Some(deadline))?;
                (is_set(&fds[0]), used == 2 && is_set(&fds[1]), count)
            };
            if of_other {
                return Ok(Wake::Ready);
            }
            if of_socket {
                self.read_some()?;
            } else if count == 0 {
                if end.is_some_and(|end| Instant::now() >= end) {
                    return Ok(Wake::Idle);
                }
                self.beat();
                self.flush()?;
            }
        }
    }

    /// The next input that has arrived whole.
    pub fn next_input(&mut self) -> Result<Option<InputKind>, Stop> {
        while let Some(bytes) = self.input.next_frame()? {
            // One of a kind this agent does not know is passed over.
            if let Some(input) = frame::decode::<Input>(bytes)?.input {
                return Ok(Some(input));
            }
        }
        Ok(None)
    }

    /// For calls that poll by themselves.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// When the host has to hear that the stream lives.
    pub fn heartbeat_at(&self) -> Instant {
        self.last_sent + HEARTBEAT
    }

    pub fn beat(&mut self) {
        self.queue(Event::Heartbeat(Heartbeat {}));
    }

    /// As `wait`, for calls that understand no input but the cancel.
    pub fn wait_or_cancel(
        &mut self,
        other: Option<(BorrowedFd, PollFlags)>,
        limit: Option<Duration>,
    ) -> Result<Wake, Stop> {
        match self.wait(other, limit)? {
            Wake::Input(InputKind::Cancel(_)) => Err(canceled().into()),
            wake => Ok(wake),
        }
    }

    /// Bytes that are queued and not sent.
    pub fn queued(&self) -> usize {
        self.output.len() - self.sent
    }

    /// Looks for a cancel without waiting and without sending.
    pub fn check_cancel(&mut self) -> Result<(), Stop> {
        self.read_some()?;
        while let Some(input) = self.next_input()? {
            if let InputKind::Cancel(_) = input {
                return Err(canceled().into());
            }
        }
        Ok(())
    }

    /// For calls that work for long without a word: looks for a cancel, and says that the stream lives where
    /// it is time to.
    pub fn pulse(&mut self) -> Result<(), Stop> {
        self.check_cancel()?;
        if Instant::now() >= self.heartbeat_at() {
            self.beat();
            self.flush()?;
        }
        Ok(())
    }

    /// As `pulse`, where the input is data, which is left unread: a host that is gone is noticed all the same.
    pub fn pulse_unread(&mut self) -> Result<(), Stop> {
        // nix does not know this flag.
        let gone = PollFlags::from_bits_retain(libc::POLLRDHUP);
        let mut fds = [PollFd::new(self.fd.as_fd(), gone)];
        if poll_until(&mut fds, Some(Instant::now()))? > 0 {
            return Err(Stop::Gone);
        }
        if Instant::now() >= self.heartbeat_at() {
            self.beat();
            self.flush()?;
        }
        Ok(())
    }

    /// Waits until the host closes the connection, for at most `limit`.
    pub fn wait_closed(&mut self, limit: Duration) {
        let end = Instant::now() + limit;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            if self.wait(None, Some(left)).is_err() {
                return;
            }
        }
    }

    /// True where something was read, false where nothing is there yet.
    pub fn read_some(&mut self) -> Result<bool, Stop> {
        match self.input.fill(self.fd.as_fd()) {
            Ok(0) if self.input.is_torn() => Err(Fault::new(ErrorReason::BadFrame, "frame is torn").into()),
            Ok(0) => Err(Stop::Gone),
            Ok(_) => Ok(true),
            Err(errno) if frame::is_retry(errno) => Ok(false),
            Err(_) => Err(Stop::Gone),
        }
    }
}

pub fn canceled() -> Fault {
    Fault::new(ErrorReason::Canceled, "the host canceled the call")
}

pub fn is_set(fd: &PollFd) -> bool {
    fd.revents().is_some_and(|flags| !flags.is_empty())
}

/// Polls; `EINTR` counts as "nothing yet" for callers that loop.
pub fn poll_until(fds: &mut [PollFd], deadline: Option<Instant>) -> Result<i32, Stop> {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    match poll(fds, timeout_of(left)) {
        Ok(count) => Ok(count),
        Err(Errno::EINTR) => Ok(-1),
        Err(_) => Err(Stop::Gone),
    }
}

/// Rounded up, so that a wait never ends just before its deadline.
pub fn timeout_of(left: Option<Duration>) -> PollTimeout {
    match left {
        None => PollTimeout::NONE,
        Some(left) if left.is_zero() => PollTimeout::ZERO,
        Some(left) => PollTimeout::try_from(left.as_millis().saturating_add(1).min(i32::MAX as u128) as i32)
            .unwrap_or(PollTimeout::MAX),
    }
}

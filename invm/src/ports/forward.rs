//! forward_port: a TCP connection to a program of the guest, whose two directions never wait for one another.

use std::{
    net::{Ipv6Addr, SocketAddrV6},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags},
    sys::socket::{
        AddressFamily, Shutdown, SockFlag, SockType, SockaddrIn, SockaddrIn6, SockaddrLike, connect,
        getsockopt, setsockopt, shutdown, socket, sockopt,
    },
    unistd::write,
};

use crate::{
    conn::{Conn, canceled, is_set, poll_until},
    error::{Fault, Stop},
    frame::is_retry,
    proto::{Close, ErrorReason, ForwardPortRequest, input::Input, response::Event},
    sys,
};

/// A program whose queue of connections is full answers late or never.
const CONNECT: Duration = Duration::from_secs(10);
/// Most that is read from the program at once.
const PIECE: usize = 128 << 10;
/// Longest Input.data.
const MAX_INPUT: usize = 1 << 20;

pub fn forward_port(conn: &mut Conn, request: &ForwardPortRequest) -> Result<(), Stop> {
    let port = u16::try_from(request.port).ok().filter(|port| *port > 0).ok_or_else(|| {
        let message = format!("port {}: the range is 1 to 65535", request.port);
        Fault::invalid("forward_port.port", message)
    })?;
    let socket = connect_to(conn, port)?;
    conn.queue_hello();
    let mut forward = Forward {
        socket,
        port,
        pending: Vec::new(),
        written: 0,
        host_done: false,
        guest_done: false,
        deaf: None,
    };
    let result = forward.run(conn);
    if result.is_err() {
        // The program must not take what came so far for the whole.
        let reset = libc::linger { l_onoff: 1, l_linger: 0 };
        let _ = setsockopt(&forward.socket, sockopt::Linger, &reset);
    }
    result
}

/// Tries both addresses a program may listen at.
fn connect_to(conn: &Conn, port: u16) -> Result<OwnedFd, Stop> {
    let four = SockaddrIn::new(127, 0, 0, 1, port);
    let errno = match connect_at(conn, AddressFamily::Inet, &four)? {
        Ok(socket) => return Ok(socket),
        Err(errno) => errno,
    };
    let six = SockaddrIn6::from(SocketAddrV6::new(Ipv6Addr::LOCALHOST, port, 0, 0));
    match connect_at(conn, AddressFamily::Inet6, &six)? {
        Ok(socket) => Ok(socket),
        // A kernel without IPv6 says so here; what IPv4 said tells more.
        Err(_) => Err(closed(port, errno).into()),
    }
}

fn connect_at(
    conn: &Conn,
    family: AddressFamily,
    address: &impl SockaddrLike,
) -> Result<nix::Result<OwnedFd>, Stop> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = match socket(family, SockType::Stream, flags, None) {
        Ok(socket) => socket,
        Err(errno) => return Ok(Err(errno)),
    };
    let _ = setsockopt(&socket, sockopt::TcpNoDelay, &true);
    match connect(socket.as_raw_fd(), address) {
        Ok(()) => return Ok(Ok(socket)),
        Err(Errno::EINPROGRESS) => {}
        Err(errno) => return Ok(Err(errno)),
    }
    let deadline = Instant::now() + CONNECT;
    loop {
        let mut fds =
            [PollFd::new(socket.as_fd(), PollFlags::POLLOUT), PollFd::new(conn.fd(), PollFlags::empty())];
        let count = poll_until(&mut fds, Some(deadline))?;
        if is_set(&fds[1]) {
            return Err(Stop::Gone);
        }
        if is_set(&fds[0]) {
            let code = getsockopt(&socket, sockopt::SocketError).unwrap_or(libc::EIO);
            return Ok(if code == 0 { Ok(socket) } else { Err(Errno::from_raw(code)) });
        }
        if count == 0 {
            return Ok(Err(Errno::ETIMEDOUT));
        }
    }
}

fn closed(port: u16, errno: Errno) -> Fault {
    Fault::new(ErrorReason::PortClosed, format!("port {port}: {}", errno.desc())).code(errno)
}

/// A connection under way. Little is held: what the program wrote until the host took it, and one piece of the
/// host's until the program took it. Nothing more is read from either side meanwhile.
struct Forward {
    socket: OwnedFd,
    port: u16,
    /// From the host, written up to `written`.
    pending: Vec<u8>,
    written: usize,
    /// The host said `close`.
    host_done: bool,
    /// The program writes no more, and the host was told.
    guest_done: bool,
    /// Why the program takes nothing any more. What it wrote before is still read.
    deaf: Option<Errno>,
}

impl Forward {
    fn run(&mut self, conn: &mut Conn) -> Result<(), Stop> {
        while !(self.host_done && self.guest_done) {
            conn.send_some()?;
            // Taking turns, so that a busy direction leaves the other its share.
            let moved = [self.feed_guest(conn)?, self.feed_host(conn)?];
            if moved == [false; 2] {
                self.wait(conn)?;
            }
        }
        Ok(())
    }

    /// Takes one step towards the program; false where there is nothing to do.
    fn feed_guest(&mut self, conn: &mut Conn) -> Result<bool, Stop> {
        if !self.write_pending()? {
            return Ok(false);
        }
        let Some(input) = conn.next_input()? else { return conn.read_some() };
        match input {
            Input::Data(data) if data.len() > MAX_INPUT => {
                let message = format!("a piece of {} bytes: the limit is {MAX_INPUT}", data.len());
                return Err(Fault::invalid("input.data", message).into());
            }
            Input::Data(data) => (self.pending, self.written) = (data, 0),
            Input::Close(_) => {
                self.host_done = true;
                // A program that is gone already needs no end.
                let _ = shutdown(self.socket.as_raw_fd(), Shutdown::Write);
            }
            Input::Cancel(_) => return Err(canceled().into()),
            Input::Grant(_) => {}
        }
        Ok(true)
    }

    /// True where all of it is written, or nobody takes it.
    fn write_pending(&mut self) -> Result<bool, Stop> {
        while self.deaf.is_none() && self.owes_guest() {
            match write(&self.socket, &self.pending[self.written..]) {
                Ok(count) => self.written += count,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(false),
                Err(errno) if self.guest_done => return Err(closed(self.port, errno).into()),
                Err(errno) => self.deaf = Some(errno),
            }
        }
        self.pending = Vec::new();
        self.written = 0;
        Ok(true)
    }

    fn owes_guest(&self) -> bool {
        self.written < self.pending.len()
    }

    /// Takes one step towards the host; false where there is nothing to do.
    fn feed_host(&mut self, conn: &mut Conn) -> Result<bool, Stop> {
        if self.guest_done || conn.queued() > 0 {
            return Ok(false);
        }
        let mut data = Vec::new();
        match sys::read_into(self.socket.as_fd(), &mut data, PIECE) {
            Ok(0) => {
                if let Some(errno) = self.deaf {
                    return Err(closed(self.port, errno).into());
                }
                self.guest_done = true;
                conn.queue(Event::Close(Close {}));
            }
            Ok(_) => conn.queue(Event::Data(data)),
            Err(errno) if is_retry(errno) => return Ok(false),
            Err(errno) => return Err(closed(self.port, errno).into()),
        }
        Ok(true)
    }

    /// Until something can go on. Each side is asked only for what there is room for.
    fn wait(&self, conn: &mut Conn) -> Result<(), Stop> {
        let when = |wanted: bool, flag: PollFlags| if wanted { flag } else { PollFlags::empty() };
        let full = conn.queued() > 0;
        let of_host = when(full, PollFlags::POLLOUT) | when(!self.owes_guest(), PollFlags::POLLIN);
        let of_guest =
            when(self.owes_guest(), PollFlags::POLLOUT) | when(!full && !self.guest_done, PollFlags::POLLIN);
        let mut fds = [PollFd::new(conn.fd(), of_host), PollFd::new(self.socket.as_fd(), of_guest)];
        // A socket that is closed both ways is always ready: one that nothing is wanted of is left out.
        let used = if of_guest.is_empty() { 1 } else { 2 };
        let deadline = (!full).then(|| conn.heartbeat_at());
        let count = poll_until(&mut fds[..used], deadline)?;
        if of_host.is_empty() && is_set(&fds[0]) {
            return Err(Stop::Gone);
        }
        if count == 0 {
            conn.beat();
        }
        Ok(())
    }
}

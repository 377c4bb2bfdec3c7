//! A connection as what tar reads from and writes to. What stops the connection is kept: an I/O error can't
//! carry it.

use std::{
    cell::RefCell,
    io::{self, Read, Write},
};

use crate::{
    conn::{Conn, Wake, canceled},
    error::{Fault, Stop},
    proto::{input::Input, response::Event},
};

const MAX_PIECE: usize = 1 << 20;
/// What is sent at once.
const PIECE: usize = 256 << 10;

/// The host's data, up to its close.
pub struct Incoming<'a> {
    conn: &'a mut Conn,
    piece: Vec<u8>,
    used: usize,
    pub closed: bool,
    /// How much may be read before somebody allows more.
    pub allowed: u64,
    pub stop: Option<Stop>,
}

impl<'a> Incoming<'a> {
    pub fn new(conn: &'a mut Conn) -> Self {
        Self { conn, piece: Vec::new(), used: 0, closed: false, allowed: 0, stop: None }
    }

    /// Waits for data; false at the end.
    fn wait(&mut self) -> Result<bool, Stop> {
        while self.used == self.piece.len() && !self.closed {
            let Wake::Input(input) = self.conn.wait(None, None)? else { continue };
            match input {
                Input::Data(data) if data.len() > MAX_PIECE => {
                    let message = format!("a piece of {} bytes: the limit is {MAX_PIECE}", data.len());
                    return Err(Fault::invalid("input.data", message).into());
                }
                Input::Data(data) => (self.piece, self.used) = (data, 0),
                Input::Close(_) => self.closed = true,
                Input::Cancel(_) => return Err(canceled().into()),
                Input::Grant(_) => {}
            }
        }
        Ok(!self.closed)
    }

    /// For work that needs no data for long: false where the host is gone.
    pub fn pulse(&mut self) -> bool {
        let result = self.conn.pulse_unread();
        let there = result.is_ok();
        self.stop = result.err();
        there
    }

    /// Reads what comes behind the archive.
    pub fn drain(&mut self) -> Result<(), Stop> {
        while self.wait()? {
            self.used = self.piece.len();
        }
        Ok(())
    }
}

/// tar wants the reader for itself.
pub struct Shared<'a, 'b>(pub &'a RefCell<Incoming<'b>>);

impl Read for Shared<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut incoming = self.0.borrow_mut();
        if incoming.allowed == 0 {
            return Err(io::Error::other("the headers of one entry are too large"));
        }
        match incoming.wait() {
            Ok(false) => Ok(0),
            Ok(true) => {
                let rest = &incoming.piece[incoming.used..];
                let count =
                    rest.len().min(buffer.len()).min(usize::try_from(incoming.allowed).unwrap_or(usize::MAX));
                buffer[..count].copy_from_slice(&rest[..count]);
                incoming.used += count;
                incoming.allowed -= count as u64;
                Ok(count)
            }
            Err(stop) => {
                incoming.stop = Some(stop);
                Err(io::Error::other("the host has stopped"))
            }
        }
    }
}

/// Data for the host.
pub struct Outgoing<'a> {
    pub conn: &'a mut Conn,
    buffer: Vec<u8>,
    pub stop: Option<Stop>,
    /// Set where the archive has failed: tar would end it in order.
    pub broken: bool,
}

impl<'a> Outgoing<'a> {
    pub fn new(conn: &'a mut Conn) -> Self {
        Self { conn, buffer: Vec::new(), stop: None, broken: false }
    }

    fn send(&mut self) -> Result<(), Stop> {
        if !self.buffer.is_empty() {
            self.conn.queue(Event::Data(std::mem::take(&mut self.buffer)));
        }
        self.conn.flush()?;
        self.conn.check_cancel()
    }
}

impl Write for Outgoing<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.broken {
            return Err(io::Error::other("the archive has failed"));
        }
        self.buffer.extend_from_slice(data);
        if self.buffer.len() >= PIECE { self.flush().map(|()| data.len()) } else { Ok(data.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send().map_err(|stop| {
            (self.stop, self.broken) = (Some(stop), true);
            io::Error::other("the host has stopped")
        })
    }
}

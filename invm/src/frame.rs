//! Length-delimited frames: a varint of the length, then the message.

use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use prost::Message;

use crate::{
    error::Fault,
    proto::{ErrorReason, Response},
    sys,
};

/// Longest message either side may send.
pub const MAX_FRAME: usize = 4 << 20;
/// A varint of a length within MAX_FRAME has at most four bytes; five are read before giving up.
const MAX_PREFIX: usize = 5;
/// Most that is asked of the socket at once, so that a length alone reserves no memory.
const MAX_READ: usize = 256 << 10;
const MIN_READ: usize = 4 << 10;
/// A buffer that grew beyond this is given back when it is empty.
const KEEP: usize = 64 << 10;

/// Appends one message with its length.
pub fn append(out: &mut Vec<u8>, message: &Response) {
    let length = message.encoded_len();
    out.reserve(length + MAX_PREFIX);
    prost::encoding::encode_varint(length as u64, out);
    message.encode_raw(out);
}

/// Cuts a byte stream into frames.
#[derive(Default)]
pub struct FrameBuffer {
    bytes: Vec<u8>,
    start: usize,
}

impl FrameBuffer {
    /// The next whole frame, if it is there.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, Fault> {
        let Some((prefix, length)) = self.prefix()? else { return Ok(None) };
        let begin = self.start + prefix;
        if self.bytes.len() - begin < length {
            return Ok(None);
        }
        self.start = begin + length;
        Ok(Some(&self.bytes[begin..begin + length]))
    }

    /// True where bytes of an unfinished frame are held.
    pub fn is_torn(&self) -> bool {
        self.start < self.bytes.len()
    }

    /// Reads what the socket has. `Ok(0)` is the end of the stream.
    pub fn fill(&mut self, fd: BorrowedFd) -> nix::Result<usize> {
        self.compact();
        let wanted = match self.prefix() {
            Ok(Some((prefix, length))) => prefix + length - self.bytes.len().min(prefix + length),
            _ => MIN_READ,
        };
        sys::read_into(fd, &mut self.bytes, wanted.clamp(MIN_READ, MAX_READ))
    }

    /// Appends bytes that came by another way than `fill`.
    pub fn push(&mut self, bytes: &[u8]) {
        self.compact();
        self.bytes.extend_from_slice(bytes);
    }

    /// Length of the prefix and of the message behind it.
    fn prefix(&self) -> Result<Option<(usize, usize)>, Fault> {
        let rest = &self.bytes[self.start..];
        let mut length = 0u64;
        for (index, byte) in rest.iter().take(MAX_PREFIX).enumerate() {
            length |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                return if length > MAX_FRAME as u64 {
                    Err(over_limit(length))
                } else {
                    Ok(Some((index + 1, length as usize)))
                };
            }
        }
        if rest.len() >= MAX_PREFIX { Err(over_limit(length)) } else { Ok(None) }
    }

    fn compact(&mut self) {
        if self.start == self.bytes.len() {
            self.bytes.clear();
            if self.bytes.capacity() > KEEP {
                self.bytes = Vec::new();
            }
        } else if self.start > 0 {
            self.bytes.drain(..self.start);
        }
        self.start = 0;
    }
}

fn over_limit(length: u64) -> Fault {
    Fault::new(ErrorReason::BadFrame, format!("frame of {length} bytes: the limit is {MAX_FRAME}"))
}

/// Decodes a message; what can't be decoded is BAD_FRAME.
pub fn decode<M: Message + Default>(frame: &[u8]) -> Result<M, Fault> {
    M::decode(frame)
        .map_err(|error| Fault::new(ErrorReason::BadFrame, format!("frame is no message: {error}")))
}

/// Whether a read or write should be tried again after polling.
pub fn is_retry(errno: Errno) -> bool {
    matches!(errno, Errno::EAGAIN | Errno::EINTR)
}

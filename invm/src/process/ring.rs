//! The replay buffer of one process: the newest output bytes, numbered, each tagged with its stream.

use std::collections::VecDeque;

use crate::proto::OutputStream;

/// A run of bytes of one stream; it ends where the next one starts.
struct Run {
    start: u64,
    stream: OutputStream,
}

/// A piece of output.
#[derive(Debug, PartialEq)]
pub struct Piece {
    pub offset: u64,
    pub stream: OutputStream,
    pub data: Vec<u8>,
}

pub struct Ring {
    bytes: VecDeque<u8>,
    runs: VecDeque<Run>,
    capacity: usize,
    /// Streams that alternate byte by byte must not cost more than the bytes.
    max_runs: usize,
    end: u64,
}

impl Ring {
    pub fn new(capacity: usize) -> Self {
        Self { bytes: VecDeque::new(), runs: VecDeque::new(), capacity, max_runs: capacity / 64 + 2, end: 0 }
    }

    /// Offset of the oldest byte kept.
    pub fn start(&self) -> u64 {
        self.end - self.bytes.len() as u64
    }

    /// Offset after the newest byte.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Memory in use.
    pub fn size(&self) -> usize {
        self.bytes.capacity() + self.runs.capacity() * size_of::<Run>()
    }

    /// How much can be appended while nothing from `keep` on is overwritten.
    pub fn room(&self, keep: u64) -> usize {
        let keep = keep.max(self.start());
        let unread = (self.end - keep) as usize;
        let unread_runs = if unread == 0 { 0 } else { self.runs.len() - self.run_at(keep) };
        if unread_runs >= self.max_runs { 0 } else { self.capacity - unread }
    }

    /// Adds bytes; the oldest make room.
    pub fn append(&mut self, stream: OutputStream, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        if self.runs.back().is_none_or(|run| run.stream != stream) {
            self.runs.push_back(Run { start: self.end, stream });
        }
        let kept = &data[data.len().saturating_sub(self.capacity)..];
        let drop = (self.bytes.len() + kept.len()).saturating_sub(self.capacity);
        self.bytes.drain(..drop);
        self.grow(kept.len());
        self.bytes.extend(kept);
        self.end += data.len() as u64;
        while self.runs.len() > self.max_runs {
            let cut = self.runs[1].start;
            let stale = cut.saturating_sub(self.start()) as usize;
            self.bytes.drain(..stale);
            self.runs.pop_front();
        }
        while self.runs.len() > 1 && self.runs[1].start <= self.start() {
            self.runs.pop_front();
        }
    }

    /// At most `limit` bytes from `offset` on, cut where the stream changes and at `piece` bytes.
    pub fn read(&self, offset: u64, limit: usize, piece: usize) -> Vec<Piece> {
        let mut at = offset.max(self.start());
        let stop = self.end.min(at.saturating_add(limit as u64));
        let mut pieces = Vec::new();
        let mut index = self.run_at(at);
        while at < stop {
            let run_end = self.runs.get(index + 1).map_or(self.end, |next| next.start);
            let to = stop.min(run_end).min(at + piece as u64);
            let range = (at - self.start()) as usize..(to - self.start()) as usize;
            pieces.push(Piece { offset: at, stream: self.runs[index].stream, data: self.copy(range) });
            at = to;
            if at == run_end {
                index += 1;
            }
        }
        pieces
    }

    /// Gives back memory that later output would have used.
    pub fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
        self.runs.shrink_to_fit();
    }

    /// Forgets all output but its number.
    pub fn clear(&mut self) {
        self.bytes = VecDeque::new();
        self.runs = VecDeque::new();
    }

    /// Index of the run that holds the byte at `offset`.
    fn run_at(&self, offset: u64) -> usize {
        self.runs.partition_point(|run| run.start <= offset).saturating_sub(1)
    }

    /// Doubles up to the capacity, never beyond it.
    fn grow(&mut self, more: usize) {
        let needed = self.bytes.len() + more;
        if needed > self.bytes.capacity() {
            let wanted = needed.max(self.bytes.capacity() * 2).max(1024).min(self.capacity);
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
    }

    fn copy(&self, range: std::ops::Range<usize>) -> Vec<u8> {
        let (left, right) = self.bytes.as_slices();
        let mut data = Vec::with_capacity(range.len());
        data.extend_from_slice(&left[range.start.min(left.len())..range.end.min(left.len())]);
        let behind = |index: usize| index.saturating_sub(left.len());
        data.extend_from_slice(&right[behind(range.start)..behind(range.end)]);
        data
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use OutputStream::{Stderr, Stdout};

    fn piece(offset: u64, stream: OutputStream, data: &[u8]) -> Piece {
        Piece { offset, stream, data: data.to_vec() }
    }

    #[test]
    fn pieces_keep_their_order_stream_and_offset() {
        let mut ring = Ring::new(1024);
        ring.append(Stdout, b"ab");
        ring.append(Stdout, b"c");
        ring.append(Stderr, b"de");
        let all = vec![piece(0, Stdout, b"abc"), piece(3, Stderr, b"de")];
        assert_eq!(ring.read(0, 100, 100), all);
        assert_eq!(ring.read(1, 3, 100), vec![piece(1, Stdout, b"bc"), piece(3, Stderr, b"d")]);
        assert_eq!(ring.read(0, 100, 2)[..2], [piece(0, Stdout, b"ab"), piece(2, Stdout, b"c")]);
        assert_eq!(ring.read(5, 100, 100), vec![]);
    }

    #[test]
    fn the_oldest_bytes_make_room_and_memory_stays_within_the_capacity() {
        let mut ring = Ring::new(256);
        for index in 0..1000u32 {
            ring.append(if index % 7 == 0 { Stderr } else { Stdout }, &[index as u8; 5]);
        }
        assert_eq!(ring.end(), 5000);
        assert!(ring.start() >= 5000 - 256);
        assert!(ring.bytes.capacity() <= 256);
        let read: Vec<u8> = ring.read(0, 1000, 1000).into_iter().flat_map(|piece| piece.data).collect();
        let expected: Vec<u8> = (0..1000u32).flat_map(|index| [index as u8; 5]).collect();
        assert_eq!(read[..], expected[ring.start() as usize..]);
    }

    #[test]
    fn more_than_the_capacity_at_once_keeps_the_tail() {
        let mut ring = Ring::new(4);
        ring.append(Stdout, b"abcdefgh");
        assert_eq!(ring.read(0, 10, 10), vec![piece(4, Stdout, b"efgh")]);
    }

    #[test]
    fn room_counts_what_must_be_kept() {
        let mut ring = Ring::new(10);
        ring.append(Stdout, b"12345678");
        assert_eq!((ring.room(0), ring.room(5), ring.room(8)), (2, 7, 10));
        ring.append(Stdout, b"9012");
        assert_eq!(ring.room(0), 0);
    }

    #[test]
    fn alternating_streams_are_bounded_by_runs() {
        let mut ring = Ring::new(6400);
        for index in 0..5000 {
            ring.append(if index % 2 == 0 { Stdout } else { Stderr }, b"x");
        }
        assert!(ring.runs.len() <= 102);
        assert_eq!(ring.room(ring.start()), 0, "a reader at the start holds the process back");
        assert_eq!(ring.read(0, 9999, 9999).len(), ring.runs.len());
    }
}

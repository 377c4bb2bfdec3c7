//! Output of one process: the replay buffer and those who read it.
//!
//! While anybody reads, the process is held back by the slowest reader: bytes that one has not taken are not
//! overwritten. One that takes nothing for STUCK while the process waits for it is dropped.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use super::ring::{Piece, Ring};
use crate::{
    bell::Bell,
    error::Fault,
    proto::{OutputStream, ProcessExited},
};

pub const STUCK: Duration = Duration::from_secs(30);
/// Longest ProcessOutput.data.
const PIECE: usize = 64 << 10;

struct Slot {
    id: u64,
    position: u64,
    /// Once the process is over: where this reader's part ends, whatever is left behind still writes.
    stop: Option<u64>,
    progress: Instant,
    waiting: bool,
    lost: bool,
    bell: Arc<Bell>,
}

struct Inner {
    ring: Ring,
    slots: Vec<Slot>,
    next_slot: u64,
    held_since: Option<Instant>,
    finished: Option<ProcessExited>,
    discard: bool,
}

pub struct Output {
    inner: Mutex<Inner>,
    /// Wakes the pump: there is room again, or the process exited.
    pub pump: Bell,
}

/// Where a reader begins.
#[derive(Clone, Copy)]
pub enum From {
    Offset(u64),
    End,
}

/// What a reader gets.
pub enum Taken {
    Pieces(Vec<Piece>),
    /// Nothing yet: wait for the bell.
    Nothing,
    Finished(ProcessExited),
    Lost,
}

impl Output {
    pub fn new(capacity: usize) -> Result<Self, Fault> {
        let inner = Inner {
            ring: Ring::new(capacity),
            slots: Vec::new(),
            next_slot: 0,
            held_since: None,
            finished: None,
            discard: false,
        };
        Ok(Self { inner: Mutex::new(inner), pump: Bell::new()? })
    }

    pub fn attach(self: &Arc<Self>, from: From) -> Result<Reader, Fault> {
        let bell = Arc::new(Bell::new()?);
        let mut inner = self.lock();
        let id = inner.next_slot;
        inner.next_slot += 1;
        let position = match from {
            From::Offset(offset) => offset.clamp(inner.ring.start(), inner.ring.end()),
            From::End => inner.ring.end(),
        };
        let stop = inner.finished.map(|_| inner.ring.end());
        let progress = Instant::now();
        let slot = Slot { id, position, stop, progress, waiting: false, lost: false, bell: bell.clone() };
        inner.slots.push(slot);
        Ok(Reader { output: self.clone(), id, bell, first_offset: position })
    }

    /// How many bytes the process may write now; `Err` says when to ask again.
    pub fn room(&self, now: Instant) -> Result<usize, Instant> {
        let mut inner = self.lock();
        loop {
            let Some(slowest) = inner.slots.iter().filter(|slot| !slot.lost).min_by_key(|slot| slot.position)
            else {
                inner.held_since = None;
                return Ok(PIECE);
            };
            let (id, progress, position) = (slowest.id, slowest.progress, slowest.position);
            let room = inner.ring.room(position);
            if room > 0 {
                inner.held_since = None;
                return Ok(room.min(PIECE));
            }
            let held = *inner.held_since.get_or_insert(now);
            let deadline = held.max(progress) + STUCK;
            if now < deadline {
                return Err(deadline);
            }
            if let Some(slot) = inner.slots.iter_mut().find(|slot| slot.id == id) {
                slot.lost = true;
                slot.bell.ring();
            }
        }
    }

    pub fn append(&self, stream: OutputStream, data: &[u8]) {
        let mut inner = self.lock();
        if inner.discard {
            return;
        }
        inner.ring.append(stream, data);
        inner.wake_readers();
    }

    /// The process is over and its output complete. Later output of what it left behind is still kept.
    pub fn finish(&self, exited: ProcessExited) {
        let mut inner = self.lock();
        let end_offset = inner.ring.end();
        inner.finished.get_or_insert(ProcessExited { end_offset, ..exited });
        inner.slots.iter_mut().for_each(|slot| slot.stop = Some(end_offset));
        inner.ring.shrink();
        inner.wake_readers();
    }

    pub fn finished(&self) -> Option<ProcessExited> {
        self.lock().finished
    }

    pub fn end_offset(&self) -> u64 {
        self.lock().ring.end()
    }

    pub fn memory(&self) -> usize {
        self.lock().ring.size()
    }

    /// Forgets the output and whatever comes later; who has not read all of it is told so.
    pub fn discard(&self) {
        let mut inner = self.lock();
        inner.discard = true;
        let end = inner.ring.end();
        for slot in inner.slots.iter_mut().filter(|slot| slot.position < end) {
            slot.lost = true;
            slot.bell.ring();
        }
        inner.ring.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        crate::sync::lock(&self.inner)
    }
}

impl Inner {
    fn wake_readers(&mut self) {
        for slot in &mut self.slots {
            if std::mem::take(&mut slot.waiting) {
                slot.bell.ring();
            }
        }
    }
}

/// One who reads; leaves when dropped.
pub struct Reader {
    output: Arc<Output>,
    id: u64,
    pub bell: Arc<Bell>,
    pub first_offset: u64,
}

impl Reader {
    /// The next output, at most `limit` bytes. What is taken no longer holds the process back.
    pub fn take(&self, limit: usize) -> Taken {
        let mut guard = self.output.lock();
        let inner = &mut *guard;
        let Some(slot) = inner.slots.iter_mut().find(|slot| slot.id == self.id) else { return Taken::Lost };
        if slot.lost {
            return Taken::Lost;
        }
        let limit =
            slot.stop.map_or(limit as u64, |stop| stop.saturating_sub(slot.position).min(limit as u64));
        let pieces = inner.ring.read(slot.position, limit as usize, PIECE);
        if let Some(last) = pieces.last() {
            slot.position = last.offset + last.data.len() as u64;
            slot.progress = Instant::now();
            if inner.held_since.is_some() {
                self.output.pump.ring();
            }
            return Taken::Pieces(pieces);
        }
        if let (Some(exited), Some(end_offset)) = (inner.finished, slot.stop) {
            return Taken::Finished(ProcessExited { end_offset, ..exited });
        }
        slot.waiting = true;
        Taken::Nothing
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut inner = self.output.lock();
        inner.slots.retain(|slot| slot.id != self.id);
        if inner.held_since.is_some() {
            self.output.pump.ring();
        }
    }
}

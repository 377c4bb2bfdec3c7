//! All processes, running and over. Its lock orders reaping and signalling: while it is held no pid can be reused.
//! It is not held while a program starts, which can take long where memory is short.

use std::{
    collections::{BTreeMap, VecDeque},
    os::fd::OwnedFd,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI32, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    Exit, Process,
    oom::{OomWatch, Victim},
};
use crate::{
    error::Fault,
    log::{LOG, Level},
    proto::{ErrorReason, ExitKind, LogEvent, ProcessSelector, process_selector::Selector},
    sync::lock,
    sys,
};

const MAX_RUNNING: usize = 2048;
/// What is kept of processes that are over.
const MAX_ENDED: usize = 256;
const MAX_ENDED_BYTES: usize = 32 << 20;
const KEEP_ENDED: Duration = Duration::from_secs(600);

struct Inner {
    by_id: BTreeMap<String, Arc<Process>>,
    running: BTreeMap<i32, Arc<Process>>,
    ended: VecDeque<(Instant, Arc<Process>)>,
    starting: BTreeMap<String, Start>,
    oom: OomWatch,
}

/// A process on its way.
#[derive(Default)]
struct Start {
    pid: Arc<AtomicI32>,
    /// Where it was over before its start was.
    result: Option<Result<i32, i32>>,
}

pub struct Registry {
    inner: Mutex<Inner>,
    /// Somebody's start is done.
    started: Condvar,
}

impl Registry {
    pub fn new(oom: OomWatch) -> Self {
        let inner = Inner {
            by_id: BTreeMap::new(),
            running: BTreeMap::new(),
            ended: VecDeque::new(),
            starting: BTreeMap::new(),
            oom,
        };
        Self { inner: Mutex::new(inner), started: Condvar::new() }
    }

    /// The process with this id, or what `start` makes; the second value is what `start` gave besides. `start`
    /// writes the pid down as soon as there is one.
    pub fn find_or_start<T>(
        &self,
        id: &str,
        start: impl FnOnce(&AtomicI32) -> Result<(Process, T), Fault>,
    ) -> Result<(Arc<Process>, Option<T>), Fault> {
        let mut inner = self.lock();
        inner.evict();
        while inner.starting.contains_key(id) {
            inner = self.started.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(process) = inner.by_id.get(id) {
            return Ok((process.clone(), None));
        }
        if inner.running.len() + inner.starting.len() >= MAX_RUNNING {
            return Err(Fault::new(
                ErrorReason::LimitExceeded,
                format!("{MAX_RUNNING} processes run already"),
            ));
        }
        let pid = inner.starting.entry(id.to_owned()).or_default().pid.clone();
        drop(inner);
        let result = catch_unwind(AssertUnwindSafe(|| start(&pid)));

        let mut inner = self.lock();
        let over = inner.starting.remove(id).and_then(|start| start.result);
        self.started.notify_all();
        let (process, extra) = result.unwrap_or_else(|panic| resume_unwind(panic))?;
        let process = Arc::new(process);
        inner.running.insert(process.pid, process.clone());
        inner.by_id.insert(process.id.clone(), process.clone());
        let message = format!("process {id} started: {} (pid {})", process.args[0], process.pid);
        LOG.add_event(Level::Info, LogEvent::ProcessStarted, id, message);
        if let Some(result) = over {
            inner.running.remove(&process.pid);
            inner.note_exit(&process, result);
        }
        Ok((process, Some(extra)))
    }

    pub fn by_id(&self, id: &str) -> Option<Arc<Process>> {
        self.lock().by_id.get(id).cloned()
    }

    /// Collects every child that ended, also those nobody knows: PID 1 inherits orphans.
    pub fn reap(&self) {
        let mut inner = self.lock();
        inner.note_kills();
        while let Some((pid, result)) = sys::wait_any() {
            if let Some(process) = inner.running.remove(&pid) {
                inner.note_exit(&process, result);
            } else if let Some(start) = inner.start_of(pid) {
                start.result = Some(result);
            }
        }
        inner.evict();
    }

    /// Readable when the kernel may have ended something for want of memory: time to reap.
    pub fn kernel_log(&self) -> Option<OwnedFd> {
        self.lock().oom.fd()
    }

    /// Sends a signal to a process that still runs; false where it is over.
    pub fn signal(&self, process: &Process, target: impl FnOnce() -> i32, signal: i32) -> nix::Result<bool> {
        let _order = self.lock();
        if !process.is_running() {
            return Ok(false);
        }
        match nix::errno::Errno::result(sys::kill(target(), signal)) {
            Ok(_) => Ok(true),
            Err(nix::errno::Errno::ESRCH) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// The process is over and its output complete: it becomes one of those that are kept for a while.
    pub fn retire(&self, process: &Arc<Process>) {
        let mut inner = self.lock();
        inner.ended.push_back((Instant::now(), process.clone()));
        inner.evict();
    }

    /// Drops a process whose output nobody could be found to read.
    pub fn forget(&self, process: &Process) {
        self.lock().by_id.remove(&process.id);
    }

    pub fn select(&self, selector: Option<&ProcessSelector>) -> Result<Arc<Process>, Fault> {
        let inner = self.lock();
        let missing =
            |what: String| Fault::new(ErrorReason::ProcessNotFound, format!("no process with {what}"));
        match selector.and_then(|selector| selector.selector.as_ref()) {
            None => Err(Fault::invalid("process", "no selector is set")),
            Some(Selector::ProcessId(id)) => {
                inner.by_id.get(id).cloned().ok_or_else(|| missing(format!("process_id \"{id}\"")))
            }
            Some(Selector::Pid(pid)) => {
                let ended = || inner.ended.iter().rev().map(|(_, process)| process);
                let running = inner.by_id.values().filter(|process| process.is_running());
                let found = running
                    .chain(inner.by_id.values())
                    .chain(ended())
                    .find(|process| process.pid as u32 == *pid);
                found.cloned().ok_or_else(|| missing(format!("pid {pid}")))
            }
            Some(Selector::Tag(tag)) => {
                let mut tagged = inner.running.values().filter(|process| process.tag == *tag);
                match (tagged.next(), tagged.next()) {
                    (Some(process), None) => Ok(process.clone()),
                    (None, _) => Err(missing(format!("tag \"{tag}\" that runs"))),
                    _ => Err(Fault::invalid(
                        "process.tag",
                        format!("tag \"{tag}\" names several running processes"),
                    )),
                }
            }
        }
    }

    pub fn running(&self) -> usize {
        self.lock().running.len()
    }

    /// All processes by start time.
    pub fn list(&self, with_ended: bool) -> Vec<Arc<Process>> {
        let mut list: Vec<_> = self.lock().by_id.values().cloned().collect();
        list.retain(|process| with_ended || process.is_running());
        list.sort_by_key(|process| process.started);
        list
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

impl Inner {
    fn start_of(&mut self, pid: i32) -> Option<&mut Start> {
        let mut starts = self.starting.values_mut();
        starts.find(|start| start.result.is_none() && start.pid.load(Ordering::Relaxed) == pid)
    }

    /// Writes down what the kernel ended, before it is reaped.
    fn note_kills(&mut self) {
        for Victim { pid, name } in self.oom.read() {
            // What is no process of ours descends from one, whose pid is that of its session.
            let process = self.running.get(&pid).or_else(|| self.running.get(&sys::session_of(pid)?));
            let id = process.map_or("", |process| &process.id);
            let message = format!("out of memory: the kernel ended {name} (pid {pid})");
            LOG.add_event(Level::Warn, LogEvent::OutOfMemory, id, message);
        }
    }

    fn note_exit(&mut self, process: &Process, result: Result<i32, i32>) {
        let mut state = lock(&process.state);
        let kind = match result {
            _ if state.timed_out => ExitKind::TimedOut,
            Ok(_) => ExitKind::Exited,
            Err(libc::SIGKILL) if self.oom.killed(process.pid) => ExitKind::OutOfMemory,
            Err(_) => ExitKind::Signaled,
        };
        let (code, signal) = result.map_or_else(|signal| (128 + signal, signal as u32), |code| (code, 0));
        state.exit = Some(Exit { kind, code, signal, run_time: process.started.elapsed() });
        drop(state);
        let message = match kind {
            ExitKind::TimedOut => format!("process {} had its time and was ended", process.id),
            ExitKind::OutOfMemory => format!("process {} was ended for want of memory", process.id),
            ExitKind::Signaled => format!("process {} was ended by signal {signal}", process.id),
            ExitKind::Exited | ExitKind::Unspecified => format!("process {} exited with {code}", process.id),
        };
        LOG.add_event(Level::Info, LogEvent::ProcessExited, &process.id, message);
        process.output.pump.ring();
    }

    /// Drops the oldest of those that are over until the limits hold.
    fn evict(&mut self) {
        let mut bytes: usize = self.ended.iter().map(|(_, process)| process.output.memory()).sum();
        while let Some((since, oldest)) = self.ended.front() {
            if self.ended.len() <= MAX_ENDED && bytes <= MAX_ENDED_BYTES && since.elapsed() < KEEP_ENDED {
                break;
            }
            bytes -= oldest.output.memory().min(bytes);
            self.by_id.remove(&oldest.id);
            oldest.output.discard();
            self.ended.pop_front();
        }
    }
}

/// Process group of a process as `kill` wants it.
pub fn group_of(process: &Process) -> i32 {
    -process.pid
}

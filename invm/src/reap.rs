//! PID 1's duty: children that end are collected, its own and the orphans it inherits.

use std::time::{Duration, Instant};

use nix::sys::{
    signal::{SigSet, SigmaskHow, Signal, pthread_sigmask},
    signalfd::{SfdFlags, SignalFd},
};
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, poll};

use crate::{agent::Agent, conn::timeout_of, error::Fault, serve::spawn_thread, sys};

/// Also without a child that ended, records that are too old go, and memory that is not needed.
const TIDY: Duration = Duration::from_secs(5);

/// Blocks SIGCHLD for this thread and those it starts later, so that the reaper alone sees it.
pub fn block_child_signal() {
    let mut set = SigSet::empty();
    set.add(Signal::SIGCHLD);
    let _ = pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&set), None);
}

/// Starts the thread that reaps.
pub fn start_reaper(agent: &'static Agent) -> Result<(), Fault> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGCHLD);
    let signals = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .map_err(|errno| Fault::internal("signalfd", errno.desc()))?;
    let kernel_log = agent.processes.kernel_log();
    let mut tidied = Instant::now();
    let run = move || loop {
        agent.processes.reap();
        let sources = [Some(signals.as_fd()), kernel_log.as_ref().map(AsFd::as_fd)];
        let mut fds: Vec<_> =
            sources.into_iter().flatten().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        let _ = poll(&mut fds, timeout_of(Some(TIDY)));
        if tidied.elapsed() >= TIDY {
            sys::trim_heap();
            tidied = Instant::now();
        }
        // Before reaping, so that a child that ends meanwhile rings again.
        let _ = signals.read_signal();
    };
    spawn_thread("reaper", run).map_err(|error| Fault::internal("thread for the reaper", error))
}

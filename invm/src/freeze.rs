//! quiesce and thaw: programs and the root file system stand still while the VM is copied.
//!
//! The agent itself goes on. Nothing it needs for a thaw lies on the frozen disk, and a call that waits for the disk or for a
//! frozen child keeps only its own thread.

use std::{
    fs::{self, File},
    os::fd::AsFd,
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

use nix::errno::Errno;

use crate::{
    agent::{Agent, Mode},
    console,
    error::{Fault, errno_of},
    process::group,
    proto::QuiesceRequest,
    serve::spawn_thread,
    sync::lock,
    sys,
    wire::duration_of,
};

const LIMIT: Duration = Duration::from_secs(10);
const MAX_LIMIT: Duration = Duration::from_secs(60);
/// Time is counted in these: a clock that jumps, as that of a restored VM may, takes no more than one of them.
const SLICE: Duration = Duration::from_millis(250);

#[derive(Default)]
pub struct Freeze {
    hold: Mutex<Hold>,
    changed: Condvar,
}

#[derive(Default)]
struct Hold {
    /// How long it lasts yet, where nobody ends it.
    left: Option<Duration>,
    /// A thread looks after that.
    watched: bool,
}

/// Freezes, or begins the time anew where all stands still already.
pub fn quiesce(agent: &'static Agent, request: &QuiesceRequest) -> Result<(), Fault> {
    let field = "quiesce.timeout";
    let limit = request.timeout.as_ref().map_or(Ok(LIMIT), |value| duration_of(field, value))?;
    if limit > MAX_LIMIT {
        return Err(Fault::invalid(field, format!("a time-out of {} s: the limit is 60 s", limit.as_secs())));
    }
    let Freeze { hold, changed } = &agent.freeze;
    if agent.mode == Mode::Vm && lock(hold).left.is_none() {
        // While programs still run, so that little is left to write once they don't.
        nix::unistd::sync();
    }
    let mut hold = lock(hold);
    if !hold.watched {
        // Before anything stands still: without it nothing would end that.
        spawn_thread("thaw", || agent.freeze.watch(agent.mode))
            .map_err(|error| Fault::internal("thread for the thaw", error))?;
        hold.watched = true;
    }
    hold.left = Some(limit);
    let result = stand_still(agent.mode);
    if result.is_err() {
        hold.left = None;
        go_on(agent.mode);
    }
    changed.notify_all();
    result
}

impl Freeze {
    pub fn thaw(&self, mode: Mode) {
        let mut hold = lock(&self.hold);
        if hold.left.take().is_some() {
            go_on(mode);
            self.changed.notify_all();
        }
    }

    /// Lets the disk be written to, while programs still stand.
    pub fn thaw_disk(&self, mode: Mode) {
        if lock(&self.hold).left.is_some() {
            release_disk(mode);
        }
    }

    /// Ends with the hold, and ends that when its time is over.
    fn watch(&self, mode: Mode) {
        let mut hold = lock(&self.hold);
        while let Some(left) = hold.left {
            if left.is_zero() {
                hold.left = None;
                go_on(mode);
                console::warn(format_args!("nobody ended a quiesce in its time"));
                break;
            }
            let slice = left.min(SLICE);
            let (held, waited) =
                self.changed.wait_timeout(hold, slice).unwrap_or_else(PoisonError::into_inner);
            hold = held;
            if waited.timed_out() {
                hold.left = hold.left.map(|left| left.saturating_sub(slice));
            }
        }
        hold.watched = false;
    }
}

/// Programs first: what is in the middle of a write finishes it, and none is begun.
fn stand_still(mode: Mode) -> Result<(), Fault> {
    if mode != Mode::Vm {
        return Ok(());
    }
    hold_programs(true);
    match root().and_then(|root| sys::freeze(root.as_fd())) {
        // EBUSY: a program of the guest has frozen it. EOPNOTSUPP: the root lies in memory.
        Ok(()) | Err(Errno::EBUSY | Errno::EOPNOTSUPP) => Ok(()),
        Err(errno) => Err(Fault::internal("freeze of the root file system", errno.desc()).code(errno)),
    }
}

fn go_on(mode: Mode) {
    release_disk(mode);
    if mode == Mode::Vm {
        hold_programs(false);
    }
}

fn release_disk(mode: Mode) {
    if mode != Mode::Vm {
        return;
    }
    match root().and_then(|root| sys::thaw(root.as_fd())) {
        // EINVAL: it is not frozen.
        Ok(()) | Err(Errno::EINVAL | Errno::EOPNOTSUPP) => {}
        Err(errno) => console::warn(format_args!("thaw of the root file system: {}", errno.desc())),
    }
}

fn root() -> nix::Result<File> {
    File::open("/").map_err(|error| errno_of(&error))
}

fn hold_programs(still: bool) {
    let file = format!("{}/cgroup.freeze", group::FOLDER);
    if let Err(error) = fs::write(&file, if still { "1" } else { "0" }) {
        // A kernel without it: programs run while the VM is copied, as they would without a quiesce.
        console::warn(format_args!("{file}: {error}"));
    }
}

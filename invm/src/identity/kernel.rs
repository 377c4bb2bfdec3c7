//! The kernel's clock and random state: set_clock and add_entropy, which are part of personalize too.

use std::{fs, os::fd::AsFd, time::Duration};

use crate::{
    agent::{Agent, Mode},
    error::Fault,
    proto::{AddEntropyRequest, ErrorReason, SetClockRequest},
    sys,
    wire::{duration_of, since_epoch},
};

pub fn set_clock(agent: &Agent, request: &SetClockRequest) -> Result<(), Fault> {
    let field = "set_clock.wall_clock";
    let time = request.wall_clock.as_ref().ok_or_else(|| Fault::invalid(field, "no time is set"))?;
    let time = since_epoch(field, time)?;
    let as_of = request.as_of.as_ref().map(|uptime| duration_of("set_clock.as_of", uptime)).transpose()?;
    if agent.mode == Mode::Vm { step_clock(agent, time, as_of) } else { Ok(()) }
}

pub fn add_entropy(mode: Mode, request: &AddEntropyRequest) -> Result<(), Fault> {
    check_entropy("add_entropy.entropy", &request.entropy)?;
    if mode == Mode::Vm { credit(&request.entropy) } else { Ok(()) }
}

/// To what has become of `time`, which was when the agent's uptime was `as_of`: a guest on a busy host hears of it late.
pub fn step_clock(agent: &Agent, time: Duration, as_of: Option<Duration>) -> Result<(), Fault> {
    let since = as_of.map_or(Duration::ZERO, |uptime| agent.uptime().saturating_sub(uptime));
    sys::set_wall_clock(time.saturating_add(since)).map_err(|errno| denied("wall clock", errno))
}

pub fn check_entropy(field: &'static str, entropy: &[u8]) -> Result<(), Fault> {
    match entropy.len() {
        32..=sys::MAX_ENTROPY => Ok(()),
        length => Err(Fault::invalid(field, format!("{length} bytes of entropy: the range is 32 to 512"))),
    }
}

/// Credits it, and has the kernel's generator start from it at once.
pub fn credit(entropy: &[u8]) -> Result<(), Fault> {
    let random = fs::OpenOptions::new().write(true).open("/dev/urandom");
    let random = random.map_err(|error| Fault::internal("/dev/urandom", error))?;
    sys::add_entropy(random.as_fd(), entropy).map_err(|errno| denied("entropy", errno))
}

pub fn denied(what: &str, errno: nix::errno::Errno) -> Fault {
    Fault::new(ErrorReason::Internal, format!("{what}: {}", errno.desc())).code(errno)
}

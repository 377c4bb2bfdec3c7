//! The kernel's clock and random state: set_clock and add_entropy, which are part of personalize too.

use std::{fs, os::fd::AsFd, time::Duration};

use crate::{
    agent::Mode,
    error::Fault,
    proto::{AddEntropyRequest, ErrorReason, SetClockRequest},
    sys,
    wire::since_epoch,
};

pub fn set_clock(mode: Mode, request: &SetClockRequest) -> Result<(), Fault> {
    let field = "set_clock.wall_clock";
    let time = request.wall_clock.as_ref().ok_or_else(|| Fault::invalid(field, "no time is set"))?;
    let time = since_epoch(field, time)?;
    if mode == Mode::Vm { step_clock(time) } else { Ok(()) }
}

pub fn add_entropy(mode: Mode, request: &AddEntropyRequest) -> Result<(), Fault> {
    check_entropy("add_entropy.entropy", &request.entropy)?;
    if mode == Mode::Vm { credit(&request.entropy) } else { Ok(()) }
}

pub fn step_clock(time: Duration) -> Result<(), Fault> {
    sys::set_wall_clock(time).map_err(|errno| denied("wall clock", errno))
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

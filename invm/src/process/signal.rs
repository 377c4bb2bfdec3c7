//! signal_process and resize_pty.

use std::os::fd::AsFd;

use super::{registry::group_of, spec::size_of_pty};
use crate::{
    agent::Agent,
    error::Fault,
    proto::{ErrorReason, ResizePtyRequest, SignalProcessRequest},
    sync::lock,
    sys,
};

pub fn signal_process(agent: &Agent, request: SignalProcessRequest) -> Result<(), Fault> {
    if !(1..=64).contains(&request.signal) {
        return Err(Fault::invalid(
            "signal_process.signal",
            format!("signal {}: the range is 1 to 64", request.signal),
        ));
    }
    let process = agent.processes.select(request.process.as_ref())?;
    let target = || match &process.terminal {
        _ if request.only_process => process.pid,
        Some(terminal) => match sys::foreground_group(terminal.master.as_fd()) {
            Some(group) => -group,
            None => group_of(&process),
        },
        None => group_of(&process),
    };
    match agent.processes.signal(&process, target, request.signal as i32) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Fault::new(ErrorReason::ProcessNotFound, format!("process {} is over", process.id))),
        Err(errno) => Err(Fault::new(ErrorReason::PermissionDenied, errno.desc()).code(errno)),
    }
}

pub fn resize_pty(agent: &Agent, request: ResizePtyRequest) -> Result<(), Fault> {
    let size = size_of_pty("resize_pty.pty", &request.pty.unwrap_or_default())?;
    let process = agent.processes.select(request.process.as_ref())?;
    let Some(terminal) = &process.terminal else {
        return Err(Fault::invalid("resize_pty.process", format!("process {} has no terminal", process.id)));
    };
    sys::set_window_size(terminal.master.as_fd(), size.columns, size.rows)
        .map_err(|errno| Fault::internal("window size", errno.desc()).code(errno))?;
    *lock(&terminal.size) = size;
    Ok(())
}

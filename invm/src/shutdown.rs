//! Orderly power-off: processes first, then file systems, then the machine.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::reboot::{RebootMode, reboot},
};

use crate::{
    agent::{Agent, Mode},
    console,
    error::Fault,
    process::registry::group_of,
    proto::ShutdownRequest,
    sys,
    wire::duration_of,
};

const GRACE: Duration = Duration::from_secs(2);
const MAX_GRACE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Ends all processes and puts the file systems in order. Then only `power_off` is left.
pub fn wind_down(agent: &Agent, request: &ShutdownRequest) -> Result<(), Fault> {
    let field = "shutdown.grace";
    let grace = request.grace.as_ref().map_or(Ok(GRACE), |value| duration_of(field, value))?;
    if grace > MAX_GRACE {
        return Err(Fault::invalid(field, format!("a grace of {} s: the limit is 60 s", grace.as_secs())));
    }
    agent.freeze.thaw(agent.mode);
    signal_all(agent, libc::SIGTERM);
    // Stopped processes see their SIGTERM only when they go on.
    signal_all(agent, libc::SIGCONT);
    wait_for_all(agent, grace);
    signal_all(agent, libc::SIGKILL);
    wait_for_all(agent, Duration::from_secs(2));
    nix::unistd::sync();
    if agent.mode == Mode::Vm {
        release_file_systems();
    }
    Ok(())
}

/// Never returns.
pub fn power_off(mode: Mode) -> ! {
    if mode == Mode::Vm {
        let _ = reboot(RebootMode::RB_POWER_OFF);
        console::warn(format_args!("power off failed"));
        let _ = reboot(RebootMode::RB_AUTOBOOT);
    }
    std::process::exit(0)
}

fn signal_all(agent: &Agent, signal: i32) {
    if agent.mode == Mode::Vm {
        sys::kill(-1, signal);
    } else {
        for process in agent.processes.list(false) {
            let _ = agent.processes.signal(&process, || group_of(&process), signal);
        }
    }
}

fn wait_for_all(agent: &Agent, limit: Duration) {
    let end = Instant::now() + limit;
    while Instant::now() < end && any_left(agent) {
        thread::sleep(LOOK_AGAIN);
    }
}

fn any_left(agent: &Agent) -> bool {
    agent.processes.running() > 0 || (agent.mode == Mode::Vm && has_programs())
}

/// Whether anything but us and the kernel's own threads (which have no command line) runs.
fn has_programs() -> bool {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .any(|pid| pid > 1 && fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty()))
}

/// Unmounts what lies on disks, the last first; what can't be unmounted, as the root, becomes read-only.
fn release_file_systems() {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    for line in mounts.lines().rev() {
        let mut fields = line.split(' ');
        let (Some(device), Some(place)) = (fields.next(), fields.next()) else { continue };
        if !device.starts_with("/dev/") {
            continue;
        }
        let place = place.replace("\\040", " ");
        if place != "/" && umount2(place.as_str(), MntFlags::empty()).is_ok() {
            continue;
        }
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        if let Err(errno) = mount(None::<&str>, place.as_str(), None::<&str>, flags, None::<&str>) {
            console::warn(format_args!("{place} stays writable at power-off: {}", errno.desc()));
        }
    }
    nix::unistd::sync();
}

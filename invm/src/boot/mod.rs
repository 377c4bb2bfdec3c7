//! From the kernel's first program to the sandbox's root: the steps in their order.

pub mod cmdline;
pub mod limits;
pub mod modules;
pub mod mount;
pub mod net;
pub mod root;

use std::{fs, io::Write, time::Duration};

use nix::sys::{
    reboot::{RebootMode, reboot},
    resource::{Resource, setrlimit},
    stat::{Mode, umask},
};

use crate::console;
use cmdline::Cmdline;

/// Descriptors for a thousand connections and their processes.
const MAX_FILES: u64 = 65_536;

/// A boot step that failed: what, and why.
#[derive(Debug)]
pub struct Failed(pub String);

impl Failed {
    pub fn at(what: impl std::fmt::Display) -> impl FnOnce(nix::errno::Errno) -> Self {
        move |errno| Self(format!("{what}: {}", errno.desc()))
    }
}

/// Brings the VM to the point where it can be talked to.
pub fn boot() -> Result<(), Failed> {
    umask(Mode::from_bits_truncate(0o022));
    mount::mount_early()?;
    console_streams();
    let cmdline = Cmdline::read()?;
    console::set_debug(cmdline.debug);
    let loaded = modules::load_all();
    console_streams(); // again: its driver may have been one of them
    loaded?;
    if let Some(device) = &cmdline.root {
        root::enter(device, &cmdline)?;
    }
    mount::mount_late();
    net::set_up();
    limits::set_up();
    // The agent is the last that the kernel may kill for memory; its children reset this.
    let _ = fs::write("/proc/self/oom_score_adj", "-1000");
    let _ = setrlimit(Resource::RLIMIT_NOFILE, MAX_FILES, MAX_FILES);
    Ok(())
}

/// Says why, and powers off: a VM that hangs silently helps nobody.
pub fn give_up(reason: &str) -> ! {
    console::warn(format_args!("boot failed: {reason}"));
    let _ = std::io::stderr().flush();
    // The console's last characters need a moment to leave.
    std::thread::sleep(Duration::from_millis(50));
    let _ = reboot(RebootMode::RB_POWER_OFF);
    std::process::abort() // ends PID 1: the kernel panics, and panic=-1 reboots
}

/// The kernel opens no console where the initramfs has no node for it; devtmpfs has one now.
fn console_streams() {
    if let Ok(file) = fs::OpenOptions::new().read(true).write(true).open("/dev/console") {
        let _ = nix::unistd::dup2_stdin(&file);
        let _ = nix::unistd::dup2_stdout(&file);
        let _ = nix::unistd::dup2_stderr(&file);
    }
}

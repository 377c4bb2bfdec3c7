//! What all calls share.

use std::{os::fd::OwnedFd, path::PathBuf, sync::Mutex, time::Instant};

use crate::{
    freeze::Freeze,
    identity::Identity,
    process::{group, oom::OomWatch, registry::Registry},
    proto::{Feature, Hello},
};

/// Wire version.
pub const PROTOCOL: u32 = 1;

/// What it answers beyond the first release's calls.
const FEATURES: [Feature; 6] =
    [Feature::Pty, Feature::Files, Feature::Ports, Feature::Snapshot, Feature::Logs, Feature::Environment];

/// Where the agent runs, which decides what it may change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    /// PID 1 of a VM of its own.
    Vm,
    /// A process on a developer's machine, for tests: host name, clock and power are left alone.
    Development,
}

pub struct Agent {
    pub mode: Mode,
    /// Above the /etc and /run that tell programs who the VM is, and the hooks. None: nobody is told.
    pub root: Option<PathBuf>,
    pub identity: Identity,
    pub freeze: Freeze,
    pub processes: Registry,
    /// Into the control group of the sandbox's programs.
    pub group: Option<OwnedFd>,
    /// Held by an orderly power-off, of which there is one.
    pub shutdown: Mutex<()>,
    boot_id: String,
    started: Instant,
}

impl Agent {
    /// Lives as long as the program.
    pub fn new(mode: Mode, root: Option<PathBuf>) -> &'static Self {
        let (oom, group) = match mode {
            Mode::Vm => (OomWatch::open(), group::door()),
            Mode::Development => (OomWatch::none(), None),
        };
        Box::leak(Box::new(Self {
            mode,
            root,
            identity: Identity::default(),
            freeze: Freeze::default(),
            processes: Registry::new(oom),
            group,
            shutdown: Mutex::new(()),
            boot_id: new_uuid(),
            started: Instant::now(),
        }))
    }

    pub fn hello(&self) -> Hello {
        Hello {
            protocol: PROTOCOL,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            features: FEATURES.map(i32::from).to_vec(),
            boot_id: self.boot_id.clone(),
        }
    }

    pub fn uptime(&self) -> std::time::Duration {
        self.started.elapsed()
    }
}

/// The kernel makes a new one at each read; its own boot_id would not tell a restarted development agent.
pub fn new_uuid() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
    id.trim().to_owned()
}

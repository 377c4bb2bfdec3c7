//! Processes the host starts: what is known of one, and the calls about them.

pub mod group;
pub mod input;
pub mod list;
pub mod oom;
pub mod output;
pub mod pump;
pub mod registry;
pub mod ring;
pub mod signal;
pub mod spec;
pub mod start;
pub mod stream;

use std::{
    collections::BTreeMap,
    os::fd::OwnedFd,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use crate::proto::{ExitKind, ProcessExited};
use input::Stdin;
use output::Output;

/// Size of a terminal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    pub columns: u16,
    pub rows: u16,
}

/// A process's terminal.
pub struct Terminal {
    pub master: Arc<OwnedFd>,
    pub size: Mutex<Size>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy)]
pub struct Exit {
    pub kind: ExitKind,
    pub code: i32,
    pub signal: u32,
    pub run_time: Duration,
}

/// What changes once the process runs.
#[derive(Default)]
pub struct State {
    pub exit: Option<Exit>,
    pub timed_out: bool,
}

/// A process the agent started, running or over.
pub struct Process {
    pub id: String,
    pub pid: i32,
    pub args: Vec<String>,
    pub cwd: String,
    pub user: String,
    pub tag: String,
    pub env: BTreeMap<String, String>,
    pub start_time: SystemTime,
    pub started: Instant,
    pub timeout: Option<Duration>,
    pub output: Arc<Output>,
    pub stdin: Mutex<Stdin>,
    pub terminal: Option<Terminal>,
    pub state: Mutex<State>,
}

impl Process {
    pub fn exit(&self) -> Option<Exit> {
        crate::sync::lock(&self.state).exit
    }

    pub fn is_running(&self) -> bool {
        self.exit().is_none()
    }
}

impl Exit {
    /// Without the end offset, which the output adds.
    pub fn to_proto(self) -> ProcessExited {
        ProcessExited {
            kind: self.kind.into(),
            exit_code: self.code,
            signal: self.signal,
            run_time: Some(crate::wire::to_proto_duration(self.run_time)),
            end_offset: 0,
        }
    }
}

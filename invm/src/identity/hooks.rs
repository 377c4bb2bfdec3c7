//! Programs in /etc/daytonah/hooks.d, which are told of a change of the VM's life and waited for.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::poll::{PollFd, PollFlags, poll};

use super::{first_user, generation::name_of};
use crate::{
    agent::{Agent, new_uuid},
    conn::timeout_of,
    console,
    error::Fault,
    process::{
        output::{From, Taken},
        stream::launch,
    },
    proto::{Argv, ExitKind, LifeEvent, ProcessExited, StartProcessRequest, start_process_request::Command},
    wire::to_proto_duration,
};

const FOLDER: &str = "etc/daytonah/hooks.d";
/// Label of their processes.
const TAG: &str = "hook";
/// Of their output, what may be in the log.
const TAIL: usize = 400;

/// Runs them in the order of their names, all within `limit`; says how long they took. One that fails is logged, and the others
/// go on.
pub fn run(
    agent: &'static Agent,
    root: &Path,
    epoch: u64,
    event: LifeEvent,
    limit: Duration,
) -> Option<Duration> {
    let programs = programs_in(&root.join(FOLDER));
    if programs.is_empty() {
        return None;
    }
    let began = Instant::now();
    let env = BTreeMap::from([
        ("DNAH_EVENT".to_owned(), name_of(event).to_owned()),
        ("DNAH_EPOCH".to_owned(), epoch.to_string()),
    ]);
    for program in programs {
        if let Err(why) = run_one(agent, &program, env.clone(), began + limit) {
            console::warn(format_args!("hook {}: {why}", program.display()));
        }
    }
    Some(began.elapsed())
}

/// Files that can be executed and are not hidden.
fn programs_in(folder: &Path) -> Vec<PathBuf> {
    let executable = |path: &PathBuf| {
        path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let shown = entries.filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
    let mut programs: Vec<PathBuf> = shown.map(|entry| entry.path()).filter(executable).collect();
    programs.sort();
    programs
}

fn run_one(
    agent: &'static Agent,
    program: &Path,
    env: BTreeMap<String, String>,
    deadline: Instant,
) -> Result<(), String> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err("not run: those before it took all the time".into());
    }
    let args = vec![program.to_str().ok_or("its name is no text")?.to_owned()];
    let request = StartProcessRequest {
        process_id: format!("hook-{}", new_uuid()),
        command: Some(Command::Argv(Argv { args })),
        env,
        cwd: "/".into(),
        user: first_user(),
        tag: TAG.into(),
        timeout: Some(to_proto_duration(left)),
        ..Default::default()
    };
    let fault = |fault: Fault| fault.message;
    let (process, _) = launch(agent, request).map_err(fault)?;
    let reader = process.output.attach(From::Offset(0)).map_err(fault)?;
    let mut tail = Vec::new();
    loop {
        match reader.take(64 << 10) {
            Taken::Pieces(pieces) => {
                pieces.iter().for_each(|piece| tail.extend_from_slice(&piece.data));
                tail.drain(..tail.len().saturating_sub(TAIL));
            }
            Taken::Nothing if Instant::now() >= deadline => return Err("its time is over".into()),
            Taken::Nothing => {
                let mut fds = [PollFd::new(reader.bell.fd(), PollFlags::POLLIN)];
                let _ = poll(&mut fds, timeout_of(Some(deadline.saturating_duration_since(Instant::now()))));
                reader.bell.quiet();
            }
            Taken::Finished(exited) => return verdict(&exited, &tail),
            Taken::Lost => return Err("its output is lost".into()),
        }
    }
}

fn verdict(exited: &ProcessExited, tail: &[u8]) -> Result<(), String> {
    if exited.kind() == ExitKind::Exited && exited.exit_code == 0 {
        return Ok(());
    }
    // The process's own time-out, a moment before we saw ours.
    if exited.kind() == ExitKind::TimedOut {
        return Err("its time is over".into());
    }
    let text = String::from_utf8_lossy(tail);
    Err(format!("exit code {}: {}", exited.exit_code, text.trim().escape_debug()))
}

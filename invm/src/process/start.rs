//! Turns a checked spec into a running process.

use std::{
    ffi::CString,
    fs::OpenOptions,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    },
    sync::{Arc, Mutex, atomic::AtomicI32},
    time::{Instant, SystemTime},
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    unistd::{Gid, Uid, fchown, geteuid, pipe2},
};

use super::{Process, State, Terminal, input::Stdin, output::Output, spec::Spec};
use crate::{
    error::Fault,
    proto::{ErrorReason, OutputStream},
    sys::{
        self,
        spawn::{Child, Credentials, Step, spawn},
    },
};

/// A descriptor the pump reads.
pub struct Source {
    pub fd: Arc<OwnedFd>,
    pub stream: OutputStream,
}

/// Our ends and the child's.
struct Ends {
    stdin: Stdin,
    terminal: Option<Terminal>,
    sources: Vec<Source>,
    child: [OwnedFd; 3],
}

/// Starts the program. The reaper may see its end before we return: it knows it by the `pid` that is set first.
pub fn start(spec: &Spec, group: Option<&OwnedFd>, pid: &AtomicI32) -> Result<(Process, Vec<Source>), Fault> {
    let ends = match spec.pty {
        Some(_) => terminal_ends(spec),
        None => pipe_ends(spec),
    }
    .map_err(|errno| Fault::internal("descriptors of the process", errno.desc()).code(errno))?;
    let output = Output::new(spec.replay)?;
    let started = Instant::now();
    let pid = run(spec, &ends, group, pid)?;
    let process = Process {
        id: spec.id.clone(),
        pid,
        args: spec.args.clone(),
        cwd: spec.cwd.to_string_lossy().into_owned(),
        user: spec.user.name.clone(),
        tag: spec.tag.clone(),
        env: spec.given_env.clone(),
        start_time: SystemTime::now(),
        started,
        timeout: spec.timeout,
        output: Arc::new(output),
        stdin: Mutex::new(ends.stdin),
        terminal: ends.terminal,
        state: Mutex::new(State::default()),
    };
    Ok((process, ends.sources))
}

fn pipe_ends(spec: &Spec) -> nix::Result<Ends> {
    let (stdin_child, stdin) = if spec.stdin {
        let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
        sys::set_nonblocking(write.as_fd())?;
        (read, Stdin::pipe(write))
    } else {
        (dev_null()?, Stdin::none())
    };
    let source = |stream| -> nix::Result<(Source, OwnedFd)> {
        let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
        sys::set_nonblocking(read.as_fd())?;
        Ok((Source { fd: Arc::new(read), stream }, write))
    };
    let (stdout, stdout_child) = source(OutputStream::Stdout)?;
    let (stderr, stderr_child) = source(OutputStream::Stderr)?;
    Ok(Ends {
        stdin,
        terminal: None,
        sources: vec![stdout, stderr],
        child: [stdin_child, stdout_child, stderr_child],
    })
}

fn terminal_ends(spec: &Spec) -> nix::Result<Ends> {
    let size = spec.pty.ok_or(Errno::EINVAL)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK);
    let file = options.open("/dev/ptmx").map_err(|error| crate::error::errno_of(&error))?;
    let master = Arc::new(OwnedFd::from(file));
    let slave = sys::open_pty_peer(master.as_fd())?;
    sys::set_window_size(master.as_fd(), size.columns, size.rows)?;
    // Programs open their terminal again by name.
    let _ = fchown(&slave, Some(Uid::from_raw(spec.user.uid)), None::<Gid>);
    let child = [slave.try_clone(), slave.try_clone()]
        .map(|copy| copy.map_err(|error| crate::error::errno_of(&error)));
    let [stdout, stderr] = child;
    Ok(Ends {
        stdin: Stdin::terminal(master.clone()),
        sources: vec![Source { fd: master.clone(), stream: OutputStream::Pty }],
        terminal: Some(Terminal { master, size: Mutex::new(size) }),
        child: [slave, stdout?, stderr?],
    })
}

fn dev_null() -> nix::Result<OwnedFd> {
    let file = OpenOptions::new().read(true).write(true).open("/dev/null");
    file.map(OwnedFd::from).map_err(|error| crate::error::errno_of(&error))
}

fn run(spec: &Spec, ends: &Ends, group: Option<&OwnedFd>, pid: &AtomicI32) -> Result<i32, Fault> {
    let strings = |texts: Vec<String>| -> Result<Vec<CString>, Fault> {
        let made: Result<_, _> = texts.into_iter().map(CString::new).collect();
        made.map_err(|_| Fault::invalid("start_process", "an argument or variable contains NUL"))
    };
    let args = strings(spec.args.clone())?;
    let env = strings(spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect())?;
    let cwd = CString::new(spec.cwd.as_os_str().as_bytes())
        .map_err(|_| Fault::invalid("start_process.cwd", "the directory contains NUL"))?;
    let user = &spec.user;
    let own_user = !geteuid().is_root() && geteuid().as_raw() == user.uid;
    let credentials = Credentials { uid: user.uid, gid: user.gid, groups: &user.groups };
    let [stdin, stdout, stderr] = &ends.child;
    let child = Child {
        program: &spec.program,
        args: &args,
        env: &env,
        cwd: &cwd,
        credentials: (!own_user).then_some(credentials),
        stdin: stdin.as_fd(),
        stdout: stdout.as_fd(),
        stderr: stderr.as_fd(),
        terminal: spec.pty.is_some(),
        group: group.map(AsFd::as_fd),
    };
    spawn(&child, pid).map_err(|(step, errno)| fault_of(step, errno, spec))
}

fn fault_of(step: Step, errno: Errno, spec: &Spec) -> Fault {
    let text = errno.desc();
    match step {
        Step::Directory => {
            let reason =
                if errno == Errno::EACCES { ErrorReason::PermissionDenied } else { ErrorReason::CwdNotFound };
            Fault::new(reason, format!("working directory {}: {text}", spec.cwd.display()))
                .field("start_process.cwd")
        }
        Step::Execute if errno == Errno::E2BIG => {
            Fault::invalid("start_process", "arguments and environment together are too long")
        }
        _ if errno == Errno::ENOMEM => {
            Fault::new(ErrorReason::OutOfMemory, "no memory is left to start the process")
        }
        _ if errno == Errno::EAGAIN => {
            Fault::new(ErrorReason::LimitExceeded, format!("no room for another process: {text}"))
        }
        Step::Execute => {
            let message = format!("program {}: {text}", spec.program.to_string_lossy());
            Fault::new(ErrorReason::CommandNotFound, message).field("start_process.argv.args")
        }
        Step::Credentials => {
            Fault::new(ErrorReason::PermissionDenied, format!("user {}: {text}", spec.user.name))
                .field("start_process.user")
        }
        Step::Clone | Step::Session | Step::Terminal | Step::Descriptors => {
            Fault::internal("process start", text)
        }
    }
    .code(errno)
}

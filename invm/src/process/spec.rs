//! From a request to what is really run: defaults, look-ups and limits.

use std::{
    collections::BTreeMap,
    ffi::CString,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use super::Size;
use crate::{
    error::Fault,
    files::path::resolve,
    identity::Defaults,
    proto::{ErrorReason, Pty, StartProcessRequest, start_process_request::Command},
    users::{User, find_user},
    wire::duration_of,
};

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const REPLAY_DEFAULT: u64 = 1 << 20;
const REPLAY_MIN: u64 = 64 << 10;
const REPLAY_MAX: u64 = 16 << 20;

/// A start that has been checked.
pub struct Spec {
    pub id: String,
    pub program: CString,
    pub args: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub given_env: BTreeMap<String, String>,
    pub cwd: PathBuf,
    pub user: User,
    pub tag: String,
    pub stdin: bool,
    pub timeout: Option<Duration>,
    pub pty: Option<Size>,
    pub replay: usize,
}

/// Checks a request and fills in what it leaves out.
pub fn spec_of(request: StartProcessRequest, defaults: &Defaults) -> Result<Spec, Fault> {
    check_id(&request.process_id)?;
    if request.tag.len() > 128 {
        return Err(Fault::invalid(
            "start_process.tag",
            format!("tag of {} bytes: the limit is 128", request.tag.len()),
        ));
    }
    let replay = match request.replay_bytes {
        0 => REPLAY_DEFAULT,
        bytes @ REPLAY_MIN..=REPLAY_MAX => bytes,
        bytes => {
            let message =
                format!("replay buffer of {bytes} bytes: the range is {REPLAY_MIN} to {REPLAY_MAX}");
            return Err(Fault::invalid("start_process.replay_bytes", message));
        }
    };
    let timeout =
        request.timeout.as_ref().map(|value| duration_of("start_process.timeout", value)).transpose()?;
    let pty = request.pty.as_ref().map(|pty| size_of_pty("start_process.pty", pty)).transpose()?;
    let user = find_user(defaults.user_or_default(&request.user), "start_process.user")?;
    let env = env_of(&request.env, defaults, &user, pty.is_some())?;
    let cwd = cwd_of(&request.cwd, defaults, &user)?;
    let args = args_of(request.command)?;
    let program = find_program(&args[0], env.get("PATH").map_or(PATH, String::as_str))?;
    Ok(Spec {
        id: request.process_id,
        program,
        args,
        env,
        given_env: request.env,
        cwd,
        user,
        tag: request.tag,
        stdin: request.stdin,
        timeout,
        pty,
        replay: replay as usize,
    })
}

/// A terminal's size within its limits.
pub fn size_of_pty(field: &'static str, pty: &Pty) -> Result<Size, Fault> {
    let side = |value: u32, default: u16| match value {
        0 => Ok(default),
        1..=1000 => Ok(value as u16),
        _ => Err(Fault::invalid(field, format!("a terminal of {value} columns or rows: the limit is 1000"))),
    };
    Ok(Size { columns: side(pty.columns, 80)?, rows: side(pty.rows, 24)? })
}

fn check_id(id: &str) -> Result<(), Fault> {
    let fits = (1..=64).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if fits {
        Ok(())
    } else {
        Err(Fault::invalid("start_process.process_id", "a process_id has 1 to 64 of [A-Za-z0-9_-]"))
    }
}

fn args_of(command: Option<Command>) -> Result<Vec<String>, Fault> {
    let (args, field) = match command {
        None => return Err(Fault::invalid("start_process.command", "neither argv nor shell is set")),
        Some(Command::Argv(argv)) => (argv.args, "start_process.argv.args"),
        Some(Command::Shell(shell)) => {
            let program = if Path::new("/bin/bash").exists() { "/bin/bash" } else { "/bin/sh" };
            let login = shell.login.then_some("-l");
            let words = [program].into_iter().chain(login).chain(["-c"]);
            (words.map(str::to_owned).chain([shell.line]).collect(), "start_process.shell.line")
        }
    };
    if args.first().is_none_or(String::is_empty) {
        return Err(Fault::invalid(field, "the program's name is empty"));
    }
    if args.iter().any(|arg| arg.contains('\0')) {
        return Err(Fault::invalid(field, "an argument contains NUL"));
    }
    Ok(args)
}

/// Later layers win: the system's, the user's, the sandbox's, the request's.
fn env_of(
    given: &BTreeMap<String, String>,
    defaults: &Defaults,
    user: &User,
    terminal: bool,
) -> Result<BTreeMap<String, String>, Fault> {
    check_env("start_process.env", given)?;
    let home = user.home.to_string_lossy();
    let mut env: BTreeMap<String, String> = [
        ("PATH", PATH),
        ("LANG", "C.UTF-8"),
        ("HOME", &home),
        ("USER", &user.name),
        ("LOGNAME", &user.name),
        ("SHELL", &user.shell),
    ]
    .into_iter()
    .chain(terminal.then_some(("TERM", "xterm-256color")))
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    env.extend((*defaults.env).clone());
    env.extend(given.clone());
    Ok(env)
}

/// Names and values a process can have.
pub fn check_env(field: &'static str, env: &BTreeMap<String, String>) -> Result<(), Fault> {
    let wrong = env
        .iter()
        .find(|(name, value)| name.is_empty() || name.contains(['=', '\0']) || value.contains('\0'));
    match wrong {
        None => Ok(()),
        Some((name, _)) => {
            let message = format!(
                "environment variable \"{}\": names are not empty and have no \"=\", nothing has NUL",
                name.escape_debug()
            );
            Err(Fault::invalid(field, message))
        }
    }
}

fn cwd_of(wanted: &str, defaults: &Defaults, user: &User) -> Result<PathBuf, Fault> {
    if !wanted.is_empty() {
        return resolve("start_process.cwd", wanted, &user.home);
    }
    if !defaults.cwd.is_empty() {
        return resolve("start_process.cwd", &defaults.cwd, &user.home);
    }
    // A user whose home was never made still has to run somewhere.
    Ok(if user.home.is_dir() { user.home.clone() } else { "/".into() })
}

fn find_program(name: &str, path: &str) -> Result<CString, Fault> {
    let found = if name.contains('/') {
        Some(PathBuf::from(name)) // relative to cwd; execve tells
    } else {
        path.split(':').map(|folder| Path::new(if folder.is_empty() { "." } else { folder }).join(name)).find(
            |file| file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0),
        )
    };
    found.and_then(|file| CString::new(file.into_os_string().into_encoded_bytes()).ok()).ok_or_else(|| {
        let message = format!("program \"{name}\" is not in PATH ({path})");
        Fault::new(ErrorReason::CommandNotFound, message)
            .field("start_process.argv.args")
            .code(nix::errno::Errno::ENOENT)
    })
}

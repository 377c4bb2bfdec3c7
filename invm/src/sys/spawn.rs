//! Starting a program from a process with many threads.
//!
//! Like glibc's posix_spawn, the child shares our memory until it executes (CLONE_VM | CLONE_VFORK): nothing is
//! copied, and the child can say which step failed by writing to our memory. In it only system calls are made.

use std::{
    ffi::{CStr, CString, c_void},
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
    sync::atomic::AtomicI32,
};

use nix::errno::Errno;

const STACK: usize = 32 << 10;

/// Rights the child takes on.
pub struct Credentials<'a> {
    pub uid: u32,
    pub gid: u32,
    pub groups: &'a [u32],
}

/// All that the child needs, prepared before it exists.
pub struct Child<'a> {
    pub program: &'a CStr,
    pub args: &'a [CString],
    pub env: &'a [CString],
    pub cwd: &'a CStr,
    /// `None` keeps ours.
    pub credentials: Option<Credentials<'a>>,
    pub stdin: BorrowedFd<'a>,
    pub stdout: BorrowedFd<'a>,
    pub stderr: BorrowedFd<'a>,
    /// Makes stdin the controlling terminal.
    pub terminal: bool,
    /// Control group to enter, by its cgroup.procs.
    pub group: Option<BorrowedFd<'a>>,
}

/// Where a start failed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    Clone,
    Session,
    Terminal,
    Descriptors,
    Credentials,
    Directory,
    Execute,
}

struct Shared<'a> {
    child: &'a Child<'a>,
    argv: Vec<*const libc::c_char>,
    envp: Vec<*const libc::c_char>,
    failure: Option<(Step, i32)>,
}

/// Starts the child in its own session and process group; returns when it runs its program. The pid is always
/// there when a child existed, also where it failed: the reaper collects it. `pid` is set before the child runs.
pub fn spawn(child: &Child, pid: &AtomicI32) -> Result<i32, (Step, Errno)> {
    let pointers = |strings: &[CString]| {
        strings.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect::<Vec<_>>()
    };
    let mut shared = Shared { child, argv: pointers(child.args), envp: pointers(child.env), failure: None };
    let mut stack = vec![0u128; STACK / 16];
    let top = stack.as_mut_ptr_range().end;
    // SAFETY: the stack is ours, 16-byte aligned and grows down from `top`; CLONE_VFORK holds this thread until
    // the child executed or ended, so `shared` and `stack` outlive its use of them; `run_child` makes only
    // system calls and never returns into code of ours.
    let pid = unsafe {
        libc::clone(
            run_child,
            top.cast::<c_void>(),
            libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PARENT_SETTID | libc::SIGCHLD,
            ptr::from_mut(&mut shared).cast::<c_void>(),
            pid.as_ptr(),
        )
    };
    let pid = Errno::result(pid).map_err(|errno| (Step::Clone, errno))?;
    // SAFETY: the child wrote it through the pointer given to clone; volatile, since the compiler can't know.
    match unsafe { ptr::read_volatile(&shared.failure) } {
        None => Ok(pid),
        Some((step, errno)) => Err((step, Errno::from_raw(errno))),
    }
}

extern "C" fn run_child(arg: *mut c_void) -> libc::c_int {
    // SAFETY: `arg` is the Shared of `spawn`, which waits for us.
    let shared = unsafe { &mut *arg.cast::<Shared>() };
    let step = enter(shared);
    shared.failure = Some((step, Errno::last_raw()));
    // SAFETY: ends the child without running exit handlers of the shared memory.
    unsafe { libc::_exit(127) }
}

/// Runs the steps; returns only with the one that failed, its errno still set.
fn enter(shared: &Shared) -> Step {
    let child = shared.child;
    // SAFETY: only system calls with pointers into `shared`, which lives until we execute. setgroups and its kin
    // are bare, since glibc's would try to change the parent's threads too. The signal handler table is not
    // shared with the parent (no CLONE_SIGHAND).
    unsafe {
        if libc::setsid() < 0 {
            return Step::Session;
        }
        if child.terminal && libc::ioctl(child.stdin.as_raw_fd(), libc::TIOCSCTTY, 0) < 0 {
            return Step::Terminal;
        }
        for (from, to) in [(child.stdin, 0), (child.stdout, 1), (child.stderr, 2)] {
            if libc::dup2(from.as_raw_fd(), to) < 0 {
                return Step::Descriptors;
            }
        }
        if let Some(group) = child.group {
            libc::write(group.as_raw_fd(), c"0".as_ptr().cast(), 1);
        }
        let score = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if score >= 0 {
            libc::write(score, c"0".as_ptr().cast(), 1);
            libc::close(score);
        }
        libc::umask(0o022);
        if let Some(who) = &child.credentials {
            let same = |result: libc::c_long| result == 0;
            let (uid, gid) = (libc::c_long::from(who.uid), libc::c_long::from(who.gid));
            if !same(libc::syscall(libc::SYS_setgroups, who.groups.len(), who.groups.as_ptr()))
                || !same(libc::syscall(libc::SYS_setresgid, gid, gid, gid))
                || !same(libc::syscall(libc::SYS_setresuid, uid, uid, uid))
            {
                return Step::Credentials;
            }
        }
        if libc::chdir(child.cwd.as_ptr()) < 0 {
            return Step::Directory;
        }
        // Programs expect SIGPIPE to end them and no signal to be blocked.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, ptr::null_mut());
        libc::execve(child.program.as_ptr(), shared.argv.as_ptr(), shared.envp.as_ptr());
    }
    Step::Execute
}

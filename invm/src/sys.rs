//! Every `unsafe` of the agent: system calls that nix does not wrap, or not for one thread only.

pub mod spawn;

use std::{
    mem::MaybeUninit,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    time::Duration,
};

use nix::errno::Errno;

/// Reads at most `limit` bytes to the end of `buffer`. Only memory that receives data is touched, so a large
/// limit costs nothing where little comes.
pub fn read_into(fd: BorrowedFd, buffer: &mut Vec<u8>, limit: usize) -> nix::Result<usize> {
    buffer.reserve(limit);
    let spare: &mut [MaybeUninit<u8>] = buffer.spare_capacity_mut();
    // SAFETY: `spare` is writable for its length, and limit <= spare.len() after the reserve.
    let count = unsafe { libc::read(fd.as_raw_fd(), spare.as_mut_ptr().cast(), limit.min(spare.len())) };
    let count = Errno::result(count)? as usize;
    // SAFETY: read() has initialized `count` bytes behind the old length.
    unsafe { buffer.set_len(buffer.len() + count) };
    Ok(count)
}

pub fn set_nonblocking(fd: BorrowedFd) -> nix::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: FIONBIO reads one int.
    Errno::result(unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONBIO, &on) }).map(drop)
}

/// Bytes that can be read without waiting.
pub fn readable_bytes(fd: BorrowedFd) -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD, &mut count) };
    if result < 0 { 0 } else { count.max(0) as usize }
}

/// Makes the heap small: one arena for all threads, and freed buffers go back to the kernel.
pub fn tune_heap() {
    // SAFETY: mallopt only sets parameters; called before other threads exist.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 256 << 10);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 256 << 10);
    }
}

/// Gives freed memory back to the kernel.
pub fn trim_heap() {
    // SAFETY: releases only what is free, under the allocator's own lock.
    unsafe { libc::malloc_trim(0) };
}

/// Steps the wall clock.
pub fn set_wall_clock(since_epoch: Duration) -> nix::Result<()> {
    let time = libc::timespec {
        tv_sec: since_epoch.as_secs() as libc::time_t,
        tv_nsec: since_epoch.subsec_nanos() as libc::c_long,
    };
    // SAFETY: `time` lives through the call.
    Errno::result(unsafe { libc::clock_settime(libc::CLOCK_REALTIME, &time) }).map(drop)
}

// From linux/random.h: _IOW('R', 0x03, int[2]) and _IO('R', 0x07).
const RNDADDENTROPY: libc::Ioctl = 0x4008_5203u32 as libc::Ioctl;
const RNDRESEEDCRNG: libc::Ioctl = 0x5207;
/// Longest entropy that is credited at once.
pub const MAX_ENTROPY: usize = 512;

#[repr(C)]
struct PoolInfo {
    bits: libc::c_int,
    size: libc::c_int,
    bytes: [u8; MAX_ENTROPY],
}

/// Credits random bytes to the kernel's pool and makes it use them at once.
pub fn add_entropy(random: BorrowedFd, entropy: &[u8]) -> nix::Result<()> {
    let size = entropy.len().min(MAX_ENTROPY);
    let mut info =
        PoolInfo { bits: (size * 8) as libc::c_int, size: size as libc::c_int, bytes: [0; MAX_ENTROPY] };
    info.bytes[..size].copy_from_slice(&entropy[..size]);
    // SAFETY: the kernel reads two ints and `size` bytes, which PoolInfo holds.
    Errno::result(unsafe { libc::ioctl(random.as_raw_fd(), RNDADDENTROPY, &info) })?;
    // SAFETY: the request takes no argument.
    Errno::result(unsafe { libc::ioctl(random.as_raw_fd(), RNDRESEEDCRNG) }).map(drop)
}

// From linux/ext4.h: _IOW('f', 16, __u64).
const EXT4_IOC_RESIZE_FS: libc::Ioctl = 0x4008_6610u32 as libc::Ioctl;
// From linux/fs.h: _IOR(0x12, 114, size_t).
const BLKGETSIZE64: libc::Ioctl = 0x8008_1272u32 as libc::Ioctl;

/// Grows a mounted ext4 to a number of blocks.
pub fn resize_ext4(mount_point: BorrowedFd, blocks: u64) -> nix::Result<()> {
    // SAFETY: the request reads one u64.
    Errno::result(unsafe { libc::ioctl(mount_point.as_raw_fd(), EXT4_IOC_RESIZE_FS, &blocks) }).map(drop)
}

pub fn block_device_bytes(device: BorrowedFd) -> nix::Result<u64> {
    let mut size = 0u64;
    // SAFETY: the request writes one u64.
    Errno::result(unsafe { libc::ioctl(device.as_raw_fd(), BLKGETSIZE64, &mut size) })?;
    Ok(size)
}

// From linux/fs.h: _IOWR('X', 119, int) and _IOWR('X', 120, int).
const FIFREEZE: libc::Ioctl = 0xc004_5877u32 as libc::Ioctl;
const FITHAW: libc::Ioctl = 0xc004_5878u32 as libc::Ioctl;

/// Writes a file system's changes to its disk and lets nobody make others.
pub fn freeze(file_system: BorrowedFd) -> nix::Result<()> {
    // SAFETY: the request takes no argument.
    Errno::result(unsafe { libc::ioctl(file_system.as_raw_fd(), FIFREEZE, 0) }).map(drop)
}

pub fn thaw(file_system: BorrowedFd) -> nix::Result<()> {
    // SAFETY: the request takes no argument.
    Errno::result(unsafe { libc::ioctl(file_system.as_raw_fd(), FITHAW, 0) }).map(drop)
}

/// Brings the loopback device up.
pub fn loopback_up() -> nix::Result<()> {
    // SAFETY: plain socket(); the result is checked before it is owned.
    let fd = Errno::result(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: a new descriptor that nobody else owns.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: ifreq is plain data, all zero is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads one ifreq.
    Errno::result(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &request) }).map(drop)
}

/// Gives the calling thread, and it alone, another user's rights on files. glibc's wrappers would change all
/// threads, therefore the bare system calls. The thread never gets the old rights back: it ends with its call.
pub fn become_user(uid: u32, gid: u32, groups: &[u32]) -> nix::Result<()> {
    const SAME: libc::c_long = -1;
    // SAFETY: `groups` is readable for its length; the other arguments are numbers.
    unsafe {
        Errno::result(libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()))?;
        Errno::result(libc::syscall(libc::SYS_setresgid, SAME, libc::c_long::from(gid), SAME))?;
        Errno::result(libc::syscall(libc::SYS_setresuid, SAME, libc::c_long::from(uid), SAME))?;
    }
    Ok(())
}

/// Opens the other end of a terminal, and unlocks it first.
pub fn open_pty_peer(master: BorrowedFd) -> nix::Result<OwnedFd> {
    let unlock: libc::c_int = 0;
    // SAFETY: TIOCSPTLCK reads one int; TIOCGPTPEER takes open flags and returns a new descriptor.
    unsafe {
        Errno::result(libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &unlock))?;
        let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
        let fd = Errno::result(libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

pub fn set_window_size(terminal: BorrowedFd, columns: u16, rows: u16) -> nix::Result<()> {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCSWINSZ reads one winsize.
    Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &size) }).map(drop)
}

/// Process group in the terminal's foreground, if there is one.
pub fn foreground_group(master: BorrowedFd) -> Option<i32> {
    let mut group: libc::pid_t = 0;
    // SAFETY: TIOCGPGRP writes one pid_t.
    let result = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPGRP, &mut group) };
    (result == 0 && group > 1).then_some(group)
}

/// Sends any signal number; nix knows no realtime signals. Negative targets are process groups.
pub fn kill(target: i32, signal: i32) -> i32 {
    // SAFETY: two numbers.
    unsafe { libc::kill(target, signal) }
}

/// Session of a program that exists, also one that has ended and is not collected yet.
pub fn session_of(pid: i32) -> Option<i32> {
    // SAFETY: one number.
    let session = unsafe { libc::getsid(pid) };
    (session > 0).then_some(session)
}

/// Collects one child that ended: its pid, and its exit code or the signal that ended it. nix's own waitpid
/// loses the pid of a child that a realtime signal ended.
pub fn wait_any() -> Option<(i32, Result<i32, i32>)> {
    let mut status = 0;
    // SAFETY: writes one int.
    let pid = unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) };
    let signaled = libc::WIFSIGNALED(status);
    (pid > 0)
        .then(|| (pid, if signaled { Err(libc::WTERMSIG(status)) } else { Ok(libc::WEXITSTATUS(status)) }))
}

/// Takes over a descriptor that a call has just returned.
pub fn own(fd: std::os::fd::RawFd) -> OwnedFd {
    // SAFETY: callers pass the result of accept4, which nobody else knows.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

pub fn page_size() -> u64 {
    // SAFETY: reads a constant of the system.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.max(0) as u64
}

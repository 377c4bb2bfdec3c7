//! The kernel's own file systems.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use nix::{
    errno::Errno,
    mount::{MsFlags, mount},
};

use super::Failed;
use crate::console;

/// What every later step needs.
pub fn mount_early() -> Result<(), Failed> {
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC | MsFlags::MS_NODEV;
    mount_kind("proc", "/proc", plain, None)?;
    mount_kind("sysfs", "/sys", plain, None)?;
    mount_kind("devtmpfs", "/dev", MsFlags::MS_NOSUID, None)
}

/// What programs expect. One that is missing (a small kernel) is no reason to stop.
pub fn mount_late() {
    let safe = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let plain = safe | MsFlags::MS_NOEXEC;
    let terminals = Some("gid=5,mode=620,ptmxmode=666");
    for (kind, place, flags, data) in [
        ("devpts", "/dev/pts", MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, terminals),
        ("tmpfs", "/dev/shm", safe, Some("mode=1777")),
        ("mqueue", "/dev/mqueue", plain, None),
        ("tmpfs", "/run", safe, Some("mode=755,size=10%")),
        // Programs are moved into their group as they start; that must not wait for all processors.
        ("cgroup2", "/sys/fs/cgroup", plain, Some("nsdelegate,favordynmods")),
    ] {
        if let Err(Failed(reason)) = mount_kind(kind, place, flags, data)
            && kind != "mqueue"
        {
            console::warn(format_args!("{reason}"));
        }
    }
    for (link, target) in [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")]
    {
        let _ = std::os::unix::fs::symlink(target, Path::new("/dev").join(link));
    }
    let _ = fs::create_dir("/run/lock")
        .and_then(|()| fs::set_permissions("/run/lock", PermissionsExt::from_mode(0o1777)));
    if !Path::new("/tmp").exists() {
        let _ = fs::create_dir("/tmp")
            .and_then(|()| fs::set_permissions("/tmp", PermissionsExt::from_mode(0o1777)));
    }
}

fn mount_kind(kind: &str, place: &str, flags: MsFlags, data: Option<&str>) -> Result<(), Failed> {
    let _ = fs::create_dir_all(place);
    match mount(Some(kind), place, Some(kind), flags, data) {
        // The kernel may have mounted devtmpfs itself.
        Ok(()) | Err(Errno::EBUSY) => Ok(()),
        Err(errno) => Err(Failed(format!("mount of {kind} at {place}: {}", errno.desc()))),
    }
}

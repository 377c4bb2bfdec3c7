//! Moves from the initramfs onto the sandbox's disk.

use std::{
    fs::{self, File},
    os::fd::AsFd,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::{Failed, cmdline::Cmdline};
use crate::{console, sys};

const NEW_ROOT: &str = "/newroot";
const MODULE_DISK: &str = "/moduledisk";
/// For a block device to appear after its driver is loaded.
const PATIENCE: Duration = Duration::from_secs(10);
const NOTHING: Option<&str> = None;

/// Mounts the root disk and makes it "/".
pub fn enter(device: &Path, cmdline: &Cmdline) -> Result<(), Failed> {
    wait_for(device)?;
    fs::create_dir_all(NEW_ROOT).map_err(|error| Failed(format!("{NEW_ROOT}: {error}")))?;
    let kind = cmdline.root_fs.as_deref().unwrap_or("ext4");
    mount(Some(device), NEW_ROOT, Some(kind), MsFlags::MS_NOATIME, NOTHING)
        .map_err(Failed::at(format_args!("mount of {} ({kind}) as root", device.display())))?;
    if kind == "ext4"
        && let Err(reason) = grow_ext4(device)
    {
        console::warn(format_args!("growing {}: {reason}", device.display()));
    }
    if let Some(modules) = &cmdline.modules
        && let Err(Failed(reason)) = offer_modules(modules, cmdline.modules_fs.as_deref())
    {
        console::warn(format_args!("module disk: {reason}"));
    }
    switch()
}

/// The initramfs stays behind, empty but for its few files: it is not worth the time to delete them.
fn switch() -> Result<(), Failed> {
    for place in ["/proc", "/sys", "/dev"] {
        let target = format!("{NEW_ROOT}{place}");
        let _ = fs::create_dir_all(&target);
        mount(Some(place), target.as_str(), NOTHING, MsFlags::MS_MOVE, NOTHING)
            .map_err(Failed::at(format_args!("move of {place} to the root disk")))?;
    }
    let failed = |step| Failed::at(format!("switch to the root disk ({step})"));
    nix::unistd::chdir(NEW_ROOT).map_err(failed("chdir"))?;
    mount(Some("."), "/", NOTHING, MsFlags::MS_MOVE, NOTHING).map_err(failed("move"))?;
    nix::unistd::chroot(".").map_err(failed("chroot"))?;
    nix::unistd::chdir("/").map_err(failed("chdir"))?;
    // Containers inside expect mounts to be shared, as an init system makes them.
    let _ = mount(NOTHING, "/", NOTHING, MsFlags::MS_REC | MsFlags::MS_SHARED, NOTHING);
    Ok(())
}

fn wait_for(device: &Path) -> Result<(), Failed> {
    let end = Instant::now() + PATIENCE;
    while !device.exists() {
        if Instant::now() >= end {
            return Err(Failed(format!(
                "{} did not appear within {} s",
                device.display(),
                PATIENCE.as_secs()
            )));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Grows the mounted file system to its device's size, where that is larger.
fn grow_ext4(device: &Path) -> Result<(), String> {
    let disk = File::open(device).map_err(|error| error.to_string())?;
    let mut superblock = [0u8; 1024];
    disk.read_exact_at(&mut superblock, 1024).map_err(|error| error.to_string())?;
    let size = sys::block_device_bytes(disk.as_fd()).map_err(|errno| errno.desc().to_owned())?;
    let (blocks, block_size) = ext4_size(&superblock).ok_or("no ext4 superblock")?;
    let wanted = size / block_size;
    if wanted <= blocks {
        return Ok(());
    }
    let root = File::open(NEW_ROOT).map_err(|error| error.to_string())?;
    sys::resize_ext4(root.as_fd(), wanted).map_err(|errno| errno.desc().to_owned())
}

/// Number and size of an ext4's blocks, from its superblock.
fn ext4_size(superblock: &[u8; 1024]) -> Option<(u64, u64)> {
    let word = |at: usize| {
        u32::from_le_bytes([superblock[at], superblock[at + 1], superblock[at + 2], superblock[at + 3]])
    };
    const INCOMPAT_64BIT: u32 = 0x80;
    let high = if word(0x60) & INCOMPAT_64BIT != 0 { u64::from(word(0x150)) } else { 0 };
    let magic = u16::from_le_bytes([superblock[0x38], superblock[0x39]]);
    let log_size = word(0x18);
    (magic == 0xef53 && log_size <= 6).then(|| (high << 32 | u64::from(word(4)), 1024u64 << log_size))
}

/// Puts the kernel's module tree under /lib/modules of the root disk.
fn offer_modules(device: &Path, kind: Option<&str>) -> Result<(), Failed> {
    wait_for(device)?;
    let _ = fs::create_dir_all(MODULE_DISK);
    let kinds = kind.map_or(vec!["squashfs", "erofs", "ext4"], |kind| vec![kind]);
    let mounted = kinds.iter().map(|kind| {
        mount(
            Some(device),
            MODULE_DISK,
            Some(*kind),
            MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
            NOTHING,
        )
        .map_err(Failed::at(format_args!("mount of {} ({kind})", device.display())))
    });
    let mut last = Err(Failed("no file system type".into()));
    for result in mounted {
        last = result;
        if last.is_ok() {
            break;
        }
    }
    last?;
    let tree = [Path::new(MODULE_DISK).join("lib/modules"), Path::new(MODULE_DISK).join("usr/lib/modules")];
    let tree = tree.into_iter().find(|tree| tree.is_dir()).unwrap_or(MODULE_DISK.into());
    let target = module_folder(Path::new(NEW_ROOT));
    fs::create_dir_all(&target).map_err(|error| Failed(format!("{}: {error}", target.display())))?;
    mount(Some(&tree), &target, NOTHING, MsFlags::MS_BIND, NOTHING)
        .map_err(Failed::at("bind to /lib/modules"))?;
    // The bind keeps the disk mounted; this place is not needed any more.
    let _ = umount2(MODULE_DISK, MntFlags::MNT_DETACH);
    Ok(())
}

/// Where the root's /lib/modules is: an absolute link there would lead back into the initramfs.
fn module_folder(root: &Path) -> PathBuf {
    let lib = root.join("lib");
    if lib.is_symlink() { root.join("usr/lib/modules") } else { lib.join("modules") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ext4s_size_is_read_from_its_superblock() {
        let mut superblock = [0u8; 1024];
        superblock[0x38..0x3a].copy_from_slice(&0xef53u16.to_le_bytes());
        superblock[4..8].copy_from_slice(&5000u32.to_le_bytes());
        superblock[0x18] = 2;
        superblock[0x150] = 1;
        assert_eq!(ext4_size(&superblock), Some((5000, 4096)));
        superblock[0x60] = 0x80;
        assert_eq!(ext4_size(&superblock), Some((5000 + (1 << 32), 4096)));
        assert_eq!(ext4_size(&[0; 1024]), None);
    }
}

//! A directory that no path leads out of.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2},
    sys::stat::Mode,
};

use crate::error::Fault;

/// An open directory. What lies below it is reached by names relative to it, and the kernel sees to it that
/// these never lead outside, whoever sets links meanwhile.
pub struct Beneath {
    fd: OwnedFd,
    pub path: PathBuf,
}

impl Beneath {
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = open(path, flags, Mode::empty()).map_err(|errno| Fault::file(path, errno))?;
        Ok(Self { fd, path: path.to_owned() })
    }

    /// Opens what lies there itself: links are refused (ELOOP), on the way as well as at the end, unless
    /// `flags` have O_PATH, which opens a link at the end.
    pub fn open_plain(&self, relative: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
        self.resolve(relative, flags | OFlag::O_NOFOLLOW, ResolveFlag::RESOLVE_NO_SYMLINKS)
    }

    /// Follows links, as long as they stay below.
    pub fn open_linked(&self, relative: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
        self.resolve(relative, flags, ResolveFlag::RESOLVE_NO_MAGICLINKS)
    }

    fn resolve(&self, relative: &Path, flags: OFlag, how: ResolveFlag) -> nix::Result<OwnedFd> {
        let name = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
        // A pipe would wait for its other end. With O_PATH nothing is opened, and openat2 wants no such flag.
        let patient = if flags.contains(OFlag::O_PATH) { OFlag::empty() } else { OFlag::O_NONBLOCK };
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC | patient)
            .resolve(how | ResolveFlag::RESOLVE_BENEATH);
        openat2(&self.fd, name, how)
    }
}

impl AsFd for Beneath {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

//! Where the agent listens: AF_VSOCK in a VM, a unix socket in development.

use std::{
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixListener,
    },
    path::Path,
};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, VsockAddr, accept4, bind, listen, socket,
};

/// Port of `daytonah.guest.v1`.
pub const PORT: u32 = 18047;
const BACKLOG: i32 = 1024;

pub struct Listener(OwnedFd);

impl Listener {
    /// Works before the device is there: it may be plugged in later.
    pub fn vsock(port: u32) -> nix::Result<Self> {
        let fd = socket(AddressFamily::Vsock, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        bind(fd.as_raw_fd(), &VsockAddr::new(libc::VMADDR_CID_ANY, port))?;
        listen(&fd, Backlog::new(BACKLOG)?)?;
        Ok(Self(fd))
    }

    pub fn unix(path: &Path) -> std::io::Result<Self> {
        if path.exists() {
            std::fs::remove_file(path)?;
        }
        UnixListener::bind(path).map(|listener| Self(listener.into()))
    }

    pub fn accept(&self) -> nix::Result<OwnedFd> {
        let fd = accept4(self.0.as_raw_fd(), SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK)?;
        Ok(crate::sys::own(fd))
    }
}

//! A counter that can be polled: wakes one thread.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::error::Fault;

pub struct Bell(EventFd);

impl Bell {
    pub fn new() -> Result<Self, Fault> {
        EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map(Self)
            .map_err(|errno| Fault::internal("eventfd", errno.desc()).code(errno))
    }

    pub fn ring(&self) {
        let _ = self.0.write(1);
    }

    pub fn quiet(&self) {
        let _ = self.0.read();
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

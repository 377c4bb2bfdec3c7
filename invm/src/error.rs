//! Why a call stops: a fault the host is told about, or a connection that is gone.

use crate::proto::{self, ErrorReason};
use nix::errno::Errno;
use std::{fmt, io};

/// A failure as the wire tells it. Messages name the thing, the rule and the value.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub reason: ErrorReason,
    pub message: String,
    pub field: &'static str,
    pub errno: i32,
    pub expected_offset: u64,
}

impl Fault {
    pub fn new(reason: ErrorReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), field: "", errno: 0, expected_offset: 0 }
    }

    pub fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorReason::InvalidArgument, message).field(field)
    }

    pub fn internal(what: &str, cause: impl fmt::Display) -> Self {
        Self::new(ErrorReason::Internal, format!("{what}: {cause}"))
    }

    /// A failed system call on `path`.
    pub fn file(path: &std::path::Path, errno: Errno) -> Self {
        use ErrorReason::*;
        let reason = match errno {
            Errno::ENOENT => FileNotFound,
            Errno::EEXIST | Errno::ENOTEMPTY => FileExists,
            Errno::EACCES | Errno::EPERM | Errno::EROFS => PermissionDenied,
            Errno::ENOTDIR => NotADirectory,
            Errno::EISDIR => IsADirectory,
            Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG => NoSpace,
            Errno::EINVAL | Errno::ENAMETOOLONG | Errno::ELOOP | Errno::EXDEV => InvalidArgument,
            Errno::EOPNOTSUPP | Errno::E2BIG | Errno::ERANGE => InvalidArgument,
            Errno::EBUSY | Errno::ETXTBSY => Busy,
            Errno::ENOMEM => OutOfMemory,
            _ => Internal,
        };
        Self::new(reason, format!("{}: {}", path.display(), errno.desc())).code(errno)
    }

    pub fn field(mut self, field: &'static str) -> Self {
        self.field = field;
        self
    }

    pub fn code(mut self, errno: Errno) -> Self {
        self.errno = errno as i32;
        self
    }

    pub fn expecting(mut self, offset: u64) -> Self {
        self.expected_offset = offset;
        self
    }

    pub fn into_proto(self) -> proto::Error {
        proto::Error {
            reason: self.reason.into(),
            message: self.message,
            field: self.field.to_owned(),
            errno: self.errno,
            expected_offset: self.expected_offset,
        }
    }
}

/// The errno inside an I/O error; `EIO` where the error has none.
pub fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// Why a call ends before its regular end.
#[derive(Debug)]
pub enum Stop {
    /// The host is gone; there is nobody to tell.
    Gone,
    Fault(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}

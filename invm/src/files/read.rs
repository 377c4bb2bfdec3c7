//! read_file.

use std::{
    fs::{File, OpenOptions},
    io::{Seek, SeekFrom},
    os::{
        fd::AsFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
};

use nix::errno::Errno;

use super::{act_as, info::Describe};
use crate::{
    agent::Agent,
    conn::Conn,
    error::{Fault, Stop, errno_of},
    proto::{ErrorReason, ReadFileRequest, response::Event},
    sys,
};

/// Well below the wire's limit of 1 MiB: what is read is held once here and once in the connection.
const PIECE: usize = 256 << 10;

pub fn read_file(agent: &Agent, conn: &mut Conn, request: &ReadFileRequest) -> Result<(), Stop> {
    let who = act_as(agent, &request.user, "read_file.user")?;
    let path = who.path("read_file.path", &request.path)?;
    let fault = |errno| Fault::file(&path, errno);
    // Without O_NONBLOCK opening a pipe would wait for its writer; a regular file does not care.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path);
    let mut file: File = file.map_err(|error| fault(errno_of(&error)))?;
    let meta = file.metadata().map_err(|error| fault(errno_of(&error)))?;
    if meta.is_dir() {
        return Err(fault(Errno::EISDIR).into());
    }
    if !meta.is_file() {
        return Err(Fault::invalid("read_file.path", format!("{} is no regular file", path.display())).into());
    }
    if request.offset > 0 {
        file.seek(SeekFrom::Start(request.offset)).map_err(|error| fault(errno_of(&error)))?;
    }
    conn.queue(Event::FileInfo(Describe::default().describe(&path, &meta)));
    let mut left = if request.length == 0 { u64::MAX } else { request.length };
    while left > 0 {
        let mut data = Vec::new();
        let wanted = left.min(PIECE as u64) as usize;
        match sys::read_into(file.as_fd(), &mut data, wanted) {
            Ok(0) => break,
            Ok(count) => left -= count as u64,
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(fault(errno).into()),
        }
        conn.queue(Event::Data(data));
        if conn.queued() >= PIECE {
            conn.flush()?;
            conn.check_cancel()?;
        }
    }
    if request.must_not_change {
        let now = file.metadata().map_err(|error| fault(errno_of(&error)))?;
        if (now.len(), now.mtime(), now.mtime_nsec()) != (meta.len(), meta.mtime(), meta.mtime_nsec()) {
            let message = format!("{} was written to while it was read", path.display());
            return Err(Fault::new(ErrorReason::FileChanged, message).into());
        }
    }
    Ok(())
}

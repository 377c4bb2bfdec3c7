//! write_file: content comes as inputs and reaches the path whole, or in place where that is asked for.

use std::{
    fs::{self, File, OpenOptions},
    io::{Seek, SeekFrom, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use nix::errno::Errno;
use xattr::FileExt;

use super::{
    act_as,
    info::{XATTR_PREFIX, file_info},
    make_parents,
};
use crate::{
    agent::Agent,
    conn::{Conn, Wake, canceled},
    error::{Fault, Stop, errno_of},
    proto::{WriteFileRequest, WriteMode, input::Input, response::Event},
};

const MODE: u32 = 0o644;
/// What the names of files that are being written begin with.
pub const TEMPORARY: &str = ".invm-write-";
const MAX_PIECE: usize = 1 << 20;
/// What is on its way to the disk at most, so that the sync at the end is no long silence.
const SYNC_EVERY: usize = 64 << 20;

/// Tells files that are being written at the same time apart.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Where the content goes until all of it came.
pub struct Target {
    pub file: File,
    path: PathBuf,
    /// The new file beside the path, renamed over it at the end.
    temporary: Option<Temporary>,
}

/// Removed unless it was renamed.
struct Temporary {
    path: PathBuf,
    create_only: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

pub fn write_file(agent: &Agent, conn: &mut Conn, request: &WriteFileRequest) -> Result<(), Stop> {
    let who = act_as(agent, &request.user, "write_file.user")?;
    let path = who.path("write_file.path", &request.path)?;
    if request.mode > 0o7777 {
        return Err(
            Fault::invalid("write_file.mode", format!("mode {:o}: the limit is 7777", request.mode)).into()
        );
    }
    let mut target = open(&path, request)?;
    let mut unsynced = 0;
    loop {
        let Wake::Input(input) = conn.wait(None, None)? else { continue };
        match input {
            Input::Data(data) if data.len() > MAX_PIECE => {
                let message = format!("a piece of {} bytes: the limit is {MAX_PIECE}", data.len());
                return Err(Fault::invalid("input.data", message).into());
            }
            Input::Data(data) => {
                let fault = |error| Fault::file(&path, errno_of(&error));
                target.file.write_all(&data).map_err(fault)?;
                unsynced += data.len();
                if unsynced >= SYNC_EVERY && target.temporary.is_some() {
                    target.file.sync_data().map_err(fault)?;
                    unsynced = 0;
                }
            }
            Input::Close(_) => break,
            Input::Cancel(_) => return Err(canceled().into()),
            Input::Grant(_) => {}
        }
    }
    let path = commit(target)?;
    conn.queue(Event::FileInfo(file_info(&path)?));
    Ok(())
}

/// A place for new content, which `commit` brings to the path. An existing file's owner, mode and extended
/// attributes stay.
pub fn open(wanted: &Path, request: &WriteFileRequest) -> Result<Target, Fault> {
    let fault = |errno| Fault::file(wanted, errno);
    // A link is followed: its target is replaced, not the link.
    let path = fs::canonicalize(wanted).unwrap_or(wanted.to_owned());
    let existing = fs::metadata(&path).ok();
    let mode = if request.mode == 0 { MODE } else { request.mode };
    let how = WriteMode::try_from(request.write_mode)
        .map_err(|_| Fault::invalid("write_file.write_mode", "unknown write mode"))?;
    match &existing {
        Some(_) if how == WriteMode::Create => return Err(fault(Errno::EEXIST)),
        Some(meta) if meta.is_dir() => return Err(fault(Errno::EISDIR)),
        None => path.parent().map_or(Ok(()), make_parents)?,
        Some(_) => {}
    }
    let in_place = matches!(how, WriteMode::Offset | WriteMode::Append);
    // A device or a pipe can only be written to, not replaced.
    let special = existing.as_ref().is_some_and(|meta| !meta.is_file());
    if in_place || special {
        let mut options = OpenOptions::new();
        options
            .write(true)
            .create(true)
            .truncate(false)
            .append(how == WriteMode::Append)
            .mode(mode)
            .custom_flags(libc::O_NONBLOCK);
        let mut file = options.open(&path).map_err(|error| fault(errno_of(&error)))?;
        if how == WriteMode::Offset {
            file.seek(SeekFrom::Start(request.offset)).map_err(|error| fault(errno_of(&error)))?;
        }
        return Ok(Target { file, path, temporary: None });
    }
    if let Some(meta) = &existing {
        // Renaming needs no right on the file itself; replacing its content must.
        OpenOptions::new().write(true).open(&path).map_err(|error| fault(errno_of(&error)))?;
        return beside(path, meta.mode() & 0o7777, Some((meta.uid(), meta.gid())), false);
    }
    beside(path, mode, None, how == WriteMode::Create)
}

pub fn temporary_name() -> String {
    format!("{TEMPORARY}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Opens a new file in the path's folder.
fn beside(path: PathBuf, mode: u32, owner: Option<(u32, u32)>, create_only: bool) -> Result<Target, Fault> {
    let fault = |error: std::io::Error| Fault::file(&path, errno_of(&error));
    let temporary = path.with_file_name(temporary_name());
    let _ = fs::remove_file(&temporary); // of an agent before a reboot
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).map_err(fault)?;
    let temporary = Temporary { path: temporary, create_only };
    // Owner before mode: a change of owner clears the set-uid bit. Only root may give a file away.
    if let Some((uid, gid)) = owner {
        let _ = std::os::unix::fs::fchown(&file, Some(uid), Some(gid));
        copy_xattrs(&path, &file).map_err(fault)?;
    }
    file.set_permissions(fs::Permissions::from_mode(mode)).map_err(fault)?;
    Ok(Target { file, path, temporary: Some(temporary) })
}

/// Those of the user namespace: others, such as capabilities, belong to the content that is replaced.
fn copy_xattrs(path: &Path, file: &File) -> std::io::Result<()> {
    for name in xattr::list(path).into_iter().flatten() {
        if name.as_bytes().starts_with(XATTR_PREFIX.as_bytes())
            && let Some(value) = xattr::get(path, &name)?
        {
            file.set_xattr(&name, &value)?;
        }
    }
    Ok(())
}

/// Brings the content to its path. It is on disk before its name is, so that a crash leaves the old file or
/// the new one.
pub fn commit(target: Target) -> Result<PathBuf, Fault> {
    let Target { file, path, temporary } = target;
    let fault = |error: std::io::Error| Fault::file(&path, errno_of(&error));
    if let Some(temporary) = temporary {
        file.sync_all().map_err(fault)?;
        if temporary.create_only {
            fs::hard_link(&temporary.path, &path).map_err(fault)?;
        } else {
            fs::rename(&temporary.path, &path).map_err(fault)?;
            std::mem::forget(temporary);
        }
    }
    Ok(path)
}

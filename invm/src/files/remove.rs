//! remove_file.

use std::{
    ffi::{OsStr, OsString},
    fs,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
};

use nix::{
    dir::{Dir, Type},
    errno::Errno,
    fcntl::{OFlag, open, openat},
    sys::stat::{Mode, fstat},
    unistd::{UnlinkatFlags, unlinkat},
};

use super::act_as;
use crate::{
    agent::Agent,
    conn::Conn,
    error::{Fault, Stop, errno_of},
    proto::{ErrorReason, RemoveFileRequest},
};

pub fn remove_file(agent: &Agent, conn: &mut Conn, request: &RemoveFileRequest) -> Result<(), Stop> {
    let who = act_as(agent, &request.user, "remove_file.user")?;
    let path = who.path("remove_file.path", &request.path)?;
    if path == Path::new("/") {
        return Err(Fault::invalid("remove_file.path", "the root directory can't be removed").into());
    }
    let is_directory = fs::symlink_metadata(&path).map(|meta| meta.is_dir());
    let result = match is_directory.map_err(|error| errno_of(&error)) {
        Ok(true) if request.recursive => return remove_tree(conn, &path),
        Ok(true) => fs::remove_dir(&path),
        Ok(false) => fs::remove_file(&path),
        Err(Errno::ENOENT) if request.missing_ok => Ok(()),
        Err(errno) => return Err(Fault::file(&path, errno).into()),
    };
    result.map_err(|error| Fault::file(&path, errno_of(&error)).into())
}

/// The way down to a directory, which is the only one that is open.
struct Way {
    here: OwnedFd,
    /// Names below the first parent, each with the identity of the directory it is in.
    names: Vec<(OsString, (u64, u64))>,
    parent: PathBuf,
}

/// Removes a directory with all below it, however deep it is: neither stack nor open files grow with it.
fn remove_tree(conn: &mut Conn, path: &Path) -> Result<(), Stop> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let here = open(parent, FOLDER, Mode::empty()).map_err(|errno| Fault::file(parent, errno))?;
    let mut way = Way { here, names: Vec::new(), parent: parent.to_owned() };
    way.go_down(name.to_owned())?;
    while !way.names.is_empty() {
        match way.empty(conn)? {
            Some(below) => way.go_down(below)?,
            None => way.go_up()?,
        }
    }
    Ok(())
}

const FOLDER: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

impl Way {
    fn go_down(&mut self, name: OsString) -> Result<(), Fault> {
        let below = openat(&self.here, &*name, FOLDER, Mode::empty());
        let id = self.id().map_err(|errno| self.fault(&name, errno))?;
        match below {
            Ok(below) => {
                self.here = below;
                self.names.push((name, id));
                Ok(())
            }
            Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(self.fault(&name, errno)),
        }
    }

    /// Back to the directory above, to remove the one that is empty now.
    fn go_up(&mut self) -> Result<(), Fault> {
        let Some((name, id)) = self.names.pop() else { return Ok(()) };
        self.here =
            openat(&self.here, "..", FOLDER, Mode::empty()).map_err(|errno| self.fault(&name, errno))?;
        if self.id() != Ok(id) {
            let message = format!("{} was moved while it was removed", name.display());
            return Err(Fault::new(ErrorReason::Busy, message));
        }
        match unlinkat(&self.here, &*name, UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(self.fault(&name, errno)),
        }
    }

    /// Removes what can be removed here, up to a directory that has something in it.
    fn empty(&self, conn: &mut Conn) -> Result<Option<OsString>, Stop> {
        let here = OsStr::new(".");
        let mut folder =
            Dir::openat(&self.here, here, FOLDER, Mode::empty()).map_err(|errno| self.fault(here, errno))?;
        for entry in folder.iter() {
            let entry = entry.map_err(|errno| self.fault(here, errno))?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            let plain = match entry.file_type() {
                Some(Type::Directory) => Err(Errno::EISDIR),
                _ => unlinkat(&self.here, name, UnlinkatFlags::NoRemoveDir),
            };
            let removed = match plain {
                Err(Errno::EISDIR) => unlinkat(&self.here, name, UnlinkatFlags::RemoveDir),
                other => other,
            };
            match removed {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(Errno::ENOTEMPTY) => return Ok(Some(name.to_owned())),
                Err(errno) => return Err(self.fault(name, errno).into()),
            }
            conn.pulse()?;
        }
        Ok(None)
    }

    fn id(&self) -> nix::Result<(u64, u64)> {
        fstat(&self.here).map(|stat| (stat.st_dev, stat.st_ino))
    }

    fn fault(&self, name: &OsStr, errno: Errno) -> Fault {
        let mut path = self.parent.clone();
        path.extend(self.names.iter().map(|(name, _)| name));
        Fault::file(&path.join(name), errno)
    }
}

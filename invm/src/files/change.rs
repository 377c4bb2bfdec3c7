//! make_directory and move_file.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, RenameFlags, renameat2},
};

use super::{act_as, info::file_info, make_parents};
use crate::{
    agent::Agent,
    error::{Fault, errno_of},
    proto::{FileInfo, MakeDirectoryRequest, MoveFileRequest},
};

/// A directory that is there already stays as it is.
pub fn make_directory(agent: &Agent, request: &MakeDirectoryRequest) -> Result<FileInfo, Fault> {
    let who = act_as(agent, &request.user, "make_directory.user")?;
    let path = who.path("make_directory.path", &request.path)?;
    if request.mode > 0o7777 {
        return Err(Fault::invalid(
            "make_directory.mode",
            format!("mode {:o}: the limit is 7777", request.mode),
        ));
    }
    let fault = |error: std::io::Error| Fault::file(&path, errno_of(&error));
    if let Some(parent) = path.parent() {
        make_parents(parent)?;
    }
    match fs::create_dir(&path) {
        Err(error) if errno_of(&error) == Errno::EEXIST && !request.must_be_new && path.is_dir() => {
            return file_info(&path);
        }
        result => result.map_err(fault)?,
    }
    if request.mode != 0 {
        // Not by mkdir's argument, from which the umask takes bits.
        fs::set_permissions(&path, fs::Permissions::from_mode(request.mode)).map_err(fault)?;
    }
    file_info(&path)
}

pub fn move_file(agent: &Agent, request: &MoveFileRequest) -> Result<FileInfo, Fault> {
    let who = act_as(agent, &request.user, "move_file.user")?;
    let source = who.path("move_file.source", &request.source)?;
    let destination = who.path("move_file.destination", &request.destination)?;
    fs::symlink_metadata(&source)
        .map_err(|error| Fault::file(&source, errno_of(&error)).field("move_file.source"))?;
    if let Some(parent) = destination.parent() {
        make_parents(parent)?;
    }
    let flags = if request.no_replace { RenameFlags::RENAME_NOREPLACE } else { RenameFlags::empty() };
    match renameat2(AT_FDCWD, &source, AT_FDCWD, &destination, flags) {
        Ok(()) => file_info(&destination),
        Err(Errno::EXDEV) => Err(across(&source, &destination)),
        Err(errno) => Err(Fault::file(&destination, errno).field("move_file.destination")),
    }
}

fn across(source: &Path, destination: &Path) -> Fault {
    let message = format!("{} and {} are on different file systems", source.display(), destination.display());
    Fault::invalid("move_file.destination", message).code(Errno::EXDEV)
}

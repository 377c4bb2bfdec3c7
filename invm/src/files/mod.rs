//! Calls about files. Each runs with the rights of the user it is for, which its thread takes on for good.

pub mod archive;
pub mod attributes;
pub mod beneath;
pub mod change;
pub mod info;
pub mod list;
pub mod page;
pub mod path;
pub mod pattern;
pub mod read;
pub mod remove;
pub mod replace;
pub mod search;
pub mod walk;
pub mod watch;
pub mod write;

use std::{os::unix::fs::DirBuilderExt, path::Path, path::PathBuf};

use nix::errno::Errno;

use crate::{
    agent::Agent,
    conn::Conn,
    error::{Fault, Stop, errno_of},
    proto::{ErrorReason, request::Call, response::Event},
    sys,
    users::{User, find_user},
};

/// Answers a call about files; `None` where it is not one this agent knows.
pub fn dispatch(agent: &Agent, conn: &mut Conn, call: Call) -> Option<Result<(), Stop>> {
    Some(match call {
        Call::ReadFile(request) => read::read_file(agent, conn, &request),
        Call::WriteFile(request) => write::write_file(agent, conn, &request),
        Call::StatFile(request) => answer(
            conn,
            act_as(agent, &request.user, "stat_file.user")
                .and_then(|who| info::file_info(&who.path("stat_file.path", &request.path)?)),
        ),
        Call::ListDirectory(request) => list::list_directory(agent, conn, &request),
        Call::MakeDirectory(request) => answer(conn, change::make_directory(agent, &request)),
        Call::MoveFile(request) => answer(conn, change::move_file(agent, &request)),
        Call::RemoveFile(request) => remove::remove_file(agent, conn, &request),
        Call::SetAttributes(request) => attributes::set_attributes(agent, conn, &request),
        Call::WriteArchive(request) => archive::write::write_archive(agent, conn, &request),
        Call::ReadArchive(request) => archive::read::read_archive(agent, conn, &request),
        Call::SearchFiles(request) => search::search_files(agent, conn, &request),
        Call::ReplaceInFiles(request) => replace::replace_in_files(agent, conn, &request),
        Call::WatchFiles(request) => watch::watch_files(agent, conn, &request),
        _ => return None,
    })
}

fn answer(conn: &mut Conn, info: Result<crate::proto::FileInfo, Fault>) -> Result<(), Stop> {
    conn.queue(Event::FileInfo(info?));
    Ok(())
}

/// A user whose rights this thread now has.
pub struct Actor {
    pub user: User,
}

/// Takes on the rights of the named user, or of the default one.
pub fn act_as(agent: &Agent, name: &str, field: &'static str) -> Result<Actor, Fault> {
    let user = find_user(agent.identity.defaults().user_or_default(name), field)?;
    let own = nix::unistd::geteuid().as_raw();
    if user.uid != own || own == 0 && user.groups != [0] {
        sys::become_user(user.uid, user.gid, &user.groups).map_err(|errno| {
            let message = format!("acting as user {}: {}", user.name, errno.desc());
            Fault::new(ErrorReason::PermissionDenied, message).field(field).code(errno)
        })?;
    }
    Ok(Actor { user })
}

impl Actor {
    pub fn path(&self, field: &'static str, wanted: &str) -> Result<PathBuf, Fault> {
        path::resolve(field, wanted, &self.user.home)
    }
}

/// Makes a directory and those above it that are missing.
pub fn make_parents(path: &Path) -> Result<(), Fault> {
    match std::fs::DirBuilder::new().recursive(true).mode(0o755).create(path) {
        Ok(()) => Ok(()),
        // Something above is no directory.
        Err(error) if errno_of(&error) == Errno::EEXIST => Err(Fault::file(path, Errno::ENOTDIR)),
        Err(error) => Err(Fault::file(path, errno_of(&error))),
    }
}

//! list_directory.

use std::{fs, path::PathBuf};

use super::{act_as, info::Names};
use crate::{
    agent::Agent,
    conn::Conn,
    error::{Fault, Stop, errno_of},
    proto::{FileList, FileType, ListDirectoryRequest, response::Event},
};

const PAGE: usize = 1000;

pub fn list_directory(agent: &Agent, conn: &mut Conn, request: &ListDirectoryRequest) -> Result<(), Stop> {
    let who = act_as(agent, &request.user, "list_directory.user")?;
    let path = who.path("list_directory.path", &request.path)?;
    if request.include_xattrs {
        return Err(Fault::invalid(
            "list_directory.include_xattrs",
            "this agent reads no extended attributes",
        )
        .into());
    }
    let mut names = Names::default();
    let mut page = Vec::new();
    let first = sorted(&path).map_err(|error| Fault::file(&path, errno_of(&error)))?;
    // Depth first, each directory's entries by name; the last is the next to visit.
    let mut left: Vec<(PathBuf, u32)> = first.into_iter().rev().map(|path| (path, 1)).collect();
    while let Some((path, level)) = left.pop() {
        // What vanishes while we look was not there.
        let Ok(info) = names.file_info(&path) else { continue };
        if info.r#type() == FileType::Directory && level < request.depth.max(1) {
            let below = sorted(&path).unwrap_or_default();
            left.extend(below.into_iter().rev().map(|path| (path, level + 1)));
        }
        page.push(info);
        if page.len() == PAGE {
            conn.queue(Event::FileList(FileList { files: std::mem::take(&mut page) }));
            conn.flush()?;
            conn.check_cancel()?;
        }
    }
    conn.queue(Event::FileList(FileList { files: page }));
    Ok(())
}

fn sorted(folder: &PathBuf) -> std::io::Result<Vec<PathBuf>> {
    let mut entries: Vec<_> = fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    Ok(entries)
}

//! watch_files.

mod tree;

use std::path::{Path, PathBuf};

use nix::poll::PollFlags;

use super::{act_as, info::Describe};
use crate::{
    agent::Agent,
    conn::Conn,
    error::Stop,
    proto::{ChangeKind, FileChange, WatchFilesRequest, response::Event},
};
use tree::Tree;

/// Changes that are sent by one write.
const BATCH: usize = 64 << 10;

/// Ends at a cancel, with the connection, or by FILE_NOT_FOUND when the watched directory is gone. A host that
/// reads slowly costs no memory: the kernel's queue overflows, and that is told.
pub fn watch_files(agent: &Agent, conn: &mut Conn, request: &WatchFilesRequest) -> Result<(), Stop> {
    let who = act_as(agent, &request.user, "watch_files.user")?;
    let path = who.path("watch_files.path", &request.path)?;
    let describe = request.include_info.then(Describe::default);
    let mut teller = Teller { conn, path, describe };
    let mut tree = Tree::watch(&mut teller, request.recursive)?;
    teller.tell(ChangeKind::Ready, Path::new(""))?;
    loop {
        if tree.read(&mut teller)? {
            teller.conn.flush()?;
            teller.conn.pulse()?;
        } else {
            teller.conn.wait_or_cancel(Some((tree.fd(), PollFlags::POLLIN)), None)?;
        }
    }
}

/// Tells the host about changes.
struct Teller<'a> {
    conn: &'a mut Conn,
    /// The watched directory.
    path: PathBuf,
    /// Set where descriptions are wanted.
    describe: Option<Describe>,
}

impl Teller<'_> {
    fn tell(&mut self, kind: ChangeKind, relative: &Path) -> Result<(), Stop> {
        let is_there = matches!(kind, ChangeKind::Created | ChangeKind::Written | ChangeKind::Attributes);
        let describe = self.describe.as_mut().filter(|_| is_there);
        // It may be gone again.
        let info = describe.and_then(|describe| describe.file_info(&self.path.join(relative)).ok());
        let path = relative.to_string_lossy().into_owned();
        self.conn.queue(Event::FileChange(FileChange { kind: kind.into(), path, info }));
        if self.conn.queued() >= BATCH { self.conn.flush() } else { Ok(()) }
    }
}

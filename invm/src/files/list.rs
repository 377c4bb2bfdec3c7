//! list_directory.

use super::{act_as, beneath::Beneath, info::Describe, page::Page, walk::Walk};
use crate::{
    agent::Agent,
    conn::Conn,
    error::Stop,
    proto::{ErrorReason, ListDirectoryRequest},
};

pub fn list_directory(agent: &Agent, conn: &mut Conn, request: &ListDirectoryRequest) -> Result<(), Stop> {
    let who = act_as(agent, &request.user, "list_directory.user")?;
    let root = Beneath::open(&who.path("list_directory.path", &request.path)?)?;
    let mut describe = Describe::new(request.include_xattrs);
    let mut page = Page::default();
    // A directory that may not be read is listed without what is in it.
    for found in Walk::new(&root, request.depth.max(1))?.flatten() {
        match describe.file_info(&root.path.join(found.relative)) {
            Ok(info) => page.add(conn, info)?,
            // What vanishes while we look was not there.
            Err(fault) if fault.reason == ErrorReason::FileNotFound => {}
            Err(fault) => return Err(fault.into()),
        }
        conn.pulse()?;
    }
    page.send(conn)
}

//! Calls about files. Each runs with the rights of the user it is for.

pub mod path;

use crate::{agent::Agent, conn::Conn, error::Stop, proto::request::Call};

/// Answers a call about files; `None` where it is not one this agent knows.
pub fn dispatch(_agent: &Agent, _conn: &mut Conn, _call: Call) -> Option<Result<(), Stop>> {
    None
}

//! TCP ports of the guest: who listens, and connections to them.

pub mod forward;
mod listening;
pub mod watch;

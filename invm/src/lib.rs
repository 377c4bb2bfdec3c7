//! The agent inside a VM: PID 1, and the other end of `daytonah.guest.v1`.
//!
//! Read in this order: [`frame`] and [`conn`] (the wire), [`serve`] (connections), [`dispatch`] (calls), then
//! [`process`] and [`files`].

pub mod agent;
pub mod bell;
pub mod boot;
pub mod conn;
pub mod console;
pub mod dispatch;
pub mod error;
pub mod files;
pub mod frame;
pub mod freeze;
pub mod identity;
pub mod log;
pub mod metrics;
pub mod ports;
pub mod process;
pub mod proto;
pub mod reap;
pub mod serve;
pub mod shutdown;
pub mod sync;
pub mod sys;
pub mod tunables;
pub mod users;
pub mod vsock;
pub mod wire;

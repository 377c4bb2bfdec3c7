//! list_ports and watch_ports.

use std::time::Duration;

use super::listening::Listening;
use crate::{
    conn::Conn,
    error::Stop,
    proto::{PortList, response::Event},
};

/// The kernel tells nobody of new listeners, so they are looked for this often.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

pub fn list_ports(conn: &mut Conn) -> Result<(), Stop> {
    conn.queue(Event::PortList(PortList { ports: Listening::default().read() }));
    Ok(())
}

/// Sends the whole list at first and at each change, until the host has enough.
pub fn watch_ports(conn: &mut Conn) -> Result<(), Stop> {
    let mut listening = Listening::default();
    let mut told = None;
    loop {
        let ports = listening.read();
        if told.as_ref() != Some(&ports) {
            conn.queue(Event::PortList(PortList { ports: ports.clone() }));
            told = Some(ports);
        }
        conn.wait_or_cancel(None, Some(LOOK_AGAIN))?;
    }
}

//! Who listens: the kernel's tables of TCP sockets, and the programs that hold these sockets.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead, BufReader},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::proto::Port;

/// More than a program needs; a guest must not make a list that fits into no frame.
const MAX_PORTS: usize = 10_000;
/// State LISTEN in the kernel's tables.
const LISTEN: &str = "0A";

/// A listening socket.
#[derive(Debug, PartialEq)]
struct Socket {
    port: u16,
    address: IpAddr,
    uid: u32,
    inode: u64,
}

/// A program with the socket in its hands.
struct Holder {
    pid: u32,
    /// Link below /proc that names the socket while the program holds it.
    link: String,
    command: String,
}

/// Reads the listening ports, and remembers who holds them: looking for that takes longest.
#[derive(Default)]
pub struct Listening {
    holders: BTreeMap<u64, Option<Holder>>,
}

impl Listening {
    /// By number. Ports of the agent itself are left out.
    pub fn read(&mut self) -> Vec<Port> {
        let mut sockets: Vec<Socket> =
            ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().flat_map(table).collect();
        sockets.sort_by_key(|socket| (socket.port, socket.address, socket.inode));
        sockets.truncate(MAX_PORTS);
        if sockets.iter().any(|socket| !self.knows(socket.inode)) {
            self.holders = holders_of(&sockets);
        }
        let own = std::process::id();
        let mut ports: Vec<Port> = sockets
            .iter()
            .map(|socket| {
                let holder = self.holders.get(&socket.inode).and_then(Option::as_ref);
                Port {
                    port: socket.port.into(),
                    address: socket.address.to_string(),
                    pid: holder.map_or(0, |holder| holder.pid),
                    command: holder.map_or_else(String::new, |holder| holder.command.clone()),
                    uid: socket.uid,
                }
            })
            .filter(|port| port.pid != own)
            .collect();
        // Several programs may share one port and address; one of them is enough.
        ports.dedup_by(|next, first| (next.port, &next.address) == (first.port, &first.address));
        ports
    }

    /// Whether what is known of a socket's holder still holds; also that nobody has it in hand.
    fn knows(&self, inode: u64) -> bool {
        match self.holders.get(&inode) {
            None => false,
            Some(None) => true,
            Some(Some(holder)) => inode_of(&holder.link) == Some(inode),
        }
    }
}

/// Listening sockets of one table. They come before all others, so that many connections cost nothing.
fn table(path: &str) -> Vec<Socket> {
    let Ok(file) = File::open(path) else { return Vec::new() };
    let lines = BufReader::new(file).lines().skip(1).map_while(Result::ok);
    lines.map_while(|line| listening_socket(&line)).take(MAX_PORTS).collect()
}

/// Fields: number, local address, remote address, state, queues, timer, retransmits, uid, timeout, inode.
fn listening_socket(line: &str) -> Option<Socket> {
    let fields: Vec<&str> = line.split_whitespace().take(10).collect();
    let [_, local, _, LISTEN, _, _, _, uid, _, inode] = fields[..] else { return None };
    let (address, port) = local.split_once(':')?;
    Some(Socket {
        port: u16::from_str_radix(port, 16).ok()?,
        address: address_of(address)?,
        uid: uid.parse().ok()?,
        inode: inode.parse().ok()?,
    })
}

/// Words of 32 bits as this machine has them in memory.
fn address_of(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(hex.get(8 * at..8 * at + 8)?, 16).ok().map(u32::to_ne_bytes);
    match hex.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let bytes = [word(0)?, word(1)?, word(2)?, word(3)?].concat();
            <[u8; 16]>::try_from(bytes).ok().map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes)))
        }
        _ => None,
    }
}

/// Looks through the descriptors of all programs; of several holders the one with the lowest pid counts.
fn holders_of(sockets: &[Socket]) -> BTreeMap<u64, Option<Holder>> {
    let mut holders: BTreeMap<u64, Option<Holder>> =
        sockets.iter().map(|socket| (socket.inode, None)).collect();
    let mut missing = holders.len();
    let names =
        |path: &str| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let mut pids: Vec<u32> = names("/proc").filter_map(|name| name.to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    for pid in pids {
        let folder = format!("/proc/{pid}/fd");
        for name in names(&folder) {
            if missing == 0 {
                return holders;
            }
            let link = format!("{folder}/{}", name.to_string_lossy());
            let Some(inode) = inode_of(&link) else { continue };
            if let Some(found @ None) = holders.get_mut(&inode) {
                let command = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                *found = Some(Holder { pid, link, command: command.trim_end().to_owned() });
                missing -= 1;
            }
        }
    }
    holders
}

/// A link to a socket reads "socket:[123]".
fn inode_of(link: &str) -> Option<u64> {
    let target = fs::read_link(link).ok()?;
    target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listening_socket_is_read_from_the_kernels_line() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 77 1 ff 100 0 0 10 0";
        let socket = Socket { port: 8080, address: Ipv4Addr::LOCALHOST.into(), uid: 1000, inode: 77 };
        assert_eq!(listening_socket(line), Some(socket));
        assert_eq!(listening_socket(&line.replace(" 0A ", " 01 ")), None, "a connection");
        assert_eq!(listening_socket("  sl  local_address rem_address   st"), None);
        assert_eq!(address_of("00000000000000000000000001000000"), Some(Ipv6Addr::LOCALHOST.into()));
        assert_eq!(address_of("0000"), None);
    }
}

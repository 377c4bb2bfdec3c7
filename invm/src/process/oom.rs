//! Which programs the kernel killed for want of memory: it says so in its log just before it does.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom},
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
};

const REMEMBERED: usize = 64;

/// Reads the kernel's log from now on.
pub struct OomWatch {
    log: Option<File>,
    pids: VecDeque<i32>,
}

/// A program the kernel killed.
#[derive(Debug, PartialEq)]
pub struct Victim {
    pub pid: i32,
    pub name: String,
}

impl OomWatch {
    /// Without a readable /dev/kmsg nothing is ever called out of memory.
    pub fn open() -> Self {
        let mut log = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open("/dev/kmsg").ok();
        if let Some(file) = &mut log {
            let _ = file.seek(SeekFrom::End(0));
        }
        Self { log, pids: VecDeque::new() }
    }

    pub fn none() -> Self {
        Self { log: None, pids: VecDeque::new() }
    }

    /// Readable when the kernel has said something new.
    pub fn fd(&self) -> Option<OwnedFd> {
        self.log.as_ref()?.try_clone().ok().map(OwnedFd::from)
    }

    /// True once for each kill that `read` has told of.
    pub fn killed(&mut self, pid: i32) -> bool {
        let place = self.pids.iter().position(|killed| *killed == pid);
        place.and_then(|place| self.pids.remove(place)).is_some()
    }

    /// The kills that came since the last look.
    pub fn read(&mut self) -> Vec<Victim> {
        let mut victims = Vec::new();
        let Some(log) = &mut self.log else { return victims };
        let mut record = [0u8; 8192];
        loop {
            match log.read(&mut record) {
                Ok(0) => return victims,
                Ok(count) => {
                    if let Some(victim) = victim_of(&String::from_utf8_lossy(&record[..count])) {
                        self.pids.push_back(victim.pid);
                        victims.push(victim);
                        if self.pids.len() > REMEMBERED {
                            self.pids.pop_front();
                        }
                    }
                }
                // EPIPE: records were overwritten before we came; the next read goes on behind them.
                Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
                Err(_) => return victims,
            }
        }
    }
}

/// A record is "priority,sequence,time,flags;text". Programs can write there too, but never with the kernel's
/// facility, 0.
fn victim_of(record: &str) -> Option<Victim> {
    let (head, text) = record.split_once(';')?;
    let priority: u32 = head.split(',').next()?.parse().ok()?;
    if priority >> 3 != 0 || !text.to_ascii_lowercase().contains("out of memory") {
        return None;
    }
    let (pid, rest) = text.split_once("Killed process ")?.1.split_once(' ')?;
    let name = rest.strip_prefix('(')?.split_once(") ").map_or(rest, |(name, _)| name);
    Some(Victim { pid: pid.parse().ok()?, name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_victim_is_read_from_the_kernels_line_only() {
        let line = "3,910,5210,-;Out of memory: Killed process 71 (python3) total-vm:1kB\n";
        assert_eq!(victim_of(line), Some(Victim { pid: 71, name: "python3".into() }));
        let group = "3,911,5211,-;Memory cgroup out of memory: Killed process 8 (a b) total-vm:1kB\n";
        assert_eq!(victim_of(group), Some(Victim { pid: 8, name: "a b".into() }));
        assert_eq!(victim_of(&line.replace("3,910", "11,910")), None, "written by a program");
        assert_eq!(victim_of("6,1,1,-;eth0: link up\n"), None);
    }
}

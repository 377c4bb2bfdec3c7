//! get_metrics and the agent's own size, from /proc.

use std::{fs, time::Duration, time::SystemTime};

use crate::{
    error::Fault,
    proto::Metrics,
    wire::{to_proto_duration, to_proto_timestamp},
};

pub fn read_metrics() -> Result<Metrics, Fault> {
    let read = |path: &str| fs::read_to_string(path).map_err(|error| Fault::internal(path, error));
    let (stat, memory, network) = (read("/proc/stat")?, read("/proc/meminfo")?, read("/proc/net/dev")?);
    let disk =
        nix::sys::statvfs::statvfs("/").map_err(|errno| Fault::internal("statvfs of /", errno.desc()))?;
    let block = disk.fragment_size() as u64;
    let bytes_of = |name| meminfo(&memory, name);
    let (received, sent) = traffic(&network);
    let total = bytes_of("MemTotal");
    Ok(Metrics {
        time: Some(to_proto_timestamp(SystemTime::now())),
        cpu_count: stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count()
            as u32,
        cpu_time: Some(to_proto_duration(cpu_time(&stat))),
        memory_total_bytes: total,
        memory_used_bytes: total.saturating_sub(bytes_of("MemAvailable")),
        memory_cache_bytes: bytes_of("Cached"),
        disk_total_bytes: disk.blocks() as u64 * block,
        disk_used_bytes: (disk.blocks() as u64).saturating_sub(disk.blocks_free() as u64) * block,
        network_received_bytes: received,
        network_sent_bytes: sent,
    })
}

/// Resident memory of the agent: the second number of statm, in pages.
pub fn resident_bytes() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * crate::sys::page_size()
}

/// A line "Name:   123 kB".
pub fn meminfo(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let value = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    value.unwrap_or(0) * 1024
}

/// All but idle and iowait, in the kernel's hundredths of a second. Guest time is within user time already.
fn cpu_time(stat: &str) -> Duration {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu ")).unwrap_or_default();
    let ticks: Vec<u64> = line.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
    let busy: u64 = ticks
        .iter()
        .take(8)
        .enumerate()
        .filter(|(index, _)| !matches!(index, 3 | 4))
        .map(|(_, ticks)| ticks)
        .sum();
    Duration::from_millis(busy * 10)
}

/// Received and sent by every device but the loopback.
fn traffic(devices: &str) -> (u64, u64) {
    let lines = devices.lines().filter_map(|line| line.split_once(':'));
    lines.filter(|(name, _)| name.trim() != "lo").fold((0, 0), |(received, sent), (_, counters)| {
        let fields: Vec<u64> = counters.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
        let field = |index: usize| fields.get(index).copied().unwrap_or(0);
        (received + field(0), sent + field(8))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_from_the_kernels_text() {
        assert_eq!(meminfo("MemTotal:       16 kB\nMemAvailable:    4 kB\n", "MemAvailable"), 4096);
        assert_eq!(meminfo("", "MemTotal"), 0);
        assert_eq!(cpu_time("cpu  1 2 3 1000 50 4 5 6 7 8\ncpu0 1\n"), Duration::from_millis(210));
        let devices = "Inter-| Receive\n face |bytes\n    lo: 9 0 0 0 0 0 0 0 9 0\n  eth0: 5 0 0 0 0 0 0 0 7 0\n eth1:1 0 0 0 0 0 0 0 2 0\n";
        assert_eq!(traffic(devices), (6, 9));
    }
}

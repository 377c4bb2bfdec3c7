//! Bounds for the sandbox's programs: whatever they do, the agent has memory, processes and time to act.

use std::fs;

use crate::{console, metrics::meminfo, process::group};

/// Memory that programs can't have, where a thirty-second of it is less: the agent's buffers and threads.
const MIN_RESERVE: u64 = 16 << 20;
/// Memory for each process or thread. More than a forked shell takes, so that endless forking ends where no
/// process is left before all memory is: a program then sees a fork that fails, and others live on.
const PER_PROCESS: u64 = 768 << 10;
/// Enough for a shell and its tools on the smallest VM.
const MIN_PROCESSES: u64 = 256;

/// Sets the bounds. A kernel without one of them is no reason to stop.
pub fn set_up() {
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let threads = fs::read_to_string("/proc/sys/kernel/threads-max").unwrap_or_default();
    let _ = fs::create_dir(group::FOLDER);
    for (file, value) in plan(&memory, threads.trim().parse().unwrap_or(0)) {
        if let Err(error) = fs::write(&file, value) {
            console::warn(format_args!("{file}: {error}"));
        }
    }
}

/// What is written where.
fn plan(memory: &str, threads: u64) -> Vec<(String, String)> {
    let of_group = |name| format!("{}/{name}", group::FOLDER);
    let reserve = MIN_RESERVE.max(meminfo(memory, "MemTotal") / 32);
    // Below what is free, so that the programs' own bound is met first: the kernel then ends one of them at once
    // instead of searching all of its memory for the last page.
    let memory = meminfo(memory, "MemAvailable").saturating_sub(reserve);
    let processes = (memory / PER_PROCESS).min(threads / 2).max(MIN_PROCESSES);
    vec![
        // Not cpu: the kernel shares the time between sessions by itself, and each process leads one.
        ("/sys/fs/cgroup/cgroup.subtree_control".into(), "+memory +pids".into()),
        (of_group("memory.max"), memory.to_string()),
        (of_group("pids.max"), processes.to_string()),
        // Without swap, memory runs out by reading programs' code again and again. What was used within the last
        // second is kept, and where there is nothing else the kernel ends a program.
        ("/sys/kernel/mm/lru_gen/enabled".into(), "y".into()),
        ("/sys/kernel/mm/lru_gen/min_ttl_ms".into(), "1000".into()),
        // A list of all programs on a serial line would take longer than the rescue.
        ("/proc/sys/vm/oom_dump_tasks".into(), "0".into()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value_of(name: &str, memory: &str, threads: u64) -> String {
        let plan = plan(memory, threads);
        plan.into_iter().find(|(file, _)| file.ends_with(name)).expect("planned").1
    }

    #[test]
    fn programs_get_less_than_there_is() {
        let small = "MemTotal: 204800 kB\nMemAvailable: 163840 kB\n";
        assert_eq!(value_of("memory.max", small, 0), ((160u64 - 16) << 20).to_string());
        let large = "MemTotal: 16777216 kB\nMemAvailable: 16252928 kB\n";
        assert_eq!(value_of("memory.max", large, 0), ((15872u64 - 512) << 20).to_string());
        assert_eq!(value_of("pids.max", small, 1660), "256");
        assert_eq!(value_of("pids.max", large, 10_000), "5000");
        assert_eq!(value_of("pids.max", large, 100_000), "20480");
    }
}

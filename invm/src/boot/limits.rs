//! Bounds for the sandbox's programs: whatever they do, the agent has memory, processes and time to act.

use std::fs;

use crate::{console, metrics::meminfo, process::group};

/// Memory for each process or thread. More than a forked shell takes, so that endless forking ends where no
/// process is left before all memory is: a program then sees a fork that fails, and others live on.
const PER_PROCESS: u64 = 768 << 10;
/// Longer is an earlier end for programs that use more than there is, and an unjust one for those that only read a lot.
const MIN_TTL_MS: u64 = 3000;
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
    let processes = (meminfo(memory, "MemAvailable") / PER_PROCESS).min(threads / 2).max(MIN_PROCESSES);
    vec![
        // Time is shared between sessions, and each process leads one: a busy one leaves the others their part.
        ("/proc/sys/kernel/sched_autogroup_enabled".into(), "1".into()),
        ("/sys/fs/cgroup/cgroup.subtree_control".into(), "+pids".into()),
        (format!("{}/pids.max", group::FOLDER), processes.to_string()),
        // Short of memory and without swap, a kernel reads programs' code again and again before it gives up. This
        // one keeps what was used within the last seconds, and ends a program where there is nothing else.
        ("/sys/kernel/mm/lru_gen/enabled".into(), "y".into()),
        ("/sys/kernel/mm/lru_gen/min_ttl_ms".into(), MIN_TTL_MS.to_string()),
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
        let small = "MemAvailable: 163840 kB\n";
        let large = "MemAvailable: 15728640 kB\n";
        assert_eq!(value_of("pids.max", small, 1660), "256");
        assert_eq!(value_of("pids.max", large, 10_000), "5000");
        assert_eq!(value_of("pids.max", large, 100_000), "20480");
    }
}

//! The machine's names: host name and machine-id, and the files that programs read them from.

use std::{fs, path::Path};

use super::kernel::denied;
use crate::{agent::Mode, console, error::Fault};

pub fn check_hostname(name: &str) -> Result<(), Fault> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if name.len() <= 64 && name.bytes().all(plain) {
        return Ok(());
    }
    Err(Fault::invalid("personalize.hostname", "a host name has at most 64 of [A-Za-z0-9._-]"))
}

/// The name itself, and where programs look it up.
pub fn set_hostname(mode: Mode, root: &Path, name: &str) -> Result<(), Fault> {
    if mode == Mode::Vm {
        nix::unistd::sethostname(name).map_err(|errno| denied("host name", errno))?;
    }
    let etc = root.join("etc");
    let hosts = fs::read_to_string(etc.join("hosts")).unwrap_or_default();
    let result = fs::create_dir_all(&etc)
        .and_then(|()| fs::write(etc.join("hostname"), format!("{name}\n")))
        .and_then(|()| fs::write(etc.join("hosts"), hosts_with(&hosts, name)));
    if let Err(error) = result {
        // A read-only root is no reason to refuse the identity.
        console::warn(format_args!("host name in /etc: {error}"));
    }
    Ok(())
}

fn hosts_with(hosts: &str, name: &str) -> String {
    let others = hosts.lines().filter(|line| !line.starts_with("127.0.1.1"));
    let mut lines: Vec<String> = others.map(str::to_owned).collect();
    if !lines.iter().any(|line| line.split_whitespace().any(|word| word == "localhost")) {
        lines.push("127.0.0.1 localhost".into());
        lines.push("::1 localhost".into());
    }
    lines.push(format!("127.0.1.1 {name}"));
    lines.join("\n") + "\n"
}

/// Also D-Bus's own copy, where it is one and no link.
pub fn write_machine_id(root: &Path, sandbox_id: &str, epoch: u64) -> Result<(), Fault> {
    let id = format!("{}\n", machine_id(sandbox_id, epoch));
    fs::write(root.join("etc/machine-id"), &id).map_err(|error| Fault::internal("/etc/machine-id", error))?;
    let copy = root.join("var/lib/dbus/machine-id");
    if copy.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
        fs::write(copy, &id).map_err(|error| Fault::internal("/var/lib/dbus/machine-id", error))?;
    }
    Ok(())
}

/// 128 bits by FNV-1a: the same for the same sandbox and epoch, another one for any other. It is no secret.
fn machine_id(sandbox_id: &str, epoch: u64) -> String {
    let start = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58du128;
    let prime = 0x0100_0000_0000_0000_0000_013bu128;
    let bytes = sandbox_id.bytes().chain([0]).chain(epoch.to_be_bytes());
    let hash = bytes.fold(start, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(prime));
    format!("{hash:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_names_the_machine_once() {
        let once = hosts_with("127.0.0.1 localhost\n", "a");
        assert_eq!(once, "127.0.0.1 localhost\n127.0.1.1 a\n");
        assert_eq!(hosts_with(&once, "b"), "127.0.0.1 localhost\n127.0.1.1 b\n");
    }

    #[test]
    fn machine_ids_differ_by_sandbox_and_epoch() {
        let ids = [machine_id("a", 1), machine_id("a", 2), machine_id("b", 1)];
        assert!(ids.iter().all(|id| id.len() == 32));
        assert!(ids[0] != ids[1] && ids[0] != ids[2] && ids[1] != ids[2]);
    }
}

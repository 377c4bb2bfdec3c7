//! What the kernel's command line tells the agent.

use std::{fs, path::PathBuf};

use super::Failed;

/// Words "dnah.<name>=<value>".
#[derive(Debug, Default, PartialEq)]
pub struct Cmdline {
    /// Block device of the root file system; absent: stay in the initramfs.
    pub root: Option<PathBuf>,
    /// Its type; ext4 where absent.
    pub root_fs: Option<String>,
    /// Block device with lib/modules/<version>, read-only.
    pub modules: Option<PathBuf>,
    /// Its type; all that the kernel knows are tried where absent.
    pub modules_fs: Option<String>,
    /// Also prints debug lines.
    pub debug: bool,
}

impl Cmdline {
    pub fn read() -> Result<Self, Failed> {
        let text =
            fs::read_to_string("/proc/cmdline").map_err(|error| Failed(format!("/proc/cmdline: {error}")))?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let mut found = Self::default();
        for word in text.split_whitespace() {
            let Some((name, value)) =
                word.strip_prefix("dnah.").map(|word| word.split_once('=').unwrap_or((word, "1")))
            else {
                continue;
            };
            match name {
                "root" => found.root = Some(value.into()),
                "root_fs" => found.root_fs = Some(value.into()),
                "modules" => found.modules = Some(value.into()),
                "modules_fs" => found.modules_fs = Some(value.into()),
                "debug" => found.debug = value != "0",
                _ => {} // of a later agent
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_words_are_found_among_the_kernels() {
        let line = "console=ttyS0 root=/dev/nfs dnah.root=/dev/vda dnah.modules=/dev/vdb dnah.modules_fs=erofs dnah.new=1 dnah.debug quiet\n";
        let expected = Cmdline {
            root: Some("/dev/vda".into()),
            root_fs: None,
            modules: Some("/dev/vdb".into()),
            modules_fs: Some("erofs".into()),
            debug: true,
        };
        assert_eq!(Cmdline::parse(line), expected);
        assert_eq!(Cmdline::parse(""), Cmdline::default());
    }
}

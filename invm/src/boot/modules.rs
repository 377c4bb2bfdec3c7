//! Loads the stock kernel's drivers from the initramfs.

use std::{ffi::CString, fs};

use nix::{
    errno::Errno,
    kmod::{ModuleInitFlags, finit_module},
};

use super::Failed;

const FOLDER: &str = "/modules";

/// Loads "NNN-name.ko" by number. No folder: the kernel has all built in.
pub fn load_all() -> Result<(), Failed> {
    let Ok(entries) = fs::read_dir(FOLDER) else { return Ok(()) };
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "ko"));
    files.sort();
    for path in files {
        let file =
            fs::File::open(&path).map_err(|error| Failed(format!("module {}: {error}", path.display())))?;
        match finit_module(&file, &CString::default(), ModuleInitFlags::empty()) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(Failed(format!("module {}: {}", path.display(), errno.desc()))),
        }
    }
    Ok(())
}

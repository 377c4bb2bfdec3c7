//! What glibc takes from its environment alone, when a program starts.

use std::{env, ffi::CString, os::unix::ffi::OsStringExt};

use nix::unistd::execve;

const NAME: &str = "GLIBC_TUNABLES";
/// The stacks of threads that ended would be kept, up to 40 MiB of them.
const VALUE: &str = "glibc.pthread.stack_cache_size=0";
/// Where we are before /proc is mounted.
const INIT: &str = "/init";

/// Starts the program anew with what it needs in its environment; returns where that is there, or can't be done.
pub fn apply() {
    if env::var_os(NAME).is_some() {
        return;
    }
    let args: Vec<CString> = env::args_os().filter_map(|arg| CString::new(arg.into_vec()).ok()).collect();
    let variables = env::vars_os().map(|(name, value)| [name, value].map(OsStringExt::into_vec).join(&b'='));
    let added = format!("{NAME}={VALUE}").into_bytes();
    let variables: Vec<CString> =
        variables.chain([added]).filter_map(|variable| CString::new(variable).ok()).collect();
    for program in [env::current_exe().unwrap_or_default().into_os_string(), INIT.into()] {
        if let Ok(program) = CString::new(program.into_vec()) {
            let _ = execve(&program, &args, &variables);
        }
    }
}

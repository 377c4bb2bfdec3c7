//! The network that needs no configuration.

use crate::{console, sys};

/// Loopback, and a name until personalize gives another.
pub fn set_up() {
    if let Err(errno) = sys::loopback_up() {
        console::warn(format_args!("loopback: {}", errno.desc()));
    }
    let _ = nix::unistd::sethostname("sandbox");
}

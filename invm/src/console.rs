//! Lines on the VM's console, which the host keeps, and in the agent's log. Quiet unless something is wrong or `dnah.debug` is set.

use std::{
    fmt::Arguments,
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::log::{LOG, Level};

static DEBUG: AtomicBool = AtomicBool::new(false);

pub fn set_debug(on: bool) {
    DEBUG.store(on, Ordering::Relaxed);
}

/// Something is wrong, and an operator should see it.
pub fn warn(text: Arguments) {
    write_line(Level::Warn, text);
}

/// For someone who looks for a fault; never user data.
pub fn debug(text: Arguments) {
    if DEBUG.load(Ordering::Relaxed) {
        write_line(Level::Debug, text);
    }
}

fn write_line(level: Level, text: Arguments) {
    // One write, so that lines of different threads don't mix. A console that fails is no reason to stop.
    let line = format!("invm: {text}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    LOG.add(level, text.to_string());
}

//! Accepts connections: one thread each, and not too many.

use std::{
    os::fd::OwnedFd,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use nix::errno::Errno;

use crate::{
    agent::Agent,
    conn::Conn,
    console,
    dispatch::dispatch,
    error::{Fault, Stop},
    proto::ErrorReason,
    vsock::Listener,
};

const STACK: usize = 128 << 10;
pub const MAX_CONNECTIONS: usize = 1000;
/// A connection that has not said what it wants by then is closed.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a host has to read why its call failed.
const LINGER: Duration = Duration::from_secs(2);

static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);

/// A thread with a small stack.
pub fn spawn_thread(name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    thread::Builder::new().name(name.into()).stack_size(STACK).spawn(run).map(drop)
}

/// Accepts for ever.
pub fn serve(agent: &'static Agent, listener: &Listener) -> ! {
    loop {
        match listener.accept() {
            Ok(fd) => admit(agent, fd),
            Err(Errno::EINTR | Errno::ECONNABORTED) => {}
            Err(errno) => {
                // Out of descriptors or memory: others have to end first.
                console::warn(format_args!("accept: {}", errno.desc()));
                thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

fn admit(agent: &'static Agent, fd: OwnedFd) {
    let Ok(mut conn) = Conn::new(fd, agent.hello()) else { return };
    if CONNECTIONS.fetch_add(1, Ordering::Relaxed) >= MAX_CONNECTIONS {
        CONNECTIONS.fetch_sub(1, Ordering::Relaxed);
        let message = format!("{MAX_CONNECTIONS} connections are open already");
        conn.queue_end(Err(Fault::new(ErrorReason::LimitExceeded, message)));
        let _ = conn.flush_until(Some(Instant::now()));
        return;
    }
    let open = Open;
    let run = move || {
        let _open = open;
        handle(agent, conn);
    };
    if let Err(error) = spawn_thread("call", run) {
        console::warn(format_args!("thread for a connection: {error}"));
    }
}

/// Counts a connection while it lives, also through a panic.
struct Open;

impl Drop for Open {
    fn drop(&mut self) {
        CONNECTIONS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One call from its request to its end.
pub fn handle(agent: &'static Agent, mut conn: Conn) {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let request = conn.request(HANDSHAKE)?;
        dispatch(agent, &mut conn, request)
    }));
    let result = match outcome {
        Ok(Ok(())) => Ok(()),
        Ok(Err(Stop::Gone)) => return,
        Ok(Err(Stop::Fault(fault))) => Err(fault),
        Err(_) => Err(Fault::internal("the agent", "a call panicked")),
    };
    let failed = result.is_err();
    conn.queue_end(result);
    // A host that is still sending content would find the connection broken before it reads why.
    if conn.flush().is_ok() && failed {
        conn.wait_closed(LINGER);
    }
}

//! start_process and attach_process: the calls that stream output.

use std::sync::Arc;

use super::{
    Process,
    output::{From, Reader, Taken},
    pump::pump,
    spec::spec_of,
    start::start,
};
use crate::{
    agent::Agent,
    conn::Conn,
    error::{Fault, Stop},
    proto::{
        AttachProcessRequest, ErrorReason, ProcessOutput, ProcessStarted, StartProcessRequest,
        response::Event,
    },
    serve::spawn_thread,
};
use nix::poll::PollFlags;

/// Most output that is taken, and sent by one write, at once.
const BATCH: usize = 128 << 10;

pub fn start_process(
    agent: &'static Agent,
    conn: &mut Conn,
    request: StartProcessRequest,
) -> Result<(), Stop> {
    if let Some(process) = agent.processes.by_id(&request.process_id) {
        return stream(conn, &process, From::Offset(0), true);
    }
    let (process, existed) = launch(agent, request)?;
    stream(conn, &process, From::Offset(0), existed)
}

/// The process with the request's id, started where there is none; and whether there was.
pub fn launch(agent: &'static Agent, request: StartProcessRequest) -> Result<(Arc<Process>, bool), Fault> {
    let spec = spec_of(request, &agent.identity.defaults())?;
    let (process, sources) =
        agent.processes.find_or_start(&spec.id, |pid| start(&spec, agent.group.as_ref(), pid))?;
    let existed = sources.is_none();
    if let Some(sources) = sources {
        let pumped = process.clone();
        if let Err(error) = spawn_thread("pump", move || pump(&pumped, &agent.processes, sources)) {
            let _ = agent.processes.signal(&process, || super::registry::group_of(&process), libc::SIGKILL);
            agent.processes.forget(&process);
            return Err(Fault::internal("thread for the output", error));
        }
    }
    Ok((process, existed))
}

pub fn attach_process(agent: &Agent, conn: &mut Conn, request: AttachProcessRequest) -> Result<(), Stop> {
    let process = agent.processes.select(request.process.as_ref())?;
    let from = if request.from_end { From::End } else { From::Offset(request.from_offset) };
    stream(conn, &process, from, true)
}

fn stream(conn: &mut Conn, process: &Arc<Process>, from: From, existed: bool) -> Result<(), Stop> {
    let reader = process.output.attach(from)?;
    conn.queue(Event::ProcessStarted(ProcessStarted {
        process_id: process.id.clone(),
        pid: process.pid as u32,
        first_offset: reader.first_offset,
        existed,
    }));
    follow(conn, &reader)
}

fn follow(conn: &mut Conn, reader: &Reader) -> Result<(), Stop> {
    loop {
        match reader.take(BATCH) {
            Taken::Pieces(pieces) => {
                for piece in pieces {
                    conn.queue(Event::ProcessOutput(ProcessOutput {
                        offset: piece.offset,
                        stream: piece.stream.into(),
                        data: piece.data,
                    }));
                }
                if conn.queued() >= BATCH {
                    conn.flush()?;
                }
                // A cancel is seen also while there is always output.
                conn.check_cancel()?;
            }
            Taken::Nothing => {
                conn.wait_or_cancel(Some((reader.bell.fd(), PollFlags::POLLIN)), None)?;
                reader.bell.quiet();
            }
            Taken::Finished(exited) => {
                conn.queue(Event::ProcessExited(exited));
                return Ok(());
            }
            Taken::Lost => {
                let message = "the host fell behind for 30 s, or the record of the process was dropped";
                return Err(Fault::new(ErrorReason::OutputLost, message).into());
            }
        }
    }
}

//! From a request to the code that answers it.

use std::time::{Duration, SystemTime};

use crate::{
    agent::Agent,
    conn::Conn,
    console,
    error::{Fault, Stop},
    files, freeze, identity, log, metrics, ports, process,
    proto::{ErrorReason, PingRequest, Pong, Request, ShutdownRequest, request::Call, response::Event},
    shutdown,
    sync::lock,
    wire::{to_proto_duration, to_proto_timestamp},
};

/// The host gets this long to read the last message before the VM is gone.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Answers a call; the caller sends `end`.
pub fn dispatch(agent: &'static Agent, conn: &mut Conn, request: Request) -> Result<(), Stop> {
    if request.request_id.len() > 64 {
        return Err(Fault::invalid("request_id", "a request_id has at most 64 characters").into());
    }
    console::debug(format_args!("call {}", request.request_id.escape_debug()));
    let call = request.call.ok_or_else(|| unknown(request.protocol))?;
    match call {
        Call::Ping(ping) => answer(conn, Event::Pong(pong(agent, ping))),
        Call::Personalize(request) => {
            answer(conn, Event::Personalized(identity::personalize(agent, request)?))
        }
        Call::SetClock(request) => Ok(identity::kernel::set_clock(agent, &request)?),
        Call::AddEntropy(request) => Ok(identity::kernel::add_entropy(agent.mode, &request)?),
        Call::Shutdown(request) => power_off(agent, conn, &request),
        Call::Quiesce(request) => Ok(freeze::quiesce(agent, &request)?),
        Call::Thaw(_) => {
            agent.freeze.thaw(agent.mode);
            Ok(())
        }
        Call::GetMetrics(_) => answer(conn, Event::Metrics(metrics::read_metrics()?)),

        Call::StartProcess(request) => process::stream::start_process(agent, conn, request),
        Call::AttachProcess(request) => process::stream::attach_process(agent, conn, request),
        Call::SendInput(request) => process::input::send_input(agent, conn, request),
        Call::SignalProcess(request) => Ok(process::signal::signal_process(agent, request)?),
        Call::ResizePty(request) => Ok(process::signal::resize_pty(agent, request)?),
        Call::ListProcesses(request) => {
            answer(conn, Event::ProcessList(process::list::list_processes(agent, &request)))
        }

        Call::GetEnvironment(_) => answer(conn, Event::Environment(agent.identity.environment())),
        Call::SetEnvironment(request) => {
            answer(conn, Event::Environment(agent.identity.set_environment(request)?))
        }

        Call::ListPorts(_) => ports::watch::list_ports(conn),
        Call::WatchPorts(_) => ports::watch::watch_ports(conn),
        Call::ForwardPort(request) => ports::forward::forward_port(conn, &request),
        Call::ReadLogs(request) => log::read_logs(conn, &request),
        call => files::dispatch(agent, conn, call).unwrap_or_else(|| Err(unknown(request.protocol).into())),
    }
}

fn answer(conn: &mut Conn, event: Event) -> Result<(), Stop> {
    conn.queue(event);
    Ok(())
}

/// Also what a call added in a later version looks like.
fn unknown(protocol: u32) -> Fault {
    let message = format!(
        "agent {} does not know this call (host speaks protocol {protocol})",
        env!("CARGO_PKG_VERSION")
    );
    Fault::new(ErrorReason::UnknownCall, message)
}

fn pong(agent: &Agent, ping: PingRequest) -> Pong {
    Pong {
        payload: ping.payload,
        uptime: Some(to_proto_duration(agent.uptime())),
        wall_clock: Some(to_proto_timestamp(SystemTime::now())),
        agent_resident_bytes: metrics::resident_bytes(),
        running_processes: agent.processes.running() as u32,
    }
}

/// `end` goes out when the file systems are in order, just before the power goes.
fn power_off(agent: &Agent, conn: &mut Conn, request: &ShutdownRequest) -> Result<(), Stop> {
    let _once = lock(&agent.shutdown);
    shutdown::wind_down(agent, request)?;
    conn.queue_end(Ok(()));
    if conn.flush().is_ok() {
        conn.wait_closed(LAST_WORDS);
    }
    shutdown::power_off(agent.mode)
}

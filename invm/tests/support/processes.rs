//! What the tests about processes have in common.

use invm::proto::{
    AttachProcessRequest, Error, ListProcessesRequest, ProcessInfo, SendInputRequest, SignalProcessRequest,
    request::Call, response::Event,
};

use super::{Host, TestAgent, named};

pub fn list(agent: &TestAgent, include_exited: bool) -> Vec<ProcessInfo> {
    let events = agent.run(Call::ListProcesses(ListProcessesRequest { include_exited })).unwrap();
    let [Event::ProcessList(list)] = &events[..] else { panic!("{events:?}") };
    list.processes.clone()
}

pub fn attach(agent: &TestAgent, id: &str, from_offset: u64) -> Host {
    agent.call(Call::AttachProcess(AttachProcessRequest { process: named(id), from_offset, from_end: false }))
}

pub fn send(agent: &TestAgent, id: &str, offset: u64, data: &[u8], close: bool) -> Result<u64, Error> {
    let request = SendInputRequest { process: named(id), offset, data: data.to_vec(), close };
    let events = agent.run(Call::SendInput(request))?;
    let [Event::InputAccepted(accepted)] = &events[..] else { panic!("{events:?}") };
    Ok(accepted.next_offset)
}

pub fn signal(agent: &TestAgent, id: &str, signal: i32) -> Result<Vec<Event>, Error> {
    agent.run(Call::SignalProcess(SignalProcessRequest {
        process: named(id),
        signal: signal as u32,
        only_process: false,
    }))
}

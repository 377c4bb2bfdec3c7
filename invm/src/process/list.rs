//! list_processes.

use super::Process;
use crate::{
    agent::Agent,
    proto::{ListProcessesRequest, ProcessExited, ProcessInfo, ProcessList, Pty},
    sync::lock,
    wire::to_proto_timestamp,
};

pub fn list_processes(agent: &Agent, request: &ListProcessesRequest) -> ProcessList {
    let processes = agent.processes.list(request.include_exited);
    ProcessList { processes: processes.iter().map(|process| info_of(process)).collect() }
}

fn info_of(process: &Process) -> ProcessInfo {
    let end_offset = process.output.end_offset();
    let finished = || process.output.finished();
    let exited =
        process.exit().map(|exit| finished().unwrap_or(ProcessExited { end_offset, ..exit.to_proto() }));
    ProcessInfo {
        process_id: process.id.clone(),
        pid: process.pid as u32,
        args: process.args.clone(),
        cwd: process.cwd.clone(),
        user: process.user.clone(),
        tag: process.tag.clone(),
        start_time: Some(to_proto_timestamp(process.start_time)),
        exited,
        end_offset,
        env: process.env.clone(),
        pty: process.terminal.as_ref().map(|terminal| {
            let size = lock(&terminal.size);
            Pty { columns: size.columns.into(), rows: size.rows.into() }
        }),
    }
}

//! Terminals and those who watch them, through the socket of a real agent.

mod support;

use std::collections::BTreeMap;

use invm::proto::{
    ErrorReason, Pty, ResizePtyRequest, SendInputRequest, SignalProcessRequest, StartProcessRequest,
    request::Call, response::Event,
};
use support::{processes::*, *};

fn terminal(id: &str, line: &str) -> StartProcessRequest {
    StartProcessRequest { pty: Some(Pty::default()), ..shell(id, line) }
}

fn type_in(agent: &TestAgent, id: &str, offset: u64, text: &str) {
    let data = text.as_bytes().to_vec();
    agent.run(Call::SendInput(SendInputRequest { process: named(id), offset, data, close: false })).unwrap();
}

/// Reads on until a text has come; gives all of it.
fn read_until(host: &mut Host, text: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(text) {
        match host.event() {
            Event::ProcessOutput(piece) => seen += &String::from_utf8_lossy(&piece.data),
            Event::ProcessStarted(_) => {}
            event => panic!("{event:?} after {seen:?}"),
        }
    }
    seen
}

#[test]
fn a_shell_leads_its_session_and_controls_its_terminal() {
    let agent = TestAgent::start();
    let line = "[ $(ps -o sid= -p $$) = $$ ] && [ -t 0 -a -t 1 -a -t 2 ] && echo here > /dev/tty; echo $TERM";
    assert_eq!(agent.start_process(terminal("t", line)).unwrap().text(), "here\r\nxterm-256color\r\n");
    let env = BTreeMap::from([("TERM".into(), "vt100".into())]);
    let given = StartProcessRequest { env, ..terminal("given", "echo $TERM") };
    assert_eq!(agent.start_process(given).unwrap().text(), "vt100\r\n");
}

#[test]
fn a_program_hears_of_a_new_size() {
    let agent = TestAgent::start();
    let line = "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done";
    let mut host = agent.call(Call::StartProcess(terminal("t", line)));
    read_until(&mut host, "ready");
    let pty = Some(Pty { columns: 132, rows: 50 });
    agent.run(Call::ResizePty(ResizePtyRequest { process: named("t"), pty })).unwrap();
    read_until(&mut host, "50 132\r\n");
}

#[test]
fn keys_and_signals_reach_the_foreground_job_and_not_the_shell() {
    let agent = TestAgent::start();
    // An interactive shell gives each job a group of its own.
    let start = StartProcessRequest { pty: Some(Pty::default()), ..argv("t", &["bash", "--norc", "-i"]) };
    let mut host = agent.call(Call::StartProcess(start));
    assert!(matches!(host.event(), Event::ProcessStarted(_)));
    let mut offset = 0;
    let mut keys = |text: &str| {
        type_in(&agent, "t", offset, text);
        offset += text.len() as u64;
    };
    keys("PS1=; sleep 100; echo code=$?\n");
    read_until(&mut host, "code=$?\r\n");
    wait_until("the job runs", || children_named(&agent, "sleep"));
    keys("\x03");
    // The shell drops the rest of an interrupted line.
    keys("echo code=$?\n");
    read_until(&mut host, "code=130\r\n");
    keys("cat\n");
    wait_until("the job runs", || children_named(&agent, "cat"));
    keys("\x04echo ended=$?\n");
    read_until(&mut host, "ended=0\r\n");
    keys("sleep 100\n");
    wait_until("the job runs", || children_named(&agent, "sleep"));
    agent
        .run(Call::SignalProcess(SignalProcessRequest {
            process: named("t"),
            signal: libc::SIGTERM as u32,
            only_process: false,
        }))
        .unwrap();
    keys("echo code=$?\n");
    read_until(&mut host, "code=143\r\n");
    keys("exit 6\n");
    assert_eq!(
        host.rest().unwrap().into_iter().find_map(|event| match event {
            Event::ProcessExited(exited) => Some(exited.exit_code),
            _ => None,
        }),
        Some(6)
    );
}

/// Whether a child of the agent has a child of this name.
fn children_named(agent: &TestAgent, name: &str) -> bool {
    let children = |pid: u32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        text.split_whitespace().map(|pid| pid.parse::<u32>().unwrap()).collect::<Vec<_>>()
    };
    let is =
        |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name);
    // The agent's threads start programs, so their children are not all the first thread's.
    let tasks = std::fs::read_dir(format!("/proc/{}/task", agent.pid())).unwrap();
    let started = tasks.flatten().flat_map(|task| {
        let path = task.path().join("children");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().map(|pid| pid.parse::<u32>().unwrap()).collect::<Vec<_>>()
    });
    started.flat_map(children).any(is)
}

#[test]
fn several_watchers_see_the_same_and_one_that_comes_back_misses_nothing() {
    let agent = TestAgent::start();
    let line = "stty -echo; echo ready; while read x; do echo \"got $x\"; done";
    let mut first = agent.call(Call::StartProcess(terminal("t", line)));
    read_until(&mut first, "ready\r\n");
    let mut second = attach(&agent, "t", 0);
    read_until(&mut second, "ready\r\n");
    type_in(&agent, "t", 0, "one\n");
    for host in [&mut first, &mut second] {
        assert_eq!(read_until(host, "one\r\n"), "got one\r\n");
    }
    drop(first);
    type_in(&agent, "t", 4, "two\n");
    read_until(&mut second, "got two\r\n");
    let mut back = attach(&agent, "t", "ready\r\ngot one\r\n".len() as u64);
    assert_eq!(read_until(&mut back, "two\r\n"), "got two\r\n");
    let close = SendInputRequest { process: named("t"), offset: 8, data: vec![], close: true };
    agent.run(Call::SendInput(close)).unwrap();
    for host in [second, back] {
        assert!(matches!(host.rest().unwrap().last(), Some(Event::ProcessExited(_))));
    }
}

#[test]
fn a_terminal_has_a_size_echo_and_end_of_file() {
    let agent = TestAgent::start();
    let pty = Some(Pty { columns: 100, rows: 30 });
    let host = agent.call(Call::StartProcess(StartProcessRequest {
        pty,
        ..shell("t", "tty; stty size; read x; stty size; cat; echo over $TERM")
    }));
    wait_until("the first lines", || list(&agent, false).first().is_some_and(|info| info.end_offset > 15));
    let resized = Some(Pty { columns: 50, rows: 0 });
    agent.run(Call::ResizePty(ResizePtyRequest { process: named("t"), pty: resized })).unwrap();
    assert_eq!(list(&agent, false)[0].pty, Some(Pty { columns: 50, rows: 24 }));
    send(&agent, "t", 0, b"\nline\n", false).unwrap();
    wait_until("cat echoes", || list(&agent, false).first().is_some_and(|info| info.end_offset > 40));
    send(&agent, "t", 6, b"", true).unwrap();
    let text = host.outcome().unwrap().text();
    assert!(text.starts_with("/dev/pts/"), "{text}");
    for part in ["30 100\r\n", "24 50\r\n", "over xterm-256color\r\n"] {
        assert!(text.contains(part), "{part:?} in {text:?}");
    }
    assert_eq!(text.matches("line\r\n").count(), 2, "the echo, and cat's: {text:?}");
    assert_eq!(
        agent
            .run(Call::ResizePty(ResizePtyRequest {
                process: named("t"),
                pty: Some(Pty { columns: 1001, rows: 1 })
            }))
            .unwrap_err()
            .reason(),
        ErrorReason::InvalidArgument
    );
}

#[test]
fn an_interrupt_reaches_the_terminals_foreground() {
    let agent = TestAgent::start();
    let host = agent.call(Call::StartProcess(StartProcessRequest {
        pty: Some(Pty::default()),
        ..shell("t", "trap 'echo interrupted; exit 5' INT; echo ready; sleep 60 & wait")
    }));
    wait_until("ready", || list(&agent, false).first().is_some_and(|info| info.end_offset > 5));
    send(&agent, "t", 0, b"\x03", false).unwrap();
    let outcome = host.outcome().unwrap();
    assert_eq!(outcome.exited.exit_code, 5, "{}", outcome.text());
}

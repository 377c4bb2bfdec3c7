//! Processes, through the socket of a real agent.

mod support;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use invm::proto::{
    AttachProcessRequest, Cancel, ErrorReason, ExitKind, ListProcessesRequest, OutputStream,
    PersonalizeRequest, ProcessInfo, ProcessSelector, Pty, ResizePtyRequest, SendInputRequest,
    SignalProcessRequest, StartProcessRequest, input::Input, process_selector::Selector, request::Call,
    response::Event,
};
use support::*;

fn list(agent: &TestAgent, include_exited: bool) -> Vec<ProcessInfo> {
    let events = agent.run(Call::ListProcesses(ListProcessesRequest { include_exited })).unwrap();
    let [Event::ProcessList(list)] = &events[..] else { panic!("{events:?}") };
    list.processes.clone()
}

fn attach(agent: &TestAgent, id: &str, from_offset: u64) -> Host {
    agent.call(Call::AttachProcess(AttachProcessRequest { process: named(id), from_offset, from_end: false }))
}

fn send(
    agent: &TestAgent,
    id: &str,
    offset: u64,
    data: &[u8],
    close: bool,
) -> Result<u64, invm::proto::Error> {
    let request = SendInputRequest { process: named(id), offset, data: data.to_vec(), close };
    let events = agent.run(Call::SendInput(request))?;
    let [Event::InputAccepted(accepted)] = &events[..] else { panic!("{events:?}") };
    Ok(accepted.next_offset)
}

fn signal(agent: &TestAgent, id: &str, signal: i32) -> Result<Vec<Event>, invm::proto::Error> {
    agent.run(Call::SignalProcess(SignalProcessRequest {
        process: named(id),
        signal: signal as u32,
        only_process: false,
    }))
}

#[test]
fn hello_comes_first_and_once() {
    let agent = TestAgent::start();
    let mut host = agent.call(Call::StartProcess(shell("p", "echo hi")));
    let (hello, event) = host.hello();
    assert_eq!((hello.protocol, hello.agent_version.as_str()), (1, env!("CARGO_PKG_VERSION")));
    assert!(!hello.boot_id.is_empty());
    assert!(matches!(event, Event::ProcessStarted(_)));
    assert!(std::iter::from_fn(|| host.response()).all(|response| response.hello.is_none()));
}

#[test]
fn output_exit_code_and_signal_are_told() {
    let agent = TestAgent::start();
    let mut streams = Vec::new();
    for event in
        agent.run(Call::StartProcess(shell("both", "echo out; sleep 0.05; echo err >&2; exit 3"))).unwrap()
    {
        match event {
            Event::ProcessOutput(piece) => streams.push((piece.offset, piece.stream(), piece.data)),
            Event::ProcessExited(exited) => {
                assert_eq!((exited.kind(), exited.exit_code, exited.end_offset), (ExitKind::Exited, 3, 8));
            }
            _ => {}
        }
    }
    let expected =
        [(0, OutputStream::Stdout, b"out\n".to_vec()), (4, OutputStream::Stderr, b"err\n".to_vec())];
    assert_eq!(streams, expected);
    let killed = agent.start_process(shell("killed", "kill -9 $$")).unwrap().exited;
    assert_eq!((killed.kind(), killed.exit_code, killed.signal), (ExitKind::Signaled, 137, 9));
    let realtime = agent.start_process(shell("realtime", "kill -40 $$")).unwrap().exited;
    assert_eq!((realtime.kind(), realtime.signal), (ExitKind::Signaled, 40));
}

#[test]
fn a_process_gets_the_sandboxs_environment_below_its_own() {
    let agent = TestAgent::start();
    let env = BTreeMap::from([("A".into(), "sandbox".into()), ("B".into(), "sandbox".into())]);
    let personalize = PersonalizeRequest { sandbox_id: "sbx1".into(), epoch: 1, env, ..Default::default() };
    agent.run(Call::Personalize(personalize)).unwrap();
    let env = BTreeMap::from([("B".into(), "request".into())]);
    let request =
        StartProcessRequest { env, cwd: "/tmp/..".into(), ..shell("p", "echo $A $B $LANG $USER; pwd; trap") };
    assert_eq!(agent.start_process(request).unwrap().text(), "sandbox request C.UTF-8 root\n/\n");
}

#[test]
fn wrong_starts_are_told_by_kind_and_field() {
    let agent = TestAgent::start();
    let refused = |request| agent.start_process(request).map(drop).unwrap_err();
    for (request, reason, field) in [
        (argv("a", &["no-such-program"]), ErrorReason::CommandNotFound, "start_process.argv.args"),
        (argv("b", &["/etc/passwd"]), ErrorReason::CommandNotFound, "start_process.argv.args"),
        (
            StartProcessRequest { cwd: "/nowhere".into(), ..shell("c", ":") },
            ErrorReason::CwdNotFound,
            "start_process.cwd",
        ),
        (
            StartProcessRequest { user: "nobody-here".into(), ..shell("d", ":") },
            ErrorReason::UserNotFound,
            "start_process.user",
        ),
        (shell("bad id", ":"), ErrorReason::InvalidArgument, "start_process.process_id"),
        (
            StartProcessRequest { replay_bytes: 1, ..shell("e", ":") },
            ErrorReason::InvalidArgument,
            "start_process.replay_bytes",
        ),
        (argv("f", &[]), ErrorReason::InvalidArgument, "start_process.argv.args"),
        (
            StartProcessRequest { process_id: "g".into(), ..Default::default() },
            ErrorReason::InvalidArgument,
            "start_process.command",
        ),
    ] {
        let error = refused(request);
        assert_eq!((error.reason(), error.field.as_str()), (reason, field), "{error:?}");
    }
    assert_eq!(list(&agent, true), vec![], "nothing is left of a start that failed");
    agent.assert_alive();
}

#[test]
fn another_user_is_taken_on_whole() {
    if !needs_root() {
        return;
    }
    let agent = TestAgent::start();
    let request = StartProcessRequest {
        user: "nobody".into(),
        cwd: "/".into(),
        ..shell("p", "id -u; id -ru; grep ^Cap.ff /proc/self/status")
    };
    let text = agent.start_process(request).unwrap().text();
    assert_eq!(text, "65534\n65534\nCapEff:\t0000000000000000\n");
}

#[test]
fn a_second_start_with_the_id_attaches_from_the_beginning() {
    let agent = TestAgent::start();
    let first = agent.start_process(shell("same", "echo once")).unwrap();
    let second = agent.start_process(shell("same", "echo twice")).unwrap();
    assert_eq!((second.text().as_str(), second.existed, second.pid), ("once\n", true, first.pid));
    let late = attach(&agent, "same", 3).outcome().unwrap();
    assert_eq!((late.first_offset, late.text().as_str()), (3, "e\n"));
}

#[test]
fn a_broken_or_canceled_call_only_detaches() {
    let agent = TestAgent::start();
    let mut first = agent.call(Call::StartProcess(StartProcessRequest {
        stdin: true,
        ..shell("p", "read line; echo got $line")
    }));
    first.event();
    drop(first);
    let mut second = attach(&agent, "p", 0);
    second.event();
    second.input(Input::Cancel(Cancel {}));
    assert_eq!(second.rest().unwrap_err().reason(), ErrorReason::Canceled);
    assert_eq!(send(&agent, "p", 0, b"it\n", false).unwrap(), 3);
    assert_eq!(attach(&agent, "p", 0).outcome().unwrap().text(), "got it\n");
}

#[test]
fn input_is_numbered() {
    let agent = TestAgent::start();
    let host = agent.call(Call::StartProcess(StartProcessRequest { stdin: true, ..argv("cat", &["cat"]) }));
    wait_until("cat runs", || !list(&agent, false).is_empty());
    assert_eq!(send(&agent, "cat", 0, b"abc", false).unwrap(), 3);
    assert_eq!(send(&agent, "cat", 0, b"abc", false).unwrap(), 3, "a repeat changes nothing");
    assert_eq!(send(&agent, "cat", 1, b"bcde", false).unwrap(), 5, "what is new of a repeat counts");
    let gap = send(&agent, "cat", 9, b"x", false).unwrap_err();
    assert_eq!((gap.reason(), gap.expected_offset), (ErrorReason::InputGap, 5));
    assert_eq!(send(&agent, "cat", 5, b"", true).unwrap(), 5);
    assert_eq!(send(&agent, "cat", 5, b"", true).unwrap(), 5, "a repeated close too");
    assert_eq!(send(&agent, "cat", 5, b"x", false).unwrap_err().reason(), ErrorReason::InputClosed);
    assert_eq!(host.outcome().unwrap().text(), "abcde");
    agent.start_process(shell("none", ":")).unwrap();
    assert_eq!(send(&agent, "none", 0, b"x", false).unwrap_err().reason(), ErrorReason::InputClosed);
}

#[test]
fn a_full_pipe_holds_only_its_own_call() {
    let agent = TestAgent::start();
    let request = StartProcessRequest {
        stdin: true,
        ..shell("slow", "read -r go < /dev/null; while [ ! -e gate ]; do sleep 0.01; done; wc -c")
    };
    let host = agent.call(Call::StartProcess(StartProcessRequest {
        cwd: agent.folder.to_string_lossy().into(),
        ..request
    }));
    wait_until("it runs", || !list(&agent, false).is_empty());
    let data = vec![b'x'; 1 << 20];
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| send(&agent, "slow", 0, &data, true));
        std::thread::sleep(Duration::from_millis(50));
        agent.assert_alive();
        assert!(send(&agent, "slow", 0, b"xx", false).is_ok());
        std::fs::write(agent.folder.join("gate"), b"").unwrap();
        assert_eq!(sender.join().unwrap().unwrap(), 1 << 20);
    });
    assert_eq!(host.outcome().unwrap().text().trim(), "1048576");
}

#[test]
fn a_slow_reader_holds_the_process_back_and_loses_nothing() {
    let agent = TestAgent::start();
    let total = 8 << 20;
    let request = StartProcessRequest {
        replay_bytes: 64 << 10,
        ..shell("p", &format!("head -c {total} /dev/zero; echo done >&2"))
    };
    let host = agent.call(Call::StartProcess(request));
    std::thread::sleep(Duration::from_millis(300));
    let info = &list(&agent, false)[0];
    assert!(info.exited.is_none() && info.end_offset < total / 2, "{}", info.end_offset);
    let outcome = host.outcome().unwrap();
    assert_eq!(outcome.output.len() as u64, total + 5);
    assert!(outcome.output.ends_with(b"\0done\n"));
}

#[test]
fn without_a_reader_the_newest_output_is_kept() {
    let agent = TestAgent::start();
    let request = StartProcessRequest {
        replay_bytes: 64 << 10,
        ..shell("p", "sleep 0.1; head -c 300000 /dev/zero; echo end")
    };
    drop(agent.call(Call::StartProcess(request)));
    wait_until("it is over", || {
        list(&agent, true).iter().any(|info| info.exited.is_some_and(|exited| exited.end_offset > 0))
    });
    let outcome = attach(&agent, "p", 0).outcome().unwrap();
    assert_eq!((outcome.first_offset, outcome.output.len()), (300_004 - 65_536, 65_536));
    assert!(outcome.output.ends_with(b"\0end\n"));
}

#[test]
fn a_background_child_with_the_pipe_open_does_not_delay_the_exit() {
    let agent = TestAgent::start();
    let begin = Instant::now();
    let outcome = agent.start_process(shell("p", "(sleep 0.6; echo late) & echo now")).unwrap();
    assert!(begin.elapsed() < Duration::from_millis(550), "{:?}", begin.elapsed());
    assert_eq!(outcome.text(), "now\n");
    wait_until("later output is kept", || list(&agent, true)[0].end_offset == 9);
    let begin = Instant::now();
    let chatty =
        agent.start_process(shell("chatty", "(while sleep 0.02; do echo .; done) & echo now")).unwrap();
    assert!(chatty.text().starts_with("now\n") && begin.elapsed() < Duration::from_secs(4));
    let begin = Instant::now();
    agent.start_process(shell("flood", "yes & sleep 0.1")).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    assert!(list(&agent, false).is_empty());
}

#[test]
fn a_timeout_ends_the_group_with_term_then_kill() {
    let agent = TestAgent::start();
    let timeout = Some(prost_types::Duration { seconds: 0, nanos: 100_000_000 });
    let soft =
        StartProcessRequest { timeout, ..shell("soft", "trap 'echo bye; exit 7' TERM; sleep 60 & wait") };
    let soft = agent.start_process(soft).unwrap();
    assert_eq!(
        (soft.exited.kind(), soft.exited.exit_code, soft.text().as_str()),
        (ExitKind::TimedOut, 7, "bye\n")
    );
    let hard = StartProcessRequest { timeout, ..shell("hard", "trap '' TERM; while :; do sleep 0.2; done") };
    let hard = agent.start_process(hard).unwrap().exited;
    let seconds = hard.run_time.unwrap().seconds;
    assert_eq!((hard.kind(), hard.signal), (ExitKind::TimedOut, 9));
    assert!((5..8).contains(&seconds), "{seconds}");
}

#[test]
fn signals_go_to_the_group_and_selectors_find_it() {
    let agent = TestAgent::start();
    let host = agent.call(Call::StartProcess(StartProcessRequest {
        tag: "job".into(),
        ..shell("p", "sleep 100 & wait; echo never")
    }));
    wait_until("it runs", || !list(&agent, false).is_empty());
    let info = list(&agent, false).remove(0);
    assert_eq!((info.tag.as_str(), info.user.as_str(), info.args.len()), ("job", "root", 3));
    for selector in [Selector::Pid(info.pid), Selector::Tag("job".into())] {
        let process = Some(ProcessSelector { selector: Some(selector) });
        agent
            .run(Call::SignalProcess(SignalProcessRequest { process, signal: 18, only_process: true }))
            .unwrap();
    }
    signal(&agent, "p", 15).unwrap();
    let outcome = host.outcome().unwrap();
    assert_eq!((outcome.exited.kind(), outcome.exited.signal), (ExitKind::Signaled, 15));
    assert_eq!(signal(&agent, "p", 15).unwrap_err().reason(), ErrorReason::ProcessNotFound);
    assert_eq!(signal(&agent, "other", 15).unwrap_err().reason(), ErrorReason::ProcessNotFound);
    assert_eq!(signal(&agent, "p", 65).unwrap_err().reason(), ErrorReason::InvalidArgument);
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

#[test]
fn thousands_of_quick_processes_leave_no_zombie() {
    let agent = TestAgent::start();
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let agent = &agent;
            scope.spawn(move || {
                for index in 0..50 {
                    let outcome = agent
                        .start_process(shell(&format!("w{worker}-{index}"), "(:)& echo $((6*7))"))
                        .unwrap();
                    assert_eq!(outcome.text(), "42\n");
                }
            });
        }
    });
    let children = || std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", agent.pid())).unwrap();
    wait_until("all are reaped", || children().trim().is_empty());
    let kept = list(&agent, true).len();
    assert!((1..=256).contains(&kept), "{kept} records");
}

#[test]
fn a_process_that_closes_its_output_lives_on() {
    let agent = TestAgent::start();
    let line = "exec 1>&- 2>&-; read -r line; exit 4";
    let host = agent.call(Call::StartProcess(StartProcessRequest { stdin: true, ..shell("p", line) }));
    wait_until("it runs", || !list(&agent, false).is_empty());
    let pid = list(&agent, false)[0].pid;
    let open = |fd| std::fs::symlink_metadata(format!("/proc/{pid}/fd/{fd}")).is_ok();
    wait_until("it has closed its output", || open(0) && !open(1) && !open(2));
    assert!(list(&agent, false)[0].exited.is_none());
    send(&agent, "p", 0, b"go\n", false).unwrap();
    assert_eq!(host.outcome().unwrap().exited.exit_code, 4);
}

#[test]
fn every_byte_comes_as_it_was_written() {
    let agent = TestAgent::start();
    let all: Vec<u8> = (0..=255).cycle().take(256 * 100).collect();
    let host = agent.call(Call::StartProcess(StartProcessRequest { stdin: true, ..argv("cat", &["cat"]) }));
    wait_until("cat runs", || !list(&agent, false).is_empty());
    send(&agent, "cat", 0, &all, true).unwrap();
    assert!(host.outcome().unwrap().output == all);
}

#[test]
fn hundreds_of_processes_run_at_once() {
    let agent = TestAgent::start();
    let hosts: Vec<_> = (0..200)
        .map(|index| {
            let line = format!("read -r go; echo {index}");
            agent.call(Call::StartProcess(StartProcessRequest {
                stdin: true,
                tag: "many".into(),
                ..shell(&format!("p{index}"), &line)
            }))
        })
        .collect();
    wait_until("all run", || list(&agent, false).len() == 200);
    assert!(list(&agent, false).iter().all(|info| info.tag == "many"));
    for index in 0..200 {
        send(&agent, &format!("p{index}"), 0, b"\n", false).unwrap();
    }
    for (index, host) in hosts.into_iter().enumerate() {
        assert_eq!(host.outcome().unwrap().text(), format!("{index}\n"));
    }
}

#[test]
fn output_without_end_costs_no_memory() {
    let agent = TestAgent::start();
    // A GiB in the long run, which sets this.
    let mib = if std::env::var_os("DNAH_TEST_FUZZ_ROUNDS").is_some() { 1024 } else { 96 };
    let host = agent.call(Call::StartProcess(shell("p", &format!("head -c {mib}M /dev/zero"))));
    let before = resident_kib(&agent);
    let (mut host, mut total, mut most) = (host, 0, 0);
    loop {
        match host.event() {
            Event::ProcessOutput(piece) => total += piece.data.len(),
            Event::ProcessExited(_) => break,
            _ => {}
        }
        most = most.max(resident_kib(&agent));
    }
    println!("{mib} MiB of output: resident {before} KiB before, {most} KiB at most");
    assert_eq!(total, mib << 20);
    assert!(most < before + (3 << 10), "{most} KiB");
}

//! Processes, from their start to their end, through the socket of a real agent.

mod support;

use std::{collections::BTreeMap, time::Duration};

use invm::proto::{
    Cancel, ErrorReason, ExitKind, OutputStream, PersonalizeRequest, ProcessSelector, SignalProcessRequest,
    StartProcessRequest, input::Input, process_selector::Selector, request::Call, response::Event,
};
use support::{processes::*, *};

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
fn a_timeout_ends_the_group_with_term_then_kill() {
    let agent = TestAgent::start();
    let line = "trap 'echo bye; exit 7' TERM; echo ready; sleep 60 & wait";
    let soft = timed_out_when_ready(&agent, "soft", line);
    assert_eq!((soft.exited.exit_code, soft.text().as_str()), (7, "ready\nbye\n"));
    let line = "trap '' TERM; echo ready; while :; do sleep 0.2; done";
    let hard = timed_out_when_ready(&agent, "hard", line).exited;
    let seconds = hard.run_time.unwrap().seconds;
    assert_eq!(hard.signal, 9);
    assert!((5..30).contains(&seconds), "{seconds}");
}

/// A busy machine may not get a shell to its trap in the given time: then once more, with twice as much.
fn timed_out_when_ready(agent: &TestAgent, id: &str, line: &str) -> Outcome {
    let mut limit = Duration::from_millis(100);
    loop {
        let timeout = Some(prost_types::Duration::try_from(limit).unwrap());
        let id = format!("{id}{}", limit.as_millis());
        let outcome = agent.start_process(StartProcessRequest { timeout, ..shell(&id, line) }).unwrap();
        assert_eq!(outcome.exited.kind(), ExitKind::TimedOut);
        if !outcome.output.is_empty() {
            return outcome;
        }
        limit *= 2;
        assert!(limit < Duration::from_secs(20), "a shell is ready within {limit:?}");
    }
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

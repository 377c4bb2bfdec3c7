//! Input and output of processes, through the socket of a real agent.

mod support;

use std::time::Duration;

use invm::proto::{ErrorReason, StartProcessRequest, request::Call, response::Event};
use support::{processes::*, *};

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
fn every_byte_comes_as_it_was_written() {
    let agent = TestAgent::start();
    let all: Vec<u8> = (0..=255).cycle().take(256 * 100).collect();
    let host = agent.call(Call::StartProcess(StartProcessRequest { stdin: true, ..argv("cat", &["cat"]) }));
    wait_until("cat runs", || !list(&agent, false).is_empty());
    send(&agent, "cat", 0, &all, true).unwrap();
    assert!(host.outcome().unwrap().output == all);
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
    wait_until("all of it has come", || {
        list(&agent, true).first().is_some_and(|info| info.end_offset == 300_004)
    });
    let outcome = attach(&agent, "p", 0).outcome().unwrap();
    assert_eq!((outcome.first_offset, outcome.output.len()), (300_004 - 65_536, 65_536));
    assert!(outcome.output.ends_with(b"\0end\n"));
}

#[test]
fn a_background_child_with_the_pipe_open_does_not_delay_the_exit() {
    let agent = TestAgent::start();
    let outcome = agent.start_process(shell("p", "(sleep 2; echo late) & echo now")).unwrap();
    assert_eq!(outcome.text(), "now\n");
    wait_until("later output is kept", || list(&agent, true)[0].end_offset == 9);
    let chatty =
        agent.start_process(shell("chatty", "(while sleep 0.02; do echo .; done) & echo now")).unwrap();
    assert!(chatty.text().starts_with("now\n"));
    agent.start_process(shell("flood", "yes & sleep 0.1")).unwrap();
    assert!(list(&agent, false).is_empty());
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

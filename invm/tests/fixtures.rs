//! The bytes of the main calls as released: an agent in a paused VM speaks them for ever.
//!
//! `UPDATE_FIXTURES=1 cargo test --test fixtures` writes those that are missing; none is ever rewritten.

use std::{collections::BTreeMap, fs, path::PathBuf};

use invm::proto::*;
use prost::Message;
use prost_types::{Duration, Timestamp};

enum Fixture {
    Request(request::Call),
    Response(Option<Hello>, response::Event),
}

fn selector() -> Option<ProcessSelector> {
    Some(ProcessSelector { selector: Some(process_selector::Selector::ProcessId("build-1".into())) })
}

fn fixtures() -> Vec<(&'static str, Fixture)> {
    use Fixture::{Request as Ask, Response as Say};
    use request::Call;
    use response::Event;
    let text = |text: &str| text.to_owned();
    let env = BTreeMap::from([(text("LANG"), text("de_DE.UTF-8"))]);
    let time = Some(Timestamp { seconds: 1_700_000_000, nanos: 5 });
    let hello = Hello {
        protocol: 1,
        agent_version: text("0.1.0"),
        features: vec![Feature::Pty.into()],
        boot_id: text("4bb7c5c0"),
    };
    let exited = ProcessExited {
        kind: ExitKind::Signaled.into(),
        exit_code: 137,
        signal: 9,
        run_time: Some(Duration { seconds: 1, nanos: 250_000_000 }),
        end_offset: 70_000,
    };
    let file = FileInfo {
        path: text("/home/user/a.txt"),
        name: text("a.txt"),
        r#type: FileType::File.into(),
        size: 12,
        mode: 0o644,
        uid: 1000,
        gid: 1000,
        owner: text("user"),
        group: text("user"),
        modify_time: time,
        ..Default::default()
    };
    let error = Error {
        reason: ErrorReason::InputGap.into(),
        message: text("input from offset 9 on: the next expected is 5"),
        field: text("send_input.offset"),
        errno: 0,
        expected_offset: 5,
    };
    let shell = start_process_request::Command::Shell(ShellCommand { line: text("make"), login: true });
    let argv = start_process_request::Command::Argv(Argv { args: vec![text("cat"), text("-")] });
    vec![
        ("request-ping", Ask(Call::Ping(PingRequest { payload: b"ping".to_vec() }))),
        (
            "request-personalize",
            Ask(Call::Personalize(PersonalizeRequest {
                sandbox_id: text("sbx1"),
                epoch: 7,
                hostname: text("box"),
                env: env.clone(),
                wall_clock: time,
                entropy: (0..32).collect(),
                default_user: text("user"),
                default_cwd: text("~"),
                new_machine_id: true,
                ..Default::default()
            })),
        ),
        (
            "request-personalize-fork",
            Ask(Call::Personalize(PersonalizeRequest {
                sandbox_id: text("sbx2"),
                epoch: 1,
                wake: 2,
                entropy: (0..32).collect(),
                new_machine_id: true,
                keep_environment: true,
                event: LifeEvent::Forked.into(),
                hook_timeout: Some(Duration { seconds: 4, nanos: 0 }),
                ..Default::default()
            })),
        ),
        (
            "request-quiesce",
            Ask(Call::Quiesce(QuiesceRequest { timeout: Some(Duration { seconds: 8, nanos: 0 }) })),
        ),
        ("request-thaw", Ask(Call::Thaw(ThawRequest {}))),
        (
            "request-shutdown",
            Ask(Call::Shutdown(ShutdownRequest { grace: Some(Duration { seconds: 3, nanos: 0 }) })),
        ),
        ("request-get-metrics", Ask(Call::GetMetrics(GetMetricsRequest {}))),
        (
            "request-start-shell",
            Ask(Call::StartProcess(StartProcessRequest {
                process_id: text("build-1"),
                env,
                cwd: text("~/project"),
                user: text("user"),
                tag: text("build"),
                timeout: Some(Duration { seconds: 60, nanos: 0 }),
                replay_bytes: 65_536,
                command: Some(shell),
                ..Default::default()
            })),
        ),
        (
            "request-start-pty",
            Ask(Call::StartProcess(StartProcessRequest {
                process_id: text("term-1"),
                stdin: true,
                pty: Some(Pty { columns: 120, rows: 40 }),
                command: Some(argv),
                ..Default::default()
            })),
        ),
        (
            "request-attach",
            Ask(Call::AttachProcess(AttachProcessRequest {
                process: selector(),
                from_offset: 4096,
                from_end: false,
            })),
        ),
        (
            "request-send-input",
            Ask(Call::SendInput(SendInputRequest {
                process: selector(),
                offset: 5,
                data: b"yes\n".to_vec(),
                close: true,
            })),
        ),
        (
            "request-signal",
            Ask(Call::SignalProcess(SignalProcessRequest {
                process: selector(),
                signal: 15,
                only_process: true,
            })),
        ),
        ("request-list-processes", Ask(Call::ListProcesses(ListProcessesRequest { include_exited: true }))),
        (
            "request-read-file",
            Ask(Call::ReadFile(ReadFileRequest {
                path: text("~/a.txt"),
                offset: 1,
                length: 2,
                user: text("user"),
                ..Default::default()
            })),
        ),
        (
            "request-write-file",
            Ask(Call::WriteFile(WriteFileRequest {
                path: text("/srv/a.txt"),
                mode: 0o600,
                user: text("user"),
                write_mode: WriteMode::Offset.into(),
                offset: 9,
            })),
        ),
        (
            "request-stat-file",
            Ask(Call::StatFile(StatFileRequest { path: text("/etc/hosts"), user: String::new() })),
        ),
        (
            "response-pong",
            Say(
                Some(hello),
                Event::Pong(Pong {
                    payload: b"ping".to_vec(),
                    uptime: Some(Duration { seconds: 2, nanos: 1 }),
                    wall_clock: time,
                    agent_resident_bytes: 1_700_000,
                    running_processes: 3,
                }),
            ),
        ),
        ("response-end", Say(None, Event::End(End { error: None }))),
        ("response-error", Say(None, Event::End(End { error: Some(error) }))),
        ("response-heartbeat", Say(None, Event::Heartbeat(Heartbeat {}))),
        (
            "response-personalized-hooks",
            Say(
                None,
                Event::Personalized(Personalized {
                    epoch: 1,
                    hook_time: Some(Duration { seconds: 0, nanos: 5_000_000 }),
                }),
            ),
        ),
        ("response-personalized", Say(None, Event::Personalized(Personalized { epoch: 7, hook_time: None }))),
        (
            "response-process-started",
            Say(
                None,
                Event::ProcessStarted(ProcessStarted {
                    process_id: text("build-1"),
                    pid: 321,
                    first_offset: 4096,
                    existed: true,
                }),
            ),
        ),
        (
            "response-process-output",
            Say(
                None,
                Event::ProcessOutput(ProcessOutput {
                    offset: 4096,
                    stream: OutputStream::Stderr.into(),
                    data: b"warning\n".to_vec(),
                }),
            ),
        ),
        ("response-process-exited", Say(None, Event::ProcessExited(exited))),
        ("response-input-accepted", Say(None, Event::InputAccepted(InputAccepted { next_offset: 9 }))),
        ("response-file-info", Say(None, Event::FileInfo(file))),
        ("response-data", Say(None, Event::Data(b"hello world\n".to_vec()))),
    ]
}

fn bytes_of(fixture: &Fixture) -> Vec<u8> {
    match fixture {
        Fixture::Request(call) => {
            Request { protocol: 1, request_id: "req_1".into(), call: Some(call.clone()) }
                .encode_length_delimited_to_vec()
        }
        Fixture::Response(hello, event) => {
            Response { hello: hello.clone(), event: Some(event.clone()) }.encode_length_delimited_to_vec()
        }
    }
}

#[test]
fn the_main_calls_still_have_their_bytes() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../proto/testdata/agent-v1");
    for (name, fixture) in fixtures() {
        let path = folder.join(format!("{name}.bin"));
        if std::env::var_os("UPDATE_FIXTURES").is_some() && !path.exists() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, bytes_of(&fixture)).unwrap();
        }
        let kept = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(kept, bytes_of(&fixture), "{name} is written as it was");
        match fixture {
            Fixture::Request(call) => {
                assert_eq!(Request::decode_length_delimited(&kept[..]).unwrap().call, Some(call))
            }
            Fixture::Response(_, event) => {
                assert_eq!(Response::decode_length_delimited(&kept[..]).unwrap().event, Some(event));
            }
        }
    }
}

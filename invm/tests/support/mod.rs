//! A real agent process on a unix socket, and a host that speaks to it.
#![allow(dead_code)] // each test file uses its part

pub mod files;
pub mod processes;

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Command},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use invm::{
    frame::FrameBuffer,
    proto::{
        Argv, End, Error, Hello, Input, PingRequest, ProcessExited, ProcessSelector, Request, Response,
        ShellCommand, StartProcessRequest, input, process_selector::Selector, request::Call, response::Event,
        start_process_request::Command as Program,
    },
};
use prost::Message;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Ends with the test.
pub struct TestAgent {
    child: Child,
    pub folder: PathBuf,
}

impl TestAgent {
    pub fn start() -> Self {
        Self::start_by(&[]).expect("the agent listens")
    }

    /// Starts it with a folder of its own for what it tells the machine's programs.
    pub fn start_in_root() -> Self {
        Self::start_with(&[], true).expect("the agent listens")
    }

    /// Starts it by way of another program; `None` where that does not get so far.
    pub fn start_by(program: &[&str]) -> Option<Self> {
        Self::start_with(program, false)
    }

    fn start_with(program: &[&str], own_root: bool) -> Option<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("invm-test-{}-{number}", std::process::id()));
        let root = folder.join("root");
        std::fs::create_dir_all(&root).unwrap();
        let socket = folder.join("agent.sock");
        let own = [env!("CARGO_BIN_EXE_invm"), "--listen-unix", socket.to_str().unwrap()];
        let more = ["--root", root.to_str().unwrap()];
        let args = [program, &own, if own_root { &more } else { &[] }].concat();
        let child = Command::new(args[0]).args(&args[1..]).spawn().ok()?;
        let mut agent = Self { child, folder };
        let end = Instant::now() + Duration::from_secs(20);
        while UnixStream::connect(&socket).is_err() {
            if Instant::now() > end || agent.child.try_wait().unwrap().is_some() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(agent)
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.join("agent.sock")
    }

    pub fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn connect(&self) -> Host {
        let stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Host { stream, input: FrameBuffer::default() }
    }

    /// Starts a call.
    pub fn call(&self, call: Call) -> Host {
        let mut host = self.connect();
        host.send(&Request { protocol: 1, request_id: "test".into(), call: Some(call) });
        host
    }

    /// A call from its request to its end.
    pub fn run(&self, call: Call) -> Result<Vec<Event>, Error> {
        self.call(call).rest()
    }

    pub fn start_process(&self, request: StartProcessRequest) -> Result<Outcome, Error> {
        self.call(Call::StartProcess(request)).outcome()
    }

    pub fn assert_alive(&self) {
        let events = self.run(Call::Ping(PingRequest { payload: b"alive".to_vec() })).unwrap();
        let [Event::Pong(pong)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(pong.payload, b"alive");
    }

    /// Exits of an agent that shuts down.
    pub fn wait_exit(&mut self) -> bool {
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

impl Drop for TestAgent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The host's end of one connection.
pub struct Host {
    pub stream: UnixStream,
    input: FrameBuffer,
}

/// What came of a process.
#[derive(Debug)]
pub struct Outcome {
    pub output: Vec<u8>,
    pub first_offset: u64,
    pub existed: bool,
    pub pid: u32,
    pub exited: ProcessExited,
}

impl Outcome {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }
}

impl Host {
    pub fn send(&mut self, message: &impl Message) {
        self.send_raw(&message.encode_length_delimited_to_vec());
    }

    pub fn send_raw(&mut self, bytes: &[u8]) {
        // An agent that has refused the call may close while we write.
        let _ = self.stream.write_all(bytes);
    }

    pub fn input(&mut self, input: input::Input) {
        self.send(&Input { input: Some(input) });
    }

    /// The next message; `None` at the end of the connection.
    pub fn response(&mut self) -> Option<Response> {
        loop {
            if let Some(frame) = self.input.next_frame().unwrap() {
                return Some(Response::decode(frame).unwrap());
            }
            let mut bytes = [0; 65536];
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Ok(count) => self.input.push(&bytes[..count]),
                Err(error) => panic!("the agent answers: {error}"),
            }
        }
    }

    pub fn event(&mut self) -> Event {
        self.response().expect("a response").event.expect("an event")
    }

    pub fn hello(&mut self) -> (Hello, Event) {
        let first = self.response().expect("a response");
        (first.hello.expect("hello"), first.event.expect("an event"))
    }

    /// All events to the end.
    pub fn rest(mut self) -> Result<Vec<Event>, Error> {
        let mut events = Vec::new();
        loop {
            match self.event() {
                Event::End(End { error: None }) => return Ok(events),
                Event::End(End { error: Some(error) }) => return Err(error),
                event => events.push(event),
            }
        }
    }

    /// Follows a process to its exit; output must be numbered without gaps.
    pub fn outcome(self) -> Result<Outcome, Error> {
        let mut events = self.rest()?.into_iter();
        let Some(Event::ProcessStarted(started)) = events.next() else {
            panic!("starts with process_started")
        };
        let mut output = Vec::new();
        for event in events {
            match event {
                Event::ProcessOutput(piece) => {
                    assert_eq!(piece.offset, started.first_offset + output.len() as u64);
                    assert!(!piece.data.is_empty() && piece.data.len() <= 65536);
                    output.extend(piece.data);
                }
                Event::ProcessExited(exited) => {
                    assert_eq!(exited.end_offset, started.first_offset + output.len() as u64);
                    let (first_offset, existed, pid) = (started.first_offset, started.existed, started.pid);
                    return Ok(Outcome { output, first_offset, existed, pid, exited });
                }
                Event::Heartbeat(_) => {}
                event => panic!("{event:?}"),
            }
        }
        panic!("ends with process_exited");
    }
}

pub fn shell(id: &str, line: &str) -> StartProcessRequest {
    let program = Program::Shell(ShellCommand { line: line.into(), login: false });
    StartProcessRequest { process_id: id.into(), command: Some(program), ..Default::default() }
}

pub fn argv(id: &str, args: &[&str]) -> StartProcessRequest {
    let program = Program::Argv(Argv { args: args.iter().map(|arg| (*arg).to_owned()).collect() });
    StartProcessRequest { process_id: id.into(), command: Some(program), ..Default::default() }
}

pub fn named(id: &str) -> Option<ProcessSelector> {
    Some(ProcessSelector { selector: Some(Selector::ProcessId(id.into())) })
}

pub fn resident_kib(agent: &TestAgent) -> u64 {
    status(agent, "VmRSS:")
}

pub fn threads(agent: &TestAgent) -> u64 {
    status(agent, "Threads:")
}

fn status(agent: &TestAgent, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Says why and gives false where the test can't take on other users.
pub fn needs_root() -> bool {
    let root =
        std::fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0);
    if !root {
        eprintln!("skipped: acting as another user needs root");
    }
    root
}

//! Measures an agent: `measure <socket> [vsock]`. With `vsock` the socket is a VMM's that wants
//! "CONNECT <port>" first; without it is that of `invm --listen-unix`.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use invm::{
    frame::FrameBuffer,
    proto::{
        Argv, Close, Input, PingRequest, Request, Response, ShellCommand, ShutdownRequest,
        StartProcessRequest, WriteFileRequest, input, request::Call, response::Event,
        start_process_request::Command,
    },
};
use prost::Message;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, socket, rest @ ..] = &args[..] else { panic!("usage: measure <socket> [vsock] [shutdown]") };
    let vsock = rest.iter().any(|word| word == "vsock");
    let run = |call: Call| run(socket, vsock, call, &[]);

    let ping = || Call::Ping(PingRequest { payload: b"x".to_vec() });
    let start = Instant::now();
    while attempt(socket, vsock, ping(), &[]).is_none() {
        assert!(start.elapsed() < Duration::from_secs(60), "no agent");
        std::thread::sleep(Duration::from_millis(10));
    }
    println!("agent answers after {:?}", start.elapsed());
    if rest.iter().any(|word| word == "shutdown") {
        let begin = Instant::now();
        run(Call::Shutdown(ShutdownRequest { grace: None }));
        println!("shutdown answered after {:?}", begin.elapsed());
        return;
    }
    let mut count = 0u32;
    let mut exec = |command: Command| {
        count += 1;
        let process_id = format!("measure-{}-{count}", std::process::id());
        let events = run(Call::StartProcess(StartProcessRequest {
            process_id,
            command: Some(command),
            ..Default::default()
        }));
        let bytes: usize = events
            .iter()
            .map(|event| if let Event::ProcessOutput(piece) = event { piece.data.len() } else { 0 })
            .sum();
        let exited = events
            .iter()
            .find_map(|event| if let Event::ProcessExited(exited) = event { Some(*exited) } else { None });
        (bytes, exited.expect("an exit"))
    };
    let argv = |args: &[&str]| Command::Argv(Argv { args: args.iter().map(|arg| arg.to_string()).collect() });
    let shell = |line: &str| Command::Shell(ShellCommand { line: line.into(), login: false });

    report("ping (connection included)", 300, || drop(run(ping())));
    report("exec true", 200, || _ = exec(argv(&["/bin/true"])));
    report("exec sh -c 'echo hi'", 100, || _ = exec(argv(&["/bin/sh", "-c", "echo hi"])));
    let begin = Instant::now();
    let (bytes, _) = exec(shell("head -c 67108864 /dev/zero"));
    println!("64 MiB of output: {bytes} bytes in {:?}", begin.elapsed());
    let begin = Instant::now();
    let (_, exited) =
        exec(shell("i=0; while [ $i -lt 3000 ]; do (:) & i=$((i+1)); done; wait; (sleep 0.01 &) ; exit 0"));
    println!("3000 children: {:?}, exit code {}", begin.elapsed(), exited.exit_code);
    std::thread::sleep(Duration::from_millis(100));
    let events = run(Call::StartProcess(StartProcessRequest {
        process_id: format!("zombies-{}", std::process::id()),
        command: Some(shell("grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l")),
        ..Default::default()
    }));
    for event in &events {
        if let Event::ProcessOutput(piece) = event {
            println!("zombies: {}", String::from_utf8_lossy(&piece.data).trim());
        }
    }
    let piece = vec![7u8; 4096];
    let inputs = [
        Input { input: Some(input::Input::Data(piece)) },
        Input { input: Some(input::Input::Close(Close {})) },
    ];
    let write = || Call::WriteFile(WriteFileRequest { path: "/tmp/measure".into(), ..Default::default() });
    if attempt(socket, vsock, write(), &inputs).is_some_and(|events| matches!(events[0], Event::FileInfo(_)))
    {
        report("write_file of 4 KiB", 50, || drop(attempt(socket, vsock, write(), &inputs)));
    }
    let Event::Pong(pong) = &run(ping())[0] else { panic!("no pong") };
    println!("resident: {} KiB, uptime {:?}", pong.agent_resident_bytes / 1024, pong.uptime);
}

fn report(what: &str, times: usize, mut act: impl FnMut()) {
    let mut took: Vec<Duration> = (0..times)
        .map(|_| {
            let begin = Instant::now();
            act();
            begin.elapsed()
        })
        .collect();
    took.sort();
    println!("{what}: P50 {:?}, P95 {:?}", took[times / 2], took[times * 95 / 100]);
}

fn run(socket: &str, vsock: bool, call: Call, inputs: &[Input]) -> Vec<Event> {
    attempt(socket, vsock, call, inputs).expect("an answer")
}

/// One call; `None` where nobody answers.
fn attempt(socket: &str, vsock: bool, call: Call, inputs: &[Input]) -> Option<Vec<Event>> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    if vsock {
        stream.write_all(b"CONNECT 18047\n").ok()?;
        let mut byte = [0];
        while byte != *b"\n" {
            stream.read_exact(&mut byte).ok()?;
        }
    }
    let request = Request { protocol: 1, request_id: "measure".into(), call: Some(call) };
    let mut bytes = request.encode_length_delimited_to_vec();
    inputs.iter().for_each(|input| bytes.extend(input.encode_length_delimited_to_vec()));
    stream.write_all(&bytes).ok()?;
    let (mut frames, mut events, mut bytes) = (FrameBuffer::default(), Vec::new(), vec![0; 1 << 16]);
    loop {
        while let Some(frame) = frames.next_frame().expect("a frame") {
            let event = Response::decode(frame).expect("a response").event.expect("an event");
            let is_end = matches!(event, Event::End(_));
            events.push(event);
            if is_end {
                return Some(events);
            }
        }
        match stream.read(&mut bytes).ok()? {
            0 => return None,
            count => frames.push(&bytes[..count]),
        }
    }
}

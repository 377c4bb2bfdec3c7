//! What a host may send that it should not, and limits.

mod support;

use std::{
    io::Write,
    time::{Duration, Instant},
};

use invm::{
    frame::{FrameBuffer, MAX_FRAME, decode},
    proto::{ErrorReason, PingRequest, Request, request::Call, response::Event},
};
use prost::Message;
use support::*;

fn end_of(mut host: Host) -> Option<ErrorReason> {
    match host.response()?.event? {
        Event::End(end) => end.error.map(|error| error.reason()),
        event => panic!("{event:?}"),
    }
}

#[test]
fn bad_frames_end_their_call_alone() {
    let agent = TestAgent::start();
    let mut over = agent.connect();
    over.send_raw(&[0x81, 0x80, 0x80, 0x02]); // 4 MiB + 1
    assert_eq!(end_of(over), Some(ErrorReason::BadFrame));
    let mut endless = agent.connect();
    endless.send_raw(&[0xff; 10]);
    assert_eq!(end_of(endless), Some(ErrorReason::BadFrame));
    let mut garbage = agent.connect();
    garbage.send_raw(&[3, 0xff, 0xff, 0xff]);
    assert_eq!(end_of(garbage), Some(ErrorReason::BadFrame));
    let mut torn = agent.connect();
    torn.send_raw(&[10, 1, 2]);
    torn.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(end_of(torn), Some(ErrorReason::BadFrame));
    agent.assert_alive();
}

#[test]
fn a_call_of_a_later_version_is_unknown() {
    let agent = TestAgent::start();
    let mut host = agent.connect();
    let mut bytes = Request { protocol: 2, request_id: "r".into(), call: None }.encode_to_vec();
    bytes.extend([0xba, 0x3e, 0]); // field 999, empty
    host.send_raw(&[&[bytes.len() as u8][..], &bytes].concat());
    assert_eq!(end_of(host), Some(ErrorReason::UnknownCall));
    let known_but_not_answered = Call::Quiesce(Default::default());
    assert_eq!(agent.run(known_but_not_answered).unwrap_err().reason(), ErrorReason::UnknownCall);
}

#[test]
fn a_ping_of_almost_the_limit_comes_back() {
    let agent = TestAgent::start();
    let payload = vec![5; MAX_FRAME - 200];
    let events = agent.run(Call::Ping(PingRequest { payload: payload.clone() })).unwrap();
    let [Event::Pong(pong)] = &events[..] else { panic!() };
    assert!(pong.payload == payload);
}

#[test]
fn a_request_may_come_byte_by_byte_but_not_never() {
    let agent = TestAgent::start();
    let silent = agent.connect();
    let begin = Instant::now();
    let mut slow = agent.connect();
    let ping = Request {
        protocol: 1,
        request_id: String::new(),
        call: Some(Call::Ping(PingRequest { payload: b"p".to_vec() })),
    };
    for byte in ping.encode_length_delimited_to_vec() {
        slow.stream.write_all(&[byte]).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(matches!(slow.rest().unwrap()[..], [Event::Pong(_)]));
    let mut silent = silent;
    assert!(silent.response().is_none());
    let took = begin.elapsed();
    assert!(took > Duration::from_secs(9) && took < Duration::from_secs(14), "{took:?}");
}

#[test]
fn connections_over_the_limit_are_refused_with_a_type() {
    let agent = TestAgent::start();
    let hosts: Vec<_> = (0..1000).map(|_| agent.connect()).collect();
    // The last of them may still be on its way to its thread.
    assert_eq!(end_of(agent.connect()), Some(ErrorReason::LimitExceeded));
    drop(hosts);
    let end = Instant::now() + Duration::from_secs(10);
    while agent.run(Call::Ping(PingRequest::default())).is_err() {
        assert!(Instant::now() < end, "the agent recovers");
    }
}

#[test]
fn a_stream_with_nothing_to_say_sends_heartbeats() {
    let agent = TestAgent::start();
    let mut host = agent.call(Call::StartProcess(shell("p", "sleep 60")));
    assert!(matches!(host.event(), Event::ProcessStarted(_)));
    let begin = Instant::now();
    assert!(matches!(host.event(), Event::Heartbeat(_)));
    assert!(begin.elapsed() > Duration::from_secs(14) && begin.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_shutdown_ends_the_processes_and_the_agent() {
    let mut agent = TestAgent::start();
    let marker = agent.folder.join("bye");
    let line = format!("trap 'echo > {}; exit' TERM; echo ready; sleep 60 & wait", marker.display());
    let mut process = agent.call(Call::StartProcess(shell("p", &line)));
    while !matches!(process.event(), Event::ProcessOutput(_)) {}
    assert_eq!(agent.run(Call::Shutdown(Default::default())), Ok(vec![]));
    assert!(agent.wait_exit() && marker.exists());
}

/// A small generator, so that a failure is repeated by its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// A few changes to some bytes: flipped, cut, doubled, inserted.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..1 + self.below(4) {
            let at = self.below(bytes.len().max(1));
            match self.below(5) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                1 => bytes.truncate(at),
                2 => bytes.extend_from_within(at.min(bytes.len())..),
                3 => bytes.insert(at.min(bytes.len()), self.next() as u8),
                _ if !bytes.is_empty() => bytes[at] = 0xff,
                _ => {}
            }
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/testdata/agent-v1");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    files.collect()
}

#[test]
fn no_bytes_break_the_decoder() {
    let seed = 0x5eed_0001;
    println!("seed {seed:#x}");
    let (mut random, seeds) = (Random(seed), seeds());
    for _ in 0..50_000 {
        let mut bytes = seeds[random.below(seeds.len())].clone();
        random.mutate(&mut bytes);
        let mut frames = FrameBuffer::default();
        let mut rest = &bytes[..];
        'stream: while !rest.is_empty() {
            let (piece, after) = rest.split_at(1 + random.below(rest.len()));
            rest = after;
            frames.push(piece);
            loop {
                match frames.next_frame() {
                    Ok(Some(frame)) => drop(decode::<Request>(frame)),
                    Ok(None) => break,
                    Err(_) => break 'stream,
                }
            }
        }
    }
}

#[test]
fn no_bytes_break_the_agent() {
    let seed = 0x5eed_0002;
    println!("seed {seed:#x}");
    let agent = TestAgent::start();
    let mut random = Random(seed);
    // Only what can't harm the machine the test runs on, however it is changed.
    let harmless: Vec<_> = seeds()
        .into_iter()
        .filter(|bytes| {
            let mut frames = FrameBuffer::default();
            frames.push(bytes);
            let request = decode::<Request>(frames.next_frame().unwrap().unwrap());
            matches!(
                request,
                Ok(Request {
                    call: Some(
                        Call::Ping(_)
                            | Call::AttachProcess(_)
                            | Call::ListProcesses(_)
                            | Call::StatFile(_)
                            | Call::SendInput(_)
                            | Call::Personalize(_)
                            | Call::GetMetrics(_)
                    ),
                    ..
                })
            )
        })
        .collect();
    assert!(harmless.len() >= 6);
    for _ in 0..1500 {
        let mut bytes = harmless[random.below(harmless.len())].clone();
        random.mutate(&mut bytes);
        let mut host = agent.connect();
        host.send_raw(&bytes);
        let _ = host.stream.shutdown(std::net::Shutdown::Write);
        while host.response().is_some() {}
    }
    agent.assert_alive();
}

#[test]
fn memory_falls_back_after_a_burst_of_connections() {
    let agent = TestAgent::start();
    agent.assert_alive();
    let before = resident_kib(&agent);
    let hosts: Vec<_> = (0..500)
        .map(|_| {
            let mut host = agent.connect();
            host.send_raw(&[100, 1, 2, 3]); // a frame that stays torn
            host
        })
        .collect();
    wait_until("all are served", || threads(&agent) > 500);
    let during = resident_kib(&agent);
    drop(hosts);
    wait_until("all are gone", || threads(&agent) < 10);
    agent.assert_alive();
    let after = resident_kib(&agent);
    println!("resident before, with 500 connections, after: {before}, {during}, {after} KiB");
    assert!(after < before + (1 << 10), "{after} KiB");
}

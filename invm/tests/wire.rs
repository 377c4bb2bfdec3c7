//! What a host may send that it should not, and limits.

mod support;

use std::{
    io::Write,
    time::{Duration, Instant},
};

use invm::{
    frame::MAX_FRAME,
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
    let known_but_not_answered = Call::ConfigureNetwork(Default::default());
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
    // A thread's stack is given back when the next thread ends, so there has to be a next one.
    wait_until("memory falls back", || {
        agent.assert_alive();
        resident_kib(&agent) < before + (1 << 10)
    });
    println!(
        "resident before, with 500 connections, after: {before}, {during}, {} KiB",
        resident_kib(&agent)
    );
}

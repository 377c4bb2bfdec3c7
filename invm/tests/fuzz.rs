//! Whatever bytes a host sends, the agent refuses them or answers, and lives on.
//!
//! DNAH_TEST_SEED repeats a run, DNAH_TEST_FUZZ_ROUNDS makes it longer (`npm run test:long` does). Known messages are in
//! proto/testdata; bytes that once went wrong are kept in its folder `fuzz`, which hostd's tests read too.

mod support;

use std::{
    fs,
    net::Shutdown,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use invm::{
    frame::{FrameBuffer, decode},
    proto::{Input, Request, Response, request::Call},
};
use support::*;

/// A small generator (xorshift), so that a failure is repeated by its seed.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let given = std::env::var("DNAH_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into();
        let seed: u64 = given.unwrap_or_else(now);
        println!("DNAH_TEST_SEED={seed}");
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// Short numbers are as likely as long ones.
    fn number(&mut self) -> u64 {
        let bits = self.below(64);
        self.next() >> bits
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

    /// Fields as protobuf has them, with any numbers and values; deeper ones inside.
    fn fields(&mut self, depth: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..self.below(4) {
            let number = 1 + self.below(15) as u64;
            self.field(&mut bytes, number, depth);
        }
        bytes
    }

    fn field(&mut self, bytes: &mut Vec<u8>, number: u64, depth: usize) {
        let text = ["", "/", "/tmp", "a\0b", "\u{fffd}", "~", "..", "user", "root"];
        let content = match self.below(3) {
            0 if depth > 0 => self.fields(depth - 1),
            1 => text[self.below(text.len())].into(),
            _ => {
                let value = self.number();
                varint(bytes, number << 3);
                return varint(bytes, value);
            }
        };
        varint(bytes, number << 3 | 2);
        varint(bytes, content.len() as u64);
        bytes.extend(content);
    }

    /// A frame whose message has one field of a call, also of calls nobody knows.
    fn request(&mut self) -> Vec<u8> {
        let (mut message, number) = (Vec::new(), 1 + self.below(90) as u64);
        self.field(&mut message, number, 3);
        frame(&message)
    }

    /// A stream of frames: known ones, made up ones, and broken ones.
    fn stream(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..1 + self.below(3) {
            let mut next =
                if self.below(2) == 0 { seeds[self.below(seeds.len())].clone() } else { self.request() };
            if self.below(3) > 0 {
                self.mutate(&mut next);
            }
            bytes.extend(next);
        }
        bytes
    }
}

fn varint(bytes: &mut Vec<u8>, value: u64) {
    prost::encoding::encode_varint(value, bytes);
}

fn frame(message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint(&mut bytes, message.len() as u64);
    bytes.extend(message);
    bytes
}

fn seeds() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/testdata");
    let folders = fs::read_dir(root).unwrap().map(|folder| folder.unwrap().path());
    let mut files: Vec<_> = folders
        .filter(|folder| folder.is_dir())
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|file| file.unwrap().path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "bin"))
        .collect();
    files.sort();
    files.into_iter().map(|file| fs::read(file).unwrap()).collect()
}

fn rounds(usual: usize, part: usize) -> usize {
    let given = std::env::var("DNAH_TEST_FUZZ_ROUNDS").ok().and_then(|rounds| rounds.parse::<usize>().ok());
    given.map_or(usual, |rounds| rounds / part)
}

#[test]
fn no_bytes_break_the_decoder() {
    let (mut random, seeds) = (Random::new(), seeds());
    let (mut decoded, mut refused) = (0, 0);
    let rounds = rounds(20_000, 1);
    for round in 0..rounds {
        // All seeds as they are come first.
        let bytes = seeds.get(round).cloned().unwrap_or_else(|| random.stream(&seeds));
        let mut frames = FrameBuffer::default();
        let mut rest = &bytes[..];
        'stream: while !rest.is_empty() {
            let (piece, after) = rest.split_at(1 + random.below(rest.len()));
            rest = after;
            frames.push(piece);
            loop {
                match frames.next_frame() {
                    Ok(Some(frame)) => {
                        let request = decode::<Request>(frame).is_ok();
                        let input = decode::<Input>(frame).is_ok();
                        let response = decode::<Response>(frame).is_ok();
                        if request || input || response { decoded += 1 } else { refused += 1 }
                    }
                    Ok(None) => break,
                    Err(_) => break 'stream,
                }
            }
        }
    }
    println!("{decoded} frames decoded, {refused} refused");
    assert!(decoded > rounds / 10 && refused > rounds / 100, "both kinds came");
}

/// Whether a test may send this to an agent that is root on the machine the test runs on.
fn is_harmless(bytes: &[u8]) -> bool {
    let mut frames = FrameBuffer::default();
    frames.push(bytes);
    let Ok(Some(first)) = frames.next_frame() else { return true };
    match decode::<Request>(first).map(|request| request.call) {
        Err(_) | Ok(None) => true,
        // Nothing listens at port 0.
        Ok(Some(Call::ForwardPort(request))) => request.port == 0 || request.port > 65535,
        Ok(Some(call)) => matches!(
            call,
            Call::Ping(_)
                | Call::Personalize(_)
                | Call::SetClock(_)
                | Call::AddEntropy(_)
                | Call::GetMetrics(_)
                | Call::AttachProcess(_)
                | Call::SendInput(_)
                | Call::SignalProcess(_)
                | Call::ResizePty(_)
                | Call::ListProcesses(_)
                | Call::GetEnvironment(_)
                | Call::SetEnvironment(_)
                | Call::StatFile(_)
                | Call::ListPorts(_)
                | Call::WatchPorts(_)
                | Call::ReadLogs(_)
        ),
    }
}

#[test]
fn no_bytes_break_the_agent() {
    let agent = TestAgent::start();
    let (mut random, seeds) = (Random::new(), seeds());
    agent.assert_alive();
    let before = resident_kib(&agent);
    let rounds = rounds(1500, 50);
    let mut sent = 0;
    while sent < rounds {
        let bytes = random.stream(&seeds);
        if !is_harmless(&bytes) {
            continue;
        }
        sent += 1;
        let mut host = agent.connect();
        host.send_raw(&bytes);
        // Some vanish, some read a little, most hear all that the agent has to say.
        let manner = random.below(10);
        if manner == 0 {
            continue;
        }
        let _ = host.stream.shutdown(Shutdown::Write);
        while host.response().is_some() && manner > 1 {}
    }
    wait_until("every call ends", || threads(&agent) < 5);
    agent.assert_alive();
    let after = resident_kib(&agent);
    assert!(after < before + (2 << 10), "{before} KiB before, {after} KiB after");
}

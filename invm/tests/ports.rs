//! Ports of the guest, through the socket of a real agent.

mod support;

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::Instant,
};

use invm::proto::{
    Cancel, Close, End, ErrorReason, ForwardPortRequest, ListPortsRequest, Port, WatchPortsRequest,
    input::Input, request::Call, response::Event,
};
use support::*;

/// A program that listens, and what it does with each connection.
fn program(address: &str, serve: impl Fn(TcpStream) + Send + Sync + 'static) -> u32 {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = std::sync::Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream.unwrap()));
        }
    });
    port.into()
}

fn echo(mut stream: TcpStream) {
    let mut source = stream.try_clone().unwrap();
    let _ = std::io::copy(&mut source, &mut stream);
    let _ = stream.shutdown(Shutdown::Write);
}

/// A connection through the agent that is there.
fn forward(agent: &TestAgent, port: u32) -> Host {
    let mut host = agent.call(Call::ForwardPort(ForwardPortRequest { port }));
    let first = host.response().expect("a response");
    assert!(first.hello.is_some() && first.event.is_none(), "says that it is connected: {first:?}");
    host
}

fn refused(agent: &TestAgent, port: u32) -> invm::proto::Error {
    agent.run(Call::ForwardPort(ForwardPortRequest { port })).unwrap_err()
}

/// All data up to the program's end.
fn read_to_close(host: &mut Host) -> Vec<u8> {
    let mut data = Vec::new();
    loop {
        match host.event() {
            Event::Data(piece) => data.extend(piece),
            Event::Close(_) => return data,
            event => panic!("{event:?}"),
        }
    }
}

#[test]
fn both_directions_close_by_themselves() {
    let agent = TestAgent::start();
    for address in ["127.0.0.1", "::1"] {
        // Answers only when it has heard all.
        let port = program(address, |mut stream| {
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).unwrap();
            heard.reverse();
            stream.write_all(&heard).unwrap();
        });
        let mut host = forward(&agent, port);
        host.input(Input::Data(b"abc".to_vec()));
        host.input(Input::Close(Close {}));
        assert_eq!(read_to_close(&mut host), b"cba");
        assert_eq!(host.event(), Event::End(End { error: None }));
        // Says its last word first, then listens on.
        let (told, hears) = mpsc::channel();
        let told = std::sync::Mutex::new(told);
        let port = program(address, move |mut stream| {
            stream.write_all(b"bye").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut heard = String::new();
            stream.read_to_string(&mut heard).unwrap();
            told.lock().unwrap().send(heard).unwrap();
        });
        let mut host = forward(&agent, port);
        assert_eq!(read_to_close(&mut host), b"bye");
        host.input(Input::Data(b"still ".to_vec()));
        host.input(Input::Data(b"here".to_vec()));
        host.input(Input::Close(Close {}));
        assert_eq!(host.event(), Event::End(End { error: None }));
        assert_eq!(hears.recv().unwrap(), "still here");
    }
}

#[test]
fn a_port_nobody_listens_at_is_closed_and_a_wrong_one_is_named() {
    let agent = TestAgent::start();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = refused(&agent, free.into());
    assert_eq!((error.reason(), error.errno), (ErrorReason::PortClosed, 111), "{error:?}");
    for port in [0, 65536] {
        let error = refused(&agent, port);
        assert_eq!(
            (error.reason(), error.field.as_str()),
            (ErrorReason::InvalidArgument, "forward_port.port")
        );
    }
}

#[test]
fn a_reset_of_either_side_is_told_to_the_other() {
    let agent = TestAgent::start();
    // Closes with data unread, which TCP tells by a reset; its answer still arrives.
    let port = program("127.0.0.1", |mut stream| {
        stream.read_exact(&mut [0; 1]).unwrap();
        stream.write_all(b"too much").unwrap();
    });
    let mut host = forward(&agent, port);
    host.input(Input::Data(vec![1; 1 << 20]));
    let mut data = Vec::new();
    let error = loop {
        match host.event() {
            Event::Data(piece) => data.extend(piece),
            Event::End(end) => break end.error.expect("an error"),
            event => panic!("{event:?}"),
        }
    };
    assert_eq!(error.reason(), ErrorReason::PortClosed, "{error:?}");
    assert_eq!(data, b"too much");
    // A host that cancels or vanishes has not said all.
    let (told, hears) = mpsc::channel();
    let told = std::sync::Mutex::new(told);
    let port = program("127.0.0.1", move |mut stream| {
        let result = stream.read_to_end(&mut Vec::new());
        told.lock().unwrap().send(result.map_err(|error| error.kind())).unwrap();
    });
    let mut host = forward(&agent, port);
    host.input(Input::Data(b"half".to_vec()));
    host.input(Input::Cancel(Cancel {}));
    assert_eq!(host.rest().unwrap_err().reason(), ErrorReason::Canceled);
    let reset = Err(std::io::ErrorKind::ConnectionReset);
    assert_eq!(hears.recv().unwrap(), reset);
    let mut host = forward(&agent, port);
    host.input(Input::Data(b"half".to_vec()));
    drop(host);
    assert_eq!(hears.recv().unwrap(), reset);
}

#[test]
fn a_direction_that_nobody_reads_holds_back_its_writer_and_not_the_other() {
    let agent = TestAgent::start();
    let (heard, hears) = mpsc::channel();
    let heard = std::sync::Mutex::new(heard);
    let port = program("127.0.0.1", move |stream| {
        let mut sink = stream.try_clone().unwrap();
        let writer = thread::spawn(move || {
            let mut written = 0;
            while written < 64 << 20 && sink.write_all(&[7; 65536]).is_ok() {
                written += 65536;
            }
            sink.shutdown(Shutdown::Write).unwrap();
        });
        let mut all = stream.take(16 << 20);
        assert_eq!(std::io::copy(&mut all, &mut std::io::sink()).unwrap(), 16 << 20);
        heard.lock().unwrap().send(()).unwrap();
        writer.join().unwrap();
    });
    let mut host = forward(&agent, port);
    let before = resident_kib(&agent);
    for _ in 0..16 {
        host.input(Input::Data(vec![3; 1 << 20]));
    }
    // All of it has arrived, though not a byte of the other direction was read.
    hears.recv().unwrap();
    let grown = resident_kib(&agent).saturating_sub(before);
    assert!(grown < 3 << 10, "the agent holds {grown} KiB");
    let begin = Instant::now();
    assert_eq!(read_to_close(&mut host).len(), 64 << 20);
    println!("64 MiB read in {:?}, held meanwhile: {grown} KiB", begin.elapsed());
    host.input(Input::Close(Close {}));
    assert_eq!(host.event(), Event::End(End { error: None }));
}

#[test]
fn hundreds_of_connections_at_once_get_their_own_bytes() {
    let agent = TestAgent::start();
    let port = program("127.0.0.1", echo);
    let mut hosts: Vec<_> = (0..300).map(|_| forward(&agent, port)).collect();
    for (index, host) in hosts.iter_mut().enumerate() {
        host.input(Input::Data(format!("to {index}").into_bytes()));
        host.input(Input::Close(Close {}));
    }
    for (index, host) in hosts.iter_mut().enumerate().rev() {
        assert_eq!(read_to_close(host), format!("to {index}").into_bytes());
        assert_eq!(host.event(), Event::End(End { error: None }));
    }
    agent.assert_alive();
}

fn port_list(event: Event) -> Vec<Port> {
    let Event::PortList(list) = event else { panic!("{event:?}") };
    list.ports
}

#[test]
fn a_list_names_who_listens_where() {
    let agent = TestAgent::start();
    let four = TcpListener::bind("127.0.0.1:0").unwrap();
    let six = TcpListener::bind("[::]:0").unwrap();
    let talking = TcpStream::connect(four.local_addr().unwrap()).unwrap();
    let mut list = agent.run(Call::ListPorts(ListPortsRequest {})).unwrap();
    let ports = port_list(list.remove(0));
    assert!(ports.is_sorted_by_key(|port| port.port));
    let found = |number: u16| ports.iter().find(|port| port.port == u32::from(number));
    for (listener, address) in [(&four, "127.0.0.1"), (&six, "::")] {
        let port = found(listener.local_addr().unwrap().port()).expect("listed");
        assert_eq!((port.address.as_str(), port.pid), (address, std::process::id()));
        assert_eq!(port.command, std::fs::read_to_string("/proc/self/comm").unwrap().trim());
    }
    assert_eq!(found(talking.local_addr().unwrap().port()), None, "only what listens");
}

#[test]
fn a_watch_tells_of_each_change_and_of_nothing_else() {
    let agent = TestAgent::start();
    let mut host = agent.call(Call::WatchPorts(WatchPortsRequest {}));
    let has = |event: Event, number: u16| port_list(event).iter().any(|port| port.port == number.into());
    host.event();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let number = listener.local_addr().unwrap().port();
    while !has(host.event(), number) {}
    drop(listener);
    while has(host.event(), number) {}
    host.input(Input::Cancel(Cancel {}));
    assert_eq!(host.rest().unwrap_err().reason(), ErrorReason::Canceled);
}

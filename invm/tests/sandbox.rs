//! The sandbox's environment and the agent's log, through the socket of a real agent.

mod support;

use std::collections::BTreeMap;

use invm::proto::{
    Cancel, Environment, ErrorReason, Feature, GetEnvironmentRequest, LogEvent, LogLine, PersonalizeRequest,
    ReadLogsRequest, SetEnvironmentRequest, input::Input, request::Call, response::Event,
};
use support::*;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

fn environment(events: Vec<Event>) -> BTreeMap<String, String> {
    let [Event::Environment(Environment { env })] = &events[..] else { panic!("{events:?}") };
    env.clone()
}

#[test]
fn the_environment_is_read_and_changed_for_later_processes() {
    let agent = TestAgent::start();
    let (hello, _) = agent.call(Call::Ping(Default::default())).hello();
    for feature in [Feature::Environment, Feature::Files, Feature::Ports, Feature::Logs, Feature::Pty] {
        assert!(hello.features().any(|known| known == feature), "{feature:?}");
    }
    let env = map(&[("A", "1"), ("B", "2")]);
    agent.run(Call::Personalize(PersonalizeRequest { epoch: 1, env, ..Default::default() })).unwrap();
    let set = |set, unset: &[&str], replace| {
        let unset = unset.iter().map(|name| (*name).to_owned()).collect();
        agent.run(Call::SetEnvironment(SetEnvironmentRequest { set, unset, replace }))
    };
    let changed = set(map(&[("B", "two"), ("C", "3")]), &["A", "C", "NONE"], false).unwrap();
    assert_eq!(environment(changed), map(&[("B", "two"), ("C", "3")]));
    assert_eq!(agent.start_process(shell("p", "echo [$A$B$C]")).unwrap().text(), "[two3]\n");
    assert_eq!(environment(set(map(&[("D", "4")]), &[], true).unwrap()), map(&[("D", "4")]));
    let bad = set(map(&[("A=B", "")]), &[], false).unwrap_err();
    assert_eq!((bad.reason(), bad.field.as_str()), (ErrorReason::InvalidArgument, "set_environment.set"));
    let large = set(map(&[("E", &"x".repeat(1 << 20))]), &[], false).unwrap_err();
    assert_eq!(large.reason(), ErrorReason::LimitExceeded);
    let now = agent.run(Call::GetEnvironment(GetEnvironmentRequest {})).unwrap();
    assert_eq!(environment(now), map(&[("D", "4")]), "a refused change changes nothing");
}

#[test]
fn the_log_tells_of_processes_and_can_be_followed() {
    let agent = TestAgent::start();
    let line = |event: Event| -> LogLine {
        let Event::LogLine(line) = event else { panic!("{event:?}") };
        line
    };
    agent.start_process(shell("first", "exit 3")).unwrap();
    let read = |from_sequence| {
        let events = agent.run(Call::ReadLogs(ReadLogsRequest { follow: false, from_sequence })).unwrap();
        events.into_iter().map(line).collect::<Vec<_>>()
    };
    let lines = read(0);
    let told: Vec<_> =
        lines.iter().map(|line| (line.sequence, line.event(), line.process_id.as_str())).collect();
    assert_eq!(told, [(1, LogEvent::ProcessStarted, "first"), (2, LogEvent::ProcessExited, "first")]);
    assert_eq!((lines[1].level.as_str(), lines[1].message.as_str()), ("info", "process first exited with 3"));
    assert!(lines[0].time.unwrap().seconds > 1_600_000_000);
    let mut host = agent.call(Call::ReadLogs(ReadLogsRequest { follow: true, from_sequence: 2 }));
    assert_eq!(line(host.event()), lines[1]);
    agent.start_process(shell("second", "kill -9 $$")).unwrap();
    assert_eq!(line(host.event()).event(), LogEvent::ProcessStarted);
    let last = line(host.event());
    assert_eq!((last.sequence, last.message.as_str()), (4, "process second was ended by signal 9"));
    host.input(Input::Cancel(Cancel {}));
    assert_eq!(host.rest().unwrap_err().reason(), ErrorReason::Canceled);
    assert_eq!(read(4), [last]);
}

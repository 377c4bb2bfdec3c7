//! personalize, quiesce and thaw through the socket of a real agent whose /etc and /run are a folder of the test.

mod support;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
    time::{Duration, Instant},
};

use invm::proto::{
    Environment, Error, ErrorReason, Feature, GetEnvironmentRequest, LifeEvent, ListProcessesRequest,
    LogLine, PersonalizeRequest, Personalized, QuiesceRequest, ReadLogsRequest, ThawRequest, request::Call,
    response::Event,
};
use support::*;

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

fn request(sandbox: &str, epoch: u64, wake: u64) -> PersonalizeRequest {
    PersonalizeRequest { sandbox_id: sandbox.into(), epoch, wake, ..Default::default() }
}

/// An agent with a root of its own.
struct Machine {
    agent: TestAgent,
    root: PathBuf,
}

impl Machine {
    fn start() -> Self {
        let agent = TestAgent::start_in_root();
        let root = agent.root();
        fs::create_dir_all(root.join("etc/daytonah/hooks.d")).unwrap();
        Self { agent, root }
    }

    fn personalize(&self, request: PersonalizeRequest) -> Result<Personalized, Error> {
        let events = self.agent.run(Call::Personalize(request))?;
        let [Event::Personalized(personalized)] = events[..] else { panic!("{events:?}") };
        Ok(personalized)
    }

    fn hook(&self, name: &str, mode: u32, script: &str) {
        let path = self.root.join("etc/daytonah/hooks.d").join(name);
        fs::write(&path, format!("#!/bin/sh\ncd {}\n{script}\n", self.root.display())).unwrap();
        fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap_or_default()
    }

    fn warnings(&self) -> Vec<String> {
        let events = self.agent.run(Call::ReadLogs(ReadLogsRequest::default())).unwrap();
        let line = |event| match event {
            Event::LogLine(LogLine { level, message, .. }) if level == "warn" => Some(message),
            _ => None,
        };
        events.into_iter().filter_map(line).collect()
    }

    fn environment(&self) -> BTreeMap<String, String> {
        let events = self.agent.run(Call::GetEnvironment(GetEnvironmentRequest {})).unwrap();
        let [Event::Environment(Environment { env })] = &events[..] else { panic!("{events:?}") };
        env.clone()
    }
}

#[test]
fn a_repeat_changes_nothing_and_an_older_one_is_refused() {
    let machine = Machine::start();
    let with = |value: &str, request| PersonalizeRequest { env: map(&[("A", value)]), ..request };
    machine.personalize(with("first", request("sbx1", 3, 1))).unwrap();
    assert_eq!(machine.personalize(with("again", request("sbx1", 3, 1))).unwrap().epoch, 3);
    assert_eq!(machine.environment(), map(&[("A", "first")]));
    for (older, field) in
        [(request("sbx1", 2, 9), "personalize.epoch"), (request("sbx1", 3, 0), "personalize.wake")]
    {
        let error = machine.personalize(older).unwrap_err();
        assert_eq!((error.reason(), error.field.as_str()), (ErrorReason::InvalidArgument, field));
    }
    machine.personalize(with("woken", request("sbx1", 3, 2))).unwrap();
    assert_eq!(machine.environment(), map(&[("A", "woken")]));
    machine.personalize(with("child", request("sbx2", 1, 0))).unwrap();
    assert_eq!(machine.environment(), map(&[("A", "child")]), "another sandbox counts anew");
}

#[test]
fn a_refused_request_leaves_all_as_it_was() {
    let machine = Machine::start();
    machine.personalize(request("sbx1", 1, 0)).unwrap();
    let bad = PersonalizeRequest { entropy: vec![1; 31], ..request("sbx1", 9, 0) };
    assert_eq!(machine.personalize(bad).unwrap_err().field, "personalize.entropy");
    let bad = PersonalizeRequest { hook_timeout: seconds(61), ..request("sbx1", 9, 0) };
    assert_eq!(machine.personalize(bad).unwrap_err().field, "personalize.hook_timeout");
    assert_eq!(machine.read("etc/hostname"), "sbx1\n");
    assert_eq!(machine.personalize(request("sbx1", 2, 0)).unwrap().epoch, 2);
}

#[test]
fn the_environment_is_kept_and_added_to_where_that_is_asked() {
    let machine = Machine::start();
    let first = PersonalizeRequest {
        env: map(&[("A", "1"), ("B", "2")]),
        default_cwd: "/tmp".into(),
        ..request("p", 5, 0)
    };
    machine.personalize(first).unwrap();
    let child = PersonalizeRequest { keep_environment: true, env: map(&[("B", "3")]), ..request("c", 1, 0) };
    machine.personalize(child).unwrap();
    assert_eq!(machine.environment(), map(&[("A", "1"), ("B", "3")]));
    assert_eq!(machine.agent.start_process(shell("where", "pwd; echo $A$B")).unwrap().text(), "/tmp\n13\n");
    let large = PersonalizeRequest {
        keep_environment: true,
        env: map(&[("C", &"x".repeat(1 << 20))]),
        ..request("c", 2, 0)
    };
    assert_eq!(machine.personalize(large).unwrap_err().reason(), ErrorReason::LimitExceeded);
}

#[test]
fn the_machine_is_told_its_names_and_which_life_this_is() {
    let machine = Machine::start();
    fs::create_dir_all(machine.root.join("var/lib/dbus")).unwrap();
    fs::write(machine.root.join("var/lib/dbus/machine-id"), "old\n").unwrap();
    machine.personalize(PersonalizeRequest { new_machine_id: true, ..request("parent", 4, 0) }).unwrap();
    assert_eq!(machine.read("run/daytonah/generation"), "epoch=4\nwake=0\nevent=started\n");
    let parent = machine.read("etc/machine-id");
    assert_eq!((parent.len(), &parent), (33, &machine.read("var/lib/dbus/machine-id")));
    let forked = PersonalizeRequest {
        new_machine_id: true,
        event: LifeEvent::Forked.into(),
        ..request("child", 1, 0)
    };
    machine.personalize(forked).unwrap();
    assert_eq!(machine.read("run/daytonah/generation"), "epoch=1\nwake=0\nevent=forked\n");
    assert_eq!(machine.read("etc/hostname"), "child\n");
    assert!(machine.read("etc/hosts").ends_with("\n127.0.1.1 child\n"));
    assert_ne!(machine.read("etc/machine-id"), parent);
    let resumed = PersonalizeRequest { event: LifeEvent::Resumed.into(), ..request("child", 1, 7) };
    let child = machine.read("etc/machine-id");
    machine.personalize(resumed).unwrap();
    assert_eq!(machine.read("run/daytonah/generation"), "epoch=1\nwake=7\nevent=resumed\n");
    assert_eq!(machine.read("etc/machine-id"), child);
}

#[test]
fn hooks_run_once_for_each_life_in_the_order_of_their_names() {
    let machine = Machine::start();
    machine.hook("20-second", 0o755, "echo second $DNAH_EVENT $DNAH_EPOCH >> told");
    machine.hook("10-first", 0o755, "echo first $DNAH_EVENT $DNAH_EPOCH >> told; echo no >&2; exit 3");
    machine.hook("30-plain", 0o644, "echo plain >> told");
    machine.hook(".hidden", 0o755, "echo hidden >> told");
    symlink("/bin/true", machine.root.join("etc/daytonah/hooks.d/40-link")).unwrap();
    assert_eq!(machine.personalize(request("sbx1", 1, 0)).unwrap().hook_time, None);
    assert_eq!(machine.read("told"), "", "a first start tells nobody");
    let claimed = PersonalizeRequest { event: LifeEvent::Claimed.into(), ..request("sbx1", 2, 0) };
    assert!(machine.personalize(claimed.clone()).unwrap().hook_time.is_some());
    assert_eq!(machine.read("told"), "first claimed 2\nsecond claimed 2\n");
    assert_eq!(machine.personalize(claimed).unwrap().hook_time, None);
    assert_eq!(machine.read("told"), "first claimed 2\nsecond claimed 2\n");
    let warnings = machine.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].ends_with("/10-first: exit code 3: no"), "{warnings:?}");
}

#[test]
fn hooks_that_take_too_long_are_ended_and_do_not_fail_the_call() {
    let machine = Machine::start();
    machine.hook("1-slow", 0o755, "echo slow >> told; exec sleep 600");
    machine.hook("2-late", 0o755, "echo late >> told");
    let resumed = PersonalizeRequest {
        event: LifeEvent::Resumed.into(),
        hook_timeout: seconds(1),
        ..request("sbx1", 1, 1)
    };
    let began = Instant::now();
    machine.personalize(resumed).unwrap();
    assert!(began.elapsed() < Duration::from_secs(10));
    let warnings = machine.warnings();
    assert!(warnings[0].ends_with("1-slow: its time is over"), "{warnings:?}");
    assert!(warnings[1].ends_with("2-late: not run: those before it took all the time"), "{warnings:?}");
    assert_eq!(machine.read("told"), "slow\n");
    wait_until("the slow one is ended", || {
        let list = Call::ListProcesses(ListProcessesRequest { include_exited: true });
        let events = machine.agent.run(list).unwrap();
        let [Event::ProcessList(list)] = &events[..] else { panic!("{events:?}") };
        assert!(list.processes.iter().all(|process| process.tag == "hook"));
        list.processes.iter().all(|process| process.exited.is_some())
    });
}

#[test]
fn a_repeat_waits_for_the_hooks_under_way() {
    let machine = Machine::start();
    machine.hook("1-gate", 0o755, "touch begun; while [ ! -e gate ]; do sleep 0.02; done; echo told >> told");
    let resumed = PersonalizeRequest {
        event: LifeEvent::Resumed.into(),
        hook_timeout: seconds(30),
        ..request("sbx1", 1, 1)
    };
    let first = machine.agent.call(Call::Personalize(resumed.clone()));
    wait_until("the hook runs", || machine.root.join("begun").exists());
    let second = machine.agent.call(Call::Personalize(resumed));
    // Calls that need the identity go on meanwhile.
    assert_eq!(machine.agent.start_process(shell("p", "echo on")).unwrap().text(), "on\n");
    fs::write(machine.root.join("gate"), "").unwrap();
    for host in [second, first] {
        let told = host.rest().map(|_| machine.read("told"));
        assert_eq!(told.unwrap(), "told\n");
    }
}

#[test]
fn a_quiesce_ends_by_a_thaw_by_personalize_or_by_itself() {
    let machine = Machine::start();
    let (hello, _) = machine.agent.call(Call::Ping(Default::default())).hello();
    assert!(hello.features().any(|feature| feature == Feature::Snapshot));
    let quiesce = |timeout| machine.agent.run(Call::Quiesce(QuiesceRequest { timeout }));
    let over = |warnings: Vec<String>| warnings.iter().filter(|text| text.contains("quiesce")).count();
    machine.agent.run(Call::Thaw(ThawRequest {})).expect("none to end is well");
    let error = quiesce(seconds(61)).unwrap_err();
    assert_eq!((error.reason(), error.field.as_str()), (ErrorReason::InvalidArgument, "quiesce.timeout"));
    for end in [Call::Thaw(ThawRequest {}), Call::Personalize(request("sbx1", 1, 0))] {
        quiesce(Some(prost_types::Duration { seconds: 0, nanos: 300_000_000 })).unwrap();
        machine.agent.run(end).unwrap();
    }
    quiesce(Some(prost_types::Duration { seconds: 0, nanos: 1_000_000 })).unwrap();
    wait_until("it ends by itself", || over(machine.warnings()) > 0);
    std::thread::sleep(Duration::from_millis(350)); // longer than those that were ended would have lasted
    assert_eq!(over(machine.warnings()), 1);
    machine.agent.assert_alive();
}

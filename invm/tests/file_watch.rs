//! Watching files, through the socket of a real agent.

mod support;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};

use invm::proto::{
    Cancel, ChangeKind, Close, ErrorReason, FileChange, FileType, WatchFilesRequest, WriteFileRequest,
    input::Input, request::Call, response::Event,
};
use support::{files::*, *};

/// A watch that is ready.
fn watch(agent: &TestAgent, path: &Path, recursive: bool) -> Host {
    let request = WatchFilesRequest { path: text(path), recursive, ..Default::default() };
    let mut host = agent.call(Call::WatchFiles(request));
    assert_eq!(change(&mut host).kind(), ChangeKind::Ready);
    host
}

fn change(host: &mut Host) -> FileChange {
    match host.event() {
        Event::FileChange(change) => change,
        event => panic!("{event:?}"),
    }
}

/// All changes up to the creation of `path`.
fn until(host: &mut Host, path: &str) -> Vec<(ChangeKind, String)> {
    let mut changes = Vec::new();
    loop {
        let change = change(host);
        changes.push((change.kind(), change.path.clone()));
        if change.kind() == ChangeKind::Created && change.path == path {
            return changes;
        }
    }
}

fn pair(kind: ChangeKind, path: &str) -> (ChangeKind, String) {
    (kind, path.to_owned())
}

fn refusal(agent: &TestAgent, path: &Path) -> (ErrorReason, String) {
    let request = WatchFilesRequest { path: text(path), recursive: true, ..Default::default() };
    let error = agent.call(Call::WatchFiles(request)).rest().unwrap_err();
    (error.reason(), error.field)
}

#[test]
fn each_kind_of_change_is_told_with_the_file_where_asked_for() {
    let (agent, folder) = set_up();
    let request = WatchFilesRequest { path: text(&folder), include_info: true, ..Default::default() };
    let mut host = agent.call(Call::WatchFiles(request));
    let mut next = || {
        let change = change(&mut host);
        (change.kind(), change.path.clone(), change.info)
    };
    assert_eq!(next(), (ChangeKind::Ready, String::new(), None));
    fs::write(folder.join("a"), "content").unwrap();
    let (kind, path, info) = next();
    assert_eq!((kind, path.as_str(), info.unwrap().r#type()), (ChangeKind::Created, "a", FileType::File));
    let (kind, _, info) = next();
    assert_eq!((kind, info.unwrap().size), (ChangeKind::Written, 7));
    fs::set_permissions(folder.join("a"), fs::Permissions::from_mode(0o600)).unwrap();
    let (kind, _, info) = next();
    assert_eq!((kind, info.unwrap().mode), (ChangeKind::Attributes, 0o600));
    fs::rename(folder.join("a"), folder.join("b")).unwrap();
    assert_eq!(next(), (ChangeKind::Renamed, "a".into(), None));
    let (kind, path, info) = next();
    assert_eq!(
        (kind, path.as_str(), info.unwrap().path),
        (ChangeKind::Created, "b", text(&folder.join("b")))
    );
    fs::remove_file(folder.join("b")).unwrap();
    assert_eq!(next(), (ChangeKind::Removed, "b".into(), None));
    // What is deeper does not count without `recursive`.
    fs::create_dir(folder.join("sub")).unwrap();
    assert_eq!(next().1, "sub");
    fs::write(folder.join("sub/deep"), "").unwrap();
    fs::write(folder.join("last"), "").unwrap();
    assert_eq!(next().1, "last");
}

#[test]
fn the_agents_own_writes_appear_when_they_are_whole() {
    let (agent, folder) = set_up();
    let mut host = watch(&agent, &folder, true);
    let request = WriteFileRequest { path: text(&folder.join("file")), ..Default::default() };
    let mut writing = agent.call(Call::WriteFile(request));
    writing.input(Input::Data(b"content".to_vec()));
    writing.input(Input::Close(Close {}));
    writing.rest().unwrap();
    fs::write(folder.join("last"), "").unwrap();
    assert_eq!(
        until(&mut host, "last"),
        [pair(ChangeKind::Created, "file"), pair(ChangeKind::Created, "last")]
    );
}

#[test]
fn what_appears_in_new_folders_is_told_once_however_fast_it_comes() {
    let (agent, folder) = set_up();
    let mut host = watch(&agent, &folder, true);
    let mut expected = Vec::new();
    for round in 0..100 {
        let mut path = format!("r{round}");
        for level in 0..5 {
            fs::create_dir(folder.join(&path)).unwrap();
            expected.push(path.clone());
            let file = format!("{path}/file{level}");
            fs::File::create(folder.join(&file)).unwrap();
            expected.push(file);
            path += "/sub";
        }
    }
    fs::create_dir(folder.join("last")).unwrap();
    let mut seen = BTreeMap::new();
    for (kind, path) in until(&mut host, "last") {
        assert_eq!(kind, ChangeKind::Created);
        *seen.entry(path).or_insert(0) += 1;
    }
    expected.push("last".into());
    expected.sort();
    assert_eq!(seen.keys().cloned().collect::<Vec<_>>(), expected);
    assert_eq!(seen.values().max(), Some(&1), "none is told twice");
    // And all of them are watched now.
    fs::write(folder.join("r99/sub/sub/sub/sub/file4"), "x").unwrap();
    assert_eq!(change(&mut host).path, "r99/sub/sub/sub/sub/file4");
}

#[test]
fn a_renamed_folder_is_watched_under_its_new_name_and_one_that_left_no_more() {
    let (agent, folder) = set_up();
    fs::create_dir_all(folder.join("in/old/sub")).unwrap();
    let inside = folder.join("in");
    let mut host = watch(&agent, &inside, true);
    fs::rename(inside.join("old"), inside.join("new")).unwrap();
    assert_eq!(
        until(&mut host, "new/sub"),
        [
            pair(ChangeKind::Renamed, "old"),
            pair(ChangeKind::Created, "new"),
            pair(ChangeKind::Created, "new/sub")
        ]
    );
    fs::write(inside.join("new/sub/file"), "").unwrap();
    assert_eq!(until(&mut host, "new/sub/file").len(), 1);
    fs::rename(inside.join("new"), folder.join("out")).unwrap();
    assert_eq!(change(&mut host).kind(), ChangeKind::Renamed);
    fs::write(folder.join("out/sub/unseen"), "").unwrap();
    fs::write(inside.join("last"), "").unwrap();
    assert_eq!(until(&mut host, "last").len(), 1);
    fs::create_dir_all(folder.join("other/deep")).unwrap();
    fs::rename(folder.join("other"), inside.join("other")).unwrap();
    assert_eq!(until(&mut host, "other/deep").len(), 2, "what comes from outside is new with all in it");
}

#[test]
fn a_storm_that_nobody_reads_ends_in_overflow_and_the_watch_goes_on() {
    let (agent, folder) = set_up();
    let mut host = watch(&agent, &folder, true);
    let before = resident(&agent);
    // More than the kernel's queue and the socket hold, and a folder that must be watched nevertheless.
    let limit: usize =
        fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    for index in 0..limit {
        let file = folder.join(index.to_string());
        fs::write(&file, "x").unwrap();
        fs::remove_file(&file).unwrap();
    }
    fs::create_dir(folder.join("missed")).unwrap();
    assert!(resident(&agent) < before + (4 << 20));
    while change(&mut host).kind() != ChangeKind::Overflow {}
    fs::write(folder.join("missed/last"), "").unwrap();
    until(&mut host, "missed/last");
}

#[test]
fn a_watch_ends_with_its_directory() {
    let (agent, folder) = set_up();
    for end in ["remove", "move"] {
        let root = folder.join(end);
        fs::create_dir(&root).unwrap();
        let mut host = watch(&agent, &root, true);
        fs::write(root.join("file"), "").unwrap();
        match end {
            "remove" => fs::remove_dir_all(&root).unwrap(),
            _ => fs::rename(&root, folder.join("elsewhere")).unwrap(),
        }
        assert_eq!(change(&mut host).path, "file");
        let error = host.rest().unwrap_err();
        assert_eq!((error.reason(), error.field.as_str()), (ErrorReason::FileNotFound, "watch_files.path"));
    }
    let field = || "watch_files.path".to_owned();
    assert_eq!(refusal(&agent, &folder.join("none")), (ErrorReason::FileNotFound, field()));
    assert_eq!(refusal(&agent, &folder.join("elsewhere/file")), (ErrorReason::NotADirectory, field()));
}

#[test]
fn a_user_watches_with_its_own_rights() {
    if !needs_root() {
        return;
    }
    let (agent, folder) = set_up();
    for name in ["open", "closed"] {
        fs::create_dir(folder.join(name)).unwrap();
    }
    fs::set_permissions(folder.join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    let user = "nobody".to_owned();
    let request = WatchFilesRequest { path: text(&folder), recursive: true, user, ..Default::default() };
    let mut host = agent.call(Call::WatchFiles(request.clone()));
    assert_eq!(change(&mut host).kind(), ChangeKind::Ready);
    fs::write(folder.join("closed/unseen"), "").unwrap();
    fs::write(folder.join("open/seen"), "").unwrap();
    assert_eq!(change(&mut host).path, "open/seen");
    let request = WatchFilesRequest { path: text(&folder.join("closed")), ..request };
    let error = agent.call(Call::WatchFiles(request)).rest().unwrap_err();
    assert_eq!((error.reason(), error.errno), (ErrorReason::PermissionDenied, libc::EACCES));
}

#[test]
fn too_many_folders_are_a_typed_limit() {
    let limited = "echo 20 > /proc/sys/user/max_inotify_watches && exec \"$@\"";
    let Some(agent) =
        TestAgent::start_by(&["unshare", "--user", "--map-root-user", "sh", "-c", limited, "sh"])
    else {
        return eprintln!("skipped: no user namespace can be made here");
    };
    let folder = agent.folder.join("files");
    (0..19).for_each(|index| fs::create_dir_all(folder.join(index.to_string())).unwrap());
    let mut host = watch(&agent, &folder, true);
    assert_eq!(refusal(&agent, &folder), (ErrorReason::LimitExceeded, "watch_files.path".into()));
    // Also where the folder comes later: nothing of it could be told.
    fs::create_dir(folder.join("over")).unwrap();
    assert_eq!(change(&mut host).path, "over");
    assert_eq!(host.rest().unwrap_err().reason(), ErrorReason::LimitExceeded);
}

#[test]
fn a_watch_leaves_no_descriptor_and_no_thread() {
    let (agent, folder) = set_up();
    fs::create_dir(folder.join("sub")).unwrap();
    let count = |what: &str| fs::read_dir(format!("/proc/{}/{what}", agent.pid())).unwrap().count();
    let counts = || (count("fd"), count("task"));
    // The connection that found out that the agent listens may still be on its way out.
    wait_until("only accept and reaper are left", || count("task") == 2);
    let before = counts();
    for round in 0..50 {
        let mut host = watch(&agent, &folder, true);
        if round % 2 == 0 {
            host.input(Input::Cancel(Cancel {}));
            assert_eq!(host.rest().unwrap_err().reason(), ErrorReason::Canceled);
        }
    }
    let end = Instant::now() + Duration::from_secs(10);
    while counts() != before {
        assert!(Instant::now() < end, "{before:?} {:?}", counts());
        std::thread::sleep(Duration::from_millis(5));
    }
}

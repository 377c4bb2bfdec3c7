//! Files, through the socket of a real agent.

mod support;

use std::{
    fs,
    io::Write,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::PathBuf,
};

use invm::proto::{
    Cancel, Close, Error, ErrorReason, FileInfo, FileType, ListDirectoryRequest, MakeDirectoryRequest,
    MoveFileRequest, ReadFileRequest, RemoveFileRequest, StatFileRequest, WriteFileRequest, WriteMode,
    input::Input, request::Call, response::Event,
};
use support::{files::*, *};

fn write(agent: &TestAgent, request: WriteFileRequest, pieces: &[&[u8]]) -> Result<FileInfo, Error> {
    let mut host = agent.call(Call::WriteFile(request));
    pieces.iter().for_each(|piece| host.input(Input::Data(piece.to_vec())));
    host.input(Input::Close(Close {}));
    info(host.rest()?)
}

fn read(agent: &TestAgent, request: ReadFileRequest) -> Result<(FileInfo, Vec<u8>), Error> {
    let mut events = agent.run(Call::ReadFile(request))?.into_iter();
    let Some(Event::FileInfo(info)) = events.next() else { panic!("file_info first") };
    let mut all = Vec::new();
    for event in events {
        let Event::Data(data) = event else { panic!("{event:?}") };
        assert!(data.len() <= 1 << 20);
        all.extend(data);
    }
    Ok((info, all))
}

#[test]
fn what_is_written_is_read_again_whole_and_in_part() {
    if !needs_root() {
        return;
    }
    let (agent, folder) = set_up();
    let path = text(&folder.join("a/b/c.bin"));
    let content: Vec<u8> = (0..3_000_000u32).map(|index| (index % 251) as u8).collect();
    let request =
        WriteFileRequest { path: path.clone(), mode: 0o600, user: "nobody".into(), ..Default::default() };
    let pieces: Vec<&[u8]> = content.chunks(1 << 20).collect();
    let info = write(&agent, request, &pieces).unwrap();
    assert_eq!((info.size, info.mode, info.uid, info.name.as_str()), (3_000_000, 0o600, 65534, "c.bin"));
    assert_eq!(fs::metadata(folder.join("a")).unwrap().uid(), 65534, "parents belong to the user");
    let (info, all) = read(&agent, ReadFileRequest { path: path.clone(), ..Default::default() }).unwrap();
    assert!(info.size == 3_000_000 && all == content);
    let part = ReadFileRequest { path, offset: 1_000_000, length: 5, ..Default::default() };
    assert_eq!(read(&agent, part).unwrap().1, content[1_000_000..1_000_005]);
}

#[test]
fn a_link_is_read_as_the_file_it_points_to() {
    let (agent, folder) = set_up();
    fs::write(folder.join("real"), "content").unwrap();
    symlink("real", folder.join("link")).unwrap();
    let request = ReadFileRequest { path: text(&folder.join("link")), ..Default::default() };
    let (info, all) = read(&agent, request).unwrap();
    let inode = fs::metadata(folder.join("real")).unwrap().ino();
    assert_eq!((info.r#type(), info.size, info.inode), (FileType::File, 7, inode));
    assert_eq!(all, b"content");
}

#[test]
fn a_file_that_is_written_to_while_it_is_read_ends_the_read_where_it_must_not_change() {
    let (agent, folder) = set_up();
    let path = folder.join("x");
    // More than the connection's buffers hold, so that the agent is not done when the first piece is read.
    fs::write(&path, vec![7; 32 << 20]).unwrap();
    for must_not_change in [true, false] {
        let request = ReadFileRequest { path: text(&path), must_not_change, ..Default::default() };
        let mut host = agent.call(Call::ReadFile(request));
        assert!(matches!(host.event(), Event::FileInfo(_)));
        std::thread::sleep(std::time::Duration::from_millis(20)); // a tick of the clock that stamps files
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"more").unwrap();
        match host.rest() {
            Ok(_) => assert!(!must_not_change),
            Err(error) => assert!(must_not_change && error.reason() == ErrorReason::FileChanged),
        }
    }
}

#[test]
fn a_host_that_sends_on_reads_why_its_write_was_refused() {
    let (agent, folder) = set_up();
    let request = WriteFileRequest { path: text(&folder), ..Default::default() };
    let mut host = agent.call(Call::WriteFile(request));
    for _ in 0..64 {
        host.input(Input::Data(vec![0; 1 << 20]));
    }
    assert_eq!(host.rest().unwrap_err().reason(), ErrorReason::IsADirectory);
}

#[test]
fn a_host_that_sends_without_a_pause_hears_that_its_write_lives() {
    let agent = TestAgent::start();
    let mut host =
        agent.call(Call::WriteFile(WriteFileRequest { path: "/dev/null".into(), ..Default::default() }));
    let end = std::time::Instant::now() + std::time::Duration::from_secs(16);
    while std::time::Instant::now() < end {
        host.input(Input::Data(vec![0; 1000]));
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    host.input(Input::Close(Close {}));
    let events = host.rest().unwrap();
    assert!(matches!(events[..], [Event::Heartbeat(_), Event::FileInfo(_)]), "{events:?}");
}

#[test]
fn a_write_that_breaks_off_leaves_the_old_file_and_nothing_else() {
    let (agent, folder) = set_up();
    fs::write(folder.join("x"), "old").unwrap();
    let request =
        || Call::WriteFile(WriteFileRequest { path: text(&folder.join("x")), ..Default::default() });
    let mut canceled = agent.call(request());
    canceled.input(Input::Data(b"new".to_vec()));
    canceled.input(Input::Cancel(Cancel {}));
    assert_eq!(canceled.rest().unwrap_err().reason(), ErrorReason::Canceled);
    let mut broken = agent.call(request());
    broken.input(Input::Data(b"new".to_vec()));
    drop(broken);
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while names(&folder) != ["x"] {
        assert!(std::time::Instant::now() < end, "{:?}", names(&folder));
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(fs::read_to_string(folder.join("x")).unwrap(), "old");
}

#[test]
fn write_modes_do_what_they_say() {
    if !needs_root() {
        return;
    }
    let (agent, folder) = set_up();
    let path = folder.join("f");
    let request = |mode: WriteMode, offset| WriteFileRequest {
        path: text(&path),
        write_mode: mode.into(),
        offset,
        ..Default::default()
    };
    write(&agent, request(WriteMode::Create, 0), &[b"hello"]).unwrap();
    assert_eq!(
        write(&agent, request(WriteMode::Create, 0), &[b"x"]).unwrap_err().reason(),
        ErrorReason::FileExists
    );
    write(&agent, request(WriteMode::Append, 0), &[b" there"]).unwrap();
    write(&agent, request(WriteMode::Offset, 6), &[b"T"]).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "hello There");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o4751)).unwrap();
    std::os::unix::fs::chown(&path, Some(65534), Some(65534)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o4751)).unwrap();
    symlink("f", folder.join("link")).unwrap();
    let through = WriteFileRequest { path: text(&folder.join("link")), ..Default::default() };
    let info = write(&agent, through, &[]).unwrap();
    assert_eq!((info.size, info.mode, info.uid), (0, 0o4751, 65534), "an existing file keeps mode and owner");
    assert!(folder.join("link").is_symlink() && names(&folder) == ["f", "link"]);
}

#[test]
fn the_users_rights_hold() {
    if !needs_root() {
        return;
    }
    let (agent, folder) = set_up();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.join("secret"), "s").unwrap();
    fs::set_permissions(folder.join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    let (path, user) = (text(&folder.join("secret")), "nobody".to_owned());
    let reason = |result: Result<_, Error>| result.map(drop).unwrap_err().reason();
    let denied = ErrorReason::PermissionDenied;
    assert_eq!(
        reason(
            read(&agent, ReadFileRequest { path: path.clone(), user: user.clone(), ..Default::default() })
                .map(drop)
        ),
        denied
    );
    let request =
        WriteFileRequest { path: text(&folder.join("new")), user: user.clone(), ..Default::default() };
    assert_eq!(reason(write(&agent, request, &[]).map(drop)), denied);
    assert_eq!(
        reason(agent.run(Call::RemoveFile(RemoveFileRequest { path, user, ..Default::default() })).map(drop)),
        denied
    );
    let unknown = StatFileRequest { path: "/".into(), user: "no-such-user".into() };
    assert_eq!(reason(agent.run(Call::StatFile(unknown)).map(drop)), ErrorReason::UserNotFound);
}

#[test]
fn stat_tells_links_and_what_they_lead_to() {
    let (agent, folder) = set_up();
    symlink("/etc", folder.join("good")).unwrap();
    symlink("/nowhere", folder.join("broken")).unwrap();
    let stat = |path: PathBuf| {
        agent.run(Call::StatFile(StatFileRequest { path: text(&path), user: String::new() })).and_then(info)
    };
    let good = stat(folder.join("good")).unwrap();
    assert_eq!(
        (good.r#type(), good.target_type(), good.symlink_target.as_str()),
        (FileType::Symlink, FileType::Directory, "/etc")
    );
    let broken = stat(folder.join("broken")).unwrap();
    assert_eq!(
        (broken.r#type(), broken.target_type(), broken.symlink_target.as_str()),
        (FileType::Symlink, FileType::Unspecified, "")
    );
    assert_eq!(stat("/dev/null".into()).unwrap().r#type(), FileType::Other);
    assert_eq!(stat("/dev/null".into()).unwrap().owner, "root");
    assert_eq!(stat(folder.join("none")).unwrap_err().reason(), ErrorReason::FileNotFound);
    let pipe = ReadFileRequest { path: "/dev/null".into(), ..Default::default() };
    assert_eq!(read(&agent, pipe).unwrap_err().reason(), ErrorReason::InvalidArgument);
    let directory = ReadFileRequest { path: text(&folder), ..Default::default() };
    assert_eq!(read(&agent, directory).unwrap_err().reason(), ErrorReason::IsADirectory);
}

#[test]
fn a_directory_is_made_listed_moved_and_removed() {
    let (agent, folder) = set_up();
    let make = |name: &str, mode, must_be_new| {
        let path = text(&folder.join(name));
        let request = MakeDirectoryRequest { path, mode, user: String::new(), must_be_new };
        agent.run(Call::MakeDirectory(request)).and_then(info)
    };
    assert_eq!(make("d/e", 0o770, true).unwrap().mode, 0o770);
    assert_eq!(make("d/e", 0o770, true).unwrap_err().reason(), ErrorReason::FileExists);
    assert_eq!(make("d/e", 0o700, false).unwrap().mode, 0o770, "one that is there stays as it is");
    fs::write(folder.join("file"), "").unwrap();
    assert_eq!(make("file", 0, false).unwrap_err().reason(), ErrorReason::FileExists);
    assert_eq!(make("file/below", 0, false).unwrap_err().reason(), ErrorReason::NotADirectory);
    fs::remove_file(folder.join("file")).unwrap();
    (0..1500).for_each(|index| fs::write(folder.join(format!("d/e/{index:04}")), "").unwrap());
    let list = |depth| -> Vec<(usize, String)> {
        let request = ListDirectoryRequest { path: text(&folder), depth, ..Default::default() };
        let events = agent.run(Call::ListDirectory(request)).unwrap();
        let pages = events.into_iter().enumerate();
        pages
            .flat_map(|(page, event)| {
                let Event::FileList(list) = event else { panic!("{event:?}") };
                list.files.into_iter().map(move |file| (page, file.name))
            })
            .collect()
    };
    assert_eq!(list(0), [(0, "d".to_owned())]);
    let deep = list(3);
    assert_eq!(
        (deep.len(), deep[2].clone(), deep[1501].clone()),
        (1502, (0, "0000".into()), (1, "1499".into()))
    );
    let moved = |destination: &str, no_replace| {
        let request = MoveFileRequest {
            source: text(&folder.join("d")),
            destination: text(&folder.join(destination)),
            user: String::new(),
            no_replace,
        };
        agent.run(Call::MoveFile(request)).and_then(info)
    };
    fs::create_dir(folder.join("there")).unwrap();
    assert_eq!(moved("there", true).unwrap_err().reason(), ErrorReason::FileExists);
    assert_eq!(moved("new/place", false).unwrap().path, text(&folder.join("new/place")));
    assert_eq!(moved("again", false).unwrap_err().reason(), ErrorReason::FileNotFound);
    let remove = |recursive, missing_ok| {
        let request =
            RemoveFileRequest { path: text(&folder.join("new")), recursive, missing_ok, user: String::new() };
        agent.run(Call::RemoveFile(request)).map_err(|error| error.reason())
    };
    assert_eq!(remove(false, false), Err(ErrorReason::FileExists), "not empty");
    assert_eq!(remove(true, false), Ok(vec![]));
    assert_eq!(remove(true, false), Err(ErrorReason::FileNotFound));
    assert_eq!(remove(true, true), Ok(vec![]));
}

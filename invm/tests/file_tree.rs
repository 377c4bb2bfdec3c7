//! Many files at once: listing, attributes, removing.

mod support;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
};

use invm::proto::{
    Error, ErrorReason, FileInfo, ListDirectoryRequest, MakeDirectoryRequest, MoveFileRequest,
    RemoveFileRequest, SetAttributesRequest, request::Call, response::Event,
};
use prost_types::Timestamp;
use support::{files::*, *};

fn list(agent: &TestAgent, request: ListDirectoryRequest) -> Result<Vec<Vec<FileInfo>>, Error> {
    let page = |event| match event {
        Event::FileList(list) => list.files,
        event => panic!("{event:?}"),
    };
    Ok(agent.run(Call::ListDirectory(request))?.into_iter().map(page).collect())
}

fn remove(agent: &TestAgent, path: &Path, user: &str) -> Result<Vec<Event>, Error> {
    let (path, user) = (text(path), user.to_owned());
    agent.run(Call::RemoveFile(RemoveFileRequest { path, recursive: true, user, missing_ok: false }))
}

fn set(agent: &TestAgent, path: &Path, request: SetAttributesRequest) -> Result<FileInfo, Error> {
    agent.run(Call::SetAttributes(SetAttributesRequest { path: text(path), ..request })).and_then(info)
}

/// Makes directories in each other, deeper than any path can name; the innermost has a file.
fn nest(folder: &Path, depth: usize) {
    use nix::{
        fcntl::{OFlag, open, openat},
        sys::stat::{Mode, mkdirat},
    };
    let mut here = open(folder, OFlag::O_DIRECTORY, Mode::empty()).unwrap();
    for _ in 0..depth {
        mkdirat(&here, "deeper", Mode::S_IRWXU).unwrap();
        here = openat(&here, "deeper", OFlag::O_DIRECTORY, Mode::empty()).unwrap();
    }
    openat(&here, "file", OFlag::O_CREAT | OFlag::O_WRONLY, Mode::S_IRUSR).unwrap();
}

#[test]
fn a_listing_has_each_directory_before_its_content_down_to_the_depth() {
    let (agent, folder) = set_up();
    fs::create_dir_all(folder.join("b/c/d")).unwrap();
    for name in ["a", "b-", "b/x", "b/c/y", "b/c/d/z"] {
        fs::write(folder.join(name), "").unwrap();
    }
    symlink("b", folder.join("link")).unwrap();
    let paths = |depth| -> Vec<String> {
        let request = ListDirectoryRequest { path: text(&folder), depth, ..Default::default() };
        let files = list(&agent, request).unwrap().concat();
        let relative = |file: FileInfo| file.path.strip_prefix(&text(&folder)).unwrap()[1..].to_owned();
        files.into_iter().map(relative).collect()
    };
    assert_eq!(paths(0), ["a", "b", "b-", "link"]);
    assert_eq!(paths(2), ["a", "b", "b/c", "b/x", "b-", "link"]);
    assert_eq!(paths(64), ["a", "b", "b/c", "b/c/d", "b/c/d/z", "b/c/y", "b/x", "b-", "link"]);
    fs::create_dir(folder.join("empty")).unwrap();
    let of = |name: &str| {
        list(&agent, ListDirectoryRequest { path: text(&folder.join(name)), ..Default::default() })
    };
    assert_eq!(of("empty"), Ok(vec![]), "no page comes for an empty directory");
    assert_eq!(of("a").unwrap_err().reason(), ErrorReason::NotADirectory);
    assert_eq!(of("none").unwrap_err().reason(), ErrorReason::FileNotFound);
}

#[test]
fn a_hundred_thousand_entries_are_listed_without_growing() {
    let agent = TestAgent::start();
    let memory = InMemory::new(&agent);
    let folder = &memory.0;
    let name = |index: usize| folder.join(format!("entry-{index:06}"));
    fs::write(name(0), "").unwrap();
    (1..100_000).for_each(|index| fs::hard_link(name(0), name(index)).unwrap());
    let before = resident(&agent);
    let mut host =
        agent.call(Call::ListDirectory(ListDirectoryRequest { path: text(folder), ..Default::default() }));
    let mut count = 0;
    let mut highest = 0;
    loop {
        match host.event() {
            Event::FileList(list) => {
                assert!(list.files.len() <= 1000);
                for file in list.files {
                    assert_eq!(file.name, format!("entry-{count:06}"));
                    count += 1;
                }
                if count % 10_000 == 0 {
                    highest = highest.max(resident(&agent));
                }
            }
            Event::End(end) => break assert_eq!(end.error, None),
            event => panic!("{event:?}"),
        }
    }
    let after = resident(&agent);
    println!("resident: {before} before, {highest} meanwhile, {after} after");
    assert_eq!(count, 100_000);
    assert!(highest < before + (4 << 20), "{before} {highest}");
}

#[test]
fn extended_attributes_are_set_told_and_removed() {
    let (agent, folder) = set_up();
    let file = folder.join("file");
    fs::write(&file, "").unwrap();
    if xattr::set(&file, "user.probe", b"1").is_err() {
        return eprintln!("skipped: the file system of the temporary folder has no extended attributes");
    }
    let change = |pairs: &[(&str, &[u8])]| {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec()));
        set(&agent, &file, SetAttributesRequest { xattrs: pairs.collect(), ..Default::default() })
    };
    change(&[("mime_type", b"text/plain"), ("bytes", &[0, 255]), ("probe", b""), ("none", b"")]).unwrap();
    let told = |include_xattrs| {
        let request = ListDirectoryRequest { path: text(&folder), include_xattrs, ..Default::default() };
        list(&agent, request).unwrap().concat().remove(0).xattrs
    };
    let expected = [("bytes".to_owned(), vec![0, 255]), ("mime_type".to_owned(), b"text/plain".to_vec())];
    assert_eq!(told(true), BTreeMap::from(expected));
    assert_eq!(told(false), BTreeMap::new());
    let long = "n".repeat(300);
    let error = change(&[(&long, b"x")]).unwrap_err();
    assert_eq!(
        (error.reason(), error.field.as_str()),
        (ErrorReason::InvalidArgument, "set_attributes.xattrs")
    );
}

#[test]
fn attributes_below_change_and_links_are_not_followed() {
    if !needs_root() {
        return;
    }
    let (agent, folder) = set_up();
    let outside = agent.folder.join("outside");
    fs::write(&outside, "").unwrap();
    fs::set_permissions(&outside, fs::Permissions::from_mode(0o600)).unwrap();
    fs::create_dir_all(folder.join("top/sub")).unwrap();
    fs::write(folder.join("top/sub/file"), "").unwrap();
    symlink(&outside, folder.join("top/link")).unwrap();
    symlink("top", folder.join("way")).unwrap();
    let request = SetAttributesRequest {
        mode: Some(0o4755),
        owner: Some("nobody".into()),
        group: Some("1234".into()),
        modify_time: Some(Timestamp { seconds: 1_000_000_000, nanos: 5 }),
        recursive: true,
        ..Default::default()
    };
    // The link that names the directory is followed.
    set(&agent, &folder.join("way"), request).unwrap();
    for name in ["top", "top/sub", "top/sub/file"] {
        let meta = fs::metadata(folder.join(name)).unwrap();
        let seen = (meta.mode() & 0o7777, meta.uid(), meta.gid(), meta.mtime(), meta.mtime_nsec());
        assert_eq!(seen, (0o4755, 65534, 1234, 1_000_000_000, 5), "{name}");
    }
    let link = fs::symlink_metadata(folder.join("top/link")).unwrap();
    assert_eq!((link.uid(), link.mtime()), (65534, 1_000_000_000));
    let meta = fs::metadata(&outside).unwrap();
    assert_eq!((meta.uid(), meta.mode() & 0o7777), (0, 0o600));
    assert!(meta.mtime() > 1_000_000_000);
}

#[test]
fn attributes_that_can_not_be_set_are_told_by_field_and_errno() {
    let (agent, folder) = set_up();
    let file = folder.join("file");
    fs::write(&file, "").unwrap();
    let error = |request| {
        let error = set(&agent, &file, request).unwrap_err();
        (error.reason(), error.field, error.errno)
    };
    let invalid = ErrorReason::InvalidArgument;
    let request = SetAttributesRequest { mode: Some(0o10000), ..Default::default() };
    assert_eq!(error(request), (invalid, "set_attributes.mode".into(), 0));
    let request = SetAttributesRequest { owner: Some("no-such".into()), ..Default::default() };
    assert_eq!(error(request), (ErrorReason::UserNotFound, "set_attributes.owner".into(), 0));
    let request = SetAttributesRequest { group: Some("no-such".into()), ..Default::default() };
    assert_eq!(error(request), (invalid, "set_attributes.group".into(), 0));
    let missing = set(&agent, &folder.join("none"), SetAttributesRequest::default()).unwrap_err();
    assert_eq!((missing.reason(), missing.errno), (ErrorReason::FileNotFound, libc::ENOENT));
    if !needs_root() {
        return;
    }
    let nobody = || SetAttributesRequest { user: "nobody".into(), ..Default::default() };
    let denied = ErrorReason::PermissionDenied;
    let request = SetAttributesRequest { mode: Some(0o777), ..nobody() };
    assert_eq!(error(request), (denied, "set_attributes.mode".into(), libc::EPERM));
    let request = SetAttributesRequest { owner: Some("root".into()), ..nobody() };
    assert_eq!(error(request), (denied, "set_attributes.owner".into(), libc::EPERM));
}

#[test]
fn a_move_that_can_not_be_is_told_and_changes_nothing() {
    let (agent, folder) = set_up();
    fs::create_dir_all(folder.join("full/sub")).unwrap();
    fs::create_dir(folder.join("other")).unwrap();
    fs::write(folder.join("file"), "").unwrap();
    symlink("file", folder.join("link")).unwrap();
    let moved = |source: &str, destination: &str| {
        let (source, destination) = (text(&folder.join(source)), text(&folder.join(destination)));
        let request = MoveFileRequest { source, destination, ..Default::default() };
        agent.run(Call::MoveFile(request)).map(drop).map_err(|error| (error.reason(), error.errno))
    };
    assert_eq!(moved("full", "full/sub/itself"), Err((ErrorReason::InvalidArgument, libc::EINVAL)));
    assert_eq!(moved("other", "full"), Err((ErrorReason::FileExists, libc::ENOTEMPTY)));
    assert_eq!(moved("file", "other"), Err((ErrorReason::IsADirectory, libc::EISDIR)));
    assert_eq!(moved("other", "file"), Err((ErrorReason::NotADirectory, libc::ENOTDIR)));
    assert_eq!(moved("file", "link/below"), Err((ErrorReason::NotADirectory, libc::ENOTDIR)));
    assert_eq!(names(&folder), ["file", "full", "link", "other"]);
    assert_eq!(moved("link", "full/link"), Ok(()), "the link itself");
    assert!(folder.join("full/link").is_symlink());
}

#[test]
fn a_tree_deeper_than_any_path_is_removed() {
    let (agent, folder) = set_up();
    let tree = folder.join("tree");
    fs::create_dir(&tree).unwrap();
    nest(&tree, 5000);
    symlink("/etc", tree.join("link")).unwrap();
    assert_eq!(remove(&agent, &tree, ""), Ok(vec![]));
    assert!(!tree.exists() && Path::new("/etc/passwd").exists());
    agent.assert_alive();
}

#[test]
fn a_directory_as_deep_as_a_path_can_name_is_made() {
    let (agent, folder) = set_up();
    let path = text(&folder) + &"/d".repeat((4000 - text(&folder).len()) / 2);
    let request = MakeDirectoryRequest { path: path.clone(), ..Default::default() };
    assert_eq!(agent.run(Call::MakeDirectory(request)).and_then(info).unwrap().path, path);
    assert_eq!(remove(&agent, &folder.join("d"), ""), Ok(vec![]));
}

#[test]
fn what_may_not_be_removed_is_named_and_a_cancel_ends_a_long_removal() {
    if !needs_root() {
        return;
    }
    let (agent, folder) = set_up();
    let kept = folder.join("tree/kept");
    fs::create_dir_all(&kept).unwrap();
    fs::write(kept.join("file"), "").unwrap();
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o755)).unwrap();
    let error = remove(&agent, &folder.join("tree"), "nobody").unwrap_err();
    assert_eq!((error.reason(), error.errno), (ErrorReason::PermissionDenied, libc::EACCES));
    assert!(error.message.contains("tree/kept"), "{}", error.message);
    (0..20_000).for_each(|index| fs::write(kept.join(index.to_string()), "").unwrap());
    let request = RemoveFileRequest { path: text(&kept), recursive: true, ..Default::default() };
    let mut host = agent.call(Call::RemoveFile(request));
    host.input(invm::proto::input::Input::Cancel(invm::proto::Cancel {}));
    assert_eq!(host.rest().unwrap_err().reason(), ErrorReason::Canceled);
    assert!(kept.exists());
}

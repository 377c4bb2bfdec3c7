//! Archives, through the socket of a real agent; those of others are made by GNU tar or by hand.

mod support;

use std::{
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use invm::proto::{
    ArchiveWritten, Cancel, Close, Error, ErrorReason, ReadArchiveRequest, WriteArchiveRequest, input::Input,
    request::Call, response::Event,
};
use support::{files::*, *};
use tar::{Builder, EntryType, Header};

fn write(agent: &TestAgent, request: WriteArchiveRequest, bytes: &[u8]) -> Result<ArchiveWritten, Error> {
    let mut host = agent.call(Call::WriteArchive(request));
    bytes.chunks(100_000).for_each(|piece| host.input(Input::Data(piece.to_vec())));
    host.input(Input::Close(Close {}));
    match &host.rest()?[..] {
        [Event::ArchiveWritten(written)] => Ok(*written),
        events => panic!("{events:?}"),
    }
}

fn unpack(agent: &TestAgent, folder: &Path, bytes: &[u8]) -> Result<ArchiveWritten, Error> {
    write(agent, WriteArchiveRequest { path: text(folder), ..Default::default() }, bytes)
}

fn read(agent: &TestAgent, folder: &Path, names: &[&str]) -> Result<Vec<u8>, Error> {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    let request = ReadArchiveRequest { path: text(folder), names, user: String::new() };
    let data = |event| match event {
        Event::Data(data) => data,
        event => panic!("{event:?}"),
    };
    Ok(agent.run(Call::ReadArchive(request))?.into_iter().flat_map(data).collect())
}

/// An archive with entries that no honest tar would write.
fn archive(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, kind, content) in entries {
        let mut header = Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000_000);
        let is_file = *kind == EntryType::Regular;
        header.set_size(if is_file { content.len() as u64 } else { 0 });
        if !is_file {
            header.set_link_name_literal(content).unwrap();
        }
        header.set_cksum();
        builder.append(&header, if is_file { content.as_bytes() } else { &[] }).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gnu_tar(args: &[&str], folder: &Path) -> Vec<u8> {
    let output = Command::new("tar").args(args).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A tree with everything that an archive can tell.
fn make_tree(folder: &Path) {
    let long = format!("{0}/{0}", "long".repeat(50));
    fs::create_dir_all(folder.join(&long)).unwrap();
    fs::create_dir(folder.join("closed")).unwrap();
    fs::write(folder.join("closed/file"), vec![7; 300_000]).unwrap();
    fs::write(folder.join(&long).join("ä"), "long").unwrap();
    fs::hard_link(folder.join("closed/file"), folder.join("same")).unwrap();
    symlink("../closed/./file", folder.join("link")).unwrap();
    symlink("/".to_owned() + &"far".repeat(60), folder.join("broken")).unwrap();
    assert!(Command::new("mkfifo").arg(folder.join("pipe")).status().unwrap().success());
    fs::File::create(folder.join("sparse")).unwrap().set_len(8 << 20).unwrap();
    fs::set_permissions(folder.join("same"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::set_permissions(folder.join("closed"), fs::Permissions::from_mode(0o555)).unwrap();
    for name in ["closed/file", "closed", "link"] {
        let old = Command::new("touch").args(["-h", "-d", "@1000000000"]).arg(folder.join(name)).status();
        assert!(old.unwrap().success());
    }
}

fn assert_tree(folder: &Path) {
    assert_eq!(fs::read(folder.join("closed/file")).unwrap(), vec![7; 300_000]);
    let meta = |name: &str| fs::symlink_metadata(folder.join(name)).unwrap();
    assert_eq!(meta("closed").mode() & 0o7777, 0o555);
    assert_eq!(meta("closed/file").mode() & 0o7777, 0o640);
    for name in ["closed/file", "closed", "link"] {
        assert_eq!(meta(name).mtime(), 1_000_000_000, "{name}");
    }
    assert_eq!(meta("same").ino(), meta("closed/file").ino());
    assert_eq!(fs::read_link(folder.join("link")).unwrap(), Path::new("../closed/./file"));
    assert_eq!(fs::read_link(folder.join("broken")).unwrap().as_os_str().len(), 181);
    assert!(meta("pipe").file_type().is_fifo());
    assert_eq!(meta("sparse").len(), 8 << 20);
    assert!(meta("sparse").blocks() < 1000, "holes stay holes");
    assert_eq!(fs::read(folder.join(format!("{0}/{0}/ä", "long".repeat(50)))).unwrap(), b"long");
}

#[test]
fn archives_of_gnu_tar_are_unpacked_and_ours_by_it() {
    let (agent, folder) = set_up();
    let source = folder.join("source");
    fs::create_dir(&source).unwrap();
    make_tree(&source);
    for (format, sparse) in [("gnu", "--sparse"), ("pax", "--numeric-owner"), ("gnu", "--numeric-owner")] {
        let list = "find . | tar --create --file=- --no-recursion --files-from=- --format=";
        let line = format!("{list}{format} {sparse}");
        let output = Command::new("sh").args(["-c", &line]).current_dir(&source).output().unwrap();
        let target = folder.join(format!("to/{format}{sparse}"));
        let written = unpack(&agent, &target, &output.stdout).unwrap();
        assert_eq!((written.entries, written.bytes), (10, 300_004 + (8 << 20)), "{format} {sparse}");
        assert_tree(&target);
    }
    let before = resident(&agent);
    let bytes = read(&agent, &source, &[]).unwrap();
    assert!(resident(&agent) < before + (4 << 20));
    let target = folder.join("theirs");
    fs::create_dir(&target).unwrap();
    fs::write(folder.join("archive.tar"), &bytes).unwrap();
    gnu_tar(&["--extract", "--sparse", "--preserve-permissions", "--file=../archive.tar"], &target);
    assert_eq!(fs::read(target.join("closed/file")).unwrap(), vec![7; 300_000]);
    let target = folder.join("ours");
    unpack(&agent, &target, &bytes).unwrap();
    assert_tree(&target);
    let part = read(&agent, &source, &["link", "closed"]).unwrap();
    fs::write(folder.join("part.tar"), &part).unwrap();
    let list = gnu_tar(&["--list", "--file=part.tar"], &folder);
    assert_eq!(
        String::from_utf8(list).unwrap(),
        "link\nclosed/\nclosed/file\n".replace("closed/\n", "closed\n")
    );
    for (name, reason) in [
        ("../x", ErrorReason::InvalidArgument),
        ("/etc", ErrorReason::InvalidArgument),
        ("", ErrorReason::InvalidArgument),
        ("none", ErrorReason::FileNotFound),
    ] {
        let error = read(&agent, &source, &[name]).unwrap_err();
        assert_eq!((error.reason(), error.field.as_str()), (reason, "read_archive.names"), "{name}");
    }
}

#[test]
fn owners_are_kept_where_root_asks_for_it() {
    if !needs_root() {
        return;
    }
    let (agent, folder) = set_up();
    let file = folder.join("source/file");
    fs::create_dir(folder.join("source")).unwrap();
    fs::write(&file, "").unwrap();
    std::os::unix::fs::chown(&file, Some(1234), Some(65534)).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o4755)).unwrap();
    let bytes = read(&agent, &folder.join("source"), &[]).unwrap();
    let seen = |name: &str, keep_owner, user: &str| {
        let path = text(&folder.join(name));
        write(&agent, WriteArchiveRequest { path, keep_owner, user: user.into() }, &bytes)?;
        let meta = fs::metadata(folder.join(name).join("file")).unwrap();
        Ok::<_, Error>((meta.uid(), meta.gid(), meta.mode() & 0o7777))
    };
    assert_eq!(seen("kept", true, ""), Ok((1234, 65534, 0o4755)));
    assert_eq!(seen("not", false, ""), Ok((0, 0, 0o755)), "no right of another owner");
    assert_eq!(seen("other", false, "nobody"), Ok((65534, 65534, 0o755)));
    let error = seen("refused", true, "nobody").unwrap_err();
    let expected = (ErrorReason::PermissionDenied, "write_archive.keep_owner");
    assert_eq!((error.reason(), error.field.as_str()), expected);
}

#[test]
fn no_archive_reaches_outside_its_directory() {
    use EntryType::{Directory, Link, Regular, Symlink};
    let (agent, folder) = set_up();
    let outside = folder.join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    let (away, secret) = (text(&outside), text(&outside.join("secret")));
    for (number, entries) in [
        vec![("../outside/new", Regular, "x")],
        vec![("a/../../outside/new", Regular, "x")],
        vec![("out", Symlink, &*away), ("out/new", Regular, "x")],
        vec![("out", Symlink, "../outside"), ("out/new", Regular, "x")],
        vec![("out", Symlink, "../outside"), ("out/new/", Directory, "")],
        vec![("a", Symlink, "b"), ("b", Symlink, "../outside"), ("a/new", Regular, "x")],
        vec![("out", Symlink, &*away), ("taken", Link, "out/secret")],
        vec![("taken", Link, "../outside/secret")],
        vec![("out", Symlink, "/proc/self/cwd"), ("out/new", Regular, "x")],
    ]
    .into_iter()
    .enumerate()
    {
        let target = folder.join(format!("target{number}"));
        let error = unpack(&agent, &target, &archive(&entries)).unwrap_err();
        assert_eq!(
            (error.reason(), error.field.as_str()),
            (ErrorReason::InvalidArgument, "input.data"),
            "{entries:?}"
        );
        assert_eq!(names(&outside), ["secret"], "{entries:?}");
    }
    // Links and the names of files are replaced, never written through; absolute names count from the directory.
    let target = folder.join("target");
    let entries = [
        ("out", Symlink, &*secret),
        ("out", Regular, "inside"),
        (&*secret, Regular, "absolute"),
        ("dir", Symlink, &*away),
        ("dir/", Directory, ""),
    ];
    unpack(&agent, &target, &archive(&entries)).unwrap();
    assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "secret");
    assert_eq!(fs::read_to_string(target.join("out")).unwrap(), "inside");
    assert_eq!(fs::read_to_string(target.join(&secret[1..])).unwrap(), "absolute");
    assert!(fs::symlink_metadata(target.join("dir")).unwrap().is_dir());
    assert_eq!(fs::metadata(&outside).unwrap().mode() & 0o777, 0o755, "not given the entry's mode");
    // A hard link to a link to the outside is the link, and no way out.
    let entries = [("l", Symlink, &*secret), ("h", Link, "l"), ("h", Regular, "x")];
    unpack(&agent, &target, &archive(&entries)).unwrap();
    assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "secret");
}

#[test]
fn a_link_that_stays_inside_is_followed_to_its_directory() {
    let (agent, folder) = set_up();
    fs::create_dir_all(folder.join("usr/bin")).unwrap();
    symlink("usr/bin", folder.join("bin")).unwrap();
    let entries = [("bin/", EntryType::Directory, ""), ("bin/new", EntryType::Regular, "x")];
    unpack(&agent, &folder, &archive(&entries)).unwrap();
    assert!(folder.join("bin").is_symlink() && folder.join("usr/bin/new").exists());
}

#[test]
fn an_entry_without_a_time_is_of_now() {
    let (agent, folder) = set_up();
    let mut bytes = archive(&[("file", EntryType::Regular, "content")]);
    let mut header = Header::from_byte_slice(&bytes[..512]).clone();
    header.as_old_mut().mtime = [0; 12];
    header.set_cksum();
    bytes[..512].copy_from_slice(header.as_bytes());
    unpack(&agent, &folder, &bytes).unwrap();
    let age = std::fs::metadata(folder.join("file")).unwrap().modified().unwrap().elapsed().unwrap();
    assert!(age < Duration::from_secs(60), "{age:?}");
}

#[test]
fn torn_and_broken_archives_are_errors_and_leave_no_half_file() {
    let (agent, folder) = set_up();
    let whole =
        archive(&[("file", EntryType::Regular, &"x".repeat(5000)), ("last", EntryType::Regular, "y")]);
    for cut in [0, 1, 512, 700, 5400, 5632, 6000, 6144, 6656] {
        let target = folder.join(cut.to_string());
        let error = unpack(&agent, &target, &whole[..cut]).unwrap_err();
        assert_eq!(
            (error.reason(), error.field.as_str()),
            (ErrorReason::InvalidArgument, "input.data"),
            "{cut}"
        );
        let size = fs::metadata(target.join("file")).map(|meta| meta.len()).ok();
        assert_eq!(size, (cut >= 5632).then_some(5000), "{cut}");
        assert!(names(&target).iter().all(|name| name == "file" || name == "last"), "{:?}", names(&target));
    }
    let mut flipped = whole.clone();
    flipped[3] ^= 1;
    assert!(unpack(&agent, &folder.join("flipped"), &flipped).unwrap_err().message.contains("checksum"));
    let mut host = agent.call(Call::WriteArchive(WriteArchiveRequest {
        path: text(&folder.join("c")),
        ..Default::default()
    }));
    host.input(Input::Data(whole[..3000].to_vec()));
    host.input(Input::Cancel(Cancel {}));
    assert_eq!(host.rest().unwrap_err().reason(), ErrorReason::Canceled);
    assert_eq!(names(&folder.join("c")), Vec::<String>::new());
    // What follows the end mark does not count.
    let padded = [whole, vec![1; 5_000_000]].concat();
    assert_eq!(unpack(&agent, &folder.join("padded"), &padded).unwrap().entries, 2);
}

#[test]
fn a_hostile_header_costs_no_memory() {
    let agent = TestAgent::start();
    let memory = InMemory::new(&agent);
    let folder = &memory.0;
    let before = resident(&agent);
    for kind in [EntryType::GNULongName, EntryType::XHeader, EntryType::GNULongLink] {
        let mut header = Header::new_gnu();
        header.set_path("long").unwrap();
        header.set_entry_type(kind);
        header.set_size(1 << 40);
        header.set_cksum();
        let bytes = [&header.as_bytes()[..], &vec![b'a'; 8 << 20]].concat();
        let error = unpack(&agent, folder, &bytes).unwrap_err();
        assert_eq!(error.reason(), ErrorReason::InvalidArgument);
        assert!(error.message.contains("headers"), "{}", error.message);
    }
    // More directories than may wait for their attributes.
    let many: Vec<String> = (0..12_000).map(|index| format!("{index}/")).collect();
    let entries: Vec<_> = many.iter().map(|name| (&**name, EntryType::Directory, "")).collect();
    assert_eq!(unpack(&agent, &folder.join("many"), &archive(&entries)).unwrap().entries, 12_000);
    assert!(resident(&agent) < before + (6 << 20), "{before} {}", resident(&agent));
    assert_eq!(fs::metadata(folder.join("many/7")).unwrap().mtime(), 1_000_000_000);
}

#[test]
fn a_hole_without_end_does_not_outlive_its_host() {
    let (agent, folder) = set_up();
    fs::File::create(folder.join("hole")).unwrap().set_len(4 << 40).unwrap();
    let bytes = gnu_tar(&["--create", "--sparse", "--file=-", "hole"], &folder);
    let path = text(&folder.join("to"));
    let mut host = agent.call(Call::WriteArchive(WriteArchiveRequest { path, ..Default::default() }));
    host.input(Input::Data(bytes));
    let end = Instant::now() + Duration::from_secs(10);
    let until = |what: &dyn Fn() -> bool| {
        while !what() {
            assert!(Instant::now() < end);
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    until(&|| fs::read_dir(folder.join("to")).is_ok_and(|entries| entries.count() == 1));
    drop(host);
    until(&|| names(&folder.join("to")).is_empty());
}

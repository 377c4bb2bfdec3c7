//! Searching and replacing, through the socket of a real agent.

mod support;

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
};

use invm::proto::{
    Cancel, Error, ErrorReason, FileReplaced, ReplaceInFilesRequest, SearchFilesRequest, TextMatch,
    input::Input, request::Call, response::Event,
};
use support::{files::*, *};

fn search(agent: &TestAgent, request: SearchFilesRequest) -> Result<Vec<Event>, Error> {
    agent.run(Call::SearchFiles(request))
}

/// Names that were found, relative to the folder.
fn found(agent: &TestAgent, folder: &Path, request: SearchFilesRequest) -> Vec<String> {
    let events = search(agent, SearchFilesRequest { path: text(folder), ..request }).unwrap();
    let files = events.into_iter().flat_map(|event| match event {
        Event::FileList(list) => list.files,
        event => panic!("{event:?}"),
    });
    files.map(|file| file.path[text(folder).len() + 1..].to_owned()).collect()
}

/// Lines that were found: file name, line, column, text.
fn lines(agent: &TestAgent, folder: &Path, request: SearchFilesRequest) -> Vec<(String, u64, u64, String)> {
    let events = search(agent, SearchFilesRequest { path: text(folder), ..request }).unwrap();
    let line = |event| match event {
        Event::TextMatch(TextMatch { path, line, text, column }) => {
            (path.rsplit('/').next().unwrap().to_owned(), line, column, text)
        }
        event => panic!("{event:?}"),
    };
    events.into_iter().map(line).collect()
}

fn replace(agent: &TestAgent, request: ReplaceInFilesRequest) -> Result<Vec<FileReplaced>, Error> {
    let one = |event| match event {
        Event::FileReplaced(one) => one,
        event => panic!("{event:?}"),
    };
    Ok(agent.run(Call::ReplaceInFiles(request))?.into_iter().map(one).collect())
}

fn by_name(name_glob: &str) -> SearchFilesRequest {
    SearchFilesRequest { name_glob: name_glob.into(), ..Default::default() }
}

fn by_content(content: &str, regex: bool) -> SearchFilesRequest {
    SearchFilesRequest { content: content.into(), regex, ..Default::default() }
}

#[test]
fn names_are_found_by_globs_and_links_are_not_followed() {
    let (agent, folder) = set_up();
    fs::create_dir_all(folder.join("src/deep")).unwrap();
    fs::create_dir_all(folder.join("node_modules/x.py")).unwrap();
    for name in ["a.py", "src/b.py", "src/deep/C.PY", "src/d.txt", "node_modules/e.py"] {
        fs::write(folder.join(name), "").unwrap();
    }
    symlink(&folder, folder.join("src/loop.py")).unwrap();
    let all = ["a.py", "node_modules/e.py", "node_modules/x.py", "src/b.py", "src/loop.py"];
    assert_eq!(found(&agent, &folder, by_name("*.py")), all);
    let request = SearchFilesRequest {
        ignore_case: true,
        exclude_globs: vec!["node_modules".into(), "LOOP*".into()],
        ..by_name("*.py")
    };
    assert_eq!(found(&agent, &folder, request), ["a.py", "src/b.py", "src/deep/C.PY"]);
    assert_eq!(found(&agent, &folder, SearchFilesRequest { limit: 2, ..by_name("*.py") }), all[..2]);
    assert_eq!(found(&agent, &folder, by_name("")).len(), 10);
}

#[test]
fn lines_are_found_in_text_files_alone() {
    let (agent, folder) = set_up();
    fs::write(folder.join("a.txt"), "one\ntwo TODO: x\nÄ TODO\r\nlast todo").unwrap();
    fs::write(folder.join("b.bin"), b"TODO\0TODO\n").unwrap();
    fs::write(folder.join("c.md"), "TODO").unwrap();
    symlink("a.txt", folder.join("link")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(folder.join("pipe")).status().unwrap().success());
    let line = |name: &str, line, column, text: &str| (name.to_owned(), line, column, text.to_owned());
    let expected =
        [line("a.txt", 2, 5, "two TODO: x"), line("a.txt", 3, 4, "Ä TODO\r"), line("c.md", 1, 1, "TODO")];
    assert_eq!(lines(&agent, &folder, by_content("TODO", false)), expected);
    let request = SearchFilesRequest { ignore_case: true, ..by_content("^last.todo$", true) };
    assert_eq!(lines(&agent, &folder, request), [line("a.txt", 4, 1, "last todo")]);
    let request = SearchFilesRequest { name_glob: "*.md".into(), ..by_content("T", false) };
    assert_eq!(lines(&agent, &folder, request), expected[2..]);
    assert_eq!(
        lines(&agent, &folder, SearchFilesRequest { limit: 1, ..by_content("T", false) }),
        expected[..1]
    );
    assert_eq!(
        lines(&agent, &folder.join("link"), by_content("x$", true)),
        [line("a.txt", 2, 11, "two TODO: x")],
        "one file"
    );
    assert_eq!(lines(&agent, &folder, by_content("o.*\n", true)), [], "no match goes beyond its line");
}

#[test]
fn long_lines_cost_no_memory_and_are_cut() {
    let (agent, folder) = set_up();
    let mut content = vec![b'x'; 40 << 20];
    content.extend(b"needle");
    content.extend(vec![b'y'; 10_000]);
    fs::write(folder.join("long"), &content).unwrap();
    let before = resident(&agent);
    let found = lines(&agent, &folder, by_content("needle", false));
    let [(_, 1, column, text)] = &found[..] else { panic!("{}", found.len()) };
    assert_eq!((*column, text.len()), ((40 << 20) + 1, 4096));
    assert!(text.starts_with("needley"));
    assert!(resident(&agent) < before + (4 << 20));
}

#[test]
fn what_can_not_be_searched_for_is_told_by_field() {
    let (agent, folder) = set_up();
    let refusal = |request| {
        let error = search(&agent, SearchFilesRequest { path: text(&folder), ..request }).unwrap_err();
        assert_eq!(error.reason(), ErrorReason::InvalidArgument);
        error.field
    };
    assert_eq!(refusal(by_content("(", true)), "search_files.content");
    assert_eq!(refusal(by_name("[")), "search_files.name_glob");
    let request = SearchFilesRequest { exclude_globs: vec!["a".repeat(256)], ..Default::default() };
    assert_eq!(refusal(request), "search_files.exclude_globs");
    assert_eq!(refusal(SearchFilesRequest { limit: 100_001, ..Default::default() }), "search_files.limit");
    let none = SearchFilesRequest { path: text(&folder.join("none")), ..Default::default() };
    assert_eq!(search(&agent, none).unwrap_err().reason(), ErrorReason::FileNotFound);
}

#[test]
fn a_search_through_endless_files_ends_at_a_cancel() {
    let (agent, _) = set_up();
    // /proc has files that block, that never end and that vanish.
    let request = SearchFilesRequest { path: "/proc".into(), ..by_content("no such text anywhere", false) };
    let mut host = agent.call(Call::SearchFiles(request));
    std::thread::sleep(std::time::Duration::from_millis(300));
    let begin = std::time::Instant::now();
    host.input(Input::Cancel(Cancel {}));
    match host.rest() {
        Err(error) => assert_eq!(error.reason(), ErrorReason::Canceled),
        Ok(events) => assert_eq!(events, [], "it was through before"),
    }
    assert!(begin.elapsed() < std::time::Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[test]
fn files_change_whole_and_keep_what_is_theirs() {
    let (agent, folder) = set_up();
    let (a, b) = (folder.join("a"), folder.join("b"));
    fs::write(&a, "x=1; yy=22;\nx=$1").unwrap();
    fs::set_permissions(&a, fs::Permissions::from_mode(0o751)).unwrap();
    let has_xattrs = xattr::set(&a, "user.mark", b"kept").is_ok();
    fs::write(&b, "nothing").unwrap();
    let before = fs::metadata(&b).unwrap();
    let request = ReplaceInFilesRequest {
        paths: vec![text(&a), text(&b), text(&folder.join("none")), text(&folder)],
        pattern: r"(?<name>\w+)=(\d+);".into(),
        replacement: "$2=${name}!".into(),
        regex: true,
        ..Default::default()
    };
    let told = replace(&agent, request).unwrap();
    let seen: Vec<_> = told
        .iter()
        .map(|one| (one.replacements, one.error.as_ref().map(|error| (error.reason(), error.errno))))
        .collect();
    let missing = Some((ErrorReason::FileNotFound, libc::ENOENT));
    assert_eq!(
        seen,
        [(2, None), (0, None), (0, missing), (0, Some((ErrorReason::IsADirectory, libc::EISDIR)))]
    );
    assert_eq!(told[2].path, text(&folder.join("none")));
    assert_eq!(fs::read_to_string(&a).unwrap(), "1=x! 22=yy!\nx=$1");
    assert_eq!(fs::metadata(&a).unwrap().mode() & 0o7777, 0o751);
    assert!(!has_xattrs || xattr::get(&a, "user.mark").unwrap() == Some(b"kept".to_vec()));
    let after = fs::metadata(&b).unwrap();
    assert_eq!((after.ino(), after.mtime_nsec()), (before.ino(), before.mtime_nsec()), "not written");
    let request = ReplaceInFilesRequest {
        paths: vec![text(&a)],
        pattern: "$1".into(),
        replacement: "$2\\".into(),
        ..Default::default()
    };
    assert_eq!(replace(&agent, request).unwrap()[0].replacements, 1);
    assert_eq!(fs::read_to_string(&a).unwrap(), "1=x! 22=yy!\nx=$2\\", "a text stands for itself");
    assert_eq!(names(&folder), ["a", "b"]);
}

#[test]
fn a_file_that_is_or_becomes_too_large_is_left_alone() {
    let (agent, folder) = set_up();
    let large = folder.join("large");
    fs::File::create(&large).unwrap().set_len((16 << 20) + 1).unwrap();
    let bomb = folder.join("bomb");
    fs::write(&bomb, "a".repeat(100_000)).unwrap();
    let request = ReplaceInFilesRequest {
        paths: vec![text(&large), text(&bomb)],
        pattern: "a".into(),
        replacement: "b".repeat(100_000),
        ..Default::default()
    };
    for one in replace(&agent, request).unwrap() {
        assert_eq!(one.error.unwrap().reason(), ErrorReason::LimitExceeded);
    }
    assert_eq!(fs::metadata(&bomb).unwrap().len(), 100_000);
    let empty = ReplaceInFilesRequest { paths: vec![text(&bomb)], ..Default::default() };
    assert_eq!(replace(&agent, empty).unwrap_err().field, "replace_in_files.pattern");
}

#[test]
fn a_file_the_user_may_not_write_is_not_replaced() {
    if !needs_root() {
        return;
    }
    let (agent, folder) = set_up();
    let file = folder.join("file");
    fs::write(&file, "a").unwrap();
    let request = ReplaceInFilesRequest {
        paths: vec![text(&file)],
        pattern: "a".into(),
        replacement: "b".into(),
        user: "nobody".into(),
        ..Default::default()
    };
    let told = replace(&agent, request).unwrap();
    assert_eq!(told[0].error.as_ref().unwrap().reason(), ErrorReason::PermissionDenied);
    assert_eq!(fs::read_to_string(&file).unwrap(), "a");
}

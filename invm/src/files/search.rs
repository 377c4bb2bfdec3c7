//! search_files.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    os::fd::AsFd,
    path::Path,
};

use nix::{dir::Type, fcntl::OFlag, sys::stat::fstat};
use regex::bytes::Regex;

use super::{
    act_as,
    beneath::Beneath,
    info::Describe,
    page::Page,
    pattern::{Glob, pattern},
    walk::Walk,
};
use crate::{
    agent::Agent,
    conn::Conn,
    error::{Fault, Stop, errno_of},
    proto::{ErrorReason, SearchFilesRequest, TextMatch, response::Event},
};

const LIMIT: u32 = 1000;
const MAX_LIMIT: u32 = 100_000;
/// Most of a line that is looked at as one; a longer one is searched in pieces of this.
const LINE: u64 = 1 << 20;
/// Longest TextMatch.text.
const TEXT: usize = 4 << 10;
/// Results that are sent by one write.
const BATCH: usize = 64 << 10;

/// What is looked for.
struct Search {
    name: Option<Glob>,
    exclude: Vec<Glob>,
    content: Option<Regex>,
    /// Results that are still wanted.
    left: u32,
    page: Page,
    describe: Describe,
}

/// Looks below a directory, or at one file. Follows no links, reads only regular files, and passes over what
/// the user may not read.
pub fn search_files(agent: &Agent, conn: &mut Conn, request: &SearchFilesRequest) -> Result<(), Stop> {
    let who = act_as(agent, &request.user, "search_files.user")?;
    let path = who.path("search_files.path", &request.path)?;
    let mut search = Search::of(request)?;
    let meta = fs::metadata(&path);
    let meta = meta.map_err(|error| Fault::file(&path, errno_of(&error)).field("search_files.path"))?;
    if meta.is_dir() {
        search.below(conn, &Beneath::open(&path)?)?;
    } else if let (Some(parent), Some(name)) = (path.parent(), path.file_name()) {
        // The path itself may be a link.
        let target = fs::canonicalize(&path).unwrap_or(parent.join(name));
        let (parent, name) = (target.parent().unwrap_or(parent), target.file_name().unwrap_or(name));
        search.look_at(conn, &Beneath::open(parent)?, Path::new(name), Type::File)?;
    }
    search.page.send(conn)
}

impl Search {
    fn of(request: &SearchFilesRequest) -> Result<Self, Fault> {
        let ignore_case = request.ignore_case;
        let left = if request.limit == 0 { LIMIT } else { request.limit };
        if left > MAX_LIMIT {
            let message = format!("{left} results: the limit is {MAX_LIMIT}");
            return Err(Fault::invalid("search_files.limit", message));
        }
        let exclude = request.exclude_globs.iter();
        let exclude = exclude.map(|glob| Glob::new("search_files.exclude_globs", glob, ignore_case));
        let content = Some(&request.content).filter(|content| !content.is_empty());
        let content = content
            .map(|content| pattern("search_files.content", content, request.regex, ignore_case))
            .transpose()?;
        let name = Some(&request.name_glob).filter(|glob| !glob.is_empty());
        let name = name.map(|glob| Glob::new("search_files.name_glob", glob, ignore_case)).transpose()?;
        let exclude = exclude.collect::<Result<_, _>>()?;
        Ok(Self { name, exclude, content, left, page: Page::default(), describe: Describe::default() })
    }

    fn below(&mut self, conn: &mut Conn, root: &Beneath) -> Result<(), Stop> {
        let mut walk = Walk::new(root, u32::MAX)?;
        while let Some(found) = walk.next().filter(|_| self.left > 0) {
            conn.pulse()?;
            let Ok(found) = found else { continue };
            if self.exclude.iter().any(|glob| glob.matches(&name_of(&found.relative))) {
                walk.pass_over();
            } else {
                self.look_at(conn, root, &found.relative, found.kind)?;
            }
        }
        Ok(())
    }

    fn look_at(&mut self, conn: &mut Conn, root: &Beneath, path: &Path, kind: Type) -> Result<(), Stop> {
        if self.name.as_ref().is_some_and(|glob| !glob.matches(&name_of(path))) {
            return Ok(());
        }
        if self.content.is_some() {
            return if kind == Type::File { self.look_into(conn, root, path) } else { Ok(()) };
        }
        match self.describe.file_info(&root.path.join(path)) {
            Ok(info) => {
                self.left -= 1;
                self.page.add(conn, info)
            }
            Err(fault) if fault.reason == ErrorReason::FileNotFound => Ok(()),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Tells the lines of a file that match. A file with a NUL in it is none of lines: it is left there.
    fn look_into(&mut self, conn: &mut Conn, root: &Beneath, relative: &Path) -> Result<(), Stop> {
        let Some(content) = &self.content else { return Ok(()) };
        // Whatever can't be read is passed over.
        let Ok(file) = root.open_plain(relative, OFlag::O_RDONLY | OFlag::O_NOCTTY) else { return Ok(()) };
        if !fstat(file.as_fd()).is_ok_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFREG) {
            return Ok(());
        }
        let path = root.path.join(relative).to_string_lossy().into_owned();
        let mut reader = BufReader::with_capacity(64 << 10, File::from(file));
        let mut line = Vec::new();
        let (mut number, mut before, mut unseen) = (1, 0, 0);
        while self.left > 0 {
            line.clear();
            let Ok(size) = reader.by_ref().take(LINE).read_until(b'\n', &mut line) else { return Ok(()) };
            if size == 0 || line.contains(&0) {
                return Ok(());
            }
            let ends = line.pop_if(|last| *last == b'\n').is_some();
            if let Some(found) = content.find(&line) {
                self.left -= 1;
                conn.queue(Event::TextMatch(TextMatch {
                    path: path.clone(),
                    line: number,
                    text: text_around(&line, found.start(), found.end()),
                    column: before + found.start() as u64 + 1,
                }));
            }
            (number, before) = if ends { (number + 1, 0) } else { (number, before + size as u64) };
            unseen += size;
            if conn.queued() > BATCH {
                conn.flush()?;
            }
            if unseen > BATCH {
                conn.pulse()?;
                unseen = 0;
            }
        }
        Ok(())
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// As much of the line as may be sent: from its start if the match is in that, otherwise from the match on.
fn text_around(line: &[u8], start: usize, end: usize) -> String {
    let from = if end <= TEXT { 0 } else { start };
    let mut text = String::from_utf8_lossy(&line[from..line.len().min(from + TEXT)]).into_owned();
    // What replaces broken characters is longer than they were.
    text.truncate(text.floor_char_boundary(TEXT));
    text
}

//! replace_in_files.

use std::{
    fs::OpenOptions,
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use regex::bytes::Regex;

use super::{act_as, pattern::pattern, write};
use crate::{
    agent::Agent,
    conn::Conn,
    error::{Fault, Stop, errno_of},
    proto::{ErrorReason, FileReplaced, ReplaceInFilesRequest, WriteFileRequest, response::Event},
};

/// Largest file, before and after. It is held in memory, together with what it becomes.
const MAX_FILE: usize = 16 << 20;

/// What is put in the place of a match.
struct Replacement<'a> {
    pattern: Regex,
    with: &'a str,
    /// `$1` and the like stand for groups.
    expand: bool,
}

/// Each file changes at once and whole, or not at all; one that fails is told, and the others go on.
pub fn replace_in_files(agent: &Agent, conn: &mut Conn, request: &ReplaceInFilesRequest) -> Result<(), Stop> {
    let who = act_as(agent, &request.user, "replace_in_files.user")?;
    let field = "replace_in_files.pattern";
    if request.pattern.is_empty() {
        return Err(Fault::invalid(field, "the pattern is empty").into());
    }
    let pattern = pattern(field, &request.pattern, request.regex, false)?;
    let replacement = Replacement { pattern, with: &request.replacement, expand: request.regex };
    for wanted in &request.paths {
        let path = who.path("replace_in_files.paths", wanted);
        let result = path.and_then(|path| replacement.apply(&path));
        let (replacements, error) = match result {
            Ok(count) => (count, None),
            Err(fault) => (0, Some(fault.into_proto())),
        };
        conn.queue(Event::FileReplaced(FileReplaced { path: wanted.clone(), replacements, error }));
        conn.flush()?;
        conn.check_cancel()?;
    }
    Ok(())
}

impl Replacement<'_> {
    fn apply(&self, path: &Path) -> Result<u64, Fault> {
        let fault = |error: std::io::Error| Fault::file(path, errno_of(&error));
        // Without O_NONBLOCK opening a pipe would wait for its writer.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(fault)?;
        let meta = file.metadata().map_err(fault)?;
        if meta.is_dir() {
            return Err(Fault::file(path, nix::errno::Errno::EISDIR));
        }
        if !meta.is_file() {
            return Err(Fault::invalid(
                "replace_in_files.paths",
                format!("{} is no regular file", path.display()),
            ));
        }
        let mut before = Vec::new();
        file.take(MAX_FILE as u64 + 1).read_to_end(&mut before).map_err(fault)?;
        if before.len() > MAX_FILE {
            return Err(too_large(path));
        }
        let (after, count) = self.replace(&before).ok_or_else(|| too_large(path))?;
        if count > 0 {
            let mut target = write::open(path, &WriteFileRequest::default())?;
            target.file.write_all(&after).map_err(fault)?;
            write::commit(target)?;
        }
        Ok(count)
    }

    /// `None` where the outcome is too large.
    fn replace(&self, text: &[u8]) -> Option<(Vec<u8>, u64)> {
        let mut after = Vec::new();
        let (mut kept, mut count) = (0, 0);
        for groups in self.pattern.captures_iter(text) {
            let Some(found) = groups.get(0) else { continue };
            after.extend_from_slice(&text[kept..found.start()]);
            if self.expand {
                groups.expand(self.with.as_bytes(), &mut after);
            } else {
                after.extend_from_slice(self.with.as_bytes());
            }
            (kept, count) = (found.end(), count + 1);
            if after.len() > MAX_FILE {
                return None;
            }
        }
        after.extend_from_slice(&text[kept..]);
        (after.len() <= MAX_FILE).then_some((after, count))
    }
}

fn too_large(path: &Path) -> Fault {
    let message = format!("{}: over {} MiB, before or after", path.display(), MAX_FILE >> 20);
    Fault::new(ErrorReason::LimitExceeded, message)
}

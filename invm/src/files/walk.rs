//! Goes through a directory and what is below it.

use std::{
    collections::BinaryHeap,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use nix::{
    dir::{Dir, Type},
    errno::Errno,
    fcntl::{AtFlags, OFlag},
    sys::stat::{SFlag, fstatat},
};

use super::beneath::Beneath;
use crate::error::Fault;

/// Names that are held of one directory at once. A larger one is read several times, so that a walk's memory
/// does not grow with it.
const BATCH: usize = 10_000;

/// Visits each path below a directory, sorted by name, each directory before what is in it. Follows no links.
pub struct Walk<'a> {
    root: &'a Beneath,
    depth: u32,
    levels: Vec<Level>,
    /// The directory visited last, which comes next.
    enter: Option<PathBuf>,
}

/// One path of a walk.
#[derive(Debug)]
pub struct Found {
    /// From the walk's directory.
    pub relative: PathBuf,
    pub kind: Type,
}

struct Level {
    folder: PathBuf,
    /// The next names, the last of them first.
    names: Vec<Name>,
    /// Where the next reading goes on, if one is needed.
    after: Option<OsString>,
}

struct Name {
    name: Box<OsStr>,
    kind: Type,
}

impl<'a> Walk<'a> {
    /// Fails where the directory itself can't be read.
    pub fn new(root: &'a Beneath, depth: u32) -> Result<Self, Fault> {
        let mut walk = Self { root, depth, levels: Vec::new(), enter: None };
        walk.enter(PathBuf::new()).map_err(|errno| Fault::file(&root.path, errno))?;
        Ok(walk)
    }

    /// As `new`, from a directory below the root on.
    pub fn below(root: &'a Beneath, folder: &Path) -> Result<Self, Fault> {
        let mut walk = Self { root, depth: u32::MAX, levels: Vec::new(), enter: None };
        walk.enter(folder.to_owned()).map_err(|errno| Fault::file(&root.path.join(folder), errno))?;
        Ok(walk)
    }

    /// Does not go into the directory that was visited last.
    pub fn pass_over(&mut self) {
        self.enter = None;
    }

    fn enter(&mut self, folder: PathBuf) -> nix::Result<()> {
        if self.levels.len() < self.depth as usize {
            let mut level = Level { folder, names: Vec::new(), after: None };
            level.read(self.root)?;
            self.levels.push(level);
        }
        Ok(())
    }
}

impl Iterator for Walk<'_> {
    /// An error is of one directory that can't be read; the walk goes on behind it.
    type Item = Result<Found, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(folder) = self.enter.take() {
            let path = self.root.path.join(&folder);
            match self.enter(folder) {
                // It is gone, or something else now.
                Ok(()) | Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => {}
                Err(errno) => return Some(Err(Fault::file(&path, errno))),
            }
        }
        loop {
            let level = self.levels.last_mut()?;
            if let Some(Name { name, kind }) = level.names.pop() {
                let relative = level.folder.join(&*name);
                self.enter = (kind == Type::Directory).then(|| relative.clone());
                return Some(Ok(Found { relative, kind }));
            }
            if level.after.is_none() || level.read(self.root).is_err() {
                self.levels.pop();
            }
        }
    }
}

impl Level {
    /// Takes the smallest names behind those taken before.
    fn read(&mut self, root: &Beneath) -> nix::Result<()> {
        let folder = root.open_plain(&self.folder, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
        let mut folder = Dir::from_fd(folder)?;
        let after = self.after.take();
        let mut smallest: BinaryHeap<Name> = BinaryHeap::new();
        let mut left_out = false;
        let mut unknown = false;
        for entry in folder.iter() {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." || after.as_deref().is_some_and(|after| name <= after) {
                continue;
            }
            if smallest.len() == BATCH {
                left_out = true;
                if smallest.peek().is_some_and(|largest| *name >= *largest.name) {
                    continue;
                }
                smallest.pop();
            }
            unknown |= entry.file_type().is_none();
            // File is what an unknown kind is until it is looked at below.
            smallest.push(Name { name: name.into(), kind: entry.file_type().unwrap_or(Type::File) });
        }
        self.names = smallest.into_sorted_vec();
        self.after = self.names.last().filter(|_| left_out).map(|last| last.name.to_os_string());
        self.names.reverse();
        if unknown {
            self.names.iter_mut().for_each(|entry| entry.kind = kind_of(&folder, Path::new(&*entry.name)));
        }
        Ok(())
    }
}

/// For file systems whose directories do not tell kinds.
fn kind_of(folder: &Dir, name: &Path) -> Type {
    let mode = fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW).map_or(0, |stat| stat.st_mode);
    match SFlag::from_bits_truncate(mode & SFlag::S_IFMT.bits()) {
        SFlag::S_IFDIR => Type::Directory,
        SFlag::S_IFLNK => Type::Symlink,
        SFlag::S_IFIFO => Type::Fifo,
        SFlag::S_IFSOCK => Type::Socket,
        SFlag::S_IFCHR => Type::CharacterDevice,
        SFlag::S_IFBLK => Type::BlockDevice,
        _ => Type::File,
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.name.cmp(&other.name)
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Name {}

//! The directories of a watch, and what inotify says of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

use nix::{
    dir::Type,
    errno::Errno,
    fcntl::OFlag,
    sys::inotify::{AddWatchFlags as Mask, InitFlags, Inotify, InotifyEvent, WatchDescriptor},
};

use super::Teller;
use crate::{
    error::{Fault, Stop},
    files::{beneath::Beneath, walk::Walk, write::TEMPORARY},
    proto::{ChangeKind, ErrorReason},
};

const CHANGES: Mask = Mask::IN_CREATE
    .union(Mask::IN_MODIFY)
    .union(Mask::IN_ATTRIB)
    .union(Mask::IN_DELETE)
    .union(Mask::IN_MOVED_FROM)
    .union(Mask::IN_MOVED_TO);
/// Paths that are remembered as told already. Beyond that a new path may be told twice, never not at all.
const MAX_TOLD: usize = 50_000;

/// No directory of the watch is kept open: that would keep inotify from telling that it was removed.
pub struct Tree {
    inotify: Inotify,
    recursive: bool,
    root: WatchDescriptor,
    /// Each watched directory, relative to the root.
    folders: BTreeMap<WatchDescriptor, PathBuf>,
    /// Found in a new directory before inotify's event of them was read.
    told: BTreeSet<PathBuf>,
}

impl Tree {
    pub fn watch(teller: &mut Teller, recursive: bool) -> Result<Self, Stop> {
        let root = Beneath::open(&teller.path).map_err(|fault| fault.field("watch_files.path"))?;
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).map_err(|errno| {
            let message = format!("inotify: {}", errno.desc());
            Fault::new(ErrorReason::LimitExceeded, message).field("watch_files.path").code(errno)
        })?;
        let alone = Mask::IN_DELETE_SELF | Mask::IN_MOVE_SELF;
        let id = add_watch(&inotify, &root, Path::new(""), CHANGES | alone);
        let id = id.map_err(|errno| watch_fault(&root.path, errno))?;
        let folders = BTreeMap::from([(id, PathBuf::new())]);
        let mut tree = Self { inotify, recursive, root: id, folders, told: BTreeSet::new() };
        if recursive {
            for found in Walk::new(&root, u32::MAX)? {
                // One that may not be read can't be watched either.
                let Ok(found) = found else { continue };
                if found.kind == Type::Directory {
                    tree.add(&root, &found.relative)?;
                }
                teller.conn.pulse()?;
            }
        }
        Ok(tree)
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// Tells the changes that are there; false where there are none.
    pub fn read(&mut self, teller: &mut Teller) -> Result<bool, Stop> {
        let events = match self.inotify.read_events() {
            Ok(events) => events,
            Err(Errno::EAGAIN) => {
                self.told.clear();
                return Ok(false);
            }
            Err(Errno::EINTR) => return Ok(true),
            Err(errno) => return Err(Fault::internal("inotify", errno.desc()).code(errno).into()),
        };
        for event in events {
            if event.mask.contains(Mask::IN_Q_OVERFLOW) {
                // New directories may be among what was lost: all are looked for again before it is told.
                *self = Self::watch(teller, self.recursive)?;
                teller.tell(ChangeKind::Overflow, Path::new(""))?;
                break;
            }
            self.follow(teller, &event)?;
        }
        Ok(true)
    }

    fn follow(&mut self, teller: &mut Teller, event: &InotifyEvent) -> Result<(), Stop> {
        // Of a directory that is no longer ours.
        let Some(folder) = self.folders.get(&event.wd) else { return Ok(()) };
        let mask = event.mask;
        let Some(name) = &event.name else {
            let over = Mask::IN_IGNORED | Mask::IN_DELETE_SELF | Mask::IN_MOVE_SELF | Mask::IN_UNMOUNT;
            if event.wd == self.root && mask.intersects(over) {
                return Err(gone(&teller.path).into());
            }
            if mask.contains(Mask::IN_IGNORED) {
                self.folders.remove(&event.wd);
            }
            return Ok(());
        };
        // The agent's own half-written files are nobody's business.
        if name.as_bytes().starts_with(TEMPORARY.as_bytes()) {
            return Ok(());
        }
        let path = folder.join(name);
        let is_folder = mask.contains(Mask::IN_ISDIR);
        if mask.contains(Mask::IN_MODIFY) {
            teller.tell(ChangeKind::Written, &path)
        } else if mask.contains(Mask::IN_ATTRIB) {
            teller.tell(ChangeKind::Attributes, &path)
        } else if mask.contains(Mask::IN_DELETE) {
            self.told.remove(&path);
            teller.tell(ChangeKind::Removed, &path)
        } else if mask.contains(Mask::IN_MOVED_FROM) {
            self.told.remove(&path);
            if is_folder {
                self.forget(&path);
            }
            teller.tell(ChangeKind::Renamed, &path)
        } else if mask.contains(Mask::IN_CREATE) && self.told.remove(&path) {
            Ok(())
        } else {
            teller.tell(ChangeKind::Created, &path)?;
            if is_folder && self.recursive { self.add_new(teller, &path) } else { Ok(()) }
        }
    }

    /// Watches a new directory, and tells what is in it already: nothing of it came as an event.
    fn add_new(&mut self, teller: &mut Teller, folder: &Path) -> Result<(), Stop> {
        let root = Beneath::open(&teller.path).map_err(|_| gone(&teller.path))?;
        self.add(&root, folder)?;
        let Ok(walk) = Walk::below(&root, folder) else { return Ok(()) };
        for found in walk.flatten() {
            if found.kind == Type::Directory {
                self.add(&root, &found.relative)?;
            }
            if is_temporary(&found.relative) {
                continue;
            }
            teller.tell(ChangeKind::Created, &found.relative)?;
            if self.told.len() < MAX_TOLD {
                self.told.insert(found.relative);
            }
            teller.conn.pulse()?;
        }
        Ok(())
    }

    fn add(&mut self, root: &Beneath, folder: &Path) -> Result<(), Fault> {
        match add_watch(&self.inotify, root, folder, CHANGES) {
            Ok(id) => drop(self.folders.insert(id, folder.to_owned())),
            // Gone again, replaced by something else, or not for this user.
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EACCES) => {}
            Err(errno) => return Err(watch_fault(&root.path.join(folder), errno)),
        }
        Ok(())
    }

    /// A directory has left its place. Should it come back under another name, it comes as a new one.
    fn forget(&mut self, folder: &Path) {
        self.folders.retain(|id, path| {
            let leaves = path.starts_with(folder);
            if leaves {
                let _ = self.inotify.rm_watch(*id);
            }
            !leaves
        });
    }
}

fn add_watch(inotify: &Inotify, root: &Beneath, folder: &Path, mask: Mask) -> nix::Result<WatchDescriptor> {
    let place = root.open_plain(folder, OFlag::O_PATH | OFlag::O_DIRECTORY)?;
    // The kernel's own name for exactly this directory.
    inotify.add_watch(format!("/proc/self/fd/{}", place.as_raw_fd()).as_str(), mask | Mask::IN_ONLYDIR)
}

fn is_temporary(path: &Path) -> bool {
    path.file_name().is_some_and(|name: &OsStr| name.as_bytes().starts_with(TEMPORARY.as_bytes()))
}

fn watch_fault(path: &Path, errno: Errno) -> Fault {
    let fault = match errno {
        Errno::ENOSPC => {
            let message =
                format!("{}: the user has fs.inotify.max_user_watches watches already", path.display());
            Fault::new(ErrorReason::LimitExceeded, message).code(errno)
        }
        errno => Fault::file(path, errno),
    };
    fault.field("watch_files.path")
}

fn gone(path: &Path) -> Fault {
    let message = format!("{} was removed or moved while it was watched", path.display());
    Fault::new(ErrorReason::FileNotFound, message).field("watch_files.path")
}

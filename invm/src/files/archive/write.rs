//! write_archive. The archive is a stranger's: nothing in it leads out of the directory, and what it makes us
//! hold has limits.

use std::{
    cell::RefCell,
    collections::VecDeque,
    ffi::OsStr,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Component, Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, openat, renameat},
    sys::{
        stat::{
            FchmodatFlags, Mode, SFlag, UtimensatFlags, fchmodat, fstatat, makedev, mkdirat, mknodat,
            utimensat,
        },
        time::TimeSpec,
    },
    unistd::{Gid, Uid, UnlinkatFlags, fchownat, linkat, symlinkat, unlinkat},
};
use tar::{Entry, EntryType, Header};

use super::stream::{Incoming, Shared};
use crate::{
    agent::Agent,
    conn::Conn,
    error::{Fault, Stop, errno_of},
    files::{act_as, beneath::Beneath, make_parents, write::temporary_name},
    proto::{ArchiveWritten, ErrorReason, WriteArchiveRequest, response::Event},
};

/// Most that the headers of one entry may take: long names, extensions, the map of a sparse file.
const HEADERS: u64 = 1 << 20;
/// Directories whose mode and time wait until what is in them is written. Beyond that the oldest get theirs.
const WAITING: usize = 10_000;
const LAST_SECOND: u64 = 253_402_300_799;
const FOLDER: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY);

pub fn write_archive(agent: &Agent, conn: &mut Conn, request: &WriteArchiveRequest) -> Result<(), Stop> {
    let who = act_as(agent, &request.user, "write_archive.user")?;
    let path = who.path("write_archive.path", &request.path)?;
    if request.keep_owner && who.user.uid != 0 {
        let message = format!("user {} can't give files away: only root can", who.user.name);
        return Err(Fault::new(ErrorReason::PermissionDenied, message)
            .field("write_archive.keep_owner")
            .into());
    }
    make_parents(&path)?;
    let root = Beneath::open(&path)?;
    let incoming = RefCell::new(Incoming::new(conn));
    let mut unpack = Unpack {
        root: &root,
        keep_owner: request.keep_owner,
        written: ArchiveWritten::default(),
        waiting: VecDeque::new(),
    };
    let unpacked = unpack.all(&incoming);
    // Also where the archive failed: its directories are not left closed.
    let finished = unpack.finish_folders(0);
    let written = unpack.written;
    let mut incoming = incoming.into_inner();
    if let Some(stop) = incoming.stop.take() {
        return Err(stop);
    }
    unpacked.and(finished)?;
    incoming.drain()?;
    conn.queue(Event::ArchiveWritten(written));
    Ok(())
}

struct Unpack<'a> {
    root: &'a Beneath,
    keep_owner: bool,
    written: ArchiveWritten,
    waiting: VecDeque<(PathBuf, Attributes)>,
}

struct Attributes {
    owner: Option<(u32, u32)>,
    mode: Mode,
    modify_time: TimeSpec,
}

impl Unpack<'_> {
    fn all(&mut self, incoming: &RefCell<Incoming>) -> Result<(), Fault> {
        let mut archive = tar::Archive::new(Shared(incoming));
        let mut entries = archive.entries().map_err(broken)?;
        loop {
            incoming.borrow_mut().allowed = HEADERS;
            let Some(entry) = entries.next() else { break };
            let mut entry = entry.map_err(broken)?;
            incoming.borrow_mut().allowed = u64::MAX;
            self.one(incoming, &mut entry)?;
            io::copy(&mut entry, &mut io::sink()).map_err(broken)?;
        }
        // An archive ends with a block of zeros.
        if incoming.borrow().closed { Err(torn()) } else { Ok(()) }
    }

    fn one(&mut self, incoming: &RefCell<Incoming>, entry: &mut Entry<Shared>) -> Result<(), Fault> {
        let kind = entry.header().entry_type();
        let relative = plain(&entry.path_bytes())?;
        let (Some(parent), Some(name)) = (relative.parent(), relative.file_name()) else {
            return Ok(()); // the directory itself, which stays as it is
        };
        if kind.is_pax_global_extensions() {
            return Ok(());
        }
        let attributes = self.attributes(entry.header())?;
        let fault = |errno| self.fault(&relative, errno);
        let folder = self.folder(parent).map_err(fault)?;
        match kind {
            EntryType::Directory => {
                if self.make_folder(&relative, &folder, name).map_err(fault)? {
                    self.waiting.push_back((relative, attributes));
                    self.finish_folders(WAITING)?;
                }
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let place = Place { relative: &relative, folder: &folder, name };
                self.written.bytes += self.file(incoming, entry, &place, &attributes)?;
            }
            EntryType::Link => {
                let target = plain(&entry.link_name_bytes().unwrap_or_default())?;
                if target != relative {
                    self.link(&target, &folder, name).map_err(fault)?;
                }
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default();
                let target = OsStr::from_bytes(&target);
                place(&folder, name, || symlinkat(target, &folder, name)).map_err(fault)?;
                attributes.apply(&folder, name, true).map_err(fault)?;
            }
            EntryType::Fifo | EntryType::Char | EntryType::Block => {
                let (kind, device) = node_of(entry.header()).map_err(broken)?;
                let make = || mknodat(&folder, name, kind, Mode::S_IRUSR | Mode::S_IWUSR, device);
                place(&folder, name, make).map_err(fault)?;
                attributes.apply(&folder, name, false).map_err(fault)?;
            }
            kind => {
                let message = format!("entry {} is of kind {kind:?}", relative.display());
                return Err(Fault::invalid("input.data", message));
            }
        }
        self.written.entries += 1;
        Ok(())
    }

    fn attributes(&self, header: &Header) -> Result<Attributes, Fault> {
        let id = |id: io::Result<u64>| u32::try_from(id?).map_err(io::Error::other);
        let owner = || Ok((id(header.uid())?, id(header.gid())?));
        // Bits that lend the owner's rights mean something with the owner only.
        let mask = if self.keep_owner { 0o7777 } else { 0o1777 };
        Ok(Attributes {
            owner: self.keep_owner.then(owner).transpose().map_err(broken)?,
            mode: Mode::from_bits_truncate(header.mode().map_err(broken)? & mask),
            modify_time: modify_time(header)?,
        })
    }

    /// Opens a directory, and makes it and those above it that are missing.
    fn folder(&self, path: &Path) -> nix::Result<OwnedFd> {
        let mut missing = Vec::new();
        let mut there = path;
        let mut folder = loop {
            match (self.root.open_linked(there, FOLDER), there.parent(), there.file_name()) {
                (Err(Errno::ENOENT), Some(parent), Some(name)) => {
                    missing.push(name);
                    there = parent;
                }
                (result, _, _) => break result?,
            }
        };
        for name in missing.into_iter().rev() {
            match mkdirat(&folder, name, Mode::from_bits_truncate(0o755)) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno),
            }
            folder = openat(&folder, name, FOLDER | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())?;
        }
        Ok(folder)
    }

    /// False where there is a link to a directory, which is left as it is.
    fn make_folder(&self, relative: &Path, folder: &OwnedFd, name: &OsStr) -> nix::Result<bool> {
        // Open for the owner alone until all is in it.
        let make = || mkdirat(folder, name, Mode::S_IRWXU);
        match make() {
            Err(Errno::EEXIST) => {}
            result => return result.map(|()| true),
        }
        let there = fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW)?.st_mode & libc::S_IFMT;
        if there == libc::S_IFDIR {
            return Ok(true);
        }
        if there == libc::S_IFLNK && self.root.open_linked(relative, FOLDER).is_ok() {
            return Ok(false);
        }
        place(folder, name, make).map(|()| true)
    }

    /// Writes a file's content beside its name and renames it there: no reader sees half of it, and whatever has
    /// the name is replaced, not followed.
    fn file(
        &self,
        incoming: &RefCell<Incoming>,
        entry: &mut Entry<Shared>,
        &Place { relative, folder, name }: &Place,
        attributes: &Attributes,
    ) -> Result<u64, Fault> {
        if has_pax_map(entry).map_err(broken)? {
            let message =
                format!("{}: a sparse file in PAX form; GNU form is understood", relative.display());
            return Err(Fault::invalid("input.data", message));
        }
        let fault = |errno| self.fault(relative, errno);
        let temporary = Temporary { folder, name: temporary_name() };
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let file = openat(folder, temporary.name.as_str(), flags, mode).map_err(fault)?;
        let size = copy(incoming, entry, &mut File::from(file), |error| fault(errno_of(&error)))?;
        if size != entry.size() {
            return Err(torn());
        }
        attributes.apply(folder, OsStr::new(&temporary.name), false).map_err(fault)?;
        renameat(folder, temporary.name.as_str(), folder, name).map_err(fault)?;
        std::mem::forget(temporary);
        Ok(size)
    }

    fn link(&self, target: &Path, folder: &OwnedFd, name: &OsStr) -> nix::Result<()> {
        let (Some(parent), Some(target)) = (target.parent(), target.file_name()) else {
            return Err(Errno::EISDIR);
        };
        let from = self.root.open_linked(parent, FOLDER)?;
        place(folder, name, || linkat(&from, target, folder, name, AtFlags::empty()))
    }

    /// Gives the oldest directories their attributes until `left` of them wait.
    fn finish_folders(&mut self, left: usize) -> Result<(), Fault> {
        while self.waiting.len() > left {
            let Some((path, attributes)) = self.waiting.pop_front() else { break };
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { continue };
            let folder = self.root.open_linked(parent, FOLDER);
            let result = folder.and_then(|folder| attributes.apply(&folder, name, false));
            result.map_err(|errno| self.fault(&path, errno))?;
        }
        Ok(())
    }

    fn fault(&self, relative: &Path, errno: Errno) -> Fault {
        let path = self.root.path.join(relative);
        if errno == Errno::EXDEV {
            let message = format!("{}: a link leads out of {}", path.display(), self.root.path.display());
            return Fault::invalid("input.data", message).code(errno);
        }
        Fault::file(&path, errno)
    }
}

impl Attributes {
    fn apply(&self, folder: &OwnedFd, name: &OsStr, is_link: bool) -> nix::Result<()> {
        // Owner before mode: a change of owner clears the set-uid bit.
        if let Some((uid, gid)) = self.owner {
            let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            fchownat(folder, name, uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        }
        if !is_link {
            fchmodat(folder, name, self.mode, FchmodatFlags::NoFollowSymlink)?;
        }
        let flags = UtimensatFlags::NoFollowSymlink;
        utimensat(folder, name, &TimeSpec::UTIME_OMIT, &self.modify_time, flags)
    }
}

/// Where an entry goes.
struct Place<'a> {
    relative: &'a Path,
    folder: &'a OwnedFd,
    name: &'a OsStr,
}

/// Removed unless it was renamed.
struct Temporary<'a> {
    folder: &'a OwnedFd,
    name: String,
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        let _ = unlinkat(self.folder, self.name.as_str(), UnlinkatFlags::NoRemoveDir);
    }
}

/// A relative path as it may be used: "/" at its begin and "." are left out, ".." is refused.
fn plain(name: &[u8]) -> Result<PathBuf, Fault> {
    let mut path = PathBuf::new();
    for part in Path::new(OsStr::from_bytes(name)).components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            Component::ParentDir => {
                let message = format!("entry \"{}\" leads out by \"..\"", name.escape_ascii());
                return Err(Fault::invalid("input.data", message));
            }
        }
    }
    Ok(path)
}

/// Makes something with a name; what has the name, and is no directory, makes room.
fn place(folder: &OwnedFd, name: &OsStr, make: impl Fn() -> nix::Result<()>) -> nix::Result<()> {
    match make() {
        Err(Errno::EEXIST) => {
            unlinkat(folder, name, UnlinkatFlags::NoRemoveDir)?;
            make()
        }
        result => result,
    }
}

fn node_of(header: &Header) -> io::Result<(SFlag, u64)> {
    let kind = match header.entry_type() {
        EntryType::Char => SFlag::S_IFCHR,
        EntryType::Block => SFlag::S_IFBLK,
        // Its header need not have a device.
        _ => return Ok((SFlag::S_IFIFO, 0)),
    };
    let (major, minor) = (header.device_major()?.unwrap_or(0), header.device_minor()?.unwrap_or(0));
    Ok((kind, makedev(major.into(), minor.into())))
}

fn has_pax_map(entry: &mut Entry<Shared>) -> io::Result<bool> {
    for extension in entry.pax_extensions()?.into_iter().flatten() {
        if extension?.key_bytes().starts_with(b"GNU.sparse.") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Copies content; zeros become holes. Tells how much it was.
fn copy(
    incoming: &RefCell<Incoming>,
    from: &mut impl Read,
    to: &mut File,
    fault: impl Fn(io::Error) -> Fault,
) -> Result<u64, Fault> {
    let mut buffer = vec![0; 64 << 10];
    let mut size = 0;
    for round in 1u64.. {
        // A hole as large as it likes takes no data, but time.
        if round % 256 == 0 && !incoming.borrow_mut().pulse() {
            return Err(torn());
        }
        let count = from.read(&mut buffer).map_err(broken)?;
        if count == 0 {
            break;
        }
        size += count as u64;
        let data = &buffer[..count];
        if data.iter().all(|byte| *byte == 0) {
            to.seek(SeekFrom::Start(size)).map_err(&fault)?;
        } else {
            to.write_all(data).map_err(&fault)?;
        }
    }
    to.set_len(size).map_err(&fault)?;
    Ok(size)
}

/// Archives that are to be the same wherever they are made leave the time out.
fn modify_time(header: &Header) -> Result<TimeSpec, Fault> {
    if header.as_old().mtime.iter().all(|byte| matches!(byte, 0 | b' ')) {
        return Ok(TimeSpec::UTIME_NOW);
    }
    let seconds = header.mtime().map_err(broken)?.min(LAST_SECOND);
    Ok(TimeSpec::new(seconds as i64, 0))
}

fn broken(error: io::Error) -> Fault {
    Fault::invalid("input.data", format!("the archive is broken: {error}"))
}

fn torn() -> Fault {
    Fault::invalid("input.data", "the archive is torn: it ends before its end mark")
}

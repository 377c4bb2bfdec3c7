//! read_archive.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, readlinkat},
    sys::stat::{FileStat, fstat, major, minor},
};
use tar::{Builder, EntryType, Header};

use super::stream::Outgoing;
use crate::{
    agent::Agent,
    conn::Conn,
    error::{Fault, Stop},
    files::{act_as, beneath::Beneath, walk::Walk, write::TEMPORARY},
    proto::ReadArchiveRequest,
    users,
};

/// Files with several names that are remembered, to store their content once. Later ones are stored whole.
const LINKS: usize = 20_000;
/// Longest link target that fits a header as it is.
const HEADER_LINK: usize = 100;

/// Files come as GNU tar writes them, with owners by number and name. Sockets are left out, and what vanishes
/// meanwhile; what may not be read fails the archive.
pub fn read_archive(agent: &Agent, conn: &mut Conn, request: &ReadArchiveRequest) -> Result<(), Stop> {
    let who = act_as(agent, &request.user, "read_archive.user")?;
    let root = Beneath::open(&who.path("read_archive.path", &request.path)?)?;
    let mut pack = Pack { root: &root, tar: Builder::new(Outgoing::new(conn)), links: BTreeMap::new() };
    let packed = pack.all(&request.names);
    let mut ended = match packed {
        Ok(()) => pack.tar.finish().and_then(|()| io::Write::flush(pack.tar.get_mut())).map_err(broken),
        failed => failed,
    };
    let outgoing = pack.tar.get_mut();
    outgoing.broken = true;
    if let Some(stop) = outgoing.stop.take() {
        return Err(stop);
    }
    std::mem::replace(&mut ended, Ok(())).map_err(Stop::from)
}

struct Pack<'a, 'b> {
    root: &'a Beneath,
    tar: Builder<Outgoing<'b>>,
    /// First name of each file that has several, by device and inode.
    links: BTreeMap<(u64, u64), PathBuf>,
}

impl Pack<'_, '_> {
    fn all(&mut self, names: &[String]) -> Result<(), Fault> {
        if names.is_empty() {
            return self.walk(Walk::new(self.root, u32::MAX)?);
        }
        for name in names {
            let relative = Path::new(name);
            if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
                let message = format!("name \"{}\" is not one below the directory", name.escape_debug());
                return Err(Fault::invalid("read_archive.names", message));
            }
            let is_folder = match self.one(relative) {
                Ok(is_folder) => is_folder,
                Err(errno) => return Err(self.fault(relative, errno).field("read_archive.names")),
            };
            if is_folder {
                self.walk(Walk::below(self.root, relative)?)?;
            }
        }
        Ok(())
    }

    fn walk(&mut self, walk: Walk) -> Result<(), Fault> {
        for found in walk {
            let relative = found?.relative;
            if relative
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes()))
            {
                continue;
            }
            match self.one(&relative) {
                Ok(_) | Err(Errno::ENOENT) => {}
                Err(errno) => return Err(self.fault(&relative, errno)),
            }
        }
        Ok(())
    }

    fn fault(&self, relative: &Path, errno: Errno) -> Fault {
        Fault::file(&self.root.path.join(relative), errno)
    }

    /// Stores one path; true where it is a directory.
    fn one(&mut self, relative: &Path) -> nix::Result<bool> {
        let place = self.root.open_plain(relative, OFlag::O_PATH)?;
        let stat = fstat(&place)?;
        let mut header = header_of(&stat);
        match stat.st_mode & libc::S_IFMT {
            libc::S_IFREG => return self.file(relative, header).map(|()| false),
            libc::S_IFLNK => {
                let target = PathBuf::from(readlinkat(&place, "")?);
                header.set_entry_type(EntryType::Symlink);
                self.link(relative, &mut header, &target)?;
            }
            libc::S_IFDIR => self.plain(relative, header, EntryType::Directory)?,
            libc::S_IFIFO => self.plain(relative, header, EntryType::Fifo)?,
            kind @ (libc::S_IFCHR | libc::S_IFBLK) => {
                let of = |number: u64| u32::try_from(number).map_err(|_| Errno::EOVERFLOW);
                header.set_device_major(of(major(stat.st_rdev))?).map_err(errno)?;
                header.set_device_minor(of(minor(stat.st_rdev))?).map_err(errno)?;
                let kind = if kind == libc::S_IFCHR { EntryType::Char } else { EntryType::Block };
                self.plain(relative, header, kind)?;
            }
            _ => {}
        }
        Ok(stat.st_mode & libc::S_IFMT == libc::S_IFDIR)
    }

    fn plain(&mut self, relative: &Path, mut header: Header, kind: EntryType) -> nix::Result<()> {
        header.set_entry_type(kind);
        self.tar.append_data(&mut header, relative, io::empty()).map_err(errno)
    }

    fn link(&mut self, relative: &Path, header: &mut Header, target: &Path) -> nix::Result<()> {
        let bytes = target.as_os_str().as_encoded_bytes();
        if bytes.len() > HEADER_LINK {
            return self.tar.append_link(header, relative, target).map_err(errno);
        }
        header.set_link_name_literal(bytes).map_err(errno)?;
        self.tar.append_data(header, relative, io::empty()).map_err(errno)
    }

    fn file(&mut self, relative: &Path, mut header: Header) -> nix::Result<()> {
        let file = self.root.open_plain(relative, OFlag::O_RDONLY | OFlag::O_NOCTTY)?;
        let stat = fstat(&file)?;
        if stat.st_nlink > 1 {
            let id = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.links.get(&id).cloned() {
                header.set_entry_type(EntryType::Link);
                return self.link(relative, &mut header, &first);
            }
            if self.links.len() < LINKS {
                self.links.insert(id, relative.to_owned());
            }
        }
        let size = stat.st_size.max(0) as u64;
        header.set_entry_type(EntryType::Regular);
        header.set_size(size);
        // What the header says must come, though the file grows or shrinks meanwhile.
        let content = File::from(file).take(size).chain(io::repeat(0)).take(size);
        self.tar.append_data(&mut header, relative, content).map_err(errno)
    }
}

fn header_of(stat: &FileStat) -> Header {
    let mut header = Header::new_gnu();
    header.set_size(0);
    header.set_mode(stat.st_mode & 0o7777);
    header.set_uid(stat.st_uid.into());
    header.set_gid(stat.st_gid.into());
    header.set_mtime(stat.st_mtime.max(0) as u64);
    // A name that does not fit is left out: the number counts.
    let _ = header.set_username(&users::user_name(stat.st_uid));
    let _ = header.set_groupname(&users::group_name(stat.st_gid));
    header
}

/// tar's own failures have no errno: names it can't write, or a host that is gone, which is known elsewhere.
fn errno(error: io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EINVAL, Errno::from_raw)
}

fn broken(error: io::Error) -> Fault {
    Fault::internal("the archive's end", error)
}

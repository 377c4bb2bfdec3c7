//! set_attributes.

use std::{
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    time::Duration,
};

use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, AtFlags, OFlag, open},
    sys::{
        stat::{FchmodatFlags, FileStat, Mode, SFlag, UtimensatFlags, fchmodat, fstat, utimensat},
        time::TimeSpec,
    },
    unistd::{Gid, Uid, fchownat},
};

use super::{
    act_as,
    beneath::Beneath,
    info::{XATTR_PREFIX, file_info},
    walk::Walk,
};
use crate::{
    agent::Agent,
    conn::Conn,
    error::{Fault, Stop, errno_of},
    proto::{ErrorReason, SetAttributesRequest, response::Event},
    users,
    wire::since_epoch,
};

/// What is to be changed, looked up and checked.
struct Changes<'a> {
    request: &'a SetAttributesRequest,
    owner: Option<Uid>,
    group: Option<Gid>,
    modify_time: Option<Duration>,
}

/// The path itself may be a link, which is followed; those below it are not.
pub fn set_attributes(agent: &Agent, conn: &mut Conn, request: &SetAttributesRequest) -> Result<(), Stop> {
    let who = act_as(agent, &request.user, "set_attributes.user")?;
    let path = who.path("set_attributes.path", &request.path)?;
    let changes = Changes::of(request)?;
    let top = open(&path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty());
    let top = top.map_err(|errno| Fault::file(&path, errno).field("set_attributes.path"))?;
    let kind = changes.apply(&path, &top)?;
    if request.recursive && kind == SFlag::S_IFDIR {
        let root = Beneath::open(&path)?;
        for found in Walk::new(&root, u32::MAX)? {
            let relative = found?.relative;
            let path = root.path.join(&relative);
            match root.open_plain(&relative, OFlag::O_PATH) {
                Ok(place) => drop(changes.apply(&path, &place)?),
                // What vanishes meanwhile needs no change.
                Err(Errno::ENOENT) => {}
                Err(errno) => return Err(Fault::file(&path, errno).into()),
            }
            conn.pulse()?;
        }
    }
    conn.queue(Event::FileInfo(file_info(&path)?));
    Ok(())
}

impl<'a> Changes<'a> {
    fn of(request: &'a SetAttributesRequest) -> Result<Self, Fault> {
        if let Some(mode) = request.mode.filter(|mode| *mode > 0o7777) {
            return Err(Fault::invalid("set_attributes.mode", format!("mode {mode:o}: the limit is 7777")));
        }
        if request.xattrs.keys().any(|name| name.is_empty() || name.contains('\0')) {
            return Err(Fault::invalid("set_attributes.xattrs", "a name is empty or contains NUL"));
        }
        let owner = request.owner.as_deref().map(owner_of).transpose()?;
        let group = request.group.as_deref().map(group_of).transpose()?;
        let time = request.modify_time.as_ref();
        let modify_time = time.map(|time| since_epoch("set_attributes.modify_time", time)).transpose()?;
        Ok(Self { request, owner, group, modify_time })
    }

    /// Changes one path, which is open by O_PATH. Tells its kind.
    fn apply(&self, path: &Path, place: &OwnedFd) -> Result<SFlag, Fault> {
        let fault = |field| move |errno| Fault::file(path, errno).field(field);
        let FileStat { st_mode, .. } = fstat(place).map_err(fault("set_attributes.path"))?;
        let kind = SFlag::from_bits_truncate(st_mode & SFlag::S_IFMT.bits());
        // The kernel's own name for exactly this file.
        let name = PathBuf::from(format!("/proc/self/fd/{}", place.as_raw_fd()));
        // Owner before mode: a change of owner clears the set-uid bit.
        if self.owner.is_some() || self.group.is_some() {
            let field = if self.owner.is_some() { "set_attributes.owner" } else { "set_attributes.group" };
            fchownat(place, "", self.owner, self.group, AtFlags::AT_EMPTY_PATH).map_err(fault(field))?;
        }
        // A link has neither mode nor attributes of its own.
        if kind != SFlag::S_IFLNK {
            if let Some(mode) = self.request.mode {
                let mode = Mode::from_bits_truncate(mode);
                let result = fchmodat(AT_FDCWD, &name, mode, FchmodatFlags::FollowSymlink);
                result.map_err(fault("set_attributes.mode"))?;
            }
            for (attribute, value) in &self.request.xattrs {
                set_xattr(&name, attribute, value).map_err(fault("set_attributes.xattrs"))?;
            }
        }
        if let Some(time) = self.modify_time {
            let time = TimeSpec::from_duration(time);
            let follow = UtimensatFlags::FollowSymlink;
            let result = utimensat(AT_FDCWD, &name, &TimeSpec::UTIME_OMIT, &time, follow);
            result.map_err(fault("set_attributes.modify_time"))?;
        }
        Ok(kind)
    }
}

fn set_xattr(path: &Path, name: &str, value: &[u8]) -> nix::Result<()> {
    let name = format!("{XATTR_PREFIX}{name}");
    let result = match value {
        [] => xattr::remove_deref(path, name),
        value => xattr::set_deref(path, name, value),
    };
    match result.map_err(|error| errno_of(&error)) {
        // One that is not there need not be removed.
        Err(Errno::ENODATA) => Ok(()),
        result => result,
    }
}

fn owner_of(wanted: &str) -> Result<Uid, Fault> {
    let missing = || {
        let message = format!("owner \"{wanted}\" is neither a number nor in /etc/passwd");
        Fault::new(ErrorReason::UserNotFound, message).field("set_attributes.owner")
    };
    users::user_id(wanted).map(Uid::from_raw).ok_or_else(missing)
}

fn group_of(wanted: &str) -> Result<Gid, Fault> {
    let missing = || {
        let message = format!("group \"{wanted}\" is neither a number nor in /etc/group");
        Fault::invalid("set_attributes.group", message)
    };
    users::group_id(wanted).map(Gid::from_raw).ok_or_else(missing)
}

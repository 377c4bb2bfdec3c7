//! What a path is.

use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
};

use prost_types::Timestamp;

use crate::{
    error::{Fault, errno_of},
    proto::{ErrorReason, FileInfo, FileType},
    users,
};

pub const XATTR_PREFIX: &str = "user.";
/// Most extended attributes that are read of one file, names and values. Linux allows more than fits a frame.
const MAX_XATTRS: usize = 1 << 20;

/// Describes a path; of a link the link itself.
pub fn file_info(path: &Path) -> Result<FileInfo, Fault> {
    Describe::default().file_info(path)
}

/// Describes many paths. Remembers the last owner and group: a directory's files mostly have the same.
#[derive(Default)]
pub struct Describe {
    xattrs: bool,
    owner: Option<(u32, String)>,
    group: Option<(u32, String)>,
}

impl Describe {
    pub fn new(xattrs: bool) -> Self {
        Self { xattrs, ..Self::default() }
    }

    pub fn file_info(&mut self, path: &Path) -> Result<FileInfo, Fault> {
        let meta = fs::symlink_metadata(path).map_err(|error| Fault::file(path, errno_of(&error)))?;
        let xattrs = if self.xattrs { user_xattrs(path)? } else { BTreeMap::new() };
        Ok(FileInfo { xattrs, ..self.describe(path, &meta) })
    }

    /// What `meta`, which was read by way of the path, says.
    pub fn describe(&mut self, path: &Path, meta: &Metadata) -> FileInfo {
        let (symlink_target, target_type) = target_of(path, meta);
        FileInfo {
            path: path.to_string_lossy().into_owned(),
            name: path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
            r#type: type_of(meta).into(),
            size: meta.len(),
            mode: meta.mode() & 0o7777,
            uid: meta.uid(),
            gid: meta.gid(),
            owner: cached(&mut self.owner, meta.uid(), users::user_name),
            group: cached(&mut self.group, meta.gid(), users::group_name),
            modify_time: Some(Timestamp { seconds: meta.mtime(), nanos: meta.mtime_nsec() as i32 }),
            symlink_target,
            target_type: target_type.into(),
            xattrs: Default::default(),
            inode: meta.ino(),
        }
    }
}

/// Extended attributes of the user namespace, without its prefix. None where there can't be any.
fn user_xattrs(path: &Path) -> Result<BTreeMap<String, Vec<u8>>, Fault> {
    let mut found = BTreeMap::new();
    let mut size = 0;
    for name in xattr::list(path).into_iter().flatten() {
        let Some(short) = name.to_str().and_then(|name| name.strip_prefix(XATTR_PREFIX)) else { continue };
        // One that vanished meanwhile was not there.
        let Ok(Some(value)) = xattr::get(path, &name) else { continue };
        size += short.len() + value.len();
        if size > MAX_XATTRS {
            let message = format!("{}: extended attributes over {MAX_XATTRS} bytes", path.display());
            return Err(Fault::new(ErrorReason::LimitExceeded, message));
        }
        found.insert(short.to_owned(), value);
    }
    Ok(found)
}

fn cached(cache: &mut Option<(u32, String)>, id: u32, look_up: fn(u32) -> String) -> String {
    if cache.as_ref().is_none_or(|(known, _)| *known != id) {
        *cache = Some((id, look_up(id)));
    }
    cache.as_ref().map(|(_, name)| name.clone()).unwrap_or_default()
}

fn target_of(path: &Path, meta: &Metadata) -> (String, FileType) {
    let target = meta.is_symlink().then(|| fs::canonicalize(path).ok()).flatten();
    match target.and_then(|target| fs::metadata(&target).ok().map(|meta| (target, meta))) {
        Some((target, meta)) => (target.to_string_lossy().into_owned(), type_of(&meta)),
        None => (String::new(), FileType::Unspecified),
    }
}

fn type_of(meta: &Metadata) -> FileType {
    let kind = meta.file_type();
    if kind.is_file() {
        FileType::File
    } else if kind.is_dir() {
        FileType::Directory
    } else if kind.is_symlink() {
        FileType::Symlink
    } else if kind.is_socket() || kind.is_fifo() || kind.is_block_device() || kind.is_char_device() {
        FileType::Other
    } else {
        FileType::Unspecified
    }
}

//! /etc/passwd and /etc/group, read by hand: a static binary must not call NSS.

use std::{fs, path::PathBuf};

use crate::{error::Fault, proto::ErrorReason};

#[derive(Debug, Clone, PartialEq)]
pub struct User {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups, the primary one included.
    pub groups: Vec<u32>,
    pub home: PathBuf,
    pub shell: String,
}

/// Finds a user by name or uid.
pub fn find_user(wanted: &str, field: &'static str) -> Result<User, Fault> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let group = fs::read_to_string("/etc/group").unwrap_or_default();
    find_in(&passwd, &group, wanted).ok_or_else(|| {
        Fault::new(ErrorReason::UserNotFound, format!("user \"{wanted}\" is not in /etc/passwd")).field(field)
    })
}

/// Name of a uid, or the number as text.
pub fn user_name(uid: u32) -> String {
    name_in("/etc/passwd", uid)
}

/// Name of a gid, or the number as text.
pub fn group_name(gid: u32) -> String {
    name_in("/etc/group", gid)
}

/// uid of a name, or of a number as text, which need not be in /etc/passwd.
pub fn user_id(wanted: &str) -> Option<u32> {
    id_in("/etc/passwd", wanted)
}

/// gid of a name, or of a number as text, which need not be in /etc/group.
pub fn group_id(wanted: &str) -> Option<u32> {
    id_in("/etc/group", wanted)
}

fn id_in(file: &str, wanted: &str) -> Option<u32> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let found = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (!wanted.is_empty() && fields.next()? == wanted).then(|| fields.nth(1)?.parse().ok())?
    });
    // The kernel takes the highest number for "leave it".
    found.or_else(|| wanted.parse().ok().filter(|id| *id != u32::MAX))
}

/// Both files have the name first and the number third.
fn name_in(file: &str, id: u32) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let found = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    });
    found.unwrap_or_else(|| id.to_string())
}

fn find_in(passwd: &str, group: &str, wanted: &str) -> Option<User> {
    let by_name = passwd.lines().filter_map(parse_user).find(|user| user.name == wanted);
    let by_uid = || {
        let uid: u32 = wanted.parse().ok()?;
        passwd.lines().filter_map(parse_user).find(|user| user.uid == uid)
    };
    let mut user = by_name.or_else(by_uid).or_else(|| fallback_root(passwd, wanted))?;
    user.groups = groups_of(group, &user.name, user.gid);
    Some(user)
}

/// An image need not have a root entry, or a passwd file at all; its processes still have to run as someone.
fn fallback_root(passwd: &str, wanted: &str) -> Option<User> {
    let has_root = passwd.lines().filter_map(parse_user).any(|user| user.uid == 0);
    (!has_root && matches!(wanted, "root" | "0")).then(|| User {
        name: "root".into(),
        uid: 0,
        gid: 0,
        groups: vec![0],
        home: "/root".into(),
        shell: "/bin/sh".into(),
    })
}

fn parse_user(line: &str) -> Option<User> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, home, shell] = fields[..] else { return None };
    if name.is_empty() || name.starts_with('#') {
        return None;
    }
    Some(User {
        name: name.into(),
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        groups: Vec::new(),
        home: if home.is_empty() { "/".into() } else { home.into() },
        shell: if shell.is_empty() { "/bin/sh".into() } else { shell.into() },
    })
}

fn groups_of(group: &str, name: &str, gid: u32) -> Vec<u32> {
    let mut found = vec![gid];
    for line in group.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [_, _, id, members] = fields[..] else { continue };
        let Ok(id) = id.parse() else { continue };
        if members.split(',').any(|member| member == name) && !found.contains(&id) {
            found.push(id);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nbroken:line\n#c:x:9:9::/:/x\nuser:x:1000:1001:,,,:/home/user:/bin/zsh\nbare:x:7:7:::\n";
    const GROUP: &str = "root:x:0:\nsudo:x:27:user,other\nuser:x:1001:user\ndocker:x:999:other,user\nodd\n";

    #[test]
    fn a_user_is_found_by_name_and_by_uid_with_its_groups() {
        let user = find_in(PASSWD, GROUP, "user").unwrap();
        assert_eq!((user.uid, user.gid, user.groups.clone()), (1000, 1001, vec![1001, 27, 999]));
        assert_eq!(find_in(PASSWD, GROUP, "1000"), Some(user));
    }

    #[test]
    fn empty_home_and_shell_have_defaults() {
        let user = find_in(PASSWD, GROUP, "bare").unwrap();
        assert_eq!((user.home.to_str(), user.shell.as_str()), (Some("/"), "/bin/sh"));
    }

    #[test]
    fn a_comment_a_broken_line_and_an_unknown_name_are_no_users() {
        for name in ["broken", "#c", "9", "nobody", ""] {
            assert_eq!(find_in(PASSWD, GROUP, name), None, "{name}");
        }
    }

    #[test]
    fn root_exists_where_the_image_has_no_passwd() {
        assert_eq!(find_in("", "", "root").unwrap().uid, 0);
        assert_eq!(find_in("", "", "0").unwrap().uid, 0);
        assert_eq!(find_in("", "", "user"), None);
    }
}

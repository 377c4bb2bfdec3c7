//! Paths as the host writes them.

use std::path::{Component, Path, PathBuf};

use crate::error::Fault;

/// An absolute, plain path. "~" and relative paths count from the user's home; ".." is resolved by text.
pub fn resolve(field: &'static str, wanted: &str, home: &Path) -> Result<PathBuf, Fault> {
    if wanted.is_empty() {
        return Err(Fault::invalid(field, "the path is empty"));
    }
    if wanted.contains('\0') {
        return Err(Fault::invalid(field, "the path contains NUL"));
    }
    let below_home = match wanted {
        "~" => "",
        _ => wanted.strip_prefix("~/").unwrap_or(wanted),
    };
    let mut path = PathBuf::from("/");
    // An absolute path replaces the home it is joined to; "~//x" stays below it.
    let joined = if below_home.len() < wanted.len() {
        home.join(below_home.trim_start_matches('/'))
    } else {
        home.join(wanted)
    };
    for part in joined.components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_absolute_and_plain() {
        let of = |wanted| resolve("path", wanted, Path::new("/home/u")).unwrap();
        for (wanted, expected) in [
            ("~", "/home/u"),
            ("~/a", "/home/u/a"),
            ("~//a", "/home/u/a"),
            ("a/./b//c/", "/home/u/a/b/c"),
            ("../x", "/home/x"),
            ("/", "/"),
            ("/../../etc", "/etc"),
            ("/a/../b", "/b"),
            ("~other", "/home/u/~other"),
        ] {
            assert_eq!(of(wanted), Path::new(expected), "{wanted}");
        }
    }

    #[test]
    fn an_empty_path_and_nul_are_refused() {
        for wanted in ["", "a\0b"] {
            assert_eq!(resolve("x.path", wanted, Path::new("/")).unwrap_err().field, "x.path");
        }
    }
}

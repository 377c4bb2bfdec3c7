//! /run/daytonah/generation: what the last change of the VM's life was, for programs that watch it.

use std::{fs, path::Path};

use super::Life;
use crate::{console, proto::LifeEvent};

/// Name of an event for programs.
pub fn name_of(event: LifeEvent) -> &'static str {
    match event {
        LifeEvent::Unspecified => "started",
        LifeEvent::Resumed => "resumed",
        LifeEvent::Forked => "forked",
        LifeEvent::Claimed => "claimed",
    }
}

/// By a rename, so that a reader finds the former content or the new one, and a watch of the folder sees one event.
pub fn tell(root: &Path, life: &Life, event: LifeEvent) {
    let folder = root.join("run/daytonah");
    let text = format!("epoch={}\nwake={}\nevent={}\n", life.epoch, life.wake, name_of(event));
    let draft = folder.join(".generation");
    let result = fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&draft, text))
        .and_then(|()| fs::rename(&draft, folder.join("generation")));
    if let Err(error) = result {
        // A program may have filled /run; the VM has its identity all the same.
        console::warn(format_args!("/run/daytonah/generation: {error}"));
    }
}

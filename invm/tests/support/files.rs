//! What the tests about files have in common.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, path::PathBuf};

use invm::proto::{Error, FileInfo, PingRequest, request::Call, response::Event};

use super::TestAgent;

/// An agent and a folder that everybody may write to.
pub fn set_up() -> (TestAgent, PathBuf) {
    let agent = TestAgent::start();
    let folder = agent.folder.join("files");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    (agent, folder)
}

pub fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// The answer of calls that describe one file.
pub fn info(events: Vec<Event>) -> Result<FileInfo, Error> {
    let [Event::FileInfo(info)] = &events[..] else { panic!("{events:?}") };
    Ok(info.clone())
}

pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Memory of an agent, in bytes.
pub fn resident(agent: &TestAgent) -> u64 {
    let events = agent.run(Call::Ping(PingRequest::default())).unwrap();
    let [Event::Pong(pong)] = &events[..] else { panic!("{events:?}") };
    pong.agent_resident_bytes
}

/// A folder in memory, for very many files; goes with the test.
pub struct InMemory(pub PathBuf);

impl InMemory {
    pub fn new(agent: &TestAgent) -> Self {
        let folder = Path::new("/dev/shm").join(agent.folder.file_name().unwrap());
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for InMemory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

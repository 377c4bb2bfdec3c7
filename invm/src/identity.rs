//! Who the VM is: personalize, set_clock and add_entropy.

use std::{
    collections::BTreeMap,
    fs,
    os::fd::AsFd,
    sync::{Arc, Mutex},
};

use crate::{
    agent::Mode,
    error::Fault,
    process::spec::check_env,
    proto::{
        AddEntropyRequest, Environment, ErrorReason, PersonalizeRequest, Personalized, SetClockRequest,
        SetEnvironmentRequest,
    },
    sync::lock,
    sys,
    wire::since_epoch,
};

/// Names and values together.
const MAX_ENVIRONMENT: usize = 1 << 20;

/// What processes get unless they say otherwise.
#[derive(Default, Clone)]
pub struct Defaults {
    pub env: Arc<BTreeMap<String, String>>,
    user: String,
    pub cwd: String,
}

impl Defaults {
    pub fn user_or_default<'a>(&'a self, wanted: &'a str) -> &'a str {
        if wanted.is_empty() { &self.user } else { wanted }
    }
}

#[derive(Default)]
struct Known {
    epoch: Option<u64>,
    defaults: Defaults,
}

pub struct Identity(Mutex<Known>);

impl Default for Identity {
    fn default() -> Self {
        let defaults = Defaults { user: first_user(), ..Default::default() };
        Self(Mutex::new(Known { epoch: None, defaults }))
    }
}

impl Identity {
    pub fn defaults(&self) -> Defaults {
        lock(&self.0).defaults.clone()
    }

    /// What processes get before their own additions.
    pub fn environment(&self) -> Environment {
        Environment { env: (*self.defaults().env).clone() }
    }

    /// Changes it for processes started later; answers with the whole of it.
    pub fn set_environment(&self, request: SetEnvironmentRequest) -> Result<Environment, Fault> {
        let SetEnvironmentRequest { set, unset, replace } = request;
        check_env("set_environment.set", &set)?;
        let mut known = lock(&self.0);
        let mut env = if replace { BTreeMap::new() } else { (*known.defaults.env).clone() };
        unset.iter().for_each(|name| drop(env.remove(name)));
        env.extend(set);
        check_size("set_environment.set", &env)?;
        known.defaults.env = Arc::new(env.clone());
        Ok(Environment { env })
    }

    /// Idempotent by epoch: a repeat changes nothing, an older one is refused.
    pub fn personalize(&self, mode: Mode, request: PersonalizeRequest) -> Result<Personalized, Fault> {
        let mut known = lock(&self.0);
        let epoch = request.epoch;
        match known.epoch {
            Some(last) if epoch == last => return Ok(Personalized { epoch, hook_time: None }),
            Some(last) if epoch < last => {
                return Err(Fault::invalid(
                    "personalize.epoch",
                    format!("epoch {epoch} is older than {last}"),
                ));
            }
            _ => {}
        }
        check_env("personalize.env", &request.env)?;
        check_size("personalize.env", &request.env)?;
        if !request.entropy.is_empty() {
            check_entropy("personalize.entropy", &request.entropy)?;
        }
        let hostname = if request.hostname.is_empty() { &request.sandbox_id } else { &request.hostname };
        check_hostname(hostname)?;
        let wall_clock = request.wall_clock.as_ref();
        let wall_clock = wall_clock.map(|time| since_epoch("personalize.wall_clock", time)).transpose()?;
        if mode == Mode::Vm {
            // Randomness first: nothing of the new identity may be guessed from the old one's.
            if !request.entropy.is_empty() {
                credit(&request.entropy)?;
            }
            if let Some(time) = wall_clock {
                step_clock(time)?;
            }
            if !hostname.is_empty() {
                set_hostname(hostname)?;
            }
            if request.new_machine_id {
                write_machine_id(&request.sandbox_id, epoch)?;
            }
        }
        let user = Some(request.default_user).filter(|user| !user.is_empty());
        let user = user.unwrap_or_else(first_user);
        known.defaults = Defaults { env: Arc::new(request.env), user, cwd: request.default_cwd };
        known.epoch = Some(epoch);
        Ok(Personalized { epoch, hook_time: None })
    }
}

/// The kernel takes no more than 2 MiB of arguments and environment together; a process adds its own.
fn check_size(field: &'static str, env: &BTreeMap<String, String>) -> Result<(), Fault> {
    let size: usize = env.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size <= MAX_ENVIRONMENT {
        return Ok(());
    }
    let message = format!("an environment of {size} bytes: the limit is {MAX_ENVIRONMENT}");
    Err(Fault::new(ErrorReason::LimitExceeded, message).field(field))
}

/// Who processes run as unless told otherwise: root, or ourselves where we are not root.
fn first_user() -> String {
    let own = nix::unistd::geteuid();
    if own.is_root() { "root".into() } else { own.to_string() }
}

pub fn set_clock(mode: Mode, request: &SetClockRequest) -> Result<(), Fault> {
    let field = "set_clock.wall_clock";
    let time = request.wall_clock.as_ref().ok_or_else(|| Fault::invalid(field, "no time is set"))?;
    let time = since_epoch(field, time)?;
    if mode == Mode::Vm { step_clock(time) } else { Ok(()) }
}

pub fn add_entropy(mode: Mode, request: &AddEntropyRequest) -> Result<(), Fault> {
    check_entropy("add_entropy.entropy", &request.entropy)?;
    if mode == Mode::Vm { credit(&request.entropy) } else { Ok(()) }
}

fn step_clock(time: std::time::Duration) -> Result<(), Fault> {
    sys::set_wall_clock(time).map_err(|errno| denied("wall clock", errno))
}

fn check_entropy(field: &'static str, entropy: &[u8]) -> Result<(), Fault> {
    match entropy.len() {
        32..=sys::MAX_ENTROPY => Ok(()),
        length => Err(Fault::invalid(field, format!("{length} bytes of entropy: the range is 32 to 512"))),
    }
}

fn credit(entropy: &[u8]) -> Result<(), Fault> {
    let random = fs::OpenOptions::new().write(true).open("/dev/urandom");
    let random = random.map_err(|error| Fault::internal("/dev/urandom", error))?;
    sys::add_entropy(random.as_fd(), entropy).map_err(|errno| denied("entropy", errno))
}

fn check_hostname(name: &str) -> Result<(), Fault> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if name.len() <= 64 && name.bytes().all(plain) {
        return Ok(());
    }
    Err(Fault::invalid("personalize.hostname", "a host name has at most 64 of [A-Za-z0-9._-]"))
}

/// The name itself, and where programs look it up.
fn set_hostname(name: &str) -> Result<(), Fault> {
    nix::unistd::sethostname(name).map_err(|errno| denied("host name", errno))?;
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    let result = fs::create_dir_all("/etc")
        .and_then(|()| fs::write("/etc/hostname", format!("{name}\n")))
        .and_then(|()| fs::write("/etc/hosts", hosts_with(&hosts, name)));
    if let Err(error) = result {
        // A read-only root is no reason to refuse the identity.
        crate::console::warn(format_args!("host name in /etc: {error}"));
    }
    Ok(())
}

fn hosts_with(hosts: &str, name: &str) -> String {
    let others = hosts.lines().filter(|line| !line.starts_with("127.0.1.1"));
    let mut lines: Vec<String> = others.map(str::to_owned).collect();
    if !lines.iter().any(|line| line.split_whitespace().any(|word| word == "localhost")) {
        lines.push("127.0.0.1 localhost".into());
        lines.push("::1 localhost".into());
    }
    lines.push(format!("127.0.1.1 {name}"));
    lines.join("\n") + "\n"
}

fn write_machine_id(sandbox_id: &str, epoch: u64) -> Result<(), Fault> {
    let id = machine_id(sandbox_id, epoch);
    fs::write("/etc/machine-id", format!("{id}\n")).map_err(|error| Fault::internal("/etc/machine-id", error))
}

/// 128 bits by FNV-1a: the same for the same sandbox and epoch, another one for any other. It is no secret.
fn machine_id(sandbox_id: &str, epoch: u64) -> String {
    let start = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58du128;
    let prime = 0x0100_0000_0000_0000_0000_013bu128;
    let bytes = sandbox_id.bytes().chain([0]).chain(epoch.to_be_bytes());
    let hash = bytes.fold(start, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(prime));
    format!("{hash:032x}")
}

fn denied(what: &str, errno: nix::errno::Errno) -> Fault {
    Fault::new(ErrorReason::Internal, format!("{what}: {}", errno.desc())).code(errno)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(epoch: u64, value: &str) -> PersonalizeRequest {
        let env = BTreeMap::from([("A".to_owned(), value.to_owned())]);
        PersonalizeRequest { sandbox_id: "sbx1".into(), epoch, env, ..Default::default() }
    }

    #[test]
    fn the_same_epoch_changes_nothing_and_a_lower_one_is_refused() {
        let identity = Identity::default();
        let mode = Mode::Development;
        identity.personalize(mode, request(3, "three")).unwrap();
        assert_eq!(identity.personalize(mode, request(3, "again")).unwrap().epoch, 3);
        assert_eq!(identity.defaults().env["A"], "three");
        let fault = identity.personalize(mode, request(2, "two")).unwrap_err();
        assert_eq!((fault.reason, fault.field), (ErrorReason::InvalidArgument, "personalize.epoch"));
        identity.personalize(mode, request(4, "four")).unwrap();
        assert_eq!(identity.defaults().env["A"], "four");
    }

    #[test]
    fn a_refused_request_leaves_the_epoch() {
        let identity = Identity::default();
        let bad = PersonalizeRequest { entropy: vec![1; 31], ..request(9, "x") };
        assert_eq!(identity.personalize(Mode::Development, bad).unwrap_err().field, "personalize.entropy");
        assert_eq!(identity.personalize(Mode::Development, request(1, "ok")).unwrap().epoch, 1);
    }

    #[test]
    fn hosts_names_the_machine_once() {
        let once = hosts_with("127.0.0.1 localhost\n", "a");
        assert_eq!(once, "127.0.0.1 localhost\n127.0.1.1 a\n");
        assert_eq!(hosts_with(&once, "b"), "127.0.0.1 localhost\n127.0.1.1 b\n");
    }

    #[test]
    fn machine_ids_differ_by_sandbox_and_epoch() {
        let ids = [machine_id("a", 1), machine_id("a", 2), machine_id("b", 1)];
        assert!(ids.iter().all(|id| id.len() == 32));
        assert!(ids[0] != ids[1] && ids[0] != ids[2] && ids[1] != ids[2]);
    }
}

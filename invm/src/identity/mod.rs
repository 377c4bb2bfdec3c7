//! Who the VM is: personalize, and what its processes get from that.

mod generation;
mod hooks;
pub mod kernel;
mod names;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{
    agent::{Agent, Mode},
    error::Fault,
    process::spec::check_env,
    proto::{Environment, ErrorReason, LifeEvent, PersonalizeRequest, Personalized, SetEnvironmentRequest},
    sync::lock,
    wire::{duration_of, since_epoch, to_proto_duration},
};

/// Names and values together.
const MAX_ENVIRONMENT: usize = 1 << 20;
const HOOK_LIMIT: Duration = Duration::from_secs(5);
const MAX_HOOK_LIMIT: Duration = Duration::from_secs(60);

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

/// What a repeat is known by.
#[derive(Debug, Clone, PartialEq)]
pub struct Life {
    sandbox_id: String,
    epoch: u64,
    wake: u64,
}

#[derive(Default)]
struct Known {
    life: Option<Life>,
    defaults: Defaults,
}

pub struct Identity {
    known: Mutex<Known>,
    /// Whose hooks ran last; held while they run.
    told: Mutex<Option<Life>>,
}

impl Default for Identity {
    fn default() -> Self {
        let defaults = Defaults { user: first_user(), ..Default::default() };
        Self { known: Mutex::new(Known { life: None, defaults }), told: Mutex::default() }
    }
}

impl Identity {
    pub fn defaults(&self) -> Defaults {
        lock(&self.known).defaults.clone()
    }

    /// What processes get before their own additions.
    pub fn environment(&self) -> Environment {
        Environment { env: (*self.defaults().env).clone() }
    }

    /// Changes it for processes started later; answers with the whole of it.
    pub fn set_environment(&self, request: SetEnvironmentRequest) -> Result<Environment, Fault> {
        let SetEnvironmentRequest { set, unset, replace } = request;
        check_env("set_environment.set", &set)?;
        let mut known = lock(&self.known);
        let mut env = if replace { BTreeMap::new() } else { (*known.defaults.env).clone() };
        unset.iter().for_each(|name| drop(env.remove(name)));
        env.extend(set);
        check_size("set_environment.set", &env)?;
        known.defaults.env = Arc::new(env.clone());
        Ok(Environment { env })
    }
}

/// A repeat is told the time and given entropy, which is right at any moment; the rest it finds done.
pub fn personalize(agent: &'static Agent, request: PersonalizeRequest) -> Result<Personalized, Fault> {
    let event = request.event();
    let hook_limit = hook_limit(&request)?;
    let life = take_on(agent, request)?;
    agent.freeze.thaw(agent.mode);
    let hook_time = tell_programs(agent, &life, event, hook_limit);
    Ok(Personalized { epoch: life.epoch, hook_time: hook_time.map(to_proto_duration) })
}

/// All that has to be before a program of the sandbox runs. Nothing is changed where the request is refused.
fn take_on(agent: &Agent, request: PersonalizeRequest) -> Result<Life, Fault> {
    let mut known = lock(&agent.identity.known);
    let life = Life { sandbox_id: request.sandbox_id.clone(), epoch: request.epoch, wake: request.wake };
    let repeated = known.life.as_ref() == Some(&life);
    known.refuse_older(&life)?;
    let defaults = known.defaults_after(&request)?;
    if !request.entropy.is_empty() {
        kernel::check_entropy("personalize.entropy", &request.entropy)?;
    }
    let hostname = if request.hostname.is_empty() { &request.sandbox_id } else { &request.hostname };
    names::check_hostname(hostname)?;
    let wall_clock = request.wall_clock.as_ref();
    let wall_clock = wall_clock.map(|time| since_epoch("personalize.wall_clock", time)).transpose()?;
    let as_of = request.wall_clock_as_of.as_ref();
    let as_of = as_of.map(|uptime| duration_of("personalize.wall_clock_as_of", uptime)).transpose()?;
    if agent.mode == Mode::Vm {
        // Randomness first: nothing of the new identity may be guessed from the old one's.
        if !request.entropy.is_empty() {
            kernel::credit(&request.entropy)?;
        }
        if let Some(time) = wall_clock {
            kernel::step_clock(agent, time, as_of)?;
        }
    }
    agent.freeze.thaw_disk(agent.mode);
    if repeated {
        return Ok(life);
    }
    if let Some(root) = &agent.root {
        if !hostname.is_empty() {
            names::set_hostname(agent.mode, root, hostname)?;
        }
        if request.new_machine_id {
            names::write_machine_id(root, &life.sandbox_id, life.epoch)?;
        }
        generation::tell(root, &life, request.event());
    }
    known.defaults = defaults;
    known.life = Some(life.clone());
    Ok(life)
}

impl Known {
    fn refuse_older(&self, life: &Life) -> Result<(), Fault> {
        let Some(last) = self.life.as_ref().filter(|last| last.sandbox_id == life.sandbox_id) else {
            return Ok(());
        };
        let (epoch, wake) = (life.epoch, life.wake);
        if epoch < last.epoch {
            let message = format!("epoch {epoch} is older than {}", last.epoch);
            return Err(Fault::invalid("personalize.epoch", message));
        }
        if epoch == last.epoch && wake < last.wake {
            let message = format!("wake {wake} of epoch {epoch} is older than {}", last.wake);
            return Err(Fault::invalid("personalize.wake", message));
        }
        Ok(())
    }

    fn defaults_after(&self, request: &PersonalizeRequest) -> Result<Defaults, Fault> {
        let field = "personalize.env";
        check_env(field, &request.env)?;
        let mut defaults = if request.keep_environment {
            self.defaults.clone()
        } else {
            let user = Some(&request.default_user).filter(|user| !user.is_empty());
            let user = user.cloned().unwrap_or_else(first_user);
            Defaults { user, cwd: request.default_cwd.clone(), ..Default::default() }
        };
        Arc::make_mut(&mut defaults.env).extend(request.env.clone());
        check_size(field, &defaults.env)?;
        Ok(defaults)
    }
}

fn hook_limit(request: &PersonalizeRequest) -> Result<Duration, Fault> {
    let field = "personalize.hook_timeout";
    let limit = request.hook_timeout.as_ref().map_or(Ok(HOOK_LIMIT), |value| duration_of(field, value))?;
    if limit <= MAX_HOOK_LIMIT {
        return Ok(limit);
    }
    Err(Fault::invalid(field, format!("a time-out of {} s: the limit is 60 s", limit.as_secs())))
}

/// Once for each life; a repeat waits until they are told, whoever does that.
fn tell_programs(agent: &'static Agent, life: &Life, event: LifeEvent, limit: Duration) -> Option<Duration> {
    let root = agent.root.as_ref().filter(|_| event != LifeEvent::Unspecified)?;
    let mut told = lock(&agent.identity.told);
    let over = || lock(&agent.identity.known).life.as_ref() != Some(life);
    if told.as_ref() == Some(life) || over() {
        return None;
    }
    let time = hooks::run(agent, root, life.epoch, event, limit);
    *told = Some(life.clone());
    time
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

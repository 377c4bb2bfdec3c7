//! `invm`: PID 1 of a sandbox's VM. For tests without a VM: `invm --listen-unix <path> [--root <directory>]`.

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};

use invm::{
    agent::{Agent, Mode},
    boot, reap,
    serve::serve,
    sys, tunables,
    vsock::{Listener, PORT},
};

fn main() -> ExitCode {
    tunables::apply();
    sys::tune_heap();
    reap::block_child_signal();
    let args: Vec<String> = env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("--version") => {
            println!("invm {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Some("--listen-unix") if args.len() == 2 || (args.len() == 4 && args[2] == "--root") => {
            let Err(reason) = run_in_development(Path::new(&args[1]), args.get(3).map(PathBuf::from));
            eprintln!("invm: {reason}");
            ExitCode::FAILURE
        }
        _ if std::process::id() == 1 => match run_in_vm() {
            Err(reason) => boot::give_up(&reason),
        },
        _ => {
            eprintln!(
                "invm runs as PID 1 of a VM; for tests: invm --listen-unix <path> [--root <directory>]"
            );
            ExitCode::FAILURE
        }
    }
}

fn run_in_vm() -> Result<std::convert::Infallible, String> {
    boot::boot().map_err(|failed| failed.0)?;
    let agent = Agent::new(Mode::Vm, Some("/".into()));
    reap::start_reaper(agent).map_err(|fault| fault.message)?;
    let listener = Listener::vsock(PORT).map_err(|errno| format!("vsock port {PORT}: {}", errno.desc()))?;
    serve(agent, &listener)
}

fn run_in_development(path: &Path, root: Option<PathBuf>) -> Result<std::convert::Infallible, String> {
    let agent = Agent::new(Mode::Development, root);
    reap::start_reaper(agent).map_err(|fault| fault.message)?;
    let listener = Listener::unix(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serve(agent, &listener)
}

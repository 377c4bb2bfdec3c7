mod support;
use support::*;

#[test]
fn a_ping_and_a_shell_line_are_answered() {
    let agent = TestAgent::start();
    agent.assert_alive();
    let outcome = agent.start_process(shell("p1", "echo hello; echo oops >&2; exit 3")).unwrap();
    assert_eq!(outcome.text(), "hello\noops\n");
    assert_eq!(outcome.exited.exit_code, 3);
}

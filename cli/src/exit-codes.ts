/** Exit codes of dnah. `run` and `exec` pass the command's own code on, so their failures need a code that commands rarely use. */
export const exitCodes = {
  /** A command of dnah failed. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** `run` or `exec` failed before or beside the command, as with docker. */
  noCommand: 125,
  /** Ended by Ctrl-C: 128 + SIGINT. */
  interrupted: 130,
  /** Nobody reads the output any more: 128 + SIGPIPE. */
  brokenPipe: 141,
} as const;

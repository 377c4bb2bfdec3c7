/** Guest kernel arguments that hostd gives to every VM, beside the driver's own. invm/README.md lists those it reads. */
export function guestCmdline(moduleFilesystem: string): readonly string[] {
  return ["dnah.root=/dev/vda", "dnah.modules=/dev/vdb", `dnah.modules_fs=${moduleFilesystem}`];
}

package supervise

import "syscall"

// attributes: a process group of its own, so that all it starts can be
// signalled; and the kernel ends it when its supervisor is killed, so that
// nothing runs that nobody looks after.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

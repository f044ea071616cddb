package allinone

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// listen takes an address. Where it is the default and taken, a free port is
// taken instead; where somebody asked for it, that it is taken is an error.
func listen(what, addr string, explicit bool, flag string) (l net.Listener, moved bool, err error) {
	l, err = net.Listen("tcp", addr)
	if err == nil {
		return l, false, nil
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return nil, false, fmt.Errorf("%s cannot listen on %s: %w; name another address with %s", what, addr, err, flag)
	}
	if explicit {
		return nil, false, fmt.Errorf("%s cannot listen on %s: the port is taken; stop what uses it or name another with %s", what, addr, flag)
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, false, err
	}
	l, err = net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, false, fmt.Errorf("%s finds no free port: %w", what, err)
	}
	return l, true, nil
}

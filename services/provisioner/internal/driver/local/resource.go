package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
)

// Serve is the hidden command: it is one resource until ctx ends (SIGTERM).
// args are its kind and name, for whoever looks at the process table; what
// counts comes on in.
func Serve(ctx context.Context, _ []string, in io.Reader) error {
	var o order
	if err := json.NewDecoder(in).Decode(&o); err != nil {
		return fmt.Errorf("this command is started by the provisioner, which tells it on standard input what to be: %w", err)
	}
	serve := map[string]func(context.Context, order, func(port int) error) error{
		kindRedis: serveRedis, kindS3: serveS3, kindJetStream: serveJetStream,
	}[o.Kind]
	if serve == nil {
		return fmt.Errorf("no resource of kind %q has a process", o.Kind)
	}
	err := serve(ctx, o, func(port int) error {
		return o.say(status{Ready: true, Port: port})
	})
	if err != nil {
		return errors.Join(err, o.say(status{Error: err.Error(), Final: driver.IsPermanent(err)}))
	}
	return nil
}

func (o order) say(s status) error {
	s.Start, s.PID = o.Start, os.Getpid()
	return writeJSON(filepath.Join(o.Home, "status.json"), s)
}

// address is where to listen: the port that the resource had before if it is
// still free, else any.
func (o order) address() (string, int, error) {
	for _, port := range []int{o.Port, 0} {
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			continue
		}
		taken := l.Addr().(*net.TCPAddr).Port
		if err := l.Close(); err != nil {
			return "", 0, err
		}
		return net.JoinHostPort(host, strconv.Itoa(taken)), taken, nil
	}
	return "", 0, errors.New("no port is free on " + host)
}

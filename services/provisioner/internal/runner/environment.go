package runner

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// systemPath is where a module's scripts find programs.
const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// The engine asks for the state again for more than two minutes: a platform
// that is being restarted is back by then.
const (
	retries     = 30
	retryFirst  = time.Second
	retryLast   = 5 * time.Second
	lockTimeout = 30 * time.Second
)

var validName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// CheckEnv says why a definition may not set a variable of the environment.
func CheckEnv(name string) error {
	switch {
	case !validName.MatchString(name):
		return fmt.Errorf("env: %q is no name of a variable: letters, digits and '_', no digit first", name)
	case strings.HasPrefix(name, "TF_VAR_"):
		return fmt.Errorf("env: %s: give the module's variables as inputs", name)
	case strings.HasPrefix(name, "TF_"), strings.HasPrefix(name, "SLIPWAY_"),
		slices.Contains([]string{"CHECKPOINT_DISABLE", "HOME", "TMPDIR"}, name):
		return fmt.Errorf("env: %s is set by the platform; leave it out", name)
	}
	return nil
}

// environment is all that the engine, and with it the module, is given.
func (r *run) environment() map[string]string {
	state := r.Backend + "/stacks/" + r.Stack + "/state"
	env := map[string]string{"PATH": systemPath, "LANG": "C.UTF-8"}
	maps.Copy(env, r.Env)
	maps.Copy(env, map[string]string{
		"HOME":   r.folder.path("home"),
		"TMPDIR": r.folder.path("tmp"),
		// Engine and provider talk through a socket, whose path the kernel holds
		// to 107 bytes: from the module's folder, where both work, it is short.
		"PLUGIN_UNIX_SOCKET_DIR": filepath.Join("..", "tmp"),
		"CHECKPOINT_DISABLE":     "1",
		"TF_CLI_CONFIG_FILE":     r.folder.path(fileConfig),
		"TF_DATA_DIR":            r.folder.path(FileData),

		"TF_HTTP_ADDRESS":        state,
		"TF_HTTP_LOCK_ADDRESS":   state,
		"TF_HTTP_UNLOCK_ADDRESS": state,
		"TF_HTTP_UPDATE_METHOD":  "POST",
		"TF_HTTP_LOCK_METHOD":    "LOCK",
		"TF_HTTP_UNLOCK_METHOD":  "UNLOCK",
		"TF_HTTP_USERNAME":       r.Run,
		"TF_HTTP_PASSWORD":       r.Token,
		"TF_HTTP_RETRY_MAX":      fmt.Sprint(retries),
		"TF_HTTP_RETRY_WAIT_MIN": seconds(retryFirst),
		"TF_HTTP_RETRY_WAIT_MAX": seconds(retryLast),
	})
	if name, value, ok := strings.Cut(r.Marker, "="); ok {
		env[name] = value
	}
	return env
}

func seconds(d time.Duration) string { return fmt.Sprint(int(d / time.Second)) }

func list(env map[string]string) []string {
	out := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		out = append(out, name+"="+env[name])
	}
	return out
}

// fileConfig is the engine's configuration file, empty when the platform has
// none: without it the engine would look for one in HOME.
const fileConfig = "cli.tfrc"

// fileBackend puts the state where the platform keeps it, whatever the module
// says of it: an override wins. Where it is, and the token, are told by the
// environment, so that neither the folder nor a stored plan holds them.
const (
	fileBackend = "zz_slipway_override.tf.json"
	backend     = `{"terraform": {"backend": {"http": {}}}}` + "\n"
)

// furnish makes the folder what the engine expects.
func (r *run) furnish() error {
	for _, dir := range []string{"home", "tmp", FileData} {
		if err := r.folder.mkdir(dir); err != nil {
			return err
		}
	}
	if err := r.folder.write(fileConfig, []byte(r.CLIConfig)); err != nil {
		return err
	}
	return r.folder.write(filepath.Join(FileModule, fileBackend), []byte(backend))
}

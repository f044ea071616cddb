package crash

import (
	"os"
	"testing"

	"github.com/slipway-idp/slipway/tests/platform"
)

// binaries of this run; see platform.Main.
var binaries *platform.Binaries

func TestMain(m *testing.M) { os.Exit(platform.Main(m, &binaries)) }

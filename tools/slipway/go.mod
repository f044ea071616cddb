module github.com/slipway-idp/slipway/tools/slipway

go 1.26.0

require (
	github.com/mattn/go-isatty v0.0.24
	github.com/rs/zerolog v1.35.1
	github.com/slipway-idp/slipway/events v0.0.0
	github.com/slipway-idp/slipway/libs v0.0.0
	github.com/slipway-idp/slipway/libs/client v0.0.0
	github.com/slipway-idp/slipway/services/catalog v0.0.0
	github.com/slipway-idp/slipway/services/deployer v0.0.0
	github.com/slipway-idp/slipway/services/gateway v0.0.0
	github.com/slipway-idp/slipway/services/notifier v0.0.0
	github.com/slipway-idp/slipway/services/observer v0.0.0
	github.com/slipway-idp/slipway/services/policy v0.0.0
	github.com/slipway-idp/slipway/services/provisioner v0.0.0
	github.com/spf13/cobra v1.10.2
	github.com/spf13/pflag v1.0.10
	github.com/stretchr/testify v1.12.1
	go.yaml.in/yaml/v3 v3.0.6
)

require gopkg.in/natefinch/lumberjack.v2 v2.2.1 // indirect

replace (
	github.com/slipway-idp/slipway/events => ../../events
	github.com/slipway-idp/slipway/libs => ../../libs
	github.com/slipway-idp/slipway/libs/client => ../../libs/client
	github.com/slipway-idp/slipway/services/catalog => ../../services/catalog
	github.com/slipway-idp/slipway/services/deployer => ../../services/deployer
	github.com/slipway-idp/slipway/services/gateway => ../../services/gateway
	github.com/slipway-idp/slipway/services/notifier => ../../services/notifier
	github.com/slipway-idp/slipway/services/observer => ../../services/observer
	github.com/slipway-idp/slipway/services/policy => ../../services/policy
	github.com/slipway-idp/slipway/services/provisioner => ../../services/provisioner
)

module github.com/slipway-idp/slipway/tools/slipway

go 1.26

require (
	github.com/slipway-idp/slipway/events v0.0.0
	github.com/slipway-idp/slipway/libs v0.0.0
	github.com/slipway-idp/slipway/libs/client v0.0.0
	github.com/slipway-idp/slipway/services/gateway v0.0.0
	github.com/slipway-idp/slipway/services/catalog v0.0.0
	github.com/slipway-idp/slipway/services/provisioner v0.0.0
	github.com/slipway-idp/slipway/services/deployer v0.0.0
	github.com/slipway-idp/slipway/services/policy v0.0.0
	github.com/slipway-idp/slipway/services/notifier v0.0.0
	github.com/slipway-idp/slipway/services/observer v0.0.0
)

replace (
	github.com/slipway-idp/slipway/events => ../../events
	github.com/slipway-idp/slipway/libs => ../../libs
	github.com/slipway-idp/slipway/libs/client => ../../libs/client
	github.com/slipway-idp/slipway/services/gateway => ../../services/gateway
	github.com/slipway-idp/slipway/services/catalog => ../../services/catalog
	github.com/slipway-idp/slipway/services/provisioner => ../../services/provisioner
	github.com/slipway-idp/slipway/services/deployer => ../../services/deployer
	github.com/slipway-idp/slipway/services/policy => ../../services/policy
	github.com/slipway-idp/slipway/services/notifier => ../../services/notifier
	github.com/slipway-idp/slipway/services/observer => ../../services/observer
)

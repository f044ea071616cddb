module github.com/slipway-idp/slipway/services/catalog

go 1.26

require (
	github.com/slipway-idp/slipway/events v0.0.0
	github.com/slipway-idp/slipway/libs v0.0.0
)

replace (
	github.com/slipway-idp/slipway/events => ../../events
	github.com/slipway-idp/slipway/libs => ../../libs
)

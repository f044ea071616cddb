module github.com/slipway-idp/slipway/tools/eventgen

go 1.26

require (
	github.com/slipway-idp/slipway/events v0.0.0
)

replace (
	github.com/slipway-idp/slipway/events => ../../events
)

module github.com/slipway-idp/slipway/events

go 1.26

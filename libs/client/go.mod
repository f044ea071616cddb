module github.com/slipway-idp/slipway/libs/client

go 1.26

module github.com/slipway-idp/slipway/tools/modsync

go 1.26

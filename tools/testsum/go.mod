module github.com/slipway-idp/slipway/tools/testsum

go 1.26.0

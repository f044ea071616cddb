module github.com/slipway-idp/slipway/services/gateway

go 1.26.0

require (
	cel.dev/cel-go v0.33.2
	github.com/cdevents/sdk-go v0.5.1
	github.com/cloudevents/sdk-go/sql/v2 v2.16.2
	github.com/cloudevents/sdk-go/v2 v2.16.2
	github.com/package-url/packageurl-go v0.1.1
	github.com/prometheus/client_golang v1.25.0
	github.com/rs/zerolog v1.35.1
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3
	github.com/slipway-idp/slipway/events v0.0.0
	github.com/slipway-idp/slipway/libs v0.0.0
	github.com/stretchr/testify v1.12.1
	go.yaml.in/yaml/v3 v3.0.6
	golang.org/x/time v0.16.0
)

replace (
	github.com/slipway-idp/slipway/events => ../../events
	github.com/slipway-idp/slipway/libs => ../../libs
)

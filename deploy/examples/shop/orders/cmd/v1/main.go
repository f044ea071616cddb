// Command v1 is the first release of orders: it counts orders in Redis and
// keeps their receipts in a bucket.
package main

import "github.com/acme/orders/internal/web"

func main() { web.Main(web.Release{Version: "v1"}) }

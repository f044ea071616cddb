// Command v2 is the second release of orders: it thanks whoever ordered.
package main

import (
	"fmt"

	"github.com/acme/orders/internal/web"
)

func main() {
	web.Main(web.Release{
		Version:  "v2",
		Greeting: func(order int64) string { return fmt.Sprintf("Thank you for order no. %d!", order) },
	})
}

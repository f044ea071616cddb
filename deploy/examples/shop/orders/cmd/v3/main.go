// Command v3 is the third release of orders: it announces orders on a queue.
//
// It has a defect that no unit test of its own would find. The queue's output
// is a URL, score-v3.yaml hands it on as QUEUE_ADDR, and the code reads it as
// host:port. So it never becomes ready, and a platform has to notice.
package main

import (
	"context"
	"log"

	"github.com/acme/orders/internal/config"
	"github.com/acme/orders/internal/resources"
	"github.com/acme/orders/internal/web"
)

func main() {
	web.Main(web.Release{
		Version:  "v3",
		Greeting: func(int64) string { return "Thank you! Your order is on its way to the warehouse." },
		Extra: func(_ config.Config, getenv func(string) string) []web.Check {
			announcer, err := resources.OpenAnnouncer(getenv("QUEUE_ADDR"), getenv("QUEUE_USER"), getenv("QUEUE_PASSWORD"))
			if err != nil {
				log.Print(err)
				return []web.Check{func(context.Context) error { return err }}
			}
			return []web.Check{announcer.Ping}
		},
	})
}

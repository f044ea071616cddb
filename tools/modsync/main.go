// Command modsync keeps the go.mod files of this repository in step: a module
// that imports another one of the repository requires it at v0.0.0 and replaces
// it, and whatever that one needs in turn, by a relative path. So each module
// builds alone (GOWORK=off), and no version of ours is ever looked for outside.
//
//	modsync [-C DIR] [-check]
//
// With -check nothing is written: what is out of step is listed, and the exit
// status is 1. It also checks that every go.mod is either in go.work or in
// apart.txt. It uses the standard library and the go command only.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run returns 0 when all is in step, 1 when something is not, 2 for wrong usage.
func run(args []string, out, errs io.Writer) int {
	flags := flag.NewFlagSet("modsync", flag.ContinueOnError)
	flags.SetOutput(errs)
	root := flags.String("C", ".", "root of the repository, where go.work is")
	check := flags.Bool("check", false, "write nothing; list what is out of step and fail")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	repo, err := load(*root)
	if err != nil {
		fmt.Fprintln(errs, "modsync:", err)
		return 1
	}
	wrong := repo.uncovered()
	for _, c := range repo.plan() {
		if *check {
			wrong = append(wrong, c.String())
			continue
		}
		if err := c.write(*root); err != nil {
			fmt.Fprintln(errs, "modsync:", err)
			return 1
		}
		fmt.Fprintln(out, c)
	}
	for _, w := range wrong {
		fmt.Fprintln(errs, w)
	}
	if len(wrong) > 0 {
		if *check {
			fmt.Fprintln(errs, "modsync: run `make tidy` and commit the result")
		}
		return 1
	}
	return 0
}

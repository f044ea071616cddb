package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

const good = `{"Action":"output","Package":"a","Test":"TestOne","Output":"noise\n"}
{"Action":"pass","Package":"a","Test":"TestOne","Elapsed":0.1}
{"Action":"pass","Package":"a","Test":"TestTwo","Elapsed":0.1}
{"Action":"pass","Package":"a","Elapsed":0.2}
{"Action":"skip","Package":"without-tests","Elapsed":0}
`

func summarise(t *testing.T, stream string, ended bool) (int, string) {
	t.Helper()
	var out bytes.Buffer
	s := newSummary(&out)
	if err := s.read(strings.NewReader(stream)); err != nil {
		t.Fatal(err)
	}
	return s.close(1500*time.Millisecond, ended), out.String()
}

func TestSummary_AllPass_CountsThemWithoutTheirOutput(t *testing.T) {
	t.Parallel()
	code, text := summarise(t, good, true)
	if want := "ok    a  2 tests  0.2s\n\n2 passed, 0 failed  in 1.5s\n"; code != 0 || text != want {
		t.Fatalf("exit %d:\n%s", code, text)
	}
}

func TestSummary_WhatAPassingTestTells_IsShown(t *testing.T) {
	t.Parallel()
	_, text := summarise(t, `{"Action":"output","Package":"a","Test":"TestOne","Output":"told: 200 runs, 0 orphans\n"}`+"\n"+good, true)
	if !strings.Contains(text, "      200 runs, 0 orphans\n") || strings.Contains(text, "noise") {
		t.Fatal(text)
	}
}

func TestSummary_OneFails_ShowsItsOutputAndNamesItAtTheEnd(t *testing.T) {
	t.Parallel()
	code, text := summarise(t, good+`{"Action":"output","Package":"b","Test":"TestThree","Output":"want 1, got 2\n"}
{"Action":"fail","Package":"b","Test":"TestThree"}
{"Action":"skip","Package":"b","Test":"TestFour"}
{"Action":"fail","Package":"b","Elapsed":0.3}
`, false)
	for _, want := range []string{"      want 1, got 2", "Failed:\n  b TestThree\n", "SKIP  b TestFour", "2 passed, 1 failed, 1 skipped"} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	if code != 1 {
		t.Errorf("exit %d", code)
	}
}

func TestSummary_TestWritesMuch_ItsBeginningAndEndAreShown(t *testing.T) {
	t.Parallel()
	var stream strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&stream, `{"Action":"output","Package":"b","Test":"TestLoud","Output":"line %d\n"}`+"\n", i)
	}
	_, text := summarise(t, stream.String()+`{"Action":"fail","Package":"b","Test":"TestLoud"}`+"\n", false)
	for _, want := range []string{"line 0\n", "line 39\n      … 800 lines left out …\n      line 840\n", "line 999\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q", want)
		}
	}
}

func TestSummary_PackageDoesNotBuild_CountsAsAFailureWithTheCompilersWords(t *testing.T) {
	t.Parallel()
	code, text := summarise(t, good+`{"Action":"build-output","ImportPath":"c [c.test]","Output":"c.go:1: undefined: x\n"}
{"Action":"build-fail","ImportPath":"c [c.test]"}
{"Action":"fail","Package":"c","FailedBuild":"c [c.test]"}
`, false)
	if code != 1 || !strings.Contains(text, "undefined: x") || !strings.Contains(text, "2 passed, 1 failed") {
		t.Fatalf("exit %d:\n%s", code, text)
	}
}

func TestSummary_TestDiesWithItsProcess_ItsLastWordsAreShown(t *testing.T) {
	t.Parallel()
	code, text := summarise(t, `{"Action":"output","Package":"d","Test":"TestDies","Output":"fatal error: all goroutines are asleep\n"}
{"Action":"fail","Package":"d","Elapsed":0.3}
`, false)
	if code != 1 || !strings.Contains(text, "all goroutines are asleep") {
		t.Fatalf("exit %d:\n%s", code, text)
	}
}

func TestSummary_GoTestItselfFails_IsAFailure(t *testing.T) {
	t.Parallel()
	if code, text := summarise(t, good, false); code != 1 || !strings.Contains(text, "go test itself failed") {
		t.Fatalf("exit %d:\n%s", code, text)
	}
	if code, text := summarise(t, "", true); code != 1 || !strings.Contains(text, "no test ran") {
		t.Fatalf("exit %d:\n%s", code, text)
	}
}

func TestRun_ThisPackagesOwnTest_IsRetold(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	code := run([]string{"-run", "TestSummary_AllPass", "."}, &out, &errs)
	if code != 0 || !strings.Contains(out.String(), "1 passed, 0 failed") {
		t.Fatalf("exit %d:\n%s%s", code, out.String(), errs.String())
	}
}

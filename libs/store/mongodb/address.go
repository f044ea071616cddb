package mongodb

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// address is what a store's URL says.
type address struct {
	uri      string // for the driver: without what is ours
	database string
	shown    string // for people: without user and password
	test     bool   // consistency=test
}

const defaultPrefix = "slipway"

// What MongoDB takes as a database's name on every system, and short enough for
// a service's name behind it.
var prefixRule = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$`)

// decided are the driver's options that this package sets itself. A weaker one
// in the URL would be silently overruled, which nobody would understand.
var decided = map[string]string{
	"w": "majority", "journal": "true", "readconcernlevel": "majority", "readpreference": "primary",
	"retrywrites": "true", "retryreads": "true", "wtimeoutms": "", "wtimeout": "",
}

// CheckURL says what is wrong with a store's URL, before anything is asked.
func CheckURL(dsn string) error {
	_, err := parse(dsn, "x")
	return err
}

// ShowURL is the URL as it may be printed: without the password.
func ShowURL(dsn string) string {
	scheme, rest, _ := strings.Cut(dsn, "://")
	authority, tail := split(rest)
	if at := strings.LastIndex(authority, "@"); at >= 0 {
		user, _, secret := strings.Cut(authority[:at], ":")
		if secret {
			user += ":(secret)"
		}
		authority = user + authority[at:]
	}
	return scheme + "://" + authority + tail
}

// split parts HOSTS from /PREFIX?OPTIONS. By hand: net/url refuses several hosts
// with ports.
func split(rest string) (authority, tail string) {
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		return rest[:i], rest[i:]
	}
	return rest, ""
}

func parse(dsn, service string) (address, error) {
	scheme, rest, ok := strings.Cut(dsn, "://")
	if !ok || (scheme != "mongodb" && scheme != "mongodb+srv") {
		return address{}, errors.New("a MongoDB store is mongodb://HOST[,HOST…][/PREFIX][?OPTIONS]")
	}
	authority, tail := split(rest)
	path, query, _ := strings.Cut(tail, "?")
	hosts := authority[strings.LastIndex(authority, "@")+1:]
	if hosts == "" {
		return address{}, fmt.Errorf("%s names no host; use mongodb://HOST[,HOST…][/PREFIX][?OPTIONS]", ShowURL(dsn))
	}
	prefix := strings.Trim(path, "/")
	if prefix == "" {
		prefix = defaultPrefix
	}
	if !prefixRule.MatchString(prefix) {
		return address{}, fmt.Errorf("%q cannot begin a database's name: use letters, digits, - and _, at most 40", prefix)
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return address{}, fmt.Errorf("the options of %s: %w", ShowURL(dsn), err)
	}
	at := address{database: prefix + "_" + service}
	at.shown = scheme + "://" + hosts + "/" + at.database
	for name, given := range values {
		value := given[len(given)-1]
		switch want, ours := decided[strings.ToLower(name)]; {
		case name == "consistency" && value == "test":
			at.test = true
			values.Del(name)
		case name == "consistency":
			return address{}, fmt.Errorf("consistency=%s is not known; leave it out, or use consistency=test where nothing that matters is kept", value)
		case ours && value != want:
			return address{}, fmt.Errorf("%s=%s in the store's URL: Slipway always reads and writes with the majority; leave it out", name, value)
		}
	}
	// The prefix is no database, so it must not become the one that users are
	// looked up in: that stays "admin", or what authSource says.
	at.uri = scheme + "://" + authority + "/"
	if len(values) > 0 {
		at.uri += "?" + values.Encode()
	}
	return at, nil
}

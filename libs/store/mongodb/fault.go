package mongodb

import (
	"errors"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"github.com/slipway-idp/slipway/libs/store"
)

// Codes of the server that mean something to the contract.
const (
	codeUnauthorized   = 13
	codeAuthentication = 18
	codeNoMajorityRead = 148
	codeNoSpace        = 14031
	codeDocTooLarge    = 10334
	codeUpdateTooLarge = 17419
	codePaddedTooLarge = 17420
)

// The server is there and cannot do it now: no primary, stepping down, starting
// up or stopping. The driver has tried once more already.
var passing = []int{6, 7, 50, 64, 89, 91, 100, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436}

// fault turns an error of the driver or the server into one of the contract,
// where there is one.
func (s *Store) fault(err error) error {
	var refused mongo.ServerError
	if !errors.As(err, &refused) {
		var argument mongo.InvalidArgumentError
		var encoding mongo.MarshalError
		if errors.As(err, &argument) || errors.As(err, &encoding) {
			return fmt.Errorf("store %s: %w", s.at.shown, err)
		}
		return s.unavailable(err) // nothing of the server's own: it was not reached, or fell silent
	}
	switch {
	case refused.HasErrorCode(codeNoSpace):
		return &store.FullError{Path: s.at.shown, Err: err}
	case refused.HasErrorCode(codeUnauthorized):
		return fmt.Errorf("%w: %s does not let this user do it (%w); give the user the role readWrite on that database", store.ErrReadOnly, s.at.shown, err)
	case refused.HasErrorCode(codeAuthentication):
		return fmt.Errorf("store %s: user or password is wrong, or authSource names the wrong database: %w", s.at.shown, err)
	case refused.HasErrorCode(codeNoMajorityRead):
		return &ConsistencyError{At: s.at.shown, Found: "does not read what a majority has (enableMajorityReadConcern is off)", Do: "Switch it on in the server's configuration"}
	case uncertain(err):
		return s.unavailable(err)
	}
	return fmt.Errorf("store %s: %w", s.at.shown, err)
}

func (s *Store) unavailable(err error) error {
	var none topology.ServerSelectionError
	if !errors.As(err, &none) {
		// Its words only: a deadline of ours must not look like one of the caller's,
		// which would mean that nothing was committed.
		return fmt.Errorf("%w: %s: %s", store.ErrUnavailable, s.at.shown, err.Error())
	}
	// The driver's own words name its whole picture of the servers.
	var each []string
	for _, one := range none.Desc.Servers {
		reason := "is " + one.Kind.String()
		if one.LastError != nil {
			reason = one.LastError.Error()
		}
		each = append(each, fmt.Sprintf("%s: %s", one.Addr, reason))
	}
	return fmt.Errorf("%w: %s: no server there takes writes (%s)", store.ErrUnavailable, s.at.shown, strings.Join(each, "; "))
}

// uncertain is whether a write that ended with err may have been kept all the
// same, or may succeed when tried again.
func uncertain(err error) bool {
	var refused mongo.ServerError
	if !errors.As(err, &refused) {
		var argument mongo.InvalidArgumentError
		var encoding mongo.MarshalError
		return !errors.As(err, &argument) && !errors.As(err, &encoding)
	}
	if refused.HasErrorLabel("NetworkError") || refused.HasErrorLabel("RetryableWriteError") || mongo.IsTimeout(err) {
		return true
	}
	var one mongo.WriteException
	if errors.As(err, &one) && one.WriteConcernError != nil && len(one.WriteErrors) == 0 {
		return true // it was written, and the majority has not confirmed it
	}
	var many mongo.BulkWriteException
	if errors.As(err, &many) && many.WriteConcernError != nil && len(many.WriteErrors) == 0 {
		return true
	}
	for _, code := range passing {
		if refused.HasErrorCode(code) {
			return true
		}
	}
	return false
}

// neverSent is whether nothing was sent at all, because no server could be found.
func neverSent(err error) bool {
	var none topology.ServerSelectionError
	return errors.As(err, &none)
}

func tooLarge(err error) bool {
	var refused mongo.ServerError
	return errors.As(err, &refused) &&
		(refused.HasErrorCode(codeDocTooLarge) || refused.HasErrorCode(codeUpdateTooLarge) || refused.HasErrorCode(codePaddedTooLarge))
}

package postgres

import (
	"context"
	"errors"
	"net"

	"github.com/jackc/pgx/v5/pgconn"

	"ashatai/internal/core"
)

// explain turns a failure of the database at place into a sentence. It returns nil for nil, and leaves a context's end
// and what is a sentence already. A sentence never holds what the driver says: that can be the address with its password.
func explain(err error, place string) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if _, ok := errors.AsType[*core.Error](err); ok {
		return err
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return explainServer(err, e.Code, place)
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return core.Wrap(core.CodeUnavailable, err, "The database %s does not answer; check that PostgreSQL runs there and that the address is right.", place)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if _, ok := errors.AsType[*net.OpError](err); ok || pgconn.SafeToRetry(err) {
		return core.Wrap(core.CodeUnavailable, err, "The connection to the database %s broke; try again.", place)
	}
	return core.Wrap(core.CodeUnavailable, err, "The database %s failed; the log has the cause.", place)
}

// explainServer says what PostgreSQL answered, by its code (PostgreSQL manual, appendix A).
func explainServer(err error, code, place string) error {
	switch code {
	case "53100": // disk_full
		return core.Wrap(core.CodeDiskFull, err, "The disk that holds the database %s is full; nothing was changed. Free space there.", place)
	case "53300": // too_many_connections
		return core.Wrap(core.CodeUnavailable, err, "The database %s takes no more connections; raise its max_connections, or lower pool_max_conns in database.url.", place)
	case "3D000": // invalid_catalog_name
		return core.Wrap(core.CodeUnavailable, err, "There is no database %s; make it: createdb --encoding UTF8.", place)
	case "42501": // insufficient_privilege
		return core.Wrap(core.CodeUnavailable, err, "The role of the address may not do this in the database %s; make it the owner of the database or of the schema.", place)
	case "25006": // read_only_sql_transaction
		return core.Wrap(core.CodeUnavailable, err, "The database %s can only be read; it may be a standby. Name the primary.", place)
	case "22021", "22P05": // character_not_in_repertoire, untranslatable_character
		return core.Wrap(core.CodeInvalidRequest, err, "The text holds a zero byte or is no UTF-8, which the database %s cannot keep.", place)
	case serializationFailure, deadlockDetected:
		return core.Wrap(core.CodeUnavailable, err, "The database %s is busy with changes of the same rows; try again.", place)
	}
	switch code[:min(2, len(code))] {
	case "28": // invalid_authorization_specification
		return core.Wrap(core.CodeUnavailable, err, "The database %s refuses the role or password of the address; check database.url.", place)
	case "57", "08": // operator_intervention, connection_exception
		return core.Wrap(core.CodeUnavailable, err, "The database %s is stopping, starting or not to be reached; try again.", place)
	case "XX": // internal_error, data_corrupted, index_corrupted
		return core.Wrap(core.CodeUnavailable, err, "The database %s is damaged or failed inside; see PostgreSQL's log.", place)
	}
	return core.Wrap(core.CodeUnavailable, err, "The database %s failed; the log has the cause.", place)
}

// Package datadir is what a server's data folder holds as a whole: it takes the folder for one process, opens the database that
// the settings name, and copies all of it: to another kind of database, into a backup and back.
package datadir

import "ashatai/internal/core"

func inUse(home string, err error) error {
	return core.Wrap(core.CodeConflict, err, "Another server uses the data folder %s. Stop it, or choose another folder with --home.", home)
}

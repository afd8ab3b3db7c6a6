package node

import "ashatai/internal/core"

func inUse(home string, err error) error {
	return core.Wrap(core.CodeConflict, err, "Another server uses the data folder %s. Stop it, or choose another folder with --home.", home)
}

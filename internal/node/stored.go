package node

import (
	"context"
	"time"

	"ashatai/internal/api/openai"
	"ashatai/internal/convo"
	"ashatai/internal/core"
)

// makeConvo makes the keeper of stored chats, responses and conversations. It is started after the fleet and stopped
// after it, so that what runs in the background ends as the fleet tells it to and is written down.
func (n *Node) makeConvo(context.Context) error {
	barred := func(ctx context.Context, p core.Principal) error { return n.auth.Barred(ctx, p, core.ScopeInfer) } // as the rows that begin runs
	n.convo = convo.New(n.db.Objects(), n.db.Items(), convo.Config{Retention: n.set.Storage.Retention, Barred: barred, Log: n.log, Now: time.Now})
	return nil
}

func (n *Node) openaiConfig() openai.Config {
	return openai.Config{Rerank: n.infer, Aliases: n.visible(), Remover: v1Models{n.shown(), n.fleet, n.optimize}, Build: n.opt.Build, Counter: n.infer, Archive: n.convo, Items: n.convo.Items(), Runs: n.convo}
}

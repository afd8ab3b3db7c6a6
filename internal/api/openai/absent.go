package openai

import "ashatai/internal/api"

// absent are the calls of OpenAI's clients that are not served.
func absent() []api.Absent {
	const media = "The models here read and write text only."
	return []api.Absent{
		{Path: "/v1/assistants", Note: "Withdrawn by OpenAI; use responses."},
		{Path: "/v1/threads", Note: "Withdrawn by OpenAI; use responses and conversations."},
		{Path: "/v1/audio/speech", Note: media},
		{Path: "/v1/audio/transcriptions", Note: media},
		{Path: "/v1/audio/translations", Note: media},
		{Path: "/v1/batches", Note: "Send the requests one by one; they are queued fairly."},
		{Path: "/v1/containers", Note: "The server runs no code."},
		{Path: "/v1/evals", Note: "Answers are not judged here."},
		{Path: "/v1/files", Note: "Send what the model shall read in the request."},
		{Path: "/v1/fine_tuning/jobs", Note: "Models are not trained here yet."},
		{Path: "/v1/images/edits", Note: media},
		{Path: "/v1/images/generations", Note: media},
		{Path: "/v1/images/variations", Note: media},
		{Path: "/v1/moderations", Note: "There is no moderation model."},
		{Path: "/v1/organization", Note: "Accounts have an interface of their own."},
		{Path: "/v1/realtime/sessions", Note: media},
		{Path: "/v1/responses/compact", Note: "Conversations are not made shorter; truncation can be auto."},
		{Path: "/v1/uploads", Note: "Send what the model shall read in the request."},
		{Path: "/v1/vector_stores", Note: "Embeddings are made, but not kept."},
		{Path: "/v1/videos", Note: media},
	}
}

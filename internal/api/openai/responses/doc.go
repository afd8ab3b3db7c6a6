// Package responses is OpenAI's Responses API with its conversations: it turns items into a conversation, core events into
// typed, numbered events, and keeps both where they are to be stored. It does not schedule, write to a disk or look into
// models.
package responses

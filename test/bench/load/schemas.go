package load

import (
	"context"
	"encoding/json"
	"time"
)

// form is an answer to be held to a schema.
type form struct {
	name, ask, schema string
}

// forms are ten schemas of the kinds that people use every day: records, calls, labels, lists, records in records.
func forms() []form {
	return []form{
		{
			"person", "Invent a person.",
			`{"type":"object","properties":{"name":{"type":"string","maxLength":40},"age":{"type":"integer","minimum":0,"maximum":150},"email":{"type":"string","maxLength":40},"occupation":{"type":"string","maxLength":30}},"required":["name","age","email","occupation"],"additionalProperties":false}`,
		},
		{
			"calendar_event", "Alice and Bob meet on Friday to talk about the science fair. Make it a calendar event.",
			`{"type":"object","properties":{"name":{"type":"string","maxLength":40},"date":{"type":"string","format":"date"},"participants":{"type":"array","items":{"type":"string","maxLength":20},"minItems":1,"maxItems":4}},"required":["name","date","participants"],"additionalProperties":false}`,
		},
		{
			"get_weather", "What is the weather in Oslo for the next three days? Call the weather service.",
			`{"type":"object","properties":{"location":{"type":"string","maxLength":30},"unit":{"type":"string","enum":["celsius","fahrenheit"]},"days":{"type":"integer","minimum":1,"maximum":14}},"required":["location","unit","days"],"additionalProperties":false}`,
		},
		{
			"classification", "Is this spam? 'You have won a boat. Click here.'",
			`{"type":"object","properties":{"label":{"type":"string","enum":["spam","not spam","unsure"]},"confidence":{"type":"number","minimum":0,"maximum":1},"needs_human_review":{"type":"boolean"}},"required":["label","confidence","needs_human_review"],"additionalProperties":false}`,
		},
		{
			"sentiment", "How does this sound? 'The room was clean, but the breakfast was cold.'",
			`{"type":"object","properties":{"sentiment":{"type":"string","enum":["positive","negative","neutral","mixed"]},"keywords":{"type":"array","items":{"type":"string","maxLength":20},"minItems":2,"maxItems":4},"would_recommend":{"type":"boolean"}},"required":["sentiment","keywords","would_recommend"],"additionalProperties":false}`,
		},
		{
			"address", "Make an example of an address in France.",
			`{"type":"object","properties":{"street_address":{"type":"string","maxLength":30},"postal_code":{"type":"string","pattern":"^[0-9]{5}$"},"city":{"type":"string","maxLength":20},"country_code":{"type":"string","enum":["DE","ES","FR","GB","IT","US"]}},"required":["street_address","postal_code","city","country_code"],"additionalProperties":false}`,
		},
		{
			"location", "Where is Paris?",
			`{"type":"object","properties":{"latitude":{"type":"number","minimum":-90,"maximum":90},"longitude":{"type":"number","minimum":-180,"maximum":180},"place_name":{"type":"string","maxLength":30}},"required":["latitude","longitude","place_name"],"additionalProperties":false}`,
		},
		{
			"book", "Describe a well-known novel.",
			`{"type":"object","properties":{"title":{"type":"string","maxLength":40},"authors":{"type":"array","items":{"type":"string","maxLength":30},"minItems":1,"maxItems":3},"publication_year":{"type":"integer","minimum":1450,"maximum":2100},"genre":{"type":"string","enum":["fiction","history","poetry","science"]}},"required":["title","authors","publication_year","genre"],"additionalProperties":false}`,
		},
		{
			"decision", "Should one carry an umbrella in April?",
			`{"type":"object","properties":{"reasoning":{"type":"string","maxLength":80},"answer":{"type":"string","enum":["yes","no"]}},"required":["reasoning","answer"],"additionalProperties":false}`,
		},
		{
			"order", "Somebody buys two notebooks and a pen. Write the order.",
			`{"type":"object","properties":{"order_id":{"type":"integer","minimum":1,"maximum":99999},"customer":{"type":"object","properties":{"name":{"type":"string","maxLength":30},"is_member":{"type":"boolean"}},"required":["name","is_member"],"additionalProperties":false},"items":{"type":"array","items":{"type":"object","properties":{"product":{"type":"string","maxLength":20},"quantity":{"type":"integer","minimum":1,"maximum":99}},"required":["product","quantity"],"additionalProperties":false},"minItems":1,"maxItems":3}},"required":["order_id","customer","items"],"additionalProperties":false}`,
		},
	}
}

// Schemas asks for ten answers, each held to a schema, one after the other and greedily. Its rate is all their tokens over
// all the time that they took, from the request on: what a server forces and what it spends on reading a schema count.
// Overlap is the share of the answers that are whole JSON.
func (w *Worker) Schemas(ctx context.Context) Summary {
	var rs []*result
	var wall time.Duration
	tokens, whole := 0, 0
	for range w.repeats {
		for _, f := range forms() {
			r, took := w.one(ctx, request{msgs: user(f.ask + " Answer in JSON."), maxTokens: 160, mayEnd: true, name: f.name, schema: f.schema})
			rs, wall = append(rs, r), wall+took
			if tokens += r.outTokens; json.Valid([]byte(r.text)) {
				whole++
			}
		}
	}
	s := summarise("schemas", rs, wall)
	if s.Errors == 0 {
		s = s.rated([]float64{float64(tokens) / wall.Seconds()})
	}
	s.Overlap = round(float64(whole) / float64(len(rs)))
	return s
}

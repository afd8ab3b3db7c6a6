package openai

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"net/http"
	"strconv"

	"ashatai/internal/api"
	"ashatai/internal/api/openai/param"
	"ashatai/internal/core"
)

// maxEmbedInputs is OpenAI's own limit.
const maxEmbedInputs = 2048

// embeddingRequest is the body of POST /v1/embeddings.
type embeddingRequest struct {
	Input          json.RawMessage `json:"input"`
	Model          string          `json:"model,omitempty"`
	Dimensions     *int            `json:"dimensions,omitempty"`
	EncodingFormat *string         `json:"encoding_format,omitempty"`
	User           json.RawMessage `json:"user,omitempty"`
}

func (e *embeddingRequest) request() (*core.EmbedRequest, error) {
	inputs, err := readInputs("input", e.Input, maxEmbedInputs)
	if err != nil {
		return nil, err
	}
	req := &core.EmbedRequest{Model: e.Model, Inputs: make([]core.EmbedInput, len(inputs))}
	for i, in := range inputs {
		req.Inputs[i] = core.EmbedInput{Text: in.text, Tokens: in.tokens}
	}
	if req.Dimensions, err = param.AtLeastOne("dimensions", e.Dimensions, 0); err != nil {
		return nil, err
	}
	if f := e.EncodingFormat; f != nil && *f != "float" && *f != "base64" {
		return nil, core.Invalid("encoding_format", "encoding_format is %s; it must be \"float\" or \"base64\".", api.Show(*f))
	}
	return req, nil
}

// embed answers POST /v1/embeddings.
func (h *handler) embed(w http.ResponseWriter, r *http.Request) error {
	var body embeddingRequest
	if err := api.DecodeJSON(r, maxBody, &body); err != nil {
		return err
	}
	req, err := body.request()
	if err != nil {
		return err
	}
	req.ID, req.Principal = w.Header().Get(api.HeaderRequestID), core.PrincipalFrom(r.Context())
	got, err := h.emb.Embed(r.Context(), req)
	if err != nil {
		return err
	}
	place(w, got.Placement)
	packed := body.EncodingFormat != nil && *body.EncodingFormat == "base64"
	return api.WriteJSON(w, http.StatusOK, json.RawMessage(appendEmbeddings(nil, got, packed)))
}

func appendEmbeddings(dst []byte, e *core.Embeddings, packed bool) []byte {
	dst = append(dst, `{"object":"list","data":[`...)
	for i, v := range e.Vectors {
		dst = append(comma(dst, i), `{"object":"embedding","index":`...)
		dst = strconv.AppendInt(dst, int64(i), 10)
		dst = append(dst, `,"embedding":`...)
		if packed {
			dst = appendPacked(dst, v)
		} else {
			dst = append(dst, '[')
			for j, f := range v {
				dst = appendFloat32(comma(dst, j), f)
			}
			dst = append(dst, ']')
		}
		dst = append(dst, '}')
	}
	dst = append(dst, `],"model":`...)
	dst = appendString(dst, e.Model)
	dst = append(dst, `,"usage":{"prompt_tokens":`...)
	dst = strconv.AppendInt(dst, int64(e.Usage.Prompt), 10)
	dst = append(dst, `,"total_tokens":`...)
	dst = strconv.AppendInt(dst, int64(e.Usage.Total()), 10)
	return append(dst, "}}"...)
}

// appendPacked appends a vector as base64 of its little-endian float32 values.
func appendPacked(dst []byte, v []float32) []byte {
	packed := make([]byte, 0, 4*len(v))
	for _, f := range v {
		packed = binary.LittleEndian.AppendUint32(packed, math.Float32bits(f))
	}
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, packed)
	return append(dst, '"')
}

package catalog

// Weights lists the types of weights that a runtime can make of others, the most exact first.
func Weights(runtime string) []string {
	if runtime != LlamaCpp {
		return nil
	}
	return []string{"q8_0", "q5_0", "q4_k_m", "iq4_nl", "q4_0"}
}

// One answer of the model, streamed.

import { aborted, call, events, Problem } from "../lib/api.ts";
import type { Call, Figures } from "./types.ts";

export interface Growing {
  content: string;
  reasoning: string;
  calls: Call[];
}

interface Delta {
  content?: string | null;
  reasoning_content?: string | null;
  tool_calls?: { index?: number; id?: string; function?: { name?: string; arguments?: string } }[];
}

interface Chunk {
  error?: { message?: string } | string;
  model?: string;
  choices?: { delta?: Delta; finish_reason?: string | null }[];
  usage?: {
    prompt_tokens: number;
    completion_tokens: number;
    prompt_tokens_details?: { cached_tokens?: number };
    completion_tokens_details?: { reasoning_tokens?: number };
  } | null;
}

export interface Ended {
  finish: string;
  model: string;
}

// answer streams a reply into grown and figures, and calls changed after each piece. It returns why the answer ended. id is
// what the server is to call the request.
export async function answer(
  body: Record<string, unknown>, signal: AbortSignal, grown: Growing, figures: Figures, changed: (phase: "started" | "growing") => void, id: string,
): Promise<Ended> {
  const began = performance.now();
  const response = await call("/v1/chat/completions", {
    method: "POST", headers: { "content-type": "application/json", accept: "text/event-stream", "x-request-id": id }, body: JSON.stringify(body), signal,
  });
  for (const [key, header] of [["runtime", "X-Ashatai-Runtime"], ["device", "X-Ashatai-Device"], ["fallback", "X-Ashatai-Fallback"]] as const) {
    const value = response.headers.get(header);
    if (value) figures[key] = value;
  }
  changed("started");
  const out: Ended = { finish: "", model: "" };
  let first = 0;
  let ended = false;
  try {
    if (!response.body) throw new Problem("The server sent no answer. Try again.", { status: 502 });
    for await (const { data } of events(response.body)) {
      if (data === "[DONE]") {
        ended = true;
        break;
      }
      const chunk = JSON.parse(data) as Chunk;
      if (chunk.error) throw new Problem(typeof chunk.error === "string" ? chunk.error : chunk.error.message ?? "The server failed.", { status: 500 });
      if (chunk.model) out.model = chunk.model;
      if (chunk.usage) take(figures, chunk.usage);
      const choice = chunk.choices?.[0];
      if (choice?.finish_reason) out.finish = choice.finish_reason;
      if (choice?.delta && add(grown, choice.delta)) {
        const now = performance.now();
        if (first === 0) {
          first = now;
          figures.first = (now - began) / 1000;
        }
        if (grown.content !== "" && grown.reasoning !== "") figures.thought ??= (now - first) / 1000;
        figures.seconds = (now - first) / 1000;
        changed("growing");
      }
    }
  } catch (e) {
    if (aborted(e) || e instanceof Problem) throw e;
    throw new Problem("The connection broke in the middle of the answer. Try again.", { status: 502 });
  }
  if (!ended) throw new Problem("The answer ended early: the server closed the stream. Try again.", { status: 502 });
  return out;
}

function take(figures: Figures, usage: NonNullable<Chunk["usage"]>): void {
  figures.prompt = usage.prompt_tokens;
  figures.completion = usage.completion_tokens;
  const cached = usage.prompt_tokens_details?.cached_tokens ?? 0;
  const reasoning = usage.completion_tokens_details?.reasoning_tokens ?? 0;
  if (cached > 0) figures.cached = cached;
  if (reasoning > 0) figures.reasoning = reasoning;
}

// add puts a piece where it belongs, and reports whether there was anything.
function add(grown: Growing, delta: Delta): boolean {
  let any = false;
  if (delta.content) {
    grown.content += delta.content;
    any = true;
  }
  if (delta.reasoning_content) {
    grown.reasoning += delta.reasoning_content;
    any = true;
  }
  for (const c of delta.tool_calls ?? []) {
    const at = c.index ?? 0;
    const known = grown.calls[at] ??= { id: "", name: "", arguments: "" };
    if (c.id) known.id = c.id;
    if (c.function?.name) known.name = c.function.name;
    known.arguments += c.function?.arguments ?? "";
    any = true;
  }
  return any;
}

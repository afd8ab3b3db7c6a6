// The calls to the server. Every failure becomes a Problem: a sentence for the reader, and whether the server was reached.

export class Problem extends Error {
  constructor(message, { status = 0, retryAfter = 0 } = {}) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }

  // offline: no answer came at all.
  get offline() {
    return this.status === 0;
  }
}

const unreachable = () => new Problem("The server does not answer. Start it with “ashatai serve”, or check the network, and try again.");

async function call(path, init) {
  try {
    return await fetch(path, init);
  } catch (e) {
    if (e.name === "AbortError") throw e;
    throw unreachable();
  }
}

async function refusal(response) {
  let text = "";
  try {
    const body = await response.json();
    text = typeof body.error === "string" ? body.error : body.error?.message ?? "";
  } catch {
    // Not JSON; the status has to do.
  }
  const retryAfter = Number(response.headers.get("retry-after")) || 0;
  if (!text) text = `The server answered with status ${response.status}.`;
  if (response.status === 401) text += " Use the command line with a key, or ask the operator.";
  return new Problem(text, { status: response.status, retryAfter });
}

// models lists the names of the installed chat models, the default one first.
export async function models() {
  const response = await call("/v1/models", { headers: { accept: "application/json" } });
  if (!response.ok) throw await refusal(response);
  const { data } = await response.json();
  return data.map((m) => m.id);
}

// alive reports whether the server answers at all.
export async function alive() {
  try {
    return (await fetch("/health/live", { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

// events yields the data of each server-sent event. Lines can end with LF or CRLF, and an event can come in pieces.
export async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let data = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      const lines = rest.split("\n");
      rest = lines.pop();
      for (const raw of lines) {
        const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
        if (line === "") {
          if (data.length > 0) yield data.join("\n");
          data = [];
        } else if (line.startsWith("data:")) {
          data.push(line.slice(line.startsWith("data: ") ? 6 : 5));
        }
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

// chat streams an answer: on.start when the server took the request, on.text for each piece. It returns
// {finish, usage}: why the answer ended and what it cost, where the server said so.
export async function chat({ model, messages, signal }, on) {
  const response = await call("/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/event-stream" },
    body: JSON.stringify({ model, messages, stream: true, stream_options: { include_usage: true } }),
    signal,
  });
  if (!response.ok) throw await refusal(response);
  on.start();
  const result = { finish: "", usage: null };
  let ended = false;
  try {
    for await (const data of events(response.body)) {
      if (data === "[DONE]") {
        ended = true;
        break;
      }
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Problem(chunk.error.message ?? String(chunk.error), { status: 500 });
      const choice = chunk.choices?.[0];
      if (choice?.delta?.content) on.text(choice.delta.content);
      if (choice?.finish_reason) result.finish = choice.finish_reason;
      if (chunk.usage) result.usage = chunk.usage;
    }
  } catch (e) {
    if (e.name === "AbortError" || e instanceof Problem) throw e;
    throw new Problem("The connection broke in the middle of the answer. Try again.", { status: 502 });
  }
  if (!ended) throw new Problem("The answer ended early: the server closed the stream. Try again.", { status: 502 });
  return result;
}

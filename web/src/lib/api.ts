// The calls to the server. Every failure becomes a Problem: a sentence for the reader, and whether the server was reached.

import { took } from "./format.ts";

export class Problem extends Error {
  readonly status: number;
  readonly retryAfter: number;
  readonly code: string;

  constructor(message: string, { status = 0, retryAfter = 0, code = "" } = {}) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
    this.code = code;
  }

  // offline: no answer came at all.
  get offline(): boolean {
    return this.status === 0;
  }
}

const away = "The server does not answer. Start it with “ashatai serve”, or check the network, and try again.";

// told is what to show of anything that was thrown.
export function told(e: unknown): string {
  if (!(e instanceof Problem)) return `The page failed: ${e instanceof Error ? e.message : String(e)}`;
  const message = e.message.replace(/ Try again later\.$/, "");
  if (e.retryAfter <= 0) return e.message;
  if (/Try again when/.test(message)) return message; // which is more than a time
  return `${message} Try again in ${e.retryAfter < 120 ? `${e.retryAfter} s` : took(e.retryAfter)}.`;
}

export function aborted(e: unknown): boolean {
  return e instanceof DOMException && e.name === "AbortError";
}

// watcher hears of every answer: whether the server was there, and whether it wants to know who asks.
type Watcher = (reached: boolean, status: number) => void;
let watcher: Watcher = () => undefined;
export function watch(f: Watcher): void {
  watcher = f;
}

let credential = "";
export function useCredential(token: string): void {
  credential = token;
}

export async function call(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (credential !== "") headers.set("authorization", `Bearer ${credential}`);
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers });
  } catch (e) {
    if (aborted(e)) throw e;
    watcher(false, 0);
    throw new Problem(away);
  }
  watcher(true, response.status);
  if (!response.ok) throw await refusal(response);
  return response;
}

async function refusal(response: Response): Promise<Problem> {
  let message = "";
  let code = "";
  try {
    const body = await response.json() as { error?: string | { message?: string; code?: string }; message?: string };
    if (typeof body.error === "string") message = body.error;
    else {
      message = body.error?.message ?? body.message ?? "";
      code = body.error?.code ?? "";
    }
  } catch {
    // Not JSON; the status has to do.
  }
  const retryAfter = Number(response.headers.get("retry-after")) || 0;
  if (message === "") message = `The server answered with status ${response.status}.`;
  return new Problem(message, { status: response.status, retryAfter, code });
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const init: RequestInit = { headers: { accept: "application/json" }, cache: "no-store" };
  if (signal) init.signal = signal;
  return await (await call(path, init)).json() as T;
}

export async function send<T>(method: string, path: string, body?: unknown, more: RequestInit = {}): Promise<T> {
  const init: RequestInit = { method, headers: { "content-type": "application/json", accept: "application/json" }, ...more };
  if (body !== undefined) init.body = JSON.stringify(body);
  const text = await (await call(path, init)).text();
  return (text === "" ? {} : JSON.parse(text)) as T;
}

// alive reports whether the server answers at all.
export async function alive(): Promise<boolean> {
  try {
    return (await fetch("/health/live", { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = stream.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      rest += value;
      const whole = rest.split("\n");
      rest = whole.pop() ?? "";
      for (const line of whole) yield line.endsWith("\r") ? line.slice(0, -1) : line;
    }
    if (rest !== "") yield rest;
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

export interface ServerEvent {
  id: string; // of the event or the last one that had one
  name: string;
  data: string;
}

// events yields each server-sent event. Lines can end with LF or CRLF, and an event can come in pieces.
export async function* events(stream: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  let data: string[] = [];
  let name = "";
  let id = "";
  for await (const line of lines(stream)) {
    if (line === "") {
      if (data.length > 0) yield { id, name, data: data.join("\n") };
      data = [];
      name = "";
    } else if (line.startsWith("data:")) data.push(line.slice(line.startsWith("data: ") ? 6 : 5));
    else if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("id:")) id = line.slice(3).trim();
  }
}

// progress yields each line of an answer that is lines of JSON; a line that is an error is thrown.
export async function* progress<T>(path: string, body: unknown, signal: AbortSignal): AsyncGenerator<T> {
  const response = await call(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal });
  if (!response.body) return;
  for await (const line of lines(response.body)) {
    if (line.trim() === "") continue;
    const { error } = JSON.parse(line) as { error?: { message?: string; code?: string } };
    if (error) throw new Problem(error.message ?? "The server failed.", { status: 500, code: error.code ?? "" });
    yield JSON.parse(line) as Awaited<T>;
  }
}

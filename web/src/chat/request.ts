// What is sent to the model for a branch of a chat.

import { Problem } from "../lib/api.ts";
import type { Attachment, Message, Settings } from "./types.ts";

type Body = Record<string, unknown>;

// withFiles puts text files under a message, each in a fence that its text does not hold.
export function withFiles(content: string, files: Attachment[] = []): string {
  const parts = files.map((f) => {
    let fence = "```";
    while (f.text.includes(fence)) fence += "`";
    return `File ${f.name}:\n${fence}\n${f.text.replace(/\n$/, "")}\n${fence}`;
  });
  return [content, ...parts].filter((p) => p !== "").join("\n\n");
}

function messages(settings: Settings, path: Message[]): Body[] {
  const out: Body[] = [];
  if (settings.system.trim() !== "") out.push({ role: "system", content: settings.system.trim() });
  for (const m of path) {
    if (m.role === "user") out.push({ role: "user", content: withFiles(m.content, m.attachments) });
    else if (m.role === "tool") out.push({ role: "tool", tool_call_id: m.call, content: m.content });
    else if (m.calls?.length) {
      out.push({
        role: "assistant", content: m.content === "" ? null : m.content,
        tool_calls: m.calls.map((c) => ({ id: c.id, type: "function", function: { name: c.name, arguments: c.arguments } })),
      });
    } else if (m.content !== "") out.push({ role: "assistant", content: m.content });
  }
  return out;
}

function number(body: Body, field: string, text: string, name: string): void {
  if (text.trim() === "") return;
  const n = Number(text);
  if (!Number.isFinite(n)) throw new Problem(`${name} is “${text}”; it must be a number. Change it in the settings of this chat.`, { status: 400 });
  body[field] = n;
}

// json reads what a reader wrote into one of the panels.
export function json(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (e) {
    throw new Problem(`${name} is not JSON: ${e instanceof Error ? e.message : ""}. Change it in the settings of this chat.`, { status: 400 });
  }
}

// tools reads a list of tools; a bare function is put into the form that the API wants.
export function tools(text: string): Body[] {
  if (text.trim() === "") return [];
  const value = json(text, "The list of tools");
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.map((t) => {
    const tool = t as Body | null;
    if (typeof tool !== "object" || tool === null) throw new Problem("Each tool must be an object with a name. Change it in the settings of this chat.", { status: 400 });
    return "function" in tool ? tool : { type: "function", function: tool };
  });
}

export function requestOf(settings: Settings, path: Message[]): Body {
  const body: Body = { messages: messages(settings, path), stream: true, stream_options: { include_usage: true } };
  if (settings.model !== "") body.model = settings.model;
  number(body, "temperature", settings.temperature, "The temperature");
  number(body, "top_p", settings.topP, "Top p");
  number(body, "max_completion_tokens", settings.maxTokens, "The limit of tokens");
  number(body, "seed", settings.seed, "The seed");
  const stop = settings.stop.split("\n").filter((s) => s !== "");
  if (stop.length > 0) body.stop = stop;
  if (settings.effort !== "") body.reasoning_effort = settings.effort;
  if (settings.format === "json") body.response_format = { type: "json_object" };
  if (settings.format === "schema") {
    body.response_format = { type: "json_schema", json_schema: { name: "answer", schema: json(settings.schema, "The schema"), strict: true } };
  }
  const list = tools(settings.tools);
  if (list.length > 0) body.tools = list;
  return body;
}

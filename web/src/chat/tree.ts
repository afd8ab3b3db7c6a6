// A chat is a tree of messages; what is shown is one branch of it.

import type { Message } from "./types.ts";

// branch returns the messages from the beginning to the one with the id.
export function branch(all: Message[], head: string | undefined): Message[] {
  const by = new Map(all.map((m) => [m.id, m]));
  const out: Message[] = [];
  for (let m = head ? by.get(head) : undefined; m && out.length <= all.length; m = m.parent ? by.get(m.parent) : undefined) out.push(m);
  return out.reverse();
}

// siblings returns the messages that answer the same one, in the order in which they were written.
export function siblings(all: Message[], m: Message): Message[] {
  return all.filter((o) => (o.parent ?? "") === (m.parent ?? "") && o.role === m.role);
}

// tip returns the newest end of the branch that goes through a message.
export function tip(all: Message[], id: string): string {
  let at = id;
  for (let i = 0; i <= all.length; i++) {
    const next = all.findLast((m) => m.parent === at);
    if (!next) break;
    at = next.id;
  }
  return at;
}

// openCalls returns the calls at the end of a branch that have no result yet.
export function openCalls(path: Message[]): Message["calls"] {
  const last = path.findLast((m) => m.role === "assistant");
  if (!last?.calls?.length) return [];
  const done = new Set(path.slice(path.indexOf(last) + 1).map((m) => m.call));
  return path.at(-1)?.role === "user" ? [] : last.calls.filter((c) => !done.has(c.id));
}

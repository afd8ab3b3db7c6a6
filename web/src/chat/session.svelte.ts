// The chat that is open: its messages, the answer that streams, and what is kept on the server.

import { aborted, get, Problem, send, told } from "../lib/api.ts";
import { account } from "../lib/account.svelte.ts";
import { recall, remember } from "../lib/keep.ts";
import { shared } from "../lib/shared.svelte.ts";
import { requestOf } from "./request.ts";
import { answer, type Growing } from "./stream.ts";
import { branch, tip } from "./tree.ts";
import { plain, type Attachment, type Chat, type Figures, type Message, type Settings, type Summary } from "./types.ts";

// Live is the answer that streams.
export interface Live extends Growing {
  phase: "waiting" | "reading" | "growing";
  slow: boolean; // it takes longer than usual, so say why
  ahead: number; // requests that are answered before it; -1: not known
  model: string;
}

export interface Failure {
  parent: string; // the message that got no answer
  text: string;
  limited: boolean; // by a quota or the rate of requests
}

// own is a key of this account alone: the next one at this browser is not to begin with a system prompt of this one.
function own(key: string): string {
  const user = account.me?.user.id ?? "";
  return user === "" ? key : `${key}.${user}`;
}

function remembered(): Settings {
  try {
    return { ...plain, ...JSON.parse(recall(own("settings")) || "{}") as Partial<Settings> };
  } catch {
    return { ...plain };
  }
}

export class Session {
  id = $state("");
  title = $state("");
  all = $state.raw<Message[]>([]);
  head = $state("");
  settings = $state<Settings>(remembered());
  live = $state.raw<Live | null>(null);
  failure = $state.raw<Failure | null>(null);
  unsaved = $state(""); // why the last messages are not on the server
  loading = $state(false);
  missing = $state("");
  readonly path = $derived(branch(this.all, this.head));
  private stopper: AbortController | null = null;
  private locals = 0;

  // changed is called when the list of chats is to be read again.
  constructor(private readonly changed: (s: Summary) => void) {}

  get busy(): boolean {
    return this.live !== null;
  }

  // clear begins a new chat; nothing is on the server until something is asked.
  clear(): void {
    this.stop();
    this.stopper = null; // what still streams is of the old chat
    this.live = null;
    this.id = "";
    this.title = "";
    this.all = [];
    this.head = "";
    this.failure = null;
    this.unsaved = "";
    this.missing = "";
    this.loading = false;
    this.settings = remembered();
  }

  async open(id: string): Promise<void> {
    if (id === this.id) return;
    this.clear();
    this.id = id;
    this.loading = true;
    try {
      const chat = await get<Chat>(`/api/v1/chats/${encodeURIComponent(id)}`);
      if (this.id !== id) return;
      this.title = chat.title;
      this.all = chat.messages;
      this.head = chat.head || (chat.messages.at(-1)?.id ?? "");
      this.settings = { ...plain, ...chat.settings };
    } catch (e) {
      if (this.id !== id) return;
      this.missing = told(e);
    } finally {
      if (this.id === id) this.loading = false;
    }
  }

  stop(): void {
    this.stopper?.abort();
  }

  // keepSettings keeps them for this chat, and for new ones where a request can be made of them.
  keepSettings(): void {
    if (sound($state.snapshot(this.settings))) remember(own("settings"), JSON.stringify($state.snapshot(this.settings)));
    if (this.id === "" || this.missing !== "") return;
    send<Summary>("PATCH", `/api/v1/chats/${this.id}`, { settings: $state.snapshot(this.settings) }).then(this.changed, () => undefined);
  }

  // ask adds a question after parent, which is empty for the first one, and gets its answer.
  async ask(content: string, attachments: Attachment[], parent: string): Promise<void> {
    const m: Partial<Message> = { role: "user", content };
    if (attachments.length > 0) m.attachments = attachments;
    await this.add([m], parent);
    await this.reply();
  }

  // results adds what called tools gave, and goes on.
  async results(list: { call: string; content: string }[]): Promise<void> {
    await this.add(list.map((r) => ({ role: "tool" as const, ...r })), this.head);
    await this.reply();
  }

  // again asks for another answer to what the message answers.
  async again(m: Message): Promise<void> {
    this.head = m.role === "assistant" ? m.parent ?? "" : m.id;
    await this.reply();
  }

  show(m: Message): void {
    this.failure = null;
    this.head = tip(this.all, m.id);
    if (this.id !== "") send("PATCH", `/api/v1/chats/${this.id}`, { head: this.head }).catch(() => undefined);
  }

  // add keeps messages on the server. Where that fails they are in the page alone, and the page says so.
  private async add(list: Partial<Message>[], parent: string): Promise<void> {
    this.failure = null;
    const here = this.id;
    const local = list.map((m) => ({ content: "", role: "user" as const, created: new Date().toISOString(), ...m, id: `local_${++this.locals}` }));
    for (const [i, m] of local.entries()) {
      const before = i === 0 ? parent : local[i - 1]?.id;
      if (before) m.parent = before;
    }
    this.all = [...this.all, ...local];
    this.head = local.at(-1)?.id ?? this.head;
    try {
      const ids = await this.keep(list, parent);
      if (this.id !== here && here !== "") return;
      const known = new Map(local.map((m, i) => [m.id, ids[i] ?? m.id]));
      this.all = this.all.map((m) => ({ ...m, id: known.get(m.id) ?? m.id, ...(m.parent ? { parent: known.get(m.parent) ?? m.parent } : {}) }));
      this.head = known.get(this.head) ?? this.head;
      this.unsaved = "";
    } catch (e) {
      this.unsaved ||= told(e); // the first reason explains the others
    }
  }

  private async keep(list: Partial<Message>[], parent: string): Promise<string[]> {
    if (parent.startsWith("local_")) throw new Problem("An earlier message could not be kept, so this one is not either.", { status: 409 });
    if (this.id !== "") {
      const body = parent === "" ? { messages: list } : { parent, messages: list };
      const out = await send<{ messages: Message[] }>("POST", `/api/v1/chats/${this.id}/messages`, body);
      this.changed({ id: this.id, title: this.title, created: "", updated: new Date().toISOString() });
      return out.messages.map((m) => m.id);
    }
    const title = titleOf(list[0]?.content ?? "", list[0]?.attachments);
    const chat = await send<Chat>("POST", "/api/v1/chats", { title, settings: $state.snapshot(this.settings), messages: list });
    this.id = chat.id;
    this.title = chat.title;
    this.changed(chat);
    history.replaceState(null, "", `#/chat/${encodeURIComponent(chat.id)}`);
    shared.route = { ...shared.route, view: "chat", id: chat.id };
    return chat.messages.map((m) => m.id);
  }

  // reply streams the answer to the branch that is shown.
  private async reply(): Promise<void> {
    const parent = this.head;
    const chat = this.id;
    const stopper = new AbortController();
    this.stopper?.abort();
    this.stopper = stopper;
    this.failure = null;
    const grown: Growing = { content: "", reasoning: "", calls: [] };
    const figures: Figures = {};
    let phase: Live["phase"] = "waiting";
    let slow = false;
    let ahead = -1;
    const name = `page_${Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("")}`;
    let frame = 0;
    const draw = () => {
      frame = 0;
      if (this.stopper === stopper) this.live = { ...grown, calls: grown.calls.map((c) => ({ ...c })), phase, slow, ahead, model: this.settings.model };
    };
    // Most answers start at once. One that does not is the first of a model, or there is a queue.
    const timer = setInterval(() => {
      slow = true;
      if (phase === "waiting") {
        void placeOf(name).then((place) => {
          ahead = place;
          if (phase === "waiting") draw();
        });
      }
      if (phase !== "growing") draw();
    }, 1500);
    draw();
    shared.announce("Waiting for the answer");
    const m: Partial<Message> = { role: "assistant", figures };
    let problem = "";
    let limited = false;
    try {
      const body = requestOf($state.snapshot(this.settings), this.path);
      const end = await answer(body, stopper.signal, grown, figures, (p) => {
        if (p === "started") {
          phase = "reading";
          slow = false;
        } else if (phase !== "growing") {
          phase = "growing";
          shared.announce("Answering");
        }
        frame ||= requestAnimationFrame(draw);
      }, name);
      m.finish = end.finish;
      m.model = end.model || this.settings.model;
    } catch (e) {
      m.finish = aborted(e) ? "stopped" : "failed";
      m.model = this.settings.model;
      limited = e instanceof Problem && e.status === 429 && e.code !== "queue_full";
      if (!aborted(e)) problem = e instanceof Problem && e.offline ? "Your message got no answer: the server does not answer." : told(e);
    }
    clearInterval(timer);
    if (frame) cancelAnimationFrame(frame);
    if (this.stopper !== stopper) { // another chat was opened; what there is of the answer belongs to the old one
      if (grown.content !== "" && chat !== "") {
        m.content = grown.content;
        send("POST", `/api/v1/chats/${chat}/messages`, { parent, messages: [m] }).catch(() => undefined);
      }
      return;
    }
    this.stopper = null;
    await this.settle(m, grown, parent, problem, limited);
  }

  private async settle(m: Partial<Message>, grown: Growing, parent: string, problem: string, limited: boolean): Promise<void> {
    m.content = grown.content;
    if (grown.reasoning !== "") m.reasoning = grown.reasoning;
    if (grown.calls.length > 0) m.calls = grown.calls;
    this.live = null;
    const any = grown.content !== "" || grown.reasoning !== "" || grown.calls.length > 0;
    if (any || problem === "") {
      const adding = this.add([m], parent);
      if (problem !== "") this.failure = { parent: this.head, text: problem, limited };
      shared.announce(m.finish === "stopped" ? "Stopped" : `Answer: ${grown.content}`);
      await adding;
      if (problem !== "") this.failure = { parent: this.head, text: problem, limited };
    } else this.failure = { parent, text: problem, limited };
  }
}

function sound(settings: Settings): boolean {
  try {
    requestOf(settings, []);
    return true;
  } catch {
    return false;
  }
}

// placeOf asks how many requests are answered before one that waits; -1 where that is not known.
async function placeOf(id: string): Promise<number> {
  try {
    const { live } = await get<{ live: { id: string; phase: string; ahead: number }[] }>("/api/v1/activity");
    return live.find((l) => l.id === id && l.phase === "waiting")?.ahead ?? -1;
  } catch {
    return -1;
  }
}

// titleOf makes a title of the first line of a question.
export function titleOf(text: string, files: Attachment[] = []): string {
  const line = text.split("\n").find((l) => l.trim() !== "")?.trim() ?? files[0]?.name ?? "New chat";
  return line.length > 60 ? `${line.slice(0, 59).trimEnd()}…` : line;
}

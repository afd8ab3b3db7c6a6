// The list of the chats that are kept on the server.

import { get, send, told } from "../lib/api.ts";
import type { Summary } from "./types.ts";

class Chats {
  list = $state.raw<Summary[]>([]);
  more = $state(false);
  known = $state(false);
  problem = $state("");
  query = $state("");
  private turn = 0;

  async load(after = ""): Promise<void> {
    const turn = ++this.turn;
    const q = new URLSearchParams({ limit: "50" });
    if (this.query.trim() !== "") q.set("q", this.query.trim());
    if (after !== "") q.set("after", after);
    try {
      const out = await get<{ chats: Summary[]; more: boolean }>(`/api/v1/chats?${q}`);
      if (turn !== this.turn) return; // a newer search is under way
      this.list = after === "" ? out.chats : [...this.list, ...out.chats];
      this.more = out.more;
      this.known = true;
      this.problem = "";
    } catch (e) {
      if (turn === this.turn) this.problem = told(e);
    }
  }

  // touch puts a chat that is new, or has a new title, into the list.
  touch(s: Summary): void {
    const old = this.list.find((c) => c.id === s.id);
    if (!old && this.query.trim() !== "") return;
    if (!old) this.list = [s, ...this.list];
    else this.list = this.list.map((c) => (c.id === s.id ? { ...c, title: s.title || c.title, updated: s.updated } : c));
  }

  async rename(id: string, title: string): Promise<void> {
    this.touch(await send<Summary>("PATCH", `/api/v1/chats/${encodeURIComponent(id)}`, { title }));
  }

  async remove(id: string): Promise<void> {
    await send("DELETE", `/api/v1/chats/${encodeURIComponent(id)}`);
    this.list = this.list.filter((c) => c.id !== id);
  }
}

export const chats = new Chats();

// What a view reads once, and again when the server is back or the reader asks.

import { untrack } from "svelte";
import { get, told } from "./api.ts";
import { shared } from "./shared.svelte.ts";

export class Loaded<T> {
  data = $state.raw<T | null>(null);
  problem = $state("");
  private path: () => string;
  private turn = 0;

  // path is asked for anew when what it depends on changes. To be made while a component is set up.
  constructor(path: () => string) {
    this.path = path;
    $effect(() => {
      void shared.returned;
      path();
      untrack(() => void this.load());
    });
  }

  load = async (): Promise<void> => {
    const turn = ++this.turn;
    const path = this.path();
    if (path === "") return;
    try {
      const data = await get<T>(path);
      if (turn !== this.turn) return;
      this.data = data;
      this.problem = "";
    } catch (e) {
      if (turn === this.turn) this.problem = told(e);
    }
  };
}

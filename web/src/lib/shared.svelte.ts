// What every view shares: whether the server is there, what a screen reader is told, which view is shown, the theme.

import { account } from "./account.svelte.ts";
import { alive, Problem, watch } from "./api.ts";
import { recall, remember } from "./keep.ts";

class Shared {
  offline = $state(false);
  spoken = $state("");
  route = $state(parse(location.hash));
  // returned counts how often the server came back, so that a view can load again what it failed to.
  returned = $state(0);
  private looking = false;

  announce(text: string): void {
    this.spoken = text;
  }

  // lost begins to look for a server that is away, until it is back.
  lost(): void {
    this.offline = true;
    if (this.looking) return;
    this.looking = true;
    let wait = 1000;
    const look = async () => {
      if (!this.offline || await alive()) {
        this.looking = false;
        this.found();
        return;
      }
      wait = Math.min(wait * 1.5, 15_000);
      setTimeout(look, wait);
    };
    setTimeout(look, wait);
  }

  found(): void {
    if (!this.offline) return;
    this.offline = false;
    this.returned++;
    this.announce("The server answers again");
  }
}

export interface Route {
  view: string;
  id: string;
  query: URLSearchParams;
}

// parse reads an address such as #/chat/ID?x=y, or that of the set-up link.
export function parse(hash: string): Route {
  if (hash.startsWith("#setup=")) return { view: "setup", id: hash.slice(7), query: new URLSearchParams() };
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [view = "", id = ""] = path.split("/", 2);
  return { view: view || "chat", id: decodeURIComponent(id), query: new URLSearchParams(query) };
}

export const shared = new Shared();

export function go(hash: string): void {
  location.hash = hash;
}

addEventListener("hashchange", () => {
  shared.route = parse(location.hash);
});

watch((reached, status) => {
  if (status === 401) account.out = true;
  if (reached) shared.found();
  else shared.lost();
});

// heed takes note of a failure that is about the server being away, and reports whether it was one.
export function heed(e: unknown): boolean {
  return e instanceof Problem && e.offline;
}

const dark = matchMedia("(prefers-color-scheme: dark)");

class Theme {
  private system = $state(dark.matches);
  private chosen = $state(recall("theme"));

  constructor() {
    dark.addEventListener("change", () => {
      this.system = dark.matches;
    });
  }

  get dark(): boolean {
    return this.chosen === "" ? this.system : this.chosen === "dark";
  }

  // toggle goes back to what the system says where that is the same, and then follows it again.
  toggle(): void {
    const next = this.dark ? "light" : "dark";
    this.chosen = (next === "dark") === this.system ? "" : next;
    if (this.chosen === "") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.chosen;
    remember("theme", this.chosen);
  }
}

export const theme = new Theme();

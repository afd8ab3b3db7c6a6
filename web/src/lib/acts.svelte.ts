// What a view does for its reader, and what went wrong with the last of it.

import { told } from "./api.ts";
import { shared } from "./shared.svelte.ts";

export class Acts {
  problem = $state("");
  busy = $state(false); // so that a form is not sent twice
  private after: () => Promise<unknown>;

  // after reads anew what the view shows.
  constructor(after: () => Promise<unknown>) {
    this.after = after;
  }

  // done is announced when f has succeeded.
  run = async (done: string, f: () => Promise<unknown>): Promise<void> => {
    this.problem = "";
    this.busy = true;
    try {
      await f();
      shared.announce(done);
    } catch (e) {
      this.problem = told(e);
    } finally {
      this.busy = false;
    }
    await this.after();
  };
}

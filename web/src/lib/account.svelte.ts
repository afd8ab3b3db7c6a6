// Who looks at the page, where the server has accounts.

import { get, Problem, send } from "./api.ts";

export interface User {
  id: string;
  name: string;
  email?: string;
  role: string;
  group?: string;
  disabled: boolean;
  has_password: boolean;
  created_at: string;
  last_login_at?: string;
}

interface Me {
  user: User;
  scopes: string[];
  accounts: boolean;
}

class Account {
  known = $state(false);
  accounts = $state(false);
  registration = $state(false);
  provider = $state(""); // name of an identity provider to sign in by
  me = $state.raw<Me | null>(null);
  private names = $state.raw(new Map<string, string>());
  out = $state(false); // the server wants to know who asks

  get admin(): boolean {
    return this.me?.scopes.includes("admin") ?? false;
  }

  // may says whether the caller has a scope; a server that could not be asked will say it itself.
  may(scope: string): boolean {
    return this.me === null || this.me.scopes.includes(scope);
  }

  async ask(): Promise<void> {
    try {
      const ways = await get<{ accounts: boolean; registration: boolean; provider?: string }>("/api/v1/login");
      this.accounts = ways.accounts;
      this.registration = ways.registration;
      this.provider = ways.provider ?? "";
      this.me = await get<Me>("/api/v1/me");
      this.out = false;
    } catch (e) {
      if (e instanceof Problem && e.status === 401) this.out = true;
    }
    this.known = true;
  }

  // nameOf is what an account is called, where that is known: the own, and for an admin all of them after learn.
  nameOf(id: string): string {
    return id === this.me?.user.id ? this.me.user.name : this.names.get(id) ?? id;
  }

  async learn(): Promise<void> {
    if (!this.admin || !this.accounts) return;
    const { users } = await get<{ users: User[] }>("/api/v1/users");
    this.names = new Map(users.map((u) => [u.id, u.name]));
  }

  async leave(): Promise<void> {
    await send("POST", "/api/v1/logout");
    begin();
  }
}

export const account = new Account();

// begin loads the page anew: nothing of one account is to be seen by the next.
export function begin(): void {
  history.replaceState(null, "", "#/chat");
  location.reload();
}

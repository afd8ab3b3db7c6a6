// The words of the API for accounts.

export interface Group {
  id: string;
  name: string;
  created_at: string;
}

export interface Key {
  id: string;
  user_id: string;
  name: string;
  hint: string;
  scopes: string[];
  models: string[];
  state: "active" | "expired" | "revoked";
  created_at: string;
  expires_at?: string;
  last_used_at?: string;
}

export interface Session {
  id: string;
  user_id: string;
  device: string;
  address: string;
  created_at: string;
  expires_at: string;
  last_used_at: string;
  current: boolean;
}

export const roles = ["viewer", "user", "publisher", "moderator", "operator", "admin"];

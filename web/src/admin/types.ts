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

export interface Quota {
  id: string;
  kind: "user" | "group" | "key" | "model";
  subject: string;
  name: string;
  model?: string;
  unit: "tokens" | "requests" | "concurrent" | "weight";
  window?: "minute" | "day" | "month";
  limit: number;
  used: number;
  reserved: number;
  remaining: number;
  resets_at?: string;
}

export interface Sum {
  requests: number;
  prompt_tokens: number;
  completion_tokens: number;
  tokens: number;
}

export interface Usage {
  user: string;
  today: Sum;
  total: Sum;
  days: (Sum & { date: string; models: Record<string, Sum> })[];
  limits: Quota[];
}

export interface Act {
  seq: number;
  time: string;
  user_id: string;
  user_name: string;
  action: string;
  summary: string;
  object_kind: string;
  object: string;
  remote: string;
  request_id: string;
  outcome: "done" | "refused" | "failed" | "open";
  status: number;
  detail: string;
}

export interface Report {
  ok: boolean;
  rows: number;
  last: number;
  bad_row: number | null;
  problem: string;
  checkpoints: number;
  signed_row: number;
  signed_at: string | null;
  public_key: string;
}

export interface Setting {
  key: string;
  value: unknown;
  default: unknown;
  source: "default" | "file" | "env" | "flag";
  origin?: string;
  secret: boolean;
  reload: boolean;
  pending?: unknown;
  allowed: string;
  doc: string;
}

export interface Flag {
  name: string;
  phase: string;
  about: string;
  exposure: string;
  default: string;
  source: "default" | "setting" | "admin";
  origin?: string;
}

export interface Secret {
  name: string;
  opens: boolean;
  key_id: string;
  used_by: string[];
  created_at: string;
  updated_at: string;
}

export interface Turned {
  old_key_id: string;
  new_key_id: string;
  sealed: number;
  left: string[];
  file?: string;
}

export const adminViews = [
  { id: "", title: "Accounts", href: "#/admin", scope: "admin" },
  { id: "quotas", title: "Quotas", href: "#/admin/quotas", scope: "admin" },
  { id: "audit", title: "Audit", href: "#/admin/audit", scope: "admin" },
  { id: "settings", title: "Settings", href: "#/admin/settings", scope: "admin" },
  { id: "credentials", title: "Credentials", href: "#/admin/credentials", scope: "admin" },
  { id: "flags", title: "Features", href: "#/admin/flags", scope: "admin" },
];

// allows writes what a quota allows.
export function allows(q: Pick<Quota, "unit" | "window" | "limit">): string {
  const n = q.limit.toLocaleString("en-GB");
  if (q.unit === "concurrent") return `${n} at once`;
  if (q.unit === "weight") return `weight ${n} in the queue`;
  return `${n} ${q.limit === 1 ? q.unit.slice(0, -1) : q.unit} a ${q.window ?? "day"}`;
}

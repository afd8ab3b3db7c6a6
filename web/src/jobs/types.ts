// The words of the jobs API, and how a reader is told of them.

import { bytes, count } from "../lib/format.ts";

export type State = "queued" | "running" | "done" | "failed" | "cancelled";

export interface Job {
  id: string;
  kind: string;
  state: State;
  title: string;
  user: string;
  status: string;
  completed: number;
  total: number;
  attempts: number;
  created: string;
  started?: string;
  ended?: string;
  result?: unknown;
  error?: { error: { code?: string; message?: string } };
}

export const states: Record<State, string> = { queued: "Waiting", running: "Running", done: "Done", failed: "Failed", cancelled: "Cancelled" };

export const goesOn = (s: State) => s === "queued" || s === "running";

// far says how far a job is.
export function far(j: Pick<Job, "kind" | "completed" | "total">): string {
  const amount = j.kind === "pull" ? bytes : count;
  if (j.total > 0) return `${amount(j.completed)} of ${amount(j.total)}, ${Math.floor((100 * j.completed) / j.total)} %`;
  return j.completed > 0 ? amount(j.completed) : "";
}

// The words of the activity API, and the views of what goes on.

export interface Activity {
  since: string;
  step: number;
  live: { id: string; user: string; model: string; class: string; phase: "waiting" | "reading" | "answering"; ahead: number; seconds: number; pieces: number; speed: number }[];
  past: { at: string; pieces: number; done: number; prompt: number; cached: number; running: number; waiting: number }[];
  first_token: { up_to?: number; count: number }[];
  users: { user: string; requests: number; prompt: number; cached: number; generated: number }[];
}

export const activities = [
  { id: "activity", title: "Requests", href: "#/activity", scope: "read" },
  { id: "jobs", title: "Jobs", href: "#/jobs", scope: "operate" },
];

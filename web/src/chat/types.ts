// The words of the chat API, and what the page keeps of a chat.

export interface Attachment {
  name: string;
  text: string;
}

export interface Call {
  id: string;
  name: string;
  arguments: string;
}

// Figures are what an answer cost and where it was made.
export interface Figures {
  prompt?: number;
  cached?: number;
  completion?: number;
  reasoning?: number;
  first?: number; // seconds until the first piece
  seconds?: number; // from the first piece to the last
  thought?: number; // seconds until the answer's own text began
  runtime?: string;
  device?: string;
  fallback?: string;
}

export interface Message {
  id: string;
  parent?: string;
  role: "user" | "assistant" | "tool";
  content: string;
  reasoning?: string;
  attachments?: Attachment[];
  calls?: Call[];
  call?: string;
  model?: string;
  finish?: string;
  figures?: Figures;
  created: string;
}

export interface Summary {
  id: string;
  title: string;
  created: string;
  updated: string;
  found?: string;
}

export interface Chat extends Summary {
  settings: Partial<Settings>;
  head?: string;
  messages: Message[];
}

export type Format = "text" | "json" | "schema";

// Settings are what goes with every request of a chat. An empty text leaves it to the model.
export interface Settings {
  model: string;
  system: string;
  temperature: string;
  topP: string;
  maxTokens: string;
  seed: string;
  stop: string;
  effort: string;
  format: Format;
  schema: string;
  tools: string;
}

export const plain: Settings = {
  model: "", system: "", temperature: "", topP: "", maxTokens: "", seed: "", stop: "", effort: "", format: "text", schema: "", tools: "",
};

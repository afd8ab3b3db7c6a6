// A chat as a file.

import { save } from "../lib/clipboard.ts";
import { withFiles } from "./request.ts";
import type { Chat, Message, Settings } from "./types.ts";

function fileName(title: string, ending: string): string {
  const name = title.normalize("NFKD").replace(/[^\w-]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60);
  return `${name || "chat"}.${ending}`;
}

export function markdown(title: string, settings: Settings, path: Message[]): string {
  const parts = [`# ${title || "Chat"}`];
  if (settings.system.trim() !== "") parts.push(`## System\n\n${settings.system.trim()}`);
  for (const m of path) {
    if (m.role === "user") parts.push(`## You\n\n${withFiles(m.content, m.attachments)}`);
    else if (m.role === "tool") parts.push(`## Result of ${m.call ?? "a tool"}\n\n${m.content}`);
    else {
      const calls = (m.calls ?? []).map((c) => `Calls \`${c.name}\` with\n\n\`\`\`json\n${c.arguments}\n\`\`\``);
      parts.push([`## ${m.model || "Model"}`, m.content, ...calls].filter((p) => p !== "").join("\n\n"));
    }
  }
  return `${parts.join("\n\n")}\n`;
}

export function saveMarkdown(title: string, settings: Settings, path: Message[]): void {
  save(fileName(title, "md"), "text/markdown", markdown(title, settings, path));
}

// saveJSON saves the whole tree, in the form in which the server keeps it.
export function saveJSON(chat: Pick<Chat, "id" | "title" | "settings" | "messages"> & { head: string }): void {
  save(fileName(chat.title, "json"), "application/json", `${JSON.stringify(chat, null, 2)}\n`);
}

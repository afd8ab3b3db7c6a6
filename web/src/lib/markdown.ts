// A bounded reader of Markdown: fenced code, headings, lists, quotes, tables, rules, paragraphs. It makes a tree and no
// markup.

import { inline, type Inline } from "./inline.ts";

export type Block = { raw: string } & (
  | { kind: "code"; language: string; text: string }
  | { kind: "heading"; level: number; c: Inline[] }
  | { kind: "text"; c: Inline[] }
  | { kind: "list"; ordered: boolean; start: number; items: Block[][] }
  | { kind: "quote"; blocks: Block[] }
  | { kind: "table"; head: Inline[][]; rows: Inline[][][] }
  | { kind: "rule" }
);

const fence = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)[^`]*$/;
const heading = /^ {0,3}(#{1,6})\s+(.+?)\s*#*$/;
const bullet = /^(\s*)([-*+])(\s+)(?=\S)/;
const number = /^(\s*)(\d{1,9})[.)](\s+)(?=\S)/;
const rule = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const divider = /^ {0,3}\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;
const deepest = 6;

// blocks cuts text into blocks. Where old ones are given, those that did not change are the same objects, so that a growing
// text is drawn anew only at its end.
export function blocks(text: string, old: Block[] = [], depth = 0): Block[] {
  const lines = text.split("\n");
  const out: Block[] = [];
  let i = 0;
  while (i < lines.length) {
    if ((lines[i] ?? "").trim() === "") {
      i++;
      continue;
    }
    const end = extent(lines, i);
    const raw = lines.slice(i, end).join("\n");
    const before = old[out.length];
    out.push(before?.raw === raw ? before : read(lines.slice(i, end), raw, depth));
    i = end;
  }
  return out;
}

// extent finds where the block that begins at line i ends.
function extent(lines: string[], i: number): number {
  const first = lines[i] ?? "";
  const open = fence.exec(first)?.[1];
  let end = i + 1;
  if (open) {
    while (end < lines.length && !closes(lines[end] ?? "", open)) end++;
    return Math.min(end + 1, lines.length);
  }
  if (heading.test(first) || rule.test(first)) return end;
  if (isTable(lines, i)) {
    while (end < lines.length && (lines[end] ?? "").includes("|")) end++;
    return end;
  }
  const quoted = first.startsWith(">");
  const listed = isItem(first);
  while (end < lines.length) {
    const line = lines[end] ?? "";
    if (listed) {
      if (line.trim() === "") {
        const next = lines[end + 1] ?? "";
        if (!isItem(next) && !/^\s{2,}\S/.test(next)) break;
      } else if (!isItem(line) && !/^\s/.test(line) && (fence.test(line) || heading.test(line) || rule.test(line) || (lines[end - 1] ?? "").trim() === "")) break;
    } else if (quoted ? line.trim() === "" : interrupts(lines, end)) break;
    end++;
  }
  return end;
}

function closes(line: string, mark: string): boolean {
  const t = line.trim();
  return t.length >= mark.length && t === (mark[0] ?? "").repeat(t.length);
}

function isItem(line: string): boolean {
  return !rule.test(line) && (bullet.test(line) || number.test(line));
}

function isTable(lines: string[], i: number): boolean {
  const next = lines[i + 1] ?? "";
  return (lines[i] ?? "").includes("|") && next.includes("-") && divider.test(next) && next.includes("|");
}

function interrupts(lines: string[], i: number): boolean {
  const line = lines[i] ?? "";
  return line.trim() === "" || line.startsWith(">") || fence.test(line) || heading.test(line) || rule.test(line) || isItem(line) || isTable(lines, i);
}

function read(lines: string[], raw: string, depth: number): Block {
  const first = lines[0] ?? "";
  const open = fence.exec(first);
  if (open) {
    const body = lines.slice(1);
    if (body.length > 0 && closes(body.at(-1) ?? "", open[1] ?? "")) body.pop();
    return { kind: "code", language: open[2] ?? "", text: body.join("\n"), raw };
  }
  const title = heading.exec(first);
  if (title) return { kind: "heading", level: (title[1] ?? "#").length, c: inline(title[2] ?? ""), raw };
  if (rule.test(first)) return { kind: "rule", raw };
  if (isTable(lines, 0)) {
    const [head, , ...rows] = lines;
    return { kind: "table", head: cells(head ?? ""), rows: rows.map(cells), raw };
  }
  if (depth < deepest && first.startsWith(">")) return { kind: "quote", blocks: blocks(lines.map((l) => l.replace(/^> ?/, "")).join("\n"), [], depth + 1), raw };
  if (depth < deepest && isItem(first)) return list(lines, raw, depth);
  return { kind: "text", c: inline(raw), raw };
}

function cells(line: string): Inline[][] {
  return line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((c) => inline(c.trim().replaceAll("\\|", "|")));
}

// list cuts a list into items. What is indented as far as an item's text belongs to it.
function list(lines: string[], raw: string, depth: number): Block {
  const n = number.exec(lines[0] ?? "");
  const items: string[][] = [];
  let width = 0;
  for (const line of lines) {
    const m = rule.test(line) ? null : bullet.exec(line) ?? number.exec(line);
    if (m && (items.length === 0 || (m[1] ?? "").length < Math.min(width, 2))) {
      width = m[0].length;
      items.push([line.slice(width)]);
    } else items.at(-1)?.push(line.slice(Math.min(width, line.length - line.trimStart().length)));
  }
  return { kind: "list", ordered: n !== null, start: n ? Number(n[2]) : 1, items: items.map((i) => blocks(i.join("\n"), [], depth + 1)), raw };
}

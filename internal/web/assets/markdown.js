// A small, safe subset of Markdown: fenced code, headings, lists, bold, italics and inline code. It builds nodes from text,
// so nothing that a model writes can become markup, a link or a request.

import { copyButton, el } from "./dom.js";

const fence = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)/;
const heading = /^ {0,3}(#{1,6})\s+(.+?)\s*#*$/;
const bullet = /^(\s*)[-*+]\s+(.*)$/;
const number = /^(\s*)(\d{1,9})[.)]\s+(.*)$/;

// blocks cuts text into {kind, raw, …}. Only the last block of a growing text can change.
export function blocks(text) {
  const out = [];
  const lines = text.split("\n");
  let i = 0;
  while (i < lines.length) {
    const line = lines[i];
    if (line.trim() === "") {
      i++;
      continue;
    }
    const start = i;
    const open = fence.exec(line);
    if (open) {
      i++;
      const body = [];
      while (i < lines.length && !closes(lines[i], open[1])) body.push(lines[i++]);
      const closed = i < lines.length;
      if (closed) i++;
      out.push({ kind: "code", language: open[2], text: body.join("\n"), raw: lines.slice(start, i).join("\n") + closed });
      continue;
    }
    const title = heading.exec(line);
    if (title) {
      i++;
      out.push({ kind: "heading", level: title[1].length, text: title[2], raw: line });
      continue;
    }
    if (bullet.test(line) || number.test(line)) {
      while (i < lines.length && inList(lines, i)) i++;
      const raw = lines.slice(start, i);
      out.push({ kind: "list", lines: raw, raw: raw.join("\n") });
      continue;
    }
    while (i < lines.length && (i === start || !interrupts(lines[i]))) i++;
    const raw = lines.slice(start, i).join("\n");
    out.push({ kind: "text", text: raw, raw });
  }
  return out;
}

function closes(line, mark) {
  const t = line.trim();
  return t.length >= mark.length && t === mark[0].repeat(t.length);
}

function interrupts(line) {
  return line.trim() === "" || fence.test(line) || heading.test(line) || bullet.test(line) || number.test(line);
}

// inList: an item, an indented line, or a blank line that another item follows.
function inList(lines, i) {
  const line = lines[i];
  if (line.trim() === "") {
    const next = lines[i + 1] ?? "";
    return bullet.test(next) || number.test(next);
  }
  if (fence.test(line) && !/^\s{2,}/.test(line)) return false;
  return bullet.test(line) || number.test(line) || /^\s+\S/.test(line);
}

// Renderer shows a growing text in a node and rebuilds only the blocks that changed, so that a selection in the finished
// part survives and long answers stay cheap.
export class Renderer {
  constructor(node, announce) {
    this.node = node;
    this.announce = announce;
    this.raws = [];
  }

  show(text) {
    const next = blocks(text);
    let same = 0;
    while (same < next.length && same < this.raws.length && next[same].raw === this.raws[same]) same++;
    while (this.node.children.length > same) this.node.lastChild.remove();
    for (const block of next.slice(same)) this.node.append(this.draw(block));
    this.raws = next.map((b) => b.raw);
  }

  draw(block) {
    switch (block.kind) {
      case "code":
        return this.code(block);
      case "heading":
        // One level for all: an answer's own order of levels is the model's, and a screen reader's outline must not skip one.
        return el("h2", { class: block.level > 1 ? "lesser" : null }, ...inline(block.text));
      case "list":
        return list(block.lines);
      default:
        return el("p", {}, ...inline(block.text));
    }
  }

  code({ language, text }) {
    const name = language || "code";
    return el("figure", { class: "code" },
      el("figcaption", {}, el("span", {}, name), copyButton(() => text, "Code", this.announce)),
      el("pre", { tabindex: "0", role: "group", "aria-label": `${name} block` }, el("code", {}, text)));
  }
}

// list builds nested lists from indentation.
function list(lines) {
  const make = (m) => m.ordered ? el("ol", m.first !== 1 ? { start: m.first } : {}) : el("ul");
  const stack = [];
  for (const line of lines) {
    const b = bullet.exec(line);
    const n = b ? null : number.exec(line);
    if (!b && !n) {
      if (line.trim() && stack.length > 0) stack.at(-1).node.lastChild.append(" ", ...inline(line.trim()));
      continue;
    }
    const item = { indent: (b ?? n)[1].replaceAll("\t", "    ").length, ordered: !!n, first: n ? Number(n[2]) : 1, text: b ? b[2] : n[3] };
    while (stack.length > 1 && item.indent < stack.at(-1).indent) stack.pop();
    if (stack.length === 0 || item.indent > stack.at(-1).indent + 1) {
      const node = make(item);
      stack.at(-1)?.node.lastChild.append(node);
      stack.push({ node, indent: item.indent });
    }
    stack.at(-1).node.append(el("li", {}, ...inline(item.text)));
  }
  return stack[0].node;
}

const spans = /(`+)([^`]|[^`][\s\S]*?[^`])\1(?!`)|\*\*(?=\S)([\s\S]*?\S)\*\*|(?<![\w*])\*(?=[^\s*])([^*\n]*[^\s*])\*(?![\w*])/g;

// inline turns a text into nodes: code, bold, italics, and line breaks.
export function inline(text, depth = 0) {
  if (text.length > 20000) return plain(text); // no answer has such a paragraph; matching it would hold up the page
  const out = [];
  let at = 0;
  for (const m of text.matchAll(spans)) {
    if (m.index > at) out.push(...plain(text.slice(at, m.index)));
    if (m[1]) out.push(el("code", {}, m[2].replace(/^ (.*) $/, "$1")));
    else {
      const tag = m[3] !== undefined ? "strong" : "em";
      out.push(el(tag, {}, ...(depth < 4 ? inline(m[3] ?? m[4], depth + 1) : [m[3] ?? m[4]])));
    }
    at = m.index + m[0].length;
  }
  if (at < text.length) out.push(...plain(text.slice(at)));
  return out;
}

function plain(text) {
  return text.split("\n").flatMap((line, i) => (i > 0 ? [el("br"), line] : [line]));
}

// What stands inside a paragraph. Text becomes a tree of known kinds, so nothing that a model writes can become markup, and
// only addresses of the web and of mail become links.

export type Inline =
  | { t: "text"; s: string }
  | { t: "code"; s: string }
  | { t: "br" }
  | { t: "strong" | "em" | "del"; c: Inline[] }
  | { t: "link"; href: string; c: Inline[] };

const spans = new RegExp([
  /(`+)(?!`)([\s\S]*?[^`])\1(?!`)/, // 1 2: code
  /(!?)\[([^\]\n]*)\]\(\s*<?([^\s()<>]*(?:\([^\s()]*\)[^\s()<>]*)*)>?(?:\s+"[^"\n]*")?\s*\)/, // 3 4 5: link or image
  /\*\*(?=\S)([\s\S]*?\S)\*\*/, // 6: strong
  /~~(?=\S)([\s\S]*?\S)~~/, // 7: struck out
  /(?<![\w*])\*(?=[^\s*])([^*\n]*[^\s*]|[^\s*])\*(?![\w*])/, // 8: emphasis
  /(?<!\w)_(?=[^\s_])([^_\n]*[^\s_]|[^\s_])_(?!\w)/, // 9: emphasis
  /(https?:\/\/[^\s<>"'`)\]]*[^\s<>"'`)\].,;:!?])/, // 10: a bare address
  /\\([\\`*_{}[\]()#+.!|~>-])/, // 11: an escaped sign
].map((r) => r.source).join("|"), "g");

const deepest = 4;

// safe returns the address when it is one that a reader may follow.
export function safe(address: string): string {
  try {
    const url = new URL(address);
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : "";
  } catch {
    return "";
  }
}

export function inline(text: string, depth = 0): Inline[] {
  if (text.length > 20_000) return plain(text); // no answer has such a paragraph; matching it would hold up the page
  const out: Inline[] = [];
  const inner = (s: string): Inline[] => (depth < deepest ? inline(s, depth + 1) : plain(s));
  let at = 0;
  for (const m of text.matchAll(spans)) {
    if (m.index > at) out.push(...plain(text.slice(at, m.index)));
    at = m.index + m[0].length;
    out.push(...one(m, inner));
  }
  if (at < text.length) out.push(...plain(text.slice(at)));
  return out;
}

function one(m: RegExpMatchArray, inner: (s: string) => Inline[]): Inline[] {
  if (m[1] !== undefined) return [{ t: "code", s: (m[2] ?? "").replace(/^ ([\s\S]*) $/, "$1") }];
  if (m[4] !== undefined) {
    const href = safe(m[5] ?? "");
    if (href === "") return plain(m[0]);
    // A picture would be a request to elsewhere, which tells that somebody reads this; it is shown as a link.
    return [{ t: "link", href, c: m[3] === "!" ? plain(m[4] || "picture") : inner(m[4] || href) }];
  }
  if (m[6] !== undefined) return [{ t: "strong", c: inner(m[6]) }];
  if (m[7] !== undefined) return [{ t: "del", c: inner(m[7]) }];
  const em = m[8] ?? m[9];
  if (em !== undefined) return [{ t: "em", c: inner(em) }];
  if (m[10] !== undefined) {
    const href = safe(m[10]);
    return href === "" ? plain(m[10]) : [{ t: "link", href, c: plain(m[10]) }];
  }
  return plain(m[11] ?? m[0]);
}

function plain(text: string): Inline[] {
  return text.split("\n").flatMap((s, i): Inline[] => {
    const line: Inline[] = s === "" ? [] : [{ t: "text", s }];
    return i > 0 ? [{ t: "br" }, ...line] : line;
  });
}

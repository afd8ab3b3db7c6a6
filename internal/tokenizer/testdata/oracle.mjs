// Answers what Hugging Face's own tokenizers make of texts: {file, texts, pairs, ids} on standard input. The package is
// looked for in the folder that the first argument names.
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";

const require = createRequire(process.argv[2] + "/");
const { Tokenizer } = require("@anush008/tokenizers");
const ask = JSON.parse(readFileSync(0, "utf8"));
const t = Tokenizer.fromFile(ask.file);
t.disablePadding();
t.disableTruncation();

const answer = { encoded: [], single: [], pair: [], decoded: [], skipped: [], normal: [], cut: [] };
for (const text of ask.texts ?? []) {
  answer.encoded.push((await t.encode(text, null, { addSpecialTokens: false })).getIds());
  answer.single.push((await t.encode(text)).getIds());
}
for (const [a, b] of ask.pairs ?? []) {
  const e = await t.encode(a, b);
  answer.pair.push({ ids: e.getIds(), types: e.getTypeIds(), special: e.getSpecialTokensMask() });
}
for (const ids of ask.ids ?? []) {
  answer.decoded.push(await t.decode(ids, false));
  answer.skipped.push(await t.decode(ids, true));
}
for (const text of ask.single_characters ?? []) {
  const n = t.getNormalizer();
  answer.normal.push(n ? n.normalizeString(text) : text);
  const p = t.getPreTokenizer();
  answer.cut.push(p ? p.preTokenizeString(text).map(([s]) => s) : [text]);
}
for (const r of ask.timed ?? []) {
  const began = process.hrtime.bigint();
  for (let i = 0; i < r.rounds; i++) await t.encode(r.text, null, { addSpecialTokens: false });
  (answer.timed ??= []).push(Number(process.hrtime.bigint() - began) / r.rounds);
}
writeFileSync(1, JSON.stringify(answer));

// The views beside the chat: models and activity.

import assert from "node:assert/strict";
import { accessible, check, server, shot } from "./harness.mjs";

const models = { hash: "#/models" };
const failing = (route) => route.fulfill({ status: 500, contentType: "application/json", body: '{"error":{"code":"internal","message":"It is broken."}}' });

await check("a model is unloaded, loaded, pinned and described", models, async (page) => {
  await page.waitForSelector(".modelrow");
  const name = await page.textContent(".modelrow strong");
  const before = await (await fetch(`${server}/api/v1/instances`)).json(); // the page may not have read them yet, and says Load until then
  if (before.instances.some((i) => i.model === name)) await page.click(`[aria-label="Unload ${name}"]`);
  await page.click(`[aria-label="Load ${name}"]`);
  await page.waitForFunction(() => /Loaded · cpu/.test(document.querySelector(".modelrow .tags").textContent));
  assert.match(await page.getAttribute(".bar-ledger", "aria-label"), /weights .*context .*computing/);
  await page.click(`[aria-label="Pin ${name}"]`);
  await page.waitForFunction(() => /pinned/.test(document.querySelector(".modelrow .tags").textContent));
  const { instances, memory } = await (await fetch(`${server}/api/v1/instances`)).json();
  assert.ok(instances[0].pinned && memory.used > 0 && memory.budget > memory.used);
  await page.click(".more summary");
  await page.waitForSelector(".template");
  assert.match(await page.textContent(".more dl"), /apache-2\.0/);
  await page.waitForSelector(".places .tag.on");
  const { candidates } = await (await fetch(`${server}/api/v1/models/${encodeURIComponent(name)}/placement`)).json();
  assert.equal(await page.locator(".places li").count(), candidates.length);
  assert.ok((await page.textContent(".places")).includes(candidates.find((c) => c.chosen).reason), "it is said why");
  await page.click(`[aria-label="Unload ${name}"]`);
  await page.waitForSelector(`[aria-label="Load ${name}"]`);
});

await check("an install that cannot be, or fails, says why", { ...models, complains: true }, async (page) => {
  await page.fill("#source", "https://example.com/x.gguf");
  await page.click(".pull button");
  await page.waitForSelector("section:has(#pull) > .bad");
  assert.match(await page.textContent("section:has(#pull) > .bad"), /sha256/i);
  assert.equal(await page.inputValue("#source"), "https://example.com/x.gguf", "what was written stays");
  await page.fill("#source", "/no/such/file.gguf");
  await page.click(".pull button");
  await page.waitForSelector(".pulls .rowfacts.bad");
  assert.match(await page.textContent(".pulls .rowfacts.bad"), /[a-z]+\.$/);
  assert.equal(await page.locator("section:has(#pull) > .bad").count(), 0);
  await accessible(page);
});

await check("a long list of models is shown in parts, and narrowed by a word", models, async (page) => {
  const [first] = (await (await fetch(`${server}/api/v1/models`)).json()).models;
  const many = Array.from({ length: 120 }, (_, i) => ({ ...first, name: i === 77 ? "far-away:v1" : `model-${i}:v1` }));
  await page.route("**/api/v1/models", (route) => route.fulfill({ json: { models: many } }));
  await page.reload();
  const rows = page.locator('section:has(#installed) .modelrow');
  await rows.first().waitFor();
  assert.equal(await rows.count(), 50);
  await page.click(".more-rows");
  await page.click(".more-rows");
  assert.equal(await rows.count(), 120);
  assert.equal(await page.locator(".more-rows").count(), 0);
  await page.fill('section:has(#installed) [type="search"]', "FAR-away");
  assert.deepEqual(await rows.locator("strong").allTextContents(), ["far-away:v1"]);
  await page.fill('section:has(#installed) [type="search"]', "nothing is called so");
  assert.match(await page.textContent("section:has(#installed) .hint"), /None has “nothing is called so” in it\./);
  await accessible(page);
});

await check("the runtimes say whether they are ready, or what is missing", models, async (page) => {
  await page.waitForSelector(".runtimes .modelrow");
  const { runtimes } = await (await fetch(`${server}/api/v1/runtimes`)).json();
  assert.equal(await page.locator(".runtimes .modelrow").count(), runtimes.length);
  assert.equal(await page.locator(".runtimes .tag.on").count(), runtimes.filter((r) => r.ready).length);
  const text = await page.textContent(".runtimes");
  for (const r of runtimes) assert.ok(text.includes(r.title) && text.includes(r.missing ?? ""), `${r.name} is not told`);
});

await check("a model shows that its chat template knows tools and reasoning, and goes when it is removed", models, async (page) => {
  const [first] = (await (await fetch(`${server}/api/v1/models`)).json()).models;
  const template = "{%- if tools %}<|tools|>{% for t in tools %}{{ t | tojson }}{% endfor %}{% endif %}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}"
    + "{% for c in m.tool_calls %}{{ '<tool_call>\\n{\"name\": \"' + c.function.name + '\", \"arguments\": ' }}{{ c.function.arguments | tojson }}{{ '}\\n</tool_call>' }}{% endfor %}{% endfor %}"
    + "{% if add_generation_prompt %}<|assistant|>{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}";
  const made = await fetch(`${server}/api/v1/create`, { method: "POST", body: JSON.stringify({ name: "able:v1", from: first.name, template, stream: false }) });
  assert.equal(made.status, 200, await made.clone().text());
  await page.reload();
  const row = page.locator('.modelrow:has(strong:text-is("able:v1"))');
  await row.waitFor();
  const tags = await row.locator(".tag").allTextContents();
  for (const c of [...first.capabilities, "tools", "thinking"]) assert.ok(tags.includes(c), `${c} is not among ${tags}`);
  await page.click('[aria-label="Remove able:v1"]');
  await row.locator("button:text-is('Remove')").click();
  await row.waitFor({ state: "detached" });
});

await check("removing a model asks first", models, async (page) => {
  await page.waitForSelector(".modelrow");
  await page.click('[aria-label^="Remove "]');
  assert.match(await page.textContent(".modelrow .acts"), /and its files\?/);
  await page.click("text=Keep");
  await page.waitForSelector('[aria-label^="Remove "]');
});

await check("the views say when there is nothing, and when it cannot be read", { ...models, complains: true }, async (page) => {
  await page.route("**/api/v1/models", (route) => route.fulfill({ json: { models: [] } }));
  await page.reload();
  await page.waitForSelector("text=No model is installed");
  await accessible(page);
  await page.unroute("**/api/v1/models");
  await page.route("**/api/v1/models", failing);
  await page.reload();
  await page.waitForSelector(".failure");
  assert.match(await page.textContent(".failure"), /It is broken\./);
  await page.unroute("**/api/v1/models");
  await page.click(".failure button");
  await page.waitForSelector(".modelrow");
  await page.route("**/api/v1/activity", failing);
  await page.goto(`${server}/#/activity`);
  await page.waitForSelector(".failure");
  await page.unroute("**/api/v1/activity");
  await page.click(".failure button");
  await page.waitForSelector(".chart canvas");
  await page.route(/\/(v1|api|health)\//, (route) => route.abort("connectionrefused"));
  await page.waitForSelector("#banner");
  assert.ok(await page.isVisible(".chart canvas"), "what was known stays");
  await page.unroute(/\/(v1|api|health)\//);
  await page.waitForSelector("#banner", { state: "detached" });
});

await check("a request is seen while it is answered, and counted when it ended", { hash: "#/activity" }, async (page) => {
  await page.waitForSelector(".figures");
  const stop = new AbortController();
  const body = (more) => ({ method: "POST", headers: { "content-type": "application/json" }, signal: stop.signal, body: JSON.stringify({ messages: [{ role: "user", content: "Tell a story." }], ignore_eos: true, ...more }) });
  const answer = await (await fetch(`${server}/v1/chat/completions`, body({ max_tokens: 12 }))).json();
  assert.equal(answer.usage.completion_tokens, 12);
  const streaming = fetch(`${server}/v1/chat/completions`, body({ stream: true })).then((r) => r.text()).catch(() => undefined);
  await page.waitForFunction(() => /Answering.*local/.test(document.querySelector(".card .grid")?.textContent ?? ""));
  stop.abort();
  await streaming;
  await page.waitForFunction(() => document.querySelector("main").textContent.includes("Nothing is being answered"));
  assert.match(await page.textContent("main"), /Use per user.*local/s);
  assert.equal(await page.locator(".chart canvas").count(), 4);
  assert.match(await page.locator(".plot").nth(2).getAttribute("aria-label"), /first token.*within/);
});

for (const theme of ["light", "dark"]) {
  for (const width of [1280, 375]) {
    for (const [hash, wait] of [["#/models", ".modelrow"], ["#/activity", ".chart canvas"]]) {
      await check(`${hash} is accessible and inside the window: ${theme}, ${width} px`, { theme, width, hash }, async (page) => {
        await page.waitForSelector(wait);
        if (hash === "#/models") {
          await page.click(".more summary");
          await page.waitForSelector(".template");
          await page.waitForSelector(".places li");
          await page.waitForSelector(".runtimes .modelrow");
        }
        await accessible(page);
        await shot(page, `${hash.slice(2)}-${theme}-${width}`);
      });
    }
  }
}

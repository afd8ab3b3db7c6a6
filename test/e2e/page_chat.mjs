// Asking and answering.

import assert from "node:assert/strict";
import { ask, asItIs, change, check, finished, reply, server } from "./harness.mjs";

await check("a question is answered by the model", {}, async (page) => {
  await change(page, { temperature: 0 });
  await ask(page, "In one word: what is the capital of France?");
  await finished(page);
  assert.match(await page.textContent(".turn.model .prose"), /Paris/);
  assert.match(await page.textContent(".turn.model .facts"), /token.*first after .*cpu/);
  assert.equal(await page.inputValue("#prompt"), "");
  assert.match(await page.textContent("#status"), /Paris/, "the answer is announced to a screen reader");
  await page.waitForFunction(() => document.querySelector(".state")?.textContent.includes("Ready"));
  await page.click(".where summary");
  assert.match(await page.textContent(".where .sheet"), /cpu, by llamacpp/);
});

await check("an answer is stopped by Escape and by the button, and the next one works", {}, async (page) => {
  await change(page, { ignore_eos: true, max_tokens: 4000 });
  for (const [n, stop] of [() => page.keyboard.press("Escape"), () => page.click("#send")].entries()) {
    await ask(page, "Tell a long story about the sea.");
    await page.waitForFunction((at) => (document.querySelectorAll(".turn.model")[at]?.textContent.length ?? 0) > 20 && document.querySelector(".busy .prose"), n);
    await stop();
    await finished(page, n + 1);
    assert.match(await page.locator(".turn.model .facts").nth(n).textContent(), /Stopped/);
  }
  await asItIs(page);
  await change(page, { temperature: 0, max_tokens: 8 });
  await ask(page, "In one word: what is the capital of France?");
  await finished(page, 3);
  assert.doesNotMatch(await page.locator(".turn.model .facts").nth(2).textContent(), /Stopped/);
});

await check("markup in an answer stays text, and code is copied as it is", {}, async (page) => {
  const code = "if a < b && c {\n\treturn `x`\n}";
  await reply(page, "**Bold** <img src=x onerror=alert(1)> [bad](javascript:alert(1)) ![pic](https://example.com/x.png) [good](https://example.com/a)\n\n" +
    `- one\n  - two \`code\`\n\n| a | b |\n| - | - |\n| 1 | *2* |\n\n> said\n\n\`\`\`go\n${code}\n\`\`\`\nend`);
  await ask(page, "markup");
  await finished(page);
  assert.equal(await page.locator(".prose img, .prose script").count(), 0);
  assert.deepEqual(await page.locator(".prose a").evaluateAll((l) => l.map((a) => [a.href, a.rel])), [
    ["https://example.com/x.png", "noopener noreferrer external"], ["https://example.com/a", "noopener noreferrer external"],
  ]);
  assert.equal(await page.textContent(".prose strong"), "Bold");
  assert.equal(await page.textContent(".prose li li code"), "code");
  assert.equal(await page.textContent(".prose td em"), "2");
  assert.equal(await page.textContent(".prose blockquote"), "said");
  assert.equal(await page.textContent(".prose pre code"), code);
  await page.click(".prose .copy");
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), code);
});

await check("a refusal says what to do, and asking again works", { complains: true }, async (page) => {
  await reply(page, "The queue is full.", { status: 429 });
  await ask(page, "busy");
  await page.waitForSelector(".failure");
  assert.match(await page.textContent(".failure"), /The queue is full\. Try again in 7 s\./);
  await asItIs(page);
  await reply(page, "Here it is.");
  await page.click(".failure button");
  await finished(page);
  assert.equal(await page.textContent(".turn.model .prose"), "Here it is.");
  assert.equal(await page.locator(".failure").count(), 0);
});

await check("a question that waits says how many are before it", {}, async (page) => {
  const stop = new AbortController();
  const model = await page.inputValue("#model");
  const long = () => fetch(`${server}/v1/chat/completions`, {
    method: "POST", headers: { "content-type": "application/json" }, signal: stop.signal,
    body: JSON.stringify({ model, messages: [{ role: "user", content: "Tell a story." }], ignore_eos: true, stream: true }),
  }).then((r) => r.text()).catch(() => undefined);
  await fetch(`${server}/api/v1/load`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ model }) });
  const { instances } = await (await fetch(`${server}/api/v1/instances`)).json();
  const all = Array.from({ length: instances[0].sequences + 2 }, long);
  try {
    await page.waitForFunction(async () => (await (await fetch("/api/v1/activity")).json()).live.filter((l) => l.phase === "waiting").length >= 2, undefined, { polling: 200 });
    await change(page, { max_tokens: 8 }); // the model would find no end before the test's own
    await ask(page, "May I?");
    await page.waitForFunction(() => /Waiting in the queue, (one request is|\d+ requests are) before yours/.test(document.querySelector(".wait")?.textContent ?? ""));
  } finally {
    stop.abort();
    await Promise.all(all);
  }
  await finished(page);
  await asItIs(page);
});

await check("an answer that breaks off is kept and says so", { complains: true }, async (page) => {
  await page.route("**/v1/chat/completions", (route) => route.fulfill({ contentType: "text/event-stream", body: 'data: {"choices":[{"delta":{"content":"Half of"}}]}\n\n' }));
  await ask(page, "break");
  await finished(page);
  assert.match(await page.textContent(".failure"), /ended early/);
  assert.match(await page.textContent(".turn.model .facts"), /Broken off/);
});

await check("a server that is away is noticed, and so is its return", { complains: true }, async (page) => {
  await page.route(/\/(v1|api|health)\//, (route) => route.abort("connectionrefused"));
  await ask(page, "anybody?");
  await page.waitForSelector("#banner");
  assert.match(await page.textContent("#banner"), /does not answer/);
  assert.match(await page.textContent(".log"), /Not kept on the server/);
  assert.ok(await page.isDisabled("#send"));
  await page.unroute(/\/(v1|api|health)\//);
  await page.waitForSelector("#banner", { state: "detached" });
});

await check("Shift+Enter makes a line, the system prompt goes first, New chat empties the page", {}, async (page) => {
  await reply(page, "Yes.");
  await page.click("#settings-toggle");
  await page.fill("#system", "Be brief.");
  await page.fill("#temperature", "0.5");
  await page.fill("#prompt", "one");
  await page.press("#prompt", "Shift+Enter");
  await page.keyboard.type("two");
  const sent = page.waitForRequest("**/v1/chat/completions");
  await page.press("#prompt", "Enter");
  const body = (await sent).postDataJSON();
  assert.deepEqual(body.messages, [{ role: "system", content: "Be brief." }, { role: "user", content: "one\ntwo" }]);
  assert.equal(body.temperature, 0.5);
  await finished(page);
  await page.click("#new");
  assert.equal(await page.locator(".turn").count(), 0);
  assert.ok(await page.isVisible("#empty"));
});

await check("a setting that is no number is refused in words", {}, async (page) => {
  await page.click("#settings-toggle");
  await page.fill("#temperature", "warm");
  await ask(page, "hello");
  await page.waitForSelector(".failure");
  assert.match(await page.textContent(".failure"), /The temperature is “warm”; it must be a number/);
  await page.click("#new");
  assert.equal(await page.inputValue("#temperature"), "", "a setting that no request can be made of is not for new chats");
});

await check("an answer follows a schema, and a broken schema is named", {}, async (page) => {
  await page.click("#settings-toggle");
  await page.selectOption("#format", "schema");
  await page.fill("#schema", '{"type":');
  assert.match(await page.textContent("#schema-says"), /not JSON/);
  await page.fill("#schema", '{"type":"object","properties":{"city":{"type":"string","maxLength":20},"big":{"type":"boolean"}},"required":["city","big"],"additionalProperties":false}');
  await page.fill("#max-tokens", "64");
  await ask(page, "Name a city.");
  await finished(page);
  const value = JSON.parse(await page.textContent(".turn.model .prose"));
  assert.deepEqual(Object.keys(value), ["city", "big"]);
  assert.equal(typeof value.big, "boolean");
});

await check("the model asks for a tool, and gets the reader's result", {}, async (page) => {
  await page.click("#settings-toggle");
  await page.fill("#tools", '{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}');
  await reply(page, [{ tool_calls: [{ index: 0, id: "c1", function: { name: "weather", arguments: '{"ci' } }] }, { tool_calls: [{ index: 0, function: { arguments: 'ty":"Rome"}' } }] }], { finish: "tool_calls" });
  const first = page.waitForRequest("**/v1/chat/completions");
  await ask(page, "How is Rome?");
  assert.equal((await first).postDataJSON().tools[0].function.name, "weather");
  await finished(page);
  assert.match(await page.textContent(".turn.model .call"), /"city": "Rome"/);
  await asItIs(page);
  await reply(page, "Sunny it is.");
  await page.fill(".results textarea", "sunny");
  const second = page.waitForRequest("**/v1/chat/completions");
  await page.click(".results button");
  const { messages } = (await second).postDataJSON();
  assert.deepEqual(messages.slice(-2), [
    { role: "assistant", content: null, tool_calls: [{ id: "c1", type: "function", function: { name: "weather", arguments: '{"city":"Rome"}' } }] },
    { role: "tool", tool_call_id: "c1", content: "sunny" },
  ]);
  await finished(page, 2);
  assert.equal(await page.locator(".results").count(), 0);
});

await check("what the model thinks is folded away", {}, async (page) => {
  await reply(page, [{ reasoning_content: "Let me see." }, "42"]);
  await ask(page, "think");
  await finished(page);
  assert.equal(await page.textContent(".turn.model .prose"), "42");
  assert.ok(!await page.isVisible(".thought"));
  await page.click(".reasoning summary");
  assert.equal(await page.textContent(".thought"), "Let me see.");
});

await check("nothing jumps while an answer grows", {}, async (page) => {
  await page.evaluate(() => {
    globalThis.jumps = [];
    new PerformanceObserver((l) => globalThis.jumps.push(...l.getEntries().filter((e) => !e.hadRecentInput).map((e) => e.value))).observe({ type: "layout-shift", buffered: false });
  });
  await change(page, { temperature: 0, max_tokens: 160, ignore_eos: true });
  await ask(page, "Write a Go function that reverses a string, then explain it in a list.");
  await finished(page);
  const sum = await page.evaluate(() => globalThis.jumps.reduce((a, b) => a + b, 0));
  assert.ok(sum < 0.05, `the layout shifted by ${sum}`);
});

// Drives the chat page of a running server in Chromium, as a reader would. ASHATAI_SERVER is the server's address and
// ASHATAI_TEST_CHROMIUM the browser. Prints one line for each check and exits with 1 when one failed.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import axe from "axe-core";
import { chromium } from "playwright-core";

const server = process.env.ASHATAI_SERVER;
const profile = mkdtempSync(join(tmpdir(), "ashatai-page-"));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.ASHATAI_TEST_CHROMIUM,
  headless: true,
  viewport: { width: 1280, height: 800 },
  permissions: ["clipboard-read", "clipboard-write"],
  // No sandbox of its own, which a container forbids to root; and nothing that calls home.
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
browser.setDefaultTimeout(60_000);

let passed = 0;
let failed = 0;

async function check(name, options, body) {
  const page = await browser.newPage();
  const complaints = [];
  page.on("console", (m) => m.type() === "error" && complaints.push(m.text()));
  page.on("pageerror", (e) => complaints.push(String(e)));
  page.on("request", (r) => r.url().startsWith(server) || complaints.push(`a request to ${r.url()}`));
  try {
    await page.emulateMedia({ colorScheme: options.theme ?? "light" });
    await page.setViewportSize({ width: options.width ?? 1280, height: 800 });
    await page.goto(server);
    await page.waitForFunction(() => !document.getElementById("model").disabled);
    await body(page);
    if (!options.complains) assert.deepEqual(complaints, [], "the browser's console");
    passed++;
    console.log(`ok - ${name}`);
  } catch (e) {
    failed++;
    console.log(`not ok - ${name}\n${e.stack}`);
  } finally {
    await page.close();
  }
}

// change adds fields to the page's chat requests, so that an answer is the same each time or never ends by itself.
async function change(page, fields) {
  await page.route("**/v1/chat/completions", (route) =>
    route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), ...fields }) }));
}

// reply puts a made answer in the server's place, where the text must be a certain one.
async function reply(page, text, status = 200) {
  const event = (x) => `data: ${JSON.stringify(x)}\n\n`;
  await page.route("**/v1/chat/completions", (route) => route.fulfill({
    status,
    contentType: status === 200 ? "text/event-stream" : "application/json",
    headers: status === 429 ? { "retry-after": "7" } : {},
    body: status === 200
      ? event({ choices: [{ index: 0, delta: { content: text } }] }) + event({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }) + "data: [DONE]\n\n"
      : JSON.stringify({ error: { message: text } }),
  }));
}

async function ask(page, text) {
  await page.fill("#prompt", text);
  await page.press("#prompt", "Enter");
}

const finished = (page, n = 1) =>
  page.waitForFunction((count) => document.querySelectorAll(".turn.model:not(.busy)").length === count, n);

async function accessible(page) {
  await page.evaluate(axe.source);
  const result = await page.evaluate(() => globalThis.axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  }));
  assert.deepEqual(result.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(" ")}`), []);
}

await check("a question is answered by the model", {}, async (page) => {
  await change(page, { temperature: 0 });
  await ask(page, "In one word: what is the capital of France?");
  await finished(page);
  assert.match(await page.textContent(".prose"), /Paris/);
  assert.match(await page.textContent(".facts"), /token/);
  assert.equal(await page.inputValue("#prompt"), "");
  assert.match(await page.textContent("#status"), /Paris/, "the answer is announced to a screen reader");
});

await check("an answer is stopped by Escape and by the button, and the next one works", {}, async (page) => {
  await change(page, { ignore_eos: true, max_tokens: 4000 });
  for (const [n, stop] of [() => page.keyboard.press("Escape"), () => page.click("#send")].entries()) {
    await ask(page, "Tell a long story about the sea.");
    await page.waitForFunction((at) => (document.querySelectorAll(".prose")[at]?.textContent.length ?? 0) > 20, n);
    await stop();
    await finished(page, n + 1);
    assert.match(await page.locator(".facts").nth(n).textContent(), /Stopped/);
  }
  await page.unroute("**/v1/chat/completions");
  await change(page, { temperature: 0, max_tokens: 8 });
  await ask(page, "In one word: what is the capital of France?");
  await finished(page, 3);
  assert.doesNotMatch(await page.locator(".facts").nth(2).textContent(), /Stopped/);
});

await check("markup in an answer stays text, and code is copied as it is", {}, async (page) => {
  const code = "if a < b && c {\n\treturn `x`\n}";
  await reply(page, `**Bold** <img src=x onerror=alert(1)> [link](javascript:alert(1))\n\n- one\n  - two \`code\`\n\n\`\`\`go\n${code}\n\`\`\`\nend`);
  await ask(page, "markup");
  await finished(page);
  assert.equal(await page.locator(".prose img, .prose a, .prose script").count(), 0);
  assert.equal(await page.textContent(".prose strong"), "Bold");
  assert.equal(await page.textContent(".prose li li code"), "code");
  assert.equal(await page.textContent(".prose pre code"), code);
  await page.click(".code .action");
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), code);
});

await check("a refusal says what to do, and asking again works", { complains: true }, async (page) => {
  await reply(page, "The queue is full.", 429);
  await ask(page, "busy");
  await page.waitForSelector(".failure");
  assert.match(await page.textContent(".failure"), /The queue is full\. Try again in 7 s\./);
  await page.unroute("**/v1/chat/completions");
  await reply(page, "Here it is.");
  await page.click(".failure button");
  await finished(page);
  assert.equal(await page.textContent(".prose"), "Here it is.");
  assert.equal(await page.locator(".failure").count(), 0);
});

await check("a server that is away is noticed, and so is its return", { complains: true }, async (page) => {
  await page.route(/\/(v1|health)\//, (route) => route.abort("connectionrefused"));
  await ask(page, "anybody?");
  await page.waitForSelector("#banner:not([hidden])");
  assert.match(await page.textContent("#banner-text"), /does not answer/);
  await page.unroute(/\/(v1|health)\//);
  await page.waitForSelector("#banner", { state: "hidden" });
});

await check("Shift+Enter makes a line, the system prompt goes first, New chat empties the page", {}, async (page) => {
  await reply(page, "Yes.");
  await page.click("#system-toggle");
  await page.fill("#system", "Be brief.");
  await page.fill("#prompt", "one");
  await page.press("#prompt", "Shift+Enter");
  await page.keyboard.type("two");
  const sent = page.waitForRequest("**/v1/chat/completions");
  await page.press("#prompt", "Enter");
  assert.deepEqual((await sent).postDataJSON().messages, [{ role: "system", content: "Be brief." }, { role: "user", content: "one\ntwo" }]);
  await finished(page);
  await page.click("#new");
  assert.equal(await page.locator(".turn").count(), 0);
  assert.ok(await page.isVisible("#empty"));
  await page.fill("#system", "");
});

await check("the theme can be switched, and is remembered", {}, async (page) => {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.click("#theme");
  const dark = await ground();
  assert.notEqual(dark, light);
  await page.reload();
  assert.equal(await ground(), dark);
  await page.click("#theme");
  assert.equal(await ground(), light);
});

for (const theme of ["light", "dark"]) {
  for (const width of [1280, 375]) {
    await check(`accessible and inside the window: ${theme}, ${width} px`, { theme, width }, async (page) => {
      await accessible(page);
      await reply(page, `## Title\n\nA ${"long".repeat(60)} word\n\n1. one\n2. two\n\n\`\`\`go\n${"x := 1 // ".repeat(30)}\n\`\`\``);
      await ask(page, "Show everything.");
      await finished(page);
      await page.click("#system-toggle");
      await accessible(page);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "the page scrolls sideways");
    });
  }
}

await browser.close();
rmSync(profile, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);

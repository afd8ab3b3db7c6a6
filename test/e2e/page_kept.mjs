// What is kept on the server: branches, the list of chats, files.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { ask, asItIs, check, finished, once, reply, server } from "./harness.mjs";

await check("an edited question and another answer are branches that stay", {}, async (page) => {
  await reply(page, "First.");
  await ask(page, "one");
  await finished(page);
  await asItIs(page);
  await reply(page, "Second.");
  await page.click(".again");
  await finished(page);
  assert.equal(await page.textContent(".turn.model .prose"), "Second.");
  assert.equal((await page.textContent(".turn.model .branches")).trim(), "2 / 2");
  await asItIs(page);
  await reply(page, "Third.");
  await page.hover(".turn.user");
  await page.click(".turn.user .edit");
  await page.fill(".editor textarea", "one, but better");
  const sent = page.waitForRequest("**/v1/chat/completions");
  await page.press(".editor textarea", "Enter");
  assert.deepEqual((await sent).postDataJSON().messages, [{ role: "user", content: "one, but better" }]);
  await finished(page);
  assert.equal(await page.textContent(".turn.model .prose"), "Third.");
  await page.reload();
  await page.waitForSelector(".turn.model");
  assert.equal(await page.textContent(".turn.model .prose"), "Third.", "the branch is shown after a reload");
  const patched = once(page, "/api/v1/chats/", "PATCH");
  await page.click('.turn.user [aria-label="Earlier version"]');
  await patched;
  assert.equal((await page.textContent(".turn.user .bubble")).trim(), "one");
  assert.equal(await page.textContent(".turn.model .prose"), "Second.");
  await page.click('.turn.model [aria-label="Earlier version"]');
  assert.equal(await page.textContent(".turn.model .prose"), "First.");
});

await check("chats are listed, found, renamed, opened and deleted", {}, async (page) => {
  await reply(page, "The word is xylophone-4711.");
  await ask(page, "Say something rare");
  await finished(page);
  await page.click("#new");
  await ask(page, "Something else");
  await finished(page);
  await page.fill("#search", "XYLOPHONE-4711");
  await page.waitForFunction(() => document.querySelectorAll(".chats a").length >= 1 && [...document.querySelectorAll(".chats .found")].every((f) => f.textContent.includes("xylophone")));
  await page.fill("#search", "no such thing at all");
  await page.waitForSelector(".side .hint");
  assert.match(await page.textContent(".side .hint"), /Nothing was found/);
  await page.fill("#search", "Say something rare");
  await page.waitForFunction(() => document.querySelectorAll(".chats a").length === 1);
  await page.click(".chats a");
  await page.waitForFunction(() => document.querySelector(".turn.model")?.textContent.includes("xylophone"));
  await page.hover(".chats li");
  await page.click('.chats [title="Rename"]');
  await page.fill("#title", "Rare words");
  await page.press("#title", "Enter");
  await page.waitForFunction(() => document.querySelector(".chats .title")?.textContent === "Rare words");
  await page.fill("#search", "");
  await page.waitForFunction(() => document.querySelectorAll(".chats a").length > 1);
  await page.fill("#search", "Rare words");
  await page.waitForFunction(() => document.querySelectorAll(".chats a").length === 1);
  await page.hover(".chats li");
  await page.click('.chats [title="Delete"]');
  await page.click(".chats .danger");
  await page.waitForSelector(".side .hint");
  await page.waitForSelector("#empty");
  const { chats } = await (await fetch(`${server}/api/v1/chats`)).json();
  assert.ok(!chats.some((c) => c.title === "Rare words") && chats.some((c) => c.title === "Something else"));
});

await check("a chat is saved as Markdown and as JSON", {}, async (page) => {
  await reply(page, "An *answer*.");
  await ask(page, "Export me");
  await finished(page);
  const saved = async (name) => {
    await page.click('summary[title="Export"]');
    const [file] = await Promise.all([page.waitForEvent("download"), page.click(`text=${name}`)]);
    return [file.suggestedFilename(), readFileSync(await file.path(), "utf8")];
  };
  const [mdName, md] = await saved("Markdown");
  assert.equal(mdName, "Export-me.md");
  assert.match(md, /^# Export me\n\n## You\n\nExport me\n\n## [^\n]+\n\nAn \*answer\*\.\n$/);
  const [jsonName, json] = await saved("JSON");
  assert.equal(jsonName, "Export-me.json");
  const chat = JSON.parse(json);
  assert.deepEqual(chat.messages.map((m) => [m.role, m.content]), [["user", "Export me"], ["assistant", "An *answer*."]]);
  assert.equal(chat.head, chat.messages[1].id);
});

await check("text files go with a message, and others are refused", {}, async (page) => {
  await reply(page, "Read.");
  await page.setInputFiles("#files", { name: "photo.png", mimeType: "image/png", buffer: Buffer.from([0x89, 0x50, 0xff, 0x00]) });
  await page.waitForSelector(".refused");
  assert.match(await page.textContent(".refused"), /photo\.png is no text/);
  await page.setInputFiles("#files", [
    { name: "a.md", mimeType: "text/markdown", buffer: Buffer.from("```\ncode\n```\n") }, { name: "b.txt", mimeType: "text/plain", buffer: Buffer.from("bee") },
  ]);
  await page.waitForSelector('[aria-label="Leave out b.txt"]');
  await page.click('[aria-label="Leave out b.txt"]');
  const sent = page.waitForRequest("**/v1/chat/completions");
  await ask(page, "What is in it?");
  assert.equal((await sent).postDataJSON().messages[0].content, "What is in it?\n\nFile a.md:\n````\n```\ncode\n```\n````");
  await finished(page);
  await page.reload();
  await page.waitForSelector(".bubble .files");
  assert.match(await page.textContent(".bubble .files"), /a\.md/);
});

await check("a chat that is gone, and a list that cannot be read, say so", { complains: true, hash: "#/chat/conv_none" }, async (page) => {
  await page.waitForSelector(".empty h2");
  assert.match(await page.textContent(".empty"), /cannot be shown.*There is no/s);
  await page.route("**/api/v1/chats?*", (route) => route.fulfill({ status: 500, contentType: "application/json", body: '{"error":{"code":"internal","message":"The database is broken."}}' }));
  await page.reload();
  await page.waitForSelector(".side .hint button");
  assert.match(await page.textContent(".side .hint"), /The database is broken\./);
  await page.unroute("**/api/v1/chats?*");
  await page.click(".side .hint button");
  await page.waitForSelector(".chats a");
});

await check("a message that cannot be kept is still answered, and the page says so", { complains: true }, async (page) => {
  await page.route("**/api/v1/chats", (route) => route.fulfill({ status: 507, contentType: "application/json", body: '{"error":{"code":"disk_full","message":"The disk is full."}}' }));
  await reply(page, "An answer.");
  await ask(page, "keep me");
  await finished(page);
  assert.equal(await page.textContent(".turn.model .prose"), "An answer.");
  assert.match(await page.textContent(".log > .hint"), /Not kept on the server: The disk is full\./);
});

// Themes, keyboards, sizes, and what a screen reader is given.

import assert from "node:assert/strict";
import { accessible, ask, check, finished, reply } from "./harness.mjs";

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

await check("everything in the chat can be reached by the keyboard, with a visible focus", {}, async (page) => {
  await reply(page, "Yes.");
  await ask(page, "one");
  await finished(page);
  const reached = new Set();
  const unseen = [];
  await page.focus(".skip");
  for (let i = 0; i < 250; i++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const e = document.activeElement;
      const style = getComputedStyle(e);
      const ring = style.outlineStyle !== "none" || e.id === "prompt" || e.tagName === "BODY";
      return { name: e.id || e.getAttribute("aria-label") || e.textContent.trim().slice(0, 30), ring };
    });
    if (!at.ring) unseen.push(at.name);
    reached.add(at.name);
  }
  for (const want of ["theme", "list-toggle", "model", "settings-toggle", "new", "prompt", "attach", "search", "Edit your message", "Answer again", "Copy answer"]) {
    assert.ok(reached.has(want), `${want} is not reached: ${[...reached].join(", ")}`);
  }
  assert.deepEqual(unseen, []);
});

await check("a menu closes by Escape, by a press elsewhere, and when the focus leaves it", {}, async (page) => {
  for (const summary of ['summary[title="Export"]', ".where summary"]) {
    const open = () => page.evaluate((s) => document.querySelector(s).parentElement.open, summary);
    for (const close of [() => page.keyboard.press("Escape"), () => page.click("#empty h2"), () => page.focus("#prompt")]) {
      await page.click(summary);
      assert.equal(await open(), true);
      await close();
      assert.equal(await open(), false);
    }
    await page.click(summary);
    await page.keyboard.press("Escape");
    assert.ok(await page.evaluate((s) => document.activeElement === document.querySelector(s), summary), "the focus goes back");
  }
});

await check("a wide table scrolls and breaks no word, and a file's size stays in one line", { width: 375 }, async (page) => {
  await reply(page, `| Name | Value | Room |\n|---|---|---|\n| zwei | 2 | ${"wide ".repeat(60)} |`);
  await page.setInputFiles("#files", { name: `${"a-long-name-".repeat(8)}.md`, mimeType: "text/markdown", buffer: Buffer.alloc(3000, "x") });
  await ask(page, "A table, please.");
  await finished(page);
  const lines = await page.locator(".prose th").evaluateAll((all) => all.map((e) => {
    const words = document.createRange();
    words.selectNodeContents(e);
    return words.getClientRects().length;
  }));
  assert.deepEqual(lines, [1, 1, 1]);
  assert.ok(await page.evaluate(() => document.querySelector(".bubble .files .dim").offsetHeight < 30));
});

await check("no motion for who wants none", { before: (page) => page.emulateMedia({ reducedMotion: "reduce" }) }, async (page) => {
  await page.route("**/v1/chat/completions", () => undefined);
  await ask(page, "wait");
  await page.waitForSelector(".pulse");
  assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector(".pulse")).animationName), "none");
});

for (const theme of ["light", "dark"]) {
  for (const width of [1280, 375]) {
    await check(`the chat is accessible and inside the window: ${theme}, ${width} px`, { theme, width }, async (page) => {
      await accessible(page);
      await reply(page, [{ reasoning_content: "hm" }, `## Title\n\nA ${"long".repeat(60)} word and [a link](https://example.com)\n\n1. one\n2. two\n\n| a | b |\n|---|---|\n| 1 | ${"wide ".repeat(60)} |\n\n\`\`\`go\n${"x := 1 // ".repeat(30)}\n\`\`\``]);
      await ask(page, "Show everything.");
      await finished(page);
      await page.hover(".turn.user");
      await accessible(page);
      await page.click("#settings-toggle");
      await page.selectOption("#format", "schema");
      await accessible(page);
      await page.keyboard.press("Escape");
      if (width < 900) await page.click("#list-toggle");
      await accessible(page);
    });
  }
}

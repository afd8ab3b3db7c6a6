// Accounts: the first visit by the set-up link, signing in and out, and what an admin does. On a server of its own, since
// from the first account on it asks everybody who they are.

import assert from "node:assert/strict";
import { accessible, ask, change, check, finished, looks, only, serve } from "./harness.mjs";

const { at, lines, stop } = await serve("", { begun: (lines) => /#setup=/.test(lines) });
const link = /(#setup=\S+)$/m.exec(lines)[1];

const complains = true; // a browser reports each 401
const secret = "correct horse battery staple";

async function signIn(page, name, password) {
  await page.waitForSelector(".enter");
  await page.fill("#name", name);
  await page.fill("#password", password);
  await page.click(".enter .primary");
}

if (!only || "accounts".includes(only)) {
  await check("accounts: none yet, which the page explains", { at, hash: "#/admin" }, async (page) => {
    await page.waitForSelector(".card");
    assert.match(await page.textContent("main"), /There are no accounts.*ashatai user create --admin/s);
    await accessible(page);
  });

  await check("accounts: the set-up link makes an admin with a working chat", { at, hash: link, complains }, async (page) => {
    await page.waitForSelector(".enter");
    await accessible(page);
    await page.fill("#name", "ann");
    await page.fill("#password", secret);
    await page.fill("#again", "another");
    await page.click(".enter .primary");
    assert.match(await page.textContent(".enter .bad"), /differ/);
    await page.fill("#again", secret);
    await page.click(".enter .primary");
    await page.waitForFunction(() => document.getElementById("model")?.disabled === false);
    await change(page, { temperature: 0, max_tokens: 8 });
    await ask(page, "In one word: what is the capital of France?");
    await finished(page);
    assert.match(await page.textContent(".turn.model .prose"), /Paris/);
    assert.match(await page.textContent("#me"), /ann/);
  });

  await check("accounts: an admin makes a group, an account and a key, which is shown once", { at, hash: "#/admin", complains }, async (page) => {
    await page.waitForSelector("#new-user");
    await page.fill("#new-group", "research");
    await page.click("text=Make a group");
    await page.waitForSelector('[aria-label="Remove the group research"]');
    await page.fill("#new-user", "bob");
    await page.fill("#new-user-password", secret);
    await page.click("section:has(#users) .makes .primary");
    await page.waitForSelector('[aria-label="Role of bob"]');
    await page.selectOption('[aria-label="Group of bob"]', { label: "research" });
    await page.waitForSelector('[aria-label="Remove the group research"]:disabled');
    await page.fill("#new-key", "a script");
    await page.selectOption("section:has(#new-key) .field:has-text('It may') select", "read,infer");
    await page.click("section:has(#new-key) .makes .primary");
    const key = (await page.textContent("#made")).trim();
    const models = (init) => fetch(`${at}/v1/models`, init);
    assert.equal((await models()).status, 401, "nobody without credentials");
    assert.equal((await models({ headers: { authorization: `Bearer ${key}` } })).status, 200);
    await page.reload();
    await page.waitForSelector('[aria-label="Revoke a script"]');
    assert.ok(!(await page.content()).includes(key), "the key is shown once");
    const opens = async (k) => (await models({ headers: { authorization: `Bearer ${k}` } })).status === 200;
    const enter = () => page.press(".inlineform .primary", "Enter");
    const twice = () => page.evaluate(() => { const form = document.querySelector(".inlineform"); form.requestSubmit(); form.requestSubmit(); });
    const another = async (grace, submit) => {
      await page.focus('[aria-label="New secret for a script"]');
      await page.keyboard.press("Enter");
      await page.selectOption("#grace", grace);
      await accessible(page);
      await submit();
      await page.waitForSelector("#grace", { state: "detached" });
      await page.waitForSelector("#made");
      return (await page.textContent("#made")).trim();
    };
    const second = await another("86400", twice);
    assert.match(await page.textContent(".made"), /The one before opens the server too, until \d+ \w+ \d{4}/);
    assert.deepEqual([await opens(key), await opens(second), second === key], [true, true, false], "with grace both open");
    const third = await another("0", enter);
    assert.ok(!/The one before/.test(await page.textContent(".made")));
    assert.deepEqual([await opens(key), await opens(second), await opens(third)], [false, false, true], "without grace the new one alone opens");
    await page.click('[aria-label="Revoke a script"]');
    assert.equal(await opens(third), true, "it is asked first");
    await page.click("text=Revoke it");
    await page.waitForFunction(() => !/a script/.test(document.querySelector("section:has(#keys-title)").textContent));
    assert.equal(await opens(third), false);
    assert.match(await page.textContent("section:has(#sessions)"), /ann.*this one/s);
  });

  for (const theme of ["light", "dark"]) {
    for (const width of [1280, 375]) {
      await check(`accounts: accessible and inside the window: ${theme}, ${width} px`, { at, hash: "#/admin", theme, width, complains }, async (page) => {
        await page.waitForSelector('[aria-label="Role of bob"]');
        await page.waitForSelector("section:has(#sessions) .tag");
        await accessible(page);
      });
    }
  }

  await check("accounts: the own profile: sessions ended by device, an own key, and the password", { at, complains }, async (page) => {
    await page.click("#me");
    await page.waitForSelector("#new-key");
    assert.equal(await page.textContent("h1"), "Account");
    assert.equal(await page.locator('th:text-is("Account")').count(), 0, "only the own keys");
    const login = (password) => fetch(`${at}/api/v1/login`, { method: "POST", headers: { "content-type": "application/json", "user-agent": "a second device" }, body: JSON.stringify({ name: "ann", password }) });
    const tokens = [];
    for (let i = 0; i < 2; i++) tokens.push((await (await login(secret)).json()).token);
    const me = (token) => fetch(`${at}/api/v1/me`, { headers: { authorization: `Bearer ${token}` } }).then((r) => r.status);
    await page.reload();
    const others = page.locator('[aria-label^="End the session on a second device"]');
    await others.first().waitFor();
    const before = await others.count();
    assert.deepEqual(await Promise.all(tokens.map(me)), [200, 200]);
    await others.first().click();
    await page.waitForFunction((n) => document.querySelectorAll('[aria-label^="End the session on a second device"]').length === n - 1, before);
    assert.deepEqual((await Promise.all(tokens.map(me))).sort(), [200, 401]);
    await page.click("text=End all others");
    await page.waitForFunction(() => document.querySelectorAll("section:has(#sessions) tbody tr").length === 1);
    assert.deepEqual(await Promise.all(tokens.map(me)), [401, 401]);

    await page.fill("#new-key", "my own");
    await page.click("section:has(#new-key) .makes .primary");
    const key = (await page.textContent("#made")).trim();
    assert.equal(await me(key), 200);
    await page.click('[aria-label="Revoke my own"]');
    await page.click("text=Revoke it");
    await page.waitForFunction(() => !/my own/.test(document.querySelector("section:has(#keys-title)").textContent));
    assert.equal(await me(key), 401);

    const change = async (old, next) => {
      await page.fill("section:has(#own) [autocomplete=current-password]", old);
      await page.fill("section:has(#own) [autocomplete=new-password]", next);
      await page.click("section:has(#own) .primary");
    };
    await change("not my password", "a better horse battery");
    await page.waitForSelector("section:has(#own) .bad");
    await change(secret, "a better horse battery");
    await page.waitForFunction(() => /It is changed/.test(document.querySelector("section:has(#own)").textContent));
    assert.equal((await login("a better horse battery")).status, 200);
    await change("a better horse battery", secret);
    await page.waitForFunction(() => document.querySelector("section:has(#own) input").value === "");
  });

  await check("accounts: an admin sees the use of another", { at, hash: "#/admin/quotas" }, async (page) => {
    await page.waitForSelector("#use-of");
    await page.selectOption("#use-of", { label: "bob" });
    await page.waitForFunction(() => /Nothing was asked/.test(document.querySelector("section:has(#use)").textContent));
    await page.selectOption("#quota-kind", "user");
    await page.selectOption("#quota-subject", { label: "bob" });
    await page.fill("#quota-limit", "5000");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => /bob.*5,000 tokens a day.*0 used · 5,000 left/s.test(document.querySelector(".quota")?.textContent ?? ""));
  });

  await looks("accounts: the own profile", { at, hash: "#/account", complains }, async (page) => {
    await page.waitForSelector("section:has(#sessions) .tag");
    await page.waitForSelector(".usechart canvas");
  });

  await check("accounts: signed out, wrong password, and another's chats are not there", { at, complains }, async (page) => {
    await page.click("#leave");
    await signIn(page, "bob", "wrong password");
    await page.waitForSelector(".enter .bad");
    await signIn(page, "bob", secret);
    await page.waitForSelector(".side .hint");
    assert.match(await page.textContent(".side .hint"), /No chats yet/);
    await page.goto(`${at}/#/admin`);
    await page.waitForSelector("#new-key");
    assert.equal(await page.textContent("h1"), "Account");
    assert.equal(await page.locator("#new-user").count(), 0);
  });

  await check("accounts: nobody is offered what the account may not do", { at, hash: "#/models", complains }, async (page) => {
    await page.waitForSelector(".modelrow");
    assert.equal(await page.locator(".modelrow .acts, #source").count(), 0, "bob may not load, remove and install");
    await page.goto(`${at}/#/chat`);
    await page.click(".where summary");
    await page.waitForSelector(".where .sheet");
    assert.equal(await page.locator(".where .sheet button").count(), 0);
    assert.ok(await page.isEnabled("#prompt"));
    await page.click("#leave");
    await signIn(page, "ann", secret);
    await page.click('.views [title="Admin"]');
    await page.selectOption('[aria-label="Role of bob"]', "viewer");
    await page.waitForFunction(() => /bob is changed/.test(document.getElementById("status").textContent));
    await page.click("#leave");
    await signIn(page, "bob", secret);
    await page.waitForSelector("#empty h2");
    assert.match(await page.textContent("#empty"), /may look, and not ask.*role is viewer/s);
    assert.ok(await page.isDisabled("#prompt") && await page.isDisabled("#attach"));
    await accessible(page);
  });

  await check("accounts: lists of hundreds are shown in parts, and narrowed by a word", { at, complains }, async (page) => {
    await page.click("#leave");
    await signIn(page, "ann", secret);
    const many = (path, list) => page.route(path, (route) => route.request().method() === "GET" ? route.fulfill({ json: list }) : route.fallback());
    const made_at = "2026-01-31T10:00:00Z";
    await many("**/api/v1/users", { users: Array.from({ length: 200 }, (_, i) => ({ id: `user_${i}`, name: i === 150 ? "zoe" : i === 7 ? "a".repeat(64) : `person-${i}`, role: "user", disabled: false, has_password: true, created_at: made_at })) });
    await many("**/api/v1/keys?*", { keys: Array.from({ length: 200 }, (_, i) => ({ id: `key_${i}`, user_id: "user_1", name: `script ${i}`, hint: "abcd", scopes: [], models: [], state: "active", created_at: made_at })) });
    await many("**/api/v1/sessions?*", { sessions: Array.from({ length: 200 }, (_, i) => ({ id: `s_${i}`, user_id: `user_${i}`, device: "curl", address: "127.0.0.1", created_at: made_at, expires_at: made_at, last_used_at: made_at, current: i === 0 })) });
    await page.click('.views [title="Admin"]');
    for (const [id, word] of [["users", "ZOE"], ["keys-title", "script 199"], ["sessions", "zoe"]]) {
      const section = page.locator(`section:has(#${id})`);
      await section.locator("tbody tr").first().waitFor();
      assert.equal(await section.locator("tbody tr").count(), 50);
      await section.locator(".more-rows").click();
      assert.equal(await section.locator("tbody tr").count(), 100);
      await section.locator('[type="search"]').fill(word);
      assert.equal(await section.locator("tbody tr").count(), 1);
    }
    await accessible(page);
    await page.setViewportSize({ width: 375, height: 800 });
    await page.click("text=Quotas");
    await page.waitForSelector("#use-of");
    await accessible(page);
  });

  await check("accounts: signing out that fails is told, and can be tried again", { at, complains }, async (page) => {
    await page.route("**/api/v1/logout", (route) => route.fulfill({ status: 500, contentType: "application/json", body: '{"error":{"code":"internal","message":"It is broken."}}' }));
    await page.click("#leave");
    await page.waitForSelector(".banner");
    assert.match(await page.textContent(".banner"), /It is broken\./);
    await page.unroute("**/api/v1/logout");
    await page.click(".banner button");
    await page.waitForSelector(".enter");
    await page.route("**/api/v1/login", (route) => route.fulfill({ json: { accounts: true, registration: true, provider: "The University’s Single Sign-On for Staff and Guests" } }));
    await page.setViewportSize({ width: 375, height: 800 });
    await page.reload();
    await page.waitForSelector(".provider");
    await accessible(page);
  });
}

await stop();

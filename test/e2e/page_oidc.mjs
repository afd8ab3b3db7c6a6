// Signing in by an identity provider: through the page, the provider's own pages and back, and what a person is told who is not
// let in. On a server and a provider of its own.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { accessible, check, only, serve, shot } from "./harness.mjs";

const idp = process.env.ASHATAI_TEST_IDP;

// free is a port that nobody has: the provider must know the server's address before the server is there.
const free = () => new Promise((resolve, reject) => {
  const s = createServer().once("error", reject).listen(0, "127.0.0.1", () => {
    const { port } = s.address();
    s.close(() => resolve(port));
  });
});

async function provider(redirect) {
  const child = spawn("node", [join(idp, "provider.mjs"), redirect], { stdio: ["pipe", "pipe", "ignore"] });
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith("issuer ")) return { issuer: line.slice(7), end: () => child.stdin.end() };
  }
  throw new Error("the provider did not start");
}

async function throughTheProvider(page, name) {
  await page.waitForSelector(".enter");
  await page.click("text=Sign in by the lab");
  await page.fill("input[name=login]", name);
  await page.fill("input[name=password]", "any");
  await page.click("button[type=submit]");
  await page.click("text=Continue");
}

if (idp && (!only || "identity provider".includes(only))) {
  const port = await free();
  const at = `http://127.0.0.1:${port}`;
  const { issuer, end } = await provider(`${at}/api/v1/oidc/callback`);
  const { stop } = await serve(`auth:
  oidc:
    issuer: ${issuer}
    allow_private: true
    client_id: ashatai
    client_secret: ashatai-secret-canary
    label: the lab
    create: true
    roles: [team=publisher]
`, { addr: `127.0.0.1:${port}` });
  const call = async (method, path, body, token) => {
    const headers = { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) };
    const res = await fetch(at + path, { method, headers, body: JSON.stringify(body) });
    assert.equal(res.status, 200, `${method} ${path}: ${await res.clone().text()}`);
    return res.json();
  };
  const root = { name: "root", password: "correct horse battery staple" };
  await call("POST", "/api/v1/users", { ...root, role: "admin" });
  const { token } = await call("POST", "/api/v1/login", root);
  const fresh = { at, hash: "#/chat", complains: true, before: (page) => page.context().clearCookies() };

  await check("identity provider: a person signs in and works", fresh, async (page) => {
    await page.waitForSelector(".enter .provider");
    await accessible(page);
    await shot(page, "enter-provider");
    await throughTheProvider(page, "team.ann");
    await page.waitForSelector("text=Sign out ann");
    assert.equal(new URL(page.url()).search, "", "no code stays in the address");
    const cookies = await page.context().cookies(at);
    assert.ok(cookies.some((c) => c.name === "ashatai_session" && c.httpOnly && c.sameSite === "Lax"));
    assert.ok(!cookies.some((c) => c.name === "ashatai_oidc"), "what the login needed is gone");
    const { users } = await (await fetch(`${at}/api/v1/users`, { headers: { authorization: `Bearer ${token}` } })).json();
    const ann = users.find((u) => u.name === "ann");
    assert.equal(ann.role, "publisher");
    assert.equal(ann.has_password, false);
  });

  await check("identity provider: a disabled account stays out, and is told so", fresh, async (page) => {
    await call("PATCH", "/api/v1/users/ann", { disabled: true }, token);
    await throughTheProvider(page, "team.ann");
    await page.waitForSelector("[role=alert]");
    assert.match(await page.textContent("main"), /did not work.*disabled.*Ask an admin/s);
    await accessible(page);
    await shot(page, "login-refused");
    await page.emulateMedia({ colorScheme: "dark" });
    await accessible(page);
    await shot(page, "login-refused-dark");
    await page.click("text=go to the page");
    await page.waitForSelector(".enter");
  });

  await check("identity provider: a person who turns away there can begin again", fresh, async (page) => {
    await page.waitForSelector(".enter");
    await page.click("text=Sign in by the lab");
    await page.click("text=Cancel");
    await page.waitForSelector("[role=alert]");
    assert.match(await page.textContent("main"), /refused the login \(access_denied\)/);
    await page.click("text=Begin again");
    await page.waitForSelector("input[name=login]");
  });

  await stop();
  end();
}

// An identity provider for tests, on 127.0.0.1: oidc-provider with two clients, everybody who types a name as an account, and
// three calls of its own to turn its keys, to let its codes grow old, and to end. Arguments: the addresses that it sends
// browsers back to. It prints its issuer when it answers.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

const kept = new Map(); // what every kind of object is kept in
class Store {
  constructor(name) { this.of = kept.get(name) ?? new Map(); kept.set(name, this.of); }
  async upsert(id, payload) { this.of.set(id, payload); }
  async find(id) { return this.of.get(id); }
  async findByUid(uid) { return [...this.of.values()].find((p) => p.uid === uid); }
  async findByUserCode(code) { return [...this.of.values()].find((p) => p.userCode === code); }
  async consume(id) { this.of.get(id).consumed = Math.floor(Date.now() / 1000); }
  async destroy(id) { this.of.delete(id); }
  async revokeByGrantId(grant) { for (const of of kept.values()) for (const [id, p] of of) if (p.grantId === grant) of.delete(id); }
}

// Who is there: NAME is a person with NAME@example.org; "team.NAME" is in the groups team and all; "loose.NAME" has an address
// that nobody verified.
function account(id) {
  const [group, name] = id.includes(".") ? id.split(".", 2) : ["", id];
  return {
    accountId: id,
    claims: () => ({ sub: id, preferred_username: name, email: `${name}@example.org`, email_verified: group !== "loose", groups: group ? [group, "all"] : [] }),
  };
}

const redirects = process.argv.slice(2);
const cookieKeys = [randomBytes(16).toString("hex")];
let serial = 0;
function provider(issuer) {
  const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });
  const client = (id) => ({ client_id: id, client_secret: `${id}-secret-canary`, redirect_uris: redirects, grant_types: ["authorization_code"], response_types: ["code"] });
  const p = new Provider(issuer, {
    adapter: Store, clients: [client("ashatai"), client("other")], jwks: { keys: [{ ...key, use: "sig", alg: "RS256", kid: `key-${++serial}` }] },
    cookies: { keys: cookieKeys }, findAccount: (_, id) => account(id), pkce: { required: () => true },
    claims: { openid: ["sub"], profile: ["preferred_username", "groups"], email: ["email", "email_verified"] },
    ttl: { AccessToken: 600, AuthorizationCode: 60, IdToken: 600, Interaction: 600, Session: 600, Grant: 600 },
  });
  return p.callback();
}

let answer = (_, res) => res.writeHead(503).end();
const server = createServer((req, res) => {
  if (req.method === "POST" && req.url === "/test/rotate") {
    answer = provider(issuer);
    res.end();
  } else if (req.method === "POST" && req.url === "/test/expire") {
    for (const code of kept.get("AuthorizationCode")?.values() ?? []) code.exp = 1;
    res.end();
  } else answer(req, res);
});
let issuer = "";
server.listen(0, "127.0.0.1", () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  answer = provider(issuer);
  process.stdout.write(`issuer ${issuer}\n`);
});
process.stdin.on("end", () => process.exit(0)).resume(); // whoever started it is gone

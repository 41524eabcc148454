// A real OpenID provider (npm oidc-provider) for tests/oidc_site.py. It knows everybody: whatever name is typed into
// its form is a person. Options as JSON: issuer, clients, keys (JWK Set), cert and key (PEM files, for https), config
// (more of oidc-provider's own configuration, over what stands here). Says {"ready": true} when it listens.

import { createServer as createSecure } from "node:https";
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { Provider } from "oidc-provider";

const options = JSON.parse(process.argv[2]);
const { hostname, port } = new URL(options.issuer);
const GROUPS = ["sales", "Finance & HR", "København"];

async function findAccount(_, name) {
    const claims = { sub: `id-of-${name}`, preferred_username: name, groups: GROUPS, address: { country: "SE" } };
    return {
        accountId: name,
        claims: async () => ({ ...claims, email: `${name}@acme.example`, email_verified: true, name: `${name} Person` }),
    };
}

// Whoever logged in has agreed: no page that asks for consent.
async function loadExistingGrant(ctx) {
    const { client, session, params, provider } = ctx.oidc;
    const known = session.grantIdFor(client.clientId);
    const grant = known ? await provider.Grant.find(known) : undefined;
    if (grant) return grant;
    const made = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    made.addOIDCScope(params.scope);
    made.addOIDCClaims(["preferred_username", "groups", "email", "email_verified", "name", "address"]);
    await made.save();
    return made;
}

const provider = new Provider(options.issuer, {
    clients: options.clients,
    jwks: options.keys,
    findAccount,
    loadExistingGrant,
    claims: {
        openid: ["sub"],
        profile: ["preferred_username", "name", "groups"],
        email: ["email", "email_verified"],
        address: ["address"],
    },
    scopes: ["openid", "offline_access", "profile", "email", "address"],
    cookies: { keys: ["a key for tests"] },
    pkce: { required: () => true },
    // Its own dispatcher refuses to call loopback addresses, and clients of tests have no other ones.
    fetch: (url, { dispatcher, ...more }) => globalThis.fetch(url, more),
    // A client that may renew gets a token for it, also without offline_access: it lasts as long as the session there.
    issueRefreshToken: async (_, client) => client.grantTypeAllowed("refresh_token"),
    clientAuthMethods: ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
    ...options.config,
});
const serve = provider.callback();
const server = options.cert
    ? createSecure({ cert: readFileSync(options.cert), key: readFileSync(options.key) }, serve)
    : createServer(serve);
server.listen(Number(port), hostname, () => console.log(JSON.stringify({ ready: true })));

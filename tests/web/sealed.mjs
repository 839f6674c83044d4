// A name is sealed on the phone and opened in a coordinator's tab: on the way it is never in the open. Then a second
// factor guards the account.
import { createHmac } from "node:crypto";
import { generateIdentity, identityToRecipient } from "age-encryption";
import { api, assert, finish, inspect, origin, PASSWORD, person, token } from "./harness.mjs";

const identity = await generateIdentity();
const other = await generateIdentity();
await api("/recipients", { method: "POST", token: await token("admin"), body: { public_key: await identityToRecipient(identity), label: "safe" } });

const NAME = "Серік Ахметов";
const sent = [];
const watch = ({ context }) => context.on("request", (request) => sent.push(request.url() + (request.postData() ?? "")));

const observer = await person({ language: "en", width: 390, height: 844 });
watch(observer);
const phone = observer.page;
await phone.goto(`${origin}/#/observer`);
await phone.locator("#login").fill("observer@example.org");
await phone.locator("#password").fill(PASSWORD);
await phone.locator("#pin").fill("six six six");
await phone.locator("#pin-again").fill("six six six");
await phone.getByRole("button", { name: "Sign in" }).click();
await phone.getByText("Everything is sent.").waitFor();
await phone.getByRole("button", { name: "Report a detention" }).click();
await phone.locator("#city").selectOption("qaraghandy");
await phone.locator("#date").fill("2019-06-10");
await phone.locator("#name").fill(NAME);
await phone.locator("#contacts").fill("+7 700 123 45 67");
await phone.locator("#description").fill("Taken on the way home");
await inspect(observer, "observer-detention");
await phone.getByRole("button", { name: "Keep and send" }).click();
await phone.locator("[data-state=sent]").waitFor();

const coordinator = await person({ width: 1366, height: 900 });
watch(coordinator);
const { page } = coordinator;
const signIn = async () => {
  await page.locator("#login").fill("qaraghandy@example.org");
  await page.locator("#password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
};
await page.goto(`${origin}/#/desk?kind=detentions`);
await signIn();
await page.locator("button.item").first().click();
await page.locator("#identity").fill(other);
await page.locator("#reason").fill("A sister asks");
await page.getByRole("button", { name: "Open here" }).click();
await page.getByText("This key does not open it.").waitFor();
await page.locator("#identity").fill(identity);
await page.getByRole("button", { name: "Open here" }).click();
await page.locator("pre", { hasText: NAME }).waitFor();
await inspect(coordinator, "desk-sealed");
for (const request of sent) {
  assert.ok(!request.includes(NAME) && !request.includes("123 45 67") && !request.includes(identity), request.slice(0, 200));
}
assert.ok(sent.some((request) => request.includes("BEGIN AGE ENCRYPTED FILE")));

/** RFC 6238 with SHA-1, six digits, thirty seconds. */
function totp(secret) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret.replace(/=+$/, "")].map((c) => alphabet.indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const digest = createHmac("sha1", key).update(counter).digest();
  const at = digest[19] & 15;
  return String((digest.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}
await page.getByRole("link", { name: "Safety" }).click();
await page.getByRole("button", { name: "Set it up" }).click();
await page.getByAltText("QR code of the secret").waitFor();
const secret = await page.locator("code").innerText();
await inspect(coordinator, "desk-safety");
await page.locator("#s-code").fill(totp(secret));
await page.getByRole("button", { name: "Confirm" }).click();
await page.getByText("A second factor guards this account.").waitFor();
const recovery = (await page.locator("pre").innerText()).split("\n");
assert.ok(recovery.length >= 8);
await page.getByRole("button", { name: "Sign out" }).click();
await signIn();
await page.locator("#code").waitFor();
// The code that confirmed is used up: the next one signs in.
for (let i = 0; i < 40 && (await page.locator("#code").count()); i++) {
  await page.locator("#code").fill(totp(secret));
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForTimeout(1000);
}
await page.getByRole("link", { name: "Safety" }).click();
await page.getByRole("button", { name: "Panic: end all sessions" }).click();
await page.locator("#login").waitFor();
await finish(observer, coordinator);

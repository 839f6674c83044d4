// The public pages: in all languages, light and dark, from phone to desk; a receipt is checked in the browser.
import { api, assert, finish, inspect, origin, person, token } from "./harness.mjs";

const observer = await token("observer");
const coordinator = await token("qaraghandy");
for (let i = 0; i < 3; i++) {
  const body = { election: "kz-2019-president", city: "qaraghandy", polling_station: String(i), occurred_at: "2019-06-09", category: "ballot_stuffing", stage: "voting", description: `Seen ${i}` };
  const { id } = await api("/violations", { method: "POST", token: observer, body });
  await api(`/violations/${id}/review`, { method: "POST", token: coordinator, headers: { "if-match": '"1"' }, body: { decision: "verified" } });
}
const [{ id }] = (await api("/violations", { token: coordinator })).items;
let receipt;
for (let i = 0; i < 100 && !receipt?.inclusion; i++) {
  receipt = await api(`/violations/${id}/receipt?version=1`, { token: coordinator });
  await new Promise((resolve) => setTimeout(resolve, 100));
}
assert.ok(receipt.inclusion, "the ledger came so far");

// A claim whose day is known stands on the timeline.
const text = { kk: "Министр мәлімдеді", ru: "Министр заявил", en: "The minister repeated it" };
await api("/claims", { method: "POST", token: coordinator, body: { election: "kz-2019-president", topic: "detained", claimant: "minister", value_is: "none", stated_on: "2019-06-13", text, source: "2019-06-19-independent-observers-alliance" } });

const people = [];
for (const [language, width, dark] of [["en", 1280, false], ["ru", 390, false], ["kk", 320, true]]) {
  const visitor = await person({ language, width, dark });
  people.push(visitor);
  const { page } = visitor;
  await page.goto(origin);
  await page.locator(".figure .number").first().waitFor();
  await page.locator("svg path.shade-4").waitFor();
  await inspect(visitor, `overview-${language}`);
  assert.equal(await page.locator("html").getAttribute("lang"), language);
  assert.equal(await page.locator(".figure .number").first().innerText(), "3");
  await page.locator("ol li", { hasText: text[language] }).and(page.locator("li:has(time[datetime='2019-06-13'])")).waitFor();
  await page.goto(`${origin}/#/verify`);
  await page.locator("#receipt").waitFor();
  await page.waitForFunction(() => document.querySelector("#key").value.includes("+"));
  await page.locator("#receipt").fill(JSON.stringify(receipt));
  await page.getByRole("button").filter({ hasNotText: /^(kk|ru|en)$/ }).last().click();
  await page.locator(".good").waitFor();
  await inspect(visitor, `verify-${language}`);
}

const { page } = people[0];
// Anything that is changed shows.
for (const change of [(it) => (it.entry.status = "verified!"), (it) => (it.content.description = "Nothing"), (it) => (it.inclusion.index += 1), (it) => (it.salt = it.inclusion.proof[0] ?? it.salt.replace(/^./, "B"))]) {
  const altered = structuredClone(receipt);
  change(altered);
  await page.locator("#receipt").fill(JSON.stringify(altered));
  await page.getByRole("button", { name: "Check", exact: true }).click();
  await page.locator("p.card.warn").waitFor();
}
// A region that is chosen stands in the URL, and the URL brings it back.
await page.goto(`${origin}/#/`);
await page.getByRole("button", { name: /^Aqtobe region: 0/ }).press("Enter");
await page.waitForURL(/region=KZ-15/);
await page.locator(".figure .number", { hasText: "0" }).first().waitFor();
await page.goto(`${origin}/#/?region=KZ-35`);
await page.reload();
await page.getByRole("button", { name: /^Qaraghandy region: 3/, pressed: true }).waitFor();
const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: /CSV/ }).click()]);
assert.equal(download.suggestedFilename(), "kz-2019-president-verified.csv");
// The language is kept.
await page.getByRole("button", { name: "ru", exact: true }).click();
await page.reload();
await page.getByRole("heading", { name: "День за днём" }).waitFor();
await page.goto(`${origin}/#/nothing`);
await page.getByRole("heading", { name: "Такой страницы нет" }).waitFor();
await finish(...people);

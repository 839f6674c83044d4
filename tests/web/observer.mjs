// An observer with no network writes three records; they send themselves when it is back.
import { api, assert, finish, inspect, origin, PASSWORD, person, token } from "./harness.mjs";

const observer = await person({ width: 390, height: 844 });
const { context, page } = observer;
const SECRET = "The chairman put forty ballots into the box";
const PIN = "steppe wind";

await page.goto(`${origin}/#/observer`);
await page.locator("#login").fill("observer@example.org");
await page.locator("#password").fill(PASSWORD);
await page.locator("#pin").fill(PIN);
await page.locator("#pin-again").fill("another one");
await page.getByRole("button", { name: "Sign in" }).click();
await page.getByText("The two PINs differ.").waitFor();
await inspect(observer, "observer-sign-in");
await page.locator("#pin-again").fill(PIN);
await page.getByRole("button", { name: "Sign in" }).click();
await page.getByText("Everything is sent.").waitFor();
// A cheap phone on a thin network gets all of it in under 150 kB.
const loaded = await page.evaluate(() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")].filter((it) => !it.name.includes("/api/")).reduce((sum, it) => sum + it.transferSize, 0));
assert.ok(loaded > 20_000 && loaded < 150_000, `${loaded} bytes`);
// The page is kept for later by its service worker.
await page.evaluate(() => navigator.serviceWorker.ready);
await page.waitForFunction(async () => (await caches.keys()).length > 0);

await context.setOffline(true);
await page.reload();
await page.locator("#pin").fill("wrong pin");
await page.getByRole("button", { name: "Open" }).click();
await page.getByText("This is not the PIN.").waitFor();
await inspect(observer, "observer-locked");
await page.locator("#pin").fill(PIN);
await page.getByRole("button", { name: "Open" }).click();

await page.getByRole("button", { name: "Report a violation" }).click();
await page.locator("#city").selectOption("qaraghandy");
await page.locator("#station").fill("45");
await page.locator("#date").fill("2019-06-09");
await page.locator("#time").fill("");
await page.locator("#category").selectOption("ballot_stuffing");
await page.locator("#description").fill(SECRET);
await inspect(observer, "observer-violation");
// What was begun is a draft.
await page.waitForTimeout(800);
await page.reload();
await page.locator("#pin").fill(PIN);
await page.getByRole("button", { name: "Open" }).click();
await page.getByRole("button", { name: "Report a violation" }).click();
await page.waitForFunction((text) => document.querySelector("#description")?.value === text, SECRET);
const photo = Buffer.concat([Buffer.from("ffd8ffe000104a46494600010100000100010000", "hex"), Buffer.alloc(2_500_000, 7), Buffer.from("ffd9", "hex")]);
await page.locator("#files").setInputFiles({ name: "box.jpg", mimeType: "image/jpeg", buffer: photo });
await page.getByRole("button", { name: "Keep and send" }).click();
await page.getByText("No network. 1 waiting").waitFor();

await page.getByRole("button", { name: "Enter a tally sheet" }).click();
await page.locator("#city").selectOption("qaraghandy");
await page.locator("#station").fill("45");
await page.locator("#date").fill("2019-06-09");
await page.locator("#time").fill("");
for (const [field, n] of Object.entries({ voters_on_list: 1000, ballots_received: 1000, issued_in_station: 600, issued_mobile: 20, unused: 375, spoiled: 5, found_in_boxes: 620, invalid: 15 })) {
  await page.locator(`#${field}`).fill(String(n));
}
await page.locator("#votes-0").fill("600");
await page.getByText("Found in the boxes = votes + invalid").and(page.locator("li.good, li.warn")).waitFor();
await page.getByRole("button", { name: "Add a candidate" }).click();
await page.locator("#candidate-1").fill("B");
await page.locator("#votes-1").fill("15");
await page.getByText("(off by 10)").waitFor();
await inspect(observer, "observer-sheet");
await page.getByRole("button", { name: "Keep and send" }).click();
await page.getByText("No network. 2 waiting").waitFor();

await page.getByRole("button", { name: "Report a detention" }).click();
await page.locator("#city").selectOption("qaraghandy");
await page.locator("#date").fill("2019-06-10");
await page.locator("#time").fill("12:00");
await page.locator("#people").fill("4");
await page.locator("#description").fill("Four taken from the square");
await page.getByRole("button", { name: "Keep and send" }).click();
await page.getByText("No network. 3 waiting").waitFor();
await inspect(observer, "observer-waiting");

// Nothing that was written lies on the phone in the open.
const open = await page.evaluate(async (secret) => {
  const db = await new Promise((resolve, reject) => {
    const request = indexedDB.open("baqylau");
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const found = [];
  let values = 0;
  for (const store of db.objectStoreNames) {
    const all = await new Promise((resolve) => (db.transaction(store).objectStore(store).getAll().onsuccess = (event) => resolve(event.target.result)));
    for (const value of all) {
      values += 1;
      const bytes = value.data ? new Uint8Array(value.data) : new TextEncoder().encode(JSON.stringify(value));
      const text = new TextDecoder("latin1").decode(bytes) + JSON.stringify(value);
      if (text.includes(secret.slice(0, 12)) || text.includes("violation") || text.includes("refresh")) found.push(store);
    }
  }
  db.close();
  return { found, values, kept: JSON.stringify({ ...localStorage }) };
}, SECRET);
assert.deepEqual(open.found, []);
assert.ok(open.values >= 6 && !open.kept.includes("token"), JSON.stringify(open));

await context.setOffline(false);
await page.locator("[data-state=sent]").nth(2).waitFor({ timeout: 60_000 });
await page.getByText("box.jpg: sent").waitFor({ timeout: 60_000 });
await page.getByText("Everything is sent.").waitFor();

// The server has them once, with the photo bit for bit.
const coordinator = await token("qaraghandy");
const found = {};
for (const kind of ["violations", "protocols", "detentions"]) {
  found[kind] = (await api(`/${kind}?from=2019-06-09&to=2019-06-10`, { token: coordinator })).items;
  assert.equal(found[kind].length, 1, kind);
}
assert.equal(found.violations[0].description, SECRET);
assert.equal(found.protocols[0].votes.length, 2);
const [evidence] = await api(`/evidence?record=${found.violations[0].id}`, { token: coordinator }).then((it) => it.items ?? it);
assert.equal(evidence.size, photo.length);

await page.locator("[data-state=sent]").last().getByRole("button", { name: "Receipt" }).click();
const receipt = JSON.parse(await page.locator("pre").innerText());
assert.equal(receipt.receipt, "baqylau-receipt/1");
await inspect(observer, "observer-sent");

// A coordinator in another browser sees the three and verifies each by keyboard.
const desk = await person({ width: 1366, height: 900 });
await desk.page.goto(`${origin}/#/desk`);
await desk.page.locator("#login").fill("qaraghandy@example.org");
await desk.page.locator("#password").fill(PASSWORD);
await desk.page.getByRole("button", { name: "Sign in" }).click();
for (const kind of ["Violations", "Protocols", "Detentions"]) {
  await desk.page.getByRole("button", { name: kind, exact: true }).click();
  await desk.page.locator("button.item").waitFor();
  await desk.page.locator("body").press("j");
  await desk.page.getByRole("heading", { name: "History" }).waitFor();
  await desk.page.keyboard.press("v");
  await desk.page.waitForFunction(() => document.querySelectorAll("button.item").length === 0);
}
for (const kind of ["violations", "protocols", "detentions"]) {
  assert.equal((await api(`/${kind}?status=verified`, { token: coordinator })).items.length, 1, kind);
}

// One touch leaves nothing.
await page.getByRole("button", { name: "Wipe and leave" }).click();
await page.waitForURL("about:blank");
await page.goto(`${origin}/#/observer`);
await page.locator("#login").waitFor();
assert.deepEqual(await page.evaluate(async () => (await indexedDB.databases()).map((it) => it.name).filter((name) => name !== "baqylau")), []);
await finish(observer, desk);

// An observer sends with a phone; a coordinator in another browser sees it come, verifies it by keyboard, and does the
// rest of a coordinator's day.
import { api, assert, finish, inspect, origin, PASSWORD, person, token } from "./harness.mjs";

const observer = await token("observer");
const shared = { election: "kz-2019-president", city: "qaraghandy", occurred_at: "2019-06-09" };
const violation = (station, description) =>
  api("/violations", { method: "POST", token: observer, body: { ...shared, polling_station: station, category: "observer_obstructed", stage: "voting", description } });
await violation("10", "The observer was not let near the table");

const desk = await person({ width: 1366, height: 900 });
const { page } = desk;
await page.goto(`${origin}/#/desk`);
await page.locator("#login").fill("observer@example.org");
await page.locator("#password").fill(PASSWORD);
await page.getByRole("button", { name: "Sign in" }).click();
await page.getByText("This account is an observer's").waitFor();
await page.locator("#login").fill("qaraghandy@example.org");
await page.locator("#password").fill(PASSWORD);
await inspect(desk, "desk-sign-in");
await page.getByRole("button", { name: "Sign in" }).click();
await page.locator("button.item").first().waitFor();
await page.getByText("live", { exact: true }).waitFor();
assert.equal(await page.locator("button.item").count(), 1);

// What comes in is seen without asking.
await page.waitForTimeout(2500);
const phone = await person({ language: "kk", width: 390, height: 844 });
await phone.page.goto(`${origin}/#/observer`);
await phone.page.locator("#login").fill("observer@example.org");
await phone.page.locator("#password").fill(PASSWORD);
await phone.page.locator("#pin").fill("дала желі");
await phone.page.locator("#pin-again").fill("дала желі");
await phone.page.getByRole("button", { name: "Кіру", exact: true }).click();
await phone.page.getByRole("button", { name: "Бұзушылық туралы хабарлау" }).click();
await phone.page.locator("#city").selectOption("qaraghandy");
await phone.page.locator("#station").fill("10");
await phone.page.locator("#date").fill("2019-06-09");
await phone.page.locator("#time").fill("");
await phone.page.locator("#category").selectOption("observer_obstructed");
await phone.page.locator("#description").fill("The observer was not let near the table at all");
const picture = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
await phone.page.locator("#files").setInputFiles({ name: "table.png", mimeType: "image/png", buffer: picture });
await phone.page.getByRole("button", { name: "Сақтап, жіберу" }).click();
await phone.page.getByText("table.png: жіберілді").waitFor();
await page.locator("button.item").nth(1).waitFor();

// The keyboard goes through the list and decides.
await page.locator("body").press("j");
await page.waitForURL(/id=/);
await page.getByRole("heading", { name: "Likely duplicates" }).waitFor();
await page.locator(".pictures img").waitFor();
await inspect(desk, "desk-record");
await page.keyboard.press("n");
await page.keyboard.type("Seen on the photo");
await page.locator("#note").blur();
await page.keyboard.press("v");
await page.waitForFunction(() => document.querySelectorAll("button.item").length === 1);
const list = async (query) => (await api(`/violations?${query}`, { token: await token("qaraghandy") })).items;
const [verified] = await list("status=verified");
assert.equal(verified.description, "The observer was not let near the table at all");
// The next one is open already, and is a duplicate of the first.
await page.getByText("The observer was not let near the table", { exact: true }).last().waitFor();
await page.getByRole("heading", { name: "Likely duplicates" }).waitFor();
await page.keyboard.press("d");
await page.waitForFunction(() => document.querySelectorAll("button.item").length === 0);
const [duplicate] = await list("status=duplicate");
assert.equal(duplicate.duplicate_of, verified.id);

// Filters live in the URL; a link shows the same to a colleague.
await page.locator("#f-status").selectOption("verified");
await page.locator("#f-q").fill("table");
await page.locator("#f-q").press("Enter");
await page.locator("#f-q").blur();
await page.waitForURL(/q=table/);
await page.reload();
await page.locator("button.item").first().waitFor();
assert.match(page.url(), /status=verified/);
const [csv] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "CSV" }).click()]);
assert.equal(csv.suggestedFilename(), "violations.csv");

// A photographed sheet is keyed by two who do not see each other's figures.
const { id: sheet } = await api("/protocols", { method: "POST", token: observer, body: { ...shared, polling_station: "10", copy_held_by: "posted", votes: [{ candidate: "B", votes: 9 }] } });
const meta = `record ${Buffer.from(sheet).toString("base64")},filename ${Buffer.from("sheet.png").toString("base64")}`;
const upload = await fetch(`${origin}/api/v1/evidence/uploads`, {
  method: "POST", body: picture,
  headers: { authorization: `Bearer ${observer}`, "tus-resumable": "1.0.0", "upload-length": String(picture.length), "upload-metadata": meta, "content-type": "application/offset+octet-stream" },
});
assert.equal(upload.status, 201);
await page.goto(`${origin}/#/desk?kind=protocols&id=${sheet}`);
await page.getByRole("button", { name: "Key the figures" }).click();
await page.getByText("Nobody has keyed it yet.").waitFor();
const field = (name) => page.getByLabel(name, { exact: true });
await field("Voters on the list").fill("1200");
await field("Invalid").fill("3");
await field("Qasym-Zhomart Toqaev").fill("412");
await inspect(desk, "desk-sheet");
await page.getByRole("button", { name: "Save the reading" }).click();
await page.getByText("Keyed once.").waitFor();
await page.getByRole("button", { name: "Sign out" }).click();
await page.locator("#login").fill("admin@example.org");
await page.locator("#password").fill(PASSWORD);
await page.getByRole("button", { name: "Sign in" }).click();
await page.getByRole("button", { name: "Key the figures" }).click();
await page.getByText("Keyed once.").waitFor();
await field("Voters on the list").fill("1200");
await field("Invalid").fill("3");
await field("Qasym-Zhomart Toqaev").fill("412");
await page.getByRole("button", { name: "Save the reading" }).click();
await page.getByText("Read: two agree.").waitFor();

// An invitation: its link opens a notebook for somebody without an e-mail.
await page.getByRole("link", { name: "People" }).click();
await page.getByRole("button", { name: "Make a link" }).click();
const link = await page.locator("#link").inputValue();
await inspect(desk, "desk-people");
const guest = await person({ language: "ru", width: 390, height: 844 });
await guest.page.goto(link);
await guest.page.getByRole("heading", { name: "Вас пригласили" }).waitFor();
await guest.page.locator("#password").fill("a long enough password");
await guest.page.locator("#pin").fill("длинный пин");
await guest.page.locator("#pin-again").fill("длинный пин");
await guest.page.getByRole("button", { name: "Войти" }).click();
await guest.page.getByText("Ваше имя для входа:").waitFor();
await guest.page.getByText("Всё отправлено.").waitFor();
await inspect(guest, "observer-invited");
const again = await person({ language: "en" });
await again.page.goto(link);
await again.page.locator("#password").fill("a long enough password");
await again.page.locator("#pin").fill("long enough");
await again.page.locator("#pin-again").fill("long enough");
await again.page.getByRole("button", { name: "Sign in" }).click();
await again.page.getByText("This invitation is not good any more").waitFor();

await page.getByRole("button", { name: "Sign out" }).click();
await page.locator("#login").waitFor();
assert.equal(await page.evaluate(() => sessionStorage.length), 0);
await finish(desk, phone, guest, again);

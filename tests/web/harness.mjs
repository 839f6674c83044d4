// What all scripts share: a browser that may ask this one server, and a check of every page.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

export { assert };
export const [origin, shots] = process.argv.slice(2);
export const PASSWORD = "correct horse battery";
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
});

/** A person with a browser of their own. `faults` must stay empty. */
export async function person({ language = "en", width = 1280, height = 900, dark = false } = {}) {
  const context = await browser.newContext({ locale: language, viewport: { width, height }, colorScheme: dark ? "dark" : "light", acceptDownloads: true });
  const faults = [];
  context.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(origin) && !/^(data|blob|about):/.test(url)) faults.push(`asks another host: ${url}`);
  });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    if (/Content Security Policy/i.test(message.text())) faults.push(message.text());
  });
  return { context, page, faults };
}

/** Nothing serious for axe, no raw key of a text, and nothing wider than the window. */
export async function inspect({ page }, name) {
  if (shots) await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true });
  for (const colorScheme of ["dark", "light"]) {
    await page.emulateMedia({ colorScheme });
    // Axe runs beside the page's policy, not through it.
    const results = await page.evaluate(`(() => { ${axe}; return axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }); })()`);
    const serious = results.violations.filter((it) => ["serious", "critical"].includes(it.impact));
    assert.deepEqual(serious.map((it) => `${it.id}: ${it.nodes.map((node) => node.html).join(" | ")}`), [], `${name}, ${colorScheme}`);
  }
  const text = await page.evaluate(() => document.body.innerText);
  const keys = text.match(/\b(nav|form|observer|desk|map|claims|timeline|sheets|verify|kind|state|new|one|count|category|custody|agency|circumstance|stage|severity|figure|copy|check|status)-[a-z_-]+\b/g);
  assert.equal(keys, null, `${name} shows keys of texts`);
  assert.doesNotMatch(text, /\bM(0[1-9]|1[0-2])\b/, `${name} has a month without a name`);
  const size = page.viewportSize();
  for (const width of [size.width, 320]) {
    await page.setViewportSize({ ...size, width });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(wide <= 1, `${name} is ${wide} px too wide for ${width}`);
    if (shots && width === 320) await page.screenshot({ path: `${shots}/${name}-320.png`, fullPage: true });
  }
  await page.setViewportSize(size);
}

export async function finish(...people) {
  for (const { faults } of people) assert.deepEqual(faults, []);
  await browser.close();
}

export async function api(path, { method = "GET", token, body, headers = {} } = {}) {
  const response = await fetch(`${origin}/api/v1${path}`, {
    method,
    headers: { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${response.ok ? "" : await response.text()}`);
  return response.status === 204 ? undefined : response.json();
}

export async function token(name) {
  return (await api("/auth/login", { method: "POST", body: { email: `${name}@example.org`, password: PASSWORD } })).access_token;
}

import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

const SCREENSHOTS = fileURLToPath(new URL("../web/screenshots/", import.meta.url));

/** Path of the browser: `CHROMIUM_PATH`, or where Debian puts it; undefined where there is none. */
export const CHROMIUM = [process.env["CHROMIUM_PATH"], "/usr/bin/chromium"].find(
  (path) => path !== undefined && existsSync(path),
);

if (CHROMIUM === undefined) {
  process.stdout.write("no Chromium, so the page's tests are skipped; CHROMIUM_PATH names one\n");
}

export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM as string,
    // Its sandbox needs rights that a container seldom has; it sees this project's page only.
    args: ["--no-sandbox"],
  });
}

/** A page that keeps what went wrong in it. */
export interface OpenPage {
  readonly page: Page;
  /** Errors and warnings of its console, exceptions, and requests to elsewhere. */
  readonly complaints: readonly string[];
}

/** Opens a server's page in a browser context of its own. */
export async function openPage(
  browser: Browser,
  port: number,
  options: BrowserContextOptions = {},
): Promise<OpenPage> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error.stack)));
  page.on("request", (request) => {
    if (new URL(request.url()).port !== `${port}`) complaints.push(`a request to ${request.url()}`);
  });
  await page.goto(`http://127.0.0.1:${port}/`);
  return { page, complaints };
}

/** Puts a picture of the page into a folder that git ignores, to be looked at. */
export async function screenshot(page: Page, name: string): Promise<void> {
  await mkdir(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: `${SCREENSHOTS}${name}.png` });
}

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PageFiles } from "../../../../src/workers/shard/http/page-files.js";
import { httpRequest } from "../../../support/upgrade-request.js";

const PAGE = "<!doctype html><title>a page</title>";

let folder: string;
let server: Server;
let port: number;
let files: PageFiles;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "marketcast-page-"));
  await mkdir(join(folder, "assets"));
  await writeFile(join(folder, "index.html"), PAGE);
  await writeFile(join(folder, "index.html.gz"), gzipSync(PAGE));
  await writeFile(join(folder, "assets", "main-1a2b.js"), "export {};");
  await writeFile(join(folder, "notes.txt"), "not for the public");
  files = new PageFiles(pathToFileURL(`${folder}/`));
  server = createServer((request, response) => files.answer(request.url ?? "", request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true });
});

const get = (path: string, headers = {}) => httpRequest(port, { path, headers });

describe("page files", () => {
  it("page-files - the page is at / and assets are below it, of known types only", () => {
    expect(files.has("/")).toBe(true);
    expect(files.has("/assets/main-1a2b.js")).toBe(true);
    for (const path of ["/index.html", "/index.html.gz", "/notes.txt", "/assets", "/../x", ""]) {
      expect(files.has(path), path).toBe(false);
    }
  });

  it("page-files - the page is asked for each time, an asset is kept for good", async () => {
    const page = await get("/");
    expect(page.status).toBe(200);
    expect(page.body).toBe(PAGE);
    expect(page.headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(page.headers["cache-control"]).toBe("no-cache");
    const asset = await get("/assets/main-1a2b.js");
    expect(asset.headers["content-type"]).toBe("text/javascript; charset=utf-8");
    expect(asset.headers["cache-control"]).toBe("public, max-age=31536000, immutable");
  });

  it("page-files - a browser that has the page is told so", async () => {
    const { etag } = (await get("/")).headers;
    for (const known of [etag, `"other", ${etag}`, etag?.replace("W/", ""), "*"]) {
      const answer = await get("/", { "If-None-Match": known });
      expect([answer.status, answer.body]).toEqual([304, ""]);
      expect(answer.headers.etag).toBe(etag);
    }
    expect((await get("/", { "If-None-Match": '"other"' })).status).toBe(200);
  });

  it("page-files - the compressed form goes to those who take it", async () => {
    const response = await fetch(`http://127.0.0.1:${port}/`, {
      headers: { "Accept-Encoding": "br, gzip;q=0.8" },
    });
    expect(response.headers.get("content-encoding")).toBe("gzip");
    expect(response.headers.get("content-length")).toBe(`${gzipSync(PAGE).length}`);
    expect(await response.text()).toBe(PAGE);
    for (const accepted of ["identity", "gzip;q=0", "gzip; q=0.0", "br, x-gzip", ""]) {
      const { headers, body } = await get("/", { "Accept-Encoding": accepted });
      expect(headers["content-encoding"], accepted).toBeUndefined();
      expect(headers.vary).toBe("Accept-Encoding");
      expect(body).toBe(PAGE);
    }
  });

  it("page-files - a file without a compressed copy goes out plain", async () => {
    const { headers, body } = await get("/assets/main-1a2b.js", { "Accept-Encoding": "gzip" });
    expect(headers["content-encoding"]).toBeUndefined();
    expect(body).toBe("export {};");
  });

  it("page-files - HEAD has the headers of GET and no body", async () => {
    const answer = await httpRequest(port, { path: "/", method: "HEAD" });
    expect([answer.status, answer.body]).toEqual([200, ""]);
    expect(answer.headers["content-length"]).toBe(`${PAGE.length}`);
  });

  it.each(["POST", "PUT", "DELETE", "OPTIONS"])("page-files - %s is 405", async (method) => {
    const answer = await httpRequest(port, { path: "/", method });
    expect(answer.status).toBe(405);
    expect(answer.headers.allow).toBe("GET, HEAD");
  });

  it("page-files - a build without the page has no files", () => {
    const none = new PageFiles(pathToFileURL(`${folder}/nowhere/`));
    expect(none.has("/")).toBe(false);
  });
});

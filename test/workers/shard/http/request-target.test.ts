import { expect, it } from "vitest";
import { isHost, parseRequestTarget } from "../../../../src/workers/shard/http/request-target.js";

it.each([
  ["/", { path: "/", query: "", authority: undefined }],
  ["/ws/v3", { path: "/ws/v3", query: "", authority: undefined }],
  ["/ws/v3?", { path: "/ws/v3", query: "", authority: undefined }],
  ["/ws/v3?a=1&b=2", { path: "/ws/v3", query: "a=1&b=2", authority: undefined }],
  ["/ws/v3?ref=a?b&c=d", { path: "/ws/v3", query: "ref=a?b&c=d", authority: undefined }],
  ["/ws/v3??a=1", { path: "/ws/v3", query: "?a=1", authority: undefined }],
  ["//x/ws/v3", { path: "//x/ws/v3", query: "", authority: undefined }],
  ["http://a", { path: "/", query: "", authority: "a" }],
  ["http://a?b=c", { path: "/", query: "b=c", authority: "a" }],
  ["http://a:8081/ws/v3?b?c", { path: "/ws/v3", query: "b?c", authority: "a:8081" }],
  ["WS://[::1]:8081/ws/v3", { path: "/ws/v3", query: "", authority: "[::1]:8081" }],
  ["https://a/x", { path: "/x", query: "", authority: "a" }],
  ["wss://a/x", { path: "/x", query: "", authority: "a" }],
])("request target - %s of a GET is understood", (text, target) => {
  expect(parseRequestTarget("GET", text)).toEqual(target);
});

it.each([
  "",
  "*",
  "ws/v3",
  "?a=b",
  "/a#b",
  "http://a/b#c",
  "http://",
  "http:///ws/v3",
  "http://user@a/ws/v3",
  "http://user:password@a/ws/v3",
  "http://a b/",
  "http://a:port/",
  "ftp://a/ws/v3",
  "a:8081",
])("request target - '%s' of a GET is none", (text) => {
  expect(parseRequestTarget("GET", text)).toBeUndefined();
});

it("request target - the asterisk is one of OPTIONS", () => {
  expect(parseRequestTarget("OPTIONS", "*")?.path).toBe("*");
});

it.each([
  ["", true],
  ["a", true],
  ["a.example.com:8081", true],
  ["a:", true],
  ["127.0.0.1:80", true],
  ["[::1]", true],
  ["[::1]:80", true],
  ["a_b~c%41", true],
  ["a b", false],
  ["a/b", false],
  ["a@b", false],
  ["a:b", false],
  ["a:1:2", false],
  ["::1", false],
  ["[::1", false],
  ["a%zz", false],
  ["http://a", false],
  ["ä", false],
])("request target - '%s' as a host: %s", (text, valid) => {
  expect(isHost(text)).toBe(valid);
});

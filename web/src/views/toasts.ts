import { byId, element } from "../dom.js";

const SHOWN_MS = 6000;
const TOASTS_MAX = 4;

export type ToastKind = "info" | "good" | "warning" | "error";

/** Says something for a few seconds in the corner; beyond a few at a time the oldest go. */
export function toast(kind: ToastKind, title: string, text = ""): void {
  const root = byId("toasts");
  const shown = element(
    "button",
    { type: "button", class: `toast ${kind}`, title: "Dismiss" },
    element("strong", {}, title),
    element("span", {}, text),
  );
  const dismiss = (): void => {
    clearTimeout(timer);
    shown.remove();
  };
  const timer = setTimeout(dismiss, SHOWN_MS);
  shown.addEventListener("click", dismiss);
  root.append(shown);
  while (root.childElementCount > TOASTS_MAX) root.firstElementChild?.remove();
}

type Attributes = Readonly<Record<string, string | number | boolean>>;

/** Makes an element; attributes that are false are left out, those that are true are empty. */
export function element<T extends keyof HTMLElementTagNameMap>(
  tag: T,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[T] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) made.setAttribute(name, value === true ? "" : `${value}`);
  }
  made.append(...children);
  return made;
}

/** The element of the page with an id; its absence is a broken page. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found as T;
}

/** Sets a text node only where it differs: an equal write would still cost a layout. */
export function setText(node: Text, text: string): void {
  if (node.data !== text) node.data = text;
}

/** Shows or hides an element. */
export function show(shown: boolean, ...elements: readonly HTMLElement[]): void {
  for (const each of elements) each.hidden = !shown;
}

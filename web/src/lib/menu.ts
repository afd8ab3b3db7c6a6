// closes makes a menu go away as readers expect: by Escape, by a press elsewhere, and when the focus leaves it.
export function closes(menu: HTMLDetailsElement): { destroy(): void } {
  const inside = (at: EventTarget | null) => at instanceof Node && menu.contains(at);
  const press = (e: Event) => {
    if (!inside(e.target)) menu.open = false;
  };
  const keys = (e: KeyboardEvent) => {
    if (e.key !== "Escape" || !menu.open) return;
    e.preventDefault();
    menu.open = false;
    menu.querySelector("summary")?.focus();
  };
  const leave = (e: FocusEvent) => {
    if (e.relatedTarget && !inside(e.relatedTarget)) menu.open = false;
  };
  document.addEventListener("pointerdown", press);
  document.addEventListener("keydown", keys);
  menu.addEventListener("focusout", leave);
  return {
    destroy() {
      document.removeEventListener("pointerdown", press);
      document.removeEventListener("keydown", keys);
    },
  };
}

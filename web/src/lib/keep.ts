// recall and remember keep a setting in this browser where that is allowed.

export function recall(key: string): string {
  try {
    return localStorage.getItem(`ashatai.${key}`) ?? "";
  } catch {
    return "";
  }
}

export function remember(key: string, value: string): void {
  try {
    if (value !== "") localStorage.setItem(`ashatai.${key}`, value);
    else localStorage.removeItem(`ashatai.${key}`);
  } catch {
    // The setting then lasts as long as the page.
  }
}

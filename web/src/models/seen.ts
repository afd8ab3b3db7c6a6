// The installs that were seen since the page was opened: how they ended is told, also after a visit to another view.
export const seen = new Set<string>();

// Those of them whose end was announced, which is done once.
export const announced = new Set<string>();

import { readFileSync } from "node:fs";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";

// first puts src/theme.js before everything else, as a classic script of its own: a module would run after the first paint,
// and the page would flash in the other theme. It also keeps the file that holds the folder in the repository.
function first(): Plugin {
  let id = "";
  return {
    name: "ashatai-first",
    apply: "build",
    buildStart() {
      const source = readFileSync(new URL("src/theme.js", import.meta.url), "utf8");
      id = this.emitFile({ type: "asset", name: "theme.js", source });
      this.emitFile({ type: "asset", fileName: ".gitignore", source: "*\n!.gitignore\n" });
    },
    transformIndexHtml: {
      order: "post",
      handler(_html, ctx) {
        const file = Object.values(ctx.bundle ?? {}).find((f) => f.type === "asset" && f.names.includes("theme.js"));
        if (!file || id === "") throw new Error("theme.js is not in the bundle");
        return [{ tag: "script", attrs: { src: `/${file.fileName}` }, injectTo: "head-prepend" }];
      },
    },
  };
}

export default defineConfig({
  plugins: [svelte(), first()],
  server: { proxy: { "^/(api|v1|health|metrics|openapi.json)": "http://127.0.0.1:7077" } },
  build: {
    outDir: "../internal/web/dist",
    emptyOutDir: true,
    target: "es2023",
    assetsInlineLimit: 0, // the policy forbids data: addresses
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
});

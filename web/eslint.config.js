import svelte from "eslint-plugin-svelte";
import ts from "typescript-eslint";

export default ts.config(
  { ignores: ["node_modules/"] },
  ...ts.configs.strict,
  ...svelte.configs.recommended,
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: { parserOptions: { parser: ts.parser } },
  },
  {
    rules: {
      "no-eval": "error",
      "no-console": "error",
      eqeqeq: ["error", "always", { null: "ignore" }],
      "svelte/no-at-html-tags": "error",
      "svelte/prefer-svelte-reactivity": "off", // the maps and dates here live within one function
      "@typescript-eslint/no-non-null-assertion": "error",
      "max-lines": ["error", 400],
    },
  },
);

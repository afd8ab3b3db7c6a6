/** @type {import("@sveltejs/vite-plugin-svelte").SvelteConfig} */
export default {
  compilerOptions: {
    runes: true,
    // Nodes are made one by one and not from text: the policy allows no text to become markup.
    fragments: "tree",
  },
};

// Drives the page of a running server in Chromium, as a reader would. ASHATAI_SERVER is the server's address and
// ASHATAI_TEST_CHROMIUM the browser, ASHATAI_TEST_BIN the folder of the programs; ASHATAI_PAGE_ONLY chooses checks by a part of their name. Prints one line for each
// check and exits with 1 when one failed.

import { end } from "./harness.mjs";

await import("./page_chat.mjs");
await import("./page_kept.mjs");
await import("./page_looks.mjs");
await import("./page_views.mjs");
await import("./page_jobs.mjs");
await import("./page_manage.mjs");
await import("./page_oidc.mjs");
await import("./page_admin.mjs");
await end();

// The dialogs of reading mail, through gate and reader on loopback.

import path from "node:path";
import { dialogTests } from "#test/support/dialog.ts";
import { readingTarget } from "#test/support/reading.ts";

for (const folder of ["imap", "pop3"]) {
  dialogTests(path.join(import.meta.dirname, folder), { loopback: readingTarget });
}

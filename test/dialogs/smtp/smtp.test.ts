// Every dialog of smtp/ and submission/, in memory and on loopback.

import path from "node:path";
import { dialogTests } from "#test/support/dialog.ts";
import { worlds } from "./world.ts";

dialogTests(import.meta.dirname, worlds);
dialogTests(path.resolve(import.meta.dirname, "../submission"), worlds);

// kenro start: the server in the foreground.

import { supervise } from "#roles/supervisor/main.ts";
import { complain, type Run } from "../call.ts";
import { continueStripped } from "../code.ts";
import { enter } from "../directory.ts";

export const start: Run = async ({ directory }) => {
  enter(directory);
  continueStripped(".");
  process.title = "kenro supervisor";
  return supervise(directory, { ready: () => process.stdout.write("ready\n"), say: complain });
};

// A program: reads kenro.toml in the working directory and prints what it found as JSON. The supervisor runs it instead of reading the file
// itself: the library behind the schema would cost it 11 MB for all its life (docs/decisions/0007), and root need not parse.

import { loadConfig } from "./load.ts";

process.stdout.write(JSON.stringify(loadConfig(".")));

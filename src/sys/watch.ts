// Watches directories for changes (inotify); a watch that cannot be had is no trouble, because whoever watches also looks now and then.

import fs from "node:fs";

/** Calls `changed` after something changed in one of the directories, until the function it returns is called. */
export function watchDirectories(paths: readonly string[], changed: () => void): () => void {
  const watchers: fs.FSWatcher[] = [];
  for (const path of paths) {
    try {
      const watcher = fs.watch(path, { persistent: false }, () => changed());
      watcher.on("error", () => watcher.close());
      watchers.push(watcher);
    } catch {
      // too many watches in the system, or no such directory
    }
  }
  return () => {
    for (const watcher of watchers) watcher.close();
  };
}

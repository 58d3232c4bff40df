// Where the drop directory is and what is in it (docs/drop.md); apart, so that the supervisor, which makes it, loads nothing else.

/** Places below the data directory. */
export const drop = {
  directory: "drop",
  fresh: "drop/new",
  aside: "drop/aside",
  settings: "drop/settings",
} as const;

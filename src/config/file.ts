// The one configuration file.

/** In the data directory. */
export const CONFIG_FILE = "kenro.toml";

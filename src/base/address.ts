// Network addresses as text: what kind they are.

/** 127.0.0.0/8 or ::1. */
export const isLoopback = (address: string): boolean =>
  /^127\.\d+\.\d+\.\d+$/.test(address) || address === "::1";

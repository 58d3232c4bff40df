// Clock: the only source of time; tests inject their own.

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since 1970. May jump. */
  now(): number;
  /** Milliseconds that never go back; for measuring. */
  monotonic(): number;
  /** Runs `action` once after `ms` (at most 24 days); does not keep the process alive by itself. */
  after(ms: number, action: () => void): Timer;
}

/** Resolves after `ms`. */
export const pause = (clock: Clock, ms: number): Promise<void> =>
  new Promise((resolve) => void clock.after(ms, resolve));

/**
 * What `finding` gives, or what `late` gives when that takes longer than `ms`. Rejects as `finding` does, if in time, and with what `late`
 * throws.
 */
export function within<T, L>(clock: Clock, ms: number, finding: Promise<T>, late: () => L): Promise<T | L> {
  const { promise, resolve, reject } = Promise.withResolvers<T | L>();
  const timer = clock.after(ms, () => {
    try {
      resolve(late());
    } catch (thrown) {
      reject(thrown);
    }
  });
  // no third promise to clean up: nearly every question of a session comes through here
  finding.then(
    (found) => {
      timer.cancel();
      resolve(found);
    },
    (thrown: unknown) => {
      timer.cancel();
      reject(thrown);
    },
  );
  return promise;
}

/** Runs `work`, which must not reject, after `first` ms and then `every` ms after its last end: never twice at once. What it gives ends that. */
export function repeat(
  clock: Clock,
  { first, every }: { readonly first: number; readonly every: number },
  work: () => Promise<void>,
): Timer {
  let stopped = false;
  let timer = clock.after(first, run);
  function run(): void {
    void work().then(() => {
      if (!stopped) timer = clock.after(every, run);
    });
  }
  return {
    cancel: () => {
      stopped = true;
      timer.cancel();
    },
  };
}

/** The largest delay that setTimeout takes (2³¹ − 1 ms). */
const LONGEST_TIMER = 0x7fff_ffff;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, action) {
    const handle = setTimeout(action, Math.min(Math.max(0, ms), LONGEST_TIMER));
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};

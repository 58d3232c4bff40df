// SyncGate: one sync for all who wait. A sync covers what was done before it began; who comes while it runs shares the next one.

export class SyncGate {
  readonly #sync: () => Promise<void>;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(sync: () => Promise<void>) {
    this.#sync = sync;
  }

  /** Resolves when everything done before this call is synced. Rejects with what the sync said. */
  pass(): Promise<void> {
    if (!this.#running) return this.#start();
    const before = this.#running;
    // whatever became of the running one, ours begins after it
    this.#next ??= before.then(
      () => this.#start(),
      () => this.#start(),
    );
    return this.#next;
  }

  #start(): Promise<void> {
    this.#next = undefined;
    const running = this.#sync().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }
}

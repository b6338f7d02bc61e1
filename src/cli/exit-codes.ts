// What the exit codes mean. Which error has which is in src/errors.ts.

export const EXIT_CODES: readonly (readonly [code: string, meaning: string])[] = [
  ["0", "done"],
  ["1", "failure"],
  ["2", "usage or configuration"],
  ["3", "partly done"],
  ["4", "etcd cannot be reached"],
  ["5", "repository cannot be reached"],
  ["6", "corrupt, or verification failed"],
  ["7", "locked by another writer"],
  ["8", "not found"],
  ["9", "refused for safety"],
  ["10", "cannot decrypt"],
  ["129, 130, 143", "interrupted (SIGHUP, SIGINT, SIGTERM)"],
];
/** Done, but not all that was asked for. */
export const PARTLY_DONE = 3;
/** What was verified is not as it should be. */
export const CORRUPT = 6;
